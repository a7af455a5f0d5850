/**
 * @file The quadratic walk in floating point, every rounding paid for: at each cut a Hermitian matrix Y per frequency with
 *
 *     d d^* <= |dx|^2 Y   for the difference d of the values of all that is alive, whatever the slopes.
 *
 * Nothing that was solved for is trusted. A rounded Y is Y + E with |E_ij| <= g s_i s_j, and E <= g n diag(s^2) goes onto its diagonal; what an
 * elimination adds is a guess that one Cholesky factorisation proves to be enough.
 */
import { rootError } from "../../linalg/roots.ts";
import { exponentOf, gamma, powerOfTwo, unit, up } from "../../linalg/rounding.ts";
import type { Budget } from "../budget.ts";
import { type Complex, columns, timesAdjoint, zeros } from "./complex.ts";
import { type Factoring, withFactoring } from "./factor.ts";
import { aliases, type Grid, gridOf, turnOf } from "./grid.ts";
import type { Program, Step, Sum, Term, Variable } from "./program.ts";
import { sizesOf, symbolAt, symbolError } from "./symbol.ts";

/** What is proved at a cut. */
export interface Cut {
  readonly grid: Grid;
  readonly live: readonly Variable[];
  /** Y at every frequency of the grid, of what is alive in order; null before anything was done: the identity, or diag(scales^2). */
  readonly Y: readonly Complex[] | null;
  readonly scales?: Float64Array;
}

/** Multipliers t for an activation (one for a gain) from the block of Y of what it reads; null where there are none. */
export type Choose = (
  step: Step & { readonly kind: "sector" | "gain" },
  own: readonly Complex[],
  weights: readonly number[],
) => Float64Array | null;

export interface ProofOptions {
  readonly clock?: Budget | undefined;
  /** s_j > 0 for each number of the input: |dx|^2 is the sum of (dx_j / s_j)^2. Default: all 1. */
  readonly scales?: Float64Array | undefined;
}

/**
 * Walk from the input to the output; null where the multipliers do not prove anything, or time is out.
 *
 * An activation z = s(v) with slopes in [0, 1] and Lambda = diag(1 / t) satisfies 2 d_z^T Lambda (d_v - d_z) >= 0, so that with M = 2 diag(t) - Y_vv > 0
 * and P = [Y_:v; diag(t)]
 *
 *     Y' = [[Y, 0], [0, 0]] + P M^-1 P^*
 *
 * is what holds of all that is alive and z. Any D >= P M^-1 P^* will do, which is [[D, P], [P^*, M]] >= 0.
 * Why: d_l^* Y^-1 d_l <= |dx|^2 before it, and subtracting the sector, min over d_v of d_l^* Y^-1 d_l - 2 d_z^T Lambda (d_v - d_z) is the quadratic form of Y'^-1.
 * Reference: Fazlyab, Robey, Hassani, Morari and Pappas 2019 for the inequality; Xu and Sivaranjani 2024 for its elimination layer by layer.
 */
export async function provedWalk(
  program: Program,
  choose: Choose,
  { clock, scales }: ProofOptions = {},
): Promise<Cut | null> {
  let cut: Cut = { grid: gridOf(program.sides), live: [program.input], Y: null, ...(scales && { scales }) };
  for (const step of program.steps) {
    const next = await stepped(cut, step, choose, clock);
    if (!next) return null;
    cut = next;
  }
  return cut;
}

/** The Y of a cut written out. */
export function matricesOf({ grid, live, Y, scales }: Cut): readonly Complex[] {
  if (Y) return Y;
  const n = sizeOfAll(live);
  const I = zeros(n, n, grid.sides.length > 0);
  for (let i = 0; i < n; i++) I.re[i * (n + 1)] = scales ? up(scales[i] * scales[i]) : 1;
  return grid.frequencies.map(() => I);
}

// --- internal ---

const sizeOfAll = (live: readonly Variable[]) => live.reduce((n, v) => n + v.channels, 0);

/** Where each variable begins. */
function offsetsOf(live: readonly Variable[]): ReadonlyMap<Variable, number> {
  const places = new Map<Variable, number>();
  let at = 0;
  for (const v of live) {
    places.set(v, at);
    at += v.channels;
  }
  return places;
}

