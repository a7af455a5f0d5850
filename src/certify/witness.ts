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
import { kernelBetween, symbolsOf } from "../verify/fourier.ts";
import { type Steps, sampleName } from "../verify/network.ts";
import { type Norm, type Origin, provedNorm } from "../verify/norm.ts";
import { must } from "../verify/refusal.ts";
import { endsOf, type Region, regions } from "../verify/region.ts";
import { absoluteNorm, multiplyInto, quickNorm, type Sparse, transposed } from "../verify/sparse.ts";
import type { Kernel, Pointwise, Step } from "../verify/step.ts";
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
  const regionOf = regions(steps, "source");
  const ends = endsOf(steps);
  const shapeOf = (tensor: string) => steps.byTensor.get(tensor)?.shape ?? [steps.size];
  const affine = ends.map((to, i) => {
    signal?.throwIfAborted();
    onProgress?.((0.5 * i) / ends.length);
    const from = [...regionOf(to)].map(([tensor, map]) => {
      const kernel = norm === 2 ? kernelBetween(steps, regionOf, tensor, to) : null;
      const origin = { from: shapeOf(tensor), to: shapeOf(to), kernel };
      return { tensor, norm: acceptedNorm(map, norm, origin, `of "${tensor}" to "${to}"`) };
    });
    return { to, from };
  });
  onProgress?.(0.5);
  const chain = norm === 2 ? await chainOf(steps, regions(steps, "affine"), options) : null;
  onProgress?.(1);
  return { affine, chain };
}

// --- internal ---

/** Entries up to which a map is searched as a dense matrix. */
const largestDense = 4e6;

/** Widest layer, and sum of the cubes of the widths, for which multipliers are searched: as for the bounds of a chain. */
const largestChain = { width: 1024, cubes: 2.2e9, entries: 4e6 };

function acceptedNorm(map: Sparse, p: Norm, origin: Origin, what: string): number {
  const quick = quickNorm(map, p);
  if (p !== 2 || quick <= 1) return quick;
  const small = map.rows * map.cols <= largestDense;
  const ways: readonly (readonly [boolean, () => number, readonly number[]])[] = [
    [small, () => matrixEstimate(map), [2 ** -34, 2 ** -30, 2 ** -26, 2 ** -20, 2 ** -12]],
    // On a circle the norm is a little larger than that of the image.
    [!!origin.kernel, () => symbolEstimate(origin.kernel as Kernel), [2 ** -12, 2 ** -8, 2 ** -5]],
    // Of a large map the norm is known to two or three digits, and the proof takes seconds.
    [!small && !origin.kernel, () => powerEstimate(map), [2 ** -7, 2 ** -5, 2 ** -3]],
  ];
  for (const [use, estimate, hairs] of ways) {
    if (!use) continue;
    const found = estimate();
    for (const hair of hairs) {
      const s = Math.min(quick, up(found * (1 + hair)));
      if (provedNorm(map, 2, s, origin)) return s;
    }
  }
  must(provedNorm(map, 2, quick, origin), () => `the norm of the map ${what} cannot be proved`);
  return quick;
}

/** Above the largest singular value, and near. */
function matrixEstimate(map: Sparse): number {
  const small = Math.min(map.rows, map.cols);
  return spectralNorm(matrix(map.rows, map.cols, denseOf(map)), small > 45 ? { tolerance: 1e-7 } : {}).upper;
}

/** The largest of the symbols, each by power iteration. */
function symbolEstimate(kernel: Kernel): number {
  let largest = 0;
  for (const symbol of symbolsOf(kernel).matrices()) largest = Math.max(largest, powerEstimate(symbol));
  return largest;
}

/** Near the largest singular value, from below. */
function powerEstimate(map: Sparse): number {
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
  return powerIteration(operator, { iterations: 100, tolerance: 1e-4 }).value;
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

/**
 * One dense matrix per activation and one for the output; null where that cannot be. Behind the numbers that an activation bends, every
 * matrix passes on what later ends have been given so far, so that layers may skip others.
 */
function layersOf(
  steps: Steps,
  regionOf: (tensor: string) => Region,
  from: string,
  behind: readonly Step[],
): AffineLayer[] | null {
  const size = (tensor: string) => steps.byTensor.get(tensor)?.shape.reduce((n, d) => n * d, 1) ?? steps.size;
  const tensors = [from, ...behind.map((step) => step.tensor)];
  const ends: { readonly maps: ReadonlyMap<string, Sparse | null>; readonly size: number }[] = [];
  for (const [i, step] of [...behind, null].entries()) {
    if (step !== null && step.kind !== "pointwise") return null;
    const end = step === null ? steps.output : step.from;
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
    apply: (z: Float64Array) => z.map((v, k) => (k < own ? scalar.value(v) : v)),
  };
}
