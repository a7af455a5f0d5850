/**
 * @file Convolution and its two adjoints in float64 by plain loops: what the windows read as the columns of a matrix, a group and a block of windows at a time, so
 * that the innermost loop runs along memory.
 */
import { type Shape, sizeOf } from "../tensor/shape.ts";
import { type ConvAttrs, tapTable, windowsAlong } from "./windows.ts";

/** z = conv(x, w), for x [batch, channels, ...] and w [out, channels / groups, ...]. */
export function convolved(attrs: ConvAttrs, xs: Shape, ws: Shape, x: Float64Array, w: Float64Array): Float64Array {
  const { windows, blocks } = blocksOf(attrs, xs, ws);
  const z = new Float64Array(xs[0] * ws[0] * windows);
  for (const { depth, rows, width, weights, values, read } of blocks()) {
    const columns = { data: read(x), from: 0, step: width };
    for (let o = 0; o < rows; o++) {
      addProducts(z, values + o * windows, width, depth, { data: w, from: weights + o * depth, step: 1 }, columns);
    }
  }
  return z;
}

/** The adjoint in x: <adjoint(z), x> = <z, conv(x, w)>. */
export function transposed(attrs: ConvAttrs, xs: Shape, ws: Shape, z: Float64Array, w: Float64Array): Float64Array {
  const { windows, blocks } = blocksOf(attrs, xs, ws);
  const x = new Float64Array(sizeOf(xs));
  for (const { depth, rows, width, weights, values, addTo } of blocks()) {
    const columns = new Float64Array(depth * width);
    const of = { data: z, from: values, step: windows };
    for (let k = 0; k < depth; k++) {
      addProducts(columns, k * width, width, rows, { data: w, from: weights + k, step: depth }, of);
    }
    addTo(x, columns);
  }
  return x;
}

/** The adjoint in w: <adjoint(z), w> = <z, conv(x, w)>. */
export function kernelOf(attrs: ConvAttrs, xs: Shape, ws: Shape, x: Float64Array, z: Float64Array): Float64Array {
  const { windows, blocks } = blocksOf(attrs, xs, ws);
  const w = new Float64Array(sizeOf(ws));
  for (const { depth, rows, width, weights, values, read } of blocks()) {
    const columns = read(x);
    for (let o = 0; o < rows; o++) {
      const own = z.subarray(values + o * windows, values + o * windows + width);
      for (let k = 0; k < depth; k++) {
        const at = k * width;
        let sum = w[weights + o * depth + k];
        for (let j = 0; j < width; j++) sum += own[j] * columns[at + j];
        w[weights + o * depth + k] = sum;
      }
    }
  }
  return w;
}

// --- internal ---

/** Numbers in a block of columns, at most, unless one window has more. */
const most = 2 ** 18;

/** One sample, one group, some windows that follow each other. */
interface Block {
  /** Numbers that a window reads. */
  readonly depth: number;
  /** Channels of z. */
  readonly rows: number;
  /** Windows. */
  readonly width: number;
  /** Where the weights of the group and the windows' values in z begin. */
  readonly weights: number;
  readonly values: number;
  /** What the windows read, [depth, width]; 0 where that is outside. */
  read(x: Float64Array): Float64Array;
  /** Add columns to what they were read from. */
  addTo(x: Float64Array, columns: Float64Array): void;
}

function blocksOf(
  attrs: ConvAttrs,
  [batch, channels]: Shape,
  [out]: Shape,
): { readonly windows: number; blocks(): Generator<Block> } {
  const { groups, input, kernel } = attrs;
  const windowShape = windowsAlong("conv", input, attrs);
  const table = tapTable(input, windowShape, attrs);
  const [space, taps, windows] = [input, kernel, windowShape].map(sizeOf);
  const inner = channels / groups;
  const rows = out / groups;
  const depth = inner * taps;
  const block = Math.max(1, Math.floor(most / depth));
  return {
    windows,
    *blocks() {
      for (let n = 0; n < batch; n++) {
        for (let g = 0; g < groups; g++) {
          for (let first = 0; first < windows; first += block) {
            const width = Math.min(block, windows - first);
            /** Every number of the columns that is read somewhere, and where. */
            const each = (visit: (at: number, position: number) => void) => {
              for (let c = 0; c < inner; c++) {
                const from = (n * channels + g * inner + c) * space;
                for (let t = 0; t < taps; t++) {
                  const at = (c * taps + t) * width;
                  for (let j = 0; j < width; j++) {
                    const q = table[(first + j) * taps + t];
                    if (q >= 0) visit(at + j, from + q);
                  }
                }
              }
            };
            yield {
              depth,
              rows,
              width,
              weights: g * rows * depth,
              values: (n * out + g * rows) * windows + first,
              read(x) {
                const columns = new Float64Array(depth * width);
                each((at, position) => {
                  columns[at] = x[position];
                });
                return columns;
              },
              addTo(x, columns) {
                each((at, position) => {
                  x[position] += columns[at];
                });
              },
            };
          }
        }
      }
    },
  };
}

/** Numbers of an array, each `step` behind the one before. */
interface Strided {
  readonly data: Float64Array;
  readonly from: number;
  readonly step: number;
}

/** to[at + j] += sum over k < count of w_k of_k[j], j < width, where of_k is a row of `of`; summed in the order of k. */
function addProducts(to: Float64Array, at: number, width: number, count: number, w: Strided, of: Strided): void {
  const own = to.subarray(at, at + width);
  const { data } = of;
  let k = 0;
  const weight = (i: number) => w.data[w.from + i * w.step];
  const row = (i: number) => of.from + i * of.step;
  // Four at a time: the sum is read and written once.
  for (; k + 3 < count; k += 4) {
    const [a, b, c, d] = [weight(k), weight(k + 1), weight(k + 2), weight(k + 3)];
    const [p, q, r, s] = [row(k), row(k + 1), row(k + 2), row(k + 3)];
    for (let j = 0; j < width; j++) {
      own[j] = own[j] + a * data[p + j] + b * data[q + j] + c * data[r + j] + d * data[s + j];
    }
  }
  for (; k < count; k++) {
    const [v, p] = [weight(k), row(k)];
    for (let j = 0; j < width; j++) own[j] += v * data[p + j];
  }
}
