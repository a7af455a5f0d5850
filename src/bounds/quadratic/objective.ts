/**
 * @file The quadratic walk as one graph of our own ops: ln L^2 from multipliers, so that reverse mode gives its gradient and the engine runs both. It has
 * none of the care of proof.ts; what it says must be proved.
 *
 * An activation's t is e lambda (c + softplus(p)): e is exp(theta) times the mean over the frequencies of what it reads, lambda the largest eigenvalue of
 * diag(e)^-1/2 Y_vv diag(e)^-1/2, smoothed from above. Relative to that, a step in one layer carries the later ones along, and hardly any leaves what is
 * feasible, t > lambda e / 2: a descent takes a tenth of the steps that it takes over t itself.
 */
import type { Engine } from "../../engine/engine.ts";
import { grad } from "../../graph/gradient.ts";
import type { Node } from "../../graph/graph.ts";
import { constant, input } from "../../graph/leaf.ts";
import { add, div, log, minimum, mul, neg, stopGradient, sub } from "../../ops/arith.ts";
import { sum } from "../../ops/broadcast.ts";
import { gather } from "../../ops/gather.ts";
import { matmul } from "../../ops/matmul.ts";
import { concat, reshape, sliceAxis } from "../../ops/movement.ts";
import { exp, softplus, sqrt } from "../../ops/pointwise.ts";
import { reduceMax, reduceMin } from "../../ops/reduce.ts";
import { tensor, toFloat64 } from "../../tensor/tensor.ts";
import { aliases, type Grid, gridOf } from "./grid.ts";
import {
  adjoint,
  array,
  eyeOf,
  inverseOf,
  type Matrices,
  placed,
  plus,
  rightAdjoint,
  scaledColumns,
  scaledRows,
  summed,
  times,
} from "./matrixNodes.ts";
import type { Linear, Program, Step, Sum, Term, Variable } from "./program.ts";
import { meanFloor } from "./start.ts";
import { symbolAt } from "./symbol.ts";

/** The value of multipliers and its gradient. */
export interface Evaluation {
  /** ln L^2, smoothed from above. */
  readonly value: number;
  /** Without the barrier. */
  readonly plain: number;
  readonly gradient: Float64Array;
  /** t itself. */
  readonly multipliers: Float64Array;
  /** Of the inputs, where they are sought. */
  readonly scales?: Float64Array;
}

/** What is asked of a program. */
export interface Aim {
  /** What counts of Y at the output: its largest eigenvalue, or its largest diagonal entry, which is that of the worst single output. Default "together". */
  readonly outputs?: "together" | "each";
  /** "scaled": the inputs are the box |dx_j| <= 1 and not the ball, and the squared axes p_j of the ellipsoid around it, sum 1 / p_j = 1, are sought as well. Default "alike". */
  readonly inputs?: "alike" | "scaled";
}

/** How many numbers a search goes over, theta, p and ln of the squared axes, and where the second and the third begin. */
export function unknownsOf({ multipliers, steps, input }: Program, { inputs }: Aim) {
  const rooms = Math.max(1, multipliers);
  const axes = rooms + steps.filter(({ kind }) => kind === "sector" || kind === "gain").length;
  return { rooms, axes, count: axes + (inputs === "scaled" ? input.channels : 0) };
}

/** The p with which c + softplus(p) times lambda is 1, or nearly so where c alone is more; of so many eigenvalues at all frequencies. */
export const roomOf = (kind: "sector" | "gain", lambda: number, eigenvalues: number): number =>
  Math.log(Math.expm1(Math.max(1 / lambda - leastOf(kind, eigenvalues), 1e-3)));

export interface Objective {
  /** At theta, where eigenvalues are smoothed by a power of 2^(4 level + 5); nothing where theta is not feasible. */
  at(theta: Float64Array, level: number, weight: number): Promise<Evaluation | undefined>;
  dispose(): Promise<void>;
}