async function stepped(cut: Cut, step: Step, choose: Choose, clock?: Budget): Promise<Cut | null> {
  switch (step.kind) {
    case "affine":
      return affine(cut, step, step.live, clock);
    case "sector":
    case "gain":
      return activation(cut, step, choose, clock);
    case "coarsen":
      return coarsen(cut, step, clock);
    default:
      return step satisfies never;
  }
}

/** Rows for a sum of linear maps. */
async function affine(cut: Cut, sum: Sum, live: readonly Variable[], clock?: Budget): Promise<Cut | null> {
  const { grid } = cut;
  const lone = cut.Y === null && !live.includes(cut.live[0]);
  const given = lone ? null : matricesOf(cut);
  const Y: Complex[] = [];
  for (let f = 0; f < grid.frequencies.length; f++) {
    await clock?.pause();
    if (clock?.expired) return null;
    const own = given
      ? appended(given[f], cut.live, sum, grid, f)
      : fromInput(sum, grid, f, cut.live[0].channels, cut.scales);
    Y.push(taken(own, given ? [...cut.live, sum.to] : [sum.to], live));
  }
  return { grid, live, Y };
}

/** The matrix of a term at a frequency. */
function matrixAt({ map }: Term, grid: Grid, f: number): Complex {
  if (map.kind === "kernel") return symbolAt(map, grid, grid.frequencies[f]);
  const { rows, cols, from, factors, shift } = map;
  const T = zeros(rows, cols, shift !== undefined);
  const turn = shift ? turnOf(grid, grid.frequencies[f], shift) : 0;
  for (let r = 0; r < rows; r++) {
    if (from[r] < 0) continue;
    const at = r * cols + from[r];
    T.re[at] = shift ? factors[r] * grid.roots.cos[turn] : factors[r];
    if (T.im) T.im[at] = factors[r] * grid.roots.sin[turn];
  }
  return T;
}

/** Bounds of the entries of a term's matrix, and what they may be off as a part of these. */
function sizesAt({ map }: Term, grid: Grid): { readonly sizes: Float64Array; readonly error: number } {
  if (map.kind === "kernel") return { sizes: sizesOf(map), error: symbolError(map, grid) };
  const sizes = new Float64Array(map.rows * map.cols);
  for (let r = 0; r < map.rows; r++) if (map.from[r] >= 0) sizes[r * map.cols + map.from[r]] = Math.abs(map.factors[r]);
  return { sizes, error: map.shift ? up(2 * (map.error + rootError + gamma(4))) : map.error };
}

/**
 * [I; T] Y [I; T]^*. With s_i = Y_ii^(1/2) >= |Y_ij| / s_j and a_k = sum over i of |T_ki| s_i, a sum of n products errs by no more than 2 gamma_(2n + 4) a_k s_j in
 * T Y and twice that times a_k a_m in T Y T^*, and so does a T that is off by a part of |T|.
 */
function appended(Y: Complex, live: readonly Variable[], { to, terms }: Sum, grid: Grid, f: number): Complex {
  const n = Y.rows;
  const rows = to.channels;
  const at = offsetsOf(live);
  const complex = Y.im !== null;
  const U = zeros(rows, n, complex);
  const lengths = new Float64Array(rows);
  let relative = 0;
  let inner = 0;
  const matrices = terms.map((term) => matrixAt(term, grid, f));
  terms.forEach((term, k) => {
    const first = at.get(term.from) as number;
    const { sizes, error } = sizesAt(term, grid);
    const { cols } = matrices[k];
    add(U, timesAdjoint(matrices[k], columns(Y, first, cols)), 0);
    relative = Math.max(relative, error);
    inner += cols;
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < cols; c++) {
        const size = sizes[r * cols + c];
        if (size !== 0) lengths[r] += size * Math.sqrt(Y.re[(first + c) * (n + 1)]);
      }
    }
  });
  const V = zeros(rows, rows, complex);
  terms.forEach((term, k) => {
    add(V, timesAdjoint(columns(U, at.get(term.from) as number, matrices[k].cols), matrices[k]), 0);
  });
  const all = n + rows;
  const g = copies(terms) ? 0 : up(8 * gamma(2 * inner + 8) + 4 * relative);
  const result = zeros(all, all, complex);
  for (let i = 0; i < all; i++) {
    for (let j = 0; j <= i; j++) {
      const [re, im] =
        i < n
          ? [Y.re[i * n + j], Y.im?.[i * n + j] ?? 0]
          : j < n
            ? [U.re[(i - n) * n + j], U.im?.[(i - n) * n + j] ?? 0]
            : [V.re[(i - n) * rows + j - n], V.im?.[(i - n) * rows + j - n] ?? 0];
      put(result, i, j, re, im);
    }
  }
  const size = (i: number) =>
    i < n ? Y.re[i * (n + 1)] : up(lengths[i - n] * lengths[i - n] * (1 + 2 * gamma(inner + 8)));
  return g === 0 ? result : inflated(result, up(g * all), size);
}

