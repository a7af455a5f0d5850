/**
 * @file Is there a point in all of some half-spaces? A small dense linear program answers; its "no" counts only after its certificate
 * (Farkas) has been proved, rounding of the half-spaces themselves included.
 */
import { type HalfSpace, refutes, refutesExactly } from "./farkas.ts";
import { up } from "./rounding.ts";

/** `inside`: a point, deep inside where there is room, not proved to be there. `empty`: proved. `unknown`: neither. */
export type Feasibility =
  | { readonly kind: "inside"; readonly x: Float64Array }
  | { readonly kind: "empty" }
  | { readonly kind: "unknown" };

/**
 * Look for a point of the box low <= x <= high (infinite ends allowed) in all half-spaces.
 *
 *     max t:  g_i . x + c_i >= t ||g_i||,  t <= 1      dual:  min c . y + s:  G^T y = 0,  1 . y + s = 1,  y, s >= 0
 *
 * The dual is solved: it has a feasible start. An optimum below 0 is a certificate, y >= 0 with G^T y = 0 and c . y < 0. In a bounded
 * box it is enough that max over x of (G^T y) . x + c . y < 0. On an unbounded one G^T y must be 0 exactly: there it is proved that
 * every system within the errors has a solution y >= 0 near the computed one.
 */
export function feasible(halfSpaces: readonly HalfSpace[], low: Float64Array, high: Float64Array): Feasibility {
  // Directions along which nothing happens would make every certificate degenerate.
  const kept: number[] = [];
  for (let k = 0; k < low.length; k++) {
    if (halfSpaces.some((h) => h.normal[k] !== 0 || h.normalError[k] !== 0)) kept.push(k);
  }
  const take = (v: Float64Array) => Float64Array.from(kept, (k) => v[k]);
  const [l, u] = [take(low), take(high)];
  const scaled = halfSpaces.map((h) => normalised({ ...h, normal: take(h.normal), normalError: take(h.normalError) }));
  const state = feasibleIn(scaled, l, u);
  if (state.kind !== "inside") return state;
  const x = low.map((v, k) => Math.min(Math.max(0, v), high[k]));
  kept.forEach((k, i) => {
    x[k] = state.x[i];
  });
  return { kind: "inside", x };
}

/** The same of half-spaces whose normals have length 1 (`normalised`), for whoever asks often. */
export function feasibleIn(rows: readonly HalfSpace[], l: Float64Array, u: Float64Array): Feasibility {
  const n = l.length;
  const sides: HalfSpace[] = [];
  for (let k = 0; k < n; k++) {
    if (l[k] > Number.NEGATIVE_INFINITY) sides.push(side(n, k, 1, -l[k]));
    if (u[k] < Number.POSITIVE_INFINITY) sides.push(side(n, k, -1, u[k]));
  }
  const all = [...rows, ...sides];
  const solved = solve(all, n);
  if (!solved) return { kind: "unknown" };
  const { value, basis, y } = solved;
  if (value > 1e-10) return { kind: "inside", x: solved.x };
  if (value > -1e-13) return { kind: "unknown" };
  if (refutes(rows, y, l, u)) return { kind: "empty" };
  return refutesExactly(all, basis, n) ? { kind: "empty" } : { kind: "unknown" };
}

/** Divide by the length, whatever it came out as: one more rounding in each number, none in a 0. */
export function normalised({ normal, offset, normalError, offsetError }: HalfSpace): HalfSpace {
  const length = Math.hypot(...normal);
  if (!(length > 0 && Number.isFinite(length))) return { normal, offset, normalError, offsetError };
  const divided = (x: number, error: number) =>
    x === 0 && error === 0 ? 0 : up(up(error / length) + up(Math.abs(x / length) * 2 ** -52));
  return {
    normal: normal.map((g) => g / length),
    offset: offset / length,
    normalError: normal.map((g, k) => divided(g, normalError[k])),
    offsetError: divided(offset, offsetError),
  };
}

// --- internal ---

function side(n: number, k: number, sign: number, offset: number): HalfSpace {
  const normal = new Float64Array(n);
  normal[k] = sign;
  return { normal, offset, normalError: new Float64Array(n), offsetError: 0 };
}

interface Solution {
  readonly value: number;
  readonly x: Float64Array;
  readonly y: Float64Array;
  /** The columns of the last basis. */
  readonly basis: readonly number[];
}

const most = 400;

/** The dual by the simplex method on a full tableau; its columns are y, then s, then n unit columns that carry the primal point. */
function solve(rows: readonly HalfSpace[], n: number): Solution | null {
  const m = rows.length;
  const width = m + 1 + n + 1;
  const T = Array.from({ length: n + 2 }, () => new Float64Array(width));
  rows.forEach(({ normal, offset }, i) => {
    for (let k = 0; k < n; k++) T[k][i] = normal[k];
    T[n][i] = 1;
    // Costs less those of the first basis, in which s costs 1.
    T[n + 1][i] = offset - 1;
  });
  for (let k = 0; k < n; k++) T[k][m + 1 + k] = 1;
  T[n][m] = 1;
  T[n][width - 1] = 1;
  T[n + 1][width - 1] = -1;
  const basis = Array.from({ length: n + 1 }, (_, k) => (k === n ? m : m + 1 + k));
  // The unit columns leave at level 0, whatever the sign of the pivot.
  for (let k = 0; k < n; k++) {
    let best = 0;
    let column = -1;
    for (let i = 0; i < m; i++) {
      if (Math.abs(T[k][i]) > best + 1e-12) [best, column] = [Math.abs(T[k][i]), i];
    }
    if (best > 1e-9) pivot(T, basis, k, column);
  }
  for (let step = 0; step < most; step++) {
    const cost = T[n + 1];
    let column = -1;
    let least = -1e-11;
    for (let i = 0; i <= m; i++) {
      if (cost[i] < least) {
        column = i;
        // After many steps the first will do: it cannot cycle (Bland).
        if (step > most / 2) break;
        least = cost[i];
      }
    }
    if (column < 0) return read(T, basis, m, n);
    let row = -1;
    let ratio = Number.POSITIVE_INFINITY;
    for (let k = 0; k <= n; k++) {
      if (T[k][column] < 1e-10) continue;
      const here = Math.max(0, T[k][width - 1]) / T[k][column];
      const tie = Math.abs(here - ratio) <= 1e-14;
      const preferred = row < 0 || (step > most / 2 ? basis[k] < basis[row] : T[k][column] > T[row][column]);
      if (here < ratio - 1e-14 || (tie && preferred)) [row, ratio] = [k, here];
    }
    if (row < 0) return null;
    pivot(T, basis, row, column);
  }
  return null;
}

function pivot(T: readonly Float64Array[], basis: number[], row: number, column: number): void {
  const p = T[row];
  const factor = 1 / p[column];
  for (let i = 0; i < p.length; i++) p[i] *= factor;
  T.forEach((other, k) => {
    const f = other[column];
    if (k === row || f === 0) return;
    for (let i = 0; i < p.length; i++) other[i] -= f * p[i];
    other[column] = 0;
  });
  basis[row] = column;
}

function read(T: readonly Float64Array[], basis: readonly number[], m: number, n: number): Solution {
  const y = new Float64Array(m);
  const end = T[0].length - 1;
  basis.forEach((column, k) => {
    if (column < m) y[column] = Math.max(0, T[k][end]);
  });
  return { value: -T[n + 1][end], x: T[n + 1].slice(m + 1, m + 1 + n), y, basis };
}
