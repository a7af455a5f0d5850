/** @file Bounds of the Lipschitz constant by name, and the bracket that they make together. */
import type { Dataset } from "../data/dataset.ts";
import type { Engine } from "../engine/engine.ts";
import type { Network } from "../graph/network.ts";
import { UsageError } from "../tensor/errors.ts";
import { autoLip } from "./autoLip.ts";
import { type Bound, type Bracket, maybeNorm, type NoConstant, type Norm, printNorm } from "./bound.ts";
import { jacobian } from "./jacobian.ts";
import { subjectOf } from "./subject.ts";

/** The methods, upper bounds first. */
export const boundNames = ["autolip", "jacobian"] as const;

export type BoundName = (typeof boundNames)[number];

export interface LipschitzOptions {
  readonly engine: Engine;
  /** 1, 2 (default) or "inf", for inputs and outputs; also as the words "1" and "2". */
  readonly norm?: Norm | "1" | "2";
  /** Default all. */
  readonly methods?: readonly string[];
  /** Points from which lower bounds start. */
  readonly data?: Dataset;
  /** For each method. An upper bound that runs out of time is looser, a lower bound smaller. */
  readonly seconds?: number;
  /** Default 0. */
  readonly seed?: number;
  readonly signal?: AbortSignal;
  /** From 0 to 1. */
  onProgress?(fraction: number): void;
}

/**
 * Bracket the Lipschitz constant of a network: the smallest L with ||f(x) - f(y)||_p <= L ||x - y||_p for all x and y.
 * All outputs together are f; a fixed batch is part of x. Weights count as the float32 numbers that they are.
 * Throws UsageError where the network does not have exactly one floating-point input, or a method is unknown.
 */
export async function lipschitz(network: Network, options: LipschitzOptions): Promise<Bracket> {
  const { engine, data, seconds, seed, signal, onProgress } = options;
  const norm = maybeNorm(options.norm ?? 2);
  const methods = (options.methods ?? boundNames).map(checkMethod);
  const subject = subjectOf(network);
  const bounds: Bound[] = [];
  let layers: Bracket["layers"] = [];
  let noConstant: NoConstant | undefined;
  for (const [k, method] of methods.entries()) {
    signal?.throwIfAborted();
    const progress = (part: number) => onProgress?.((k + part) / methods.length);
    switch (method) {
      case "autolip": {
        const { bound, propagation } = await autoLip(subject, norm, { seconds, signal, onProgress: progress });
        bounds.push(bound);
        layers = propagation.layers;
        if (bound.status === "unbounded") noConstant = propagation.missing;
        break;
      }
      case "jacobian":
        bounds.push(await jacobian(subject, norm, { engine, data, seconds, seed, signal, onProgress: progress }));
        break;
      default:
        method satisfies never;
    }
  }
  return {
    norm: printNorm(norm),
    domain: "global",
    ...sides(bounds),
    ...(noConstant && { noConstant }),
    bounds,
    layers,
  };
}

// --- internal ---

function checkMethod(word: string): BoundName {
  const known = boundNames.find((name) => name === word);
  if (!known) throw new UsageError(`lipschitz: unknown method "${word}"; known: ${boundNames.join(", ")}`);
  return known;
}

/** The best of each side. */
function sides(bounds: readonly Bound[]): Pick<Bracket, "lower" | "upper"> {
  let lower: Bracket["lower"] = null;
  let upper: Bracket["upper"] = null;
  for (const bound of bounds) {
    const { method, value } = bound;
    switch (bound.side) {
      case "lower":
        if (!lower || value > lower.value) lower = { value, method, witness: bound.witness };
        break;
      case "upper": {
        const { proved } = bound;
        const better = !upper || (proved !== upper.proved ? proved : value < upper.value);
        if (value < Number.POSITIVE_INFINITY && better) upper = { value, method, proved };
        break;
      }
      case "estimate":
        break;
      default:
        bound satisfies never;
    }
  }
  return { lower, upper };
}
