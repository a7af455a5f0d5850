/**
 * @file The chain inequality for convolutions that wrap around. Multipliers that are alike for all pixels of a channel keep every block of the
 * inequality a circular convolution, so that the elimination is one of small matrices, frequency by frequency, however large the image is.
 */
import { cholesky } from "../../linalg/cholesky.ts";
import { frobeniusUp } from "../../linalg/enclosure.ts";
import { type Matrix, matrix, multiply, transpose } from "../../linalg/matrix.ts";
import { spectralNorm } from "../../linalg/norm.ts";
import { rootError, rootsOfUnity } from "../../linalg/roots.ts";
import { down, gamma, sqrtUp, sumUp, unit, up } from "../../linalg/rounding.ts";
import { once } from "../once.ts";
import { solveRows } from "./matrix.ts";

/** A circular convolution before an activation with slopes in [0, 1]: kernel [channels, inputs, height, width] as large as its image. */
export interface CircularStage {
  readonly kernel: Float64Array;
  readonly channels: number;
  readonly inputs: number;
  readonly height: number;
  readonly width: number;
  readonly stride: number;
  /** Where the kernel was computed: a bound of the Frobenius norm of what its symbol may be off at any frequency, in the real form. */
  readonly error?: number;
}

/**
 * What is proved of the signal z before a dense map W: the change of W z is C k with |k| <= length |dx|. The constant of a network is then
 * at most length times that of the chain that begins with C in the place of W.
 */
export interface CircularProof {
  readonly C: Matrix;
  readonly length: number;
}

/**
 * Carry the chain inequality through circular convolutions up to the dense map W [outputs, channels * pixels] behind them; nothing where the
 * multipliers (one list of numbers per channel for each stage, the block of the input being the identity) do not prove it.
 *
 * At frequency f, with K the symbol of a stage, G^* G <= X what is known of the signal before it and a over the frequencies that its stride
 * lets fall together,
 *
 *     F_a = K_a G_a^-1 / stride,      X' = Lambda - (Lambda / 2) (sum_a F_a F_a^*) (Lambda / 2),      G' with G'^* G' <= X'.
 *
 * Complex matrices stand as real ones of twice the side. Nothing that is solved for is trusted: F G differs from K by E, whose norm is
 * bounded by the residual; X' - G'^* G' is shown to be positive by being nearly a multiple of the identity. With |G dz| <= c |dx| and
 * |dz| <= a |dx| the inequality 2 dz^T Lambda/2 dz <= 2 dz^T Lambda/2 (F G + E) dz_before gives
 *
 *     c'^2 = c^2 + max(Lambda) |E| a a',      a' = |K| a.
 *
 * At the end W = F G + E and C C^T >= F F^* + mu^2 I, so that W dz = [F | mu I] (G dz, E dz / mu) = C k with |k|^2 <= c^2 + (|E| a / mu)^2.
 */
export function circularProof(
  stages: readonly CircularStage[],
  multipliers: readonly Float64Array[],
  W: Matrix,
): CircularProof | undefined {
  let signal: Signal = { factors: null, c: 1, a: 1 };
  for (const [i, stage] of stages.entries()) {
    const lambda = multipliers[i];
    if (lambda.length !== stage.channels || lambda.some((l) => !(l > 1e-100 && l < 1e100))) return undefined;
    const next = carried(signal, stage, lambda);
    if (next === undefined) return undefined;
    signal = next;
  }
  const last = stages[stages.length - 1];
  return ended(signal, last.channels, [last.height / last.stride, last.width / last.stride], W);
}

/** Multiply-adds of `circularProof` for a map of so many rows, roughly. */
export function proofWork(stages: readonly CircularStage[], rows: number): number {
  const own = stages.map(({ channels, inputs, height, width, stride }, i) => {
    // Before the first stage there is nothing to solve for.
    const aliases = 8 * channels * inputs * ((i > 0 ? 2 * inputs : 0) + channels) * stride ** 2;
    return ((height * width) / (2 * stride ** 2)) * (aliases + 20 * channels ** 3);
  });
  const { channels, height, width, stride } = stages[stages.length - 1];
  const end = ((height * width) / (2 * stride ** 2)) * (8 * rows * channels ** 2 + 2 * rows ** 2 * channels);
  return own.reduce((sum, work) => sum + work, end);
}