/** T S S T^*, S the scales, of an input that is read no more. */
function fromInput({ to, terms }: Sum, grid: Grid, f: number, cols: number, scales?: Float64Array): Complex {
  const rows = to.channels;
  const scaleOf = (c: number) => scales?.[c] ?? 1;
  const T = zeros(rows, cols, grid.sides.length > 0);
  const squares = new Float64Array(rows);
  let relative = 0;
  for (const term of terms) {
    add(T, matrixAt(term, grid, f), 0);
    const { sizes, error } = sizesAt(term, grid);
    relative = Math.max(relative, error);
    for (let r = 0; r < rows; r++) for (let c = 0; c < cols; c++) squares[r] += (sizes[r * cols + c] * scaleOf(c)) ** 2;
  }
  if (scales) {
    for (const x of [T.re, T.im]) if (x) for (let k = 0; k < x.length; k++) x[k] *= scales[k % cols];
  }
  const product = timesAdjoint(T, T);
  const Y = zeros(rows, rows, T.im !== null);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j <= i; j++) put(Y, i, j, product.re[i * rows + j], product.im?.[i * rows + j] ?? 0);
  }
  // Rows of T have the length of a, and |t_k|_1 |t_m|_1 in the bound of a sum may be that: |t_k|_2 |t_m|_2, by Cauchy and Schwarz.
  const g = up(8 * gamma(2 * cols + 2 * terms.length + 12) + 4 * relative);
  return inflated(Y, up(g * rows), (i) => up(terms.length * squares[i] * (1 + 2 * gamma(cols + 12))));
}

/** Is every row one number of what was there, perhaps with the other sign? */
const copies = (terms: readonly Term[]): boolean =>
  terms.length === 1 &&
  terms[0].map.kind === "places" &&
  terms[0].map.error === 0 &&
  terms[0].map.shift === undefined &&
  terms[0].map.factors.every((f) => f === 0 || Math.abs(f) === 1);

/** Add g size_i to the diagonal, rounded up. */
function inflated(Y: Complex, g: number, size: (i: number) => number): Complex {
  const n = Y.rows;
  for (let i = 0; i < n; i++) Y.re[i * (n + 1)] = up(up(Y.re[i * (n + 1)]) + up(g * size(i)));
  return Y;
}

/** to += A at a column. */
function add(to: Complex, A: Complex, column: number): void {
  for (let r = 0; r < A.rows; r++) {
    for (let c = 0; c < A.cols; c++) {
      to.re[r * to.cols + column + c] += A.re[r * A.cols + c];
      if (A.im && to.im) to.im[r * to.cols + column + c] += A.im[r * A.cols + c];
    }
  }
}

/** An entry and its mirror image. */
function put(Y: Complex, i: number, j: number, re: number, im: number): void {
  const n = Y.cols;
  Y.re[i * n + j] = re;
  Y.re[j * n + i] = re;
  if (!Y.im) return;
  Y.im[i * n + j] = i === j ? 0 : im;
  Y.im[j * n + i] = i === j ? 0 : -im;
}

/** The rows and columns of some variables, in their order. */
function taken(Y: Complex, from: readonly Variable[], to: readonly Variable[]): Complex {
  if (from.length === to.length && from.every((v, i) => v === to[i])) return Y;
  const at = offsetsOf(from);
  const places = to.flatMap((v) => Array.from({ length: v.channels }, (_, i) => (at.get(v) as number) + i));
  const n = places.length;
  const out = zeros(n, n, Y.im !== null);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      out.re[i * n + j] = Y.re[places[i] * Y.cols + places[j]];
      if (out.im && Y.im) out.im[i * n + j] = Y.im[places[i] * Y.cols + places[j]];
    }
  }
  return out;
}

