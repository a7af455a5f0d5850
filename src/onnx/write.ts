/** @file Graph -> ONNX model bytes. The whole of a program is one model; what a reader can stretch or transpose by itself is not written. */
import { create, toBinary } from "@bufbuild/protobuf";
import { isSum } from "../graph/accumulate.ts";
import { type Node, type OnnxAttributes, type OnnxBuilder, topological } from "../graph/graph.ts";
import { inputsOf, isConstant, isInput } from "../graph/leaf.ts";
import { isBroadcast } from "../ops/broadcast.ts";
import { onnxType } from "../ops/lowering.ts";
import { isSampleProduct, writeAccumulated } from "../ops/matmul.ts";
import { isTranspose } from "../ops/movement.ts";
import { UsageError } from "../tensor/errors.ts";
import type { Named } from "../tensor/named.ts";
import type { Tensor, Type } from "../tensor/tensor.ts";
import { introduced, irVersionOf, newestOpset, oldestOpset } from "./opsets.ts";
import {
  type AttributeProto,
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  type GraphProto,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from "./proto.ts";

export interface WriteOptions {
  /** Operator set to write, 6 to 26. Default: 17. */
  readonly opset?: number;
  /** Name of the graph. */
  readonly name?: string;
  /** Leave the first dimension of every input and output free under this name. The graph must have been built at batch 1. */
  readonly batch?: string;
  /** Key-value pairs kept in the model (metadata_props). */
  readonly metadata?: Named<string>;
}

/** Write the graph of named outputs as an ONNX model. Throws UsageError where the opset lacks an operator. */
export function writeModel(outputs: Named<Node>, options: WriteOptions = {}): Uint8Array {
  const { opset = 17, name = "lipschitz", batch, metadata = {} } = options;
  if (!Number.isInteger(opset) || opset < oldestOpset || opset > newestOpset) {
    throw new UsageError(`writeModel: opset must be ${oldestOpset} to ${newestOpset}, got ${opset}`);
  }
  const { nodes, initialisers, domains, inputs } = graphParts(outputs, { opset, freeBatch: batch !== undefined });
  const ir = irVersionOf(opset);
  const declared = Object.entries(inputs).map(([input, type]) => valueInfo(input, type, batch));
  // Before IR 4 an initialiser had to be listed among the inputs.
  if (ir < 4)
    for (const t of initialisers) declared.push(valueInfo(t.name, { dtype: dtypeOf(t), shape: t.dims.map(Number) }));
  const results = Object.entries(outputs).map(([output, node]) => valueInfo(output, node, batch));
  const graph = create(GraphProtoSchema, {
    ...{ name, node: [...nodes], initializer: [...initialisers], input: declared, output: results },
  });
  return modelBytes(graph, { opset, domains, metadata });
}

/** A graph as ONNX has it: what a model or the body of a loop is made of. */
export interface GraphParts {
  readonly nodes: readonly NodeProto[];
  readonly initialisers: readonly TensorProto[];
  /** Of operators outside the default one. */
  readonly domains: readonly string[];
  /** What must be fed, by the names that the graph's inputs have by themselves. */
  readonly inputs: Named<Type>;
}

/** Write the nodes of named outputs; `called` says what the value of an input is called, where that is not its name. */
export function graphParts(
  outputs: Named<Node>,
  {
    opset,
    freeBatch = false,
    called = (input) => input,
  }: { readonly opset: number; readonly freeBatch?: boolean; called?(input: string): string },
): GraphParts {
  const order = topological(Object.values(outputs));
  const inputs = inputsOf(order);
  for (const [output, node] of Object.entries(outputs)) {
    const fed = inputs.get(output);
    if (fed && fed !== node)
      throw new UsageError(`writeModel: "${output}" names both an input and an output; rename one`);
  }
  const taken = new Set([...[...inputs.keys()].map(called), ...Object.keys(outputs)]);
  const addends = opset >= 11 ? addendsOf(order, new Set(Object.values(outputs))) : new Map<Node, Node>();
  const writer = new GraphWriter(opset, freeBatch, taken, addends, called);
  for (const node of order) if (!writer.isLazy(node)) writer.value(node);
  for (const [output, node] of Object.entries(outputs)) writer.nameOutput(node, output);
  return { ...writer.finish(), inputs: Object.fromEntries(inputs) };
}

/** The bytes of a model of one graph. */
export function modelBytes(
  graph: GraphProto,
  {
    opset,
    domains,
    metadata = {},
  }: { readonly opset: number; readonly domains: readonly string[]; readonly metadata?: Named<string> },
): Uint8Array {
  const model = create(ModelProtoSchema, {
    irVersion: BigInt(irVersionOf(opset)),
    producerName: "lipschitz",
    opsetImport: [{ domain: "", version: BigInt(opset) }, ...domains.map((domain) => ({ domain, version: 1n }))],
    graph,
    metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
  });
  return toBinary(ModelProtoSchema, model);
}

/** A value with its type; `first` leaves its first dimension free under this name. */
export function valueInfo(name: string, type: Type, first?: string): ValueInfoProto {
  const dim = type.shape.map((d, i) =>
    i === 0 && first !== undefined
      ? { value: { case: "dimParam" as const, value: first } }
      : { value: { case: "dimValue" as const, value: BigInt(d) } },
  );
  const value = { elemType: onnxType[type.dtype], shape: { dim } };
  return create(ValueInfoProtoSchema, { name, type: { value: { case: "tensorType", value } } });
}

// --- internal ---

class GraphWriter {
  readonly #opset: number;
  readonly #freeBatch: boolean;
  readonly #taken: Set<string>;
  /** A sum's product over samples, written as one with the sum. */
  readonly #addends: ReadonlyMap<Node, Node>;
  readonly #called: (input: string) => string;
  readonly #joined: ReadonlySet<Node>;
  readonly #names = new Map<Node, string>();
  readonly #nodes: NodeProto[] = [];
  readonly #initialisers = new Map<string, TensorProto>();
  readonly #tensors = new Map<Tensor, string>();
  readonly #domains = new Set<string>();
  readonly #renamed = new Map<string, string>();
  #count = 0;

  constructor(
    opset: number,
    freeBatch: boolean,
    taken: Set<string>,
    addends: ReadonlyMap<Node, Node>,
    called: (input: string) => string,
  ) {
    this.#opset = opset;
    this.#called = called;
    this.#freeBatch = freeBatch;
    this.#taken = taken;
    this.#addends = addends;
    this.#joined = new Set(addends.values());
  }

  /** Written only if someone asks: a reader may do without. */
  isLazy(node: Node): boolean {
    return isConstant(node) || isBroadcast(node) || isTranspose(node) || this.#joined.has(node);
  }

  value(node: Node): string {
    const have = this.#names.get(node);
    if (have !== undefined) return have;
    const name = isInput(node) ? this.#called(node.attrs.name) : this.#written(node);
    this.#names.set(node, name);
    return name;
  }

  #written(node: Node): string {
    const product = this.#addends.get(node);
    if (!product) return node.op.onnx(node, this.#builder(node));
    const [a, b] = node.inputs;
    return writeAccumulated(product, this.value(a === product ? b : a), this.#builder(product));
  }

  /** Let the value of `node` be called `output`: rename it where that is possible, copy it where it is not. */
  nameOutput(node: Node, output: string): void {
    const value = this.value(node);
    const made = !isInput(node) && !isConstant(node) && !this.#renamed.has(value);
    if (made && this.#nodes.some((n) => n.output.includes(value))) {
      this.#renamed.set(value, output);
    } else {
      this.#add("Identity", [value], {}, "", output);
    }
  }

  finish(): { nodes: NodeProto[]; initialisers: TensorProto[]; domains: string[] } {
    const final = (name: string) => this.#renamed.get(name) ?? name;
    for (const node of this.#nodes) {
      node.input = node.input.map(final);
      node.output = node.output.map(final);
    }
    return { nodes: this.#nodes, initialisers: [...this.#initialisers.values()], domains: [...this.#domains] };
  }

  #builder(node: Node): OnnxBuilder {
    return {
      opset: this.#opset,
      freeBatch: this.#freeBatch,
      input: (i) => this.value(node.inputs[i]),
      value: (other) => this.value(other),
      operands: () => this.#operands(node),
      node: (operator, inputs, attributes = {}, domain = "") => this.#add(operator, inputs, attributes, domain),
      constant: (value) => this.#constant(value),
    };
  }

  /** Leave broadcasts out as long as one operand still has the full shape. */
  #operands(node: Node): string[] {
    const full = node.inputs.some((x) => !isBroadcast(x));
    let first = !full;
    return node.inputs.map((x) => {
      if (!isBroadcast(x) || first || this.#opset < 7) {
        first = false;
        return this.value(x);
      }
      return this.value(x.inputs[0]);
    });
  }

  #add(
    operator: string,
    inputs: readonly string[],
    attributes: OnnxAttributes,
    domain: string,
    output?: string,
  ): string {
    const since = domain === "" ? introduced(operator) : 1;
    if (since > this.#opset && domain === "") {
      throw new UsageError(
        `writeModel: ${operator} exists from opset ${since}, got opset ${this.#opset}; write with opset ${since} or later`,
      );
    }
    if (domain !== "") this.#domains.add(domain);
    const name = output ?? this.#fresh(operator);
    this.#nodes.push(
      create(NodeProtoSchema, {
        name: `${operator}_${this.#nodes.length}`,
        opType: operator,
        domain,
        input: [...inputs],
        output: [name],
        attribute: Object.entries(attributes).map(([key, value]) => attribute(key, value)),
      }),
    );
    return name;
  }

  #fresh(operator: string): string {
    let name: string;
    do name = `${operator.toLowerCase()}_${this.#count++}`;
    while (this.#taken.has(name));
    return name;
  }

  #constant(value: Tensor): string {
    const have = this.#tensors.get(value);
    if (have !== undefined) return have;
    // Small constants (scalars, shapes, axes) recur; share them by value.
    const key = value.data.length <= 32 ? `${value.dtype}[${value.shape}]${value.data.join(",")}` : undefined;
    const shared = key === undefined ? undefined : this.#initialisers.get(key)?.name;
    const name = shared ?? this.#fresh("constant");
    if (shared === undefined) this.#initialisers.set(key ?? name, tensorProto(name, value));
    this.#tensors.set(value, name);
    return name;
  }
}

