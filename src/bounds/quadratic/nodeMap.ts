/** @file One node as a linear map of one of its inputs, as the quadratic walk wants it: numbers that are moved and scaled, or a matrix. */
import type { Flow } from "../../graph/behaviour.ts";
import { apply, type Node } from "../../graph/graph.ts";
import { input } from "../../graph/leaf.ts";
import { transpose } from "../../linalg/matrix.ts";
import { random } from "../../tensor/random.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { computedError } from "../fixed.ts";
import { denseOf, type LinearMap, linearMap } from "../norm/affine.ts";
import type { NodeNorms } from "../norm/node.ts";
import { workOf } from "../work.ts";
import { identityPlaces, type Kernel, type Linear, type Places } from "./program.ts";

/** The linear part of a node in input `i`, the others held fixed; null where it is too large to write out, or has no derivative. */
export function nodeMap(flow: Flow, norms: NodeNorms, node: Node, i: number): Linear | null {
  const only = node.inputs.map((_, k) => k === i);
  const behaviour = node.op.behaviour(node, only);
  const [rows, cols] = [sizeOf(node.shape), sizeOf(node.inputs[i].shape)];
  if (behaviour.kind === "isometry") return movedNumbers(flow, node, i);
  if (behaviour.kind !== "linear") return null;
  const { of } = behaviour;
  if (of.form === "diagonal") {
    const { data, error } = norms.fixed(of.factors);
    const factors = of.inverse ? data.map((v) => 1 / v) : data;
    if (!factors.every(Number.isFinite)) return null;
    return { ...identityPlaces(rows), factors, error: of.inverse ? error + 4 * Number.EPSILON : error };
  }
  if (of.form === "matrix" && of.weight.shape.length === 2) {
    const [m, n] = of.weight.shape;
    const { data, error } = norms.fixed(of.weight);
    // A lone vector, whatever stands before it.
    if (of.side === "right" && cols === m && rows === n) {
      return matrixKernel(n, m, transpose({ rows: m, cols: n, data }).data, error);
    }
    if (of.side === "left" && cols === n && rows === m) return matrixKernel(m, n, data, error);
  }
  if (of.form === "bounded") {
    const places = movedNumbers(flow, node, i);
    if (places) return places;
  }
  if (rows * cols > largest.entries || Math.min(rows, cols) * workOf(node, flow.varies) > largest.work) return null;
  const map = alone(flow, node, i);
  if (!map) return null;
  const { data } = denseOf(map);
  return compact(
    matrixKernel(rows, cols, data, of.form === "convolution" ? norms.fixed(of.kernel).error : computedError),
  );
}

/** A kernel of one tap at no shift. */
export const matrixKernel = (rows: number, cols: number, weight: Float64Array, error: number): Kernel => ({
  kind: "kernel",
  rows,
  cols,
  taps: [{ shift: [], weight }],
  error,
});

/**
 * What a node moves where, perhaps with the other sign, told by the numbers that it makes of random ones: a row of two entries would have to hit
 * one of them by accident (`onlyCopies` reads ops in the same way). Null where it does anything else.
 */
export function movedNumbers(flow: Flow, node: Node, i: number): Places | null {
  const cols = sizeOf(node.inputs[i].shape);
  const map = alone(flow, node, i);
  if (!map) return null;
  const source = random(0);
  const drawn = Float64Array.from({ length: cols }, () => source.normal());
  const place = new Map(Array.from(drawn, (v, k) => [Math.abs(v), k]));
  const made = map.apply(drawn);
  const from = new Int32Array(made.length).fill(-1);
  const factors = new Float64Array(made.length);
  for (let k = 0; k < made.length; k++) {
    if (made[k] === 0) continue;
    const at = place.get(Math.abs(made[k]));
    if (at === undefined) return null;
    from[k] = at;
    factors[k] = made[k] === drawn[at] ? 1 : -1;
  }
  return { kind: "places", rows: made.length, cols, from, factors, error: 0 };
}

// --- internal ---

/** Entries of a matrix that is written out, and float64 operations to write it. */
const largest = { entries: 4e6, work: 3e8 };

/** A node as a function of one input in the place of which stands a placeholder. */
function alone(flow: Flow, node: Node, i: number): LinearMap | null {
  const slots = node.inputs.map((x, k) => (k === i || flow.varies.has(x) ? input(`slot ${k}`, x.shape, x.dtype) : x));
  const own = apply(node.op, slots, node.attrs);
  return linearMap({ output: own, sources: slots.filter((s, k) => s !== node.inputs[k]), nodes: [own] }, slots[i]);
}

/** A matrix of at most one entry in each row as places. */
function compact(kernel: Kernel): Linear {
  const { rows, cols, taps, error } = kernel;
  const from = new Int32Array(rows).fill(-1);
  const factors = new Float64Array(rows);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++) {
      const v = taps[0].weight[r * cols + c];
      if (v === 0) continue;
      if (from[r] >= 0) return kernel;
      from[r] = c;
      factors[r] = v;
    }
  }
  return { kind: "places", rows, cols, from, factors, error };
}
