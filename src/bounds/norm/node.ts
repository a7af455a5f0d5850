/** @file The constant of one node in one of its varying inputs, proved, by what its op says of itself. Every kind of behaviour is answered here, no op is named. */
import type { Flow } from "../../graph/behaviour.ts";
import { apply, type Behaviour, type LinearForm, type Node } from "../../graph/graph.ts";
import { input } from "../../graph/leaf.ts";
import { convolutionCost, convolutionNorm } from "../../linalg/convolution.ts";
import { type Matrix, matrix, transpose } from "../../linalg/matrix.ts";
import { inducedNorm, spectralCost } from "../../linalg/norm.ts";
import { sqrtUp, up } from "../../linalg/rounding.ts";
import type { Convolution } from "../../linalg/stencil.ts";
import { type Shape, showShape, sizeOf } from "../../tensor/shape.ts";
import type { Norm } from "../bound.ts";
import { computedError, type Fixed, fixedValues } from "../fixed.ts";
import { workOf } from "../work.ts";
import { denseOf, linearMap } from "./affine.ts";

export interface NodeNorm {
  /** ||g(x) - g(x')|| <= upper ||x - x'||, whatever the other inputs are; Infinity where nothing is proved. */
  readonly upper: number;
  /** Null where only an upper bound is known. */
  readonly lower: number | null;
  /** Shape of the weight, if there is one. */
  readonly weight: Shape | null;
  readonly status: "done" | "unbounded" | "too large";
  readonly why?: string;
  /** A quick bound stands for the norm, which may be far less. */
  readonly crude?: true;
}

/** How hard to try: `tight` spends time on spectral norms, `quick` bounds them by sqrt(||.||_1 ||.||_inf). */
export type Effort = "tight" | "quick";

export interface NodeNorms {
  /** The constant in input `i` alone. */
  partial(node: Node, i: number, norm: Norm, effort?: Effort): NodeNorm;
  /** Multiply-adds that take as long as `partial` does where it is tight, roughly; 0 where that is next to nothing, or it is known (but for "anew"). */
  cost(node: Node, i: number, norm: Norm, whether?: "anew"): number;
  /** The constant in all varying inputs as one vector, where the op knows it; null where it does not. */
  joint(node: Node, norm: Norm): NodeNorm | null;
  /** The value of a node that does not vary. */
  fixed(node: Node): Fixed;
}

/** Norms of weights by what is in them: a network is built anew for each way to look at it, and its weights are the same. */
export type NormStore = Map<string, { readonly data: Float64Array; readonly norm: NodeNorm }[]>;

/** Norms of the nodes of a flow; each is computed once, and once for all flows with the same store. */
export function nodeNorms(flow: Flow, store: NormStore = new Map()): NodeNorms {
  const fixed = fixedValues();
  const known = new Map<Node, Map<string, NodeNorm>>();
  const context: Context = { flow, fixed, weights: new Map(), store };
  return {
    fixed,
    partial(node, i, norm, effort = "tight") {
      const own = known.get(node) ?? new Map<string, NodeNorm>();
      known.set(node, own);
      const key = `${i} ${norm}`;
      const tight = own.get(`${key} tight`);
      if (tight) return tight;
      const found = own.get(`${key} ${effort}`) ?? partialNorm(context, node, i, norm, effort);
      own.set(`${key} ${effort}`, found);
      return found;
    },
    cost(node, i, norm, whether) {
      const isKnown = whether !== "anew" && known.get(node)?.has(`${i} ${norm} tight`);
      return isKnown ? 0 : partialCost(context, node, i, norm, whether);
    },
    joint: (node, norm) => jointNorm(flow, node, norm),
  };
}

/** A convolution's linear form with its kernel's numbers. */
export function convolutionOf(form: LinearForm & { readonly form: "convolution" }, kernel: Float64Array): Convolution {
  const [outChannels, inChannels, ...kernelShape] = form.kernel.shape;
  const { strides, dilations, pads, groups, input } = form;
  return { kernel, outChannels, inChannels, kernelShape, strides, dilations, pads, groups, input };
}

/**
 * A p-norm enclosure of A widened by a relative error of the entries. The error matrix is at most error |A|, entry by entry. For
 * p = 1 and inf || |A| || = ||A||; for p = 2 it is at most sqrt(||A||_1 ||A||_inf) <= sqrt(entries of the weight) ||A||.
 */
export function widened(
  norm: { readonly lower: number; readonly upper: number },
  error: number,
  p: Norm,
  entries: number,
) {
  if (error === 0 || norm.upper === 0) return { lower: norm.lower, upper: norm.upper };
  const relative = 2 * error * (p === 2 ? sqrtUp(entries) : 1);
  return { lower: Math.max(0, norm.lower * (1 - relative)), upper: up(norm.upper * (1 + relative)) };
}

