/** @file What a network decides by: the logits before a softmax, a sigmoid, a position of the largest and whatever becomes of that position. Decisions are the same, but a constant of the logits is not cut by the slope of what follows. */
import { evaluate } from "../engine/reference.ts";
import type { Node } from "../graph/graph.ts";
import { constant, input, isConstant } from "../graph/leaf.ts";
import type { Network } from "../graph/network.ts";
import { substitute } from "../graph/rewrite.ts";
import { broadcastTo, isBroadcast } from "../ops/broadcast.ts";
import { gather } from "../ops/gather.ts";
import { matmul } from "../ops/matmul.ts";
import { reshape } from "../ops/movement.ts";
import { UsageError } from "../tensor/errors.ts";
import { printable } from "../tensor/printable.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import { cast, isFloat, tensor, toFloat64 } from "../tensor/tensor.ts";

export interface DecisionOptions {
  /** Whether one output becomes (0, f). Default: true. */
  readonly sign?: boolean;
}

/**
 * The network whose largest output is the class that `network` decides for samples of a shape: in exact arithmetic the same class for every input.
 *
 * - Softmax and LogSoftmax over the classes keep the order of their inputs, and so does Sigmoid, element by element: they are left out.
 * - A division of all numbers of a sample by one that is above 0 (what sums of probabilities are brought to 1 by) keeps it too.
 * - ArgMax over the classes, and what is computed of its result (the names of labels), say no more than its input. Where a label is given, it decides, and nothing else;
 *   where labels are the numbers of the classes in another order, the logits stand in the order of the labels.
 * - One output a sample, f, decides by its sign: it becomes (0, f), so that a decision lasts for |f| / L.
 *
 * The network itself where nothing of that is there. Outputs that are no logits and no function of them stay.
 */
export function decisionNetwork(network: Network, sample: Shape, { sign = true }: DecisionOptions = {}): Network {
  const [port, ...others] = network.inputs;
  if (port === undefined || others.length > 0 || port.shape.slice(1).some((d) => typeof d === "string")) return network;
  const decided = (inputs: readonly Node[]) => {
    const outputs = network.build(inputs);
    const rows = sizeOf(inputs[0].shape) / sizeOf(sample);
    // Samples that do not fit are somebody else's to refuse.
    if (!Number.isInteger(rows)) return { outputs, logits: outputs };
    const all = (some: readonly Node[]) => [...new Set(some.flatMap((y) => logitsOf(y, inputs[0], rows)))];
    const labels = all(outputs.filter((y) => !isFloat(y.dtype)));
    const found = labels.length === 1 ? labels : all(outputs);
    // Nor is what decides nothing.
    if (found.length === 0) return { outputs, logits: outputs };
    return {
      outputs,
      logits: found.map((z) => (sign && found.length === 1 && sizeOf(z.shape) === rows ? bySign(z, rows) : z)),
    };
  };
  const one = port.shape.map((d) => (typeof d === "number" ? d : 1));
  const { outputs, logits } = decided([input(port.name, one, port.dtype)]);
  if (logits.length === outputs.length && logits.every((z, i) => z === outputs[i])) return network;
  return {
    ...network,
    outputs: logits.map((_, i) => (logits.length === 1 ? "logits" : `logits ${i}`)),
    build: (inputs) => decided(inputs).logits,
  };
}

/** Does a network decide by its outputs themselves, or by the sign of its only one? Then a constant of those is one of what decides (`decisionNetwork`). */
export const decidesByOutputs = (network: Network, sample: Shape): boolean =>
  decisionNetwork(network, sample, { sign: false }) === network;

/** The same, and a decision is one output: UsageError where there are several and none of them says the label. */
export function decidingNetwork(network: Network, sample: Shape): Network {
  const decides = decisionNetwork(network, sample);
  if (decides.outputs.length > 1) {
    const got = network.outputs.map((name) => `"${printable(name)}"`).join(", ");
    throw new UsageError(
      `${network.name}: a decision needs one output, got ${got}; keep the one that decides in the file`,
    );
  }
  return decides;
}

// --- internal ---

