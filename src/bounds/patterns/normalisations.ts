/**
 * @file Normalisations: c / sqrt(m sum c^2 + e) over groups of numbers, e > 0, as layer, instance, group and RMS normalisation are written once the mean is
 * taken away. A quotient of two branches has no constant; this one has, since its branches are one.
 */
import type { Behaviour, Node } from "../../graph/graph.ts";
import { down, sqrtUp, up } from "../../linalg/rounding.ts";
import { type Shape, sizeOf, stridesOf } from "../../tensor/shape.ts";
import type { Fixed } from "../fixed.ts";
import { fixedAt } from "./enclosure.ts";
import { squared } from "./lengths.ts";

/**
 * The constant of a node that is a normalisation of another; null for anything else. With s = sqrt(m |c|^2 + e) and u = m^(1/2) c / s, |u| <= 1:
 *
 *     J = (I - u u^T) / s,    ||J||_2 <= 1 / e^(1/2),    ||J||_1 = ||J||_inf <= (1 + n^(1/2)) / (2 e^(1/2)),
 *
 * where |c| is known to stay away from 0, the least s takes the place of e^(1/2); the second because a row sums to 1 - u_i^2 + |u_i| sum_(j != i) |u_j| <= cos^2 t + (n - 1)^(1/2) sin t cos t for |u_i| = sin t, by Cauchy and Schwarz.
 */
export function normalisationOf(
  y: Node,
  varies: ReadonlySet<Node>,
  fixed: (node: Node) => Fixed,
): { readonly x: Node; readonly behaviour: Behaviour } | null {
  const divided = numeratorOf(y, varies, fixed);
  if (!divided) return null;
  const { of, root, factor } = divided;
  const square = groupsUnder(root.inputs[0], of, varies, fixed);
  if (!square) return null;
  const steepest = up(factor / down(Math.sqrt(square.added)));
  if (!Number.isFinite(steepest)) return null;
  const byNorm = (two: number) => {
    const sums = up(two * up(0.5 * up(1 + sqrtUp(square.size))));
    return { 1: sums, 2: two, inf: sums };
  };
  return {
    x: of,
    behaviour: {
      kind: "smooth",
      lipschitz: byNorm(steepest),
      on: (low, high) => byNorm(Math.min(steepest, up(factor / down(Math.sqrt(leastSquare(square, low, high)))))),
      // |u| <= 1
      within: [-1, 1].map((side) => side * up(factor / down(Math.sqrt(square.times)))) as [number, number],
      curvature: Number.POSITIVE_INFINITY,
    },
  };
}

// --- internal ---

/** y = k of / root: what is divided, the root (which may be stretched over its group), and |k|. */
function numeratorOf(y: Node, varies: ReadonlySet<Node>, fixed: (node: Node) => Fixed) {
  const { computes } = y.op;
  const [a, b] = y.inputs;
  if (computes === "quotient") {
    const root = rootUnder(b, y);
    return root && varies.has(a) && sameShape(a, y) ? { of: a, root, factor: 1 } : null;
  }
  if (computes !== "product") return null;
  for (const [of, other] of [
    [a, b],
    [b, a],
  ] as const) {
    const inverse = unstretched(other, y);
    if (inverse.op.computes !== "quotient" || !varies.has(of) || !sameShape(of, y)) continue;
    const [above, below] = inverse.inputs;
    if (varies.has(above) || below.op.computes !== "root" || !sameShape(below, inverse)) continue;
    const k = fixed(above);
    const factor = Array.from(k.data, (_, i) => fixedAt(k, i)).reduce(
      (most, [low, high]) => Math.max(most, Math.abs(low), Math.abs(high)),
      0,
    );
    return { of, root: below, factor };
  }
  return null;
}

function rootUnder(node: Node, y: Node): Node | null {
  const root = unstretched(node, y);
  return root.op.computes === "root" ? root : null;
}

/** What is copied along axes of size 1, in as many axes. */
function unstretched(node: Node, y: Node): Node {
  const { op, inputs } = node;
  if (op.order !== "rises" || op.computes !== undefined || inputs.length !== 1) return node;
  if (op.behaviour(node, [true]).kind !== "linear") return node;
  const [{ shape }] = inputs;
  const copied = shape.length === y.shape.length && shape.every((d, i) => d === node.shape[i] || d === 1);
  return copied ? inputs[0] : node;
}

/** m sum of^2 + e over groups, m > 0. */
interface Square {
  /** The least e. */
  readonly added: number;
  /** Numbers in a group. */
  readonly size: number;
  /** m, rounded down. */
  readonly times: number;
  /** Of all numbers together, and the axes along which those of a group lie. */
  readonly shape: Shape;
  readonly axes: readonly number[];
}

/** The least m sum c^2 + e of any group for c between two points, rounded down. */
function leastSquare({ added, times, shape, axes }: Square, low: Float64Array, high: Float64Array): number {
  const kept = shape.map((d, i) => (axes.includes(i) ? 1 : d));
  const [own, groups] = [stridesOf(shape), stridesOf(kept)];
  const sums = new Float64Array(sizeOf(kept));
  for (let k = 0; k < low.length; k++) {
    const least = low[k] > 0 ? low[k] : high[k] < 0 ? high[k] : 0;
    let group = 0;
    shape.forEach((d, i) => {
      if (kept[i] !== 1) group += (Math.floor(k / own[i]) % d) * groups[i];
    });
    sums[group] = Math.max(0, down(sums[group] + Math.max(0, down(least * least))));
  }
  const smallest = sums.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  return Math.max(added, down(down(times * smallest) + added));
}

/** The square under a root. Groups are what is added along whole axes, which stay with size 1. */
function groupsUnder(node: Node, of: Node, varies: ReadonlySet<Node>, fixed: (node: Node) => Fixed): Square | null {
  if (node.op.computes !== "sum") return null;
  const [a, b] = varies.has(node.inputs[0]) ? node.inputs : [node.inputs[1], node.inputs[0]];
  if (varies.has(b) || !sameShape(a, node)) return null;
  const e = fixed(b);
  const added = Array.from(e.data, (_, k) => fixedAt(e, k)[0]).reduce(
    (least, low) => Math.min(least, low),
    Number.POSITIVE_INFINITY,
  );
  if (!(added > 0 && added < Number.POSITIVE_INFINITY)) return null;
  const axes = (a.attrs as { readonly axes?: readonly number[] } | null)?.axes;
  if (a.op.order !== "adds" || a.inputs.length !== 1 || !axes) return null;
  const [from] = a.inputs;
  const kept = from.shape.map((d, i) => (axes.includes(i) ? 1 : d));
  if (a.shape.join() !== kept.join() || squared(from, fixed) !== of || !sameShape(from, of)) return null;
  const size = sizeOf(from.shape) / sizeOf(a.shape);
  const behaviour = a.op.behaviour(a, [true]);
  if (behaviour.kind !== "linear" || behaviour.of.form !== "bounded") return null;
  // Its norm is that of a row, all of whose entries are m, rounded up in the last digits.
  return { added, size, times: (behaviour.of.norm.inf / size) * (1 - 2 ** -40), shape: from.shape, axes };
}

const sameShape = (a: Node, b: Node): boolean => a.shape.join() === b.shape.join();
