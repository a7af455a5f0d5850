/** @file The witness of a constant: norms of the affine maps of a model and multipliers of its activations, each offered to the checker that will have to accept it. */
import type { AffineLayer } from "../bounds/chain.ts";
import { lipsdp } from "../bounds/lipsdp.ts";
import type { Engine } from "../engine/engine.ts";
import { matrix } from "../linalg/matrix.ts";
import { spectralNorm } from "../linalg/norm.ts";
import type { LinearOperator } from "../linalg/operator.ts";
import { powerIteration } from "../linalg/power.ts";
import { up } from "../linalg/rounding.ts";
import { provedChain } from "../verify/chain.ts";
import { type Steps, sampleName } from "../verify/network.ts";
import { type Norm, provedNorm } from "../verify/norm.ts";
import type { Pointwise, Step } from "../verify/operators.ts";
import { must } from "../verify/refusal.ts";
import { endsOf, type Region, regions } from "../verify/region.ts";
import { absoluteNorm, multiplyInto, quickNorm, type Sparse, transposed } from "../verify/sparse.ts";
import type { ChainWitness, Witness } from "../verify/witness.ts";

export interface WitnessOptions {
  readonly norm: Norm;
  /** Where the multipliers are searched. */
  readonly engine: Engine;
  /** For the search of multipliers, default 3. */
  readonly seconds?: number;
  readonly signal?: AbortSignal;
  /** From 0 to 1. */
  onProgress?(fraction: number): void;
}

/**
 * Find a witness for the constant of a model. Numbers come from the searches of this library and are moved outwards until the proofs of the
 * checker, which round differently, accept them: by parts in 10^9 as a rule. Throws Refusal where a norm cannot be proved.
 */
export async function witnessOf(steps: Steps, options: WitnessOptions): Promise<Witness> {
  const { norm, signal, onProgress } = options;
  const regionOf = regions(steps);
  const ends = endsOf(steps);
  const shapeOf = (tensor: string) => steps.byTensor.get(tensor)?.shape ?? [steps.size];
  const affine = ends.map((to, i) => {
    signal?.throwIfAborted();
    onProgress?.((0.5 * i) / ends.length);
    const from = [...regionOf(to)].map(([tensor, map]) => {
      const shapes = { from: shapeOf(tensor), to: shapeOf(to) };
      return { tensor, norm: acceptedNorm(map, norm, shapes, `of "${tensor}" to "${to}"`) };
    });
    return { to, from };
  });
  onProgress?.(0.5);
  const chain = norm === 2 ? await chainOf(steps, regionOf, options) : null;
  onProgress?.(1);
  return { affine, chain };
}

// --- internal ---

/** Entries up to which a map is searched as a dense matrix. */
const largestDense = 4e6;

/** Widest layer, and sum of the cubes of the widths, for which multipliers are searched: as for the bounds of a chain. */
const largestChain = { width: 1024, cubes: 2.2e9, entries: 4e6 };

function acceptedNorm(map: Sparse, p: Norm, shapes: Parameters<typeof provedNorm>[3], what: string): number {
  const quick = quickNorm(map, p);
  if (p !== 2 || quick <= 1) return quick;
  const small = map.rows * map.cols <= largestDense;
  const found = spectralEstimate(map);
  // A factorisation of a large map takes seconds, and its norm is known to two or three digits only.
  for (let hair = small ? 2 ** -34 : 2 ** -7; hair < 0.1; hair *= small ? 16 : 2) {
    const s = Math.min(quick, up(found * (1 + hair)));
    if (provedNorm(map, 2, s, shapes)) return s;
  }
  must(provedNorm(map, 2, quick, shapes), () => `the norm of the map ${what} cannot be proved`);
  return quick;
}

/** Near the largest singular value; above it where the matrix is small. */
function spectralEstimate(map: Sparse): number {
  if (map.rows * map.cols <= largestDense) {
    const small = Math.min(map.rows, map.cols);
    return spectralNorm(matrix(map.rows, map.cols, denseOf(map)), small > 45 ? { tolerance: 1e-7 } : {}).upper;
  }
  const turned = transposed(map);
  const times = (A: Sparse) => (x: Float64Array) => {
    const y = new Float64Array(A.rows);
    multiplyInto([y], A, [x]);
    return y;
  };
  const operator: LinearOperator = {
    rows: map.rows,
    cols: map.cols,
    apply: times(map),
    adjoint: times(turned),
    terms: map.cols,
    absolute: absoluteNorm(map, 2),
  };
  return powerIteration(operator, { iterations: 300, tolerance: 1e-7 }).value;
}

function denseOf({ rows, cols, start, index, value }: Sparse): Float64Array {
  const data = new Float64Array(rows * cols);
  for (let i = 0; i < rows; i++) {
    for (let k = start[i]; k < start[i + 1]; k++) data[i * cols + index[k]] = value[k];
  }
  return data;
}

