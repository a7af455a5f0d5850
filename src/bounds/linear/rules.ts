/** @file What the walk does at nonlinearities: one line below and one above a function of one number, planes below and above a product. */
import { apply, type Node } from "../../graph/graph.ts";
import { input } from "../../graph/leaf.ts";
import { add, maximum, minimum, mul, neg } from "../../ops/arith.ts";
import { sum } from "../../ops/broadcast.ts";
import { gather } from "../../ops/gather.ts";
import { reshape } from "../../ops/movement.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { type Tensor, tensor } from "../../tensor/tensor.ts";
import type { NonlinearityRule } from "./back.ts";
import type { Lines } from "./lines.ts";
import type { Plan, Product } from "./plan.ts";

/** Where a node's numbers lie at the samples, [samples, size] each. */
export interface Range {
  readonly low: Float64Array;
  readonly high: Float64Array;
}

/** What is known of the nonlinearities of a batch; what is not there was not needed yet. */
export interface Known {
  /** Of the nodes that nonlinearities read, by position. */
  readonly ranges: ReadonlyMap<number, Range>;
  /** Of what acts element by element, by number of the nonlinearity. */
  readonly lines: ReadonlyMap<number, Lines>;
}

/** Tables [samples, size] as inputs of a program, and what is fed to them. */
export interface Tables<K extends Known> {
  /** A table read for every row, [rows, size]. */
  table: Table<K>;
  feeds(known: K): Record<string, Tensor>;
}

export type Table<K extends Known> = (name: string, size: number, of: (known: K) => Float64Array) => Node;

/** Tables for rows of the samples `who` [rows]; one that is asked for twice is fed once. */
export function tablesOf<K extends Known>(samples: number, who: Node): Tables<K> {
  const inputs = new Map<string, { readonly node: Node; of(known: K): Float64Array }>();
  return {
    table(name, size, of) {
      const known = inputs.get(name) ?? { node: input(name, [samples, size], "float64"), of };
      inputs.set(name, known);
      return gather(known.node, who, 0);
    },
    feeds: (known) =>
      Object.fromEntries([...inputs].map(([name, { node, of }]) => [name, tensor(of(known), node.shape, "float64")])),
  };
}

/**
 * The usual rules. With c = c+ + c-,
 *
 *     s(z)      c+ goes through the line below, c- through the one above (Zhang et al. 2018, CROWN)
 *     a b       c+ through the mean of  al b + bl a - al bl  and  au b + bu a - au bu,
 *               c- through the mean of  au b + bl a - au bl  and  al b + bu a - al bu  (McCormick 1976)
 *
 * the second for every op that is a sum of products, because its own vjp is linear in each factor.
 */
export const usualRules =
  <K extends Known>(plan: Plan, table: Table<K>): NonlinearityRule =>
  (k, c, node) => {
    const nonlinearity = plan.nonlinearities[k];
    return nonlinearity.kind === "pointwise"
      ? betweenLines(lineTables(k, nonlinearity.size, table), c)
      : betweenPlanes(plan, nonlinearity, c, node, table);
  };

/** Lines of every row, [rows, size] each. */
export interface LineTables {
  readonly belowSlope: Node;
  readonly belowOffset: Node;
  readonly aboveSlope: Node;
  readonly aboveOffset: Node;
}

/** The lines of a nonlinearity. Default: those of the whole range. */
export function lineTables<K extends Known>(
  k: number,
  size: number,
  table: Table<K>,
  name = "",
  lines: (known: K) => Lines = (known) => known.lines.get(k) as Lines,
): LineTables {
  const of = (which: "belowSlope" | "belowOffset" | "aboveSlope" | "aboveOffset") =>
    table(`${name} ${which} ${k}`, size, (known) => lines(known)[which]);
  return {
    belowSlope: of("belowSlope"),
    belowOffset: of("belowOffset"),
    aboveSlope: of("aboveSlope"),
    aboveOffset: of("aboveOffset"),
  };
}

// --- internal ---

function betweenLines(lines: LineTables, c: Node) {
  const plus = maximum(c, 0);
  const minus = minimum(c, 0);
  return {
    g: [add(mul(plus, lines.belowSlope), mul(minus, lines.aboveSlope))],
    number: sum(add(mul(plus, lines.belowOffset), mul(minus, lines.aboveOffset)), [1], true),
  };
}

function betweenPlanes<K extends Known>(plan: Plan, nonlinearity: Product, c: Node, node: Node, table: Table<K>) {
  const rows = c.shape[0];
  const [a, b] = nonlinearity.reads.map((at, i) => {
    const size = sizeOf(plan.varying[at].shape);
    const end = (side: "low" | "high") =>
      reshape(
        table(`${side} ${at}`, size, ({ ranges }) => (ranges.get(at) as Range)[side]),
        node.inputs[i].shape,
      );
    return { low: end("low"), high: end("high") };
  });
  const flat = (x: Node) => reshape(x, [rows, sizeOf(x.shape) / rows]);
  const plane = (part: Node, x: Node, y: Node) => {
    const corner = apply(node.op, [x, y], node.attrs);
    const [ga, gb] = node.op.vjp(corner, reshape(mul(part, 0.5), node.shape)) as readonly Node[];
    return { ga: flat(ga), gb: flat(gb), number: neg(sum(mul(mul(part, 0.5), flat(corner)), [1], true)) };
  };
  const plus = maximum(c, 0);
  const minus = minimum(c, 0);
  const planes = [
    plane(plus, a.low, b.low),
    plane(plus, a.high, b.high),
    plane(minus, a.high, b.low),
    plane(minus, a.low, b.high),
  ];
  return {
    g: [planes.map((p) => p.ga).reduce((x, y) => add(x, y)), planes.map((p) => p.gb).reduce((x, y) => add(x, y))],
    number: planes.map((p) => p.number).reduce((x, y) => add(x, y)),
  };
}
