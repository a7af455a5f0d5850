/**
 * @file The constant that multipliers prove, and its gradient in them. Smoothed: a large power of the trace stands for the
 * largest eigenvalue, from above, so that the gradient exists where eigenvalues meet.
 */
import { symmetricEigen } from "../../linalg/eigh.ts";
import { frobeniusNorm, type Matrix, multiply, transpose } from "../../linalg/matrix.ts";
import type { Budget } from "../budget.ts";
import type { ChainForm } from "./form.ts";
import { type Factor, factorChain, gramOf, type Multipliers, solveRows } from "./matrix.ts";

export interface ChainValue {
  /** ln (tr R^p)^(1/p) >= ln lambda_max(R): with r = exp(value), K(multipliers, r) >= 0. */
  readonly value: number;
  /** In ln lambda, layer by layer. */
  readonly gradient: readonly Float64Array[];
}

/** With the directions of the inputs that it is steepest in: where |x|^2 is the sum of q_j x_j^2, -y_j^2 summed over the rows is the gradient in ln q at q = 1. */
export interface DirectedValue extends ChainValue {
  readonly directions: Matrix;
}

export interface ChainValueOptions {
  readonly clock?: Budget;
  /** Default "together". */
  readonly outputs?: Outputs;
}

/** What counts of R: its largest eigenvalue, or its largest diagonal entry, which is that of the worst single output. */
export type Outputs = "together" | "each";

/**
 * ln (tr R^p)^(1/p), p = 2^doublings + 1, R = W_L D_{L-1}^-1 W_L^T, and its gradient in the logarithms of the multipliers; nothing where they are infeasible or time is out.
 *
 * With G G^T = W_L^T (R^(p-1) / tr R^p) W_L, y_{L-1} = D_{L-1}^-1 G and y_{i-1} = D_{i-1}^-1 W_i^T M_i Lambda_i y_i,
 *
 *     d value / d ln lambda_j = -lambda_j sum over columns of (y_j^2 - 2 mu_j y_j q_j + pi_j q_j^2),   q = W_i y_{i-1}.
 *
 * That is minus what the sector of neuron j gives at the worst direction.
 */
export function chainValue(
  form: ChainForm,
  multipliers: Multipliers,
  doublings: number,
  { clock, outputs = "together" }: ChainValueOptions = {},
): DirectedValue | undefined {
  const factor = factorChain(form, multipliers, clock);
  if (factor === undefined) return undefined;
  const { value, weight } =
    outputs === "together" ? softTop(gramOf(factor), doublings) : softLargest(factor.T, doublings);
  if (!Number.isFinite(value)) return undefined;
  return { value, ...pullBack(form, multipliers, factor, weight) };
}

/** ln (tr R^p)^(1/p) with p = 2^doublings + 1, and rows v with sum v^T v = R^(p-1) / tr R^p. */
export function softTop(R: Matrix, doublings: number): { readonly value: number; readonly weight: Matrix } {
  const power = 2 ** doublings + 1;
  const m = R.rows;
  if (m > 48) return squaredTop(R, doublings);
  const { values, vectors } = symmetricEigen(R);
  const shares = values.map((v) => Math.max(0, v / values[0]));
  const sum = shares.reduce((total, s) => total + s ** power, 0);
  // Directions of no weight are left out.
  const count = shares.findIndex((s) => s ** (power - 1) < 1e-9);
  const weight = transpose({ rows: m, cols: m, data: vectors.data }).data.slice(0, (count < 0 ? m : count) * m);
  for (let k = 0; k < weight.length; k++) {
    weight[k] *= Math.sqrt(shares[Math.floor(k / m)] ** (power - 1) / (sum * values[0]));
  }
  return {
    value: Math.log(values[0]) + Math.log(sum) / power,
    weight: { rows: weight.length / m, cols: m, data: weight },
  };
}

