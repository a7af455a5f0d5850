/** @file Nodes of a composition as polynomials of its one varying node, of degree 3 at most, with coefficients that are enclosed. */
import type { Node } from "../../graph/graph.ts";
import type { Composition } from "./composition.ts";
import {
  type Enclosure,
  exactly,
  isBounded,
  isExactly,
  isNonZero,
  minus,
  negative,
  numberOf,
  over,
  plus,
  times,
} from "./enclosure.ts";

/** Coefficients from the constant on. */
export type Polynomial = readonly Enclosure[];

/** Of each node, the polynomial that it is; null for anything else. Each is found once, however often it is read. */
export function polynomials(composition: Composition): (node: Node) => Polynomial | null {
  const known = new Map<Node, Polynomial | null>([[composition.x, [exactly(0), exactly(1)]]]);
  // Each after its inputs: nothing is deeper than one look.
  const find = (node: Node) => known.get(node) ?? null;
  for (const node of composition.inner) {
    const found = polynomialOf(composition, node, find);
    known.set(node, found?.every(isBounded) ? trimmed(found) : null);
  }
  return find;
}

/** y = scale x + offset by one op with one number, of x the varying input; null for any other op. */
export function affineStep({ inner, x, fixed }: Composition, node: Node) {
  const varies = (n: Node) => n === x || inner.includes(n);
  const which = node.inputs.filter(varies);
  if (node === x || which.length !== 1) return null;
  const [of] = which;
  const [none, one] = [exactly(0), exactly(1)];
  const first = node.inputs[0] === of;
  const { computes } = node.op;
  if (computes === "negative") return { scale: exactly(-1), offset: none, of };
  if (computes === "cast" && isFloatCast(node)) return { scale: one, offset: none, of };
  if (!computes || !["sum", "difference", "product", "quotient"].includes(computes)) return null;
  const c = numberOf(fixed(node.inputs[first ? 1 : 0]));
  if (!c || !isBounded(c)) return null;
  if (computes === "sum") return { scale: one, offset: c, of };
  if (computes === "difference")
    return first ? { scale: one, offset: negative(c), of } : { scale: exactly(-1), offset: c, of };
  if (computes === "product") return { scale: c, offset: none, of };
  return first && isNonZero(c) ? { scale: over(one, c), offset: none, of } : null;
}

// --- internal ---

const isFloatCast = ({ dtype, inputs: [of] }: Node): boolean =>
  dtype.startsWith("float") && of.dtype.startsWith("float");

function polynomialOf(
  composition: Composition,
  node: Node,
  find: (node: Node) => Polynomial | null,
): Polynomial | null {
  const step = affineStep(composition, node);
  if (step) {
    const inside = find(step.of);
    if (!inside) return null;
    return inside.map((c, k) => (k === 0 ? plus(times(c, step.scale), step.offset) : times(c, step.scale)));
  }
  const [a, b] = node.inputs.map(find);
  switch (node.op.computes) {
    case "power": {
      const power = numberOf(composition.fixed(node.inputs[1]));
      if (!a || !power) return null;
      return isExactly(power, 2) ? product(a, a) : isExactly(power, 3) ? product(a, product(a, a)) : null;
    }
    case "product":
      return a && product(a, b);
    case "sum":
    case "difference": {
      if (!a || !b) return null;
      const join = node.op.computes === "sum" ? plus : minus;
      const none = exactly(0);
      return Array.from({ length: Math.max(a.length, b.length) }, (_, k) => join(a[k] ?? none, b[k] ?? none));
    }
    default:
      return null;
  }
}

function product(a: Polynomial, b: Polynomial | null): Polynomial | null {
  if (!b || a.length + b.length - 1 > 4) return null;
  const c = new Array<Enclosure>(a.length + b.length - 1).fill(exactly(0));
  a.forEach((v, i) => {
    b.forEach((w, j) => {
      c[i + j] = plus(c[i + j], times(v, w));
    });
  });
  return c;
}

function trimmed(c: Polynomial): Polynomial {
  let n = c.length;
  while (n > 1 && isExactly(c[n - 1], 0)) n--;
  return c.slice(0, n);
}
