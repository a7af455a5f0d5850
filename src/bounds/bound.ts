/** @file What a bound is: a number that says on which side of the Lipschitz constant it lies. The side is in the type, so that a lower bound or an estimate cannot certify anything. */
import { UsageError } from "../tensor/errors.ts";
import type { Shape } from "../tensor/shape.ts";

/** The p of ||f(x) - f(y)||_p <= L ||x - y||_p. */
export type Norm = 1 | 2 | "inf";

export type Side = "upper" | "lower" | "estimate";

/** `done`: ran to its end. `stopped`: out of time or aborted; the value is loose but on its side. `unbounded`: there is no constant. `too large`: the method gave up. `not a chain`: the method is for chains of dense layers only. */
export type Status = "done" | "stopped" | "unbounded" | "too large" | "not a chain";

interface Stated {
  readonly method: string;
  /** Infinity where the method has none to offer; JSON has no infinity and shows null. */
  readonly value: number;
  readonly seconds: number;
  readonly status: Status;
  /** Where `status` is not "done": the reason. */
  readonly why?: string;
}

/** L <= value. `proved` only if every step is an upper bound in floating point too. */
export interface UpperBound extends Stated {
  readonly side: "upper";
  readonly proved: boolean;
}

/** Two points of the domain, flat: ||f(y) - f(x)|| >= value ||y - x|| in exact arithmetic, by an enclosure of f(y) - f(x). */
export interface Witness {
  readonly x: readonly number[];
  readonly y: readonly number[];
}

/** value <= L, shown by the witness (null only for value 0: nothing was found). */
export interface LowerBound extends Stated {
  readonly side: "lower";
  readonly proved: false;
  readonly witness: Witness | null;
}

/** Near L, on neither side. */
export interface Estimate extends Stated {
  readonly side: "estimate";
  readonly proved: false;
}

export type Bound = UpperBound | LowerBound | Estimate;

/** The part of one node in an upper bound, for blame. */
export interface LayerBound {
  /** The name in the model where it has one, else the operator and its place in the walk: "Conv 3". */
  readonly node: string;
  readonly op: string;
  /** Of the weight where there is one, else of the result. */
  readonly shape: Shape;
  readonly upper: number;
  /** Null where only an upper bound is known. */
  readonly lower: number | null;
  /** Time ran out: a quick bound stands for the norm, which may be far less. */
  readonly crude?: true;
  /** ln(upper) over the sum of |ln(upper)|: negative for a node that contracts. */
  readonly shareOfLog: number;
}

/** Between what the constant lies, and who says so. This record as it is, plus the model's name and hash, is `bound --json`. */
export interface Bracket {
  readonly norm: "1" | "2" | "inf";
  /** "global", or the ball or box where the bounds hold. */
  readonly domain: string;
  /** The largest lower bound. */
  readonly lower: { readonly value: number; readonly method: string; readonly witness: Witness | null } | null;
  /** The smallest upper bound, a proved one before any other; null where there is none. */
  readonly upper: { readonly value: number; readonly method: string; readonly proved: boolean } | null;
  /** The node because of which there is no constant on the domain, if there is one. */
  readonly noConstant?: NoBound;
  /** Where samples of one batch act on each other, or their number does, in a model with a free batch: then everything here is of a batch of one. */
  readonly crossing?: NoConstant;
  readonly bounds: readonly Bound[];
  readonly layers: readonly LayerBound[];
}

export interface NoConstant {
  readonly node: string;
  readonly why: string;
}

/** Why a walk has no bound, and whether there could be one. */
export interface NoBound extends NoConstant {
  /** Do all nodes without a constant have one in a box or ball that is small enough, away from poles? */
  readonly local: boolean;
}

/** The smallest proved upper bound of a bracket, as it may certify; undefined where none is proved, or the domain is not everything. */
export function provedUpper({ bounds, domain }: Bracket): UpperBound | undefined {
  if (domain !== "global") return undefined;
  const proved = bounds.filter(
    (b): b is UpperBound => b.side === "upper" && b.proved && b.value < Number.POSITIVE_INFINITY,
  );
  return proved.reduce<UpperBound | undefined>((best, b) => (best && best.value <= b.value ? best : b), undefined);
}

/** Read "1", "2" or "inf". */
export function parseNorm(word: string): Norm {
  if (word === "1") return 1;
  if (word === "2") return 2;
  if (word === "inf") return "inf";
  throw new UsageError(`norm: must be 1, 2 or inf, got "${word}"`);
}

/** A norm from itself or from its word. */
export const maybeNorm = (norm: Norm | string): Norm => parseNorm(String(norm));

/** "1", "2" or "inf". */
export function printNorm(norm: Norm): "1" | "2" | "inf" {
  return norm === 1 ? "1" : norm === 2 ? "2" : "inf";
}
