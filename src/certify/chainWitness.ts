/** @file The multipliers that bound the end of a network best, as the checker accepts them. Where the network is not a chain, layers that skip others are passed on. */

import { budget, workClock } from "../bounds/budget.ts";
import type { AffineLayer } from "../bounds/chain.ts";
import { programOfChain } from "../bounds/quadratic/ofChain.ts";
import { searchMultipliers } from "../bounds/quadratic/search.ts";
import { sectorMultipliers } from "../bounds/quadratic/start.ts";
import { workOf } from "../bounds/quadratic/work.ts";
import type { Engine } from "../engine/engine.ts";
import { matrix } from "../linalg/matrix.ts";
import { up } from "../linalg/rounding.ts";
import type { Sparse } from "../verify/algebra/sparse.ts";
import { provedChain } from "../verify/proof/chain.ts";
import type { Region } from "../verify/proof/region.ts";
import { type Program, sampleName } from "../verify/read/network.ts";
import type { Pointwise, Step } from "../verify/read/step.ts";
import { runUntil } from "../verify/task.ts";
import type { ChainWitness } from "../verify/witness.ts";

export interface ChainOptions {
  readonly engine: Engine;
  /** For the search, default 3. */
  readonly seconds?: number;
  readonly signal?: AbortSignal;
  /** From 0 to 1, of the whole witness: this is what comes after 0.6. */
  onProgress?(fraction: number): void;
}

export interface FoundChain {
  readonly witness: ChainWitness | null;
  /** Why there is none, or why it begins behind the input. */
  readonly note?: string;
}

/** Find multipliers for the longest end of the network that is affine maps and activations, narrow enough; until a time in seconds of `performance.now()`. */
export async function chainWitness(
  program: Program,
  regionOf: (tensor: string) => Region,
  { engine, seconds = 3, signal, onProgress }: ChainOptions,
  until: number,
): Promise<FoundChain> {
  const nonlinear = program.steps.filter((step) => step.kind !== "affine");
  if (nonlinear.length === 0) return { witness: null };
  for (const from of [sampleName, ...nonlinear.map((s) => s.tensor)]) {
    const behind = nonlinear.slice(nonlinear.findIndex((s) => s.tensor === from) + 1);
    const layers = layersOf(program, regionOf, from, behind);
    if (layers === null || behind.length === 0) continue;
    const started = performance.now();
    const left = until - started / 1000;
    if (left <= 0) return { witness: null, note: "no multipliers: there was no time left for them" };
    const activations = behind.map((step, i) => slopes(step as Pointwise & Step, layers[i].weight.rows));
    const chain = programOfChain({ affine: layers, activations });
    // Counted, unless that is more than there is left. It is the checker who proves what is found.
    const clock = budget({ signal, ...(left < seconds ? { seconds: left } : { seconds, clock: workClock() }) });
    const found = await searchMultipliers(chain, null, {
      engine,
      clock,
      work: workOf(chain),
      steps: 1000,
      onPoint: () => onProgress?.(0.6 + Math.min(0.2, (0.2 * (performance.now() - started)) / (1000 * seconds))),
    });
    signal?.throwIfAborted();
    const own = found && sectorMultipliers(chain, found.best.multipliers);
    if (!own) return { witness: null };
    // One that is a line has none in the chain that was searched, and here every one needs its own.
    if (own.length < behind.length) return { witness: null, note: "no multipliers: an activation is a line" };
    const names = behind.map((s) => s.tensor);
    const value = Math.exp(found.best.value / 2);
    const witness = await accepted(program, regionOf, from, names, own, value, until, signal);
    if (witness === null) return { witness, note: `no multipliers: what is behind "${from}" was not proved in time` };
    return from === sampleName
      ? { witness }
      : { witness, note: `multipliers only behind "${from}": before that it is too wide, or no chain` };
  }
  return { witness: null, note: "no multipliers: every end of the network is too wide, or no chain" };
}

// --- internal ---

/** Widest layer, and sum of the cubes of the widths, for which multipliers are searched: as for the bounds of a chain. */
const largestChain = { width: 1024, cubes: 2.2e9, entries: 4e6 };

