/** @file How fast the difference of two outputs can change, for all pairs from one set of multipliers: what a margin is divided by. */
import { frobeniusUp } from "../../linalg/enclosure.ts";
import { identity, type Matrix, multiply } from "../../linalg/matrix.ts";
import { down, gamma, scaleUp, sqrtUp, sumUp, tiny, unit, up } from "../../linalg/rounding.ts";
import type { Chain } from "../chain.ts";
import { type ChainForm, chainForm, multipliersOfForm } from "./form.ts";
import { type Multipliers, solveRows } from "./matrix.ts";
import { type ProvedSignal, provedSignal } from "./proof.ts";

/**
 * Bound, for all outputs y and j, the constant of f_y - f_j in l2: a symmetric matrix [outputs, outputs], 0 on its diagonal, every
 * entry proved. Null where the multipliers prove nothing; those that `lipsdp` returns do.
 *
 *     K_yj <= | C^-1 D (w_y - w_j) |,   |C^T D^-1 z| <= |x|  (`provedSignal`),   w the rows of the output map.
 *
 * The solutions t_y of C t = D w_y are computed once per output. Substitution gives (C + F) t' = D w, |F| <= gamma_n |C|, hence
 * |t - t'| <= ||C^-1|| gamma_n ||C||_F |t'|; and ||C^-1|| <= ||X||_F / (1 - d) for any X with ||I - X C||_F <= d < 1.
 */
export function pairConstants(chain: Chain, multipliers: Multipliers): Matrix | null {
  const outputs = chain.affine[chain.affine.length - 1].weight.rows;
  const data = new Float64Array(outputs * outputs);
  const form = chainForm(chain, { output: "rows" });
  if (form === null) return { rows: outputs, cols: outputs, data };
  if (form.sectors.length > 0 && multipliers.length !== form.sectors.length) return null;
  const solved = solvedRows(form, form.sectors.length > 0 ? multipliersOfForm(form, multipliers) : []);
  if (solved === null) return null;
  const { solutions, sizes, error, underflow } = solved;
  const n = solutions.cols;
  for (let y = 0; y < outputs; y++) {
    for (let j = 0; j < y; j++) {
      let sum = 0;
      for (let k = 0; k < n; k++) {
        const d = solutions.data[y * n + k] - solutions.data[j * n + k];
        sum += d * d;
      }
      // A difference errs by u relatively.
      const apart = up(sqrtUp(up(sumUp(sum, n) + tiny)) * (1 + 2 * unit));
      const value = up(apart + up(up(error * up(sizes[y] + sizes[j])) + underflow));
      data[y * outputs + j] = scaleUp(value, form.exponent);
      data[j * outputs + y] = data[y * outputs + j];
    }
  }
  return { rows: outputs, cols: outputs, data };
}

/** Bound the constant of every single output of a form whose output map keeps its rows, |C^-1 D w_y|, by multipliers of the form; null where they prove nothing. */
export function outputConstants(form: ChainForm, multipliers: Multipliers): Float64Array | null {
  const solved = solvedRows(form, multipliers);
  if (solved === null) return null;
  const { sizes, error, underflow } = solved;
  return Float64Array.from(sizes, (size) => scaleUp(up(size + up(up(error * size) + underflow)), form.exponent));
}

// --- internal ---

/** The solutions t_y, row by row, their lengths from above, and what they err by: |t - t'| <= error |t'| + underflow. */
interface SolvedRows {
  readonly solutions: Matrix;
  readonly sizes: readonly number[];
  readonly error: number;
  readonly underflow: number;
}

function solvedRows(form: ChainForm, multipliers: Multipliers): SolvedRows | null {
  const W = form.weights[form.weights.length - 1];
  let solutions = W;
  let error = 0;
  let underflow = 0;
  if (form.sectors.length > 0) {
    const signal = provedSignal(form, multipliers);
    const inverse = signal && inverseUp(signal.C);
    if (signal === undefined || inverse === undefined) return null;
    solutions = solveRows(signal.C, columnsScaled(W, signal));
    underflow = up(inverse * tiny);
    error = up(up(inverse * up(gamma(W.cols + 1) * frobeniusUp(signal.C.data))) * (1 + 4 * unit));
  }
  const { rows, cols } = solutions;
  const sizes = Array.from({ length: rows }, (_, y) => frobeniusUp(solutions.data.subarray(y * cols, (y + 1) * cols)));
  return { solutions, sizes, error, underflow };
}

/** W D; powers of two, hence exact. */
function columnsScaled(W: Matrix, { scales }: ProvedSignal): Matrix {
  return { ...W, data: W.data.map((x, k) => x * scales[k % W.cols]) };
}

/** An upper bound of ||C^-1||. */
function inverseUp(C: Matrix): number | undefined {
  const n = C.rows;
  // X^T = C^-T has the rows that solve X^T ... C^T = I; only the residual is trusted.
  const XT = solveRows(C, identity(n));
  const X = { ...XT, data: Float64Array.from(XT.data, (_, k) => XT.data[(k % n) * n + Math.floor(k / n)]) };
  const residual = multiply(X, C);
  for (let i = 0; i < n; i++) residual.data[i * (n + 1)] -= 1;
  const rounding = up(gamma(n + 1) * up(frobeniusUp(X.data) * frobeniusUp(C.data)));
  const d = up(up(frobeniusUp(residual.data) * (1 + 4 * unit)) + up(rounding + tiny));
  return d < 0.5 ? up(frobeniusUp(X.data) / down(1 - d)) : undefined;
}
