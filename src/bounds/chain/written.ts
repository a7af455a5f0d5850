/**
 * @file The suffix of a network as a chain: from the earliest node through which everything passes, such that behind it there are only
 * affine maps that can be written out, element-by-element activations and MaxMin. What is before it keeps its AutoLip constant.
 */

import { type Flow, flowOf, isAffine, type Region, regionOf } from "../../graph/behaviour.ts";
import { dominators } from "../../graph/dominators.ts";
import type { Node } from "../../graph/graph.ts";
import { operatorOf } from "../../graph/origin.ts";
import { type Matrix, matrix } from "../../linalg/matrix.ts";
import { inducedNorm } from "../../linalg/norm.ts";
import { sqrtUp, up } from "../../linalg/rounding.ts";
import { sizeOf } from "../../tensor/shape.ts";
import type { Norm } from "../bound.ts";
import { type Affords, always } from "../budget.ts";
import type { ActivationLayer, AffineLayer, Chain } from "../chain.ts";
import type { Range } from "../domain.ts";
import { nodeRange } from "../local/intervals.ts";
import { fixedRange } from "../local/rules.ts";
import { denseOf, linearMap } from "../norm/affine.ts";
import { type NodeNorms, nodeNorms } from "../norm/node.ts";
import { addUp, timesUp, writingError } from "../norm/region.ts";
import { sortedPairs } from "../patterns/fuse.ts";
import type { Pair } from "../patterns/sorts.ts";
import { workOf } from "../work.ts";
import { fromSums, sumsActivation, toSums } from "./sums.ts";

/** The end of a network as a chain. */
export interface WrittenChain extends Written {
  /** Where the chain starts: the input of the network, or a node that everything passes through. */
  readonly from: Node;
}

/** A chain written out, and what its matrices may be off. */
interface Written {
  readonly chain: Chain;
  /**
   * What the rounding of the written-out matrices can add to the constant of the chain in a p-norm:
   * sum over layers i of ||E_i|| prod over j != i of (||W_j|| + ||E_j||), times the slopes.
   */
  slack(norm: Norm): number;
  /** No matrix and no offset of the chain carries rounding: its kinks are where those of the network are. */
  readonly exact: boolean;
  /** An upper bound of ||E_i||_p. */
  error(layer: number, norm: Norm): number;
  /** How far the offsets of each layer may be from those of the network. */
  readonly shifts: readonly number[];
  /** |second derivative| of every neuron, layer by layer; Infinity where an activation has kinks. */
  readonly curvatures: readonly Float64Array[];
  /** The activation of each hidden layer, which its first neurons belong to; the others pass something on. */
  readonly nodes: readonly Node[];
}

/** Largest matrix of a chain that is written out, in entries; widest layer; and sum of the cubes of the widths, which the time of a bound goes by. */
const largest = { entries: 4e6, width: 1024, cubes: 2.2e9 };

/** The longest suffix of a flow that is a chain and that there is time to write out, beginning no sooner than at `first` if that is told; a string says why there is none. */
export function suffixOf(
  flow: Flow,
  norms: NodeNorms = nodeNorms(flow),
  first: Node = flow.input,
  affords: Affords = always,
): WrittenChain | string {
  let why = "the output does not depend on the input";
  const all = dominators(flow);
  for (const from of all.slice(Math.max(0, all.indexOf(first)))) {
    const rest = flowOf(from, flow.output);
    const stages = stagesOf(rest);
    if (typeof stages === "string") {
      why = stages;
      continue;
    }
    const made = chainOf(rest, stages, norms, affords);
    if (typeof made !== "string") return { from, ...made };
    why = made;
  }
  return why;
}

/** Why a node stands in a chain's way: it is neither affine nor an activation with finite slopes; null where it does not. */
export function hindrance(node: Node, flow: Flow): string | null {
  if (node === flow.input || isAffine(node, flow.varies)) return null;
  const varies = node.inputs.map((x) => flow.varies.has(x));
  const behaviour = node.op.behaviour(node, varies);
  if (varies.filter(Boolean).length !== 1 || (behaviour.kind !== "pointwise" && !sortedPairs(node))) {
    return `${operatorOf(node)} is neither affine nor element by element`;
  }
  if (behaviour.kind !== "pointwise") return null;
  return behaviour.slope.every(Number.isFinite) ? null : `the slope of ${operatorOf(node)} has no limit`;
}