/** Of a large weight, six digits of the norm are found in half the time of nine. */
export const largeNorm = (entries: number) => (entries > 2 ** 11 ? { tolerance: 1e-6 } : {});

// --- internal ---

interface Context {
  readonly flow: Flow;
  readonly fixed: (node: Node) => Fixed;
  /** Norms of weights that serve more than one node. */
  readonly weights: Map<Node, Map<string, NodeNorm>>;
  readonly store: NormStore;
}

/** Entries that a matrix which no formula gives may have before it is not written out. */
const largestMatrix = 4e6;

const stated = (upper: number, lower: number | null = null): NodeNorm => ({
  upper,
  lower,
  weight: null,
  status: "done",
});

const unbounded = (why: string): NodeNorm => ({
  upper: Number.POSITIVE_INFINITY,
  lower: null,
  weight: null,
  status: "unbounded",
  why,
});

/** Of `partialNorm` where it is tight. */
function partialCost(context: Context, node: Node, i: number, norm: Norm, whether?: "anew"): number {
  const { flow } = context;
  const behaviour = node.op.behaviour(
    node,
    node.inputs.map((_, k) => k === i),
  );
  if (behaviour.kind !== "linear") return 0;
  const { of } = behaviour;
  if (whether !== "anew" && placeOf(context, of, `${norm} tight`)?.known) return 0;
  if (of.form === "matrix") {
    const [rows, cols] = of.weight.shape;
    return norm === 2 ? spectralCost(rows, cols) : 4 * rows * cols;
  }
  if (of.form === "convolution" && of.input.length <= 2) {
    return flow.varies.has(of.kernel) ? 0 : convolutionCost(convolutionOf(of, context.fixed(of.kernel).data), norm);
  }
  if (of.form !== "other" && of.form !== "convolution") return 0;
  const [rows, cols] = [sizeOf(node.shape), sizeOf(node.inputs[i].shape)];
  if (rows * cols > largestMatrix) return 0;
  const written = Math.min(rows, cols) * workOf(node, flow.varies);
  return written + (norm === 2 ? spectralCost(rows, cols) : 4 * rows * cols);
}

function jointNorm(flow: Flow, node: Node, norm: Norm): NodeNorm | null {
  const behaviour = node.op.behaviour(
    node,
    node.inputs.map((i) => flow.varies.has(i)),
  );
  switch (behaviour.kind) {
    case "unbounded":
      return unbounded(behaviour.why);
    case "isometry":
      return stated(1, 1);
    case "smooth":
      return stated(behaviour.lipschitz[norm]);
    case "linear":
      return behaviour.of.form === "bounded" ? stated(behaviour.of.norm[norm]) : null;
    case "pointwise":
      return null;
    default:
      return behaviour satisfies never;
  }
}

function partialNorm(context: Context, node: Node, i: number, norm: Norm, effort: Effort): NodeNorm {
  const behaviour: Behaviour = node.op.behaviour(
    node,
    node.inputs.map((_, k) => k === i),
  );
  switch (behaviour.kind) {
    case "unbounded":
      return unbounded(behaviour.why);
    case "isometry":
      return stated(1, 1);
    case "pointwise":
      return stated(Math.max(Math.abs(behaviour.slope[0]), Math.abs(behaviour.slope[1])));
    case "smooth":
      return stated(behaviour.lipschitz[norm]);
    case "linear":
      return shared(context, behaviour.of, `${norm} ${effort}`, () =>
        linearNorm(context, node, i, behaviour.of, norm, effort),
      );
    default:
      return behaviour satisfies never;
  }
}

/** The same weight used in the same way has the same norm. */
function shared(context: Context, of: LinearForm, question: string, find: () => NodeNorm): NodeNorm {
  const place = placeOf(context, of, question);
  if (!place) return find();
  const norm = place.known ?? find();
  if (!place.known) place.alike.push({ data: place.data, norm });
  place.own.set(place.key, norm);
  return norm;
}

/** Where the norm of a weight is kept, and what is there; null where it has none of its own. */
function placeOf({ weights, fixed, flow, store }: Context, of: LinearForm, question: string) {
  if (of.form !== "matrix" && of.form !== "convolution") return null;
  const { weight, way } =
    of.form === "matrix" ? { weight: of.weight, way: of.side } : { weight: of.kernel, way: { ...of, kernel: null } };
  if (flow.varies.has(weight)) return null;
  const own = weights.get(weight) ?? new Map<string, NodeNorm>();
  weights.set(weight, own);
  const { data, error } = fixed(weight);
  const key = `${question} ${JSON.stringify(way)} ${weight.shape.join()} ${error}`;
  const alike = store.get(key) ?? [];
  store.set(key, alike);
  const same = (other: Float64Array) => other === data || other.every((v, k) => v === data[k]);
  return { own, key, data, alike, known: own.get(key) ?? alike.find((other) => same(other.data))?.norm };
}

