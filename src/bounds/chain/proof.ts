/**
 * @file The proof that multipliers bound a chain: a floating Cholesky factorisation of the whole chain inequality, shifted by more
 * than all rounding. No number that the search for multipliers computed is trusted.
 */
import { frobeniusUp } from "../../linalg/enclosure.ts";
import { identity, type Matrix } from "../../linalg/matrix.ts";
import { spectralNorm } from "../../linalg/norm.ts";
import { down, exponentOf, gamma, powerOfTwo, sumUp, tiny, unit, up } from "../../linalg/rounding.ts";
import type { Budget } from "../budget.ts";
import { blockWork, type ChainForm } from "./form.ts";
import {
  addSectorTerm,
  coupling,
  diagonal,
  factorBlock,
  factorChain,
  gramOf,
  isIdentity,
  type Multipliers,
} from "./matrix.ts";

/**
 * Prove that the constant of a form is at most sqrt(r). True is a proof; false says only that there was none.
 *
 * K is made block by block and scaled on both sides by powers of two that bring its diagonal near 1. Elimination runs through the
 * blocks as dense Cholesky would, which leaves zeros alone: if it ends, L L^T = B + E with |E| <= g sqrt(b_ii b_jj) inside the blocks
 * (g as in `provedFactor`, for rows of at most m numbers) and 0 outside, so that, t_I the trace of block I,
 *
 *     |x^T E x| <= g sum over neighbours I, J of sqrt(t_I t_J) |x_I| |x_J| <= sum_I 3 g t_I |x_I|^2.
 *
 * B is K rounded minus c_I on the diagonal of block I, c_I >= 3 g t_I + what block I may have been rounded by. Products -lambda mu w
 * err by 2u each relatively, hence by at most 3u times the Frobenius norm of the block, which each of the two diagonal blocks pays; sums
 * W^T Pi Lambda W of n products of four factors err by gamma_{n+4} times the Frobenius norm of what their absolute values give.
 *
 * Reference: Rump 2006, "Verification of positive definiteness"; Higham 2002, Theorem 10.3.
 */
export function provedChain(form: ChainForm, multipliers: Multipliers, r: number, clock?: Budget): boolean {
  if (!(r > 0 && Number.isFinite(r))) return false;
  return eliminated(form, multipliers, [outputBlock(form, r)], clock) !== undefined;
}

/** The constant of a form is at most sqrt(r), which these multipliers prove. */
export interface Proved {
  readonly r: number;
  readonly multipliers: Multipliers;
}

/** What is proved of the signal z before the output map: |C^T D^-1 z| <= |x|, D = diag(scales), between any two inputs. */
export interface ProvedSignal {
  /** Lower triangular; exactly as it stands. */
  readonly C: Matrix;
  readonly scales: Float64Array;
}

/** The proof without the output: K without its last block is at least L L^T, the last block of which is C C^T. Nothing where it fails. */
export function provedSignal(form: ChainForm, multipliers: Multipliers): ProvedSignal | undefined {
  return eliminated(form, multipliers, []);
}

/** The multipliers that leave e X_i over in every block, as `settle` says. */
export function movedInward(multipliers: Multipliers, e: number): Multipliers {
  const L = multipliers.length + 1;
  return multipliers.map((lambda, i) => lambda.map((l) => (l * (1 + (L - i - 1) * e)) / (1 + L * e)));
}

/**
 * The smallest r that is proved near what the multipliers give, with the multipliers that prove it.
 *
 * If K(Lambda, r) >= 0 with Schur complements X_i, then (1 + (L - i) e) Lambda_i in the place of Lambda_i and r (1 + (L + 1) e), all
 * divided by 1 + L e, leave e X_i over in every block: that is what the shift of the proof needs. e grows until the proof
 * succeeds; nothing where it never does, or time is out.
 */
export function settle(form: ChainForm, multipliers: Multipliers, clock?: Budget): Proved | undefined {
  const factor = factorChain(form, multipliers, clock);
  if (factor === undefined) return undefined;
  const { upper: top } = spectralNorm(gramOf(factor), { tolerance: 1e-10 });
  const L = form.weights.length;
  const widest = Math.max(...form.weights.map((W) => W.cols));
  for (let e = 4 * gamma(2 * widest) * widest; e < 0.1; e *= 4) {
    if (clock?.expired) return undefined;
    const moved = movedInward(multipliers, e);
    const r = up(top * (1 + L * e) * (1 + e));
    if (provedChain(form, moved, r, clock)) return { r, multipliers: moved };
  }
  return undefined;
}

// --- internal ---

