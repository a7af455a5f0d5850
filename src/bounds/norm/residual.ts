/**
 * @file A residual block y = h + V s(W h + b) as one node: of SLL and CPL layers it is 1-Lipschitz, which no product of norms sees. Nothing is
 * taken from names or metadata: multipliers are read off the weights, and the inequality is proved for the weights as they are.
 */
import type { Flow } from "../../graph/behaviour.ts";
import type { LinearForm, Node } from "../../graph/graph.ts";
import { convolutionNorm } from "../../linalg/convolution.ts";
import { frobeniusUp } from "../../linalg/enclosure.ts";
import { matrix } from "../../linalg/matrix.ts";
import { inducedNorm } from "../../linalg/norm.ts";
import { down, sqrtUp, up } from "../../linalg/rounding.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { type Budget, budget } from "../budget.ts";
import { computedError } from "../fixed.ts";
import type { NodeNorms } from "./node.ts";

export interface ResidualBlock {
  /** The node h. */
  readonly from: Node;
  /** ||y - y'||_2 <= constant ||h - h'||_2. */
  readonly constant: number;
}

/**
 * The block that a node ends; null where it ends none, or nothing better than its parts is proved of it.
 *
 * Slopes of s lie in [0, 1]. With u = W dh, v = ds(u) and any Lambda > 0 it holds v^T Lambda (u - v) >= 0, so that
 *
 *     |dh + V v|^2 <= |dh|^2 + 2 dh^T E v + v^T (V^T V - 2 Lambda) v,   E = V + W^T Lambda.
 *
 * With D = (2 Lambda)^(-1/2) and |V D| <= s < 1 the last term is at most -(1 - s^2) |v / D|^2, hence
 *
 *     constant^2 = 1 + |E D|^2 / (1 - s^2).
 *
 * Lambda is (1 + t) times the multiplier of least |E|, which is near 0 where V = -W^T Lambda: t > 0 makes room where |V D| is 1.
 * Reference: Araujo, Havens, Delattre, Allauzen and Hu 2023, theorem 2, of which this is the form for rounded weights.
 */
export function residualBlock(flow: Flow, norms: NodeNorms, y: Node, clock: Budget = budget()): ResidualBlock | null {
  const found = partsOf(flow, y);
  // Its own norm is that of a weight like its inner one.
  if (found && !clock.fits(norms.cost(found.inner.node, found.inner.at, 2, "anew"))) return null;
  const rows = found && (matrixRows(norms, found) ?? kernelRows(norms, found));
  if (!found || !rows) return null;
  const constant = constantOf(rows);
  return constant === null ? null : { from: found.from, constant };
}

// --- internal ---

/** The weights of a block, row by row of its hidden numbers: row i of W, and column i of V in the same places. */
interface Rows {
  readonly count: number;
  readonly W: Float64Array;
  readonly V: Float64Array;
  /** An upper bound of the norm of a map that has such rows in the place of V. */
  norm(rows: Float64Array): number;
  /** The norm of such a map is at most this times its Frobenius norm. */
  readonly spread: number;
}

interface Parts {
  readonly from: Node;
  /** h -> u and s(u) -> y - h. */
  readonly inner: Weighted;
  readonly outer: Weighted;
}

interface Weighted {
  readonly node: Node;
  readonly source: Node;
  /** Which input of the node it is. */
  readonly at: number;
  readonly of: LinearForm;
}

function partsOf(flow: Flow, y: Node): Parts | null {
  if (y.op.computes !== "sum" || !y.inputs.every((x) => flow.varies.has(x))) return null;
  for (const [from, branch] of [y.inputs, y.inputs.toReversed()]) {
    const outer = weighted(flow, branch);
    const u = outer && activated(flow, outer.source);
    const inner = u && weighted(flow, u);
    if (outer && inner?.source === from) return { from, inner, outer };
  }
  return null;
}

/** One weight, before constants that are added. */
function weighted(flow: Flow, node: Node): Weighted | null {
  const varies = node.inputs.map((x) => flow.varies.has(x));
  if (node === flow.input || varies.filter(Boolean).length !== 1) return null;
  const source = node.inputs[varies.indexOf(true)];
  if (node.op.computes === "sum") return weighted(flow, source);
  const behaviour = node.op.behaviour(node, varies);
  if (behaviour.kind !== "linear") return null;
  return { node, source, at: varies.indexOf(true), of: behaviour.of };
}

/** What an activation reads, if its slopes are in [0, 1]. */
function activated(flow: Flow, node: Node): Node | null {
  const varies = node.inputs.map((x) => flow.varies.has(x));
  if (node === flow.input || varies.filter(Boolean).length !== 1) return null;
  const behaviour = node.op.behaviour(node, varies);
  if (behaviour.kind !== "pointwise") return null;
  const [low, high] = behaviour.slope;
  return low >= 0 && high <= 1 ? node.inputs[varies.indexOf(true)] : null;
}

