/** @file Partial slopes of a chain on a box: ranges of all activations, then products of intervals from both ends, and RecurJac where that is quick. */
import { matrix } from "../../linalg/matrix.ts";
import { down, up } from "../../linalg/rounding.ts";
import type { WrittenChain } from "../chain/written.ts";
import type { Range } from "../domain.ts";
import { both, ranges, slopesOn } from "../local/ranges.ts";
import { recurJacobians } from "../local/recurJac.ts";
import type { Partials } from "./partials.ts";
import { type Enclosure, type Factors, productsDown, transposed, withTransposed } from "./product.ts";

/** Prepare the partial slopes of a network that is a chain. */
export function partialsOfChain({ chain, exact, error, shifts }: WrittenChain): Partials {
  const { affine, activations } = chain;
  const weights = affine.map(({ weight }) => weight);
  const factors: Factors = { weights, errors: weights.map((_, t) => error(t, "inf")) };
  const turned = transposed(factors);
  const rounding = exact ? {} : { rounding: (i: number) => ({ matrix: error(i, "inf"), shift: shifts[i] }) };
  const sizes = weights.map(({ rows, cols }) => rows * cols);
  const [outputs, inputs] = [weights[weights.length - 1].rows, weights[0].cols];
  const products = sizes.reduce((sum, s) => sum + 4 * s * (outputs + inputs), 0);
  const walks = sizes.reduce((sum, _, t) => sum + (t > 0 && t < activations.length ? relaxWork(weights, t) : 0), 0);
  const recursion = recursionWork(weights);
  const recursive = exact && weights.length > 2;
  const always = recursive && recursion <= recurWork;
  const base = 1e4 + products + walks;
  const slopesIn = (box: Range) =>
    slopesOn(chain, ranges(chain, { kind: "box", ...box }, rounding) as readonly Range[]);
  const tight = {
    // Of a part of the box a good part of all neurons is off.
    work: 1e4 + walks + recursion / 4,
    on: (box: Range) => recurred(weights, slopesIn(box)),
  };
  return {
    work: base + (always ? recursion : 0),
    ...(recursive && !always && { tight }),
    on(box) {
      const slopes = slopesIn(box);
      const behind = productsDown(factors, slopes);
      const before = productsDown(turned, [...slopes].reverse());
      let whole = withTransposed(behind[0], before[0]);
      if (always) whole = { ...whole, ...both(whole, recurred(weights, slopes)) };
      return { low: whole.low, high: whole.high, turns: turnsOf(slopes, behind, before) };
    },
    glance: products,
    at(x) {
      const found = ranges(chain, { kind: "box", low: x, high: x }, { relax: false }) as readonly Range[];
      // At a kink the one side or the other, for all neurons together.
      const slopes = slopesOn(chain, found).map(({ high }) => ({ low: high, high }));
      const { low, high } = productsDown({ weights, errors: weights.map(() => 0) }, slopes)[0];
      return low.map((l, k) => l / 2 + high[k] / 2);
    },
  };
}

// --- internal ---

/** Multiply-adds up to which RecurJac is worth its time on every piece; beyond, only on those that are cut. */
const recurWork = 2e5;

function relaxWork(weights: Factors["weights"], t: number): number {
  let sum = 0;
  for (let s = 0; s < t; s++) sum += 2 * weights[t].rows * weights[s].rows * (weights[s].cols + 8);
  return sum;
}

function recursionWork(weights: Factors["weights"]): number {
  const outputs = weights[weights.length - 1].rows;
  let sum = 0;
  for (let t = 0; t + 2 < weights.length; t++) {
    for (let s = t + 1; s < weights.length; s++) {
      sum += 8 * outputs * weights[t].cols * weights[s].rows * weights[s].cols;
    }
  }
  return sum;
}

/** RecurJac, without the neurons whose slope is 0: nothing goes through them. */
function recurred(weights: Factors["weights"], slopes: readonly Range[]): Range {
  const alive = slopes.map(({ low, high }) => Array.from(low.keys()).filter((j) => low[j] !== 0 || high[j] !== 0));
  if (alive.some((on) => on.length === 0)) {
    const zero = new Float64Array(weights[weights.length - 1].rows * weights[0].cols);
    return { low: zero, high: zero };
  }
  const pick = (v: Float64Array, on: readonly number[]) => Float64Array.from(on, (j) => v[j]);
  const affine = weights.map((W, t) => {
    const rows = alive[t] ?? Array.from({ length: W.rows }, (_, r) => r);
    const cols = t === 0 ? Array.from({ length: W.cols }, (_, c) => c) : alive[t - 1];
    const data = rows.flatMap((r) => cols.map((c) => W.data[r * W.cols + c]));
    return { weight: matrix(rows.length, cols.length, data), bias: new Float64Array(rows.length) };
  });
  const left = slopes.map(({ low, high }, t) => ({ low: pick(low, alive[t]), high: pick(high, alive[t]) }));
  const { mid, radius } = recurJacobians({ affine, activations: [] }, left)[0];
  return {
    low: radius.map((r, k) => (r === 0 ? mid.data[k] : down(mid.data[k] - r))),
    high: radius.map((r, k) => (r === 0 ? mid.data[k] : up(mid.data[k] + r))),
  };
}

/** By input: the sum over neurons of the width of its slopes, times what stands behind it, times how the input moves it. */
function turnsOf(slopes: readonly Range[], behind: readonly Enclosure[], before: readonly Enclosure[]): Float64Array {
  const last = behind.length - 1;
  const inputs = before[last].rows;
  const turns = new Float64Array(inputs);
  for (let t = 0; t < slopes.length; t++) {
    const after = columnSizes(behind[t + 1]);
    // Transposed: inputs x neurons.
    const own = before[last - t];
    const { low, high } = slopes[t];
    for (let j = 0; j < own.cols; j++) {
      const open = (high[j] - low[j]) * after[j];
      if (!(open > 0)) continue;
      for (let i = 0; i < inputs; i++) {
        const k = i * own.cols + j;
        turns[i] += open * Math.max(Math.abs(own.low[k]), Math.abs(own.high[k]));
      }
    }
  }
  return turns;
}

function columnSizes({ cols, low, high }: Enclosure): Float64Array {
  const sums = new Float64Array(cols);
  low.forEach((l, k) => {
    sums[k % cols] += Math.max(Math.abs(l), Math.abs(high[k]));
  });
  return sums;
}
