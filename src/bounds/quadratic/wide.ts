/**
 * @file The quadratic walk where matrices are large: multipliers in closed form, and a proof that is made of products, which the engine takes.
 *
 * With t the multipliers of an activation and x = T^(-1/2) Y_vv T^(-1/2) / 2, M^-1 of proof.ts is T^(-1/2) (1 - x)^-1 T^(-1/2) / 2. If x <= r < 1, which one Cholesky
 * factorisation shows,
 *
 *     (1 - x)^-1 <= 1 + x + x^2 (1 + x + x^2 / (1 - r)),
 *
 * since the difference is x^4 (1 / (1 - r) - (1 - x)^-1): two products in place of a solution, and nothing is trusted but sums of products. Blocks of Y are kept
 * for all frequencies, and what errs is paid for on the diagonal as in proof.ts.
 */
import type { Engine } from "../../engine/engine.ts";
import { rootError } from "../../linalg/roots.ts";
import { down, gamma, unit, up } from "../../linalg/rounding.ts";
import type { Budget } from "../budget.ts";
import { above } from "./above.ts";
import { provedBelowAll } from "./below.ts";
import { type Block, type Blocks, blockOf, denseOf, diagonal, gather, inflate, put, sliced } from "./blocks.ts";
import { aliases, type Grid, gridOf, turnOf } from "./grid.ts";
import { type Products, productsOn } from "./products.ts";
import type { Linear, Places, Program, Step, Sum, Variable } from "./program.ts";
import {
  adjointOf,
  between,
  copied,
  frobenius,
  matrices,
  mirror,
  part,
  plus,
  rowLengths,
  type Stack,
  scalarStack,
  scaledAround,
  scaledBy,
  stack,
  traceOf,
} from "./stack.ts";
import { sizesOf, symbolError } from "./symbol.ts";
import { provedTop } from "./top.ts";

export interface WideOptions {
  readonly engine: Engine;
  readonly clock?: Budget;
  /** For each activation in turn, t in parts of what makes M = t: at 1/2 nothing is proved, and large ones lose. Default: `startRatios`. */
  readonly ratios?: readonly number[];
  /** The step that is being walked. */
  onStep?(at: number): void;
}

/** What multipliers in closed form prove of L^2, and they themselves; null where time was out, or nothing was proved. */
export async function wideWalk(
  program: Program,
  options: WideOptions,
): Promise<{ readonly square: number; readonly multipliers: Float64Array } | null> {
  const products = productsOn(options.engine);
  try {
    const walk = new Wide(program, products, options);
    for (const [at, step] of program.steps.entries()) {
      options.onStep?.(at);
      if (!(await walk.step(step))) return null;
      await products.dispose();
    }
    return { square: walk.square(), multipliers: walk.multipliers };
  } finally {
    await products.dispose();
  }
}

/** Of every activation the same, but of one that is the output: nobody reads what a smaller one would make of the others there. */
export function startRatios(program: Program, usual = 0.75): readonly number[] {
  return program.steps
    .filter(({ kind }) => kind === "sector" || kind === "gain")
    .map((step) => (step.kind !== "coarsen" && step.to === program.output ? 1 : usual));
}

// --- internal ---

/** How much of a stack is worked on at a time, in numbers. */
const mostAtATime = 2 ** 22;

class Wide {
  private readonly program: Program;
  private readonly products: Products;
  private readonly clock: Budget | undefined;
  private readonly ratios: readonly number[];
  private activations = 0;
  private grid: Grid;
  private live: readonly Variable[];
  private blocks: Blocks = new Map();
  readonly multipliers: Float64Array;

  constructor(program: Program, products: Products, { clock, ratios = startRatios(program) }: WideOptions) {
    this.program = program;
    this.products = products;
    this.clock = clock;
    this.ratios = ratios;
    this.grid = gridOf(program.sides);
    this.live = [program.input];
    put(this.blocks, program.input, program.input, 1);
    this.multipliers = new Float64Array(program.multipliers).fill(1);
  }

  /** The largest eigenvalue of what is left, proved. */
  square(): number {
    const own = blockOf(this.blocks, this.program.output, this.program.output) as Block;
    return typeof own === "number" ? own : provedTop(matrices(own));
  }

  async step(step: Step): Promise<boolean> {
    const done =
      step.kind === "affine"
        ? await this.append(step)
        : step.kind === "coarsen"
          ? await this.coarsen(step)
          : await this.activate(step);
    if (!done) return false;
    this.live = step.live;
    const kept = new Set(step.live);
    for (const [v, row] of this.blocks) {
      if (!kept.has(v)) this.blocks.delete(v);
      else for (const w of row.keys()) if (!kept.has(w)) row.delete(w);
    }
    return true;
  }