/** Powers of the trace that stand for the largest eigenvalue, in doublings. */
export const doublings: readonly number[] = [4, 6, 8, 10, 12, 14, 16];

/** Compile a program. */
export async function objectiveOf(engine: Engine, program: Program, aim: Aim = {}): Promise<Objective> {
  const compiled = await engine.compile(new Walk(program, aim).outputs());
  return {
    async at(theta, level, weight) {
      const chosen = Float64Array.from(doublings, (_, i) => (i === level ? 1 : 0));
      const results = await compiled.run({
        theta: tensor(theta, [theta.length], "float64"),
        weight: tensor(Float64Array.of(weight), [1], "float64"),
        level: tensor(chosen, [chosen.length], "float64"),
      });
      const value = toFloat64(results.value)[0];
      const pivot = toFloat64(results.pivot)[0];
      const gradient = toFloat64(results.gradient);
      // The inverse of a definite matrix has a diagonal above that of one over the matrix's own.
      if (!(pivot >= 1 - 1e-9) || !Number.isFinite(value) || !gradient.every(Number.isFinite)) return undefined;
      return {
        value,
        plain: toFloat64(results.plain)[0],
        gradient,
        multipliers: toFloat64(results.multipliers),
        ...(results.scales && { scales: toFloat64(results.scales) }),
      };
    },
    dispose: () => compiled.dispose(),
  };
}

// --- internal ---

class Walk {
  private readonly program: Program;
  private readonly theta: Node;
  private readonly level: Node;
  private grid: Grid;
  private live: readonly Variable[];
  /** Blocks of Y; that of the untouched input with itself, the identity, is null. */
  private blocks = new Map<Variable, Map<Variable, Matrices | null>>();
  private readonly multipliers: (Node | undefined)[] = [];
  private pivot: Node | null = null;
  private barrier: Node | null = null;
  private readonly weight: Node;
  private readonly aim: Aim;
  private activations = 0;
  /** The squared axes p of the ellipsoid of the inputs; null for a ball. */
  private readonly axes: Node | null;

  constructor(program: Program, aim: Aim) {
    this.program = program;
    this.aim = aim;
    this.theta = input("theta", [unknownsOf(program, aim).count], "float64");
    this.axes = aim.inputs === "scaled" ? this.axesOf(program) : null;
    this.weight = input("weight", [1], "float64");
    this.level = input("level", [doublings.length], "float64");
    this.grid = gridOf(program.sides);
    this.live = [program.input];
    this.put(program.input, program.input, null);
  }

  /** exp(theta) times a number with which sum 1 / p = 1. */
  private axesOf(program: Program): Node {
    const { axes, count } = unknownsOf(program, this.aim);
    const own = exp(sliceAxis(this.theta, 0, axes, count));
    return mul(own, sum(div(1, own)));
  }

  outputs(): Record<string, Node> {
    for (const step of this.program.steps) this.step(step);
    const out = this.block(this.program.output, this.program.output);
    const { value, slope } = this.aim.outputs === "each" ? this.largestOf(out) : this.top(out);
    const along = sum(mul(stopGradient(slope.re), out.re));
    const all = slope.im && out.im ? add(along, sum(mul(stopGradient(slope.im), out.im))) : along;
    const barrier = mul(this.barrier ?? array(Float64Array.of(0), []), reshape(this.weight, []));
    const [gradient] = grad(add(all, barrier), [this.theta]);
    const t = concat(
      this.multipliers.map((m) => reshape(m ?? array(Float64Array.of(1), [1]), [1])),
      0,
    );
    return {
      value: add(value, barrier),
      plain: value,
      gradient,
      pivot: this.pivot ?? array(Float64Array.of(1), []),
      multipliers: t,
      ...(this.axes && { scales: sqrt(this.axes) }),
    };
  }

