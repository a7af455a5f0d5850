/**
 * @file Normalisations: c / sqrt(m sum c^2 + e) over groups of numbers, e > 0, as layer, instance, group and RMS normalisation are written once the mean is
 * taken away. A quotient of two branches has no constant; this one has, since its branches are one.
 */
import type { Behaviour, Node } from "../../graph/graph.ts";
import { down, sqrtUp, up } from "../../linalg/rounding.ts";
import { sizeOf } from "../../tensor/shape.ts";
import type { Fixed } from "../fixed.ts";
import { fixedAt } from "./enclosure.ts";
import { squared } from "./lengths.ts";

/**
 * The constant of a node that is a normalisation of another; null for anything else. With s = sqrt(m |c|^2 + e) and u = m^(1/2) c / s, |u| <= 1:
 *
 *     J = (I - u u^T) / s,    ||J||_2 <= 1 / e^(1/2),    ||J||_1 = ||J||_inf <= (1 + n^(1/2)) / (2 e^(1/2)),
 *
 * the second because a row sums to 1 - u_i^2 + |u_i| sum_(j != i) |u_j| <= cos^2 t + (n - 1)^(1/2) sin t cos t for |u_i| = sin t, by Cauchy and Schwarz.
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
  const sums = up(steepest * up(0.5 * up(1 + sqrtUp(square.size))));
  return {
    x: of,
    behaviour: {
      kind: "smooth",
      lipschitz: { 1: sums, 2: steepest, inf: sums },
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

/** m sum of^2 + e over groups, m > 0: the least e, and how many numbers are in a group. Groups are what is added along whole axes, which stay with size 1. */
function groupsUnder(node: Node, of: Node, varies: ReadonlySet<Node>, fixed: (node: Node) => Fixed) {
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
  return { added, size: sizeOf(from.shape) / sizeOf(a.shape) };
}

const sameShape = (a: Node, b: Node): boolean => a.shape.join() === b.shape.join();
