/**
 * @file The walk back as graph: from covectors at a node to covectors at the input and a number, one rule per kind of node. What is computed may
 * be off by rounding, and how much is counted along the way: any covector is as good as another, as long as the remainder is paid for.
 */

import { accumulate } from "../../graph/accumulate.ts";
import { apply, type Node } from "../../graph/graph.ts";
import { constant, filledLike } from "../../graph/leaf.ts";
import { operatorOf } from "../../graph/origin.ts";
import { add, mul } from "../../ops/arith.ts";
import { sum } from "../../ops/broadcast.ts";
import { matmul } from "../../ops/matmul.ts";
import { reshape, sliceAxis } from "../../ops/movement.ts";
import { abs } from "../../ops/pointwise.ts";
import { UsageError } from "../../tensor/errors.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { tensor } from "../../tensor/tensor.ts";
import type { Plan } from "./plan.ts";

/** Lower bounds of rows of linear forms: c . node >= covectors . (nodes where the walk stopped) + number. */
export interface Pulled {
  /** At the nodes where the walk stopped, by position in the plan, [rows, size]. */
  readonly covectors: ReadonlyMap<number, Node>;
  /** [rows, 1]. */
  readonly number: Node;
  /** What rounding may have made of the number, covectors included, [rows, 1], not negative. */
  readonly loss: Node;
}

/** What a walk does at a nonlinearity: c [rows, size] of the output becomes g of each input that is read, [rows, size], and adds to the number. */
export type NonlinearityRule = (
  nonlinearity: number,
  c: Node,
  node: Node,
) => { readonly g: readonly Node[]; readonly number: Node };

/**
 * Pull covectors c [rows, size] at the node `from` of a plan back to the input, or to the nodes at `stops`.
 *
 *     affine       g_i = A_i^T c,  number += c . b,  loss += loss_k |c|_1
 *     nonlinearities   as `rule` says
 *
 * Covectors that meet are added, which `loss` counts by their own lengths. `losses` and `sizes` are those of `Sizes` for every row, [rows, nodes].
 */
export function pullBack(
  plan: Plan,
  rows: number,
  from: number,
  c: Node,
  question: {
    readonly rule: NonlinearityRule;
    readonly stops?: ReadonlySet<number>;
    readonly losses: Node;
    readonly sizes: Node;
  },
): Pulled {
  const { varying, affine } = plan;
  const graph = plan.rows(rows);
  const place = new Map(graph.map((node, i) => [node, i]));
  const { rule, stops = new Set([0]), losses, sizes } = question;
  const met = new Map<number, Node[]>([[from, [reshape(c, graph[from].shape)]]]);
  const covectors = new Map<number, Node>();
  const numbers: Node[] = [];
  const lost: Node[] = [];
  const flat = (node: Node) => reshape(node, [rows, sizeOf(node.shape) / rows]);
  const at = (table: Node, i: number) => sliceAxis(table, 1, i, i + 1);
  for (let i = from; i >= 0; i--) {
    const parts = met.get(i);
    if (!parts) continue;
    if (parts.length > 1) {
      // Half a unit for each addition, of numbers that may cancel.
      const lengths = parts.map((p) => rowLength(flat(p))).reduce((a, b) => add(a, b));
      lost.push(mul(mul(lengths, at(sizes, i)), parts.length * 2 ** -51));
    }
    const own = parts.reduce((a, b) => accumulate(a, b));
    if (stops.has(i)) {
      covectors.set(i, flat(own));
      continue;
    }
    const node = graph[i];
    const give = (x: Node, g: Node) => {
      const to = place.get(x) as number;
      met.set(to, [...(met.get(to) ?? []), reshape(g, x.shape)]);
    };
    lost.push(mul(rowLength(flat(own)), at(losses, i)));
    const nonlinearity = plan.nonlinearityAt(i);
    if (nonlinearity !== undefined) {
      const { g, number } = rule(nonlinearity, flat(own), node);
      numbers.push(number);
      for (const [k, x] of node.inputs.filter((x) => place.has(x)).entries()) give(x, g[k]);
      continue;
    }
    const facts = affine[i];
    if (!facts) throw new UsageError(`${plan.subject.name}: the linear walk must stop at its input`);
    // The derivative of an affine map is the same everywhere, but the graph of it may ask where.
    const still = apply(
      node.op,
      node.inputs.map((x) => (place.has(x) ? filledLike(x, 0) : x)),
      node.attrs,
    );
    const pulled = node.op.vjp(still, own);
    node.inputs.forEach((x, k) => {
      if (!place.has(x)) return;
      const g = pulled[k];
      if (!g)
        throw new UsageError(`${plan.subject.name}: ${operatorOf(varying[i])} gives no adjoint to the linear walk`);
      give(x, g);
    });
    if (facts.bias) {
      numbers.push(matmul(flat(own), constant(tensor(facts.bias, [facts.bias.length, 1], "float64"))));
    }
  }
  const zero = constant(tensor(new Float64Array(rows), [rows, 1], "float64"));
  return {
    covectors,
    number: numbers.reduce((a, b) => add(a, b), zero),
    loss: lost.reduce((a, b) => add(a, b), zero),
  };
}

/** |c|_1 of every row, [rows, 1]. */
export const rowLength = (c: Node): Node => sum(abs(c), [1], true);
