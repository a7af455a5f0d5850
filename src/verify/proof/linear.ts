/**
 * @file How far a difference of two outputs stays above 0 around a sample, by one walk back with a line below or above every ReLU on the range of its
 * argument. In doubles, with all that the walk may err by; what has a kink elsewhere than at 0, or none, ends it, and the constant up to there is taken.
 */
import { addUp, down, gamma, sqrtUp, sumUp, timesUp, underflow, up } from "../algebra/rounding.ts";
import type { Sparse } from "../algebra/sparse.ts";
import { absoluteNorm } from "../algebra/sparseNorm.ts";
import { type Program, sampleName } from "../read/network.ts";
import type { Scalar } from "../read/pointwise.ts";
import { type Affine, count, type Varying } from "../read/step.ts";
import { forwardErrors } from "./forward.ts";
import type { Norm } from "./norm.ts";
import { type Run, valuesAt } from "./run.ts";
import type { Walk } from "./walk.ts";

/** The walks around one sample. */
export interface LinearWalks {
  /** A number that f_y - f_j is not below anywhere within the radius of the sample. */
  lower(y: number, j: number, radius: number): number;
}

/**
 * With K_i the constant of number i of the argument u of a bend (the length of its row times the constants of what it reads), e its error,
 *
 *     u_i(x) in u_i(x0) +- (r K_i + e),      s(u) between lines on that range,
 *     b . (A t + c) = (A^T b) . t + b . c  up to  gamma (|b|_1 || |A| ||_inf + |g|_1) max |t|,     g what A^T b is added to,
 *
 * and at the sample g . x >= g . x0 - r |g|_q. Any covector is as good as another one, as long as what is left over is paid for.
 */
export function linearWalks(program: Program, walk: Walk, largest: Run["largest"]): (x: Float32Array) => LinearWalks {
  const { norm } = walk;
  const dual: Norm = norm === 2 ? 2 : norm === 1 ? "inf" : 1;
  const errors = forwardErrors(program, walk, largest, 0, 64);
  const sums = new Map<Sparse, number>();
  const rowSum = (A: Sparse): number => {
    const known = sums.get(A) ?? absoluteNorm(A, "inf");
    sums.set(A, known);
    return known;
  };
  const gains = new Map<string, Float64Array>();
  const gainsOf = (tensor: string): Float64Array => {
    const known = gains.get(tensor);
    if (known) return known;
    const made = gainsAt(program, walk, tensor, dual);
    gains.set(tensor, made);
    return made;
  };
  const back = [...program.steps].reverse();
  return (x) => {
    const values = valuesAt(program, x);
    const tops = new Map(
      [...values].map(([tensor, v]) => [tensor, v.reduce((top, z) => Math.max(top, Math.abs(z)), 0)]),
    );
    return {
      lower(y, j, radius) {
        const covectors = new Map<string, Float64Array>();
        const at = (tensor: string) => {
          const found =
            covectors.get(tensor) ?? new Float64Array(count(program.byTensor.get(tensor)?.shape ?? [program.size]));
          covectors.set(tensor, found);
          return found;
        };
        /** Not below |number| of a tensor anywhere within the radius. */
        const sizeOf = (tensor: string) =>
          addUp(addUp(tops.get(tensor) as number, errors(tensor)), timesUp(walk.constantOf(tensor), radius));
        const end = at(program.output);
        [end[y], end[j]] = [1, -1];
        let number = 0;
        let absolute = 0;
        let paid = underflow;
        let terms = 8;
        const add = (part: number) => {
          number += part;
          absolute += Math.abs(part);
          terms++;
        };
        /** What is left of a covector at a tensor where the walk ends. */
        const ends = (tensor: string, b: Float64Array) => {
          const v = values.get(tensor) as Float64Array;
          let inner = 0;
          let size = 0;
          for (let k = 0; k < b.length; k++) {
            inner += b[k] * v[k];
            size += Math.abs(b[k] * v[k]);
          }
          const length = lengthUp(b, dual);
          add(inner);
          const moved = addUp(timesUp(walk.constantOf(tensor), radius), errors(tensor));
          paid = addUp(paid, addUp(timesUp(length, moved), timesUp(gamma(b.length + 8), up(size))));
        };
        for (const step of back) {
          const b = covectors.get(step.tensor);
          if (!b) continue;
          if (step.kind === "affine") {
            const found = throughAffine(step, b, at, sizeOf, rowSum);
            add(found.number);
            paid = addUp(paid, found.paid);
            continue;
          }
          const halfLines = step.kind === "pointwise" ? step.scalar.halfLines : undefined;
          if (step.kind !== "pointwise" || !halfLines) {
            ends(step.tensor, b);
            continue;
          }
          const spread = errors(step.from);
          const range = { v: values.get(step.from) as Float64Array, gains: gainsOf(step.from), spread, radius };
          const found = throughKink(halfLines, b, at(step.from), range, sizeOf(step.from));
          add(found.number);
          paid = addUp(paid, found.paid);
        }
        const g = covectors.get(sampleName);
        if (g) ends(sampleName, g);
        const result = down(down(number - paid) - timesUp(gamma(terms), sumUp(absolute, terms)));
        return Number.isNaN(result) ? Number.NEGATIVE_INFINITY : result;
      },
    };
  };
}

