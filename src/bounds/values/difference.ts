/** @file How far two networks are apart on a box, in values and in slopes: what a distilled, pruned or rounded network may be trusted with in the place of the other. */
import type { Engine } from "../../engine/engine.ts";
import type { Network } from "../../graph/network.ts";
import { minus } from "../../models/minus.ts";
import { InternalError, UsageError } from "../../tensor/errors.ts";
import { maybeNorm, type Norm, printNorm, type Witness } from "../bound.ts";
import { budget } from "../budget.ts";
import type { Domain } from "../domain.ts";
import { gains } from "../gain/gains.ts";
import { lipschitz } from "../index.ts";
import { derivatives, isSmooth } from "./derivatives.ts";
import { type Extremes, extremes } from "./extremes.ts";

export interface DifferenceOptions {
  readonly engine: Engine;
  readonly domain: Domain & { readonly kind: "box" };
  /** Of inputs and outputs, for the constant: 1, 2 (default) or "inf". */
  readonly norm?: Norm | "1" | "2";
  /** Cut the box until what is proved is within this part of what is found. Default: 0.05. */
  readonly gap?: number;
  /** For values and slopes together. Default: a fixed amount of work, the same on every machine. */
  readonly seconds?: number;
  /** Most boxes looked at for values, and as many for slopes. Default: 20,000. */
  readonly pieces?: number;
  /** Default: 0. */
  readonly seed?: number;
  readonly signal?: AbortSignal;
  /** From 0 to 1. */
  onProgress?(fraction: number): void;
}

/** Of one output by one input. */
export interface SlopeDifference {
  readonly output: number;
  readonly input: number;
  /** Every difference quotient of the difference lies here: proved. */
  readonly range: readonly [number, number];
  /** The largest absolute value that is proved, and that was found. */
  readonly upper: number;
  readonly lower: number;
}

export interface Difference {
  readonly norm: "1" | "2" | "inf";
  /** Of first(x) - second(x), output by output. */
  readonly values: Extremes;
  /** The largest |first(x) - second(x)| of any output. */
  readonly largest: { readonly upper: number; readonly lower: number; readonly point: readonly number[] };
  readonly slopes: readonly SlopeDifference[];
  /** Of the Lipschitz constant of the difference on the box. */
  readonly constant: { readonly upper: number; readonly lower: number; readonly witness: Witness | null };
  /** What proves the slopes: lines through the graph of derivatives where both networks are smooth, interval Jacobians else. */
  readonly by: "derivatives" | "jacobians";
  readonly pieces: number;
  readonly seconds: number;
  readonly status: "done" | "stopped";
}

/**
 * Bracket the difference of two networks on a box, in values and slopes. Both are one graph of one input, so that what is linear in both cancels; boxes are cut where it does not.
 * Throws UsageError where the networks do not fit each other or the box, or one of them cannot be bounded; InternalError where a lower bound exceeds an upper one, which would be a fault of
 * this library.
 */
export async function difference(first: Network, second: Network, options: DifferenceOptions): Promise<Difference> {
  const { gap = 0.05, seconds, onProgress, ...common } = options;
  const norm = maybeNorm(options.norm ?? 2);
  const network = minus(first, second);
  const clock = budget(seconds === undefined ? {} : { seconds });
  const share = (part: number) =>
    seconds === undefined ? {} : { seconds: Math.max(0, part * (seconds - clock.elapsed())) };
  const part = (from: number) => (_: number, worst: number) => onProgress?.(from + 0.5 * Math.min(1, 1 / worst));
  const values = await extremes(network, { ...common, ...share(0.4), gap, onProgress: part(0) });
  const slopes = await slopesOf(network, { ...common, ...share(0.7), gap, norm, onProgress: part(0.5) });
  const { lower } = await lipschitz(network, { ...common, ...share(1), norm, methods: ["pairs"] });
  const ends = values.outputs.flatMap(({ smallest, largest }) => [
    { upper: -smallest.proved, lower: -smallest.found, point: smallest.point },
    { upper: largest.proved, lower: largest.found, point: largest.point },
  ]);
  const top = ends.reduce((a, b) => (b.lower > a.lower ? b : a));
  const answer: Difference = {
    norm: printNorm(norm),
    values,
    largest: {
      ...top,
      lower: Math.max(0, top.lower),
      upper: ends.reduce((u, end) => Math.max(u, end.upper), 0),
    },
    ...slopes,
    constant: { upper: slopes.constant, lower: lower?.value ?? 0, witness: lower?.witness ?? null },
    pieces: values.pieces + slopes.pieces,
    seconds: values.seconds + slopes.seconds,
    status: values.status === "done" && slopes.status === "done" ? "done" : "stopped",
  };
  const wrong = [...answer.slopes, answer.largest, answer.constant].find((b) => b.lower > b.upper);
  if (!wrong) return answer;
  throw new InternalError(
    `difference: a lower bound ${wrong.lower} exceeds the upper bound ${wrong.upper}: one of them is wrong; please report it with the models`,
  );
}

// --- internal ---

type Slopes = Pick<Difference, "slopes" | "by" | "pieces" | "seconds" | "status"> & { readonly constant: number };

async function slopesOf(
  network: Network,
  options: Omit<DifferenceOptions, "norm" | "onProgress"> & {
    readonly norm: Norm;
    onProgress(pieces: number, worst: number): void;
  },
): Promise<Slopes> {
  if (isSmooth(network)) {
    try {
      const { partials, ...found } = await derivatives(network, options);
      const slopes = partials.flatMap((row, output) =>
        row.map(({ smallest, largest }, input) => ({
          output,
          input,
          range: [smallest.proved, largest.proved] as const,
          upper: Math.max(-smallest.proved, largest.proved),
          lower: Math.max(0, -smallest.found, largest.found),
        })),
      );
      return { ...found, slopes, by: "derivatives" };
    } catch (error) {
      // Of some smooth ops the walk does not know the derivative; their slopes are known.
      if (!(error instanceof UsageError)) throw error;
    }
  }
  const { slopes, whole, inputs, pieces, seconds, status } = await gains(network, options);
  const outputs = [...new Set(slopes.map((s) => s.output))];
  return {
    slopes: slopes.map((s) => ({
      output: outputs.indexOf(s.output),
      input: inputs.findIndex(({ name }) => name === s.input),
      range: s.range,
      upper: s.upper,
      lower: s.lower,
    })),
    constant: whole.upper,
    by: "jacobians",
    pieces,
    seconds,
    status,
  };
}