  private get complex(): boolean {
    return this.grid.sides.length > 0;
  }

  /** Ranges of frequencies of which matrices of so many entries are worked on together. */
  private *ranges(entries: number): Generator<readonly [number, number]> {
    const all = this.grid.frequencies.length;
    const size = Math.max(1, Math.floor(mostAtATime / entries));
    for (let first = 0; first < all; first += size) yield [first, Math.min(all, first + size)];
  }

  private async late(): Promise<boolean> {
    await this.clock?.pause();
    return this.clock?.expired ?? false;
  }

  /** Rows for a sum of linear maps. */
  private async append(step: Sum & { readonly live: readonly Variable[] }): Promise<boolean> {
    const n = step.live.reduce((sum, v) => sum + v.channels, 0);
    const next: Blocks = new Map();
    for (const [first, end] of this.ranges(n * n)) {
      if (await this.late()) return false;
      const now = await this.appended(sliced(this.blocks, first, end), step, this.live, step.live, first, end);
      gather(next, now, step.live, first, this.grid.frequencies.length);
    }
    this.blocks = next;
    return true;
  }

  /** [I; T] Y [I; T]^* of what is kept; for the errors see `appended` of proof.ts, with the sums of `Products.times`. */
  private async appended(
    Y: Blocks,
    sum: Sum,
    live: readonly Variable[],
    kept: readonly Variable[],
    first: number,
    end: number,
  ): Promise<Blocks> {
    const { to, terms } = sum;
    const count = end - first;
    const maps: (Stack | Places)[] = [];
    for (const { map } of terms) {
      maps.push(map.kind === "kernel" ? await symbols(this.products, map, this.grid, first, end) : map);
    }
    const wanted = live.filter((v) => kept.includes(v) || terms.some(({ from }) => from === v));
    const U = new Map<Variable, Stack>();
    for (const j of wanted) {
      for (const [k, { from }] of terms.entries()) {
        const own = blockOf(Y, from, j);
        if (own === null) continue;
        const more = await this.left(maps[k], own, first, count);
        const before = U.get(j);
        if (before) plus(before, more);
        else U.set(j, more);
      }
    }
    const V = stack(count, to.channels, to.channels, this.complex);
    for (const [k, { from }] of terms.entries()) {
      const own = U.get(from);
      if (own) plus(V, await this.right(own, maps[k], first));
    }
    mirror(V);
    const next: Blocks = new Map();
    for (const a of kept) {
      if (a === to) continue;
      for (const b of kept) {
        const own = Y.get(a)?.get(b);
        if (own !== undefined) put(next, a, b, typeof own === "number" ? own : copied(own));
      }
      const own = U.get(a);
      if (own) put(next, to, a, own);
    }
    put(next, to, to, V);
    this.inflateAppended(Y, next, sum, kept, count);
    return next;
  }

  private inflateAppended(Y: Blocks, next: Blocks, { to, terms }: Sum, kept: readonly Variable[], count: number): void {
    let relative = 0;
    let inner = 0;
    const lengths = new Float64Array(count * to.channels);
    for (const { from, map } of terms) {
      const { sizes, error } = sizesAndError(map, this.grid);
      relative = Math.max(relative, error);
      inner += map.cols;
      const roots = diagonal(blockOf(Y, from, from) as Block, count, from.channels).map(Math.sqrt);
      for (let f = 0; f < count; f++) {
        for (let r = 0; r < map.rows; r++) {
          let total = 0;
          for (let c = 0; c < map.cols; c++) total += sizes[r * map.cols + c] * roots[f * map.cols + c];
          lengths[f * map.rows + r] += total;
        }
      }
    }
    const all = kept.reduce((n, v) => n + v.channels, 0);
    const g = up(up(32 * gamma(2 * inner + 8) + 4 * relative) * all);
    for (const v of kept) {
      inflate(next, v, count, (own, i) => (v === to ? up(lengths[i] ** 2 * (1 + 2 * gamma(inner + 8))) : own) * g);
    }
  }

  /** T Y. */
  private async left(map: Stack | Places, own: Block, first: number, count: number): Promise<Stack> {
    if ("kind" in map) {
      const dense = typeof own === "number" ? scalarStack(own, map.cols, count, this.complex) : own;
      return moved(map, dense, this.grid, first);
    }
    if (typeof own === "number") return scaledBy(map, own);
    return this.products.times(map, own);
  }

