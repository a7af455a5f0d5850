/**
 * @file The curvature of a chain of dense layers, output by output: sharper than the walk, because it knows how much each neuron counts
 * and adds up J^T D J as matrices instead of multiplying norms.
 */

import type { Chain } from "../bounds/chain.ts";
import type { Range } from "../bounds/domain.ts";
import { exactly, type IntervalMatrix, intervalBound, timesMatrix, timesSlopes } from "../bounds/local/interval.ts";
import { addUp, timesUp } from "../bounds/norm/region.ts";
import { closedConstant, programOfChain } from "../bounds/quadratic/ofChain.ts";
import { frobeniusUp, normalised } from "../linalg/enclosure.ts";
import type { Matrix } from "../linalg/matrix.ts";
import { spectralNorm } from "../linalg/norm.ts";
import { scaleUp, sqrtUp, tiny, up } from "../linalg/rounding.ts";

/** A chain with what is known of it on a domain. */
export interface CurvedChain {
  readonly chain: Chain;
  readonly slopes: readonly Range[];
  readonly curvatures: readonly Float64Array[];
  /** What each matrix may differ from the true one, in the spectral norm. */
  readonly errors: readonly number[];
}

/** Of one number or one vector made of the outputs: bounds of its first and second derivative in the input of the chain. */
export interface DerivativeBounds {
  readonly slope: number;
  readonly curvature: number;
}

export interface ChainHessianBounds {
  /** Of all outputs as one vector. */
  readonly vector: DerivativeBounds;
  /** Of f_y - f_j for y > j, row by row: (1,0), (2,0), (2,1), ...; empty where there are too many. */
  readonly pairs: readonly DerivativeBounds[];
}

/**
 * Bound the second derivatives of a chain f = W_L act(... act(W_1 x)). For a number s = w . f, with J_l the Jacobian of the
 * pre-activations z_l and g_l the gradient of s in the activations of layer l,
 *
 *     H = sum_l J_l^T diag(g_l act''(z_l)) J_l,   ||H|| <= sum_l min( ||diag(sqrt d_l) W_l||^2 A_l^2,  max d_l K_l^2 ),
 *     d_l = c2 |g_l|,   A_l >= ||d a_(l-1) / dx||,   K_l >= ||J_l||
 *
 * K_l is the smallest of the product of norms, `closedConstant` and (on a domain) the interval Jacobian of the first l layers; |g_l| the
 * smaller of the interval Jacobian from the outputs back and of column norms times the constant of what is behind. For all outputs as a
 * vector, |g_l| is the length of the column over the outputs.
 */
export async function chainHessianBounds(curved: CurvedChain, most = 190): Promise<ChainHessianBounds> {
  const stages = await stagesOf(curved);
  const { chain, errors } = curved;
  const last = chain.affine.length - 1;
  const W = chain.affine[last].weight;
  const all = exactly(W);
  const whole = spectralUp(W);
  const behind = gradients(curved, all);
  const vector = derivativeBounds(
    stages,
    addUp(whole, errors[last]),
    (l) => columnLengths(behind[l]),
    addUp(0, errors[last]),
  );
  const count = (W.rows * (W.rows - 1)) / 2;
  if (count > most) return { vector, pairs: [] };
  const rows = differences(W);
  const pairRows = gradients(curved, rows);
  const pairError = timesUp(up(Math.SQRT2), errors[last]);
  const costly = count * stages.reduce((sum, { weight }) => sum + work(weight), 0) > largestWork;
  const pairs = Array.from({ length: count }, (_, p) => {
    const length = rowLength(rows, p);
    const own = costly ? stages.map((s) => ({ ...s, weighted: null })) : stages;
    return derivativeBounds(own, addUp(length, pairError), (l) => rowSizes(pairRows[l], p), pairError);
  });
  return { vector, pairs };
}

// --- internal ---

/** Float64 operations that the spectral norms of all pairs may take together. */
const largestWork = 3e9;

const work = ({ rows, cols }: Matrix): number =>
  Math.min(rows, cols) ** 2 * (Math.max(rows, cols) + 4 * Math.min(rows, cols));

/** One hidden layer: z = W a, and what is before and behind it. */
interface Stage {
  readonly weight: Matrix;
  readonly error: number;
  readonly curvature: Float64Array;
  /** A bound of the columns of diag(slope) W, of those of this layer. */
  readonly columns: Float64Array;
  /** ||diag(slope) W||. */
  readonly norm: number;
  /** ||d a / dx|| of what the layer reads, and ||J_l|| of what it gives. */
  readonly before: number;
  readonly jacobian: number;
  /** ||diag(sqrt d) W||; null where the matrix is too large to ask often. */
  readonly weighted: ((d: Float64Array) => number) | null;
}

async function stagesOf({ chain, slopes, curvatures, errors }: CurvedChain): Promise<Stage[]> {
  const stages: Stage[] = [];
  let before = 1;
  const exact = errors.every((e) => e === 0);
  const narrowed: Chain = { ...chain, activations: chain.activations.map((a, i) => ({ ...a, ...slopes[i] })) };
  for (let l = 0; l < chain.activations.length; l++) {
    const { weight } = chain.affine[l];
    const error = errors[l];
    const steep = slopes[l].low.map((a, j) => Math.max(Math.abs(a), Math.abs(slopes[l].high[j])));
    const top = steep.reduce((best, s) => Math.max(best, s), 0);
    const own = scaledRows(weight, steep);
    const norm = addUp(spectralUp(own), timesUp(top, error));
    let jacobian = timesUp(addUp(spectralUp(weight), error), before);
    if (exact && l > 0) {
      const head: Chain = { affine: narrowed.affine.slice(0, l + 1), activations: narrowed.activations.slice(0, l) };
      const walked = await closedConstant(programOfChain(head));
      jacobian = Math.min(jacobian, walked, intervalBound(head, slopes.slice(0, l), 2));
    }
    stages.push({
      weight,
      error,
      curvature: curvatures[l],
      columns: columnLengths(exactly(own)).map((c) => addUp(up(c * (1 + 2 ** -51)), timesUp(top, error))),
      norm,
      before,
      jacobian,
      weighted: (d) => addUp(spectralUp(scaledRows(weight, d.map(sqrtUp))), timesUp(sqrtUp(largest(d)), error)),
    });
    before = Math.min(timesUp(norm, before), timesUp(top, jacobian));
  }
  return stages;
}

