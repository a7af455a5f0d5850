/** @file MaxMin, or GroupSort of pairs, however it is composed: the numbers of x are moved about and some pairs of them replaced by their larger and smaller. Told by following every number by its place. */
import type { Node } from "../../graph/graph.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { isFloat } from "../../tensor/tensor.ts";
import type { Composition } from "./composition.ts";

/** Places a and b of the input whose larger number goes to place `max` of the output, the smaller to `min`. A lone number has a = b, max = min. */
export interface Pair {
  readonly a: number;
  readonly b: number;
  readonly max: number;
  readonly min: number;
}

/** Does a node only move numbers? */
export const isMove = ({ op }: Node): boolean => op.order === "moves";

/** The pairs that a composition sorts; null where it is anything else than one sorting of disjoint pairs. */
export function pairsOf({ x, y, inner, fixed }: Composition): readonly Pair[] | null {
  const n = sizeOf(x.shape);
  if (!isMove(y) || sizeOf(y.shape) !== n) return null;
  // Numbers 1..n stand for the places of x, those above for the larger or smaller of two places.
  const sorted: { readonly kind: "max" | "min"; readonly a: number; readonly b: number }[] = [];
  const ids = new Map<Node, Float64Array>([[x, Float64Array.from({ length: n }, (_, i) => i + 1)]]);
  const choose = (kind: "max" | "min", i: number, j: number): number =>
    sorted.push({ kind, a: Math.min(i, j), b: Math.max(i, j) }) + n;
  for (const node of inner) {
    const inputs = node.inputs.map((i) => ids.get(i) ?? null);
    const kind = node.op.computes === "larger" || node.op.computes === "largest" ? "max" : "min";
    if (isMove(node)) {
      // What is moved beside the numbers of x are indices.
      const fed = node.inputs.map((i, k) => inputs[k] ?? (isFloat(i.dtype) ? null : fixed(i).data));
      if (fed.some((f) => f === null)) return null;
      ids.set(node, node.op.evaluate(node, fed as Float64Array[]));
    } else if (node.op.computes === "larger" || node.op.computes === "smaller") {
      const [a, b] = inputs;
      if (!a || !b) return null;
      ids.set(
        node,
        a.map((i, k) => choose(kind, i, b[k])),
      );
    } else {
      const [all] = inputs;
      if (!all || all.length !== 2 * sizeOf(node.shape)) return null;
      const one = node.op.evaluate(node, [all]);
      const other = node.op.evaluate(node, [all.map((i) => -i)]);
      ids.set(
        node,
        one.map((i, k) => choose(kind, i, -other[k])),
      );
    }
  }
  return matched(ids.get(y) as Float64Array, sorted, n);
}

// --- internal ---

function matched(
  out: Float64Array,
  sorted: readonly { readonly kind: "max" | "min"; readonly a: number; readonly b: number }[],
  n: number,
): readonly Pair[] | null {
  const used = new Int8Array(n + 1);
  const open = new Map<string, { readonly kind: "max" | "min"; readonly at: number }>();
  const pairs: Pair[] = [];
  for (const [at, id] of out.entries()) {
    if (!(id >= 1)) return null;
    if (id <= n) {
      if (++used[id] > 1) return null;
      pairs.push({ a: id - 1, b: id - 1, max: at, min: at });
      continue;
    }
    const { kind, a, b } = sorted[id - n - 1];
    if (a > n || b > n || a === b) return null;
    const key = `${a} ${b}`;
    const other = open.get(key);
    if (!other) {
      if (++used[a] > 1 || ++used[b] > 1) return null;
      open.set(key, { kind, at });
      continue;
    }
    if (other.kind === kind || other.at < 0) return null;
    const [max, min] = kind === "max" ? [at, other.at] : [other.at, at];
    pairs.push({ a: a - 1, b: b - 1, max, min });
    open.set(key, { kind, at: -1 });
  }
  return pairs.some((p) => p.a !== p.b) && [...open.values()].every(({ at }) => at < 0) ? pairs : null;
}
