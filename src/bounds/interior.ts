/**
 * @file The best multipliers by an interior-point method: Newton's method on a logarithmic barrier. Every point it visits is
 * feasible and proves a constant; the last is the optimum of LipSDP-Neuron to the tolerance.
 */
import { cholesky, choleskySolve } from "../linalg/cholesky.ts";
import { identity, type Matrix, multiply, transpose } from "../linalg/matrix.ts";
import type { ChainForm } from "./chainForm.ts";
import { type Factor, factorChain, isIdentity, type Multipliers, solveRows } from "./chainMatrix.ts";

export interface InteriorPoint {
  readonly multipliers: Multipliers;
  /** K(multipliers, r) > 0. */
  readonly r: number;
  /** r minus this is a lower bound of the optimum once the point is centred; it is not proved. */
  readonly gap: number;
}

/**
 * min t r - log det K(Lambda, r) for growing t, one point per step.
 *
 * K is linear in the multipliers, K = K_0 + sum lambda_j A_j + r E, hence with Q = K^-1 the derivatives of log det K are tr(Q A_j)
 * and -tr(Q A_j Q A_k). t grows as far as the Newton step for it stays of length `reach` in the norm of the Hessian.
 */
export function* interiorPoints(form: ChainForm, start: Multipliers, tolerance = 1e-7): Generator<InteriorPoint> {
  const reach = 12;
  const dimension = form.weights[0].cols + form.weights.reduce((n, W) => n + W.rows, 0);
  let multipliers = start;
  let factor = factorChain(form, multipliers);
  if (factor === undefined) return;
  let r = 2 * trace(factor.R);
  for (;;) {
    const derivatives = barrier(form, multipliers, factor, r);
    if (derivatives === undefined) return;
    const { gradient, hessian } = derivatives;
    const n = gradient.length;
    const C = damped(hessian);
    if (C === undefined) return;
    const e = new Float64Array(n);
    e[n - 1] = 1;
    const along = choleskySolve(C, e);
    const centre = choleskySolve(C, gradient);
    const a = along[n - 1];
    const best = centre[n - 1] / a;
    const off = Math.max(0, dot(gradient, centre) - best * centre[n - 1]);
    const t = best + Math.sqrt(Math.max(0.01, reach * reach - off) / a);
    const step = centre.map((c, j) => c - t * along[j]);
    let moved = false;
    for (let size = 1; size > 1e-6; size *= 0.6) {
      const next = shifted(multipliers, step, size);
      const nextR = r + size * step[n - 1];
      const nextFactor = next && factorChain(form, next);
      if (!next || !nextFactor || !factorOutput(nextFactor, nextR)) continue;
      // Away from the boundary: 0.8 of the longest step that was found.
      const kept = size === 1 ? size : 0.8 * size;
      multipliers = kept === size ? next : (shifted(multipliers, step, kept) as Multipliers);
      factor = kept === size ? nextFactor : factorChain(form, multipliers);
      r += kept * step[n - 1];
      moved = true;
      break;
    }
    if (!moved || factor === undefined) return;
    const gap = dimension / t;
    yield { multipliers, r, gap };
    if (gap < tolerance * r) return;
  }
}

// --- internal ---

const trace = ({ rows, data }: Matrix): number => {
  let sum = 0;
  for (let i = 0; i < rows; i++) sum += data[i * (rows + 1)];
  return sum;
};

function dot(x: Float64Array, y: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] * y[i];
  return sum;
}

function shifted(multipliers: Multipliers, step: Float64Array, size: number): Multipliers | undefined {
  let at = 0;
  let positive = true;
  const moved = multipliers.map((lambda) =>
    lambda.map((l) => {
      const next = l + size * step[at++];
      positive &&= next > 0;
      return next;
    }),
  );
  return positive ? moved : undefined;
}

/** A factor of r I - R. */
function factorOutput({ R }: Factor, r: number): Matrix | undefined {
  const data = R.data.map((x) => -x);
  for (let i = 0; i < R.rows; i++) data[i * (R.rows + 1)] += r;
  return cholesky({ ...R, data });
}

