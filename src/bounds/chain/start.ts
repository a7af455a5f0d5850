/** @file Multipliers in closed form: feasible without a search, and never worse than the product of norms. */
import { identity, type Matrix, rowGram } from "../../linalg/matrix.ts";
import { spectralNorm } from "../../linalg/norm.ts";
import { matrixOperator } from "../../linalg/operator.ts";
import { powerIteration } from "../../linalg/power.ts";
import type { Budget } from "../budget.ts";
import { onceInTime } from "../once.ts";
import { blockWork, type ChainForm, type Sector } from "./form.ts";
import {
  addSectorTerm,
  coupling,
  diagonal,
  type FactorBlock,
  factorBlock,
  type Multipliers,
  solveRows,
} from "./matrix.ts";
import { type Proved, settle } from "./proof.ts";

/** How large W_i X_{i-1}^-1 W_i^T is said to be: by its norm (eclipse-fast), or neuron by neuron by its row sums (as in AOL). */
export type Measure = "norm" | "rows";

/**
 * Choose multipliers layer by layer, from T >= N = W_i X_{i-1}^-1 W_i^T with T = lambda_max(N) I or T_jj = sum_k |N_jk|:
 *
 *     lambda_j = (c^2 - pi_j) / (2 rho_j^2 c^2 T_jj),  rho^2 = mu^2 - pi,  c = the largest slope of the layer.
 *
 * Why: lambda c^2 T z^2 <= w^T T^-1 w follows from the sector with just this multiplier, so that X_i >= 1 / (c^2 T): what the product of
 * norms claims. For ReLU it is lambda = 2 / lambda_max(N), the choice of ECLipsE-Fast. With a lower slope above 0 the choice of
 * that paper, which leaves pi out, can be far worse than with the lower slope taken as 0; this one is at most the product.
 *
 * Nothing where rounding makes it infeasible, or time is out.
 *
 * Reference: Xu and Sivaranjani 2024, ECLipsE-Fast (slopes in [0, beta]); Prach and Lampert 2022 for the row sums.
 */
export function closedForm(
  { weights, sectors, steepest }: ChainForm,
  measure: Measure,
  clock?: Budget,
): Multipliers | undefined {
  const multipliers: Float64Array[] = [];
  let before: FactorBlock | undefined;
  for (let i = 0; i < sectors.length; i++) {
    if (clock?.expired) return undefined;
    clock?.spend(2 * blockWork({ weights }, i));
    const W = weights[i];
    const off = i === 0 ? null : coupling(weights[i - 1], sectors[i - 1].mu, multipliers[i - 1]);
    const own = i === 0 ? identity(W.cols) : diagonal(multipliers[i - 1]);
    const plain = factorBlock(before?.C ?? null, off, own);
    if (plain === undefined) return undefined;
    const half = solveRows(plain.C, W);
    const sizes = sizesOf(half, measure, sectors[i]);
    const lambda = sizes.map((t, j) => multiplier(sectors[i], j, steepest[i]) / t);
    multipliers.push(lambda);
    if (sectors[i].pi.some((p) => p !== 0)) {
      addSectorTerm(own, W, sectors[i], lambda);
      before = factorBlock(before?.C ?? null, off, own);
      if (before === undefined) return undefined;
    } else before = plain;
  }
  return multipliers;
}

/** The closed forms that exist, as far as there is time for them. */
export const closedForms = (form: ChainForm, clock?: Budget): readonly Multipliers[] =>
  [byNorm(form, clock), byRows(form, clock)].filter((m) => m !== undefined);

/** The first of them, proved. */
export const closedProof = onceInTime((form: ChainForm, clock?: Budget): Proved | undefined => {
  const multipliers = byNorm(form, clock);
  return multipliers && settle(form, multipliers, clock);
});

/** Is one elimination so little work that there is no need to look at the clock? */
export function isSmall({ weights }: ChainForm): boolean {
  const work = weights.map(({ rows, cols }, i) => rows * cols * (i === 0 ? Math.min(rows, cols) : cols));
  return work.reduce((sum, w) => sum + w, 0) < 1e7;
}

// --- internal ---

const byNorm = onceInTime((form: ChainForm, clock?: Budget) => closedForm(form, "norm", clock));
const byRows = onceInTime((form: ChainForm, clock?: Budget) => closedForm(form, "rows", clock));

function multiplier({ mu, pi }: Sector, j: number, steepest: number): number {
  const square = steepest * steepest;
  // A sector that is symmetric about 0 leaves nothing over: a hair less keeps the matrix definite.
  return ((1 - 1e-7) * (square - pi[j])) / (2 * (mu[j] * mu[j] - pi[j]) * square);
}

/** Of N = half half^T. */
function sizesOf(half: Matrix, measure: Measure, { pi }: Sector): Float64Array {
  const n = half.rows;
  if (measure === "norm") {
    // Where no product of slopes is negative anything above half of the norm is feasible: for wide layers an estimate will do.
    const size =
      n > 128 && pi.every((p) => p >= 0)
        ? powerIteration(matrixOperator(half), { iterations: 100, tolerance: 1e-9 }).value ** 2
        : spectralNorm(rowGram(half), { tolerance: 1e-6 }).upper;
    return new Float64Array(n).fill(size);
  }
  const N = rowGram(half);
  return Float64Array.from({ length: n }, (_, i) => {
    let sum = 0;
    for (let j = 0; j < n; j++) sum += Math.abs(N.data[i * n + j]);
    return sum;
  });
}