/**
 * The norm of a circular convolution, proved: the largest over the frequencies f of the coarse grid of the norms of the matrices [K_a / stride]_a,
 * a over the frequencies that the stride lets fall onto f; to within a relative `tolerance`.
 */
export function circularNorm(stage: CircularStage, tolerance = 1e-9): number {
  const { channels, inputs, height, width, stride } = stage;
  const fine = symbolsOfStage(stage);
  const [m, n] = [height / stride, width / stride];
  const half = Math.floor(n / 2) + 1;
  const aliases = stride * stride;
  const cols = 2 * inputs * aliases;
  let top = 0;
  for (let f = 0; f < m * half; f++) {
    const data = new Float64Array(2 * channels * cols);
    let errors = 0;
    for (let alias = 0; alias < aliases; alias++) {
      const u = Math.floor(f / half) + Math.floor(alias / stride) * m;
      const v = (f % half) + (alias % stride) * n;
      const K = divided(fine.at(u, v), stride);
      for (let r = 0; r < K.rows; r++) {
        data.set(K.data.subarray(r * K.cols, (r + 1) * K.cols), r * cols + alias * K.cols);
      }
      // The division by the stride errs by u.
      const e = up(fine.error + 2 * unit * frobeniusUp(K.data));
      errors = up(errors + up(e * e));
    }
    top = Math.max(top, up(spectralNorm(matrix(2 * channels, cols, data), { tolerance }).upper + sqrtUp(errors)));
  }
  return top;
}

// --- internal ---

interface Signal {
  /** L with G = L^T for the first half of the frequencies, in the real form; null for G = I. */
  readonly factors: readonly Matrix[] | null;
  /** c squared is at least 1; upper bounds. */
  readonly c: number;
  readonly a: number;
}

type Grid = readonly [number, number];

function carried(signal: Signal, stage: CircularStage, lambda: Float64Array): Signal | undefined {
  const { channels, inputs, height, width, stride } = stage;
  const fine = symbolsOfStage(stage);
  const [m, n] = [height / stride, width / stride];
  const half = Math.floor(n / 2) + 1;
  const side = 2 * channels;
  const halves = Float64Array.from({ length: side }, (_, i) => lambda[i % channels] / 2);
  const most = 2 * halves.reduce((a, b) => Math.max(a, b), 0);
  const trace = sumUp(2 * lambda.reduce((a, b) => a + b, 0), channels + 1);
  const factors: Matrix[] = [];
  let error = 0;
  let size = 0;
  for (let f = 0; f < m * half; f++) {
    let gram = new Float64Array(side * side);
    let square = 0;
    let errors = 0;
    let sizes = 0;
    for (let alias = 0; alias < stride * stride; alias++) {
      const u = Math.floor(f / half) + Math.floor(alias / stride) * m;
      const v = (f % half) + (alias % stride) * n;
      // The division by the stride errs by u.
      const K = divided(fine.at(u, v), stride);
      const L = signal.factors && at(signal.factors, u, v, [height, width], inputs);
      const solved = factored(K, L);
      gram = gram.map((x, k) => x + solved.gram.data[k]);
      square = up(square + solved.square);
      const e = up(solved.error + up(fine.error + 2 * unit * solved.size));
      errors = up(errors + up(e * e));
      sizes = up(sizes + up(solved.size * solved.size));
    }
    const X = gram.map((x, k) => {
      const [i, j] = [Math.floor(k / side), k % side];
      return (i === j ? 2 * halves[i] : 0) - halves[i] * halves[j] * x;
    });
    const terms = 2 * inputs * stride * stride + 2 * side + stride * stride + 16;
    const rounding = up(gamma(terms) * up(up(((most * most) / 4) * square) * (1 + 8 * unit) + 4 * trace));
    const L = below({ rows: side, cols: side, data: X }, rounding);
    if (L === undefined) return undefined;
    factors.push(L);
    error = Math.max(error, errors);
    size = Math.max(size, sizes);
  }
  const a = up(up(sqrtUp(size) + fine.error * stride) * signal.a);
  const c = sqrtUp(up(up(signal.c * signal.c) + up(up(most * sqrtUp(error)) * up(signal.a * a))));
  return { factors, c, a };
}

