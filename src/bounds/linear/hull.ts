/** @file Intervals of all nodes, forward, for networks with functions that have no constant: a root or a quotient needs to know that it keeps clear of 0, which no line tells. */
import type { Node } from "../../graph/graph.ts";
import { down, up } from "../../linalg/rounding.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { nodeRange } from "../local/intervals.ts";
import { anything, fixedRange } from "../local/rules.ts";
import { workOf } from "../work.ts";
import type { SetKind } from "./ball.ts";
import type { Plan } from "./plan.ts";
import type { Range } from "./rules.ts";

export interface Hull {
  /** Narrow the ranges [samples, size] of the node at a position, which must be asked for in order; `known` are those of nodes before it. */
  narrow(at: number, range: Range, known: ReadonlyMap<number, Range>): void;
}

/** Null where every nonlinearity has a constant, or where intervals are too much work. */
export function hullOf(
  plan: Plan,
  x: Float64Array,
  radii: Float64Array,
  kind: SetKind,
  live: readonly boolean[],
): Hull | null {
  const { varying, flow, norms, nonlinearities } = plan;
  const samples = live.length;
  const steep = nonlinearities.some(
    (b) =>
      b.kind === "product" || !b.slopeOn(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY).every(Number.isFinite),
  );
  const work = varying.reduce((n, node) => n + workOf(node, flow.varies), 0);
  if (!steep || work * samples > largestWork) return null;
  const found: Map<Node, Range>[] = live.map((_, s) => {
    const n = plan.subject.size;
    const center = x.subarray(s * n, (s + 1) * n);
    const r = (i: number) => (!live[s] ? 0 : kind === "box" ? radii[s * n + i] : radii[s]);
    return new Map([
      [flow.input, { low: center.map((v, i) => down(v - r(i))), high: center.map((v, i) => up(v + r(i))) }],
    ]);
  });
  let done = 1;
  return {
    narrow(at, range, known) {
      const n = sizeOf(varying[at].shape);
      live.forEach((wanted, s) => {
        if (!wanted) return;
        const own = found[s];
        // What the walk has learned since.
        for (const [i, range] of known) {
          const before = own.get(varying[i]);
          if (before) own.set(varying[i], shared(before, range, s));
        }
        const rangeOf = (node: Node): Range =>
          own.get(node) ?? (flow.varies.has(node) ? anything(sizeOf(node.shape)) : fixedRange(norms.fixed(node)));
        for (let i = done; i <= at; i++) {
          const node = varying[i];
          const made = nodeRange(
            node,
            node.inputs.map(rangeOf),
            node.inputs.map((input) => flow.varies.has(input)),
          );
          own.set(node, made);
        }
        const { low, high } = own.get(varying[at]) as Range;
        for (let j = 0; j < n; j++) {
          if (low[j] > range.low[s * n + j]) range.low[s * n + j] = low[j];
          if (high[j] < range.high[s * n + j]) range.high[s * n + j] = high[j];
        }
      });
      done = at + 1;
    },
  };
}

// --- internal ---

/** Float64 operations that intervals of a batch may take. */
const largestWork = 2e9;

function shared(own: Range, all: Range, s: number): Range {
  const n = own.low.length;
  return {
    low: own.low.map((v, j) => Math.max(v, all.low[s * n + j])),
    high: own.high.map((v, j) => Math.min(v, all.high[s * n + j])),
  };
}
