/**
 * @file Partial slopes of a chain on a box: ranges of the neurons that are open, then products of intervals from both ends, RecurJac where that is quick, second derivatives where
 * there are no kinks and linear regions where there are.
 */
import type { Matrix } from "../../linalg/matrix.ts";
import { down, up } from "../../linalg/rounding.ts";
import type { WrittenChain } from "../chain/written.ts";
import type { Range } from "../domain.ts";
import { both } from "../local/ranges.ts";
import { recurJacobians } from "../local/recurJac.ts";
import { aliveSlopes, isKinked, isOpen, type Neurons, reduced, slopesAlone, wholeOf, within } from "./neurons.ts";
import type { Partials } from "./partials.ts";
import { type Enclosure, type Factors, productsDown, transposed, withTransposed } from "./product.ts";
import { partsAlongKinks, wholeCell } from "./regions.ts";
import { turning } from "./secondOrder.ts";

/** Prepare the partial slopes of a network that is a chain. */
export function partialsOfChain(written: WrittenChain, free: readonly number[]): Partials {
  const { chain, exact, error } = written;
  const { affine, activations } = chain;
  const weights = affine.map(({ weight }) => weight);
  const errors = weights.map((_, t) => error(t, "inf"));
  const kinked = activations.map(isKinked);
  const sizes = weights.map(({ rows, cols }) => rows * cols);
  const [outputs, inputs] = [weights[weights.length - 1].rows, weights[0].cols];
  const products = sizes.reduce((sum, s) => sum + 4 * s * (outputs + inputs), 0);
  const walks = sizes.reduce((sum, _, t) => sum + (t > 0 && t < activations.length ? relaxWork(weights, t) : 0), 0);
  const none = new Float64Array(outputs * inputs);
  const zero = { low: none, high: none };
  // Entry by entry at most: a row of the difference is longer than any of its entries.
  const loose = exact ? 0 : written.slack("inf");
  const smooth = activations.length > 0 && activations.every(({ curvatureOn }) => curvatureOn);

  /** The network on a box without the neurons that are off; no net where the output is constant. */
  const parts = (box: Range, around: Neurons | null = null) => {
    const neurons = around ? within(box, around) : wholeOf(written, kinked, box);
    if (!neurons) {
      const slopes = slopesAlone(written, box);
      return { neurons, slopes, net: { weights, biases: affine.map(({ bias }) => bias) } };
    }
    const net = reduced(neurons);
    return { neurons, slopes: aliveSlopes(neurons), net };
  };
  const recurred = (weights: readonly Matrix[], slopes: readonly Range[]) => recurOf(weights, slopes, loose);
  const curved = (
    box: Range,
    neurons: Neurons,
    behind: readonly Enclosure[],
    before: readonly Enclosure[],
  ): Range | null => {
    if (!smooth) return null;
    const { center, reach } = middleOf(box);
    const at = within({ low: center, high: center }, neurons);
    const middle = productsDown({ weights, errors }, aliveSlopes(at))[0];
    const curvatures = activations.map((layer, t) => {
      const { low, high } = neurons.ranges[t];
      const found = { low: new Float64Array(low.length), high: new Float64Array(low.length) };
      for (let j = 0; j < low.length; j++) {
        [found.low[j], found.high[j]] = layer.curvatureOn?.(j, low[j], high[j]) ?? [Number.NaN, Number.NaN];
      }
      return found;
    });
    const last = activations.length;
    const question = {
      behind: behind.slice(1),
      before: activations.map((_, t) => before[last - t]),
      curvatures,
      free,
      reach,
    };
    const spread = turning(question);
    return {
      low: middle.low.map((v, k) => down(v - spread[k])),
      high: middle.high.map((v, k) => up(v + spread[k])),
    };
  };

  const on: Partials["on"] = (box, around) => {
    const { slopes, net, neurons } = parts(box, around);
    if (!net) return { ...zero, turns: null, neurons };
    const factors: Factors = { weights: net.weights, errors };
    const behind = productsDown(factors, slopes);
    const before = productsDown(transposed(factors), [...slopes].reverse());
    let all: Range = withTransposed(behind[0], before[0]);
    const recursion = recursionWork(net.weights);
    if (recursion > 0 && recursion <= recurWork && slopes.some(isSpread))
      all = both(all, recurred(net.weights, slopes));
    const bent = neurons && curved(box, neurons, behind, before);
    if (bent) all = both(all, bent);
    return { low: all.low, high: all.high, turns: turnsOf(slopes, behind, before), neurons };
  };
  const recursion = recursionWork(weights);
  return {
    work: 1.5e5 + products + walks / 4 + Math.min(recursion, recurWork),
    ...(recursion > recurWork && {
      tight: {
        work: 1e4 + walks / 4 + recursion / 16,
        on(box: Range, around?: Neurons | null) {
          const { net, slopes } = parts(box, around);
          return net ? recurred(net.weights, slopes) : zero;
        },
      },
    }),
    ...(kinked.length > 0 &&
      kinked.every(Boolean) && {
        regions: {
          neurons: kinked.reduce((sum, _, t) => sum + weights[t].rows, 0),
          open: ({ alive, ranges }) =>
            alive.reduce((sum, on, t) => {
              const { low, high } = ranges[t];
              return sum + on.filter((neuron, j) => isOpen(activations[t], neuron, low[j], high[j])).length;
            }, 0),
          parts: (box, neurons, cell) =>
            partsAlongKinks({ cell: cell ?? wholeCell({ ...middleOf(box), free }), neurons }),
          work: 5e5,
        },
      }),
    glance: 2e4 + 4 * products,
    on,
    at: (x) => slopesAt(written, x),
  };
}