/** The end: C for the dense map. */
function ended(signal: Signal, channels: number, grid: Grid, W: Matrix): CircularProof | undefined {
  const pixels = grid[0] * grid[1];
  if (W.cols !== channels * pixels) return undefined;
  const { rows } = W;
  const symbols = symbolsOf(W.data, rows, channels, grid);
  const half = Math.floor(grid[1] / 2) + 1;
  const N = new Float64Array(rows * rows);
  let square = 0;
  let errors = 0;
  for (let f = 0; f < grid[0] * half; f++) {
    const [u, v] = [Math.floor(f / half), f % half];
    const weight = v === 0 || 2 * v === grid[1] ? 1 : 2;
    // The lower half of a real form says what the upper one does, and its square is as large.
    const K = symbols.at(u, v);
    const solved = factored({ ...K, rows, data: K.data.subarray(0, rows * K.cols) }, signal.factors?.[f] ?? null);
    for (let k = 0; k < N.length; k++) N[k] += (weight * solved.gram.data[k]) / pixels;
    square = up(square + (2 * weight * solved.square) / pixels);
    const e = up(2 * solved.error + symbols.error);
    errors = up(errors + up((weight * up(e * e)) / pixels));
  }
  let trace = 0;
  for (let i = 0; i < rows; i++) trace += N[i * (rows + 1)];
  const mu2 = (1e-9 * trace) / rows;
  if (!(mu2 > 1e-200)) return undefined;
  const rounding = up(gamma(2 * channels + pixels + 2 * rows + 16) * up(up(square * (1 + 8 * unit)) + 4 * up(trace)));
  const C = above({ rows, cols: rows, data: N }, mu2, rounding);
  if (C === undefined) return undefined;
  const rest = up(up(up(errors) * up(signal.a * signal.a)) / down(mu2));
  return { C, length: sqrtUp(up(up(signal.c * signal.c) + rest)) };
}

/** F with F L^T nearly K: F F^T and its rounding, what |F|^2 and |K| are at most, and a bound of |K - F L^T|. */
function factored(K: Matrix, L: Matrix | null) {
  const size = frobeniusUp(K.data);
  if (L === null) return { gram: multiply(K, transpose(K)), square: up(size * size), size, error: 0 };
  const F = solveRows(L, K);
  const back = multiply(F, transpose(L));
  const off = back.data.map((x, k) => x - K.data[k]);
  const own = frobeniusUp(F.data);
  const rounding = up(gamma(L.rows + 2) * up(up(own * frobeniusUp(L.data)) + size));
  return {
    gram: multiply(F, transpose(F)),
    square: up(own * own),
    size,
    error: up(frobeniusUp(off) * (1 + 4 * unit) + rounding),
  };
}

/** L with L L^T <= X for every X within `rounding` of the given one. */
function below(X: Matrix, rounding: number): Matrix | undefined {
  for (let shift = 4 * rounding; shift < 1e6 * rounding; shift *= 8) {
    const L = cholesky(onDiagonal(X, -shift));
    if (L === undefined) return undefined;
    const off = apart(X, L, shift);
    if (up(off + rounding) <= shift) return L;
  }
  return undefined;
}

/** C with C C^T >= N + mu2 for every N within `rounding` of the given one. */
function above(N: Matrix, mu2: number, rounding: number): Matrix | undefined {
  for (let shift = 4 * rounding; shift < 1e6 * rounding; shift *= 8) {
    const C = cholesky(onDiagonal(N, mu2 + shift));
    if (C === undefined) return undefined;
    const off = apart(N, C, -(mu2 + shift));
    if (up(off + rounding) <= down(shift)) return C;
  }
  return undefined;
}

function onDiagonal({ rows, data }: Matrix, by: number): Matrix {
  const moved = data.slice();
  for (let i = 0; i < rows; i++) moved[i * (rows + 1)] += by;
  return { rows, cols: rows, data: moved };
}

/** |X - L L^T - shift I|_F as it is computed, rounded up; the rounding of the product is in `rounding` of those who ask. */
function apart(X: Matrix, L: Matrix, shift: number): number {
  const product = multiply(L, transpose(L));
  const D = X.data.map((x, k) => x - product.data[k] - (k % (X.rows + 1) === 0 ? shift : 0));
  return up(frobeniusUp(D) * (1 + 4 * unit));
}

const divided = (K: Matrix, by: number): Matrix => (by === 1 ? K : { ...K, data: K.data.map((x) => x / by) });

