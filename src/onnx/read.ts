/**
 * @file ONNX model bytes -> network. A model is read whole or not at all: it is built once while it is read, so that everything that
 * stands in the way is said at once.
 */
import { fromBinary } from "@bufbuild/protobuf";
import type { Node } from "../graph/graph.ts";
import { constant, input, isConstant } from "../graph/leaf.ts";
import type { Network, Port } from "../graph/network.ts";
import { setOrigin } from "../graph/origin.ts";
import { cast } from "../ops/arith.ts";
import { ReadError, ShapeError, type UnsupportedNode, UnsupportedOperatorError } from "../tensor/errors.ts";
import { type Shape, showShape, sizeOf } from "../tensor/shape.ts";
import { cast as castTensor, type DType, isFloat } from "../tensor/tensor.ts";
import { callOf, Refusal } from "./call.ts";
import { type Folder, folder } from "./fold.ts";
import { type Plan, planOf, type Step, shown } from "./plan.ts";
import { type ModelProto, ModelProtoSchema } from "./proto.ts";
import { type External, firstNotFinite } from "./tensors.ts";

export interface ReadOptions {
  /** What to call the network in messages; the graph's own name unless told. */
  readonly name?: string;
  /** Gives the bytes of a file beside the model, for weights that are stored outside of it. */
  readonly external?: External;
}

/**
 * Parse the bytes of an ONNX model (opset 6 to 22) as a network for inference. Half types are held as float32, integers of fewer than 32 bits as
 * int32; where a model mixes float and double, everything is one of them when it is built.
 * Throws UnsupportedOperatorError, which lists every node that cannot be read, or ReadError where the bytes are not a sound model.
 */
export function parseOnnx(bytes: Uint8Array, options: ReadOptions = {}): Network {
  const who = `readOnnx: ${options.name ?? "model"}`;
  const model = decode(who, bytes);
  const name = options.name ?? (model.graph?.name || "model");
  const plan = asReadError(who, () => planOf(model, options.external));
  asReadError(who, () => tryBuild(plan));
  return {
    name,
    inputs: plan.ports,
    outputs: plan.outputs,
    build: (inputs) => build(plan, inputs, name),
    metadata: Object.fromEntries(model.metadataProps.map(({ key, value }) => [key, value])),
  };
}

/** The SHA-256 of a model's bytes, in hexadecimal: which model it was, for records. */
export async function modelHash(bytes: Uint8Array): Promise<string> {
  const digest = await globalThis.crypto.subtle.digest("SHA-256", new Uint8Array(bytes));
  return Array.from(new Uint8Array(digest), (b) => b.toString(16).padStart(2, "0")).join("");
}

// --- internal ---

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
function tryBuild(plan: Plan): void {
  const at = (free: number) =>
    plan.ports.map((p) =>
      input(
        p.name,
        p.shape.map((d) => (typeof d === "number" ? d : free)),
        p.dtype,
      ),
    );
  try {
    build(plan, at(1), "");
  } catch (first) {
    const free = plan.ports.some((p) => p.shape.some((d) => typeof d === "string"));
    if (first instanceof UnsupportedOperatorError || !free) throw first;
    try {
      build(plan, at(2), "");
    } catch {
      throw first;
    }
  }
}

function build(plan: Plan, inputs: readonly Node[], name: string): readonly Node[] {
  const who = name === "" ? "" : `${name}: `;
  const dtype: DType = inputs.some((x) => x.dtype === "float64") ? "float64" : "float32";
  const values = new Map<string, Node>();
  const folding = folder();
  const see = (value: string, node: Node) => values.set(value, folding.fold(node));
  checkInputs(plan.ports, inputs, who);
  plan.ports.forEach((port, i) => {
    see(port.name, isFloat(port.dtype) ? cast(inputs[i], dtype) : inputs[i]);
  });
  for (const [value, tensor] of plan.tensors) {
    see(value, constant(isFloat(tensor.dtype) ? castTensor(tensor, dtype) : tensor));
  }
  const refused: UnsupportedNode[] = [];
  for (const step of plan.steps) {
    // What reads the result of a refused node is passed over, to find the others that are refused.
    if (step.inputs.some((value) => value !== "" && !values.has(value))) continue;
    try {
      for (const [value, node] of run(step, plan, values, folding, dtype)) see(value, node);
    } catch (cause) {
      if (cause instanceof Refusal) {
        refused.push({ node: step.name, operator: step.operator, opset: step.opset, why: cause.message });
      } else {
        const place = `${who}node "${step.name}" (${step.operator}): ${messageOf(cause)}`;
        throw cause instanceof ReadError ? new ReadError(place, { cause }) : new ShapeError(place, { cause });
      }
    }
  }
  if (refused.length > 0) throw new UnsupportedOperatorError(refused);
  return plan.outputs.map((value) => values.get(value) as Node);
}

function checkInputs(ports: readonly Port[], inputs: readonly Node[], who: string): void {
  if (inputs.length !== ports.length) {
    throw new ShapeError(
      `${who}it has ${ports.length} inputs (${ports.map((p) => shown(p.name)).join(", ")}), got ${inputs.length}`,
    );
  }
  ports.forEach((port, i) => {
    const { dtype, shape } = inputs[i];
    const fits =
      (isFloat(port.dtype) ? isFloat(dtype) : dtype === port.dtype) &&
      shape.length === port.shape.length &&
      port.shape.every((d, k) => typeof d === "string" || d === shape[k]);
    if (!fits) {
      const want = `${isFloat(port.dtype) ? "floating-point" : port.dtype} ${showShape(port.shape)}`;
      throw new ShapeError(`${who}input "${shown(port.name)}" must be ${want}, got ${dtype} ${showShape(shape)}`);
    }
    checkSize(shape);
  });
}

/** Apply one step's operator and name its results, as far as someone wants them. */
function run(
  step: Step,
  plan: Plan,
  values: ReadonlyMap<string, Node>,
  folding: Folder,
  dtype: DType,
): [string, Node][] {
  const attributes = step.attributes();
  const inputs = step.inputs.map((value) => (value === "" ? null : (values.get(value) as Node)));
  const { opset, outputs } = step;
  const named = outputs.findLastIndex((value) => value !== "") + 1;
  const results = step.apply(callOf(inputs, folding.value, { opset, dtype, attributes, outputs: named }));
  setOrigin(
    results,
    inputs.filter((node) => node !== null),
    { name: step.name, operator: step.operator },
  );
  const unread = attributes.unread();
  if (unread.length > 0) throw new Refusal(`attribute "${shown(unread[0])}" is not known here`);
  return outputs.flatMap((value, i): [string, Node][] => {
    if (value === "" || !plan.wanted.has(value)) return [];
    if (!results[i]) throw new Refusal(`its output ${i} is not given`);
    checkSize(results[i].shape);
    checkFinite(results[i], plan.bounds.has(value));
    return [[value, results[i]]];
  });
}

/** A corrupt file can ask for anything; no engine holds more than this in one tensor. */
function checkSize(shape: Shape): void {
  if (!(sizeOf(shape) < 2 ** 31)) throw new ReadError(`a tensor of shape ${showShape(shape)} is too large`);
}

function checkFinite(node: Node, bound: boolean): void {
  if (isConstant(node) && !bound && firstNotFinite(node.attrs) >= 0) throw new ReadError("its value is not finite");
}

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
