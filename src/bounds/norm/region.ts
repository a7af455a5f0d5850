/**
 * @file The norm of an affine region as one map, from each of its sources: never more than the sum over paths of products, and often
 * much less (x + conv(x), batch-norm after a convolution, two matrices in a row). What is too large to write out stays a product.
 */
import type { Flow, Region } from "../../graph/behaviour.ts";
import type { Node } from "../../graph/graph.ts";
import { inducedNorm } from "../../linalg/norm.ts";
import { gamma, sqrtUp, up } from "../../linalg/rounding.ts";
import { sizeOf } from "../../tensor/shape.ts";
import type { Norm } from "../bound.ts";
import { computedError } from "../fixed.ts";
import { workOf } from "../work.ts";
import { denseOf, linearMap } from "./affine.ts";
import { mergedNorm } from "./merge.ts";
import type { Effort, NodeNorms } from "./node.ts";

/** An upper bound of the norm of `region` as a function of one source. */
export function sourceNorm(
  flow: Flow,
  norms: NodeNorms,
  region: Region,
  source: Node,
  norm: Norm,
  effort: Effort,
): number {
  const product = pathsBound(norms, region, source, norm, effort);
  if (effort === "quick" || product === 0 || !composite(norms, region, source)) return product;
  return Math.min(product, mergedNorm(flow, norms, region, source, norm) ?? writtenOut(norms, region, source, norm));
}

/** Sum over the paths from the source of the product of norms along each. */
export function pathsBound(
  norms: NodeNorms,
  region: Region,
  source: Node,
  norm: Norm,
  effort: Effort = "tight",
): number {
  const from = new Map<Node, number>([[source, 1]]);
  for (const node of region.nodes) {
    let total = 0;
    node.inputs.forEach((x, i) => {
      const before = from.get(x);
      if (before) total = addUp(total, timesUp(norms.partial(node, i, norm, effort).upper, before));
    });
    if (total > 0) from.set(node, total);
  }
  return from.get(region.output) ?? 0;
}

/** Multiply-adds that take as long as `sourceNorm` does, roughly: the norms of its nodes that are not known, and the region as one map. */
export function sourceCost(norms: NodeNorms, region: Region, source: Node, norm: Norm): number {
  const inside = new Set([...region.nodes, ...region.sources]);
  const costs = (whether?: "anew") =>
    region.nodes
      .flatMap((node) => node.inputs.map((x, i) => (inside.has(x) ? norms.cost(node, i, norm, whether) : 0)))
      .reduce((sum, cost) => sum + cost, 0);
  if (!composite(norms, region, source)) return costs();
  const [rows, cols] = [sizeOf(region.output.shape), sizeOf(source.shape)];
  const work = writingWork(region);
  const written = isSmall(region, source, work) ? Math.min(rows, cols) * (work + rows * cols) : 0;
  return costs() + costs("anew") + written;
}

/**
 * What rounding can add to the norm of a region's matrix whose entries were computed in float64.
 *
 *     |fl(A) - A| <= gamma_K |A_n| ... |A_1|, summed over paths, K = all additions on the way,
 *
 * and the p-norm of a matrix of absolute values is its own for p = 1 and inf, and at most sqrt(||.||_1 ||.||_inf) for p = 2.
 */
export function writingError(norms: NodeNorms, region: Region, source: Node, norm: Norm): number {
  const terms = region.nodes.reduce((n, node) => n + node.inputs.reduce((m, x) => m + sizeOf(x.shape), 0), 0);
  const relative = up(gamma(terms) + up(region.nodes.length * computedError));
  const one = () => pathsBound(norms, region, source, 1);
  const inf = () => pathsBound(norms, region, source, "inf");
  const size = norm === 1 ? one() : norm === "inf" ? inf() : sqrtUp(timesUp(one(), inf()));
  return timesUp(relative, size);
}

/** a * b rounded up, 0 * Infinity = 0: what does not pass does not matter. */
export function timesUp(a: number, b: number): number {
  if (a === 0 || b === 0) return 0;
  if (a === 1) return b;
  return b === 1 ? a : up(a * b);
}

/** a + b rounded up, exact where one is 0. */
export function addUp(a: number, b: number): number {
  return a === 0 ? b : b === 0 ? a : up(a + b);
}

// --- internal ---

/** Most entries of a written-out matrix, and most float64 operations to write it and to find its norm. */
const largest = { entries: 4e6, writing: 3e8, norm: 2e9 };

/** Can the region's norm from this source be less than the sum of products? Only with two factors in a row or two paths. */
function composite(norms: NodeNorms, region: Region, source: Node): boolean {
  const paths = new Map<Node, { factors: number; joined: boolean }>([[source, { factors: 0, joined: false }]]);
  for (const node of region.nodes) {
    const met = node.inputs.flatMap((x, i) => {
      const path = paths.get(x);
      if (!path) return [];
      const { upper, lower } = norms.partial(node, i, 2, "quick");
      return [{ factors: path.factors + (upper === 1 && lower === 1 ? 0 : 1), joined: path.joined }];
    });
    if (met.length > 0) {
      const factors = Math.max(...met.map((m) => m.factors));
      paths.set(node, { factors, joined: met.length > 1 || met.some((m) => m.joined) });
    }
  }
  const end = paths.get(region.output);
  return end !== undefined && (end.joined || end.factors > 1);
}

function writingWork({ nodes, sources }: Region): number {
  const inside = new Set([...nodes, ...sources]);
  return nodes.reduce((sum, node) => sum + workOf(node, inside), 0);
}

function isSmall(region: Region, source: Node, work: number): boolean {
  const [rows, cols] = [sizeOf(region.output.shape), sizeOf(source.shape)];
  const small = Math.min(rows, cols);
  return rows * cols <= largest.entries && small * work <= largest.writing && rows * cols * small <= largest.norm;
}

function writtenOut(norms: NodeNorms, region: Region, source: Node, norm: Norm): number {
  if (!isSmall(region, source, writingWork(region))) return Number.POSITIVE_INFINITY;
  const map = linearMap(region, source);
  if (!map) return Number.POSITIVE_INFINITY;
  const matrix = denseOf(map);
  // Products of very large weights may overflow, where norms are only known to be large.
  if (!matrix.data.every(Number.isFinite)) return Number.POSITIVE_INFINITY;
  return addUp(inducedNorm(matrix, norm).upper, writingError(norms, region, source, norm));
}
