/** @file Which output of a model decides: its scores, where there are labels beside them, and the numbers of a list of maps. */
import { must } from "../refusal.ts";
import type { OnnxNode } from "./onnx.ts";
import { endOf, type ValueInfo, valueInfoOf } from "./valueInfo.ts";

/** An output; the shape of one that is given as maps is not declared. */
export type Output = Pick<ValueInfo, "name" | "bits"> & { readonly shape: ValueInfo["shape"] | null };

/**
 * The outputs without labels beside scores, the nodes that lead to them, and those that only lead to labels, of which nothing is said. A node that leads
 * to nothing at all is kept, and found out later.
 */
export function decisive(
  nodes: readonly OnnxNode[],
  ends: readonly Uint8Array[],
): { readonly kept: readonly OnnxNode[]; readonly left: readonly OnnxNode[]; readonly outputs: readonly Output[] } {
  const maps = new Map(nodes.filter((n) => n.operator === "ai.onnx.ml.ZipMap").map((n) => [n.outputs[0], n]));
  const scores: Output[] = [];
  const labels: string[] = [];
  for (const bytes of ends) {
    const { name, kind } = endOf(bytes);
    const map = kind === "other" ? maps.get(name) : undefined;
    if (map) scores.push({ name: map.inputs[0], shape: null });
    else if (kind === "labels" && ends.length > 1) labels.push(name);
    else {
      const port = valueInfoOf(bytes);
      must(port.type === "float", () => `the output "${name}": it must be of floating-point numbers`);
      scores.push(port);
    }
  }
  const zips = [...maps.values()].filter((map) => ends.some((bytes) => endOf(bytes).name === map.outputs[0]));
  const toScores = leadingTo(
    nodes,
    scores.map(({ name }) => name),
  );
  const toLabels = leadingTo(nodes, labels);
  const left = nodes.filter((n) => zips.includes(n) || (toLabels.has(n) && !toScores.has(n)));
  const own = new Set(nodes.filter((n) => !left.includes(n)).flatMap((n) => n.outputs));
  for (const name of left.flatMap((n) => n.outputs))
    must(!own.has(name), () => `the model: the tensor "${name}" is there already`);
  return { kept: nodes.filter((n) => !left.includes(n)), left, outputs: scores };
}

// --- internal ---

/** The nodes that tensors are made by. */
function leadingTo(nodes: readonly OnnxNode[], tensors: readonly string[]): ReadonlySet<OnnxNode> {
  const makers = new Map(nodes.flatMap((node) => node.outputs.map((out) => [out, node] as const)));
  const found = new Set<OnnxNode>();
  const stack = [...tensors];
  for (let name = stack.pop(); name !== undefined; name = stack.pop()) {
    const node = makers.get(name);
    if (!node || found.has(node)) continue;
    found.add(node);
    stack.push(...node.inputs);
  }
  return found;
}
