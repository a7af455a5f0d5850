/**
 * @file Circular convolutions by their symbols: a matrix for every frequency of a grid. The Fourier transform is a product with a constant
 * matrix, which the engine does faster than its own DFT at the sizes of images here, and which has a gradient.
 */
import type { Node } from "../graph/graph.ts";
import { constant } from "../graph/leaf.ts";
import { add, cast, mul, neg, sub } from "../ops/arith.ts";
import { gather } from "../ops/gather.ts";
import { matmul } from "../ops/matmul.ts";
import { concat, reshape, sliceAxis, transpose } from "../ops/movement.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { identity, refinedInverse } from "./cayley.ts";

/** Height and width. */
export type Grid = readonly [number, number];

/** Complex matrices [frequencies, rows, columns]; real images need only the first half of the second axis of frequencies. */
export interface Complex {
  readonly re: Node;
  readonly im: Node;
}

/** How many frequencies a real image has: all of the first axis, the first half of the second. */
export const frequencies = ([m, n]: Grid): number => m * (Math.floor(n / 2) + 1);

/** A circular convolution of images [batch, c, ...grid] by a symbol [frequencies, d, c]: [batch, d, ...grid]. */
export function circular(x: Node, { re, im }: Complex, grid: Grid): Node {
  const [batch, c] = x.shape;
  const d = re.shape[1];
  const [pixels, F] = [grid[0] * grid[1], frequencies(grid)];
  const spectrum = reshape(matmul(reshape(x, [batch * c, pixels]), fixedMatrix(forwardMatrix(grid))), [batch, c, 2, F]);
  const columns = reshape(transpose(spectrum, [3, 2, 1, 0]), [F, 2 * c, batch]);
  const block = concat([concat([re, neg(im)], 2), concat([im, re], 2)], 1);
  const moved = transpose(reshape(matmul(block, columns), [F, 2, d, batch]), [3, 2, 1, 0]);
  const back = matmul(reshape(moved, [batch * d, 2 * F]), fixedMatrix(backwardMatrix(grid)));
  return reshape(back, [batch, d, ...grid]);
}

/** The symbol of a kernel [rows, columns, k, k] with its middle at the origin: sum over taps of K e^(-2 pi i f t). */
export function symbolOf(kernel: Node, grid: Grid): Complex {
  const [rows, columns, k, l] = kernel.shape;
  const F = frequencies(grid);
  const flat = matmul(reshape(kernel, [rows * columns, k * l]), fixedMatrix(tapMatrix(grid, [k, l])));
  const parts = reshape(transpose(reshape(flat, [rows * columns, 2, F]), [1, 2, 0]), [2, F, rows, columns]);
  return {
    re: reshape(sliceAxis(parts, 0, 0, 1), [F, rows, columns]),
    im: reshape(sliceAxis(parts, 0, 1, 2), [F, rows, columns]),
  };
}

/** The kernel [rows, columns, ...grid] whose correlation with a wrapped image is the circular convolution of a symbol. */
export function kernelOf({ re, im }: Complex, grid: Grid): Node {
  const [F, rows, columns] = re.shape;
  const parts = concat([reshape(re, [1, F, rows * columns]), reshape(im, [1, F, rows * columns])], 0);
  const flat = reshape(transpose(parts, [2, 0, 1]), [rows * columns, 2 * F]);
  return reshape(matmul(flat, fixedMatrix(backwardMatrix(grid, 1))), [rows, columns, ...grid]);
}

/** A B. */
export function times(A: Complex, B: Complex): Complex {
  return {
    re: sub(matmul(A.re, B.re), matmul(A.im, B.im)),
    im: add(matmul(A.re, B.im), matmul(A.im, B.re)),
  };
}

/** The conjugate transpose. */
export const adjoint = ({ re, im }: Complex): Complex => ({ re: transpose(re), im: neg(transpose(im)) });

/** Both parts by the same real factor, which may be a node that broadcasts. */
export const scaledBy = ({ re, im }: Complex, factor: Node | number): Complex => ({
  re: mul(re, factor),
  im: mul(im, factor),
});

