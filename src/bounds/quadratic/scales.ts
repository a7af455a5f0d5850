/** @file Where a search for the ellipsoid around a box of inputs begins: axes that are best where nothing is between the inputs and the worst output but a row of weights. */
import { type Matrix, multiply } from "../../linalg/matrix.ts";
import type { Linear, Program, Sum, Variable } from "./program.ts";

/**
 * Scales s for the numbers of the input of a program without a grid, the best guess first: s_j^2 in proportion to 1 / |w_j| for the row w of the output that
 * is longest in l1, as far as intervals tell; and all alike.
 */
export function startScales(program: Program): readonly Float64Array[] {
  const n = program.input.channels;
  const alike = new Float64Array(n).fill(1);
  const end = derivatives(program);
  if (!end) return [alike];
  let worst: Float64Array = alike;
  let most = 0;
  for (let r = 0; r < end.mid.rows; r++) {
    const row = Float64Array.from(
      { length: n },
      (_, j) => Math.abs(end.mid.data[r * n + j]) + end.radius.data[r * n + j],
    );
    const sum = row.reduce((a, b) => a + b, 0);
    if (sum > most) [worst, most] = [row, sum];
  }
  if (!(most > 0 && Number.isFinite(most))) return [alike];
  const least = (1e-4 * most) / n;
  return [worst.map((v) => Math.sqrt(most / n / Math.max(v, least))), alike];
}

// --- internal ---

/** Derivatives of a variable in the inputs, within `radius` of `mid` entry by entry but for rounding: [channels, inputs]. */
interface Derivatives {
  readonly mid: Matrix;
  readonly radius: Matrix;
}

/** Entries of what is alive beyond which nothing is computed. */
const largest = 8e6;

/** Of the output, by intervals; null where that is too large. */
function derivatives({ input, output, steps }: Program): Derivatives | null {
  const n = input.channels;
  const eye = matrixOf(n, n);
  for (let j = 0; j < n; j++) eye.data[j * (n + 1)] = 1;
  let known = new Map<Variable, Derivatives>([[input, { mid: eye, radius: matrixOf(n, n) }]]);
  for (const step of steps) {
    if (step.kind === "coarsen" || step.live.reduce((sum, v) => sum + v.channels * n, 0) > largest) return null;
    const of = (v: Variable) => known.get(v) as Derivatives;
    const own =
      step.kind === "affine"
        ? summed(step, of, n)
        : step.kind === "sector"
          ? cut(of(step.from))
          : spread(of(step.from), step.to.channels, step.constant);
    known = new Map([...known].filter(([v]) => step.live.includes(v)));
    known.set(step.to, own);
  }
  return known.get(output) ?? null;
}

const matrixOf = (rows: number, cols: number): Matrix => ({ rows, cols, data: new Float64Array(rows * cols) });

function summed({ to, terms }: Sum, of: (v: Variable) => Derivatives, n: number): Derivatives {
  const [mid, radius] = [matrixOf(to.channels, n), matrixOf(to.channels, n)];
  const add = (sum: Matrix, more: Matrix) => {
    for (let k = 0; k < sum.data.length; k++) sum.data[k] += more.data[k];
  };
  for (const { from, map } of terms) {
    const own = of(from);
    add(
      mid,
      applied(map, own.mid, (w) => w),
    );
    add(radius, applied(map, own.radius, Math.abs));
  }
  return { mid, radius };
}

function applied(map: Linear, x: Matrix, entry: (w: number) => number): Matrix {
  if (map.kind === "kernel") {
    const { rows, cols, taps } = map;
    return multiply({ rows, cols, data: taps[0].weight.map(entry) }, x);
  }
  const out = matrixOf(map.rows, x.cols);
  for (let r = 0; r < map.rows; r++) {
    const from = map.from[r];
    if (from < 0) continue;
    for (let j = 0; j < x.cols; j++) out.data[r * x.cols + j] = entry(map.factors[r]) * x.data[from * x.cols + j];
  }
  return out;
}

/** Times a slope in [0, 1]. */
function cut({ mid, radius }: Derivatives): Derivatives {
  const low = mid.data.map((m, k) => Math.min(0, m - radius.data[k]));
  const high = mid.data.map((m, k) => Math.max(0, m + radius.data[k]));
  return {
    mid: { ...mid, data: low.map((l, k) => (l + high[k]) / 2) },
    radius: { ...mid, data: low.map((l, k) => (high[k] - l) / 2) },
  };
}

/** What is only bounded as a whole, input by input. */
function spread({ mid, radius }: Derivatives, channels: number, constant: number): Derivatives {
  const { cols } = mid;
  const squares = new Float64Array(cols);
  mid.data.forEach((m, k) => {
    squares[k % cols] += (Math.abs(m) + radius.data[k]) ** 2;
  });
  const own = matrixOf(channels, cols);
  return {
    mid: matrixOf(channels, cols),
    radius: { ...own, data: own.data.map((_, k) => constant * Math.sqrt(squares[k % cols])) },
  };
}
