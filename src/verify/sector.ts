/**
 * @file One quadratic form over a tensor and all activations behind it, which is >= 0 whatever two inputs are compared.
 *
 *     |x|^2 - |y|^2 / L^2 - sum over neurons of lambda (-z^2 + 2 mu z u - pi u^2) >= 0,   mu = (a + b) / 2, pi = a b,
 *
 * u the neuron's argument and z its value, as differences between two inputs, slopes in [a, b]. Each bracket is >= 0, so that the form
 * being positive semidefinite gives |y| <= L |x|. Layers may skip others: u reads whatever it reads.
 * Reference: Fazlyab, Robey, Hassani, Morari, Pappas 2019.
 */
import { type Skyline, skyline } from "./definite.ts";
import type { Steps } from "./network.ts";
import { gram } from "./norm.ts";
import { must } from "./refusal.ts";
import type { Region } from "./region.ts";
import { addUp, gamma, sqrtUp, sumUp, timesUp } from "./rounding.ts";
import { absoluteNorm, identity, longestRow, type Sparse, sparse } from "./sparse.ts";
import type { ChainWitness } from "./witness.ts";
import type { Work } from "./work.ts";

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
  readonly place: number;
  readonly value: number;
  readonly size: number;
}

/** Where the numbers of the form are. */
export interface Places {
  readonly n: number;
  readonly eliminated: boolean;
  /** By tensor: the place of each number; -1 for one that does not move, -2 for one that must not be read. */
  readonly of: ReadonlyMap<string, Int32Array>;
  /** Powers of two that bring the diagonal near 1. */
  readonly scale: Float64Array;
}

export interface Form {
  readonly S: Skyline;
  /** What S may err by in the spectral norm. */
  readonly error: number;
  readonly places: Places;
}

/** Read the network from `from` on: only affine maps and the named activations, and nothing that goes around them. */
export function partsOf(
  { byTensor, output, size: width }: Steps,
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

/** The scaled form, without its last term where `constant` is null; null itself where a neuron without a multiplier is read. */
export function* formOf(parts: Parts, constant: number | null): Work<Form | null> {
  const { from, layers } = parts;
  const places = placesOf(parts);
  if (places === null) return null;
  const { n, eliminated, scale } = places;
  const S = skyline(new Int32Array(n));
  const size = new Float64Array(S.data.length);
  const add = (p: number, q: number, value: number, bound: number) => {
    const k = p >= q ? S.offset[p] + q : S.offset[q] + p;
    S.data[k] += value;
    size[k] += bound;
  };
  let additions = 8;
  const square = (row: readonly Entry[], factor: number) => {
    additions++;
    row.forEach((p, a) => {
      for (let b = 0; b <= a; b++) {
        const q = row[b];
        add(p.place, q.place, factor * p.value * q.value, Math.abs(factor) * p.size * q.size);
      }
    });
  };
  if (!eliminated) for (let k = 0; k < (places.of.get(from) as Int32Array).length; k++) add(k, k, 1, 1);
  for (const { tensor, size: width, lambda, low, high, argument } of layers) {
    const own = places.of.get(tensor) as Int32Array;
    for (let j = 0; j < width; j++) {
      if (j % 16 === 15) yield;
      const z = own[j];
      if (z < 0) continue;
      const row = rowOf(places, from, argument, j);
      if (row === null) return null;
      add(z, z, lambda[j] * scale[z] * scale[z], lambda[j] * scale[z] * scale[z]);
      const factor = lambda[j] * scale[z];
      for (const { place, value, size: s } of row) {
        add(z, place, -factor * ((low + high) / 2) * value, factor * ((Math.abs(low) + Math.abs(high)) / 2) * s);
      }
      if (low !== 0 && high !== 0) square(row, lambda[j] * (low * high));
    }
  }
  for (let r = 0; constant !== null && r < parts.outputs; r++) {
    const row = outputRow(parts, places, r);
    if (row === null) return null;
    square(row, -1 / (constant * constant));
  }
  const roundings = roundingsOf(parts);
  const whole = eliminated ? yield* eliminate(parts, places, roundings, add) : 0;
  return { S, places, error: addUp(whole, timesUp(gamma(additions + 2 * roundings + 12), symmetricLength(S, size))) };
}

/** Row r of the output map in the scaled form; null where it reads a neuron that must not be read. */
export const outputRow = ({ from, output }: Parts, places: Places, r: number): Entry[] | null =>
  rowOf(places, from, output, r);

/** The most roundings of an entry of a map. */
export function roundingsOf({ layers, output }: Parts): number {
  const maps = [...layers.map((l) => l.argument), output].flatMap((m) => [...m.values()]);
  return Math.max(0, ...maps.map((m) => m.roundings));
}

// --- internal ---

/** |x|^2 - 2 z^T C x >= -|C^T z|^2: take C C^T off the form. What that errs by. */
function* eliminate(
  { from, layers }: Parts,
  { n, of, scale }: Places,
  roundings: number,
  add: (p: number, q: number, value: number, bound: number) => void,
): Work<number> {
  const rows = new Array<{ readonly matrix: Sparse; readonly row: number; readonly factor: number } | undefined>(n);
  let width = 0;
  for (const { tensor, lambda, low, high, argument } of layers) {
    const matrix = argument.get(from);
    if (!matrix) continue;
    width = matrix.cols;
    (of.get(tensor) as Int32Array).forEach((z, row) => {
      if (z >= 0) rows[z] = { matrix, row, factor: lambda[row] * scale[z] * ((low + high) / 2) };
    });
  }
  const scaledRows = (what: "value" | "size"): Sparse =>
    sparse(n, width, (z, put) => {
      const own = rows[z];
      if (!own) return;
      const { start, index } = own.matrix;
      const factor = what === "value" ? own.factor : Math.abs(own.factor);
      for (let k = start[own.row]; k < start[own.row + 1]; k++) {
        const v = own.matrix[what][k];
        put(index[k], factor * (what === "value" ? v : Math.abs(v)));
      }
    });
  const C = scaledRows("value");
  const { S: G } = yield* gram(C);
  for (let i = 0; i < n; i++) {
    for (let j = G.first[i]; j <= i; j++) {
      const v = G.data[G.offset[i] + j - G.first[i]];
      if (v !== 0) add(i, j, -v, Math.abs(v));
    }
  }
  const sizes = scaledRows("size");
  const length = timesUp(absoluteNorm(sizes, 1), absoluteNorm(sizes, "inf"));
  return timesUp(gamma(longestRow(C) + 2 * roundings + 16), length);
}

/** An upper bound of the Frobenius norm of a symmetric matrix of numbers >= 0. */
function symmetricLength({ n, offset }: Skyline, size: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      const v = size[offset[i] + j];
      sum += (i === j ? 1 : 2) * v * v;
    }
  }
  return sqrtUp(sumUp(sum, 2 * size.length + 4));
}

