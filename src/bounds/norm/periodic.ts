/** @file Periodic convolutions, which read an image as if it went on where it ends: found in the graph, and their norm, frequency by frequency. */
import type { Flow } from "../../graph/behaviour.ts";
import type { Node } from "../../graph/graph.ts";
import { frobeniusUp } from "../../linalg/enclosure.ts";
import { type Matrix, matrix } from "../../linalg/matrix.ts";
import { spectralNorm } from "../../linalg/norm.ts";
import { rootError, rootsOfUnity } from "../../linalg/roots.ts";
import { gamma, sqrtUp, sumUp, unit, up } from "../../linalg/rounding.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { once } from "../once.ts";
import type { NodeNorms } from "./node.ts";

/** A periodic convolution: kernel [channels, inputs, height, width] as large as its image. */
export interface Periodic {
  readonly kernel: Float64Array;
  readonly channels: number;
  readonly inputs: number;
  readonly height: number;
  readonly width: number;
  readonly stride: number;
}

/**
 * The norm of a periodic convolution, proved: the largest over the frequencies f of the coarse grid of the norms of the matrices [K_a / stride]_a,
 * a over the frequencies that the stride lets fall onto f; to within a relative `tolerance`.
 */
export function periodicNorm(stage: Periodic, tolerance = 1e-9): number {
  const { channels, inputs, height, width, stride } = stage;
  const fine = symbolsOf(stage.kernel, channels, inputs, [height, width]);
  const [m, n] = [height / stride, width / stride];
  const half = Math.floor(n / 2) + 1;
  const aliases = stride * stride;
  const cols = 2 * inputs * aliases;
  let top = 0;
  for (let f = 0; f < m * half; f++) {
    const data = new Float64Array(2 * channels * cols);
    let errors = 0;
    for (let alias = 0; alias < aliases; alias++) {
      const u = Math.floor(f / half) + Math.floor(alias / stride) * m;
      const v = (f % half) + (alias % stride) * n;
      const K = divided(fine.at(u, v), stride);
      for (let r = 0; r < K.rows; r++) {
        data.set(K.data.subarray(r * K.cols, (r + 1) * K.cols), r * cols + alias * K.cols);
      }
      // The division by the stride errs by u.
      const e = up(fine.error + 2 * unit * frobeniusUp(K.data));
      errors = up(errors + up(e * e));
    }
    top = Math.max(top, up(spectralNorm(matrix(2 * channels, cols, data), { tolerance }).upper + sqrtUp(errors)));
  }
  return top;
}

/** A convolution whose kernel is as large as the image, and that reads the image as if it went on where it ends. */
export function wrappedConvolution(
  flow: Flow,
  node: Node,
  norms: NodeNorms,
): { readonly stage: Periodic; readonly source: Node } | null {
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

// --- internal ---

/** Does a node only put numbers of what varies side by side, or leave some away, in the axes that they have? */
const picksOf = (node: Node, flow: Flow): boolean =>
  node.op.order === "moves" &&
  node.inputs.every((x) => flow.varies.has(x) && x.shape.length === node.shape.length) &&
  (node.inputs.length > 1 || sizeOf(node.shape) < sizeOf(node.inputs[0].shape));

/** Where the moving of pixels begins. */
function sourceOf(flow: Flow, node: Node): Node {
  const varying = node.inputs.filter((x) => flow.varies.has(x));
  return picksOf(node, flow) && node !== flow.input ? sourceOf(flow, varying[0]) : node;
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
    if (!picksOf(node, flow)) return null;
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

type Grid = readonly [number, number];

const divided = (K: Matrix, by: number): Matrix => (by === 1 ? K : { ...K, data: K.data.map((x) => x / by) });

/**
 * The symbols sum over t of K[t] exp(2 pi i f t) of kernels [rows, cols, ...grid] in the real form [2 rows, 2 cols]. Each coordinate errs by at
 * most (e + gamma_T (1 + e)) sum_t |K[t]|, e = rootError; `error` bounds the Frobenius norm of the error of the real form.
 */
function symbolsOf(kernel: Float64Array, rows: number, cols: number, grid: Grid): Symbols {
  const known = symbolsBySides(kernel);
  const key = [rows, cols, ...grid].join();
  const symbols = known.get(key) ?? transformed(kernel, rows, cols, grid);
  known.set(key, symbols);
  return symbols;
}

interface Symbols {
  readonly error: number;
  /** At one frequency of the whole grid. */
  at(u: number, v: number): Matrix;
}

/** Searches ask for those of one kernel again and again. */
const symbolsBySides = once((_: Float64Array) => new Map<string, Symbols>());

function transformed(kernel: Float64Array, rows: number, cols: number, grid: Grid): Symbols {
  const [m, n] = grid;
  const taps = m * n;
  const half = Math.floor(n / 2) + 1;
  const roots = rootsOfUnity(taps);
  const count = rows * cols;
  const made = new Map<number, Matrix>();
  let squares = 0;
  for (let k = 0; k < count; k++) {
    let sum = 0;
    for (let t = 0; t < taps; t++) sum += Math.abs(kernel[k * taps + t]);
    squares += sum * sum;
  }
  // A kernel that is smaller than its image is 0 at most places.
  const places = Array.from({ length: taps }, (_, t) => t).filter((t) => {
    for (let k = 0; k < count; k++) if (kernel[k * taps + t] !== 0) return true;
    return false;
  });
  const all = sumUp(sqrtUp(sumUp(squares, count + 2)), taps + 2);
  const error = up(2 * up(up(rootError + up(gamma(taps + 1) * up(1 + rootError))) * all));
  const own = (u: number, v: number): Matrix => {
    const key = u * half + v;
    const known = made.get(key);
    if (known) return known;
    const cos = new Float64Array(places.length);
    const sin = new Float64Array(places.length);
    places.forEach((t, p) => {
      const turn = (u * Math.floor(t / n) * n + v * (t % n) * m) % taps;
      cos[p] = roots.cos[turn];
      sin[p] = roots.sin[turn];
    });
    const data = new Float64Array(4 * count);
    for (let k = 0; k < count; k++) {
      let re = 0;
      let im = 0;
      for (let p = 0; p < places.length; p++) {
        const x = kernel[k * taps + places[p]];
        re += x * cos[p];
        im += x * sin[p];
      }
      const [i, j] = [Math.floor(k / cols), k % cols];
      data[i * 2 * cols + j] = re;
      data[(rows + i) * 2 * cols + cols + j] = re;
      data[i * 2 * cols + cols + j] = -im;
      data[(rows + i) * 2 * cols + j] = im;
    }
    const K = matrix(2 * rows, 2 * cols, data);
    made.set(key, K);
    return K;
  };
  return {
    error,
    at(u: number, v: number): Matrix {
      if (v < half) return own(u, v);
      const K = own((m - u) % m, n - v);
      return { ...K, data: K.data.map((x, k) => (Math.floor(k / K.cols) < rows !== k % K.cols < cols ? -x : x)) };
    },
  };
}
