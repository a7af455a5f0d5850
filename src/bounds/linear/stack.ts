/**
 * @file The graph of one sample as a graph of many, stacked along the first axis: also where a model fixes its batch to 1 and reshapes to it. What
 * is made is held against the graph of one sample, node by node.
 */
import type { Flow } from "../../graph/behaviour.ts";
import { apply, type Node } from "../../graph/graph.ts";
import { input } from "../../graph/leaf.ts";
import { broadcastTo } from "../../ops/broadcast.ts";
import { ShapeError, UsageError } from "../../tensor/errors.ts";
import { random } from "../../tensor/random.ts";
import { type Shape, sizeOf } from "../../tensor/shape.ts";
import type { NodeNorms } from "../norm/node.ts";

/** The varying nodes of a flow for `rows` samples, each with `rows` times its first axis; null where an op does not go along. */
export function stacked(flow: Flow, name: string, rows: number): readonly Node[] | null {
  const made = new Map<Node, Node>();
  for (const node of flow.varying) {
    if (node.shape.length === 0) return null;
    const shape = scaled(node.shape, rows);
    const own = node === flow.input ? input(name, shape, node.dtype) : stackedNode(node, flow, made, rows, shape);
    if (!own) return null;
    made.set(node, own);
  }
  return flow.varying.map((node) => made.get(node) as Node);
}

/**
 * Does every node of `many`, the graph for two samples, compute for each sample what the graph of one does? Each op is asked at random numbers: a
 * linear map (of one input, or of each of two factors) that agrees there would have to do so by accident if it were another one.
 */
export function agreesWith(flow: Flow, norms: NodeNorms, many: readonly Node[], rows: number): boolean {
  const place = new Map(flow.varying.map((node, i) => [node, i]));
  const source = random(17);
  return flow.varying.every((node, i) => {
    if (node === flow.input) return true;
    const drawn = node.inputs.map((x) =>
      place.has(x) ? Float64Array.from({ length: rows * sizeOf(x.shape) }, () => 0.5 + source.uniform()) : null,
    );
    const whole = many[i].op.evaluate(
      many[i],
      many[i].inputs.map((x, k) => drawn[k] ?? norms.fixed(x).data),
    );
    const n = sizeOf(node.shape);
    if (whole.length !== rows * n) return false;
    return Array.from({ length: rows }, (_, r) => r).every((r) => {
      const own = node.op.evaluate(
        node,
        node.inputs.map(
          (x, k) => drawn[k]?.slice(r * sizeOf(x.shape), (r + 1) * sizeOf(x.shape)) ?? norms.fixed(x).data,
        ),
      );
      return own.every((v, j) => Math.abs(v - whole[r * n + j]) <= 1e-9 * (1 + Math.abs(v)));
    });
  });
}

// --- internal ---

const scaled = (shape: Shape, rows: number): Shape => [rows * shape[0], ...shape.slice(1)];

function stackedNode(node: Node, flow: Flow, made: ReadonlyMap<Node, Node>, rows: number, shape: Shape): Node | null {
  const attrs = node.attrs as Readonly<Record<string, unknown>> | null;
  const widened =
    attrs && typeof attrs === "object" && Array.isArray(attrs.shape)
      ? { ...attrs, shape: scaled(attrs.shape, rows) }
      : null;
  const stretch = (x: Node) => {
    if (flow.varies.has(x)) return made.get(x) as Node;
    return x.shape.length === node.shape.length && x.shape[0] === 1 ? broadcastTo(x, [rows, ...x.shape.slice(1)]) : x;
  };
  const kept = (x: Node) => made.get(x) ?? x;
  for (const inputs of [node.inputs.map(kept), node.inputs.map(stretch)]) {
    for (const own of widened ? [widened, attrs] : [attrs]) {
      const found = attempt(() => apply(node.op, inputs, own));
      if (found && found.shape.length === shape.length && found.shape.every((d, i) => d === shape[i])) return found;
    }
  }
  return null;
}

function attempt(make: () => Node): Node | null {
  try {
    return make();
  } catch (cause) {
    if (cause instanceof ShapeError || cause instanceof UsageError || cause instanceof RangeError) return null;
    throw cause;
  }
}