/**
 * `cayley` for complex X [F, q, q] and Y [F, p, q]: Z = X - X^* + Y^* Y. The inverse of I + Z = P + i Q comes from two real ones,
 *
 *     (P + i Q)^-1 = S^-1 - i P^-1 Q S^-1,   S = P + Q P^-1 Q,
 *
 * which exist because the symmetric parts of P and of the real form of I + Z are at least I, and S is a Schur complement of that form.
 */
export function complexCayley(X: Complex, Y: Complex): { readonly square: Complex; readonly rest: Complex } {
  const q = X.re.shape[2];
  const one = identity(q);
  const gram = times(adjoint(Y), Y);
  const star = adjoint(X);
  const P = add(add(sub(X.re, star.re), gram.re), one);
  const Q = add(sub(X.im, star.im), gram.im);
  const N = refinedInverse(P);
  const NQ = matmul(N, Q);
  const re = refinedInverse(add(P, matmul(Q, NQ)));
  const V = { re, im: neg(matmul(NQ, re)) };
  return { square: { re: sub(mul(V.re, 2), one), im: mul(V.im, 2) }, rest: scaledBy(times(Y, V), -2) };
}

/**
 * The symbol of a convolution on a grid as one on the grid that is `stride` times coarser, between the residues of the pixels as channels
 * in the order of `unshuffled`: [F, d, c] -> [F', stride^2 d, stride^2 c].
 *
 * With U[a, r] = exp(-2 pi i f_a r / s) / stride, unitary over the frequencies f_a that fall together and the residues r, it is
 * sum over a of conj(U[a, r]) U[a, r'] R(f_a).
 */
export function coarser({ re, im }: Complex, grid: Grid, stride: number): Complex {
  if (stride === 1) return { re, im };
  const [, d, c] = re.shape;
  const { places, signs, cos, sin, F } = aliases(grid, stride);
  const t = stride * stride;
  const at = constant(tensor(BigInt64Array.from(places, BigInt), [F * t], "int64"));
  const taken = {
    re: reshape(gather(re, at, 0), [F, t, d * c]),
    im: reshape(mul(gather(im, at, 0), fixedMatrix(tensor(signs, [F * t, 1, 1], "float64"))), [F, t, d * c]),
  };
  const turn = {
    re: fixedMatrix(tensor(cos, [F, t * t, t], "float64")),
    im: fixedMatrix(tensor(sin, [F, t * t, t], "float64")),
  };
  const sorted = (x: Node) => reshape(transpose(reshape(x, [F, t, t, d, c]), [0, 1, 3, 2, 4]), [F, t * d, t * c]);
  const whole = times(turn, taken);
  return { re: sorted(whole.re), im: sorted(whole.im) };
}

/** The pixels of each residue modulo stride as channels of their own: [batch, c, s, s'] -> [batch, stride^2 c, s / stride, s' / stride]. */
export function unshuffled(x: Node, stride: number): Node {
  if (stride === 1) return x;
  const [batch, c, s, w] = x.shape;
  const [m, n] = [s / stride, w / stride];
  const parts = transpose(reshape(x, [batch, c, m, stride, n, stride]), [0, 3, 5, 1, 2, 4]);
  return reshape(parts, [batch, stride * stride * c, m, n]);
}

/** The mirror for kernels: [rows, stride^2 c, m, n] -> [rows, c, stride m, stride n]. */
export function shuffled(kernel: Node, stride: number): Node {
  if (stride === 1) return kernel;
  const [rows, channels, m, n] = kernel.shape;
  const c = channels / stride ** 2;
  const parts = transpose(reshape(kernel, [rows, stride, stride, c, m, n]), [0, 3, 4, 1, 5, 2]);
  return reshape(parts, [rows, c, m * stride, n * stride]);
}

// --- internal ---

/** A constant in float32 that is still exact where the graph is retyped to float64. */
const fixedMatrix = (value: Tensor): Node => cast(constant(value), "float32");