/** The longest end of the network that is affine maps and activations, narrow enough; with the multipliers that bound it best. */
async function chainOf(
  steps: Steps,
  regionOf: (tensor: string) => Region,
  { engine, seconds = 3, signal, onProgress }: WitnessOptions,
): Promise<ChainWitness | null> {
  const bent = steps.steps.filter((step) => step.kind !== "affine");
  for (const from of [sampleName, ...bent.map((s) => s.tensor)]) {
    const behind = bent.slice(bent.findIndex((s) => s.tensor === from) + 1);
    const layers = layersOf(steps, regionOf, from, behind);
    if (layers === null || behind.length === 0) continue;
    const activations = behind.map((step, i) => slopes(step as Pointwise & Step, layers[i].weight.rows));
    const started = performance.now();
    const { bound, multipliers } = await lipsdp(
      { affine: layers, activations },
      {
        engine,
        seconds,
        ...(signal ? { signal } : {}),
        onProgress: () => onProgress?.(0.5 + Math.min(0.4, (0.4 * (performance.now() - started)) / (1000 * seconds))),
      },
    );
    if (multipliers.length === 0) return null;
    const names = behind.map((s) => s.tensor);
    return accepted(steps, regionOf, from, names, multipliers, bound.value);
  }
  return null;
}

/** Move multipliers inwards, as `settle` of chainProof.ts does, until the checker accepts them. */
function accepted(
  steps: Steps,
  regionOf: (tensor: string) => Region,
  from: string,
  names: readonly string[],
  multipliers: readonly Float64Array[],
  value: number,
): ChainWitness | null {
  const L = names.length + 1;
  for (let e = 2 ** -34; e < 1e-2; e *= 8) {
    const whole = 1 + L * e;
    const activations = names.map((tensor, i) => {
      const size = steps.byTensor.get(tensor)?.shape.reduce((n, d) => n * d, 1) ?? 0;
      return {
        tensor,
        multipliers: Array.from(multipliers[i].subarray(0, size), (l) => (l * (1 + (L - i - 1) * e)) / whole),
      };
    });
    const witness = { from, constant: up(value * Math.sqrt(whole * (1 + e))), activations };
    if (provedChain(steps, regionOf, witness)) return witness;
  }
  return null;
}

/** One dense matrix per activation and one for the output, with what later layers need passed along; null where that cannot be. */
function layersOf(
  steps: Steps,
  regionOf: (tensor: string) => Region,
  from: string,
  behind: readonly Step[],
): AffineLayer[] | null {
  const size = (tensor: string) => steps.byTensor.get(tensor)?.shape.reduce((n, d) => n * d, 1) ?? steps.size;
  const ends: { readonly maps: ReadonlyMap<string, Sparse | null>; readonly size: number }[] = [];
  const inside = new Set([from]);
  for (const step of [...behind, null]) {
    if (step !== null && step.kind !== "pointwise") return null;
    const end = step === null ? steps.output : step.from;
    const region = end === from ? new Map<string, Sparse>() : regionOf(end);
    const maps = region.size > 0 ? region : new Map([[end, null]]);
    for (const source of maps.keys()) if (!inside.has(source)) return null;
    ends.push({ maps, size: size(end) });
    if (step !== null) inside.add(step.tensor);
  }
  const lastUse = new Map<string, number>();
  ends.forEach(({ maps }, i) => {
    for (const source of maps.keys()) lastUse.set(source, i);
  });
  const layers: AffineLayer[] = [];
  let state: readonly string[] = [from];
  let cubes = 0;
  for (const [i, end] of ends.entries()) {
    const carried = state.filter((tensor) => (lastUse.get(tensor) ?? -1) > i);
    const rows = end.size + carried.reduce((n, tensor) => n + size(tensor), 0);
    const cols = state.reduce((n, tensor) => n + size(tensor), 0);
    if (i < ends.length - 1) cubes += rows ** 3;
    const { width, cubes: most, entries } = largestChain;
    if (rows > width || cubes > most || rows * cols > entries) return null;
    const data = new Float64Array(rows * cols);
    let column = 0;
    for (const tensor of state) {
      const map = end.maps.get(tensor);
      if (map === null) for (let k = 0; k < end.size; k++) data[k * cols + column + k] = 1;
      else if (map) {
        for (let r = 0; r < map.rows; r++) {
          for (let k = map.start[r]; k < map.start[r + 1]; k++) data[r * cols + column + map.index[k]] = map.value[k];
        }
      }
      let row = end.size;
      for (const kept of carried) {
        if (kept === tensor) for (let k = 0; k < size(kept); k++) data[(row + k) * cols + column + k] = 1;
        row += size(kept);
      }
      column += size(tensor);
    }
    layers.push({ weight: matrix(rows, cols, data), bias: new Float64Array(rows) });
    if (i < behind.length) state = [behind[i].tensor, ...carried];
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
    apply: (z: Float64Array) => z.map((v, k) => (k < own ? scalar.value(v) : v)),
  };
}
