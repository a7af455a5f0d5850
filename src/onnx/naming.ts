/** @file Values of a model under other names: what runs inside a graph must not meet what has its name outside. */
import type { GraphProto, NodeProto } from "./proto.ts";

/** A message with some of its fields put as others. What it does not say stands in its prototype, so that it is no plain record. */
export const altered = <T extends object>(message: T, changes: Partial<T>): T =>
  Object.assign(Object.create(Object.getPrototypeOf(message)), message, changes);

/** A node with every name in it that `to` knows put as another, in graphs of its own too. */
export function renamed(node: NodeProto, to: (name: string) => string): NodeProto {
  const graph = (g: GraphProto): GraphProto =>
    altered(g, {
      node: g.node.map((n) => renamed(n, to)),
      output: g.output.map((o) => altered(o, { name: to(o.name) })),
    });
  return altered(node, {
    input: node.input.map(to),
    output: node.output.map(to),
    attribute: node.attribute.map((a) => (a.g ? altered(a, { g: graph(a.g) }) : a)),
  });
}

/** A graph whose own values have names that start with `prefix`. */
export function inside(graph: GraphProto, prefix: string): GraphProto {
  const own = new Set([...graph.initializer.map((t) => t.name), ...graph.node.flatMap((n) => n.output)]);
  own.delete("");
  const to = (name: string) => (own.has(name) ? prefix + name : name);
  return altered(graph, {
    initializer: graph.initializer.map((t) => altered(t, { name: to(t.name) })),
    node: graph.node.map((n) => renamed(n, to)),
    output: graph.output.map((o) => altered(o, { name: to(o.name) })),
  });
}

/** What a node reads, and what graphs of its own read of what is around it. */
export function readsOf(node: NodeProto): readonly string[] {
  const graphs = node.attribute.flatMap((a) => (a.g ? [a.g] : []));
  if (graphs.length === 0) return node.input;
  return [...node.input, ...graphs.flatMap(capturedBy)];
}

// --- internal ---

function capturedBy(graph: GraphProto): readonly string[] {
  const made = [...graph.initializer, ...graph.input].map((v) => v.name);
  const own = new Set([...made, ...graph.node.flatMap((n) => n.output)]);
  const read = [...graph.node.flatMap(readsOf), ...graph.output.map((o) => o.name)];
  return read.filter((name) => name !== "" && !own.has(name));
}