  /** U T^*. */
  private async right(own: Stack, map: Stack | Places, first: number): Promise<Stack> {
    if ("kind" in map) return adjointOf(moved(map, adjointOf(own), this.grid, first));
    return this.products.times(own, map, "adjoint");
  }

  /** An activation, or a map of which a constant is known. */
  private async activate(step: Step & { readonly kind: "sector" | "gain" }): Promise<boolean> {
    const { from, to } = step;
    const ratio = this.ratios[this.activations++];
    const sector = step.kind === "sector";
    const half = sector ? 0.5 : 1;
    const n = from.channels;
    const F = this.grid.frequencies.length;
    const own = blockOf(this.blocks, from, from) as Block;
    const kept = step.live.filter((v) => v !== to);
    const crossing = kept.filter((v) => blockOf(this.blocks, v, from) !== null);
    if (typeof own === "number" && !sector && crossing.length === 0) {
      this.multipliers[step.multiplier] = own;
      put(this.blocks, to, to, up(up(up(step.constant ** 2) * own)));
      return true;
    }
    const Y = typeof own === "number" ? scalarStack(own, n, F, this.complex) : own;
    // Per multiplier the largest entry of the diagonal, then all by the largest eigenvalue of what is left.
    const shape = this.shapeOf(step, Y);
    const roots = shape.map((e) => 1 / Math.sqrt(e));
    const size = Math.max(1, traceOf(Y, roots) / n);
    const squares: Stack[] = [];
    const grown = new Float64Array(F);
    const alone = !sector && crossing.length === 0;
    for (const [first, end] of this.ranges(n * n)) {
      if (await this.late()) return false;
      const scaled = between(part(Y, first, end), roots, 1 / size);
      grown.set(
        (await this.products.growth(scaled)).map((v) => v * size),
        first,
      );
      if (!alone) squares.push(await this.products.times(scaled, scaled));
    }
    const top = grown.reduce((most, v) => Math.max(most, v), 0);
    if (!(top > 0 && Number.isFinite(top))) return false;
    if (alone) return this.gainAlone(step, Y, roots, top);
    // t = ratio top e for an activation, and as much more of what has half the room.
    const factor = (sector ? 1 : 2) * ratio * top;
    const d = shape.map((e) => 1 / Math.sqrt(e * factor));
    this.record(step, shape, factor);
    const next: Blocks = new Map();
    let at = 0;
    for (const [first, end] of this.ranges(n * n)) {
      if (await this.late()) return false;
      const x = between(part(Y, first, end), d, half);
      const back = (half * size) / factor;
      const S = await above(this.products, x, squares[at++], back * back, grown.subarray(first, end), half / factor);
      if (!S) return false;
      const now = await this.eliminated(sliced(this.blocks, first, end), step, kept, crossing, d, half, S);
      gather(next, now, step.live, first, F);
    }
    this.blocks = next;
    return true;
  }

  /** What a gain reads is read no more: t is the largest eigenvalue. */
  private gainAlone(step: Step & { readonly kind: "gain" }, Y: Stack, roots: Float64Array, top: number): boolean {
    const x = between(Y, roots, 1 / top);
    const { count } = x;
    const most = new Float64Array(count).fill(1);
    const bound = provedBelowAll(x, most);
    if (!bound) return false;
    let largest = 0;
    for (const b of bound) largest = Math.max(largest, b);
    // Y <= roots^-2 top largest: all channels have the same shape.
    const t = up(up(up(top * largest) / down(roots[0] * roots[0])));
    this.multipliers[step.multiplier] = t;
    const next: Blocks = new Map();
    const kept = step.live.filter((v) => v !== step.to);
    for (const a of kept) {
      for (const b of kept) {
        const own = this.blocks.get(a)?.get(b);
        if (own !== undefined) put(next, a, b, own);
      }
    }
    put(next, step.to, step.to, up(up(step.constant * step.constant) * t));
    this.blocks = next;
    return true;
  }

