/** @file A model that is being drawn: named values with shapes, nodes, tensors, and the choices that drawing needs. It knows ONNX's words and nothing of this library's ops. */
import { create } from "@bufbuild/protobuf";
import { type TensorProto, TensorProtoSchema } from "../../src/onnx/proto.ts";
import type { Random } from "../../src/tensor/random.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import type { Value as Attribute, ModelOf, NodeOf } from "../model.ts";

export type Kind = "float" | "int64" | "int32" | "bool";

/** A value of the model. A free batch counts as 1 in `shape`. */
export interface Value {
  readonly name: string;
  readonly shape: readonly number[];
  readonly kind: Kind;
  readonly varies: boolean;
}

export interface Builder {
  readonly r: Random;
  readonly opset: number;
  /** Is the first axis of the input free? */
  readonly free: boolean;
  readonly values: readonly Value[];
  /** Are huge and tiny constants drawn too? */
  readonly extreme: boolean;
  integer(low: number, high: number): number;
  chance(p: number): boolean;
  pick<T>(items: readonly T[]): T;
  /** A number as weights have them, seldom an unusual one. */
  number(): number;
  floats(n: number): number[];
  /** A constant, as an initialiser or as a Constant node. */
  constant(kind: Kind, shape: readonly number[], values: readonly (number | bigint)[]): Value;
  /** A float constant of drawn numbers, or one that is there already. */
  weights(shape: readonly number[]): Value;
  /** A constant of a type that is none of `Kind`, as bytes: to be cast. */
  raw(dataType: number, shape: readonly number[], bytes: Uint8Array): Value;
  /** An int64 vector. */
  ints(values: readonly number[]): Value;
  /** An axis as the model writes it: from the end too, where that is allowed from opset `since`. */
  axis(axis: number, rank: number, since?: number): number;
  /** Another value of the same shape and kind, or the value itself. */
  partner(x: Value): Value;
  add(
    op: string,
    inputs: readonly (Value | null)[],
    attributes: Readonly<Record<string, Attribute | undefined>>,
    shape: readonly number[],
    kind?: Kind,
    domain?: string,
  ): Value;
  /** A node of several outputs. */
  addMany(
    op: string,
    inputs: readonly (Value | null)[],
    attributes: Readonly<Record<string, Attribute | undefined>>,
    shapes: readonly (readonly number[])[],
    more?: { readonly kinds?: readonly Kind[]; readonly domain?: string },
  ): Value[];
}

/** An operator as it is drawn. Null where it does not fit the value that it is offered. */
export type Emit = (g: Builder, x: Value) => Value | null;

/** How an operator is drawn, and what it wants. */
export interface Drawn {
  readonly since?: number;
  /** Least and most axes of its input. */
  readonly ranks?: readonly [number, number];
  readonly kinds?: readonly Kind[];
  readonly emit: Emit;
}

export const product = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1);

export interface Draft extends Builder {
  model(outputs: readonly Value[]): ModelOf;
}

/** Start a model with one float input. */
export function draft(r: Random, opset: number, shape: readonly number[], free: boolean, extreme: boolean): Draft {
  const nodes: NodeOf[] = [];
  const tensors: Record<string, Tensor | TensorProto> = {};
  const values: Value[] = [{ name: "x", shape, kind: "float", varies: true }];
  const weights: Value[] = [];
  let next = 0;
  const fresh = () => `v${next++}`;
  const chance = (p: number) => r.uniform() < p;
  const pick = <T>(items: readonly T[]): T => items[r.integer(items.length)];
  const integer = (low: number, high: number) => low + r.integer(high - low + 1);
  const number = (): number => {
    const choice = r.uniform();
    if (choice < 0.75) return Math.fround(r.normal());
    if (choice < 0.95 || !extreme) return pick([0, 1, -1, 0.5, -0.5, 2, -3, 0.001, 10]);
    return pick([2 ** 50, -(2 ** 40), 1e-30, 1e-12, 2 ** 20, 3e4]);
  };
  const floats = (n: number) => Array.from({ length: n }, number);
  const keep = (value: Value) => {
    values.push(value);
    return value;
  };
  const constant = (kind: Kind, dims: readonly number[], data: readonly (number | bigint)[]): Value => {
    const name = fresh();
    const value = tensorOf(kind, dims, data);
    if (chance(0.2)) nodes.push({ op: "Constant", in: [], out: [name], attributes: { value } });
    else tensors[name] = value;
    return { name, shape: dims, kind, varies: false };
  };
  const node = (
    op: string,
    inputs: readonly (Value | null)[],
    attributes: Readonly<Record<string, Attribute | undefined>>,
    outputs: readonly string[],
    domain?: string,
  ) => {
    const names = inputs.map((v) => v?.name ?? "");
    while (names.length > 0 && names[names.length - 1] === "") names.pop();
    const known = Object.entries(attributes).filter((e): e is [string, Attribute] => e[1] !== undefined);
    nodes.push({
      op,
      in: names,
      out: outputs,
      attributes: Object.fromEntries(known),
      ...(domain === undefined ? {} : { domain }),
    });
    return inputs.some((v) => v?.varies);
  };
  return {
    r,
    opset,
    free,
    values,
    extreme,
    integer,
    chance,
    pick,
    number,
    floats,
    constant,
    weights(dims) {
      const shared = weights.filter((w) => w.shape.join() === dims.join());
      if (shared.length > 0 && chance(0.25)) return pick(shared);
      const made = constant("float", dims, floats(product(dims)));
      weights.push(made);
      return made;
    },
    raw(dataType, dims, bytes) {
      const name = fresh();
      tensors[name] = create(TensorProtoSchema, { dataType, dims: dims.map(BigInt), rawData: bytes });
      return { name, shape: dims, kind: "float", varies: false };
    },
    ints: (data) => constant("int64", [data.length], data),
    axis: (axis, rank, since = 11) => (opset >= since && chance(0.3) ? axis - rank : axis),
    partner(x) {
      const others = values.filter(
        (v) => v !== x && v.kind === x.kind && v.varies && v.shape.join() === x.shape.join(),
      );
      return others.length > 0 ? pick(others) : x;
    },
    add(op, inputs, attributes, dims, kind = "float", domain) {
      const name = fresh();
      const varies = node(op, inputs, attributes, [name], domain);
      return keep({ name, shape: dims, kind, varies });
    },
    addMany(op, inputs, attributes, shapes, { kinds = [], domain } = {}) {
      const names = shapes.map(fresh);
      const varies = node(op, inputs, attributes, names, domain);
      return shapes.map((dims, i) => keep({ name: names[i], shape: dims, kind: kinds[i] ?? "float", varies }));
    },
    model: (outputs) => ({
      opset,
      inputs: { x: free ? ["batch", ...shape.slice(1)] : shape },
      nodes,
      outputs: outputs.map((v) => v.name),
      tensors,
      domains: Object.fromEntries(
        Object.entries({ "com.microsoft": 1, "ai.onnx.ml": 3 }).filter(([domain]) =>
          nodes.some((n) => n.domain === domain),
        ),
      ),
    }),
  };
}

/** A tensor of drawn numbers; int64 takes bigints as they are. */
function tensorOf(kind: Kind, dims: readonly number[], data: readonly (number | bigint)[]): Tensor {
  if (kind === "int64")
    return tensor(
      BigInt64Array.from(data, (v) => BigInt(v)),
      dims,
      "int64",
    );
  return tensor(data.map(Number), dims, kind === "float" ? "float32" : kind);
}