  private step(step: Step): void {
    switch (step.kind) {
      case "affine":
        this.append(step);
        break;
      case "sector":
      case "gain":
        this.activate(step);
        break;
      case "coarsen":
        this.coarsen(step);
        break;
      default:
        step satisfies never;
    }
    this.live = step.live;
    const kept = new Set(step.live);
    for (const [v, row] of this.blocks) {
      if (!kept.has(v)) this.blocks.delete(v);
      else for (const w of row.keys()) if (!kept.has(w)) row.delete(w);
    }
  }

  private put(a: Variable, b: Variable, block: Matrices | null): void {
    const row = this.blocks.get(a) ?? new Map<Variable, Matrices | null>();
    this.blocks.set(a, row.set(b, block));
  }

  private has(a: Variable, b: Variable): boolean {
    return this.blocks.get(a)?.has(b) === true || this.blocks.get(b)?.has(a) === true;
  }

  /** Y_ab. */
  private block(a: Variable, b: Variable): Matrices {
    const own = this.blocks.get(a)?.get(b);
    if (own) return own;
    const other = this.blocks.get(b)?.get(a);
    if (other) return adjoint(other);
    const n = a.channels;
    const F = this.grid.frequencies.length;
    if (this.axes) return { re: mul(array(eyeOf(n), [1, n, n]), reshape(this.axes, [1, 1, n])), im: null };
    const one = new Float64Array(F * n * n);
    for (let k = 0; k < F * n; k++) one[Math.floor(k / n) * n * n + (k % n) * (n + 1)] = 1;
    return { re: array(one, [F, n, n]), im: null };
  }

  /** T as constants, for a kernel. */
  private symbols(map: Linear & { readonly kind: "kernel" }): Matrices {
    const { rows, cols } = map;
    const { frequencies } = this.grid;
    const complex = this.grid.sides.length > 0;
    const [re, im] = [0, 1].map(() => new Float64Array(frequencies.length * rows * cols));
    frequencies.forEach((w, f) => {
      const own = symbolAt(map, this.grid, w);
      re.set(own.re, f * rows * cols);
      if (own.im) im.set(own.im, f * rows * cols);
    });
    const shape = [frequencies.length, rows, cols];
    return { re: array(re, shape), im: complex ? array(im, shape) : null };
  }

  private timesLeft(term: Term, symbols: Matrices | null, Y: Matrices | null): Matrices {
    if (term.map.kind === "places") {
      return placed(term.map, Y ?? this.block(term.from, term.from), this.grid);
    }
    if (Y) return times(symbols as Matrices, Y);
    return this.axes ? scaledColumns(symbols as Matrices, this.axes) : (symbols as Matrices);
  }

  /** T Y_kj of a sum, for some j, and T Y T^*. */
  private rows({ terms }: Sum, columns: readonly Variable[]) {
    const symbols = terms.map(({ map }) => (map.kind === "kernel" ? this.symbols(map) : null));
    const wanted = new Set([...columns, ...terms.map(({ from }) => from)]);
    const U = new Map<Variable, Matrices>();
    for (const j of wanted) {
      const parts = terms.flatMap((term, k) => {
        if (!this.has(term.from, j)) return [];
        const raw = this.blocks.get(term.from)?.get(j) === null ? null : this.block(term.from, j);
        return [this.timesLeft(term, symbols[k], raw)];
      });
      if (parts.length > 0) U.set(j, parts.reduce(plus));
    }
    return { U, symbols };
  }

  private append(step: Sum & { readonly live: readonly Variable[] }): void {
    const kept = step.live.filter((v) => v !== step.to);
    const { U, symbols } = this.rows(step, kept);
    const V = step.terms
      .map((term, k) => rightAdjoint(U.get(term.from) as Matrices, term.map, symbols[k], this.grid))
      .reduce(plus);
    for (const j of kept) {
      const own = U.get(j);
      if (own) this.put(step.to, j, own);
    }
    this.put(step.to, step.to, V);
  }

