/**
 * @file Norms of affine regions by the power method, one step of it per training step. The vectors are a method's state: they follow
 * the weights by A^T A, apart from the gradient of any loss, and a fixed small push keeps them from dying or staying on a dead coordinate.
 */
import type { Region } from "../graph/behaviour.ts";
import { vjp } from "../graph/gradient.ts";
import type { LinearForm, Node } from "../graph/graph.ts";
import { constant, input } from "../graph/leaf.ts";
import { substitute } from "../graph/rewrite.ts";
import { jvp } from "../graph/tangent.ts";
import { add, div, mul, stopGradient } from "../ops/arith.ts";
import { isBroadcast, sum } from "../ops/broadcast.ts";
import { abs, sqrt } from "../ops/pointwise.ts";
import { reduceMax } from "../ops/reduce.ts";
import { UsageError } from "../tensor/errors.ts";
import type { Named } from "../tensor/named.ts";
import { normalTensor, random } from "../tensor/random.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import { cast, type DType, type Tensor } from "../tensor/tensor.ts";
import { factorsBetween, type Norms, nameOf } from "./constants.ts";

export interface PowerNorms {
  readonly norms: Norms;
  /** The vectors after one step more, by name; what was asked for so far. */
  readonly next: Named<Node>;
}

/**
 * Norms by persistent vectors u, one for each source of a region:
 *
 *     norm = ||A u||  with  ||u|| = 1,  whose gradient in A is  (A u / ||A u||) u^T,     u <- A^T A u / ||A^T A u|| + push, normalised.
 *
 * An under-estimate that grows to the norm from step to step. A region that is one stated or diagonal factor needs no vector.
 * `vector` gives the present vector of a name and shape; the gradient does not go into it.
 * Reference: Tsuzuku, Sato and Sugiyama 2018, section 5.1; Yoshida and Miyato 2017.
 */
export function powerNorms(vector: (name: string, shape: Shape) => Node): PowerNorms {
  const next: Record<string, Node> = {};
  const norm = (region: Region, sources: readonly Node[], name: string): Node => {
    const known = sources.length === 1 ? closedForm(region, sources[0]) : null;
    if (known) return known;
    const { push, pull } = mapOf(region, sources);
    const names = sources.map((_, i) => (sources.length > 1 ? `${name}/${i}` : name));
    const us = sources.map((s, i) => stopGradient(vector(names[i], s.shape)));
    const image = push(us);
    const size = length([image]);
    const pulled = pull(image);
    const scale = length(pulled);
    const moved = pulled.map((w, i) => add(div(w, scale), constant(cast(pushOf(names[i], w.shape), w.dtype))));
    const unit = length(moved);
    moved.forEach((w, i) => {
      next[names[i]] = div(w, unit);
    });
    return size;
  };
  return { norms: { by: "region", norm }, next };
}

/** A first vector of length 1. */
export function firstVector(shape: Shape, r: ReturnType<typeof random>): Tensor {
  const drawn = normalTensor(r, shape);
  return scaled(drawn, 1);
}

/** The norm of what is diagonal or states its own; null for the rest. */
export function statedNorm(of: LinearForm, dtype: DType): Node | null {
  if (of.form === "bounded") return constant(of.norm[2], dtype);
  if (of.form !== "diagonal") return null;
  // Repeating factors repeats no norm.
  const factors = isBroadcast(of.factors) ? of.factors.inputs[0] : of.factors;
  if (sizeOf(factors.shape) === 0) return constant(0, dtype);
  return reduceMax(of.inverse ? div(1, abs(factors)) : abs(factors));
}

// --- internal ---

/** Of the length of the vector: moves the norm by a relative 1e-6 at most, and finds a lost direction within ten steps. */
const pushed = 1e-3;

/** The same direction in every step: a fresh one would have to be drawn, and any direction not at right angles to what is sought will do. */
const pushOf = (name: string, shape: Shape): Tensor => scaled(normalTensor(random(0).fork(name), shape), pushed);

function scaled(t: Tensor, to: number): Tensor {
  const data = t.data as Float32Array;
  const size = Math.sqrt(data.reduce((s, v) => s + v * v, 0));
  return { ...t, data: data.map((v) => (v * to) / size) } as Tensor;
}

/** Of several nodes as one vector; its gradient at 0 is 0. */
const length = (parts: readonly Node[]): Node =>
  sqrt(parts.map((p) => sum(mul(p, p))).reduce((a, b) => add(a, b), tiny(parts[0].dtype)));

/** Far below the square of any length that matters. */
const tiny = (dtype: DType): Node => constant(1e-30, dtype);

/** A region as a map of some of its sources, the others held at 0. */
function mapOf({ output, sources }: Region, of: readonly Node[]) {
  const cuts = new Map(sources.map((s, i) => [s, input(`source ${i}`, s.shape, s.dtype)]));
  const [end] = substitute([output], cuts);
  const starts = of.map((s) => cuts.get(s) as Node);
  const needed = (node: Node | null): Node => {
    if (!node) throw new UsageError(`${nameOf(output)} gives no derivative, so that its norm cannot be found by steps`);
    return node;
  };
  return {
    push: (vectors: readonly Node[]) => needed(jvp([end], starts, vectors)[0]),
    pull: (image: Node) => vjp([end], [image], starts).map(needed),
  };
}

/** The norm of isometries around at most one factor that says its own. */
function closedForm(region: Region, source: Node): Node | null {
  const factors = factorsBetween(region, source);
  if (!factors || factors.length > 1) return null;
  if (factors.length === 0) return constant(1, source.dtype);
  return statedNorm(factors[0].of, source.dtype);
}