function linearNorm(context: Context, node: Node, i: number, of: LinearForm, norm: Norm, effort: Effort): NodeNorm {
  const { varies } = context.flow;
  switch (of.form) {
    case "bounded":
      return stated(of.norm[norm]);
    case "matrix": {
      if (varies.has(of.weight)) return unbounded("its matrix varies too");
      const { data, error } = context.fixed(of.weight);
      const [rows, cols] = of.weight.shape;
      const W = matrix(rows, cols, data);
      // x @ W acts on rows: it is W^T that multiplies the vector.
      const found = matrixNorm(of.side === "right" ? transpose(W) : W, norm, effort);
      return weighted(of.weight.shape, found, error, norm, effort);
    }
    case "convolution": {
      if (varies.has(of.kernel)) return unbounded("its kernel varies too");
      if (of.input.length > 2) return denseNorm(context, node, i, norm, effort);
      const { data, error } = context.fixed(of.kernel);
      const conv = convolutionOf(of, data);
      // The adjoint swaps 1 and inf and keeps 2.
      const p = of.direction === "forward" || norm === 2 ? norm : norm === 1 ? "inf" : 1;
      const found =
        p === 2 && effort === "quick"
          ? quick(convolutionNorm(conv, 1).upper, convolutionNorm(conv, "inf").upper)
          : convolutionNorm(conv, p, largeNorm(conv.kernel.length));
      return weighted(of.kernel.shape, found, error, norm, effort);
    }
    case "diagonal": {
      if (varies.has(of.factors)) return unbounded("its factors vary too");
      const { data, error } = context.fixed(of.factors);
      const sizes = of.inverse ? data.map((v) => 1 / v) : data;
      let largest = 0;
      for (const v of sizes) largest = Math.max(largest, Math.abs(v));
      if (largest === Number.POSITIVE_INFINITY) return unbounded("it divides by zero");
      const rounded = of.inverse
        ? { lower: largest * (1 - 2 ** -52), upper: up(largest) }
        : { lower: largest, upper: largest };
      // A diagonal is its own size in every norm.
      return weighted(of.factors.shape, rounded, error, 1);
    }
    case "other":
      return denseNorm(context, node, i, norm, effort);
    default:
      return of satisfies never;
  }
}

function matrixNorm(W: Matrix, norm: Norm, effort: Effort): { readonly lower: number; readonly upper: number } {
  if (norm !== 2 || effort === "tight") return inducedNorm(W, norm, largeNorm(Math.min(W.rows, W.cols) ** 2));
  return quick(inducedNorm(W, 1).upper, inducedNorm(W, "inf").upper);
}

const quick = (one: number, inf: number) => ({ lower: 0, upper: sqrtUp(up(one * inf)) });

function weighted(
  shape: Shape,
  norm: { readonly lower: number; readonly upper: number },
  error: number,
  p: Norm,
  effort: Effort = "tight",
): NodeNorm {
  const { lower, upper } = widened(norm, error, p, sizeOf(shape));
  const crude = p === 2 && effort === "quick" ? { crude: true as const } : {};
  // Where a norm was bounded from above only, nothing is known from below.
  return { upper, lower: lower === 0 && upper > 0 ? null : lower, weight: shape, status: "done", ...crude };
}

/** A linear op that only says so is written out as a matrix, if that is not too large. */
function denseNorm({ flow }: Context, node: Node, i: number, norm: Norm, effort: Effort): NodeNorm {
  const [rows, cols] = [sizeOf(node.shape), sizeOf(node.inputs[i].shape)];
  const what = `${rows} x ${cols}`;
  if (rows * cols > largestMatrix) return tooLarge(`as a matrix it would be ${what}`);
  const slots = node.inputs.map((x, k) => (k === i || flow.varies.has(x) ? input(`slot ${k}`, x.shape, x.dtype) : x));
  const alone = apply(node.op, slots, node.attrs);
  const sources = slots.filter((slot, k) => slot !== node.inputs[k]);
  const map = linearMap({ output: alone, sources, nodes: [alone] }, slots[i]);
  if (!map) return tooLarge(`it gives no adjoint for ${showShape(node.shape)}`);
  return weighted([rows, cols], matrixNorm(denseOf(map), norm, effort), computedError, norm, effort);
}

const tooLarge = (why: string): NodeNorm => ({
  upper: Number.POSITIVE_INFINITY,
  lower: null,
  weight: null,
  status: "too large",
  why,
});