/** Sums of a product over samples that nothing else reads: the product can start from the other summand, and its own value is never made. */
function addendsOf(order: readonly Node[], outputs: ReadonlySet<Node>): Map<Node, Node> {
  const readers = new Map<Node, number>();
  for (const { inputs } of order) for (const x of inputs) readers.set(x, (readers.get(x) ?? 0) + 1);
  const found = new Map<Node, Node>();
  for (const node of order) {
    if (!isSum(node) || node.inputs.some(isBroadcast)) continue;
    const product = node.inputs.find((x) => isSampleProduct(x) && readers.get(x) === 1 && !outputs.has(x));
    if (product) found.set(node, product);
  }
  return found;
}

function tensorProto(name: string, t: Tensor): TensorProto {
  // ONNX is little-endian, as every machine that runs this is.
  const rawData = new Uint8Array(t.data.buffer, t.data.byteOffset, t.data.byteLength);
  return create(TensorProtoSchema, { name, dataType: onnxType[t.dtype], dims: t.shape.map(BigInt), rawData });
}

function dtypeOf(t: TensorProto): Type["dtype"] {
  const found = Object.entries(onnxType).find(([, code]) => code === t.dataType);
  return found?.[0] as Type["dtype"];
}

function attribute(name: string, value: OnnxAttributes[string]): AttributeProto {
  const Kind = AttributeProto_AttributeType;
  if (typeof value === "number") return create(AttributeProtoSchema, { name, type: Kind.INT, i: BigInt(value) });
  if (typeof value === "string") {
    return create(AttributeProtoSchema, { name, type: Kind.STRING, s: new TextEncoder().encode(value) });
  }
  if ("float" in value) return create(AttributeProtoSchema, { name, type: Kind.FLOAT, f: value.float });
  if ("dtype" in value) return create(AttributeProtoSchema, { name, type: Kind.TENSOR, t: tensorProto("", value) });
  return create(AttributeProtoSchema, { name, type: Kind.INTS, ints: value.map(BigInt) });
}