  /** e lambda (c + softplus(p)), with e in proportion to the mean over frequencies of a diagonal, or of its mean where a multiplier is shared. */
  private multiplier(step: Step & { readonly kind: "sector" | "gain" }, Y: Matrices): Node {
    const n = step.from.channels;
    const weights = this.grid.weights.map((w) => w / this.grid.size);
    const eye = array(eyeOf(n), [1, n, n]);
    const perFrequency = sum(mul(Y.re, eye), [2]);
    const bare = sum(mul(perFrequency, array(Float64Array.from(weights), [weights.length, 1])), [0]);
    const mean = add(bare, add(mul(sum(bare), meanFloor / n), 1e-300));
    const share = step.kind === "sector" ? Array.from(step.share) : new Array<number>(n).fill(step.multiplier);
    const distinct = [...new Set(share)];
    const pick = array(
      Float64Array.from({ length: distinct.length * n }, (_, k) => {
        const own = distinct[Math.floor(k / n)];
        return share[k % n] === own ? 1 / share.filter((s) => s === own).length : 0;
      }),
      [distinct.length, n],
    );
    const alone = distinct.length === n;
    const scale = alone ? mean : reshape(matmul(pick, reshape(mean, [n, 1])), [distinct.length]);
    const e = mul(exp(this.thetaOf(distinct)), scale);
    const places = constant(
      tensor(
        BigInt64Array.from(share, (k) => BigInt(distinct.indexOf(k))),
        [n],
        "int64",
      ),
    );
    const d = div(1, sqrt(alone ? e : gather(e, places, 0)));
    const lambda = this.largestEigenvalue(scaledRows(scaledColumns(Y, d), d));
    const p = unknownsOf(this.program, this.aim).rooms + this.activations++;
    const room = softplus(sliceAxis(this.theta, 0, p, p + 1));
    const factor = mul(lambda, add(room, leastOf(step.kind, n * this.grid.frequencies.length)));
    const t = mul(e, factor);
    distinct.forEach((k, i) => {
      this.multipliers[k] = sliceAxis(t, 0, i, i + 1);
    });
    return alone ? t : gather(t, places, 0);
  }

  /** (tr R^n)^(1/n) at all frequencies together, n = 2^lambdaDoublings + 1. Its derivative is told: that of the powers would cost more than the walk. */
  private largestEigenvalue(R: Matrices): Node {
    const { logTrace, power } = powersOf(R, [lambdaDoublings])[0];
    const value = exp(div(logTrace, 2 ** lambdaDoublings + 1));
    const slope = (x: Node) => stopGradient(mul(x, value));
    const re = sum(mul(slope(power.re), R.re));
    const along = power.im && R.im ? add(re, sum(mul(slope(power.im), R.im))) : re;
    // R has the degree one: along is the value, and has its derivative.
    return along;
  }

  private thetaOf(numbers: readonly number[]): Node {
    const [first] = numbers;
    if (numbers.every((k, i) => k === first + i)) return sliceAxis(this.theta, 0, first, first + numbers.length);
    return gather(this.theta, constant(tensor(BigInt64Array.from(numbers, BigInt), [numbers.length], "int64")), 0);
  }

