/** @file Functions that a model brings along, put in the place of their calls, so that only operators are left. */
import { ReadError } from "../tensor/errors.ts";
import { altered, renamed } from "./naming.ts";
import type { AttributeProto, FunctionProto, ModelProto, NodeProto } from "./proto.ts";

/** The nodes of a model's graph without calls of its functions. */
export function inlined(model: ModelProto): readonly NodeProto[] {
  const nodes = model.graph?.node ?? [];
  if (model.functions.length === 0) return nodes;
  const functions = new Map(model.functions.map((f) => [keyOf(f.domain, f.name), f]));
  checkVersions(model);
  let calls = 0;
  let size = nodes.length;
  const expand = (node: NodeProto, open: readonly FunctionProto[]): readonly NodeProto[] => {
    const body = functions.get(keyOf(node.domain, node.opType));
    if (!body) return [node];
    if (open.includes(body)) throw new ReadError(`the function "${body.name}" calls itself`);
    size += body.node.length;
    if (size > nodesAtMost) throw new ReadError(`its functions make more than ${nodesAtMost} nodes`);
    return bodyOf(body, node, ++calls).flatMap((n) => expand(n, [...open, body]));
  };
  return nodes.flatMap((node) => expand(node, []));
}

// --- internal ---

const nodesAtMost = 2 ** 17;

const keyOf = (domain: string, name: string): string => JSON.stringify([domain === "ai.onnx" ? "" : domain, name]);

/** An operator means the same inside and outside: the sets that a function names are those of the model. */
function checkVersions(model: ModelProto): void {
  const own = new Map(model.opsetImport.map((o) => [o.domain, o.version]));
  for (const { name, opsetImport } of model.functions) {
    const other = opsetImport.find(({ domain, version }) => own.has(domain) && own.get(domain) !== version);
    if (other)
      throw new ReadError(`the function "${name}" is of opset ${other.version}, the model of ${own.get(other.domain)}`);
  }
}

/** The nodes of one call: inputs and outputs by the names they have there, everything else by names of its own. */
function bodyOf(body: FunctionProto, call: NodeProto, number: number): readonly NodeProto[] {
  const names = new Map<string, string>();
  body.input.forEach((name, i) => {
    names.set(name, call.input[i] ?? "");
  });
  body.output.forEach((name, i) => {
    if (call.output[i]) names.set(name, call.output[i]);
  });
  const to = (name: string) => (name === "" ? "" : (names.get(name) ?? `${call.name || body.name}(${number})/${name}`));
  const given = new Map([...body.attributeProto, ...call.attribute].map((a) => [a.name, a]));
  return body.node.map((node) => {
    const attribute = node.attribute.flatMap((a): AttributeProto[] => {
      if (a.refAttrName === "") return [a];
      const value = given.get(a.refAttrName);
      return value ? [altered(value, { name: a.name })] : [];
    });
    const inner = renamed(altered(node, { attribute }), to);
    return altered(inner, { name: inner.name && `${call.name || body.name}/${inner.name}` });
  });
}
