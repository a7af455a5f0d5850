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
import { type ElementType, isSmallInteger, resultType, settled } from "./types.ts";

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
  const scope: Scope = {
    plan,
    dtype,
    folding: folder(),
    values: new Map(),
    types: new Map(plan.types),
    varying: new Set(),
    narrowed: new Map(),
  };
  const { values, varying } = scope;
  checkInputs(plan.ports, inputs, who);
  plan.ports.forEach((port, i) => {
    values.set(port.name, isFloat(port.dtype) ? cast(inputs[i], dtype) : inputs[i]);
    varying.add(port.name);
  });
  for (const [value, tensor] of plan.tensors) values.set(value, constant(tensor));
  const refused: UnsupportedNode[] = [];
  for (const step of plan.steps) {
    // What reads the result of a refused node is passed over, to find the others that are refused.
    if (step.inputs.some((value) => value !== "" && !values.has(value))) continue;
    try {
      run(step, scope);
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
  return plan.outputs.map((value) => inDtype(values.get(value) as Node, scope));
}

/** What is known while a graph is built. */
interface Scope {
  readonly plan: Plan;
  /** The dtype of everything floating-point that varies. */
  readonly dtype: DType;
  readonly folding: Folder;
  /** What does not vary is held as its own type has it. */
  readonly values: Map<string, Node>;
  readonly types: Map<string, ElementType>;
  readonly varying: Set<string>;
  /** Constants in the dtype of the build: one node for each, however often it is read. */
  readonly narrowed: Map<Node, Node>;
}

/** A value in the dtype of what varies. */
function inDtype(node: Node, { dtype, folding, narrowed }: Scope): Node {
  if (!isFloat(node.dtype) || node.dtype === dtype) return node;
  const made = narrowed.get(node) ?? folding.fold(withDtype(node, dtype, folding));
  narrowed.set(node, made);
  return made;
}

/** A constant in another floating-point dtype; a cast where it was too costly to compute. */
function withDtype(node: Node, dtype: DType, folding: Folder): Node {
  if (!isFloat(node.dtype) || node.dtype === dtype) return node;
  const made = folding.replaced(node, (t) => castTensor(t, dtype));
  return made === node ? cast(node, dtype) : made;
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

/**
 * Apply one step's operator and name its results, as far as someone wants them. What is constant is computed in float64 and then rounded
 * to its type in the file, step by step; what varies is not rounded.
 */
function run(step: Step, scope: Scope): void {
  const { plan, folding, values, types, varying } = scope;
  const attributes = step.attributes();
  const varies = step.inputs.some((value) => varying.has(value));
  const inputs = step.inputs.map((value) => {
    if (value === "") return null;
    const node = values.get(value) as Node;
    return varies ? inDtype(node, scope) : withDtype(node, "float64", folding);
  });
  const { opset, outputs } = step;
  const named = outputs.findLastIndex((value) => value !== "") + 1;
  const read = step.inputs.map((value) => types.get(value) ?? 0);
  const dtype = varies ? scope.dtype : "float64";
  const call = callOf(inputs, folding.value, { opset, dtype, attributes, outputs: named, types: read });
  const results = step.apply(call);
  setOrigin(
    results,
    inputs.filter((node) => node !== null),
    { name: step.name, operator: step.operator },
  );
  const unread = attributes.unread();
  if (unread.length > 0) throw new Refusal(`attribute "${shown(unread[0])}" is not known here`);
  outputs.forEach((value, i) => {
    if (value === "" || !plan.wanted.has(value)) return;
    if (!results[i]) throw new Refusal(`its output ${i} is not given`);
    checkSize(results[i].shape);
    const type = resultType(step.operator, i, read, step.said);
    let node = folding.fold(results[i]);
    const still = !varies || folding.isKnown(node);
    if (still) node = folding.replaced(node, (t) => settled(t, type));
    else {
      if (isSmallInteger(type) && wraps.has(step.operator))
        throw new Refusal("it calculates with integers of fewer than 32 bits, or without a sign, which wrap");
      varying.add(value);
    }
    checkFinite(node, plan.bounds.has(value));
    values.set(value, node);
    types.set(value, type);
  });
}

/** Operators whose results may lie outside the range of what they read. */
const wraps = new Set(
  "Add Sub Mul Div Neg Abs Pow Sum Mean MatMul Gemm ReduceSum ReduceProd ReduceMean Mod CumSum".split(" "),
);

/** A corrupt file can ask for anything; no engine holds more than this in one tensor. */
function checkSize(shape: Shape): void {
  if (!(sizeOf(shape) < 2 ** 31)) throw new ReadError(`a tensor of shape ${showShape(shape)} is too large`);
}

function checkFinite(node: Node, bound: boolean): void {
  if (isConstant(node) && !bound && firstNotFinite(node.attrs) >= 0) throw new ReadError("its value is not finite");
}

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
