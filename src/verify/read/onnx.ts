/** @file An ONNX file as a list of nodes and constants, strictly: what this reader does not know it refuses, because what is not understood is not verified. */

import { must } from "../refusal.ts";
import { type Bits, type Constant, holdsWords, tensorName, tensorOf } from "./constant.ts";
import { decisive, type Output } from "./labels.ts";
import { bytesOf, fieldsOf, floatsOf, integersOf, numberOf, textOf, unknown } from "./protobuf.ts";
import { type ValueInfo, valueInfoOf } from "./valueInfo.ts";

export type Attribute = number | string | readonly number[] | readonly string[] | Constant;

export interface OnnxNode {
  readonly name: string;
  /** Its name; that of one of scikit-learn's operators with its domain, "ai.onnx.ml.Scaler". */
  readonly operator: string;
  /** "" for an input that is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, Attribute>;
}

export interface OnnxGraph {
  readonly opset: number;
  /** Of all floating-point numbers in it. */
  readonly bits: Bits;
  readonly nodes: readonly OnnxNode[];
  readonly constants: ReadonlyMap<string, Constant>;
  /** Without those that are constants. */
  readonly inputs: readonly ValueInfo[];
  /** Without labels beside scores. */
  readonly outputs: readonly Output[];
}

/** Read the bytes of a model. */
export function readOnnx(bytes: Uint8Array): OnnxGraph {
  const model = fieldsOf(bytes, [8, 14]);
  let graph: OnnxGraph | undefined;
  let opset: number | undefined;
  let learners = false;
  for (const field of model) {
    if (field.number === 7) {
      must(graph === undefined, () => "the model: it has two graphs");
      graph = graphOf(bytesOf(field));
    } else if (field.number === 8) {
      const { domain, version } = operatorSet(bytesOf(field));
      if (domain === "ai.onnx.ml") {
        must(!learners && version >= 1 && version <= 5, () => `the model: set ${version} of ${domain} is not known`);
        learners = true;
        continue;
      }
      must(domain === "" || domain === "ai.onnx", () => `the model: the operators of "${domain}" are not known`);
      must(
        opset === undefined || opset === version,
        () => "the model: it names its operator set twice, and not the same",
      );
      opset = version;
    } else {
      // Version, producer, names, documentation and metadata say nothing of the function.
      must([1, 2, 3, 4, 5, 6, 14].includes(field.number), () => `the model: field ${field.number} is not known`);
    }
  }
  must(graph !== undefined && opset !== undefined, () => "the model: it has no graph or no operator set");
  must(opset >= 7 && opset <= 26, () => `the model: operator sets 7 to 26 are known, got ${opset}`);
  must(
    learners || graph.nodes.every((node) => !node.operator.startsWith(learning)),
    () => `the model: it uses operators of ai.onnx.ml and does not name their set`,
  );
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
  const names = new Set<string>();
  const tensors: Uint8Array[] = [];
  const ports: ValueInfo[] = [];
  const ends: Uint8Array[] = [];
  for (const field of fieldsOf(bytes, [1, 5, 11, 12, 13, 16])) {
    if (field.number === 1) {
      const node = nodeOf(bytesOf(field));
      must(node.name === "" || !names.has(node.name), () => `the model: two nodes are named "${node.name}"`);
      names.add(node.name);
      nodes.push(node);
    } else if (field.number === 5) tensors.push(bytesOf(field));
    else if (field.number === 11) ports.push(valueInfoOf(bytesOf(field)));
    else if (field.number === 12) ends.push(bytesOf(field));
    // Name, documentation, what is said of tensors inside, metadata.
    else if (![2, 10, 13, 16].includes(field.number)) unknown("a graph", field);
  }
  const named = new Map(tensors.map((bytes) => [tensorName(bytes), bytes]));
  const { kept, left, outputs } = decisive(nodes, ends, (name) => {
    const bytes = named.get(name);
    return bytes && (holdsWords(bytes) ? "words" : tensorOf(bytes).constant);
  });
  const constants = constantsOf(tensors, kept, left);
  const inside = kept.flatMap((node) =>
    node.operator === "Cast" ? [] : [...node.attributes.values()].filter(isConstant),
  );
  const kinds = new Set([...ports, ...outputs, ...inside].flatMap(({ bits }) => bits ?? []));
  // A constant that is cast first may have another size than what is calculated with.
  const cast = new Set(kept.flatMap((node) => (node.operator === "Cast" ? node.inputs : [])));
  for (const [name, { bits }] of constants) if (bits && !cast.has(name)) kinds.add(bits);
  const [bits = 32, other] = kinds;
  must(other === undefined, () => `the model: its numbers must have one size, got float${bits} and float${other}`);
  return { opset: 0, bits, nodes: kept, constants, inputs: inputsOf(ports, constants), outputs };
}