// --- internal ---

/** One activation of the chain: the node, the affine region that feeds it, and what is still needed later. */
interface Stage {
  readonly node: Node;
  readonly region: Region | null;
  /** The pairs of a MaxMin, which is the identity and |.| of sums and differences; none for what acts on each number. */
  readonly pairs: readonly Pair[] | null;
}

/** The activations between `flow.input` and the output, in order; a string says which node is no activation. */
function stagesOf(flow: Flow): Stage[] | string {
  const stages: Stage[] = [];
  for (const node of flow.varying) {
    if (node === flow.input || isAffine(node, flow.varies)) continue;
    const why = hindrance(node, flow);
    if (why !== null) return why;
    const pairs = sortedPairs(node);
    const z = node.inputs.find((x) => flow.varies.has(x)) as Node;
    stages.push({ node, region: z === flow.input || !isAffine(z, flow.varies) ? null : regionOf(z, flow), pairs });
  }
  return stages;
}

interface Block {
  readonly source: Node;
  readonly size: number;
  /** Where the source is a MaxMin, the block holds the sums and absolute differences of its pairs. */
  readonly pairs: readonly Pair[] | null;
}

/** Write the chain out: a layer per activation, beside which what later layers need passes through with slope 1. */
function chainOf(flow: Flow, stages: readonly Stage[], norms: NodeNorms, affords: Affords): Written | string {
  const ends: readonly (Region | Node)[] = [
    ...stages.map(({ node, region }) => region ?? (node.inputs.find((x) => flow.varies.has(x)) as Node)),
    isAffine(flow.output, flow.varies) ? regionOf(flow.output, flow) : flow.output,
  ];
  const sourcesOf = (end: Region | Node): readonly Node[] => ("sources" in end ? end.sources : [end]);
  // The last end that reads each source: until there it has to be carried along.
  const lastUse = new Map<Node, number>();
  ends.forEach((end, i) => {
    for (const s of sourcesOf(end)) lastUse.set(s, i);
  });
  const affine: AffineLayer[] = [];
  const activations: ActivationLayer[] = [];
  const curvatures: Float64Array[] = [];
  const errors: ((norm: Norm) => number)[] = [];
  const shifts: number[] = [];
  let cubes = 0;
  let state: readonly Block[] = [{ source: flow.input, size: sizeOf(flow.input.shape), pairs: null }];
  let writing = 0;
  for (const [i, end] of ends.entries()) {
    const stage: Stage | undefined = stages[i];
    writing += writingWork(end, state, flow.varies);
    if (!affords(writing)) return "there was no time to write it out as a chain";
    const carried = stage ? state.filter((b) => (lastUse.get(b.source) ?? -1) > i) : [];
    const written = layer(state, end, carried, norms, stage?.pairs ?? null);
    if (typeof written === "string") return written;
    affine.push(written.layer);
    if (stage) cubes += written.layer.weight.rows ** 3;
    if (cubes > largest.cubes) return "its layers are too wide for their number";
    errors.push(written.error);
    shifts.push(written.shift);
    if (!stage) break;
    const own = sizeOf(stage.node.shape);
    const width = own + carried.reduce((n, b) => n + b.size, 0);
    const made = activation(stage, flow, norms, own, width);
    activations.push(made.layer);
    curvatures.push(made.curvature);
    state = [{ source: stage.node, size: own, pairs: stage.pairs }, ...carried];
  }
  const chain: Chain = { affine, activations };
  const slacks = new Map<Norm, number>();
  return {
    chain,
    slack(norm) {
      const known = slacks.get(norm) ?? slackOf(chain, errors, norm);
      slacks.set(norm, known);
      return known;
    },
    exact: shifts.every((s) => s === 0) && errors.every((e) => e("inf") === 0),
    error: (layer, norm) => errors[layer](norm),
    shifts,
    curvatures,
    nodes: stages.map(({ node }) => node),
  };
}

/** Operations of `layer`: the map is taken of unit vectors, by plain loops. */
function writingWork(end: Region | Node, state: readonly Block[], varies: ReadonlySet<Node>): number {
  if (!("sources" in end)) return 0;
  const once = end.nodes.reduce((sum, node) => sum + workOf(node, varies), 0);
  const read = state.filter(({ source }) => end.sources.includes(source));
  return read.reduce((sum, { size }) => sum + 5 * once * Math.min(size, sizeOf(end.output.shape)), 0);
}