/**
 * Sum the parts of the layers, from the last to the first. `length` bounds the gradient of s in the last activations, `sizes(l)` its entries
 * in those of layer l as far as the written matrices tell, `error` what the last matrix may differ.
 */
function derivativeBounds(
  stages: readonly Stage[],
  length: number,
  sizes: (layer: number) => Float64Array | null,
  error: number,
): DerivativeBounds {
  let curvature = 0;
  let behind = length;
  // Of the layer behind: the columns of diag(slope) W and the gradient in its activations.
  let next: { readonly columns: Float64Array; readonly length: number } | null = null;
  for (let l = stages.length - 1; l >= 0; l--) {
    const stage = stages[l];
    const known = sizes(l);
    const d = stage.curvature.map((c, k) => {
      let g = behind;
      if (next) g = Math.min(g, timesUp(next.columns[k], next.length));
      if (known) g = Math.min(g, addUp(known[k], next ? 0 : error));
      return timesUp(c, g);
    });
    const top = largest(d);
    let part = timesUp(top, timesUp(stage.jacobian, stage.jacobian));
    if (stage.weighted && part > 0 && part < Number.POSITIVE_INFINITY) {
      const size = timesUp(stage.weighted(d), stage.before);
      part = Math.min(part, timesUp(size, size));
    }
    curvature = addUp(curvature, part);
    next = { columns: stage.columns, length: behind };
    behind = timesUp(behind, stage.norm);
  }
  return { slope: behind, curvature };
}

/** Enclose the derivatives of rows of outputs in the activations of every hidden layer; null behind a matrix that carries rounding. */
function gradients({ chain, slopes, errors }: CurvedChain, rows: IntervalMatrix): (IntervalMatrix | null)[] {
  const found: (IntervalMatrix | null)[] = [];
  let Y: IntervalMatrix | null = rows;
  for (let l = chain.activations.length - 1; l >= 0; l--) {
    found.unshift(Y);
    if (l === 0) break;
    Y =
      Y && errors[l] === 0 && errors[errors.length - 1] === 0
        ? timesMatrix(timesSlopes(Y, slopes[l]), chain.affine[l].weight)
        : null;
  }
  return found;
}

/** w_y - w_j for all y > j. */
function differences({ rows, cols, data }: Matrix): IntervalMatrix {
  const count = (rows * (rows - 1)) / 2;
  const mid = new Float64Array(count * cols);
  let p = 0;
  for (let y = 0; y < rows; y++) {
    for (let j = 0; j < y; j++, p++) {
      for (let k = 0; k < cols; k++) mid[p * cols + k] = data[y * cols + k] - data[j * cols + k];
    }
  }
  return { mid: { rows: count, cols, data: mid }, radius: mid.map((d) => Math.abs(d) * 2 ** -52) };
}

const largest = (values: Float64Array): number => values.reduce((best, v) => Math.max(best, v), 0);

/** |entry| of a row, at most. */
function rowSizes(Y: IntervalMatrix | null, row: number): Float64Array | null {
  if (!Y) return null;
  const { cols, data } = Y.mid;
  return Float64Array.from({ length: cols }, (_, k) => addUp(Math.abs(data[row * cols + k]), Y.radius[row * cols + k]));
}

function rowLength(Y: IntervalMatrix, row: number): number {
  return lengthUp(rowSizes(Y, row) as Float64Array);
}

function columnLengths(Y: IntervalMatrix): Float64Array;
function columnLengths(Y: IntervalMatrix | null): Float64Array | null;
function columnLengths(Y: IntervalMatrix | null): Float64Array | null {
  if (!Y) return null;
  const { rows, cols, data } = Y.mid;
  return Float64Array.from({ length: cols }, (_, k) =>
    lengthUp(
      Float64Array.from({ length: rows }, (__, i) => addUp(Math.abs(data[i * cols + k]), Y.radius[i * cols + k])),
    ),
  );
}

/** An upper bound of the length of a vector of sizes. */
function lengthUp(sizes: Float64Array): number {
  if (sizes.some((x) => !Number.isFinite(x))) return Number.POSITIVE_INFINITY;
  const { data, exponent } = normalised(sizes);
  return scaleUp(frobeniusUp(data), exponent);
}

/** diag(factors) A, rounded to nearest: who uses it allows for one rounding of every entry. */
function scaledRows(A: Matrix, factors: Float64Array): Matrix {
  return { ...A, data: A.data.map((v, k) => v * factors[Math.floor(k / A.cols)]) };
}

/** An upper bound of ||A|| for entries that may each be off by one rounding: |A - fl(A)| <= 2^-53 |A|, at most that part of ||A||_F. */
function spectralUp(A: Matrix): number {
  if (A.data.some((x) => !Number.isFinite(x))) return Number.POSITIVE_INFINITY;
  const rounding = timesUp(2 ** -52, lengthUp(A.data.map(Math.abs)));
  const { upper } = spectralNorm(A, { tolerance: 1e-6 });
  return up(addUp(upper, rounding) + tiny);
}