// --- internal ---

interface Found {
  readonly number: number;
  readonly paid: number;
}

function throughAffine(
  { parts, bias, biasSize, roundings }: Affine & Varying,
  b: Float64Array,
  at: (tensor: string) => Float64Array,
  sizeOf: (tensor: string) => number,
  rowSum: (A: Sparse) => number,
): Found {
  const length = lengthUp(b, 1);
  let paid = 0;
  for (const { from, matrix } of parts) {
    const g = at(from);
    const before = lengthUp(g, 1);
    const { rows, start, index, value } = matrix;
    for (let i = 0; i < rows; i++) {
      const v = b[i];
      if (v === 0) continue;
      for (let k = start[i]; k < start[i + 1]; k++) g[index[k]] += value[k] * v;
    }
    const lost = timesUp(gamma(rows + matrix.roundings + 8), addUp(timesUp(length, rowSum(matrix)), before));
    paid = addUp(paid, timesUp(addUp(lost, underflow), sizeOf(from)));
  }
  let number = 0;
  let size = 0;
  for (let i = 0; i < b.length; i++) {
    number += b[i] * bias[i];
    size += Math.abs(b[i]) * biasSize[i];
  }
  return {
    number,
    paid: addUp(paid, timesUp(gamma(b.length + roundings + 8), addUp(up(size * (1 + 2 ** -20)), Math.abs(number)))),
  };
}

type Lines = NonNullable<Scalar["halfLines"]>;

const isPair = (lines: Lines): lines is readonly [number, number] => typeof lines[0] === "number";

/** Through s(z) = left z below 0 and right z above, both of which may be others at every place. */
function throughKink(
  lines: Lines,
  b: Float64Array,
  g: Float64Array,
  range: {
    readonly v: Float64Array;
    readonly gains: Float64Array;
    readonly spread: number;
    readonly radius: number;
  },
  size: number,
): Found {
  const before = lengthUp(g, 1);
  let number = 0;
  let absolute = 0;
  let steep = 0;
  for (let i = 0; i < b.length; i++) {
    const c = b[i];
    if (c === 0) continue;
    const [left, right] = isPair(lines) ? lines : lines[i];
    steep = Math.max(steep, Math.abs(left), Math.abs(right));
    const halfWidth = addUp(timesUp(range.gains[i], range.radius), range.spread);
    const low = down(range.v[i] - halfWidth);
    const high = up(range.v[i] + halfWidth);
    let slope = low >= 0 ? right : left;
    if (low < 0 && high > 0) {
      // Below a function that turns up at 0, and above one that turns down, goes either of its lines; on the other side the chord.
      const touches = c > 0 === right >= left;
      slope = touches ? (high > -low ? right : left) : (right * high - left * low) / (high - low);
      if (!touches) {
        const ends = [(right - slope) * high, (left - slope) * low];
        // Rounded away from the function: a part of 2^-44 of what was subtracted.
        const hair = 2 ** -44 * (Math.abs(right) + Math.abs(left) + Math.abs(slope)) * (high - low);
        number += c * (c < 0 ? Math.max(...ends) + hair : Math.min(...ends) - hair);
      }
    }
    g[i] += c * slope;
    absolute += Math.abs(c);
  }
  // Products, additions to what was there, and the sum of the offsets, each of which is no more than 2 |c| steep |z|.
  const lost = timesUp(gamma(b.length + 64), addUp(timesUp(8 * steep, sumUp(absolute, b.length)), before));
  return { number, paid: timesUp(addUp(lost, underflow), up(4 * size)) };
}

/** Constants of the numbers of a tensor one by one. */
function gainsAt(program: Program, walk: Walk, tensor: string, dual: Norm): Float64Array {
  const shape = program.byTensor.get(tensor)?.shape ?? [program.size];
  const gains = new Float64Array(count(shape)).fill(walk.constantOf(tensor));
  const region = walk.regionOf(tensor);
  if (region.size === 0) return gains;
  for (let i = 0; i < gains.length; i++) {
    let sum = 0;
    for (const [from, matrix] of region) sum = addUp(sum, timesUp(walk.constantOf(from), rowLength(matrix, i, dual)));
    gains[i] = Math.min(gains[i], sum);
  }
  return gains;
}

/** The length of a row, from above. */
function rowLength({ start, size, roundings }: Sparse, i: number, q: Norm): number {
  let total = 0;
  for (let k = start[i]; k < start[i + 1]; k++) {
    const v = Math.abs(size[k]);
    total = q === "inf" ? Math.max(total, v) : total + (q === 1 ? v : v * v);
  }
  const terms = start[i + 1] - start[i] + 2 * roundings + 8;
  if (q === "inf") return timesUp(total, up(1 + gamma(roundings + 2)));
  return q === 1 ? sumUp(total, terms) : sqrtUp(sumUp(total, terms));
}

function lengthUp(v: Float64Array, q: Norm): number {
  let total = 0;
  for (const x of v) {
    const size = Math.abs(x);
    total = q === "inf" ? Math.max(total, size) : total + (q === 1 ? size : size * size);
  }
  if (q === "inf") return total;
  return q === 1 ? sumUp(total, v.length + 1) : sqrtUp(sumUp(total, v.length + 1));
}
