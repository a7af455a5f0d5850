/** @file What keeps the order of the outputs at the end of a model: a softmax, its logarithm, a sigmoid, a division by a sum or a length. The model decides by what goes in. */

import { must } from "../refusal.ts";
import { naming } from "./arguments.ts";
import type { OnnxGraph, OnnxNode } from "./onnx.ts";
import { count } from "./step.ts";

export interface Tail {
  /** The tensor that decides: the output itself, where nothing follows it. */
  readonly logits: string;
  /** From the output back. */
  readonly nodes: ReadonlySet<OnnxNode>;
  /** Are the outputs under another shape than the logits? */
  readonly reshaped: boolean;
}

/** The tail of the only output of a model; views of it belong to it where something that keeps the order is before them. */
export function tailOf({ nodes, outputs: [end] }: OnnxGraph): Tail {
  const maker = new Map(nodes.map((node) => [node.outputs[0], node]));
  const views: OnnxNode[] = [];
  let at = maker.get(end.name);
  for (; at !== undefined && VIEWS.includes(at.operator); at = maker.get(at.inputs[0])) views.push(at);
  const kept: OnnxNode[] = [];
  for (; at !== undefined && KEEPS.includes(at.operator); at = maker.get(at.inputs[0])) kept.push(at);
  const last = kept.at(-1);
  if (last === undefined) return { logits: end.name, nodes: new Set(), reshaped: false };
  return { logits: last.inputs[0], nodes: new Set([...views, ...kept]), reshaped: views.length > 0 };
}

/** Refuse a softmax that is not over all outputs of a sample: across others it keeps no order, and of one it is 1. */
export function checkTail({ nodes }: Tail, shape: readonly number[], opset: number): void {
  for (const node of nodes) {
    if (node.operator === SCALES) {
      const norm = node.attributes.get("norm");
      must(norm === "L1" || norm === "L2", () => `${naming(node)}: by ${String(norm)} it may turn the order round`);
      must(
        shape.length === 2 && shape[0] === 1,
        () => `${naming(node)}: at the end of a model it must be over all outputs, got [${shape}]`,
      );
    }
    if (!SOFT.includes(node.operator)) continue;
    const told = node.attributes.get("axis") ?? (opset < 13 ? 1 : -1);
    const axis = Number(told) < 0 ? Number(told) + shape.length : Number(told);
    // Before operator set 13 the axes from this one on were one.
    const over = opset < 13 ? count(shape.slice(axis)) : shape[axis];
    const rule = "at the end of a model it must be over all outputs";
    must(
      Number.isInteger(axis) && over === count(shape),
      () => `${naming(node)}: ${rule}, got axis ${told} of [${shape}]`,
    );
    must(over > 1, () => `${naming(node)}: of one output it is 1 whatever that is, and nothing is decided`);
  }
}

// --- internal ---

const SOFT = ["Softmax", "LogSoftmax"];
/** Rows over their sum of sizes or their length, which is above 0 or changes nothing. */
const SCALES = "ai.onnx.ml.Normalizer";
const KEEPS = [...SOFT, "Sigmoid", SCALES];
const VIEWS = ["Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze"];