/** Constants by their names; what only labels are made of is not looked at. */
function constantsOf(
  tensors: readonly Uint8Array[],
  kept: readonly OnnxNode[],
  left: readonly OnnxNode[],
): ReadonlyMap<string, Constant> {
  const [own, others] = [kept, left].map((nodes) => new Set(nodes.flatMap((node) => node.inputs)));
  const constants = new Map<string, Constant>();
  const names = new Set<string>();
  for (const bytes of tensors) {
    const name = tensorName(bytes);
    must(name !== "" && !names.has(name), () => `the model: two constants are named "${name}"`);
    names.add(name);
    if (others.has(name) && !own.has(name)) continue;
    constants.set(name, tensorOf(bytes).constant);
  }
  return constants;
}

/** The inputs that are not the old way of naming a constant, which must agree with the constant then. */
function inputsOf(ports: readonly ValueInfo[], constants: ReadonlyMap<string, Constant>): readonly ValueInfo[] {
  const own = ports.filter(({ name, shape, type }) => {
    const constant = constants.get(name);
    if (!constant) return true;
    must(
      type === constant.type && shape.join() === constant.shape.join(),
      () => `the input "${name}": a constant of another type or shape has its name`,
    );
    return false;
  });
  return own.map(floating);
}

const isConstant = (value: Attribute): value is Constant => typeof value === "object" && "data" in value;

function floating(port: ValueInfo): ValueInfo {
  must(port.type === "float", () => `the input "${port.name}": it must be of floating-point numbers`);
  return port;
}

/** What an operator of scikit-learn's is called here. */
const learning = "ai.onnx.ml.";

function nodeOf(bytes: Uint8Array): OnnxNode {
  let name = "";
  let operator = "";
  let domain = "";
  const inputs: string[] = [];
  const outputs: string[] = [];
  const attributes = new Map<string, Attribute>();
  for (const field of fieldsOf(bytes, [1, 2, 5, 9])) {
    if (field.number === 1) inputs.push(textOf(field));
    else if (field.number === 2) outputs.push(textOf(field));
    else if (field.number === 3) name = textOf(field);
    else if (field.number === 4) operator = textOf(field);
    else if (field.number === 5) {
      const { key, value } = attributeOf(bytesOf(field));
      must(!attributes.has(key), () => `node "${name}": the attribute ${key} is there twice`);
      attributes.set(key, value);
    } else if (field.number === 7) {
      domain = textOf(field);
      must(
        domain === "" || domain === "ai.onnx" || `${domain}.` === learning,
        () => `node "${name}": the domain "${domain}" is not known`,
      );
    } else if (field.number === 8)
      // Which of several functions of one name is called; of an operator there is one.
      must(textOf(field) === "", () => `node "${name}": it calls a function`);
    else if (field.number !== 6 && field.number !== 9) unknown(`node "${name}"`, field);
  }
  must(!operator.includes("."), () => `node "${name}": the operator "${operator}" is not known`);
  return { name, operator: `${domain}.` === learning ? learning + operator : operator, inputs, outputs, attributes };
}

function attributeOf(bytes: Uint8Array): { readonly key: string; readonly value: Attribute } {
  let key = "";
  let kind = 0;
  const found = new Map<number, Attribute>();
  const append = (number: number, values: readonly (number | string)[]) => {
    found.set(number, [
      ...((found.get(number) as readonly number[] | undefined) ?? []),
      ...values,
    ] as readonly number[]);
  };
  for (const field of fieldsOf(bytes, [7, 8, 9])) {
    if (field.number === 1) key = textOf(field);
    else if (field.number === 20) kind = numberOf(field);
    else if (field.number === 2) found.set(1, floatsOf(field)[0]);
    else if (field.number === 3) found.set(2, numberOf(field));
    else if (field.number === 4) found.set(3, textOf(field));
    else if (field.number === 5) found.set(4, tensorOf(bytesOf(field)).constant);
    else if (field.number === 7) append(6, floatsOf(field));
    else if (field.number === 8) append(7, integersOf(field));
    else if (field.number === 9) append(8, [textOf(field)]);
    else if (field.number !== 13) unknown(`the attribute ${key}`, field);
  }
  must(found.size <= 1, () => `the attribute ${key}: it has two values`);
  const [[type, value] = [0, 0 as Attribute]] = [...found];
  // An empty list and a zero are written as nothing at all.
  const empty: Readonly<Record<number, Attribute>> = { 1: 0, 2: 0, 3: "", 6: [], 7: [], 8: [] };
  if (found.size === 0) {
    must(kind in empty, () => `the attribute ${key}: it has no value`);
    return { key, value: empty[kind] };
  }
  must(kind === type, () => `the attribute ${key}: it does not have the type that it says`);
  return { key, value };
}
