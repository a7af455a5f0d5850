/** @file Small ONNX models for tests, written as records. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { irVersionOf } from "../src/onnx/opsets.ts";
import {
  type AttributeProto,
  AttributeProtoSchema,
  GraphProtoSchema,
  AttributeProto_AttributeType as Kind,
  ModelProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from "../src/onnx/proto.ts";
import type { Named } from "../src/tensor/named.ts";
import type { Tensor } from "../src/tensor/tensor.ts";

/** Attributes: whole numbers are ints, `{ float }` is a float, text is a string, lists are ints, `{ floats }` are floats. */
export type Value =
  | number
  | string
  | readonly number[]
  | Tensor
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | { readonly strings: readonly string[] }
  | { readonly graph: true };

export interface NodeOf {
  readonly op: string;
  readonly in: readonly string[];
  readonly out?: readonly string[];
  readonly name?: string;
  readonly domain?: string;
  readonly attributes?: Named<Value>;
}

export interface ModelOf {
  readonly opset?: number;
  readonly domains?: Named<number>;
  readonly inputs: Named<readonly (number | string)[]>;
  readonly nodes: readonly NodeOf[];
  /** Default: `["y"]`. */
  readonly outputs?: readonly string[];
  readonly tensors?: Named<Tensor | TensorProto>;
  readonly metadata?: Named<string>;
  /** Element type of the inputs. Default: float. */
  readonly type?: number;
}

const codes = { float32: 1, int32: 6, int64: 7, bool: 9, float64: 11 } as const;

export function tensorProto(name: string, t: Tensor): TensorProto {
  const rawData = new Uint8Array(t.data.buffer, t.data.byteOffset, t.data.byteLength);
  return create(TensorProtoSchema, { name, dataType: codes[t.dtype], dims: t.shape.map(BigInt), rawData });
}

export function modelOf(m: ModelOf): Uint8Array {
  const info = (name: string, dims?: readonly (number | string)[]) => {
    const dim = dims?.map((d) =>
      typeof d === "string"
        ? { value: { case: "dimParam" as const, value: d } }
        : { value: { case: "dimValue" as const, value: BigInt(d) } },
    );
    const value = { elemType: m.type ?? 1, ...(dim ? { shape: { dim } } : {}) };
    return create(ValueInfoProtoSchema, { name, type: { value: { case: "tensorType", value } } });
  };
  const tensors = Object.entries(m.tensors ?? {}).map(([name, t]) =>
    "dtype" in t ? tensorProto(name, t) : { ...t, name },
  );
  const node = m.nodes.map((n) => ({
    name: n.name ?? "",
    opType: n.op,
    domain: n.domain ?? "",
    input: [...n.in],
    output: [...(n.out ?? ["y"])],
    attribute: Object.entries(n.attributes ?? {}).map(([name, value]) => attribute(name, value)),
  }));
  const graph = create(GraphProtoSchema, {
    name: "test",
    node,
    initializer: tensors,
    input: Object.entries(m.inputs).map(([name, dims]) => info(name, dims)),
    output: (m.outputs ?? ["y"]).map((name) => info(name)),
  });
  const opsets = Object.entries({ "": m.opset ?? 17, ...m.domains });
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: BigInt(Math.max(8, irVersionOf(m.opset ?? 17))),
      opsetImport: opsets.map(([domain, version]) => ({ domain, version: BigInt(version) })),
      graph,
      metadataProps: Object.entries(m.metadata ?? {}).map(([key, value]) => ({ key, value })),
    }),
  );
}

/** The same model, its first output declared to be float32 numbers of a shape, as the checker of certificates wants it; words are free dimensions. */
export function declaredAs(bytes: Uint8Array, shape: readonly (number | string)[]): Uint8Array {
  const model = fromBinary(ModelProtoSchema, bytes);
  const [output] = model.graph?.output ?? [];
  if (!output) throw new Error("there is no output");
  const dim = shape.map((d) =>
    typeof d === "string"
      ? { value: { case: "dimParam" as const, value: d } }
      : { value: { case: "dimValue" as const, value: BigInt(d) } },
  );
  output.type = create(TypeProtoSchema, { value: { case: "tensorType", value: { elemType: 1, shape: { dim } } } });
  return toBinary(ModelProtoSchema, model);
}

function attribute(name: string, value: Value): AttributeProto {
  if (typeof value === "number") return create(AttributeProtoSchema, { name, type: Kind.INT, i: BigInt(value) });
  if (typeof value === "string") {
    return create(AttributeProtoSchema, { name, type: Kind.STRING, s: new TextEncoder().encode(value) });
  }
  if ("float" in value) return create(AttributeProtoSchema, { name, type: Kind.FLOAT, f: value.float });
  if ("floats" in value) return create(AttributeProtoSchema, { name, type: Kind.FLOATS, floats: [...value.floats] });
  if ("strings" in value) {
    const strings = value.strings.map((s) => new TextEncoder().encode(s));
    return create(AttributeProtoSchema, { name, type: Kind.STRINGS, strings });
  }
  if ("graph" in value) {
    return create(AttributeProtoSchema, { name, type: Kind.GRAPH, g: create(GraphProtoSchema, { name: "inner" }) });
  }
  if ("dtype" in value) return create(AttributeProtoSchema, { name, type: Kind.TENSOR, t: tensorProto("", value) });
  return create(AttributeProtoSchema, { name, type: Kind.INTS, ints: value.map(BigInt) });
}