  private activate(step: Step & { readonly kind: "sector" | "gain" }): void {
    const { from, to } = step;
    const n = from.channels;
    const sector = step.kind === "sector";
    const Y = this.block(from, from);
    const t = this.multiplier(step, Y);
    const diagonal = mul(array(eyeOf(n), [1, n, n]), reshape(sector ? mul(t, 2) : t, [1, 1, n]));
    const M: Matrices = { re: sub(diagonal, Y.re), im: Y.im && neg(Y.im) };
    const X = inverseOf(M);
    const eye = array(eyeOf(n), [1, n, n]);
    const products = mul(sum(mul(M.re, eye), [2]), sum(mul(X.re, eye), [2]));
    const pivots = reduceMin(products);
    const mean = mul(sum(products), 1 / (this.grid.frequencies.length * n));
    this.barrier = this.barrier ? add(this.barrier, mean) : mean;
    const positive = reduceMin(sum(mul(M.re, eye), [2]));
    // A negative entry of the diagonal would be hidden by a negative one of the inverse.
    const least = minimum(pivots, mul(positive, 1e300));
    this.pivot = this.pivot ? minimum(this.pivot, least) : least;
    const kept = step.live.filter((v) => v !== to);
    const through = new Map(kept.filter((l) => this.has(l, from)).map((l) => [l, times(this.block(l, from), X)]));
    const reading = new Map(kept.map((l) => [l, this.has(l, from) ? adjoint(this.block(l, from)) : null]));
    kept.forEach((a, i) => {
      const left = through.get(a);
      if (!left) return;
      for (const b of kept.slice(0, i + 1)) {
        const right = reading.get(b);
        if (!right) continue;
        const more = times(left, right);
        this.put(a, b, this.has(a, b) ? plus(this.block(a, b), more) : more);
        if (a !== b) this.blocks.get(b)?.delete(a);
      }
      if (sector) this.put(to, a, adjoint(scaledColumns(left, t)));
    });
    if (sector) this.put(to, to, scaledRows(scaledColumns(X, t), t));
    else {
      const own = mul(
        array(eyeOf(to.channels), [1, to.channels, to.channels]),
        mul(sliceAxis(t, 0, 0, 1), step.constant ** 2),
      );
      const F = this.grid.frequencies.length;
      this.put(to, to, { re: add(own, array(new Float64Array(F), [F, 1, 1])), im: null });
    }
  }

  private coarsen(step: Step & { readonly kind: "coarsen" }): void {
    const fine = this.grid;
    const coarse = gridOf(step.sides);
    const [F, C] = [fine.frequencies.length, coarse.frequencies.length];
    const [even, odd] = [0, 1].map(() => new Float64Array(C * F));
    aliases(fine, coarse).forEach((fold, k) => {
      for (const { at, own, conjugate } of fold) {
        even[k * F + at] = ((own + conjugate) * coarse.size) / fine.size;
        odd[k * F + at] = ((own - conjugate) * coarse.size) / fine.size;
      }
    });
    const fold = (Y: Matrices): Matrices => {
      const [, r, c] = Y.re.shape;
      const by = (x: Node, weights: Float64Array) =>
        reshape(matmul(array(weights, [C, F]), reshape(x, [F, r * c])), [C, r, c]);
      return { re: by(Y.re, even), im: Y.im && step.sides.length > 0 ? by(Y.im, odd) : null };
    };
    const before = step.live.filter((v) => this.live.includes(v));
    const made: { readonly to: Variable; readonly rows: ReturnType<Walk["rows"]>; readonly sum: Sum }[] = [];
    const next: [Variable, Variable, Matrices][] = [];
    for (const s of step.made) made.push({ to: s.to, rows: this.rows(s, [...this.live]), sum: s });
    made.forEach((own, i) => {
      for (const other of made.slice(0, i + 1)) {
        const parts = other.sum.terms.flatMap((term, k) => {
          const left = own.rows.U.get(term.from);
          if (!left) return [];
          const symbols = other.rows.symbols[k];
          if (step.sides.length === 0 && symbols && term.map.kind === "kernel") {
            return [summed(left, symbols, fine)];
          }
          return [fold(rightAdjoint(left, term.map, symbols, fine))];
        });
        if (parts.length > 0) next.push([own.to, other.to, parts.reduce(plus)]);
      }
      for (const v of before) {
        const U = own.rows.U.get(v);
        if (U) next.push([own.to, v, fold(U)]);
      }
    });
    before.forEach((a, i) => {
      for (const b of before.slice(0, i + 1)) if (this.has(a, b)) next.push([a, b, fold(this.block(a, b))]);
    });
    this.blocks = new Map();
    for (const [a, b, block] of next) this.put(a, b, block);
    this.grid = coarse;
  }

