/** @file Open a model: read it, and say what its graph is. */
import { input, modelHash, type Node, originOf, parseOnnx } from "lipschitz";
import { modelOf } from "../desk.ts";
import type { GraphNode } from "../protocol.ts";
import type { JobOf } from "../worker.ts";

/** What a network may need by its shapes: a small file can ask for all there is. */
const memory = 1.5e9;

export const openJob: JobOf<"open"> = async (desk, { name, bytes }) => {
  const network = parseOnnx(bytes, { name, memory });
  desk.model = { name, bytes, sha256: await modelHash(bytes), network };
  const { inputs, outputs } = modelOf(desk).network;
  const [port] = inputs;
  const size = port.shape.reduce<number>((n, d) => (typeof d === "number" ? n * d : n), 1);
  return { name, sha256: desk.model.sha256, inputs: [...inputs], outputs: [...outputs], size, nodes: graphOf(network) };
};

// --- internal ---

/** The nodes that the input reaches, inputs before readers, by the names that layers of a bracket have. */
function graphOf({ inputs, build }: ReturnType<typeof modelOf>["network"]): GraphNode[] {
  const fed = inputs.map((port) =>
    input(
      port.name,
      port.shape.map((d) => (typeof d === "number" ? d : 1)),
      port.dtype,
    ),
  );
  const place = new Map<Node, number>();
  const nodes: GraphNode[] = [];
  const counts = new Map<string, number>();
  const reached = new Map<Node, boolean>();
  const reaches = (node: Node): boolean => {
    const known = reached.get(node);
    if (known !== undefined) return known;
    const found = fed.includes(node as (typeof fed)[number]) || node.inputs.map(reaches).some(Boolean);
    reached.set(node, found);
    return found;
  };
  const add = (node: Node): void => {
    if (place.has(node) || !reaches(node)) return;
    for (const before of node.inputs) add(before);
    const origin = originOf(node);
    let label = origin?.name;
    if (label === undefined) {
      const count = (counts.get(node.op.name) ?? 0) + 1;
      counts.set(node.op.name, count);
      label = `${node.op.name} ${count}`;
    }
    // What one node of the file became is one node of the picture.
    const [before] = node.inputs.filter((own) => place.has(own));
    const at = origin && before && originOf(before)?.name === label ? place.get(before) : undefined;
    if (at !== undefined) {
      place.set(node, at);
      nodes[at] = { ...nodes[at], shape: [...node.shape] };
      return;
    }
    place.set(node, nodes.length);
    nodes.push({
      name: label,
      op: origin?.operator ?? node.op.name,
      shape: [...node.shape],
      from: node.inputs.flatMap((before) => place.get(before) ?? []),
    });
  };
  // Deep graphs are longer than the call stack: they have no picture.
  try {
    for (const output of build(fed)) add(output);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return [];
  }
  return nodes.length > 400 ? [] : nodes;
}