/** The affine map from the blocks of a state to the end of a region, with the carried blocks below it. */
function layer(
  state: readonly Block[],
  end: Region | Node,
  carried: readonly Block[],
  norms: NodeNorms,
  pairs: readonly Pair[] | null,
): { readonly layer: AffineLayer; readonly error: (norm: Norm) => number; readonly shift: number } | string {
  const output = "sources" in end ? end.output : end;
  const own = sizeOf(output.shape);
  const rows = own + carried.reduce((n, b) => n + b.size, 0);
  const cols = state.reduce((n, b) => n + b.size, 0);
  if (rows * cols > largest.entries || rows > largest.width) {
    return `a map of ${cols} to ${rows} numbers is too large to write out`;
  }
  const data = new Float64Array(rows * cols);
  const parts: ((norm: Norm) => number)[] = [];
  const put = (at: number, column: number, block: Matrix) => {
    for (let r = 0; r < block.rows; r++) {
      data.set(block.data.subarray(r * block.cols, (r + 1) * block.cols), (at + r) * cols + column);
    }
  };
  const identity = (n: number): Matrix => {
    const eye = new Float64Array(n * n);
    for (let k = 0; k < n; k++) eye[k * n + k] = 1;
    return matrix(n, n, eye);
  };
  const read = (column: number, block: Block, map: Matrix) => {
    const own = block.pairs ? fromSums(map, block.pairs) : { matrix: map, error: () => 0 };
    put(0, column, own.matrix);
    parts.push(own.error);
  };
  let column = 0;
  for (const block of state) {
    if ("sources" in end && end.sources.includes(block.source)) {
      const map = linearMap(end, block.source);
      if (!map) return `the map to ${operatorOf(output)} has no derivative`;
      read(column, block, denseOf(map));
      if (!isCopied(end, norms)) parts.push((norm) => writingError(norms, end, block.source, norm));
    } else if (end === block.source) {
      read(column, block, identity(own));
    }
    let row = own;
    for (const kept of carried) {
      if (kept.source === block.source) put(row, column, identity(kept.size));
      row += kept.size;
    }
    column += block.size;
  }
  const bias = new Float64Array(rows);
  const offset = "sources" in end ? offsetOf(end, norms) : null;
  if (offset) bias.set(offset.values);
  const weight = matrix(rows, cols, data);
  const error = (norm: Norm) => parts.reduce((sum, part) => addUp(sum, part(norm)), 0);
  const shift = offset?.shift ?? 0;
  if (!pairs) return { layer: { weight, bias }, error, shift };
  const sums = toSums({ weight, bias }, pairs);
  // Sums and differences double a vector at most, in every p-norm.
  return {
    layer: sums.layer,
    error: (norm) => addUp(timesUp(2, error(norm)), sums.error(norm)),
    shift: addUp(timesUp(2, shift), sums.shift),
  };
}

/** Does a region only move the entries of one weight to their places, so that its matrix has no rounding? */
function isCopied({ nodes, sources, output }: Region, norms: NodeNorms): boolean {
  const inside = new Set([...nodes, ...sources]);
  let weights = 0;
  for (const node of nodes) {
    const varies = node.inputs.map((x) => inside.has(x));
    if (varies.filter(Boolean).length !== 1) return false;
    const behaviour = node.op.behaviour(node, varies);
    if (behaviour.kind === "isometry") continue;
    if (behaviour.kind !== "linear") return false;
    const { of } = behaviour;
    const weight =
      of.form === "matrix"
        ? of.weight
        : of.form === "convolution"
          ? of.kernel
          : of.form === "diagonal" && !of.inverse
            ? of.factors
            : undefined;
    if (!weight || norms.fixed(weight).error !== 0 || ++weights > 1) return false;
  }
  return inside.has(output);
}

