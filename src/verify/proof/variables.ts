/** @file What a quadratic form of a network's end is about: layers with multipliers, and which variable of it each of their numbers is. */

import { identity, type Sparse } from "../algebra/sparse.ts";
import type { Program } from "../read/network.ts";
import { must } from "../refusal.ts";
import type { ChainWitness } from "../witness.ts";
import type { Region } from "./region.ts";

export interface Layer {
  readonly tensor: string;
  readonly size: number;
  readonly low: number;
  readonly high: number;
  readonly lambda: readonly number[];
  /** What its argument reads, by tensor. */
  readonly argument: ReadonlyMap<string, Sparse>;
}

export interface Parts {
  readonly from: string;
  readonly layers: readonly Layer[];
  readonly output: ReadonlyMap<string, Sparse>;
  readonly outputs: number;
}

/** A number of the form that an argument reads, with the power of two that scales it. */
export interface Entry {
  readonly variable: number;
  readonly value: number;
  readonly size: number;
}

/** The variables of the form. */
export interface Variables {
  readonly n: number;
  readonly eliminated: boolean;
  /** By tensor: the variable of each number; -1 for one that does not move, -2 for one that must not be read. */
  readonly of: ReadonlyMap<string, Int32Array>;
  /** Powers of two that bring the diagonal near 1. */
  readonly scale: Float64Array;
}

/** Read the network from `from` on: only affine maps and the named activations, and nothing that goes around them. */
export function partsOf(
  { byTensor, output, size: width }: Program,
  regionOf: (tensor: string) => Region,
  { from, activations }: ChainWitness,
): Parts {
  const named = new Map(activations.map((a) => [a.tensor, a.multipliers]));
  must(named.size === activations.length, () => "the multipliers: a tensor is there twice");
  const size = (tensor: string) => byTensor.get(tensor)?.shape.reduce((n, d) => n * d, 1) ?? width;
  const mapsTo = (tensor: string): ReadonlyMap<string, Sparse> => {
    const region = tensor === from ? new Map<string, Sparse>() : regionOf(tensor);
    // A tensor that nothing affine makes is read as it is.
    const maps = region.size > 0 ? region : new Map([[tensor, identity(size(tensor))]]);
    for (const source of maps.keys()) {
      must(source === from || named.has(source), () => `the multipliers: "${source}" goes around them`);
    }
    return maps;
  };
  const seen = new Set<string>();
  const layers = activations.map(({ tensor, multipliers }): Layer => {
    const step = byTensor.get(tensor);
    must(step?.kind === "pointwise", () => `the multipliers: "${tensor}" is no activation`);
    const argument = mapsTo(step.from);
    for (const source of argument.keys())
      must(source === from || seen.has(source), () => "the multipliers: their order");
    seen.add(tensor);
    must(
      multipliers.length === size(tensor) && multipliers.every((l) => l >= 0 && l < 2 ** 400),
      () => `the multipliers of "${tensor}" must be ${size(tensor)} numbers >= 0`,
    );
    const [low, high] = step.scalar.slope;
    return { tensor, size: size(tensor), low, high, lambda: multipliers, argument };
  });
  const end = mapsTo(output);
  return { from, layers, output: end, outputs: size(output) };
}

/** Where the numbers are; null where no map reads the beginning. */
export function variablesOf({ from, layers, output }: Parts): Variables | null {
  const inputs = [...layers.map((l) => l.argument), output].flatMap((maps) => maps.get(from) ?? []);
  if (inputs.length === 0) return null;
  const width = inputs[0].cols;
  const eliminated = !output.has(from) && layers.every((l) => !l.argument.has(from) || l.low === 0 || l.high === 0);
  const of = new Map([[from, Int32Array.from({ length: width }, (_, k) => k)]]);
  const scale: number[] = eliminated ? [] : new Array<number>(width).fill(1);
  for (const { tensor, size, lambda, argument } of layers) {
    const moves = (j: number) =>
      [...argument].some(([source, { start, index }]) => {
        const variables = of.get(source) as Int32Array;
        return index.subarray(start[j], start[j + 1]).some((k) => variables[k] !== -1);
      });
    const own = Int32Array.from({ length: size }, (_, j) => {
      if (!moves(j)) return -1;
      if (lambda[j] === 0) return -2;
      return scale.push(rootOfPower(lambda[j])) - 1;
    });
    of.set(tensor, own);
  }
  return { n: scale.length, eliminated, of, scale: Float64Array.from(scale) };
}

/** Row r of a map as entries of variables, scaled; null where it reads a neuron that must not be read. What is eliminated is left out. */
export function rowOf(
  { of, scale, eliminated }: Variables,
  from: string,
  maps: ReadonlyMap<string, Sparse>,
  r: number,
): Entry[] | null {
  const row: Entry[] = [];
  for (const [tensor, { start, index, value, size }] of maps) {
    if (tensor === from && eliminated) continue;
    const variables = of.get(tensor) as Int32Array;
    for (let k = start[r]; k < start[r + 1]; k++) {
      const variable = variables[index[k]];
      if (variable === -2) return null;
      if (variable >= 0)
        row.push({ variable, value: value[k] * scale[variable], size: Math.abs(size[k]) * scale[variable] });
    }
  }
  return row;
}

// --- internal ---

/** A power of two near 1 / sqrt(x), exactly. */
function rootOfPower(x: number): number {
  let power = 1;
  while (power * power * x > 2) power /= 2;
  while (power * power * x < 0.5) power *= 2;
  return power;
}

/** Row r of the output map in the scaled form; null where it reads a neuron that must not be read. */
export const outputRow = ({ from, output }: Parts, variables: Variables, r: number): Entry[] | null =>
  rowOf(variables, from, output, r);

/** The most roundings of an entry of a map. */
export function roundingsOf({ layers, output }: Parts): number {
  const maps = [...layers.map((l) => l.argument), output].flatMap((m) => [...m.values()]);
  return Math.max(0, ...maps.map((m) => m.roundings));
}
