/** @file A number that the checker proves to be no less than the norm of an affine map, near it where there is time. */
import { matrix } from "../linalg/matrix.ts";
import { spectralNorm } from "../linalg/norm.ts";
import { up } from "../linalg/rounding.ts";
import type { Sparse } from "../verify/algebra/sparse.ts";
import { quickNorm } from "../verify/algebra/sparseNorm.ts";
import { symbolsOf } from "../verify/proof/fourier.ts";
import { type Norm, type Origin, provedNorm, wayOf } from "../verify/proof/norm.ts";
import type { Kernel } from "../verify/read/step.ts";
import { runUntil } from "../verify/task.ts";
import { largestSingular } from "./largest.ts";

/** A norm, and what it is the norm of: "itself" or, in words, what is larger. */
export interface NormWitness {
  readonly norm: number;
  readonly by: "itself" | "from symbols, on a circle" | "from sums of absolute values";
}

/** Find a norm that can be proved, until a time in seconds of `performance.now()`; after that, and at the worst, that of the sums. */
export async function normWitness(
  map: Sparse,
  p: Norm,
  origin: Origin,
  until: number,
  signal?: AbortSignal,
): Promise<NormWitness> {
  const quick = quickNorm(map, p);
  if (p !== 2 || quick <= 1) return { norm: quick, by: "itself" };
  const sums: NormWitness = { norm: quick, by: "from sums of absolute values" };
  const way = wayOf(map, origin);
  if (way.kind === "none" || performance.now() > 1000 * until) return sums;
  const { by, estimate, hairs } =
    way.kind === "symbols"
      ? ({ by: "from symbols, on a circle", estimate: symbolEstimate, hairs: [2 ** -12, 2 ** -8, 2 ** -5] } as const)
      : isSmall(map)
        ? ({
            by: "itself",
            estimate: matrixEstimate,
            hairs: [2 ** -34, 2 ** -30, 2 ** -26, 2 ** -20, 2 ** -12],
          } as const)
        : ({
            by: "itself",
            estimate: (A: Sparse) => largestSingular(A),
            hairs: [2 ** -28, 2 ** -22, 2 ** -14, 2 ** -7, 2 ** -4],
          } as const);
  const found = estimate(map, origin.kernel ?? null);
  for (const hair of hairs) {
    const s = Math.min(quick, up(found * (1 + hair)));
    const proved = await runUntil(provedNorm(map, 2, s, origin), 1000 * until, signal);
    if (proved) return { norm: s, by };
    if (proved === null) break;
  }
  return sums;
}

// --- internal ---

/** Is a search as a dense matrix soon done? */
const isSmall = ({ rows, cols }: Sparse): boolean => rows * cols <= 4e6 && rows * cols * Math.min(rows, cols) <= 3e8;

/** Above the largest singular value, and near. */
function matrixEstimate(map: Sparse): number {
  const narrow = Math.min(map.rows, map.cols);
  return spectralNorm(matrix(map.rows, map.cols, denseOf(map)), narrow > 45 ? { tolerance: 1e-7 } : {}).upper;
}

/** The largest of the symbols: all of them roughly, and the best of those as well as can be. */
function symbolEstimate(_: Sparse, kernel: Kernel | null): number {
  if (kernel === null) return Number.NaN;
  const rough: number[] = [];
  for (const symbol of symbolsOf(kernel).matrices()) rough.push(largestSingular(symbol, { steps: 4, restarts: 1 }));
  const bar = [...rough].sort((a, b) => b - a)[Math.min(8, rough.length - 1)];
  let [largest, i] = [0, 0];
  for (const symbol of symbolsOf(kernel).matrices()) {
    if (rough[i++] >= bar) largest = Math.max(largest, largestSingular(symbol));
  }
  return largest;
}

function denseOf({ rows, cols, start, index, value }: Sparse): Float64Array {
  const data = new Float64Array(rows * cols);
  for (let i = 0; i < rows; i++) {
    for (let k = start[i]; k < start[i + 1]; k++) data[i * cols + index[k]] = value[k];
  }
  return data;
}