/** What an affine region gives where all its sources are 0, and how far rounding may have moved that: not at all what is only moved or negated. */
function offsetOf(
  { output, sources, nodes }: Region,
  norms: NodeNorms,
): { readonly values: Float64Array; readonly shift: number } {
  const ranges = new Map<Node, Range>();
  const rangeOf = (x: Node): Range => ranges.get(x) ?? fixedRange(norms.fixed(x));
  const values = new Map<Node, Float64Array>(sources.map((s) => [s, new Float64Array(sizeOf(s.shape))]));
  for (const [s, zero] of values) ranges.set(s, { low: zero, high: zero });
  const isZero = (v: Float64Array) => v.every((a) => a === 0);
  let copied = true;
  for (const node of nodes) {
    const still = node.inputs.filter((x) => !values.has(x)).map((x) => norms.fixed(x));
    const own = node.op.evaluate(
      node,
      node.inputs.map((x) => values.get(x) ?? norms.fixed(x).data),
    );
    // An affine node makes of zeros 0 or what it adds; an isometry of nothing else only moves.
    const fromZeros = node.inputs.every((x) => isZero(values.get(x) ?? zeros));
    const varies = node.inputs.map((x) => values.has(x));
    const moves = still.length === 0 && node.op.behaviour(node, varies).kind === "isometry";
    copied &&= moves || (fromZeros && (isZero(own) || still.every(({ error }) => error === 0)));
    values.set(node, own);
    ranges.set(node, copied ? { low: own, high: own } : nodeRange(node, node.inputs.map(rangeOf), varies));
  }
  const found = values.get(output) as Float64Array;
  const { low, high } = rangeOf(output);
  const shift = copied ? 0 : found.reduce((top, v, k) => Math.max(top, up(high[k] - v), up(v - low[k])), 0);
  return { values: found, shift: Number.isNaN(shift) ? Number.POSITIVE_INFINITY : shift };
}

const zeros = new Float64Array(0);

/** An activation of `own` neurons, and beside them numbers that pass unchanged, `width` together. */
function activation(
  { node, pairs }: Stage,
  flow: Flow,
  norms: NodeNorms,
  own: number,
  width: number,
): { readonly layer: ActivationLayer; readonly curvature: Float64Array } {
  if (pairs) {
    const layer = sumsActivation(pairs, width);
    return { layer, curvature: layer.low.map((low) => (low < 1 ? Number.POSITIVE_INFINITY : 0)) };
  }
  const at = node.inputs.findIndex((x) => flow.varies.has(x));
  const behaviour = node.op.behaviour(
    node,
    node.inputs.map((_, i) => i === at),
  );
  if (behaviour.kind !== "pointwise") throw new TypeError(`${operatorOf(node)} was pointwise before`);
  const { slope, slopeOn, curvature, curvatureOn } = behaviour;
  const layer: ActivationLayer = {
    low: new Float64Array(width).fill(1).fill(slope[0], 0, own),
    high: new Float64Array(width).fill(1).fill(slope[1], 0, own),
    slopeOn: (neuron, from, to) => (neuron < own ? slopeOn(from, to) : [1, 1]),
    ...(curvatureOn && { curvatureOn: (neuron, from, to) => (neuron < own ? curvatureOn(from, to) : [0, 0]) }),
    apply(z) {
      const out = Float64Array.from(z);
      const inputs = node.inputs.map((x, i) => (i === at ? z.slice(0, own) : norms.fixed(x).data));
      out.set(node.op.evaluate(node, inputs));
      return out;
    },
  };
  return { layer, curvature: new Float64Array(width).fill(curvature, 0, own) };
}

/** Entries times the smaller side from which on a spectral norm takes a second. */
const widelyNormed = 1e8;

function slackOf(chain: Chain, errors: readonly ((norm: Norm) => number)[], norm: Norm): number {
  const error = errors.map((e) => e(norm));
  if (error.every((e) => e === 0)) return 0;
  // Of wide layers a norm that takes no time does: what is lost is a multiple of rounding.
  const sizeOfWeight = (W: Matrix) =>
    norm === 2 && W.rows * W.cols * Math.min(W.rows, W.cols) > widelyNormed
      ? sqrtUp(timesUp(inducedNorm(W, 1).upper, inducedNorm(W, "inf").upper))
      : inducedNorm(W, norm).upper;
  const size = chain.affine.map(({ weight }, i) => addUp(sizeOfWeight(weight), error[i]));
  const slopes = chain.activations.reduce((product, { low, high }) => {
    let top = 0;
    for (let j = 0; j < low.length; j++) top = Math.max(top, Math.abs(low[j]), Math.abs(high[j]));
    return timesUp(product, top);
  }, 1);
  return error.reduce((sum, e, i) => {
    const rest = size.reduce((product, s, j) => (j === i ? product : timesUp(product, s)), slopes);
    return addUp(sum, timesUp(e, rest));
  }, 0);
}