/** The factor of a frequency of the whole grid: the conjugate where it stands for its mirror image. */
function at(factors: readonly Matrix[], u: number, v: number, [m, n]: Grid, channels: number): Matrix {
  const half = Math.floor(n / 2) + 1;
  if (v < half) return factors[u * half + v];
  const L = factors[((m - u) % m) * half + (n - v)];
  // The conjugate of the real form is D L D with D = diag(I, -I), which is as triangular as L.
  const data = L.data.map((x, k) => (Math.floor(k / L.cols) < channels !== k % L.cols < channels ? -x : x));
  return { ...L, data };
}

/**
 * The symbols sum over t of K[t] exp(2 pi i f t) of kernels [rows, cols, ...grid] in the real form [2 rows, 2 cols]. Each coordinate errs by at
 * most (e + gamma_T (1 + e)) sum_t |K[t]|, e = rootError; `error` bounds the Frobenius norm of the error of the real form.
 */
export function symbolsOf(kernel: Float64Array, rows: number, cols: number, grid: Grid): Symbols {
  const known = symbolsBySides(kernel);
  const key = [rows, cols, ...grid].join();
  const symbols = known.get(key) ?? transformed(kernel, rows, cols, grid);
  known.set(key, symbols);
  return symbols;
}

function symbolsOfStage({ kernel, channels, inputs, height, width, error = 0 }: CircularStage): Symbols {
  const symbols = symbolsOf(kernel, channels, inputs, [height, width]);
  return error === 0 ? symbols : { ...symbols, error: up(symbols.error + error) };
}

interface Symbols {
  readonly error: number;
  /** At one frequency of the whole grid. */
  at(u: number, v: number): Matrix;
}

/** Searches ask for those of one kernel again and again. */
const symbolsBySides = once((_: Float64Array) => new Map<string, Symbols>());

function transformed(kernel: Float64Array, rows: number, cols: number, grid: Grid): Symbols {
  const [m, n] = grid;
  const taps = m * n;
  const half = Math.floor(n / 2) + 1;
  const roots = rootsOfUnity(taps);
  const count = rows * cols;
  const made = new Map<number, Matrix>();
  let squares = 0;
  for (let k = 0; k < count; k++) {
    let sum = 0;
    for (let t = 0; t < taps; t++) sum += Math.abs(kernel[k * taps + t]);
    squares += sum * sum;
  }
  // A kernel that is smaller than its image is 0 at most places.
  const places = Array.from({ length: taps }, (_, t) => t).filter((t) => {
    for (let k = 0; k < count; k++) if (kernel[k * taps + t] !== 0) return true;
    return false;
  });
  const all = sumUp(sqrtUp(sumUp(squares, count + 2)), taps + 2);
  const error = up(2 * up(up(rootError + up(gamma(taps + 1) * up(1 + rootError))) * all));
  const own = (u: number, v: number): Matrix => {
    const key = u * half + v;
    const known = made.get(key);
    if (known) return known;
    const cos = new Float64Array(places.length);
    const sin = new Float64Array(places.length);
    places.forEach((t, p) => {
      const turn = (u * Math.floor(t / n) * n + v * (t % n) * m) % taps;
      cos[p] = roots.cos[turn];
      sin[p] = roots.sin[turn];
    });
    const data = new Float64Array(4 * count);
    for (let k = 0; k < count; k++) {
      let re = 0;
      let im = 0;
      for (let p = 0; p < places.length; p++) {
        const x = kernel[k * taps + places[p]];
        re += x * cos[p];
        im += x * sin[p];
      }
      const [i, j] = [Math.floor(k / cols), k % cols];
      data[i * 2 * cols + j] = re;
      data[(rows + i) * 2 * cols + cols + j] = re;
      data[i * 2 * cols + cols + j] = -im;
      data[(rows + i) * 2 * cols + j] = im;
    }
    const K = matrix(2 * rows, 2 * cols, data);
    made.set(key, K);
    return K;
  };
  return {
    error,
    at(u: number, v: number): Matrix {
      if (v < half) return own(u, v);
      const K = own((m - u) % m, n - v);
      return { ...K, data: K.data.map((x, k) => (Math.floor(k / K.cols) < rows !== k % K.cols < cols ? -x : x)) };
    },
  };
}