function matrixRows(norms: NodeNorms, { from, inner, outer }: Parts): Rows | null {
  const [a, b] = [inner.of, outer.of];
  if (a.form !== "matrix" || b.form !== "matrix" || a.side !== "right" || b.side !== "right") return null;
  // u = h A with A [n, r], then v B with B [r, n].
  const [n, r] = a.weight.shape;
  if (from.shape[from.shape.length - 1] !== n || b.weight.shape.join() !== [r, n].join()) return null;
  const A = norms.fixed(a.weight).data;
  return {
    count: r,
    W: Float64Array.from({ length: r * n }, (_, k) => A[(k % n) * r + Math.floor(k / n)]),
    V: norms.fixed(b.weight).data,
    norm: (rows) => inducedNorm(matrix(r, n, rows), 2).upper,
    spread: 1,
  };
}

function kernelRows(norms: NodeNorms, { from, inner, outer }: Parts): Rows | null {
  const [a, b] = [inner.of, outer.of];
  if (a.form !== "convolution" || b.form !== "convolution" || a.direction !== "forward") return null;
  const [r, n, ...taps] = a.kernel.shape;
  const plain = (of: typeof a) =>
    of.groups === 1 && of.strides.every((s) => s === 1) && of.dilations.every((d) => d === 1);
  const rank = taps.length;
  if (!plain(a) || !plain(b) || from.shape[1] !== n || rank > 2) return null;
  const count = sizeOf(taps);
  const given = norms.fixed(b.kernel).data;
  let V: Float64Array;
  let pads = b.pads;
  if (b.direction === "adjoint") {
    if (b.kernel.shape.join() !== a.kernel.shape.join()) return null;
    V = given;
  } else {
    // The adjoint as a convolution: channels change places, taps their order.
    if (b.kernel.shape.join() !== [n, r, ...taps].join()) return null;
    V = Float64Array.from({ length: r * n * count }, (_, k) => {
      const [i, c, t] = [Math.floor(k / (n * count)), Math.floor(k / count) % n, k % count];
      return given[(c * r + i) * count + (count - 1 - t)];
    });
    pads = b.pads.map((p, i) => taps[i % rank] - 1 - p);
  }
  if (pads.join() !== a.pads.join()) return null;
  const form = { outChannels: r, inChannels: n, kernelShape: taps, strides: a.strides, dilations: a.dilations };
  return {
    count: r,
    W: norms.fixed(a.kernel).data,
    V,
    norm: (rows) => convolutionNorm({ ...form, kernel: rows, pads: a.pads, groups: 1, input: a.input }, 2).upper,
    // A sum of one shift for each tap, each of the norm of its matrix.
    spread: sqrtUp(count),
  };
}

/** Room that is tried, as a part of the multipliers. */
const rooms = [0, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3];

function constantOf({ count, W, V, norm, spread }: Rows): number | null {
  const width = W.length / count;
  const VD = new Float64Array(V.length);
  const ED = new Float64Array(V.length);
  const WD = new Float64Array(V.length);
  for (let i = 0; i < count; i++) {
    let [product, square, own] = [0, 0, 0];
    for (let k = i * width; k < (i + 1) * width; k++) {
      product += V[k] * W[k];
      square += W[k] * W[k];
      own = Math.max(own, Math.abs(V[k]));
    }
    // A neuron that does not move, or that nothing reads.
    if (square === 0 || own === 0) continue;
    const d = Math.sqrt(-square / (2 * product));
    if (!(d > 0 && Number.isFinite(d))) return null;
    const lambda = 1 / (2 * d * d);
    for (let k = i * width; k < (i + 1) * width; k++) {
      VD[k] = V[k] * d;
      WD[k] = lambda * W[k] * d;
      ED[k] = (V[k] + lambda * W[k]) * d;
    }
  }
  if (![VD, WD, ED].every((rows) => rows.every(Number.isFinite))) return null;
  // Few roundings each, and what computed weights may err by.
  const error = up(2 * computedError * up(spread * up(frobeniusUp(VD) + frobeniusUp(WD))));
  const s = up(norm(VD) + error);
  const e = up(up(spread * frobeniusUp(ED)) + error);
  let best: number | null = null;
  for (const t of rooms) {
    // E grows by t W^T Lambda = t (E - V), and D shrinks by sqrt(1 + t).
    const room = down(1 - up(up(s * s) / down(1 + t)));
    if (!(room > 0)) continue;
    const off = up(up(e * up(1 + t)) + up(t * s));
    const constant = sqrtUp(up(1 + up(up(off * off) / room)));
    if (best === null || constant < best) best = constant;
  }
  return best;
}
