/** @file What multipliers prove of the end of a network in l2: its constant, by one factorisation, and how fast differences of two outputs can change, by two more. */
import { factorOf, leastEigenvalue, provedSemidefinite, type Skyline, solve, times } from "../algebra/definite.ts";
import { addUp, down, gamma, sqrtUp, sumUp, timesUp, underflow, unit64, up } from "../algebra/rounding.ts";
import type { Program } from "../read/network.ts";
import type { Task } from "../task.ts";
import type { ChainWitness } from "../witness.ts";
import type { Region } from "./region.ts";
import { formOf } from "./sector.ts";
import { type Entry, outputRow, partsOf, roundingsOf } from "./variables.ts";

/** Does the witness prove its constant? False says only that there is no proof. Throws Refusal where it does not fit the network. */
export function* provedChain(
  program: Program,
  regionOf: (tensor: string) => Region,
  witness: ChainWitness,
): Task<boolean> {
  const { constant } = witness;
  if (!(constant > 2 ** -200 && constant < 2 ** 200)) return false;
  const form = yield* formOf(partsOf(program, regionOf, witness), constant);
  return form !== null && (yield* provedSemidefinite(form.S, form.error));
}

/** An upper bound of the constant, from the tensor where the chain begins, of output y less output j; Infinity where there is none. */
export type ChainPairs = (y: number, j: number) => number;

/**
 * Bound the differences. With S the form of sector.ts without its last term, d the row of output y less that of output j, and u any
 * vector, r = d - S u,
 *
 *     K^2 = d^T S^-1 d = u^T d + u^T r + r^T S^-1 r <= u^T d + |u| |r| + |r|^2 / m,   S >= m I
 *
 * where u is near S^-1 d and r next to nothing. m is proved by a factorisation; rounding is counted in u^T d and in r, and what S errs by in r.
 */
export function* chainPairs(
  program: Program,
  regionOf: (tensor: string) => Region,
  witness: ChainWitness,
): Task<ChainPairs | null> {
  const parts = partsOf(program, regionOf, witness);
  const form = yield* formOf(parts, null);
  if (form === null) return null;
  const { S, error, variables } = form;
  const least = yield* leastEigenvalue(S, error);
  const factor = least > 0 ? yield* factorOf(S, error) : null;
  if (factor === null) return null;
  const known = new Map<number, Side | null>();
  const sideOf = (y: number): Side | null => {
    const found = known.get(y);
    if (found !== undefined) return found;
    const row = outputRow(parts, variables, y);
    const side = row === null ? null : sideFrom(S, factor, error, row, roundingsOf(parts));
    known.set(y, side);
    return side;
  };
  return (y, j) => {
    const [a, b] = [sideOf(y), sideOf(j)];
    return a === null || b === null ? Number.POSITIVE_INFINITY : lengthOf(a, b, least, roundingsOf(parts));
  };
}

// --- internal ---

/** Of one output: its row d, what it was computed from, u near S^-1 d, the residual d - S u, and what that may err by. */
interface Side {
  readonly d: Float64Array;
  readonly size: Float64Array;
  readonly u: Float64Array;
  readonly r: Float64Array;
  readonly error: number;
}

function sideFrom(S: Skyline, factor: Skyline, error: number, row: readonly Entry[], roundings: number): Side {
  const d = new Float64Array(S.n);
  const size = new Float64Array(S.n);
  for (const { variable, value, size: s } of row) {
    d[variable] += value;
    size[variable] += s;
  }
  const u = solve(factor, d);
  // The factor is of S less a shift: what that leaves is solved for once more.
  const correction = solve(factor, less(d, times(S, u)));
  for (let k = 0; k < u.length; k++) u[k] += correction[k];
  const r = less(d, times(S, u));
  const length = lengthUp(u);
  const summed = timesUp(gamma(S.n + 4), addUp(lengthUp(d), timesUp(frobeniusUp(S), length)));
  const read = timesUp(gamma(S.n + 4 + roundings), up(lengthUp(size) * (1 + 2 ** -20)));
  return { d, size, u, r, error: addUp(addUp(summed, read), addUp(timesUp(error, length), underflow)) };
}

function lengthOf(a: Side, b: Side, least: number, roundings: number): number {
  const n = a.d.length;
  let product = 0;
  let sizes = 0;
  const u = new Float64Array(n);
  const r = new Float64Array(n);
  for (let k = 0; k < n; k++) {
    u[k] = a.u[k] - b.u[k];
    r[k] = a.r[k] - b.r[k];
    product += u[k] * (a.d[k] - b.d[k]);
    sizes += (Math.abs(a.u[k]) + Math.abs(b.u[k])) * (a.size[k] + b.size[k]);
  }
  // u is the difference before it was rounded, and so is r.
  const U = up(lengthUp(u) * (1 + 4 * unit64));
  const R = addUp(up(lengthUp(r) * (1 + 4 * unit64)), addUp(a.error, b.error));
  const rounded = timesUp(gamma(n + roundings + 8), sumUp(sizes, n + 4));
  const main = addUp(Math.max(0, up(product)), addUp(rounded, underflow));
  const square = addUp(main, addUp(timesUp(U, R), up(timesUp(R, R) / down(least))));
  // The comparison refuses NaN too.
  return square < Number.POSITIVE_INFINITY ? sqrtUp(square) : Number.POSITIVE_INFINITY;
}

const less = (a: Float64Array, b: Float64Array): Float64Array => a.map((v, k) => v - b[k]);

function lengthUp(v: Float64Array): number {
  let sum = 0;
  for (const x of v) sum += x * x;
  return sqrtUp(addUp(sumUp(sum, v.length + 1), underflow));
}

function frobeniusUp({ n, first, offset, data }: Skyline): number {
  let sum = 0;
  for (let i = 0; i < n; i++) {
    for (let j = first[i]; j <= i; j++) {
      const v = data[offset[i] + j - first[i]];
      sum += (i === j ? 1 : 2) * v * v;
    }
  }
  return sqrtUp(addUp(sumUp(sum, 2 * data.length + 4), underflow));
}
