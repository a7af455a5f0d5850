/**
 * @file A network that is there, as a layer: its initialisers are parameters, so that every method trains it as it trains any other, and what comes out is
 * the file it came from with other numbers in it.
 */
import { subjectOf } from "../bounds/subject.ts";
import type { Task } from "../data/dataset.ts";
import type { Preprocessing } from "../data/preprocess.ts";
import type { Node } from "../graph/graph.ts";
import { input } from "../graph/leaf.ts";
import type { Network } from "../graph/network.ts";
import { gammaKey } from "../layers/bounded.ts";
import type { Family, Model } from "../layers/family.ts";
import { decisionNetwork } from "../models/decision.ts";
import { withPreprocessing } from "../models/preprocess.ts";
import type { ModelSource } from "../onnx/file.ts";
import { type Parameters, parametersOf, type Role } from "../onnx/parameters.ts";
import { type Reading, readingOf } from "../onnx/read.ts";
import { renumbered } from "../onnx/renumber.ts";
import { softened } from "../onnx/soften.ts";
import { concat, reshape, sliceAxis } from "../ops/movement.ts";
import { UsageError } from "../tensor/errors.ts";
import type { Named } from "../tensor/named.ts";
import { type Shape, showShape, sizeOf } from "../tensor/shape.ts";
import { cast, type Tensor } from "../tensor/tensor.ts";
import { type Softened, softening } from "./softening.ts";

export interface RetrofitOptions {
  /** Of the bytes of the file, in hexadecimal: written into what comes out, under `originKey`. */
  readonly sha256: string;
  /** Names of initialisers that shall stay: whole names or beginnings of them, or with * and ?. Default: none. */
  readonly frozen?: readonly string[];
  /** What stands in front of the network, as for `withPreprocessing`; it is not written into the file. */
  readonly preprocessing?: Preprocessing;
  /** Of one sample. */
  readonly sample: Shape;
  /** Classes are decided by the logits, in front of a softmax or a sigmoid. */
  readonly task: Task;
}

/** A network that was read, as a layer. Its parameters are named INITIALISER/weight and INITIALISER/number. */
export interface Retrofit extends Model {
  /** What is trained, and what stays with the reason why, by the names of initialisers. */
  readonly parameters: Parameters;
  readonly preprocessing: Preprocessing;
  inFamily(family: Family): Retrofit;
  /** The file with the numbers of evaluation weights (`frozenWeights`) in the place of its own. */
  written(weights: Named<Tensor>): Uint8Array;
  /** How such bytes are read, as the file was. */
  reading(bytes: Uint8Array): Reading;
  /** A network of one input like the file's behind the preprocessing, in the units of the data. */
  behind(network: Network): Network;
}

/** The key of metadata_props that says which file a model came from. */
export const originKey = "lipschitz.origin.sha256";

/**
 * Make a layer of the model of a file, for samples of a shape. Batch-norms stay what they are in the file, an affine map with its running
 * statistics, whose scale and shift are trained. A file for one sample at a time is taken for any number of them: side by side where its graph lets samples through
 * apart, else one graph a sample. Throws UsageError where there is nothing to train, a pattern of `frozen` matches nothing, or samples do not fit; ReadError
 * and UnsupportedOperatorError as `readOnnx` does.
 */
export function retrofit(source: ModelSource, options: RetrofitOptions): Retrofit {
  const { bytes, ...asked } = source;
  const { sha256, frozen = [], preprocessing = {}, sample, task } = options;
  const reading = readingOf(bytes, asked);
  const who = reading.network.name;
  const parameters = trained(who, parametersOf(reading), frozen);
  const names = [...parameters.roles].map(([name, role]) => [name, parameterName(name, role)] as const);
  const run = runner(reading, { preprocessing, sample, task });
  const shapes = new Map<string, Shape>();

  const make = (soft?: Softened): Retrofit => ({
    name: who,
    shape(given) {
      const key = JSON.stringify(given);
      const known = shapes.get(key);
      if (known) return known;
      if (sizeOf(given) !== sizeOf(sample)) {
        throw new UsageError(`${who}: samples must be ${showShape(sample)}, got ${showShape(given)}`);
      }
      const made = run(input("x", [1, ...given]), new Map()).shape.slice(1);
      shapes.set(key, made);
      return made;
    },
    init: () => {
      const params = names.map(([name, own]) => [own, cast(tensorOf(reading, name), "float32")] as const);
      return { params: { ...Object.fromEntries(params), ...soft?.params }, state: {} };
    },
    weights: (variables) => soft?.weights(variables) ?? variables,
    forward: (x, weights, pass) => {
      const tensors = new Map(names.map(([name, own]) => [name, weights[own]]));
      return run(x, tensors, soft?.activations(weights, pass));
    },
    parameters,
    preprocessing,
    inFamily: (family) =>
      family.softens ? make(softening(reading, parameters, family.softens, family.name)) : refused(who, family),
    written: (weights) =>
      renumbered(bytes, new Map(names.map(([name, own]) => [name, weights[own]])), {
        ...asked,
        // A constant that layers prescribed holds no longer.
        metadata: { [originKey]: sha256, [gammaKey]: null },
        ...(soft && { alter: soft.write(weights) }),
      }),
    reading: (own) => readingOf(own, asked),
    behind: (own) => withPreprocessing(own, preprocessing, sample),
  });
  return make();
}