async function activation(
  cut: Cut,
  step: Step & { readonly kind: "sector" | "gain" },
  choose: Choose,
  clock?: Budget,
): Promise<Cut | null> {
  const { grid } = cut;
  const given = matricesOf(cut);
  const { from, to, live } = step;
  const own = given.map((Y) => taken(Y, cut.live, [from]));
  const t = choose(step, own, grid.weights);
  if (!t || t.some((x) => !(x > 0 && Number.isFinite(x)))) return null;
  const kept = live.filter((v) => v !== to);
  const [n, m, z] = [sizeOfAll(kept), from.channels, step.kind === "sector" ? to.channels : 0];
  const Y: Complex[] = [];
  // A factorisation keeps its room from one frequency to the next, and the event loop turns between blocks of them.
  for (let first = 0; first < given.length; first += block) {
    await clock?.pause();
    if (clock?.expired) return null;
    const part = withFactoring(m + n + z, given[0].im !== null, (factoring) => {
      const done: Complex[] = [];
      for (let f = first; f < Math.min(first + block, given.length); f++) {
        const next = eliminated(given[f], cut.live, own[f], step, kept, t, factoring);
        if (!next) return null;
        done.push(next);
      }
      return done;
    });
    if (!part) return null;
    for (const next of part) Y.push(taken(next, [...kept, to], live));
  }
  return { grid, live, Y };
}

/** Frequencies at a time. */
const block = 16;

/** One elimination at one frequency: of kept variables and z. */
function eliminated(
  Y: Complex,
  alive: readonly Variable[],
  own: Complex,
  step: Step & { readonly kind: "sector" | "gain" },
  kept: readonly Variable[],
  t: Float64Array,
  factoring: Factoring,
): Complex | null {
  const sector = step.kind === "sector";
  const m = own.rows;
  const at = offsetsOf(alive);
  const first = at.get(step.from) as number;
  const places = kept.flatMap((v) => Array.from({ length: v.channels }, (_, i) => (at.get(v) as number) + i));
  const n = places.length;
  const z = sector ? m : 0;
  const N = m + n + z;
  // M from below, so that the one that is meant is no less.
  const M = (i: number, j: number) =>
    i === j ? gap(t[sector ? i : 0], own.re[i * (m + 1)], sector) : -own.re[i * m + j];
  const scale = new Float64Array(N);
  for (let i = 0; i < m; i++) {
    const d = M(i, i);
    if (!(d > 0)) return null;
    scale[i] = powerNear(d);
    if (z) scale[m + n + i] = powerNear((t[i] * t[i]) / d);
  }
  const B = zeros(N, N, Y.im !== null);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j <= i; j++) {
      B.re[i * N + j] = M(i, j) * scale[i] * scale[j];
      if (B.im && own.im && i !== j) B.im[i * N + j] = -own.im[i * m + j] * scale[i] * scale[j];
    }
  }
  for (let i = 0; i < n; i++) {
    scale[m + i] = powerNear(Y.re[places[i] * (Y.cols + 1)]);
    for (let j = 0; j < m; j++) {
      B.re[(m + i) * N + j] = Y.re[places[i] * Y.cols + first + j] * scale[m + i] * scale[j];
      if (B.im && Y.im) B.im[(m + i) * N + j] = Y.im[places[i] * Y.cols + first + j] * scale[m + i] * scale[j];
    }
  }
  for (let i = 0; i < z; i++) B.re[(m + n + i) * N + i] = t[i] * scale[m + n + i] * scale[i];
  const shifted: Complex = { ...B, re: B.re.slice() };
  for (let i = 0; i < m; i++) shifted.re[i * (N + 1)] -= 4 * factoring.shift;
  const F = factoring.rows(shifted, m);
  if (!F) return null;
  const D = timesAdjoint(F, F);
  const side = n + z;
  // What an activation adds may be far larger than what was there.
  for (let i = 0; i < side; i++) {
    const own = powerNear(Math.max(1, D.re[i * (side + 1)]));
    if (own === 1) continue;
    scale[m + i] *= own;
    for (const x of [B.re, B.im]) if (x) for (let j = 0; j < m; j++) x[(m + i) * N + j] *= own;
    for (const x of [D.re, D.im]) {
      if (!x) continue;
      for (let j = 0; j < side; j++) {
        x[i * side + j] *= own;
        x[j * side + i] *= own;
      }
    }
  }
  for (let room = 16 * factoring.shift; room < 1e-3; room *= 16) {
    for (let i = 0; i < side; i++) {
      for (let j = 0; j <= i; j++) {
        B.re[(m + i) * N + m + j] = D.re[i * side + j] + (i === j ? room : 0);
        if (B.im && D.im && i !== j) B.im[(m + i) * N + m + j] = D.im[i * side + j];
      }
    }
    if (factoring.proved(B)) return joined(Y, places, B, scale, m, n, z, step, t);
  }
  return null;
}