function placesOf({ from, layers, output }: Parts): Places | null {
  const inputs = [...layers.map((l) => l.argument), output].flatMap((maps) => maps.get(from) ?? []);
  if (inputs.length === 0) return null;
  const width = inputs[0].cols;
  const eliminated = !output.has(from) && layers.every((l) => !l.argument.has(from) || l.low === 0 || l.high === 0);
  const of = new Map([[from, Int32Array.from({ length: width }, (_, k) => k)]]);
  const scale: number[] = eliminated ? [] : new Array<number>(width).fill(1);
  for (const { tensor, size, lambda, argument } of layers) {
    const moves = (j: number) =>
      [...argument].some(([source, { start, index }]) => {
        const places = of.get(source) as Int32Array;
        return index.subarray(start[j], start[j + 1]).some((k) => places[k] !== -1);
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

/** Row r of a map as places with scaled entries; null where it reads a neuron that must not be read. What is eliminated is left out. */
function rowOf(
  { of, scale, eliminated }: Places,
  from: string,
  maps: ReadonlyMap<string, Sparse>,
  r: number,
): Entry[] | null {
  const row: Entry[] = [];
  for (const [tensor, { start, index, value, size }] of maps) {
    if (tensor === from && eliminated) continue;
    const places = of.get(tensor) as Int32Array;
    for (let k = start[r]; k < start[r + 1]; k++) {
      const place = places[index[k]];
      if (place === -2) return null;
      if (place >= 0) row.push({ place, value: value[k] * scale[place], size: Math.abs(size[k]) * scale[place] });
    }
  }
  return row;
}

/** A power of two near 1 / sqrt(x), exactly. */
function rootOfPower(x: number): number {
  let power = 1;
  while (power * power * x > 2) power /= 2;
  while (power * power * x < 0.5) power *= 2;
  return power;
}
