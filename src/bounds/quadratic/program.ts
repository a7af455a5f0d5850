/**
 * @file What the quadratic walk is asked about: a network as a program over the tensors that are alive at a cut. Four kinds of step, no operator's name:
 * affine maps, activations with slopes in [0, 1], maps of which only a constant is known, and the passage to a coarser grid.
 *
 * All variables of a cut live on one periodic grid of `sides`, [] for none: a dense tensor has one place, and all its numbers are channels.
 */

import type { Range } from "../domain.ts";

/** A tensor: so many channels at every place of the grid. */
export interface Variable {
  readonly channels: number;
  readonly name: string;
}

/** One tap of a kernel: y at a place reads x at the place + shift. */
export interface Tap {
  readonly shift: readonly number[];
  /** [rows, cols]. */
  readonly weight: Float64Array;
}

/** y[p] = sum over taps of weight x[p + shift]; a matrix is a kernel of one tap. */
export interface Kernel {
  readonly kind: "kernel";
  readonly rows: number;
  readonly cols: number;
  readonly taps: readonly Tap[];
  /** Relative error of the entries. */
  readonly error: number;
}

/** y[i] at a place = factors[i] x[from[i]] at the place + shift, or 0 where `from` is -1. */
export interface Places {
  readonly kind: "places";
  readonly rows: number;
  readonly cols: number;
  readonly from: Int32Array;
  readonly factors: Float64Array;
  /** None for no shift. */
  readonly shift?: readonly number[];
  /** Relative error of the factors. */
  readonly error: number;
}

export type Linear = Kernel | Places;

export interface Term {
  readonly from: Variable;
  readonly map: Linear;
}

/** A sum of linear maps of variables. */
export interface Sum {
  readonly to: Variable;
  readonly terms: readonly Term[];
}

/** Numbers of the program's multipliers: channel i of a variable uses number share[i]. */
export interface Shared {
  readonly share: Int32Array;
}

export type Action =
  | ({ readonly kind: "affine" } & Sum)
  /** Every channel a function of one number with slopes in [0, 1]; channels of one multiplier together the gradient of a convex function with a Jacobian in [0, I]. */
  | ({
      readonly kind: "sector";
      readonly from: Variable;
      readonly to: Variable;
      /** Of what it stands for, low v + (high - low) z, channel by channel. Default: [0, 1]. */
      readonly slopes?: Range;
    } & Shared)
  /** |d to| <= constant |d from|, and nothing else is known. */
  | {
      readonly kind: "gain";
      readonly from: Variable;
      readonly to: Variable;
      readonly constant: number;
      readonly multiplier: number;
    }
  /** Only every (side / new side)-th place is kept, of what is alive and of what is made on the way. [] keeps one place. */
  | { readonly kind: "coarsen"; readonly sides: readonly number[]; readonly made: readonly Sum[] };

/** An action, and the variables that are alive after it, in order. */
export type Step = Action & { readonly live: readonly Variable[] };

export interface Program {
  /** The grid of the input. */
  readonly sides: readonly number[];
  readonly input: Variable;
  readonly output: Variable;
  readonly steps: readonly Step[];
  /** How many multipliers there are. */
  readonly multipliers: number;
}

/** Say after each action what is alive: what a later one reads, and the output. */
export function programOf(
  sides: readonly number[],
  input: Variable,
  output: Variable,
  actions: readonly Action[],
): Program {
  const needed = new Set<Variable>([output]);
  const steps: Step[] = [];
  for (const action of actions.toReversed()) {
    const made = madeBy(action);
    // What nobody reads is not computed.
    if (action.kind !== "coarsen" && !made.some((v) => needed.has(v))) continue;
    steps.push({ ...action, live: [...needed] });
    for (const v of made) needed.delete(v);
    for (const v of readBy(action)) needed.add(v);
  }
  const used = new Set<number>();
  for (const step of steps) for (const k of multipliersOf(step)) used.add(k);
  const number = new Map([...used].sort((a, b) => a - b).map((k, i) => [k, i]));
  const renumbered = steps.reverse().map((step): Step => {
    if (step.kind === "sector") return { ...step, share: step.share.map((k) => number.get(k) as number) };
    if (step.kind === "gain") return { ...step, multiplier: number.get(step.multiplier) as number };
    return step;
  });
  return { sides, input, output, steps: renumbered, multipliers: used.size };
}

export const madeBy = (action: Action): readonly Variable[] =>
  action.kind === "coarsen" ? action.made.map(({ to }) => to) : [action.to];

export function readBy(action: Action): readonly Variable[] {
  switch (action.kind) {
    case "affine":
      return action.terms.map(({ from }) => from);
    case "coarsen":
      return action.made.flatMap(({ terms }) => terms.map(({ from }) => from));
    default:
      return [action.from];
  }
}

/** The multipliers of a step. */
export const multipliersOf = (step: Action): Iterable<number> =>
  step.kind === "sector" ? step.share : step.kind === "gain" ? [step.multiplier] : [];

/** Every number is itself. */
export function identityPlaces(n: number): Places {
  return {
    kind: "places",
    rows: n,
    cols: n,
    from: Int32Array.from({ length: n }, (_, i) => i),
    factors: new Float64Array(n).fill(1),
    error: 0,
  };
}

/** x times a number. */
export const scaled = (n: number, factor: number): Places => ({
  ...identityPlaces(n),
  factors: new Float64Array(n).fill(factor),
});

/** `map` after `first`; null where numbers of a kernel would have to be added up, whose sum may be far smaller than they are. */
export function after(map: Linear, first: Places): Linear | null {
  const exact = first.error === 0 && first.factors.every((f) => Math.abs(f) === 1 || f === 0);
  const error = exact ? map.error : map.error + first.error + 4 * Number.EPSILON;
  if (map.kind === "places") {
    const { shift: own, ...rest } = map;
    const shift = own && first.shift ? own.map((s, i) => s + (first.shift?.[i] ?? 0)) : (own ?? first.shift);
    return {
      ...rest,
      ...(shift ? { shift } : {}),
      cols: first.cols,
      from: map.from.map((i) => (i < 0 ? -1 : first.from[i])),
      factors: map.factors.map((f, k) => (map.from[k] < 0 ? 0 : f * first.factors[map.from[k]])),
      error: map.factors.every((f) => Math.abs(f) === 1 || f === 0) ? map.error + first.error : error,
    };
  }
  const read = first.from.filter((f) => f >= 0);
  if (new Set(read).size < read.length) return null;
  const taps = map.taps.map(({ shift, weight }) => {
    const moved = new Float64Array(map.rows * first.cols);
    for (let r = 0; r < map.rows; r++) {
      for (let c = 0; c < map.cols; c++) {
        const at = first.from[c];
        if (at >= 0) moved[r * first.cols + at] = weight[r * map.cols + c] * first.factors[c];
      }
    }
    return { shift: first.shift ? shift.map((s, i) => s + (first.shift?.[i] ?? 0)) : shift, weight: moved };
  });
  return { ...map, cols: first.cols, taps, error };
}