// --- internal ---

/** Multiply-adds up to which RecurJac is worth its time on every piece; beyond, only on those that are cut. */
const recurWork = 2e5;

/** The box lies within center -+ reach. */
function middleOf({ low, high }: Range): { readonly center: Float64Array; readonly reach: Float64Array } {
  const center = low.map((l, i) => Math.min(high[i], Math.max(l, l / 2 + high[i] / 2)));
  return { center, reach: center.map((c, i) => (low[i] === high[i] ? 0 : up(Math.max(high[i] - c, c - low[i])))) };
}

const isSpread = ({ low, high }: Range): boolean => low.some((l, j) => l !== high[j]);

function relaxWork(weights: Factors["weights"], t: number): number {
  let sum = 0;
  for (let s = 0; s < t; s++) sum += 2 * weights[t].rows * weights[s].rows * (weights[s].cols + 8);
  return sum;
}

function recursionWork(weights: readonly Matrix[]): number {
  const outputs = weights[weights.length - 1].rows;
  let sum = 0;
  for (let t = 0; t + 2 < weights.length; t++) {
    for (let s = t + 1; s < weights.length; s++) {
      sum += 8 * outputs * weights[t].cols * weights[s].rows * weights[s].cols;
    }
  }
  return sum;
}

/** RecurJac, where every entry may be off by `loose`. */
function recurOf(weights: readonly Matrix[], slopes: readonly Range[], loose: number): Range {
  const affine = weights.map((weight) => ({ weight, bias: new Float64Array(weight.rows) }));
  const { mid, radius } = recurJacobians({ affine, activations: [] }, slopes)[0];
  const wide = loose === 0 ? radius : radius.map((r) => up(r + loose));
  return {
    low: wide.map((r, k) => (r === 0 ? mid.data[k] : down(mid.data[k] - r))),
    high: wide.map((r, k) => (r === 0 ? mid.data[k] : up(mid.data[k] + r))),
  };
}

/** Slopes at a point as they come; at a kink the one side or the other, for all neurons together. */
function slopesAt({ chain }: WrittenChain, x: Float64Array): Float64Array {
  const { affine, activations } = chain;
  const inputs = x.length;
  let a: ArrayLike<number> = x;
  let J = affine[0].weight.data;
  for (let t = 0; t < activations.length; t++) {
    const { weight, bias } = affine[t];
    const z = bias.slice();
    for (let j = 0; j < z.length; j++) {
      for (let k = 0; k < weight.cols; k++) z[j] += weight.data[j * weight.cols + k] * a[k];
    }
    const slopes = z.map((v, j) => activations[t].slopeOn(j, v, v)[1]);
    a = activations[t].apply(z);
    const { data: W, rows, cols } = affine[t + 1].weight;
    const next = new Float64Array(rows * inputs);
    for (let k = 0; k < cols; k++) {
      if (slopes[k] === 0) continue;
      for (let j = 0; j < rows; j++) {
        const w = W[j * cols + k] * slopes[k];
        if (w === 0) continue;
        for (let i = 0; i < inputs; i++) next[j * inputs + i] += w * J[k * inputs + i];
      }
    }
    J = next;
  }
  return Float64Array.from(J);
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
