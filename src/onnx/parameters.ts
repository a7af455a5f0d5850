/** @file Which tensors of a model are what was learnt in it, and which are numbers of a formula: told by what reads them. */
import { input } from "../graph/leaf.ts";
import type { Port } from "../graph/network.ts";
import { sizeOf } from "../tensor/shape.ts";
import { isFloat, type Tensor } from "../tensor/tensor.ts";
import type { Reading } from "./read.ts";
import type { Step } from "./steps.ts";

/** `weight`: a matrix or a kernel that multiplies what varies; `number`: a bias, a scale, a shift, a slope. */
export type Role = "weight" | "number";

export interface Parameters {
  /** What may be trained, by the names of initialisers, in their order in the file. */
  readonly roles: ReadonlyMap<string, Role>;
  /** The other floating-point initialisers, and why they stay as they are. */
  readonly held: ReadonlyMap<string, string>;
}

/**
 * The floating-point initialisers of a model that may be trained:
 *
 * - matrices and kernels of products, their biases, scales and shifts of normalisations, slopes of PRelu, and whatever else is added or multiplied
 *   behind the first layer;
 * - not the running statistics of a batch-norm, numbers in front of the first layer (units of the input), single numbers that are no bias (those
 *   of a formula, as the 1.702 of a GELU), and what has to be known when the graph is built.
 */
export function parametersOf(reading: Reading): Parameters {
  const held = new Map<string, string>();
  const roles = new Map<string, Role>();
  const found = placesOf(reading);
  for (const [name, tensor] of reading.tensors) {
    if (!isFloat(tensor.dtype)) continue;
    const place = found.get(name);
    const why = place === undefined ? "nothing that varies reads it" : whyHeld(place, tensor);
    if (why !== null) held.set(name, why);
    else roles.set(name, place?.has("weight") ? "weight" : "number");
  }
  const known = knownWhenBuilt(reading, [...roles.keys()]);
  for (const name of known) {
    roles.delete(name);
    held.set(name, "it has to be known when the graph is built");
  }
  return { roles, held };
}

// --- internal ---

/** Where an initialiser is read: as a matrix or kernel, as another parameter, as a statistic, in front of the first layer, or anywhere else. */
type Place = "weight" | "parameter" | "statistic" | "front" | "other";

const products = new Map([
  ["MatMul", [0, 1]],
  ["com.microsoft.FusedMatMul", [0, 1]],
  ["Gemm", [0, 1]],
  ["Conv", [1]],
  ["ConvTranspose", [1]],
  ["RNN", [1, 2]],
  ["GRU", [1, 2]],
  ["LSTM", [1, 2]],
]);

/** Inputs that are parameters, whatever their size. */
const own = new Map([
  ["Gemm", [2]],
  ["Conv", [2]],
  ["ConvTranspose", [2]],
  ["RNN", [3, 5]],
  ["GRU", [3, 5]],
  ["LSTM", [3, 5, 6, 7]],
  ["PRelu", [1]],
  ["BatchNormalization", [1, 2]],
  ["InstanceNormalization", [1, 2]],
  ["LayerNormalization", [1, 2]],
  ["RMSNormalization", [1]],
  ["GroupNormalization", [1, 2]],
]);

function placesOf({ steps, tensors, network }: Reading): ReadonlyMap<string, ReadonlySet<Place>> {
  const found = new Map<string, Set<Place>>();
  /** What a value that does not vary is made of. */
  const sources = new Map<string, readonly string[]>([...tensors.keys()].map((name) => [name, [name]]));
  const varying = new Set(network.inputs.map((p) => p.name));
  /** Values behind a product, and those that are one. */
  const behind = new Set<string>();
  const made = new Set<string>();
  for (const step of steps) {
    const inputs = step.inputs.filter((name) => name !== "");
    if (!step.branches && !inputs.some((name) => varying.has(name))) {
      const all = [...new Set(inputs.flatMap((name) => sources.get(name) ?? []))];
      for (const name of step.outputs) sources.set(name, all);
      continue;
    }
    const product = products.has(step.operator);
    const after = inputs.some((name) => behind.has(name));
    step.inputs.forEach((name, i) => {
      if (name === "" || varying.has(name)) return;
      const bias = /^(Add|Sub)$/.test(step.operator) && inputs.some((other) => made.has(other));
      for (const source of sources.get(name) ?? []) {
        const places = found.get(source) ?? new Set<Place>();
        found.set(source, places.add(placeOf(step, i, bias, after)));
      }
    });
    for (const name of step.outputs) {
      varying.add(name);
      if (product || after || own.has(step.operator)) behind.add(name);
      if (product) made.add(name);
    }
  }
  return found;
}

function placeOf({ operator }: Step, i: number, bias: boolean, behind: boolean): Place {
  if (products.get(operator)?.includes(i)) return "weight";
  if (own.get(operator)?.includes(i) || bias) return "parameter";
  if (operator === "BatchNormalization") return "statistic";
  return behind ? "other" : "front";
}

function whyHeld(places: ReadonlySet<Place>, tensor: Tensor): string | null {
  if (places.has("statistic")) return "it is a running statistic of a batch-norm";
  if (places.has("weight") || places.has("parameter")) return null;
  if (places.has("front")) return "it stands in front of the first layer, for the units of the input";
  return sizeOf(tensor.shape) === 1 ? "it is a single number of a formula" : null;
}

/** Those that no node can stand for. */
function knownWhenBuilt(reading: Reading, names: readonly string[]): readonly string[] {
  const builds = (some: readonly string[]): boolean => {
    const nodes = some.map((name) => {
      const { shape } = reading.tensors.get(name) as Tensor;
      return [name, input(`parameter ${name}`, shape)] as const;
    });
    try {
      reading.buildWith(reading.network.inputs.map(asFed), new Map(nodes));
      return true;
    } catch {
      return false;
    }
  };
  return builds(names) ? [] : names.filter((name) => !builds([name]));
}

const asFed = ({ name, shape, dtype }: Port) =>
  input(
    name,
    shape.map((d) => (typeof d === "number" ? d : 1)),
    dtype === "float64" ? "float32" : dtype,
  );