/** The node that decides: behind the tail of an output; none for a number that no decision hangs on. */
function logitsOf(y: Node, x: Node, rows: number): readonly Node[] {
  const chosen = [...positions(y, x, rows)].map((place) => {
    const z = withoutTail(place.inputs[0], rows);
    const order = isFloat(y.dtype) ? null : orderOf(y, place);
    return order ? gather(z, constant(tensor(BigInt64Array.from(order), [order.length], "int64")), axisOf(place)) : z;
  });
  return chosen.length > 0 || !isFloat(y.dtype) ? chosen : [withoutTail(y, rows)];
}

/** Of each label 0, 1, ... its place among the classes, where a node `y` gives the labels in another order than that; null otherwise. */
function orderOf(y: Node, place: Node): readonly bigint[] | null {
  const classes = place.inputs[0].shape[axisOf(place)];
  if (classes > mostLabels) return null;
  const order = new Array<bigint>(classes).fill(-1n);
  for (let k = 0; k < classes; k++) {
    const at = broadcastTo(constant(tensor(BigInt64Array.of(BigInt(k)), [], "int64")), place.shape);
    const [named] = substitute([y], new Map([[place, at]]));
    const label = toFloat64(evaluate({ named }, {}).named)[0];
    if (!(label >= 0 && label < classes) || !Number.isInteger(label) || order[label] !== -1n) return null;
    order[label] = BigInt(k);
  }
  return order.every((k, label) => k === BigInt(label)) ? null : order;
}

/** Classes of which each is asked what its label is. */
const mostLabels = 1024;

/** The ArgMax over classes, where a node depends on the input through ArgMax alone; none otherwise. */
function positions(y: Node, x: Node, rows: number): ReadonlySet<Node> {
  const found = new Set<Node>();
  const seen = new Set<Node>();
  const stack = [y];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    if (node.op.name === "ArgMax" && overClasses(node.inputs[0].shape, axisOf(node), rows)) found.add(node);
    else if (node === x) return new Set();
    else stack.push(...node.inputs);
  }
  return found;
}

/** Through what keeps the order of the numbers of a sample; views count only where such an op is before them. */
function withoutTail(y: Node, rows: number): Node {
  let logits = y;
  for (let node = y; ; node = node.inputs[0]) {
    const { name } = node.op;
    const soft = name === "Softmax" || name === "LogSoftmax";
    if (node.op.computes === "quotient" && sizeOf(node.shape) % rows === 0 && isPositiveForAll(node.inputs[1], rows)) {
      logits = node.inputs[0];
    } else if (name === "Sigmoid" || (soft && overClasses(node.shape, axisOf(node), rows))) logits = node.inputs[0];
    else if (name !== "Reshape") return logits;
  }
}

/** Is a node the same number above 0 for all numbers of a sample? */
function isPositiveForAll(node: Node, rows: number): boolean {
  const one = isBroadcast(node) ? node.inputs[0] : node;
  return one.shape[0] === rows && sizeOf(one.shape) === rows && isPositive(one);
}

/** Is every number of a node certainly above 0? Of what this program builds of exports. */
function isPositive(node: Node): boolean {
  const { op, inputs } = node;
  if (op.computes === "sigmoid" || op.computes === "softmax") return true;
  if (op.computes === "larger") return inputs.some((i) => isPositiveConstant(isBroadcast(i) ? i.inputs[0] : i));
  return (op.order === "adds" || op.order === "moves") && inputs.length > 0 && sizeOf(node.shape) > 0
    ? !addsZeros(node) && inputs.every(isPositive)
    : false;
}

/** Does an op put zeros in, as padding does? Sums, views, slices and concatenations do not. */
const addsZeros = ({ op }: Node): boolean =>
  !/^(ReduceSum|ReduceMean|Reshape|Slice|Concat|Expand|Transpose)$/.test(op.name);

const isPositiveConstant = (node: Node): boolean => isConstant(node) && toFloat64(node.attrs).every((v) => v > 0);

const axisOf = ({ attrs }: Node): number => (attrs as { readonly axis: number }).axis;

/** Does an axis hold all numbers of a sample, in the order of the classes, with the samples before it? Of one number a softmax is 1 and its position 0, whatever it is. */
const overClasses = (shape: Shape, axis: number, rows: number): boolean =>
  sizeOf(shape.slice(0, axis)) === rows && sizeOf(shape.slice(axis + 1)) === 1 && shape[axis] > 1;

/** (0, z) for each sample. */
function bySign(z: Node, rows: number): Node {
  return matmul(reshape(z, [rows, 1]), constant(cast(tensor(Float32Array.of(0, 1), [1, 2]), z.dtype)));
}
