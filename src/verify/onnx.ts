/** @file An ONNX file as a list of nodes and constants, strictly: what this reader does not know it refuses, because what is not understood is not verified. */
import { must, Refusal } from "./refusal.ts";
import { bytesOf, type Field, fieldsOf, floatsOf, integersOf, numberOf, textOf } from "./wire.ts";

/** A constant. float32, float64 and int64 numbers are all exact as doubles here. */
export interface Constant {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

export type Attribute = number | string | readonly number[] | Constant;

export interface OnnxNode {
  readonly name: string;
  readonly operator: string;
  /** "" for an input that is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, Attribute>;
}

export interface Port {
  readonly name: string;
  /** A free dimension is a word, or null where it has no name. */
  readonly shape: readonly (number | string | null)[];
}

export interface OnnxGraph {
  readonly opset: number;
  readonly nodes: readonly OnnxNode[];
  readonly constants: ReadonlyMap<string, Constant>;
  /** Without those that are constants. */
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
}

/** Read the bytes of a model. */
export function readOnnx(bytes: Uint8Array): OnnxGraph {
  const model = fieldsOf(bytes);
  let graph: OnnxGraph | undefined;
  let opset: number | undefined;
  for (const field of model) {
    if (field.number === 7) {
      must(graph === undefined, () => "the model: it has two graphs");
      graph = graphOf(bytesOf(field));
    } else if (field.number === 8) {
      const { domain, version } = operatorSet(bytesOf(field));
      must(domain === "" || domain === "ai.onnx", () => `the model: the operators of "${domain}" are not known`);
      must(opset === undefined, () => "the model: it names its operator set twice");
      opset = version;
    } else {
      // Version, producer, names, documentation and metadata say nothing of the function.
      must([1, 2, 3, 4, 5, 6, 14].includes(field.number), () => `the model: field ${field.number} is not known`);
    }
  }
  must(graph !== undefined && opset !== undefined, () => "the model: it has no graph or no operator set");
  must(opset >= 9 && opset <= 22, () => `the model: operator sets 9 to 22 are known, got ${opset}`);
  return { ...graph, opset };
}

// --- internal ---

function operatorSet(bytes: Uint8Array): { readonly domain: string; readonly version: number } {
  let domain = "";
  let version = 0;
  for (const field of fieldsOf(bytes)) {
    if (field.number === 1) domain = textOf(field);
    else if (field.number === 2) version = numberOf(field);
    else unknown("an operator set", field);
  }
  return { domain, version };
}

function graphOf(bytes: Uint8Array): OnnxGraph {
  const nodes: OnnxNode[] = [];
  const constants = new Map<string, Constant>();
  const ports: Port[] = [];
  const outputs: Port[] = [];
  for (const field of fieldsOf(bytes)) {
    if (field.number === 1) nodes.push(nodeOf(bytesOf(field)));
    else if (field.number === 5) {
      const { name, constant } = tensorOf(bytesOf(field));
      must(name !== "" && !constants.has(name), () => `the model: two constants are named "${name}"`);
      constants.set(name, constant);
    } else if (field.number === 11) ports.push(portOf(bytesOf(field)));
    else if (field.number === 12) outputs.push(portOf(bytesOf(field)));
    else if (field.number !== 2 && field.number !== 10 && field.number !== 13 && field.number !== 16)
      unknown("a graph", field);
  }
  return { opset: 0, nodes, constants, inputs: ports.filter((p) => !constants.has(p.name)), outputs };
}

function nodeOf(bytes: Uint8Array): OnnxNode {
  let name = "";
  let operator = "";
  const inputs: string[] = [];
  const outputs: string[] = [];
  const attributes = new Map<string, Attribute>();
  for (const field of fieldsOf(bytes)) {
    if (field.number === 1) inputs.push(textOf(field));
    else if (field.number === 2) outputs.push(textOf(field));
    else if (field.number === 3) name = textOf(field);
    else if (field.number === 4) operator = textOf(field);
    else if (field.number === 5) {
      const { key, value } = attributeOf(bytesOf(field));
      must(!attributes.has(key), () => `node "${name}": the attribute ${key} is there twice`);
      attributes.set(key, value);
    } else if (field.number === 7) {
      const domain = textOf(field);
      must(domain === "" || domain === "ai.onnx", () => `node "${name}": the domain "${domain}" is not known`);
    } else if (field.number !== 6 && field.number !== 9) unknown(`node "${name}"`, field);
  }
  return { name, operator, inputs, outputs, attributes };
}

function attributeOf(bytes: Uint8Array): { readonly key: string; readonly value: Attribute } {
  let key = "";
  let kind = 0;
  const found = new Map<number, Attribute>();
  const append = (number: number, values: readonly number[]) => {
    found.set(number, [...((found.get(number) as readonly number[] | undefined) ?? []), ...values]);
  };
  for (const field of fieldsOf(bytes)) {
    if (field.number === 1) key = textOf(field);
    else if (field.number === 20) kind = numberOf(field);
    else if (field.number === 2) found.set(1, floatsOf(field)[0]);
    else if (field.number === 3) found.set(2, numberOf(field));
    else if (field.number === 4) found.set(3, textOf(field));
    else if (field.number === 5) found.set(4, tensorOf(bytesOf(field)).constant);
    else if (field.number === 7) append(6, floatsOf(field));
    else if (field.number === 8) append(7, integersOf(field));
    else if (field.number !== 13) unknown(`the attribute ${key}`, field);
  }
  must(found.size <= 1, () => `the attribute ${key}: it has two values`);
  const [[type, value] = [0, 0 as Attribute]] = [...found];
  // An empty list and a zero are written as nothing at all.
  const empty: Readonly<Record<number, Attribute>> = { 1: 0, 2: 0, 3: "", 6: [], 7: [] };
  if (found.size === 0) {
    must(kind in empty, () => `the attribute ${key}: it has no value`);
    return { key, value: empty[kind] };
  }
  must(kind === 0 || kind === type, () => `the attribute ${key}: it does not have the type that it says`);
  return { key, value };
}

function tensorOf(bytes: Uint8Array): { readonly name: string; readonly constant: Constant } {
  let name = "";
  let type = 0;
  const shape: number[] = [];
  let raw: Uint8Array | undefined;
  const listed: number[] = [];
  let list = 0;
  for (const field of fieldsOf(bytes)) {
    if (field.number === 1) shape.push(...integersOf(field));
    else if (field.number === 2) type = numberOf(field);
    else if (field.number === 4) {
      list = 1;
      for (const v of floatsOf(field)) listed.push(v);
    } else if (field.number === 7) {
      list = 7;
      for (const v of integersOf(field)) listed.push(v);
    } else if (field.number === 8) name = textOf(field);
    else if (field.number === 9) raw = bytesOf(field);
    else if (field.number !== 12) unknown(`the tensor "${name}"`, field);
  }
  const count = shape.reduce((n, d) => n * d, 1);
  must(
    shape.every((d) => d >= 0) && count < 2 ** 31,
    () => `the tensor "${name}": its shape [${shape}] is not possible`,
  );
  const width = widths[type];
  must(width !== undefined, () => `the tensor "${name}": only float32, float64 and int64 are known, got type ${type}`);
  if (raw === undefined) {
    must(list === type || count === 0, () => `the tensor "${name}": its numbers are not where its type says`);
  } else {
    must(listed.length === 0, () => `the tensor "${name}": its numbers are there twice`);
    must(raw.length === count * width, () => `the tensor "${name}": it must have ${count * width} bytes`);
  }
  const data = raw ? numbersOf(raw, type) : Float64Array.from(listed);
  must(data.length === count, () => `the tensor "${name}": it must hold ${count} numbers, got ${data.length}`);
  must(
    data.every((v) => Number.isFinite(v)),
    () => `the tensor "${name}": a number is not finite`,
  );
  return { name, constant: { shape, data } };
}

/** Bytes of a float32, an int64, a float64. */
const widths: Readonly<Record<number, number>> = { 1: 4, 7: 8, 11: 8 };

function numbersOf(raw: Uint8Array, type: number): Float64Array {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  return Float64Array.from({ length: raw.length / widths[type] }, (_, i) => {
    if (type === 1) return view.getFloat32(4 * i, true);
    if (type === 11) return view.getFloat64(8 * i, true);
    const whole = Number(view.getBigInt64(8 * i, true));
    must(Number.isSafeInteger(whole), () => `a tensor: ${whole} is too large`);
    return whole;
  });
}

function portOf(bytes: Uint8Array): Port {
  let name = "";
  let shape: Port["shape"] | undefined;
  for (const field of fieldsOf(bytes)) {
    if (field.number === 1) name = textOf(field);
    else if (field.number === 2) shape = tensorType(name, bytesOf(field));
    else if (field.number !== 3 && field.number !== 4) unknown(`the port "${name}"`, field);
  }
  must(shape !== undefined, () => `the port "${name}": it has no shape`);
  return { name, shape };
}

function tensorType(name: string, bytes: Uint8Array): Port["shape"] {
  const only = (fields: readonly Field[], number: number): Uint8Array | undefined => {
    for (const field of fields) if (field.number !== number) unknown(`the port "${name}"`, field);
    return fields.length === 1 ? bytesOf(fields[0]) : undefined;
  };
  const tensor = only(
    fieldsOf(bytes).filter((f) => f.number !== 6),
    1,
  );
  must(tensor !== undefined, () => `the port "${name}": it must be a tensor`);
  let shape: Port["shape"] | undefined;
  for (const field of fieldsOf(tensor)) {
    if (field.number === 1) {
      must(numberOf(field) === 1, () => `the port "${name}": it must be float32`);
    } else if (field.number === 2) {
      shape = fieldsOf(bytesOf(field)).map((dimension) => {
        if (dimension.number !== 1) unknown(`the port "${name}"`, dimension);
        return dimensionOf(name, bytesOf(dimension));
      });
    } else unknown(`the port "${name}"`, field);
  }
  must(shape !== undefined, () => `the port "${name}": it has no shape`);
  return shape;
}

function dimensionOf(name: string, bytes: Uint8Array): number | string | null {
  let value: number | string | null = null;
  for (const field of fieldsOf(bytes)) {
    if (field.number === 1) value = numberOf(field);
    else if (field.number === 2) value = textOf(field);
    else if (field.number !== 3) unknown(`the port "${name}"`, field);
  }
  return value;
}

function unknown(what: string, field: Field): never {
  throw new Refusal(`${what}: field ${field.number} is not known`);
}