/** Shift multipliers to the interior until the checker accepts them. */
async function accepted(
  program: Program,
  regionOf: (tensor: string) => Region,
  from: string,
  names: readonly string[],
  multipliers: readonly Float64Array[],
  value: number,
  until: number,
  signal?: AbortSignal,
): Promise<ChainWitness | null> {
  const L = names.length + 1;
  for (let e = 2 ** -34; e < 1e-2; e *= 8) {
    const whole = 1 + L * e;
    const activations = names.map((tensor, i) => {
      const size = program.byTensor.get(tensor)?.shape.reduce((n, d) => n * d, 1) ?? 0;
      return {
        tensor,
        multipliers: Array.from(multipliers[i].subarray(0, size), (l) => (l * (1 + (L - i - 1) * e)) / whole),
      };
    });
    const witness = { from, constant: up(value * Math.sqrt(whole * (1 + e))), activations };
    const proved = await runUntil(provedChain(program, regionOf, witness), 1000 * until, signal);
    if (proved) return witness;
    if (proved === null) break;
  }
  return null;
}

/**
 * One dense matrix per activation and one for the output; null where that cannot be. Behind the numbers that an activation bends, every
 * matrix passes on what later ends have been given so far, so that layers may skip others.
 */
function layersOf(
  program: Program,
  regionOf: (tensor: string) => Region,
  from: string,
  behind: readonly Step[],
): AffineLayer[] | null {
  const size = (tensor: string) => program.byTensor.get(tensor)?.shape.reduce((n, d) => n * d, 1) ?? program.size;
  const tensors = [from, ...behind.map((step) => step.tensor)];
  const ends: { readonly maps: ReadonlyMap<string, Sparse | null>; readonly size: number }[] = [];
  for (const [i, step] of [...behind, null].entries()) {
    if (step !== null && step.kind !== "pointwise") return null;
    const end = step === null ? program.output : step.from;
    const region = end === from ? new Map<string, Sparse>() : regionOf(end);
    const maps = region.size > 0 ? region : new Map([[end, null]]);
    for (const source of maps.keys()) if (!tensors.slice(0, i + 1).includes(source)) return null;
    ends.push({ maps, size: size(end) });
  }
  /** The later ends that have been given something once tensor i has been read. */
  const open = (i: number) =>
    ends.flatMap(({ maps }, k) => (k > i && tensors.slice(0, i + 1).some((t) => maps.has(t)) ? [k] : []));
  const layers: AffineLayer[] = [];
  let before: readonly number[] = [];
  let cubes = 0;
  for (const [i, tensor] of tensors.entries()) {
    const after = open(i);
    const rows = ends[i].size + after.reduce((n, k) => n + ends[k].size, 0);
    const cols = size(tensor) + before.reduce((n, k) => n + ends[k].size, 0);
    if (i < ends.length - 1) cubes += rows ** 3;
    const { width, cubes: most, entries } = largestChain;
    if (rows > width || cubes > most || rows * cols > entries) return null;
    const data = new Float64Array(rows * cols);
    let row = 0;
    for (const k of [i, ...after]) {
      const map = ends[k].maps.get(tensor);
      if (map === null) for (let r = 0; r < ends[k].size; r++) data[(row + r) * cols + r] = 1;
      else if (map) {
        for (let r = 0; r < map.rows; r++) {
          for (let e = map.start[r]; e < map.start[r + 1]; e++) data[(row + r) * cols + map.index[e]] = map.value[e];
        }
      }
      let column = size(tensor);
      for (const kept of before) {
        if (kept === k) for (let r = 0; r < ends[k].size; r++) data[(row + r) * cols + column + r] = 1;
        column += ends[kept].size;
      }
      row += ends[k].size;
    }
    layers.push({ weight: matrix(rows, cols, data), bias: new Float64Array(rows) });
    before = after;
  }
  return layers;
}

/** The slopes of an activation, beside numbers that pass unchanged. */
function slopes({ scalar, shape }: Pointwise & Step, width: number) {
  const own = shape.reduce((n, d) => n * d, 1);
  const [low, high] = scalar.slope;
  return {
    low: new Float64Array(width).fill(1).fill(low, 0, own),
    high: new Float64Array(width).fill(1).fill(high, 0, own),
    slopeOn: (neuron: number): readonly [number, number] => (neuron < own ? [low, high] : [1, 1]),
    apply: (z: Float64Array) => z.map((v, k) => (k < own ? scalar.value(v, k) : v)),
  };
}
