/** @file The value of a composition of plain ops at a point, enclosed: for compositions that a value at 1 and one at -1 tell. */
import type { Elementary, Node } from "../../graph/graph.ts";
import { sizeOf as elementsOf } from "../../tensor/shape.ts";
import type { Range } from "../domain.ts";
import type { Fixed } from "../fixed.ts";
import type { Composition } from "./composition.ts";
import {
  type Enclosure,
  exactly,
  fixedAt,
  hull,
  isExactly,
  isNonZero,
  minus,
  negative,
  over,
  plus,
  times,
} from "./enclosure.ts";

/** The value where every element of x is `v`; null where a comparison cannot be decided, or an op is not known here. */
export function enclosedAt({ x, y, inner, fixed }: Composition, v: number): Range | null {
  const own = new Float64Array(elementsOf(x.shape)).fill(v);
  const values = new Map<Node, Range>([[x, { low: own, high: own }]]);
  for (const node of inner) {
    const compute = node.op.computes && rules[node.op.computes];
    if (!compute) return null;
    const inputs = node.inputs.map((i) => {
      const known = values.get(i);
      if (known) return (k: number): Enclosure => [known.low[k], known.high[k]];
      const still = fixed(i);
      return (k: number) => fixedAt(still, k);
    });
    const low = new Float64Array(elementsOf(node.shape));
    const high = new Float64Array(low.length);
    for (let k = 0; k < low.length; k++) {
      const found = compute(
        inputs.map((input) => input(k)),
        node.attrs as Readonly<Record<string, number>> | null,
      );
      if (!found?.every(Number.isFinite)) return null;
      [low[k], high[k]] = found;
    }
    values.set(node, { low, high });
  }
  return values.get(y) ?? null;
}

/** Is every one of these surely 0? */
export const isZero = (fixed: Fixed): boolean => fixed.data.every((_, k) => isExactly(fixedAt(fixed, k), 0));

// --- internal ---

type Rule = (inputs: readonly Enclosure[], attrs: Readonly<Record<string, number>> | null) => Enclosure | null;

/** 1 where it is surely so, 0 where it surely is not. */
const decided = (yes: boolean, no: boolean): Enclosure | null => (yes ? exactly(1) : no ? exactly(0) : null);

const below: Rule = ([a, b]) => decided(a[1] < b[0], a[0] >= b[1]);
const upTo: Rule = ([a, b]) => decided(a[1] <= b[0], a[0] > b[1]);
const turned =
  (rule: Rule): Rule =>
  ([a, b]) =>
    rule([b, a], null);
const larger = (a: Enclosure, b: Enclosure): Enclosure => [Math.max(a[0], b[0]), Math.max(a[1], b[1])];
const smaller = (a: Enclosure, b: Enclosure): Enclosure => [Math.min(a[0], b[0]), Math.min(a[1], b[1])];
const zero = exactly(0);
/** Conditions are 0 or 1 where they are decided. */
const isTrue = ([low]: Enclosure): boolean => low !== 0;

const rules: Readonly<Partial<Record<Elementary, Rule>>> = {
  sum: ([a, b]) => plus(a, b),
  difference: ([a, b]) => minus(a, b),
  product: ([a, b]) => times(a, b),
  quotient: ([a, b]) => (isNonZero(b) ? over(a, b) : null),
  negative: ([a]) => negative(a),
  larger: ([a, b]) => larger(a, b),
  smaller: ([a, b]) => smaller(a, b),
  relu: ([a]) => larger(a, zero),
  "leaky relu": ([a], attrs) => plus(larger(a, zero), times(smaller(a, zero), exactly(attrs?.alpha ?? Number.NaN))),
  absolute: ([a]) => (a[0] >= 0 ? a : a[1] <= 0 ? negative(a) : hull(zero, a, negative(a))),
  less: below,
  "at most": upTo,
  greater: turned(below),
  "at least": turned(upTo),
  and: ([a, b]) => decided(isTrue(a) && isTrue(b), !isTrue(a) || !isTrue(b)),
  or: ([a, b]) => decided(isTrue(a) || isTrue(b), !isTrue(a) && !isTrue(b)),
  not: ([a]) => decided(!isTrue(a), isTrue(a)),
  cast: ([a]) => a,
  choice: ([c, a, b]) => (isTrue(c) ? a : b),
};