  /** The largest entry of the diagonal over the channels of a multiplier, and over the frequencies. */
  private shapeOf(step: Step & { readonly kind: "sector" | "gain" }, Y: Stack): Float64Array {
    const n = Y.rows;
    const largest = new Float64Array(n);
    const own = diagonal(Y, Y.count, n);
    for (let k = 0; k < own.length; k++) largest[k % n] = Math.max(largest[k % n], own[k]);
    const shared = new Map<number, number>();
    const share = step.kind === "sector" ? step.share : new Int32Array(n).fill(step.multiplier);
    share.forEach((k, i) => {
      shared.set(k, Math.max(shared.get(k) ?? 0, largest[i]));
    });
    const most = Math.max(...shared.values());
    return Float64Array.from(share, (k) => Math.max(shared.get(k) as number, 1e-9 * most, 1e-200));
  }

  private record(step: Step & { readonly kind: "sector" | "gain" }, shape: Float64Array, factor: number): void {
    const share = step.kind === "sector" ? step.share : Int32Array.of(step.multiplier);
    share.forEach((k, i) => {
      this.multipliers[k] = shape[i] * factor;
    });
  }

  /**
   * Y + Q S Q^* half of what is kept and z, Q = [Y_:v D; D^-1]. Rows q_i err by g |q_i| |S| in Q S and as much again in the product, |S| the Frobenius norm, and so
   * |E_ij| <= g' |q_i| |q_j|, and E <= g' N diag(|q_i|^2).
   */
  private async eliminated(
    Y: Blocks,
    step: Step & { readonly kind: "sector" | "gain" },
    kept: readonly Variable[],
    crossing: readonly Variable[],
    d: Float64Array,
    half: number,
    S: Stack,
  ): Promise<Blocks> {
    const { from, to } = step;
    const sector = step.kind === "sector";
    const { count, rows: m } = S;
    const next: Blocks = new Map();
    const Q = new Map(crossing.map((a) => [a, scaledAround(denseOf(blockOf(Y, a, from) as Block, m, count), null, d)]));
    const L = new Map<Variable, Stack>();
    for (const [a, q] of Q) L.set(a, await this.products.times(q, S));
    for (const [i, a] of kept.entries()) {
      for (const b of kept.slice(0, i + 1)) {
        const before = blockOf(Y, a, b);
        const [l, q] = [L.get(a), Q.get(b)];
        if (!l || !q) {
          if (before !== null) put(next, a, b, typeof before === "number" ? before : copied(before));
          continue;
        }
        const more = scaledBy(await this.products.times(l, q, "adjoint"), half);
        if (before !== null) plus(more, denseOf(before, a.channels, count));
        if (a === b) mirror(more);
        put(next, a, b, more);
      }
      const l = L.get(a);
      if (sector && l)
        put(
          next,
          to,
          a,
          scaledAround(
            adjointOf(l),
            d.map((v) => half / v),
            null,
          ),
        );
    }
    if (sector)
      put(
        next,
        to,
        to,
        scaledAround(
          S,
          d.map((v) => half / v),
          d.map((v) => 1 / v),
        ),
      );
    const N = kept.reduce((n, v) => n + v.channels, 0) + (sector ? m : 0);
    const sizes = frobenius(S);
    const g = 40 * gamma(2 * m + 16) * N;
    for (const v of kept) {
      const q = Q.get(v);
      const lengths = q && rowLengths(q);
      inflate(next, v, count, (own, i) => {
        const f = Math.floor(i / v.channels);
        return up(4 * unit * N * own + (lengths ? g * sizes[f] * lengths[i] : 0));
      });
    }
    if (sector) {
      inflate(next, to, count, (own, i) => {
        const f = Math.floor(i / m);
        return up(4 * unit * N * own + (g * sizes[f]) / (d[i % m] * d[i % m]));
      });
    } else {
      put(next, to, to, up(up(step.constant ** 2) * up(this.multipliers[step.multiplier] * (1 + 4 * unit))));
    }
    return next;
  }

