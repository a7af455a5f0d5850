/** @file From slopes of a network to those of what its numbers stand for: physical units, and the scales in which changes are compared. Rounded outward, exact where nothing is to do. */
import { down, up } from "../../linalg/rounding.ts";
import { UsageError } from "../../tensor/errors.ts";
import type { Range } from "../domain.ts";

/** What one number of an input or output stands for. */
export interface Quantity {
  /** For people. Default: x0, x1, ... and y0, y1, ... */
  readonly name?: string;
  /** A word to print: "rad/s". */
  readonly unit?: string;
  /** The quantity is mean + std times the network's number. Default: 0 and 1. */
  readonly mean?: number;
  readonly std?: number;
  /** A change of so much of the quantity counts as 1 in norms. Default: 1. */
  readonly scale?: number;
}

/** A quantity with nothing left out. */
export type FullQuantity = Required<Omit<Quantity, "unit">> & Pick<Quantity, "unit">;

/** Fill in what is not told. Throws UsageError where there are more or fewer than `count`, or a number is no factor. */
export function quantitiesOf(
  side: "input" | "output",
  given: readonly Quantity[] | undefined,
  count: number,
): readonly FullQuantity[] {
  if (given && given.length !== count) {
    throw new UsageError(`gains: the network has ${count} ${side}s, got ${given.length} quantities`);
  }
  const letter = side === "input" ? "x" : "y";
  const found = Array.from({ length: count }, (_, i): FullQuantity => {
    const { name = `${letter}${i}`, unit, mean = 0, std = 1, scale = 1 } = given?.[i] ?? {};
    if (!Number.isFinite(mean)) throw new UsageError(`gains: the mean of ${name} must be finite, got ${mean}`);
    for (const [what, value] of Object.entries({ std, scale })) {
      if (!(value > 2 ** -500 && value < 2 ** 500)) {
        throw new UsageError(`gains: the ${what} of ${name} must be a number above 0, got ${value}`);
      }
    }
    return { name, mean, std, scale, ...(unit === undefined ? {} : { unit }) };
  });
  const twice = found.find(({ name }, i) => found.findIndex((other) => other.name === name) < i);
  if (twice) throw new UsageError(`gains: names of ${side}s must differ, got "${twice.name}" twice`);
  return found;
}

/** A positive factor as a quotient of products of numbers: all of `over` divide. */
export interface Factor {
  readonly times: readonly number[];
  readonly over: readonly number[];
}

/** v times a factor, not above it; the sign stays. */
export function scaledDown(v: number, { times, over }: Factor): number {
  let found = v;
  for (const t of times) if (t !== 1) found = keep(found, found * t);
  for (const o of over) if (o !== 1) found = keep(found, found / o);
  return found;
}

/** The mirror of `scaledDown`. */
export const scaledUp = (v: number, factor: Factor): number => -scaledDown(-v, factor);

/** From the network's numbers to physical units, and from those to scaled ones. */
export interface Conversion {
  /** Of d output o / d input i. */
  physical(o: number, i: number): Factor;
  scaled(o: number, i: number): Factor;
  /** Of a change of one number. */
  inputChange(i: number): Factor;
  outputChange(o: number): Factor;
  /** What an input of the network stands for, rounded to nearest. */
  state(x: ArrayLike<number>): Float64Array;
  /** Between which numbers of the network's input a value is. */
  number(i: number, value: number): readonly [number, number];
}

export function conversionOf(inputs: readonly FullQuantity[], outputs: readonly FullQuantity[]): Conversion {
  return {
    physical: (o, i) => ({ times: [outputs[o].std], over: [inputs[i].std] }),
    scaled: (o, i) => ({
      times: [outputs[o].std, inputs[i].scale],
      over: [inputs[i].std, outputs[o].scale],
    }),
    inputChange: (i) => ({ times: [inputs[i].std], over: [inputs[i].scale] }),
    outputChange: (o) => ({ times: [outputs[o].std], over: [outputs[o].scale] }),
    state: (x) => Float64Array.from(inputs, ({ mean, std }, i) => mean + std * x[i]),
    number(i, value) {
      const { mean, std } = inputs[i];
      const [low, high] = mean === 0 ? [value, value] : [down(value - mean), up(value - mean)];
      return std === 1 ? [low, high] : [down(low / std), up(high / std)];
    },
  };
}

/** A bracket of slopes under a factor. */
export const scaledRange = (low: number, high: number, factor: Factor): readonly [number, number] => [
  scaledDown(low, factor),
  scaledUp(high, factor),
];

/** A difference of outputs in scaled units. */
export function scaledRise({ low, high }: Range, { outputChange }: Conversion): Range {
  return {
    low: low.map((v, o) => scaledDown(v, outputChange(o))),
    high: high.map((v, o) => scaledUp(v, outputChange(o))),
  };
}

// --- internal ---

/** The next number below a rounded result, which stays 0 or on its side of it. */
const keep = (before: number, after: number): number =>
  before === 0 ? 0 : before > 0 ? Math.max(0, down(after)) : down(after);