  private chosen(nodes: readonly Node[]): Node {
    const own = nodes.map((x, i) => {
      const level = sliceAxis(this.level, 0, i, i + 1);
      return mul(
        x,
        reshape(
          level,
          x.shape.map(() => 1),
        ),
      );
    });
    return own.reduce((a, b) => add(a, b));
  }

  /** ln of a power mean of the diagonal, which is no less than that of its largest entry, and its derivative in Y. */
  private largestOf({ re }: Matrices): { readonly value: Node; readonly slope: Matrices } {
    const n = this.program.output.channels;
    const eye = array(eyeOf(n), [1, n, n]);
    const diagonal = reshape(sum(mul(re, eye), [2]), [n]);
    const logs = log(add(diagonal, 1e-300));
    const largest = stopGradient(reduceMax(logs));
    const found = doublings.map((d) => {
      const power = 2 ** d;
      const parts = exp(mul(sub(logs, largest), power));
      const total = sum(parts);
      const shares = div(div(parts, total), diagonal);
      return {
        value: add(largest, div(log(total), power)),
        slope: mul(eye, reshape(shares, [1, 1, n])),
      };
    });
    return {
      value: this.chosen(found.map(({ value }) => value)),
      slope: { re: this.chosen(found.map(({ slope }) => slope)), im: null },
    };
  }

  /** ln of a power mean of all eigenvalues at all frequencies, which is no less than that of the largest, and its derivative in Y. */
  private top(R: Matrices): { readonly value: Node; readonly slope: Matrices } {
    const powers = powersOf(R, doublings);
    return {
      value: this.chosen(powers.map(({ logTrace }, i) => div(logTrace, 2 ** doublings[i] + 1))),
      slope: {
        re: this.chosen(powers.map(({ power }) => power.re)),
        im: powers[0].power.im && this.chosen(powers.map(({ power }) => power.im as Node)),
      },
    };
  }
}

/** Of the power of the trace that stands for the largest eigenvalue of what an activation reads: at 65 they are 1.1 apart at most for 1,000 eigenvalues. */
const lambdaDoublings = 6;

/**
 * The least t over e lambda: 1/2 for a sector, 1 for a gain, and as much less as lambda may be too large for so many eigenvalues, so that the edge of what is
 * feasible is never out of reach.
 */
const leastOf = (kind: "sector" | "gain", eigenvalues: number): number =>
  (kind === "sector" ? 0.5 : 1) * eigenvalues ** (-1 / (2 ** lambdaDoublings + 1));

/** For each n = 2^d + 1: ln tr R^n over all frequencies, and R^(n-1) / tr R^n, which times the value is the derivative of (tr R^n)^(1/n). */
function powersOf(R: Matrices, wanted: readonly number[]): { readonly logTrace: Node; readonly power: Matrices }[] {
  const found: { readonly logTrace: Node; readonly power: Matrices }[] = [];
  let H = R;
  let scale: Node | undefined;
  const last = wanted[wanted.length - 1];
  for (let k = 0; k < last; k++) {
    if (k > 0) H = times(H, H);
    const square = H.im ? add(sum(mul(H.re, H.re)), sum(mul(H.im, H.im))) : sum(mul(H.re, H.re));
    const size = sqrt(square);
    H = { re: div(H.re, size), im: H.im && div(H.im, size) };
    scale = scale === undefined ? log(size) : add(mul(scale, 2), log(size));
    if (!wanted.includes(k + 1)) continue;
    // tr R H^2, with R^(2^k) = exp(scale) H.
    const S = times(H, H);
    const total = S.im && R.im ? add(sum(mul(R.re, S.re)), sum(mul(R.im, S.im))) : sum(mul(R.re, S.re));
    found.push({
      logTrace: add(log(total), mul(scale, 2)),
      power: { re: div(S.re, total), im: S.im && div(S.im, total) },
    });
  }
  return found;
}
