/** @file The enclosure of differences that a network is up to: op by op in ranges where that is quick, else a run in float64 with an error bound from norms. */
import type { Engine } from "../../engine/engine.ts";
import { flowOf } from "../../graph/behaviour.ts";
import type { Node } from "../../graph/graph.ts";
import { down, gamma, sqrtUp, tiny, up } from "../../linalg/rounding.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { tensor } from "../../tensor/tensor.ts";
import { type Budget, budget } from "../budget.ts";
import { computedError } from "../fixed.ts";
import { type NodeNorms, nodeNorms } from "../norm/node.ts";
import { addUp, timesUp } from "../norm/region.ts";
import type { Subject } from "../subject.ts";
import { workOf } from "../work.ts";
import { type Rise, riseByRanges } from "./enclosure.ts";
import { runUp } from "./shown.ts";
import { engineSpeed, runWork } from "./slopes.ts";

/** An enclosure, and what to do when it is no longer needed. */
export interface Risen {
  readonly rise: Rise;
  /** Float64 operations of one evaluation of the network, roughly. */
  readonly work: number;
  dispose(): Promise<void>;
}

/** The enclosure of f(y) - f(x) for two points; null where the outputs do not depend on the input. */
export async function riseOf(engine: Engine, subject: Subject, clock: Budget = budget()): Promise<Risen | null> {
  const { x, y } = subject.at(1, "float64");
  const { varying, varies } = flowOf(x, y);
  if (varying.length === 0) return null;
  const work = varying.reduce((sum, node) => sum + workOf(node, varies), 0);
  if (work > rangesWork) {
    const run = await riseByRun(engine, subject, clock);
    return run && { ...run, work };
  }
  const rise = riseByRanges(subject);
  return rise && { rise, work, dispose: async () => {} };
}

/**
 * Run both points in float64 on an engine and bound what each run errs by, in l2, from the values of all nodes:
 *
 *     delta_k = sum_i N_ki delta_i + (gamma_(n+8) + 2^-44) ( sum_i A_ki (||v_i|| + delta_i) + ||v_k|| ),
 *
 * N_ki the l2 norm of node k in input i (of products the size of the other factor), A_ki that of its absolute values, sqrt(||.||_1 ||.||_inf), and n the terms of its sums.
 * 2^-44 is what constants may be off that the model computes from its weights.
 */
export async function riseByRun(
  engine: Engine,
  subject: Subject,
  clock: Budget = budget(),
): Promise<Omit<Risen, "work"> | null> {
  const { x: input, y: output } = subject.at(1, "float64");
  const flow = flowOf(input, output);
  if (flow.varying.length === 0) return null;
  const norms = nodeNorms(flow, subject.norms);
  const names = new Map(flow.varying.map((node, k) => [node, `n${k}`]));
  const outputs = flow.varying.filter((node) => node !== input);
  const program = await engine.compile(Object.fromEntries(outputs.map((node) => [names.get(node), node])));
  const run = async (x: Float64Array) => {
    clock.spend((3 * runWork(subject)) / engineSpeed);
    const values = await program.run({ [subject.input]: tensor(x, input.shape, "float64") });
    const at = (node: Node) => (node === input ? x : (values[names.get(node) as string].data as Float64Array));
    return { value: at(output), error: errorOf(flow.varying, flow.varies, norms, at, clock) };
  };
  let last: { readonly at: Float64Array; readonly ran: Awaited<ReturnType<typeof run>> } | undefined;
  return {
    async rise(x, y) {
      const from = last?.at === x ? last.ran : await run(x);
      last = { at: x, ran: from };
      const to = await run(y);
      const error = addUp(from.error, to.error);
      const rise = to.value.map((v, k) => v - from.value[k]);
      const off = rise.map((v) => addUp(error, up(Math.abs(v) * 2 ** -52)));
      return { low: rise.map((v, k) => down(v - off[k])), high: rise.map((v, k) => up(v + off[k])) };
    },
    dispose: () => program.dispose(),
  };
}

// --- internal ---

/** Float64 operations of one evaluation up to which ranges are quick: they take about seven. */
const rangesWork = 2e7;

function errorOf(
  varying: readonly Node[],
  varies: ReadonlySet<Node>,
  norms: NodeNorms,
  at: (node: Node) => Float64Array,
  clock: Budget,
): number {
  const errors = new Map<Node, number>();
  const sizes = new Map<Node, number>();
  let error = 0;
  for (const [k, node] of varying.entries()) {
    const value = at(node);
    const size = runUp(new Float64Array(value.length), value, 2);
    sizes.set(node, size);
    if (k === 0) {
      errors.set(node, 0);
      continue;
    }
    let carried = 0;
    let read = size;
    node.inputs.forEach((x, i) => {
      if (!varies.has(x)) return;
      const before = errors.get(x) as number;
      const grown = grownBy(
        node,
        i,
        varies,
        (other) => addUp(largest(at(other)), errors.get(other) as number),
        (other) => addUp(sizes.get(other) as number, errors.get(other) as number),
      );
      const norm = (p: 1 | 2 | "inf") =>
        grown ??
        norms.partial(node, i, p, clock.counted || clock.fits(norms.cost(node, i, p)) ? "tight" : "quick").upper;
      carried = addUp(carried, timesUp(norm(2), before));
      const absolute = sqrtUp(timesUp(norm(1), norm("inf")));
      read = addUp(read, timesUp(absolute, addUp(sizes.get(x) as number, before)));
    });
    const relative = up(gamma(termsOf(node, varies) + 8) + computedError);
    error = addUp(addUp(carried, timesUp(relative, read)), tiny);
    errors.set(node, Number.isNaN(error) ? Number.POSITIVE_INFINITY : error);
  }
  return error;
}

const largest = (v: Float64Array): number => v.reduce((top, c) => Math.max(top, Math.abs(c)), 0);

/** The constant of a product in one factor, from the size of the other: the largest number of it for products of elements, its length for matrices. Null for what is no product. */
function grownBy(
  node: Node,
  i: number,
  varies: ReadonlySet<Node>,
  largestOf: (node: Node) => number,
  lengthOf: (node: Node) => number,
): number | null {
  const behaviour = node.op.behaviour(
    node,
    node.inputs.map((x) => varies.has(x)),
  );
  if (behaviour.kind !== "unbounded" || behaviour.local?.kind !== "product") return null;
  const other = node.inputs[1 - i];
  if (!varies.has(other)) return null;
  if (behaviour.local.of === "elements") return largestOf(other);
  return behaviour.local.of === "matrices" ? lengthOf(other) : null;
}

/** The terms of the sums that a node makes. */
function termsOf(node: Node, varies: ReadonlySet<Node>): number {
  const behaviour = node.op.behaviour(
    node,
    node.inputs.map((i) => varies.has(i)),
  );
  const all = node.inputs.reduce((n, i) => n + sizeOf(i.shape), 0);
  if (behaviour.kind !== "linear") return behaviour.kind === "pointwise" || behaviour.kind === "isometry" ? 1 : all;
  const { of } = behaviour;
  if (of.form === "matrix") return Math.max(...of.weight.shape);
  if (of.form !== "convolution") return all;
  return sizeOf(of.kernel.shape) / Math.min(of.kernel.shape[0], of.kernel.shape[1]);
}
