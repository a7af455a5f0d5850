/** @file Compositions with one slope on each side of 0 - PReLU, leaky ReLU by a maximum, x + relu(x): what scales with x > 0 is told by its values at 1 and -1. */
import type { Behaviour, Node } from "../../graph/graph.ts";
import type { Composition } from "./composition.ts";
import { enclosedAt, isZero } from "./enclosed.ts";

/** The slopes of a composition that is positively homogeneous, element by element, and whether computing it part by part gives it; null where that cannot be told. */
export function kinkedBehaviour({
  x,
  y,
  inner,
  fixed,
}: Composition): { readonly behaviour: Behaviour; readonly steady: boolean } | null {
  if (inner.some((node) => node.shape.join() !== x.shape.join())) return null;
  // What is linear has no bend; affine maps around it see through it, and through a name they would not.
  if (inner.every((node) => isLinear(node, new Set([x, ...inner])))) return null;
  const degrees = new Map<Node, number>([[x, 1]]);
  const zero = (node: Node) => !degrees.has(node) && isZero(fixed(node));
  for (const node of inner) {
    const degree = degreeOf(node, (i) => degrees.get(i), zero);
    if (degree === null) return null;
    degrees.set(node, degree);
  }
  if (degrees.get(y) !== 1) return null;
  const composition = { x, y, inner, fixed };
  const [above, below] = [enclosedAt(composition, 1), enclosedAt(composition, -1)];
  if (!above || !below) return null;
  const right = hull(above.low, above.high);
  const left = hull(
    below.high.map((v) => -v),
    below.low.map((v) => -v),
  );
  const slopes = [...right, ...left];
  if (!slopes.every(Number.isFinite)) return null;
  // Nothing is gained by a name where the sum over the branches is the largest slope.
  const known = Math.max(...slopes.map(Math.abs));
  if (branchwise(x, inner, fixed) <= known * (1 + 1e-9)) return null;
  const both = [Math.min(right[0], left[0]), Math.max(right[1], left[1])] as const;
  return {
    behaviour: {
      kind: "pointwise",
      slope: both,
      slopeOn: (low, high) => (low >= 0 ? right : high <= 0 ? left : both),
      curvature: Number.POSITIVE_INFINITY,
    },
    steady:
      largestMet(composition) <=
      16 *
        Math.max(
          1,
          slopes.reduce((least, v) => Math.min(least, Math.abs(v)), known),
        ),
  };
}

// --- internal ---

function isLinear(node: Node, varies: ReadonlySet<Node>): boolean {
  const { kind } = node.op.behaviour(
    node,
    node.inputs.map((i) => varies.has(i)),
  );
  return kind === "linear" || kind === "isometry";
}

/** The largest number that meets another on the way to y where |x| is 1, Infinity where what is compared was rounded: no rounding is larger than a few units of it. */
function largestMet({ x, inner, fixed }: Composition): number {
  const sizes = new Map<Node, number>([[x, 1]]);
  const sizeOf = (i: Node) => sizes.get(i) ?? fixed(i).data.reduce((top, v) => Math.max(top, Math.abs(v)), 0);
  let top = 1;
  for (const node of inner) {
    const [a, b = 0, c = 0] = node.inputs.map(sizeOf);
    const own = met(node, a, b, c, (i) => (sizes.has(i) ? i === x : isZero(fixed(i))), fixed);
    sizes.set(node, own);
    top = Math.max(top, own);
  }
  return top;
}

function met(
  { op: { computes }, inputs, attrs }: Node,
  a: number,
  b: number,
  c: number,
  exact: (input: Node) => boolean,
  fixed: Composition["fixed"],
): number {
  switch (computes) {
    case "sum":
    case "difference":
      return a + b;
    case "product":
      return a * b;
    case "quotient":
      return a / fixed(inputs[1]).data.reduce((least, v) => Math.min(least, Math.abs(v)), Number.POSITIVE_INFINITY);
    case "larger":
    case "smaller":
      return Math.max(a, b);
    case "choice":
      return Math.max(b, c);
    case "leaky relu":
      return a * Math.max(1, Math.abs((attrs as { readonly alpha: number }).alpha));
    case "less":
    case "at most":
    case "greater":
    case "at least":
      return inputs.every(exact) ? 1 : Number.POSITIVE_INFINITY;
    case "and":
    case "or":
    case "not":
      return 1;
    default:
      return a;
  }
}

/** What the slopes of the branches give if nothing is known of how they meet. */
function branchwise(x: Node, inner: Composition["inner"], fixed: Composition["fixed"]): number {
  const found = new Map<Node, number>([[x, 1]]);
  let last = 1;
  for (const node of inner) {
    const varying = node.inputs.flatMap((i) => found.get(i) ?? []);
    const behaviour = node.op.behaviour(
      node,
      node.inputs.map((i) => found.has(i)),
    );
    if (behaviour.kind === "unbounded") last = Number.POSITIVE_INFINITY;
    else if (behaviour.kind === "pointwise") last = varying[0] * Math.max(...behaviour.slope.map(Math.abs));
    else if (behaviour.kind === "smooth") last = Math.hypot(...varying);
    else if (behaviour.kind === "linear" && behaviour.of.form === "diagonal") {
      const { factors, inverse } = behaviour.of;
      last = varying[0] * fixed(factors).data.reduce((top, v) => Math.max(top, Math.abs(inverse ? 1 / v : v)), 0);
    } else last = varying.reduce((sum, v) => sum + v, 0);
    found.set(node, last);
  }
  return last;
}

/** The power of t > 0 that f(t x) takes out of f(x): 1 for what is like x, 0 for a condition; null for anything else. */
function degreeOf(
  node: Node,
  degree: (input: Node) => number | undefined,
  isZero: (input: Node) => boolean,
): number | null {
  const { inputs } = node;
  const like = (k: number) => degree(inputs[k]) === 1 || isZero(inputs[k]);
  const held = (k: number) => degree(inputs[k]) === undefined;
  switch (node.op.computes) {
    case "sum":
    case "difference":
    case "larger":
    case "smaller":
      return like(0) && like(1) ? 1 : null;
    case "product": {
      const [a, b] = [degree(inputs[0]) ?? 0, degree(inputs[1]) ?? 0];
      return a + b === 1 ? 1 : null;
    }
    case "quotient":
      return degree(inputs[0]) === 1 && held(1) ? 1 : null;
    case "negative":
    case "relu":
    case "leaky relu":
    case "absolute":
      return degree(inputs[0]) === 1 ? 1 : null;
    case "less":
    case "at most":
    case "greater":
    case "at least":
      return like(0) && like(1) ? 0 : null;
    case "and":
    case "or":
    case "not":
      return inputs.every((i) => degree(i) === 0) ? 0 : null;
    case "cast":
      return degree(inputs[0]) === 0 || node.dtype.startsWith("float") ? (degree(inputs[0]) ?? null) : null;
    case "choice":
      return (held(0) || degree(inputs[0]) === 0) && like(1) && like(2) ? 1 : null;
    default:
      return null;
  }
}

const hull = (lows: Float64Array, highs: Float64Array): readonly [number, number] => [
  lows.reduce((least, v) => Math.min(least, v), Number.POSITIVE_INFINITY),
  highs.reduce((most, v) => Math.max(most, v), Number.NEGATIVE_INFINITY),
];
