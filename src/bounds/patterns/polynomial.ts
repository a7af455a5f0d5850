/** @file Nodes of a composition as polynomials of its one varying node, of degree 3 at most, with coefficients that are enclosed. */
import type { Node } from "../../graph/graph.ts";
import type { Composition } from "./composition.ts";
import {
  type Enclosure,
  exactly,
  isBounded,
  isExactly,
  isNonZero,
  negative,
  numberOf,
  over,
  plus,
  sizeOf,
  times,
} from "./enclosure.ts";

/** Coefficients from the constant on. */
export type Polynomial = readonly Enclosure[];

/** What nodes of a composition are as polynomials; each is found once, however often it is read. */
export interface Polynomials {
  /** The polynomial that a node is; null for anything else. */
  of(node: Node): Polynomial | null;
  /** Is no coefficient what is left of much larger numbers? Else it is known, but a machine that computes the node gives something else. */
  isSteady(node: Node): boolean;
}

/** Read the nodes of a composition. */
export function polynomials(composition: Composition): Polynomials {
  const none = { value: exactly(0), met: 0 };
  const known = new Map<Node, Summed | null>([[composition.x, [none, { value: exactly(1), met: 1 }]]]);
  // Each after its inputs: nothing is deeper than one look.
  const find = (node: Node) => known.get(node) ?? null;
  for (const node of composition.inner) {
    const found = polynomialOf(composition, node, find);
    known.set(node, found?.every(({ value }) => isBounded(value)) ? trimmed(found) : null);
  }
  return {
    of: (node) => find(node)?.map(({ value }) => value) ?? null,
    isSteady: (node) => find(node)?.every(({ value, met }) => isLeftOf(value, met)) ?? false,
  };
}

/** Is a sum of numbers that are `met` in size together still of that size? */
export function isLeftOf([low, high]: Enclosure, met: number): boolean {
  const least = low > 0 ? low : high < 0 ? -high : 0;
  return met <= 4 * least;
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

/** A coefficient, and the sum of the sizes of all that was added up to it, give or take its rounding. */
interface Coefficient {
  readonly value: Enclosure;
  readonly met: number;
}

type Summed = readonly Coefficient[];

const scaled = ({ value, met }: Coefficient, by: Enclosure): Coefficient => ({
  value: times(value, by),
  met: met * sizeOf(by),
});

const joined = (a: Coefficient, b: Coefficient): Coefficient => ({
  value: plus(a.value, b.value),
  met: a.met + b.met,
});

function polynomialOf(composition: Composition, node: Node, find: (node: Node) => Summed | null): Summed | null {
  const step = affineStep(composition, node);
  if (step) {
    const inside = find(step.of);
    if (!inside) return null;
    const moved = { value: step.offset, met: sizeOf(step.offset) };
    return inside.map((c, k) => (k === 0 ? joined(scaled(c, step.scale), moved) : scaled(c, step.scale)));
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
      const sign = exactly(node.op.computes === "sum" ? 1 : -1);
      const none = { value: exactly(0), met: 0 };
      return Array.from({ length: Math.max(a.length, b.length) }, (_, k) =>
        joined(a[k] ?? none, scaled(b[k] ?? none, sign)),
      );
    }
    default:
      return null;
  }
}

function product(a: Summed, b: Summed | null): Summed | null {
  if (!b || a.length + b.length - 1 > 4) return null;
  const c = new Array<Coefficient>(a.length + b.length - 1).fill({ value: exactly(0), met: 0 });
  a.forEach((v, i) => {
    b.forEach((w, j) => {
      c[i + j] = joined(c[i + j], { value: times(v.value, w.value), met: v.met * w.met });
    });
  });
  return c;
}

function trimmed(c: Summed): Summed {
  let n = c.length;
  while (n > 1 && isExactly(c[n - 1].value, 0) && c[n - 1].met === 0) n--;
  return c.slice(0, n);
}