/** The names that some patterns are of; UsageError where one is of none. */
export function matching(who: string, names: readonly string[], patterns: readonly string[]): readonly string[] {
  return patterns.flatMap((pattern) => {
    const found = names.filter(matcher(pattern));
    if (found.length > 0) return found;
    const some = names.length > 8 ? `${names.slice(0, 8).join(", ")} and ${names.length - 8} more` : names.join(", ");
    throw new UsageError(`${who}: no initialiser is called "${pattern}"; there are ${some}`);
  });
}

// --- internal ---

const parameterName = (name: string, role: Role): string => `${name}/${role}`;

const tensorOf = ({ tensors }: Reading, name: string): Tensor => tensors.get(name) as Tensor;

function refused(who: string, { name }: Family): never {
  throw new UsageError(
    `${who}: a network that is there keeps its layers, and ${name} layers are others; train one from the start (--model), or take another method`,
  );
}

/** The parameters without those that shall stay. */
function trained(who: string, { roles, held }: Parameters, frozen: readonly string[]): Parameters {
  if (roles.size === 0) {
    const some = [...held].slice(0, 3).map(([name, why]) => `"${name}": ${why}`);
    const got = some.length === 0 ? "it has no floating-point initialisers" : some.join("; ");
    throw new UsageError(`${who}: there must be floating-point initialisers to train, got none: ${got}`);
  }
  const left = new Map(roles);
  const stays = new Map(held);
  for (const name of matching(who, [...roles.keys(), ...held.keys()], frozen)) {
    if (left.delete(name)) stays.set(name, "it is frozen");
  }
  if (left.size === 0)
    throw new UsageError(`${who}: something must be left to train, got all ${roles.size} initialisers frozen`);
  return { roles: left, held: stays };
}

/** A name as it is or its beginning; with * and ? the whole of it. */
function matcher(pattern: string): (name: string) => boolean {
  if (!/[*?]/.test(pattern)) return (name) => name.startsWith(pattern);
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  const whole = new RegExp(`^${source}$`, "s");
  return (name) => whole.test(name);
}

type Softer = ReadonlyMap<string, (x: Node) => Node>;
type Runner = (x: Node, tensors: ReadonlyMap<string, Node>, soft?: Softer) => Node;

/** [batch, ...sample] -> [batch, outputs] by the network with some of its tensors given, and others in the place of some ReLUs. */
function runner(
  reading: Reading,
  { preprocessing, sample, task }: Required<Pick<RetrofitOptions, "preprocessing" | "sample" | "task">>,
): Runner {
  const { network } = reading;
  const who = network.name;
  const [port, ...others] = network.inputs;
  if (!port || others.length > 0) {
    throw new UsageError(`${who}: a network that is trained must have one input, got ${network.inputs.length}`);
  }
  const prepared = (tensors: ReadonlyMap<string, Node>, samples: boolean, soft: Softer = new Map()): Network => {
    const shape = samples ? ["samples", ...port.shape.slice(1)] : port.shape;
    const own = {
      ...network,
      inputs: [{ ...port, shape }],
      build: (x: readonly Node[]) => softened(reading.buildWith(x, tensors, samples), soft),
    };
    return withPreprocessing(own, preprocessing, sample);
  };
  const decided = (tensors: ReadonlyMap<string, Node>, samples: boolean, soft?: Softer): Network => {
    const own = prepared(tensors, samples, soft);
    return task === "regression" ? own : decisionNetwork(own, sample);
  };
  const few = decided(new Map(), false);
  if (few.outputs.length !== 1) {
    throw new UsageError(`${who}: a network that is trained must have one output, got ${few.outputs.join(", ")}`);
  }
  const [rows] = few.inputs[0].shape;
  const apart =
    sizeOf(port.shape.slice(1).map(Number)) === sizeOf(sample) && goApart(who, prepared(new Map(), true), rows);
  const flat = (y: Node, count: number) => reshape(y, [count, -1]);
  if (apart) return (x, tensors, soft) => flat(decided(tensors, true, soft).build([x])[0], x.shape[0]);
  if (rows !== 1)
    throw new UsageError(`${who}: samples must go through side by side, and a batch of ${rows} does not let them`);
  return (x, tensors, soft) => {
    const one = decided(tensors, false, soft);
    const each = Array.from({ length: x.shape[0] }, (_, i) => flat(one.build([sliceAxis(x, 0, i, i + 1)])[0], 1));
    return concat(each, 0);
  };
}

/** May several samples be put through at once? Where the file says so itself, they must. */
function goApart(who: string, network: Network, rows: number | string): boolean {
  const { batch, crossing } = subjectOf(network);
  if (batch === "free" && !crossing) return true;
  if (typeof rows === "number") return false;
  const where = crossing ? `: node ${crossing.node}: ${crossing.why}` : "";
  throw new UsageError(`${who}: samples of a batch must not act on each other, and they do${where}`);
}