/** 2 t - y, or t - y of a gain, from below. */
function gap(t: number, y: number, sector: boolean): number {
  const d = (sector ? 2 * t : t) - y;
  return d - Math.abs(d) * Number.EPSILON - Number.MIN_VALUE;
}

/** A power of two whose square times x is near 1; 1 where there is none. */
function powerNear(x: number): number {
  if (!(x > 1e-250 && x < 1e250)) return 1;
  return powerOfTwo(-Math.round(exponentOf(x) / 2));
}

/** Y + D of what is kept, D of z; the output of a gain stands alone. */
function joined(
  Y: Complex,
  places: readonly number[],
  B: Complex,
  scale: Float64Array,
  m: number,
  n: number,
  z: number,
  step: Step & { readonly kind: "sector" | "gain" },
  t: Float64Array,
): Complex {
  const out = step.to.channels;
  const N = B.cols;
  const result = zeros(n + out, n + out, Y.im !== null);
  for (let i = 0; i < n + z; i++) {
    for (let j = 0; j <= i; j++) {
      const unscale = scale[m + i] * scale[m + j];
      let re = B.re[(m + i) * N + m + j] / unscale;
      let im = (B.im?.[(m + i) * N + m + j] ?? 0) / unscale;
      if (i < n) {
        re += Y.re[places[i] * Y.cols + places[j]];
        im += Y.im?.[places[i] * Y.cols + places[j]] ?? 0;
      }
      put(result, i, j, re, im);
    }
  }
  // A sum of two entries rounds once, by no more than 2 u of the roots of the diagonals.
  inflated(result, up(4 * unit * (n + z)), (i) => result.re[i * (n + out + 1)]);
  if (step.kind === "gain") {
    const own = up(up(step.constant * step.constant) * t[0]);
    for (let i = 0; i < out; i++) result.re[(n + i) * (n + out + 1)] = own;
  }
  return result;
}

/** The coarse Y is the mean of those that fall onto it. */
async function coarsen(cut: Cut, step: Step & { readonly kind: "coarsen" }, clock?: Budget): Promise<Cut | null> {
  const { grid } = cut;
  const coarse = gridOf(step.sides);
  const given = matricesOf(cut);
  const folds = aliases(grid, coarse);
  const n = sizeOfAll(step.live);
  const complex = step.sides.length > 0;
  const sums = folds.map(() => zeros(n, n, complex));
  const readers = new Map<number, { readonly k: number; readonly own: number; readonly conjugate: number }[]>();
  folds.forEach((fold, k) => {
    for (const { at, own, conjugate } of fold) readers.set(at, [...(readers.get(at) ?? []), { k, own, conjugate }]);
  });
  for (let f = 0; f < given.length; f++) {
    await clock?.pause();
    if (clock?.expired) return null;
    let all = given[f];
    let alive = cut.live;
    for (const sum of step.made) {
      all = appended(all, alive, sum, grid, f);
      alive = [...alive, sum.to];
    }
    const own = taken(all, alive, step.live);
    for (const { k, own: plain, conjugate } of readers.get(f) ?? []) {
      const to = sums[k];
      for (let e = 0; e < to.re.length; e++) {
        to.re[e] += (plain + conjugate) * own.re[e];
        if (to.im && own.im) to.im[e] += (plain - conjugate) * own.im[e];
      }
    }
  }
  const count = grid.size / coarse.size;
  for (const to of sums) {
    for (let e = 0; e < to.re.length; e++) {
      to.re[e] /= count;
      if (to.im) to.im[e] /= count;
    }
    inflated(to, up(2 * gamma(count + 4) * n), (i) => to.re[i * (n + 1)]);
  }
  return { grid: coarse, live: step.live, Y: sums };
}