/** Columns: the cosines of all frequencies, then their minus sines; rows by `row`. Angles are exact multiples of 2 pi / (m n). */
function fourier(grid: Grid, rows: number, row: (i: number) => readonly [number, number]) {
  const [m, n] = grid;
  const half = Math.floor(n / 2) + 1;
  const F = m * half;
  const cos = new Float64Array(rows * F);
  const sin = new Float64Array(rows * F);
  for (let i = 0; i < rows; i++) {
    const [y, x] = row(i);
    for (let f = 0; f < F; f++) {
      const turn = (Math.floor(f / half) * y * n + (f % half) * x * m) % (m * n);
      cos[i * F + f] = Math.cos((2 * Math.PI * turn) / (m * n));
      sin[i * F + f] = Math.sin((2 * Math.PI * turn) / (m * n));
    }
  }
  return { F, cos, sin };
}

/** [pixels, 2 F]: image rows to (re | im). */
function forwardMatrix(grid: Grid) {
  const pixels = grid[0] * grid[1];
  const { F, cos, sin } = fourier(grid, pixels, (i) => [Math.floor(i / grid[1]), i % grid[1]]);
  return sideways(pixels, F, cos, sin, -1);
}

function tapMatrix(grid: Grid, [k, l]: Grid) {
  const [a, b] = [Math.floor((k - 1) / 2), Math.floor((l - 1) / 2)];
  const wrap = (x: number, size: number) => ((x % size) + size) % size;
  const { F, cos, sin } = fourier(grid, k * l, (i) => [
    wrap(Math.floor(i / l) - a, grid[0]),
    wrap((i % l) - b, grid[1]),
  ]);
  return sideways(k * l, F, cos, sin, -1);
}

function sideways(rows: number, F: number, cos: Float64Array, sin: Float64Array, sign: number) {
  const data = new Float64Array(rows * 2 * F);
  for (let i = 0; i < rows; i++) {
    for (let f = 0; f < F; f++) {
      data[i * 2 * F + f] = cos[i * F + f];
      data[i * 2 * F + F + f] = sign * sin[i * F + f];
    }
  }
  return tensor(data, [rows, 2 * F], "float64");
}

/** [2 F, pixels]: (re | im) to an image, mirrored with sign 1; a frequency that stands for its mirror image too counts twice. */
function backwardMatrix(grid: Grid, sign = -1) {
  const [m, n] = grid;
  const half = Math.floor(n / 2) + 1;
  const pixels = m * n;
  const { F, cos, sin } = fourier(grid, pixels, (i) => [Math.floor(i / n), i % n]);
  const data = new Float64Array(2 * F * pixels);
  for (let i = 0; i < pixels; i++) {
    for (let f = 0; f < F; f++) {
      const v = f % half;
      const weight = (v === 0 || 2 * v === n ? 1 : 2) / pixels;
      data[f * pixels + i] = weight * cos[i * F + f];
      data[(F + f) * pixels + i] = sign * weight * sin[i * F + f];
    }
  }
  return tensor(data, [2 * F, pixels], "float64");
}

/** For every coarse frequency and every fine one that falls onto it: where its matrix is, whether conjugated, and the turns of `coarser`. */
function aliases([s, w]: Grid, stride: number) {
  const [m, n] = [s / stride, w / stride];
  const [half, fineHalf] = [Math.floor(n / 2) + 1, Math.floor(w / 2) + 1];
  const [F, t] = [m * half, stride * stride];
  const places: number[] = [];
  const signs: number[] = [];
  const cos: number[] = [];
  const sin: number[] = [];
  for (let f = 0; f < F; f++) {
    const fine = Array.from({ length: t }, (_, a) => [
      Math.floor(f / half) + Math.floor(a / stride) * m,
      (f % half) + (a % stride) * n,
    ]);
    for (const [u, v] of fine) {
      const mirror = v >= fineHalf;
      places.push((mirror ? (s - u) % s : u) * fineHalf + (mirror ? w - v : v));
      signs.push(mirror ? -1 : 1);
    }
    for (let r = 0; r < t * t; r++) {
      const [from, to] = [Math.floor(r / t), r % t];
      const dy = Math.floor(from / stride) - Math.floor(to / stride);
      const dx = (from % stride) - (to % stride);
      for (const [u, v] of fine) {
        const angle = 2 * Math.PI * ((u * dy) / s + (v * dx) / w);
        cos.push(Math.cos(angle) / t);
        sin.push(Math.sin(angle) / t);
      }
    }
  }
  return { places, signs, cos, sin, F };
}
