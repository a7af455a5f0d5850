/** @file Options that several commands take, and how their words become values. */
import type { ArgsDef } from "citty";
import { type Norm, parseNorm } from "../bounds/bound.ts";
import { defaultSpec, type RunSpec } from "../experiment/spec.ts";
import { CliError } from "./errors.ts";

export const sampleOptions = {
  "train-samples": { type: "string", description: "Train on only the first so many samples", valueHint: "N" },
  "test-samples": { type: "string", description: "Test only on the first so many samples", valueHint: "N" },
} as const satisfies ArgsDef;

/** The numbers in front of a network. */
export const numberOptions = {
  scale: {
    type: "string",
    description:
      "The network takes data times this (255 where it was trained on bytes): one number, or one per channel",
    valueHint: "S",
  },
  mean: { type: "string", description: "... minus this: one number, or one per channel, by commas", valueHint: "M" },
  std: { type: "string", description: "... over this", valueHint: "S" },
} as const satisfies ArgsDef;

export const preprocessingOptions = {
  ...numberOptions,
  layout: { type: "enum", options: ["nchw", "nhwc"], description: "Order of the axes the network takes" },
  memory: {
    type: "string",
    description: "Most memory that a model may need, as 500MB or 4GB. Default: half of the machine's",
    valueHint: "SIZE",
  },
} as const satisfies ArgsDef;

export const normOption = {
  norm: { type: "enum", options: ["2", "1", "inf"], default: "2", description: "Norm of inputs and outputs" },
} as const satisfies ArgsDef;

export const radiiOption = {
  radii: {
    type: "string",
    default: defaultSpec.radii.join(","),
    description: "Radii in the units of the data, by commas",
    valueHint: "R",
  },
} as const satisfies ArgsDef;

export const seedOption = {
  seed: { type: "string", default: "1", description: "Seed of everything random", valueHint: "N" },
} as const satisfies ArgsDef;

/** A number from a word; CliError naming the option otherwise. */
export function parseNumber(
  option: string,
  word: string,
  rule: { readonly min?: number; readonly above?: number } = {},
): number {
  const value = word.trim() === "" ? Number.NaN : Number(word);
  const { min = Number.NEGATIVE_INFINITY, above = Number.NEGATIVE_INFINITY } = rule;
  if (!(Number.isFinite(value) && value >= min && value > above)) {
    const bounds = [
      ...(rule.min !== undefined ? [`>= ${min}`] : []),
      ...(rule.above !== undefined ? [`above ${above}`] : []),
    ];
    throw new CliError(
      `${option}: must be a number ${bounds.join(" and ")}, got "${word}"`.replace("number ,", "number,"),
    );
  }
  return value;
}

/** What is left of the time of a command: what it took to start and to read counts too. */
export const secondsLeft = (seconds: number): number => Math.max(0, seconds - performance.now() / 1000);

/** Bytes from a size: 2000000, 500MB, 4GB. */
export function parseMemory(word: string): number {
  const [, number, unit = ""] = /^(\d+(?:\.\d+)?)\s*([kmgt]?)b?$/i.exec(word.trim()) ?? [];
  const bytes = Number(number) * 1000 ** " kmgt".indexOf(unit.toLowerCase() || " ");
  if (number === undefined || !(bytes > 0))
    throw new CliError(`--memory: must be a size as 500MB or 4GB, got "${word}"`);
  return bytes;
}

/** A whole number from a word. */
export function parseWhole(option: string, word: string, min = 0): number {
  const value = Number(word);
  if (!/^\d+$/.test(word.trim()) || !Number.isSafeInteger(value) || value < min) {
    throw new CliError(`${option}: must be a whole number >= ${min}, got "${word}"`);
  }
  return value;
}

/** Every name stands once; CliError otherwise. */
export function checkOnce(option: string, pairs: readonly (readonly [name: string, value: unknown])[]): void {
  const names = pairs.map(([name]) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new CliError(`${option}: gives ${twice} twice`);
}

/** Numbers from a list by commas, each as `parse` wants it. */
export function parseList<T>(option: string, words: string, parse: (option: string, word: string) => T): T[] {
  return words.split(",").map((word) => parse(option, word));
}

/** Radii: numbers >= 0, increasing. */
export function parseRadii(words: string): number[] {
  const radii = parseList("--radii", words, (option, word) => parseNumber(option, word, { min: 0 }));
  return [...new Set(radii)].sort((a, b) => a - b);
}

export const normOf = (word: string | undefined): Norm => parseNorm(word ?? "2");

/** One of a closed list of words, or a CliError that lists them. */
export function parseWord<T extends string>(option: string, word: string, known: readonly T[]): T {
  const found = known.find((k) => k === word);
  if (found === undefined) throw new CliError(`${option}: unknown "${word}"; known: ${known.join(", ")}`);
  return found;
}

/** `samples` of a spec, as options say them. */
export function parseSamples(words: {
  readonly "train-samples"?: string | undefined;
  readonly "test-samples"?: string | undefined;
}): Pick<RunSpec, "samples"> {
  const { "train-samples": train, "test-samples": test } = words;
  if (train === undefined && test === undefined) return {};
  return {
    samples: {
      ...(train === undefined ? {} : { train: parseWhole("--train-samples", train, 1) }),
      ...(test === undefined ? {} : { test: parseWhole("--test-samples", test, 1) }),
    },
  };
}
