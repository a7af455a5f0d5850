/**
 * @file Convolutions that wrap around, before the chain that a network ends in: found in the graph, proved frequency by frequency, and
 * replaced by one square matrix at the head of that chain. Nothing is taken from names: where pixels go is read off numbers that go through.
 */
import type { Flow } from "../../graph/behaviour.ts";
import type { Node } from "../../graph/graph.ts";
import { scaleUp, sqrtUp } from "../../linalg/rounding.ts";
import { sizeOf } from "../../tensor/shape.ts";
import type { Chain } from "../chain.ts";
import type { NodeNorms } from "../norm/node.ts";
import { timesUp } from "../norm/region.ts";
import { type CircularStage, circularProof } from "./circular.ts";
import { formOf, multipliersOfForm } from "./form.ts";
import { normProduct } from "./frobenius.ts";
import type { Multipliers } from "./matrix.ts";
import { settle } from "./proof.ts";

/** A chain with a constant before it: together they bound the network. */
export interface ReducedChain {
  readonly chain: Chain;
  readonly before: number;
}

/**
 * The stages from the input of a flow to a node; null where anything else than wrapped convolutions, added constants and
 * activations with slopes in [0, 1] stands between them.
 */
export function circularStages(flow: Flow, from: Node, norms: NodeNorms): readonly CircularStage[] | null {
  const stages: CircularStage[] = [];
  let node = from;
  while (node !== flow.input) {
    const before = activated(flow, node);
    const found = before && wrappedConvolution(flow, unshifted(flow, before), norms);
    if (!found) return null;
    stages.unshift(found.stage);
    node = found.source;
  }
  return stages;
}

/** The chain behind wrapped convolutions with the proof of these in it, by multipliers of both; null where they prove nothing. */
export function reducedChain(
  stages: readonly CircularStage[],
  chain: Chain,
  lists: readonly (readonly number[])[],
): ReducedChain | null {
  const own = stages.map(({ channels }, i) =>
    Float64Array.from({ length: channels }, (_, c) => (lists[i].length === 1 ? lists[i][0] : (lists[i][c] ?? 0))),
  );
  const [first, ...rest] = chain.affine;
  const L = stages.length + chain.activations.length;
  for (const e of [1e-7, 1e-6, 1e-5, 1e-4]) {
    // As in `settle`: what earlier blocks have over makes up for rounded weights.
    const moved = own.map((lambda, i) => lambda.map((l) => (l * (1 + (L - i) * e)) / (1 + (L + 1) * e)));
    const proof = circularProof(stages, moved, first.weight);
    if (proof) {
      return { chain: { ...chain, affine: [{ ...first, weight: proof.C }, ...rest] }, before: proof.length };
    }
  }
  return null;
}

/** What multipliers prove. */
export interface Found {
  readonly reduced: ReducedChain;
  /** Of the channels of each stage, then of the neurons of the chain behind. */
  readonly multipliers: Multipliers;
  /** The constant of the network. */
  readonly value: number;
}

/** What multipliers of channels, then of neurons, prove; null for nothing. */
export function provedBy(stages: readonly CircularStage[], chain: Chain, multipliers: Multipliers): Found | null {
  const lists = multipliers.map((list) => Array.from(list));
  const reduced = reducedChain(stages, chain, lists);
  const form = reduced && formOf(reduced.chain);
  if (!reduced || !form) return null;
  if (form.sectors.length === 0) {
    return { reduced, multipliers, value: timesUp(reduced.before, normProduct(reduced.chain).value) };
  }
  const proof = settle(form, multipliersOfForm(form, multipliers.slice(stages.length)));
  if (!proof) return null;
  return { reduced, multipliers, value: timesUp(reduced.before, scaleUp(sqrtUp(proof.r), form.exponent)) };
}

/** A convolution whose kernel is as large as the image, and that reads the image as if it went on where it ends. */
export function wrappedConvolution(
  flow: Flow,
  node: Node,
  norms: NodeNorms,
): { readonly stage: CircularStage; readonly source: Node } | null {
  const varies = node.inputs.map((x) => flow.varies.has(x));
  const behaviour = node.op.behaviour(node, varies);
  if (behaviour.kind !== "linear" || behaviour.of.form !== "convolution") return null;
  const { direction, kernel, strides, pads, dilations, groups } = behaviour.of;
  const plain =
    groups === 1 && pads.every((p) => p === 0) && dilations.every((d) => d === 1) && strides[0] === strides[1];
  const held = norms.fixed(kernel);
  if (direction !== "forward" || !plain || kernel.shape.length !== 4 || held.error !== 0) return null;
  const [channels, inputs, height, width] = kernel.shape;
  const [stride] = strides;
  const source = sourceOf(flow, node.inputs[varies.indexOf(true)]);
  const fits =
    source.shape.join() === [1, inputs, height, width].join() && height % stride === 0 && width % stride === 0;
  if (!fits || !wraps(node.inputs[varies.indexOf(true)], source, flow, stride)) return null;
  return { stage: { kernel: held.data, channels, inputs, height, width, stride }, source };
}

/** What an activation reads, if its slopes are in [0, 1]. */
export function activated(flow: Flow, node: Node): Node | null {
  const varies = node.inputs.map((x) => flow.varies.has(x));
  const behaviour = node.op.behaviour(node, varies);
  if (behaviour.kind !== "pointwise" || varies.filter(Boolean).length !== 1) return null;
  const [low, high] = behaviour.slope;
  return low >= 0 && high <= 1 ? node.inputs[varies.indexOf(true)] : null;
}

// --- internal ---

/** The node before constants that are added. */
function unshifted(flow: Flow, node: Node): Node {
  const varying = node.inputs.filter((x) => flow.varies.has(x));
  return node.op.name === "Add" && varying.length === 1 ? unshifted(flow, varying[0]) : node;
}

const movers = new Set(["Concat", "Slice"]);

/** Where the moving of pixels begins. */
function sourceOf(flow: Flow, node: Node): Node {
  const varying = node.inputs.filter((x) => flow.varies.has(x));
  return movers.has(node.op.name) && node !== flow.input ? sourceOf(flow, varying[0]) : node;
}

/** Is every pixel (y, x) of a moved image the pixel (y mod height, x mod width) of the source? */
function wraps(moved: Node, source: Node, flow: Flow, stride: number): boolean {
  const [, channels, height, width] = source.shape;
  const [rows, columns] = [2 * height - stride, 2 * width - stride];
  if (moved.shape.join() !== [1, channels, rows, columns].join()) return false;
  const values = new Map<Node, Float64Array>([
    [source, Float64Array.from({ length: sizeOf(source.shape) }, (_, i) => i + 1)],
  ]);
  const value = (node: Node): Float64Array | null => {
    const known = values.get(node);
    if (known) return known;
    if (!movers.has(node.op.name) || !node.inputs.every((x) => flow.varies.has(x))) return null;
    const inputs = node.inputs.map(value);
    if (inputs.some((x) => x === null)) return null;
    const made = node.op.evaluate(node, inputs as readonly Float64Array[]);
    values.set(node, made);
    return made;
  };
  const found = value(moved);
  return (
    found?.every((v, i) => {
      const x = i % columns;
      const y = Math.floor(i / columns) % rows;
      const c = Math.floor(i / (columns * rows));
      return v === 1 + (c * height + (y % height)) * width + (x % width);
    }) ?? false
  );
}
