/**
 * @file ONNX model bytes -> network. A model is read whole or not at all: it is built once while it is read, so that everything that
 * stands in the way is said at once.
 */
import { fromBinary } from "@bufbuild/protobuf";
import type { Node } from "../graph/graph.ts";
import { input } from "../graph/leaf.ts";
import type { Network, Port } from "../graph/network.ts";
import { ReadError, ShapeError, UnsupportedOperatorError } from "../tensor/errors.ts";
import { type Shape, sameShape, showShape } from "../tensor/shape.ts";
import type { DType, Tensor } from "../tensor/tensor.ts";
import { build, type Stepwise, stepwise } from "./build.ts";
import { defaultMemory } from "./memory.ts";
import { type Plan, planOf } from "./plan.ts";
import { type ModelProto, ModelProtoSchema } from "./proto.ts";
import { ofSamples } from "./samples.ts";
import { shapedPorts, shapeWords } from "./shapes.ts";
import type { Step } from "./steps.ts";
import type { External } from "./tensors.ts";
import { shown } from "./wording.ts";

export interface ReadOptions {
  /** What to call the network in messages. Default: the graph's own name. */
  readonly name?: string;
  /** Gives the bytes of a file beside the model, for weights that are stored outside of it. */
  readonly external?: External;
  /** Sizes of inputs that the model leaves free, by name: `{ image: [1, 3, 64, 64] }`. A first dimension of 1 leaves a free batch free. */
  readonly shapes?: Readonly<Record<string, Shape>>;
  /** Bytes that the network may need, by its shapes; half of the machine's memory where a path is read, else 4e9. More than that is a ReadError that names the node. */
  readonly memory?: number;
}

/**
 * Parse the bytes of an ONNX model (opset 6 to 26) as a network for inference. Half types are held as float32, integers of fewer than 32 bits as
 * int32; where a model mixes float and double, everything is one of them when it is built.
 * Throws UnsupportedOperatorError, which lists every node that cannot be read, or ReadError where the bytes are not a sound model.
 */
export function parseOnnx(bytes: Uint8Array, options: ReadOptions = {}): Network {
  return readingOf(bytes, options).network;
}

/** A model as it was read, with the nodes of the file that it is made of: what `check/` holds against a runtime, one by one. */
export interface Reading {
  readonly network: Network;
  /** Version of the operator set of the default domain; 0 where the file names none. */
  readonly opset: number;
  /** All inputs that the file declares, also those that nothing reads. */
  readonly declared: readonly Port[];
  /** The nodes that the outputs need, each after those whose values it reads. */
  readonly steps: readonly Step[];
  /** Names of values that someone reads, or that are outputs. */
  readonly wanted: ReadonlySet<string>;
  /** The weights, by the name of their value. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** Take the steps one by one, in their order, each on values that somebody else computed; everything floating-point that varies in `dtype`. */
  stepwise(dtype: DType): Stepwise;
  /**
   * The network's outputs with nodes in the place of some of its tensors, by their names and of their shapes. `samples`: the first size of
   * the inputs is any number of samples, whatever the file says. Throws as the network's own `build` does.
   */
  buildWith(inputs: readonly Node[], tensors: ReadonlyMap<string, Node>, samples?: boolean): readonly Node[];
}

/** `parseOnnx` for those who ask how it was read. */
export function readingOf(bytes: Uint8Array, options: ReadOptions = {}): Reading {
  const who = `readOnnx: ${options.name ?? "model"}`;
  const model = decode(who, bytes);
  const name = options.name ?? (model.graph?.name || "model");
  const planned = asReadError(who, () => planOf(model, options.external));
  const { shapes } = options;
  const plan = shapes ? { ...planned, ...shapedPlan(name, planned, shapes) } : planned;
  asReadError(who, () => tryBuild(plan, options.memory ?? defaultMemory));
  return {
    network: {
      name,
      inputs: plan.ports,
      outputs: plan.outputs,
      build: (inputs) => build(plan, inputs, name),
      metadata: Object.fromEntries(model.metadataProps.map(({ key, value }) => [key, value])),
    },
    opset: Number(model.opsetImport.find(({ domain }) => domain === "" || domain === "ai.onnx")?.version ?? 0),
    declared: plan.declared,
    steps: plan.steps,
    wanted: plan.wanted,
    tensors: plan.tensors,
    stepwise: (dtype) => stepwise(plan, dtype),
    buildWith: (inputs, tensors, samples = false) => {
      checkGiven(name, plan, tensors);
      return build(samples ? ofSamples(plan, inputs[0]?.shape[0] ?? 1) : plan, inputs, name, undefined, tensors);
    },
  };
}

/** The SHA-256 of a model's bytes, in hexadecimal: which model it was, for records. */
export async function modelHash(bytes: Uint8Array): Promise<string> {
  const digest = await globalThis.crypto.subtle.digest("SHA-256", new Uint8Array(bytes));
  return Array.from(new Uint8Array(digest), (b) => b.toString(16).padStart(2, "0")).join("");
}

// --- internal ---

/** Inputs that nothing reads may be said, too: they are no part of the network, but the runtime is fed them. */
function shapedPlan(name: string, { ports, declared }: Plan, shapes: Readonly<Record<string, Shape>>) {
  const all = shapedPorts(name, declared, shapes);
  return { ports: all.filter((port) => ports.some((own) => own.name === port.name)), declared: all };
}

function checkGiven(name: string, { tensors }: Plan, given: ReadonlyMap<string, Node>): void {
  for (const [value, node] of given) {
    const own = tensors.get(value);
    if (own && sameShape(own.shape, node.shape)) continue;
    const got = own ? `${showShape(node.shape)} for ${showShape(own.shape)}` : "no such tensor";
    throw new ShapeError(`${name}: what stands for the tensor "${shown(value)}" must have its shape, got ${got}`);
  }
}

function decode(who: string, bytes: Uint8Array): ModelProto {
  if (bytes.length === 0) throw new ReadError(`${who}: the file is empty`);
  try {
    return fromBinary(ModelProtoSchema, bytes, { readUnknownFields: false });
  } catch (cause) {
    throw new ReadError(`${who}: not an ONNX model, or a truncated one: ${messageOf(cause)}`, { cause });
  }
}

/** Whatever goes wrong with a model while it is read is the model's fault. */
function asReadError<T>(who: string, f: () => T): T {
  try {
    return f();
  } catch (cause) {
    if (cause instanceof UnsupportedOperatorError) throw cause;
    throw new ReadError(`${who}: ${messageOf(cause)}`, { cause });
  }
}

/** Build with every free dimension at 1; if that does not fit, at 2. */
function tryBuild(plan: Plan, memory: number): void {
  const at = (free: number) =>
    plan.ports.map((p) =>
      input(
        p.name,
        p.shape.map((d) => (typeof d === "number" ? d : free)),
        p.dtype,
      ),
    );
  try {
    build(plan, at(1), "", memory);
  } catch (first) {
    const free = plan.ports.some((p) => p.shape.some((d) => typeof d === "string"));
    if (first instanceof UnsupportedOperatorError || !free) throw first;
    try {
      build(plan, at(2), "", memory);
    } catch {
      // A batch may be any number; another size often is one that the weights ask for.
      const port = plan.ports.find(({ shape }) => shape.slice(1).some((d) => typeof d === "string"));
      if (port === undefined) throw first;
      const rule = `a size of its input "${shown(port.name)}" is free: say it (${shown(shapeWords(port))})`;
      throw new ReadError(`${messageOf(first)}; ${rule}`, { cause: first });
    }
  }
}

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