  /** The coarse Y is the mean of those that fall onto it. */
  private async coarsen(step: Step & { readonly kind: "coarsen" }): Promise<boolean> {
    const coarse = gridOf(step.sides);
    const complex = step.sides.length > 0;
    const readers = new Map<number, { readonly k: number; readonly own: number; readonly conjugate: number }[]>();
    for (const [k, fold] of aliases(this.grid, coarse).entries()) {
      for (const { at, own, conjugate } of fold) readers.set(at, [...(readers.get(at) ?? []), { k, own, conjugate }]);
    }
    const sums: Blocks = new Map();
    const folds = this.grid.size / coarse.size;
    const C = coarse.frequencies.length;
    const n = step.made.reduce((most, { to }) => most + to.channels, 0) + this.live.reduce((s, v) => s + v.channels, 0);
    for (const [first, end] of this.ranges(n * n)) {
      if (await this.late()) return false;
      let now = sliced(this.blocks, first, end);
      let alive = this.live;
      for (const [i, sum] of step.made.entries()) {
        const later = step.made.slice(i + 1).flatMap(({ terms }) => terms.map(({ from }) => from));
        const kept = [...alive, sum.to].filter((v) => v === sum.to || step.live.includes(v) || later.includes(v));
        now = await this.appended(now, sum, alive, kept, first, end);
        alive = kept;
      }
      for (const a of step.live) {
        for (const [b, own] of now.get(a) ?? []) {
          if (!step.live.includes(b)) continue;
          const dense = denseOf(own, a.channels, end - first);
          const to = (blockOf(sums, a, b) as Stack | null) ?? stack(C, a.channels, b.channels, complex);
          if (!sums.get(a)?.has(b)) put(sums, a, b, to);
          const size = a.channels * b.channels;
          for (let f = first; f < end; f++) {
            for (const { k, own: plain, conjugate } of readers.get(f) ?? []) {
              const [even, odd] = [(plain + conjugate) / folds, (plain - conjugate) / folds];
              const [source, target] = [(f - first) * size, k * size];
              for (let e = 0; e < size; e++) to.re[target + e] += even * dense.re[source + e];
              if (to.im && dense.im) for (let e = 0; e < size; e++) to.im[target + e] += odd * dense.im[source + e];
            }
          }
        }
      }
    }
    const all = step.live.reduce((sum, v) => sum + v.channels, 0);
    const g = up(2 * gamma(folds + 8) * all);
    this.blocks = sums;
    this.grid = coarse;
    for (const v of step.live) {
      const own = blockOf(sums, v, v);
      if (own === null || typeof own === "number") return false;
      mirror(own);
      inflate(sums, v, C, (y) => up(g * y));
    }
    return true;
  }
}

/** The symbols of a kernel at some frequencies, as `symbolAt` has them. */
async function symbols(
  products: Products,
  map: Linear & { readonly kind: "kernel" },
  grid: Grid,
  first: number,
  end: number,
): Promise<Stack> {
  const { rows, cols, taps } = map;
  if (grid.sides.length === 0) return { count: 1, rows, cols, re: taps[0].weight, im: null };
  const turns = stack(1, end - first, taps.length, true);
  const weights = new Float64Array(taps.length * rows * cols);
  for (const [k, { shift, weight }] of taps.entries()) {
    weights.set(weight, k * rows * cols);
    for (let f = first; f < end; f++) {
      const turn = turnOf(grid, grid.frequencies[f], shift);
      turns.re[(f - first) * taps.length + k] = grid.roots.cos[turn];
      if (turns.im) turns.im[(f - first) * taps.length + k] = grid.roots.sin[turn];
    }
  }
  return products.sums(turns, weights, rows, cols);
}

/** Rows taken by their places. */
function moved({ from, factors, rows, shift }: Places, Y: Stack, grid: Grid, first: number): Stack {
  const { count, cols } = Y;
  const out = stack(count, rows, cols, Y.im !== null || shift !== undefined);
  for (let f = 0; f < count; f++) {
    const turn = shift ? turnOf(grid, grid.frequencies[first + f], shift) : 0;
    const [c, s] = shift ? [grid.roots.cos[turn], grid.roots.sin[turn]] : [1, 0];
    for (let r = 0; r < rows; r++) {
      if (from[r] < 0) continue;
      const [to, source] = [(f * rows + r) * cols, (f * Y.rows + from[r]) * cols];
      const [a, b] = [factors[r] * c, factors[r] * s];
      for (let j = 0; j < cols; j++) {
        const [re, im] = [Y.re[source + j], Y.im ? Y.im[source + j] : 0];
        out.re[to + j] = shift ? a * re - b * im : a * re;
        if (out.im) out.im[to + j] = shift ? a * im + b * re : a * im;
      }
    }
  }
  return out;
}

/** Bounds of the entries of a map, and what they may be off as a part of these. */
function sizesAndError(map: Linear, grid: Grid): { readonly sizes: Float64Array; readonly error: number } {
  if (map.kind === "kernel") return { sizes: sizesOf(map), error: symbolError(map, grid) };
  const sizes = new Float64Array(map.rows * map.cols);
  for (let r = 0; r < map.rows; r++) if (map.from[r] >= 0) sizes[r * map.cols + map.from[r]] = Math.abs(map.factors[r]);
  return { sizes, error: map.shift ? up(2 * (map.error + rootError + gamma(4))) : map.error };
}
