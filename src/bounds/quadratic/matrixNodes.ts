/** @file Complex matrices at all frequencies as nodes of a graph, and the algebra of the walk on them. */
import type { Node } from "../../graph/graph.ts";
import { constant } from "../../graph/leaf.ts";
import { add, mul, neg, sub } from "../../ops/arith.ts";
import { inverse } from "../../ops/inverse.ts";
import { matmul } from "../../ops/matmul.ts";
import { concat, reshape, sliceAxis, transpose } from "../../ops/movement.ts";
import { tensor } from "../../tensor/tensor.ts";
import { type Grid, turnOf } from "./grid.ts";
import type { Linear, Places } from "./program.ts";

/** Matrices [frequencies, rows, cols], real where `im` is null. */
export interface Matrices {
  readonly re: Node;
  readonly im: Node | null;
}

export const array = (data: Float64Array, shape: readonly number[]): Node => constant(tensor(data, shape, "float64"));

export function eyeOf(n: number): Float64Array {
  const eye = new Float64Array(n * n);
  for (let i = 0; i < n; i++) eye[i * (n + 1)] = 1;
  return eye;
}

const swap = (x: Node): Node => transpose(x, [0, 2, 1]);

export const adjoint = ({ re, im }: Matrices): Matrices => ({ re: swap(re), im: im && neg(swap(im)) });

export const plus = (A: Matrices, B: Matrices): Matrices => ({
  re: add(A.re, B.re),
  im: A.im && B.im ? add(A.im, B.im) : (A.im ?? B.im),
});

export function times(A: Matrices, B: Matrices): Matrices {
  const re = matmul(A.re, B.re);
  if (!A.im && !B.im) return { re, im: null };
  const parts = [A.im ? matmul(A.im, B.re) : null, B.im ? matmul(A.re, B.im) : null].filter((x) => x !== null);
  return {
    re: A.im && B.im ? sub(re, matmul(A.im, B.im)) : re,
    im: parts.length === 2 ? add(parts[0], parts[1]) : parts[0],
  };
}

export const scaledColumns = ({ re, im }: Matrices, t: Node): Matrices => {
  const by = reshape(t, [1, 1, t.shape[0]]);
  return { re: mul(re, by), im: im && mul(im, by) };
};

export const scaledRows = ({ re, im }: Matrices, t: Node): Matrices => {
  const by = reshape(t, [1, t.shape[0], 1]);
  return { re: mul(re, by), im: im && mul(im, by) };
};

/** (A + i B)^-1 = X - i A^-1 B X with X = (A + B A^-1 B)^-1; A is definite where A + i B is. */
export function inverseOf({ re, im }: Matrices): Matrices {
  if (!im) return { re: inverse(re), im: null };
  const solved = matmul(inverse(re), im);
  const X = inverse(add(re, matmul(im, solved)));
  return { re: X, im: neg(matmul(solved, X)) };
}

/** U T^*. */
export function rightAdjoint(U: Matrices, map: Linear, symbols: Matrices | null, grid: Grid): Matrices {
  if (map.kind === "kernel") return times(U, adjoint(symbols as Matrices));
  return adjoint(placed(map, adjoint(U), grid));
}

/** sum over frequencies of Re U T^*, each as often as it stands for others, over their number: one product of long rows. */
export function summed(U: Matrices, T: Matrices, grid: Grid): Matrices {
  const [F, m, c] = U.re.shape;
  const n = T.re.shape[1];
  const weights = array(
    Float64Array.from(grid.weights, (w) => w / grid.size),
    [F, 1, 1],
  );
  const long = (x: Node, rows: number) => reshape(transpose(x, [1, 0, 2]), [1, rows, F * c]);
  const one = (x: Node, y: Node) => matmul(long(mul(x, weights), m), swap(long(y, n)));
  const re = one(U.re, T.re);
  return { re: U.im && T.im ? add(re, one(U.im, T.im)) : re, im: null };
}

/** Rows taken by their places, by runs of neighbours. */
export function placed({ from, factors, rows, shift }: Places, Y: Matrices, grid: Grid): Matrices {
  const runs: { readonly first: number; length: number }[] = [];
  for (let r = 0; r < rows; r++) {
    const last = runs[runs.length - 1];
    if (last && (from[r] < 0 ? last.first < 0 : last.first >= 0 && last.first + last.length === from[r])) last.length++;
    else runs.push({ first: from[r], length: 1 });
  }
  const [F, all, cols] = Y.re.shape;
  const take = (x: Node): Node => {
    if (runs.length > 16) {
      const pick = new Float64Array(rows * all);
      for (let r = 0; r < rows; r++) if (from[r] >= 0) pick[r * all + from[r]] = factors[r];
      return matmul(array(pick, [1, rows, all]), x);
    }
    const parts = runs.map(({ first, length }) =>
      first < 0
        ? array(new Float64Array(F * length * cols), [F, length, cols])
        : first === 0 && length === all
          ? x
          : sliceAxis(x, 1, first, first + length),
    );
    const rowsOf = parts.length === 1 ? parts[0] : concat(parts, 1);
    return factors.every((f, r) => f === 1 || from[r] < 0) ? rowsOf : mul(rowsOf, array(factors, [1, rows, 1]));
  };
  const taken: Matrices = { re: take(Y.re), im: Y.im && take(Y.im) };
  if (!shift) return taken;
  const turns = grid.frequencies.map((w) => turnOf(grid, w, shift));
  const by = (values: Float64Array) =>
    array(
      Float64Array.from(turns, (t) => values[t]),
      [turns.length, 1, 1],
    );
  const [c, s] = [by(grid.roots.cos), by(grid.roots.sin)];
  const { re, im } = taken;
  return {
    re: im ? sub(mul(re, c), mul(im, s)) : mul(re, c),
    im: im ? add(mul(re, s), mul(im, c)) : mul(re, s),
  };
}