/** The last triangle of the shifted factorisation that the comment above describes. */
function eliminated(
  form: ChainForm,
  multipliers: Multipliers,
  output: readonly Block[],
  clock?: Budget,
): ProvedSignal | undefined {
  const { weights } = form;
  if (multipliers.some((lambda) => lambda.some((l) => !(l > 0 && Number.isFinite(l))))) return undefined;
  const blocks = [...weights.map((_, i) => block(form, multipliers, i)), ...output];
  const scales = blocks.map(({ own }) => scalesOf(own));
  if (scales.some((s) => s === null)) return undefined;
  const widest = Math.max(...blocks.map(({ own }, i) => own.rows + (i > 0 ? blocks[i - 1].own.rows : 0)));
  const g = up(gamma(widest + 1) / down(1 - gamma(widest + 1)));
  const rounded = blocks.map(({ own, off }, i) => {
    const [rows, before] = [scales[i] as Float64Array, i > 0 ? (scales[i - 1] as Float64Array) : null];
    const coupled = off && before ? scaled(off, rows, before) : null;
    return {
      side: scaled(own, rows, rows),
      coupled,
      error: sectorError(form, multipliers, i, rows),
      // -W_L is exact.
      pair: coupled && i < weights.length ? up(4 * unit * frobeniusUp(coupled.data)) : 0,
    };
  });
  let before: Matrix | null = null;
  for (let i = 0; i < rounded.length; i++) {
    if (clock?.expired) return undefined;
    if (i < form.weights.length) clock?.spend(2 * blockWork(form, i));
    const { side, coupled, error, pair } = rounded[i];
    const n = side.rows;
    let t = 0;
    for (let k = 0; k < n; k++) t = up(t + side.data[k * (n + 1)]);
    const neighbours = up(pair + (rounded[i + 1]?.pair ?? 0));
    const c = up(up(up(3 * up(g * t)) + up(error + neighbours)) + tiny);
    for (let k = 0; k < n; k++) side.data[k * (n + 1)] = down(side.data[k * (n + 1)] - c);
    const made = factorBlock(before, coupled, side);
    if (made === undefined) return undefined;
    before = made.C;
  }
  return before === null ? undefined : { C: before, scales: scales[scales.length - 1] as Float64Array };
}

interface Block {
  readonly own: Matrix;
  readonly off: Matrix | null;
}

function block({ weights, sectors }: ChainForm, multipliers: Multipliers, i: number): Block {
  const own = i === 0 ? identity(weights[0].cols) : diagonal(multipliers[i - 1]);
  addSectorTerm(own, weights[i], sectors[i], multipliers[i]);
  return { own, off: i === 0 ? null : coupling(weights[i - 1], sectors[i - 1].mu, multipliers[i - 1]) };
}

function outputBlock({ weights }: ChainForm, r: number): Block {
  const W = weights[weights.length - 1];
  return { own: diagonal(new Float64Array(W.rows).fill(r)), off: { ...W, data: W.data.map((x) => -x) } };
}

/** What D W^T Pi Lambda W D may err by, D the scales: powers of two, so that it is the error of the product of scaled factors. */
function sectorError(
  { weights, sectors }: ChainForm,
  multipliers: Multipliers,
  i: number,
  scales: Float64Array,
): number {
  const [W, sector] = [weights[i], sectors[i]];
  if (isIdentity(sector)) return 0;
  let size = 0;
  for (let j = 0; j < W.rows; j++) {
    let row = 0;
    for (let c = 0; c < W.cols; c++) {
      const w = W.data[j * W.cols + c] * scales[c];
      row += w * w;
    }
    const factor = up(Math.abs(sector.pi[j] * multipliers[i][j]));
    size = up(size + up(factor * up(sumUp(row, W.cols) + tiny)));
  }
  // The sum with Lambda rounds once more, to a result of at most 2.
  return up(up(gamma(W.rows + 5) * size) + 4 * unit);
}

/** Powers of two that bring the diagonal between 1/4 and 2; null where it is not positive. */
function scalesOf({ rows, data }: Matrix): Float64Array | null {
  const scales = new Float64Array(rows);
  for (let i = 0; i < rows; i++) {
    const d = data[i * (rows + 1)];
    if (!(d > 0 && Number.isFinite(d))) return null;
    const e = exponentOf(d);
    if (Math.abs(e) > 900) return null;
    scales[i] = powerOfTwo(-Math.round(e / 2));
  }
  return scales;
}

function scaled(A: Matrix, rows: Float64Array, cols: Float64Array): Matrix {
  const data = A.data.slice();
  for (let i = 0; i < A.rows; i++) {
    for (let j = 0; j < A.cols; j++) data[i * A.cols + j] *= rows[i] * cols[j];
  }
  return { ...A, data };
}