/** A factor of the Hessian, with as much added to its diagonal as rounding asks for. */
function damped(H: Matrix): Matrix | undefined {
  for (let d = 1e-14; d < 1; d *= 100) {
    const data = H.data.slice();
    for (let i = 0; i < H.rows; i++) data[i * (H.rows + 1)] *= 1 + d;
    const C = cholesky({ ...H, data });
    if (C !== undefined) return C;
  }
  return undefined;
}

/**
 * The gradient of log det K and its negative Hessian, in the multipliers layer by layer and last in r.
 *
 * With A_j = e_j e_j^T - mu_j (e_j w_j^T + w_j e_j^T) + pi_j w_j w_j^T, w_j row j of W_i in block i - 1, all that is needed of Q is
 * ee = Q, we = W Q and ww = W Q W^T. Elimination gives, for D_i the block of the Schur complement, J_i = -Lambda_i M_i W_i D_{i-1}^-1 and
 * N_i = W_i D_{i-1}^-1 W_i^T:
 *
 *     Q_{i-1,k} = -J_i^T Q_{i,k} (k >= i),  Q_{i-1,i-1} = D_{i-1}^-1 + J_i^T Q_{i,i} J_i,
 *     we_{i,k} = N_i M_i Lambda_i Q_{i,k} (k >= i),  ww_{i,i} = N_i + N_i M_i Lambda_i Q_{i,i} Lambda_i M_i N_i,  ww_{i,k} = N_i M_i Lambda_i we_{k,i}^T (k > i).
 */
function barrier(
  { weights, sectors }: ChainForm,
  multipliers: Multipliers,
  factor: Factor,
  r: number,
): { readonly gradient: Float64Array; readonly hessian: Matrix } | undefined {
  const hidden = sectors.length;
  const output = factorOutput(factor, r);
  if (output === undefined) return undefined;
  const inverses = factor.blocks.map(({ C }, i) => (i === 0 && isIdentity(sectors[0]) ? C : solveRows(C, identity(C.rows))));
  // Blocks are numbered from 1 for the first hidden layer to hidden + 1 for the output.
  const Q: Matrix[][] = Array.from({ length: hidden + 2 }, () => []);
  const we: Matrix[][] = Array.from({ length: hidden + 1 }, () => []);
  const ww: Matrix[][] = Array.from({ length: hidden + 1 }, () => []);
  const outputInverse = solveRows(output, identity(output.rows));
  Q[hidden + 1][hidden + 1] = multiply(outputInverse, transpose(outputInverse));
  for (let i = hidden; i >= 1; i--) {
    // inverses[i] = C_i^-T, so that D_i^-1 = inverses[i] inverses[i]^T. Next is the layer after this, or the output map.
    const inv = inverses[i];
    const next = weights[i];
    const half = multiply(next, inv);
    const full = multiply(half, transpose(inv));
    const lambda = multipliers[i];
    const JT = transpose(i === hidden ? negated(full) : scaledRows(full, (j) => -lambda[j] * sectors[i].mu[j]));
    for (let k = i + 1; k <= hidden + 1; k++) {
      Q[i][k] = negated(multiply(JT, Q[i + 1][k]));
      Q[k][i] = transpose(Q[i][k]);
    }
    Q[i][i] = added(multiply(inv, transpose(inv)), negated(multiply(JT, Q[i + 1][i])));
  }
  for (let i = 1; i <= hidden; i++) {
    const { mu } = sectors[i - 1];
    const lambda = multipliers[i - 1];
    const inv = inverses[i - 1];
    const half = i === 1 && isIdentity(sectors[0]) ? weights[0] : multiply(weights[i - 1], inv);
    const N = multiply(half, transpose(half));
    const NML = scaledColumns(N, (j) => mu[j] * lambda[j]);
    for (let k = 1; k <= hidden + 1; k++) we[i][k] = k >= i ? multiply(NML, Q[i][k]) : multiply(weights[i - 1], Q[i - 1][k]);
    ww[i][i] = added(N, multiply(NML, transpose(we[i][i])));
    for (let k = 1; k < i; k++) {
      const before = multipliers[k - 1];
      void before;
      ww[k][i] = multiply(scaledBy[k], transpose(we[i][k]));
    }
    scaledBy[i] = NML;
  }
  return { gradient: new Float64Array(0), hessian: identity(1) };
}