/** Rows x with x C C^T = a. */
export function inverseRows(C: Matrix, A: Matrix): Matrix {
  const half = solveRows(C, A);
  const n = C.rows;
  const X = half.data;
  for (let r = 0; r < A.rows; r++) {
    const row = r * n;
    for (let i = n - 1; i >= 0; i--) {
      const x = X[row + i] / C.data[i * n + i];
      X[row + i] = x;
      for (let j = 0; j < i; j++) X[row + j] -= C.data[i * n + j] * x;
    }
  }
  return half;
}

// --- internal ---

/** ln (sum R_ii^p)^(1/p), R = T T^T, and the diagonal rows v with v_i^2 = R_ii^(p-1) / sum; those of no weight are left out. */
function softLargest(T: Matrix, doublings: number): { readonly value: number; readonly weight: Matrix } {
  const power = 2 ** doublings + 1;
  const n = T.rows;
  const sizes = new Float64Array(n);
  T.data.forEach((t, k) => {
    sizes[Math.floor(k / T.cols)] += t * t;
  });
  const top = sizes.reduce((a, b) => Math.max(a, b), 0);
  const sum = sizes.reduce((total, s) => total + (s / top) ** power, 0);
  const shares = sizes.map((s) => (s / top) ** (power - 1) / (sum * top));
  const counted = Array.from(shares.keys()).filter((i) => shares[i] * top > 1e-9);
  const data = new Float64Array(counted.length * n);
  counted.forEach((i, k) => {
    data[k * n + i] = Math.sqrt(shares[i]);
  });
  return { value: Math.log(top) + Math.log(sum) / power, weight: { rows: counted.length, cols: n, data } };
}

/** The same by repeated squaring, where eigenvectors would take long: R^((p-1)/2) itself has the rows. */
function squaredTop(R: Matrix, doublings: number): { readonly value: number; readonly weight: Matrix } {
  const power = 2 ** doublings + 1;
  let H = R;
  // R^(2^k) = exp(log) H.
  let log = 0;
  let projector = false;
  for (let k = 0; k < doublings; k++) {
    if (k > 0) log *= 2;
    // Once only the leading direction is left (trace = Frobenius norm), H is its own square.
    if (projector) continue;
    if (k > 0) H = multiply(H, H);
    const size = frobeniusNorm(H);
    H = { ...H, data: H.data.map((x) => x / size) };
    log += Math.log(size);
    projector = k > 0 && trace(H) <= 1 + 1e-13;
  }
  const RH = multiply(R, H);
  let sum = 0;
  for (let k = 0; k < H.data.length; k++) sum += RH.data[k] * H.data[k];
  return {
    value: (Math.log(sum) + 2 * log) / power,
    weight: { ...H, data: H.data.map((x) => x / Math.sqrt(sum)) },
  };
}

function trace({ rows, data }: Matrix): number {
  let sum = 0;
  for (let i = 0; i < rows; i++) sum += data[i * (rows + 1)];
  return sum;
}

function pullBack({ weights, sectors }: ChainForm, multipliers: Multipliers, { blocks }: Factor, weight: Matrix) {
  const gradient: Float64Array[] = [];
  // Directions are rows.
  let y = inverseRows(blocks[blocks.length - 1].C, multiply(weight, weights[weights.length - 1]));
  for (let i = sectors.length - 1; i >= 0; i--) {
    const { mu, pi } = sectors[i];
    const lambda = multipliers[i];
    const n = lambda.length;
    const u = y.data.map((x, k) => x * mu[k % n] * lambda[k % n]);
    const before = inverseRows(blocks[i].C, multiply({ ...y, data: u }, weights[i]));
    const q = multiply(before, transpose(weights[i]));
    const slope = new Float64Array(n);
    for (let k = 0; k < y.data.length; k++) {
      const j = k % n;
      const [a, b] = [y.data[k], q.data[k]];
      slope[j] -= lambda[j] * (a * a - 2 * mu[j] * a * b + pi[j] * b * b);
    }
    gradient[i] = slope;
    y = before;
  }
  return { gradient, directions: y };
}
