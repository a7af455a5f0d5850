/**
 * @file Norms of matrices and convolutions by Gram iteration: upper bounds at every step, in exact arithmetic, without a state. Dearer
 * than a power step by several products of the smaller side.
 */
import type { LinearForm, Node } from "../graph/graph.ts";
import { constant } from "../graph/leaf.ts";
import { add, div, log, mul, neg } from "../ops/arith.ts";
import { sum } from "../ops/broadcast.ts";
import { matmul } from "../ops/matmul.ts";
import { concat, reshape, transpose } from "../ops/movement.ts";
import { exp, sqrt } from "../ops/pointwise.ts";
import { reduceMax } from "../ops/reduce.ts";
import { UsageError } from "../tensor/errors.ts";
import { sizeOf } from "../tensor/shape.ts";
import { tensor } from "../tensor/tensor.ts";
import { type Norms, nameOf } from "./constants.ts";
import { statedNorm } from "./powerNorms.ts";

/**
 * Norms op by op: `gramNorm` of matrices, and of the Fourier symbols of convolutions. Throws UsageError for a linear op that is neither
 * these nor states its norm.
 */
export const gramNorms: Norms = {
  by: "node",
  norm(node, i, of) {
    const stated = statedNorm(of, node.dtype);
    if (stated) return stated;
    if (of.form === "matrix") return reshape(gramNorm(reshape(of.weight, [1, ...of.weight.shape])), []);
    if (of.form === "convolution") return symbolNorm(of, node, i);
    throw new UsageError(`${nameOf(node)} is linear without a form that Gram iteration knows; use norms: "power"`);
  },
};

/**
 * Bound the spectral norms of matrices [n, rows, cols] from above, and take the largest: G_1 = A^T A, G_k+1 = G_k^T G_k, and
 *
 *     ||A||^2 = ||G_t||^(2^(1 - t)) <= ||G_t||_F^(2^(1 - t)),
 *
 * with the size of every G_k divided out on the way. `complex`: A is [[X, -Y], [Y, X]] of a complex X + iY, whose singular values it
 * has twice.
 * Reference: Delattre, Barthélemy, Araujo and Allauzen 2023, algorithm 1.
 */
export function gramNorm(A: Node, { steps = 6, complex = false } = {}): Node {
  const [, rows, cols] = A.shape;
  let G = rows <= cols ? matmul(A, transpose(A)) : matmul(transpose(A), A);
  const twice = complex ? Math.LN2 : 0;
  let total: Node | undefined;
  for (let k = 1; k <= steps; k++) {
    const square = add(sum(mul(G, G), [1, 2], true), constant(1e-30, A.dtype));
    // ln ||G_k||_F: what was divided out of G_k counts 2^(1 - k).
    const share = mul(log(square), 0.5 ** k);
    total = total ? add(total, share) : share;
    if (k === steps) break;
    const unit = div(G, sqrt(square));
    G = matmul(unit, unit);
  }
  // ||A||^2 <= exp(total), less the doubling of the last Frobenius norm.
  const logs = mul(add(total as Node, -twice * 0.5 ** steps), 0.5);
  return exp(reduceMax(logs));
}

// --- internal ---

/**
 * A convolution with zeros around is a part of the circular one on a grid without wrap-around, whose norm is the largest of its
 * symbols. A stride is undone by phases: inputs that are a stride apart are channels of a convolution with stride 1.
 */
function symbolNorm(of: LinearForm & { readonly form: "convolution" }, node: Node, i: number): Node {
  const { kernel, strides, dilations, groups } = of;
  const [out, inner, ...taps] = kernel.shape;
  // Outputs of the convolution: of the op itself, or, for the adjoint, what it takes.
  const windows = (of.direction === "forward" ? node.shape : node.inputs[i].shape).slice(2);
  // Tap p of an axis reads phase r of block o + q.
  const axes = taps.map((count, a) =>
    Array.from({ length: count }, (_, p) => ({
      q: Math.floor((p * dilations[a]) / strides[a]),
      r: (p * dilations[a]) % strides[a],
    })),
  );
  const grid = windows.map((count, a) => count + axes[a][axes[a].length - 1].q);
  const places = product(taps.map((count) => count));
  const phases = product(strides);
  const frequencies = product(grid).filter((f) => isFirst(f, grid));
  const at = (trig: (angle: number) => number) =>
    constant(
      tensor(
        places.flatMap((place) =>
          phases.flatMap((phase) =>
            frequencies.map((f) => {
              if (place.some((p, a) => axes[a][p].r !== phase[a])) return 0;
              return trig(place.reduce((sum, p, a) => sum + (2 * Math.PI * f[a] * axes[a][p].q) / grid[a], 0));
            }),
          ),
        ),
        [places.length, phases.length * frequencies.length],
        kernel.dtype,
      ),
    );
  const rows = reshape(kernel, [out * inner, places.length]);
  // [out * inner, phases * frequencies] -> [groups * frequencies, out / groups, inner * phases]
  const symbols = (part: Node) =>
    reshape(
      transpose(
        reshape(matmul(rows, part), [groups, out / groups, inner * phases.length, frequencies.length]),
        [0, 3, 1, 2],
      ),
      [groups * frequencies.length, out / groups, inner * phases.length],
    );
  const real = symbols(at(Math.cos));
  const imaginary = symbols(at(Math.sin));
  const block = concat([concat([real, neg(imaginary)], 2), concat([imaginary, real], 2)], 1);
  return gramNorm(block, { steps: 5, complex: true });
}

/** All index vectors below `counts`, the last the fastest. */
function product(counts: readonly number[]): number[][] {
  return Array.from({ length: sizeOf(counts) }, (_, k) => {
    const index: number[] = [];
    for (let a = counts.length - 1, rest = k; a >= 0; a--) {
      index[a] = rest % counts[a];
      rest = Math.floor(rest / counts[a]);
    }
    return index;
  });
}

/** Of a frequency and its negative, whose symbols are conjugate, the first. */
function isFirst(f: readonly number[], grid: readonly number[]): boolean {
  const other = f.map((v, a) => (grid[a] - v) % grid[a]);
  const differ = f.findIndex((v, a) => v !== other[a]);
  return differ < 0 || f[differ] < other[differ];
}
