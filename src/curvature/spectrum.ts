/**
 * @file The ends of the spectrum of many symmetric matrices at once, known only by their products with vectors: the power method, as
 * published, and Lanczos. Both see the matrix from inside: what they find is never larger in size than its norm, but for rounding.
 */
import { symmetricEigen } from "../linalg/eigh.ts";
import { matrix } from "../linalg/matrix.ts";
import { addMultiple, dot } from "../linalg/vector.ts";
import type { Random } from "../tensor/random.ts";

/** One matrix per sample: vectors lie side by side, `size` numbers each. */
export interface Products {
  readonly samples: number;
  /** Number of the first sample: it names the random start, so that results do not depend on the batches. */
  readonly first: number;
  readonly size: number;
  product(v: Float64Array): Promise<Float64Array>;
}

/** What was found of one matrix. */
export interface Extremes {
  /** |eigenvalue| that is largest. */
  readonly norm: number;
  /** Smallest and largest eigenvalue, with their signs; null from the power method, which does not tell them apart. */
  readonly smallest: number | null;
  readonly largest: number | null;
  /** An eigenvalue lies within this of each of the numbers above. */
  readonly residual: number;
}

/**
 * The power method as published: from a random unit vector, `steps` times u <- H u / (||H u|| + 1e-6), then |<u, H u>|.
 *
 * Where an eigenvalue and its negative are the largest together, u does not settle and the quotient is between them: too small.
 * Reference: Srinivas, Matoba, Lakkaraju and Fleuret 2022, section 4, and their code.
 */
export async function powerMethod(products: Products, steps: number, source: Random): Promise<Extremes[]> {
  const { samples, size } = products;
  let u = startsOf(products, source);
  for (let step = 0; step < steps; step++) {
    u = await products.product(u);
    for (let s = 0; s < samples; s++) {
      const own = u.subarray(s * size, (s + 1) * size);
      scaleBy(own, 1 / (Math.sqrt(dot(own, own)) + 1e-6));
    }
  }
  const w = await products.product(u);
  return Array.from({ length: samples }, (_, s) => {
    const [from, to] = [s * size, (s + 1) * size];
    const [own, image] = [u.subarray(from, to), w.subarray(from, to)];
    const quotient = dot(own, image);
    const rest = image.map((c, i) => c - quotient * own[i]);
    return { norm: Math.abs(quotient), smallest: null, largest: null, residual: Math.sqrt(dot(rest, rest)) };
  });
}

export interface LanczosOptions {
  /** Most products; default 30. */
  readonly steps?: number;
  /** Stop where every norm is known to this part of itself; default 1e-4. */
  readonly tolerance?: number;
  /** Relative error of a product, for telling a zero from rounding; default 2^-44. */
  readonly precision?: number;
}

/**
 * Lanczos with full reorthogonalisation: the eigenvalues of the tridiagonal Q^T H Q, Q an orthonormal basis of u, H u, H^2 u, ...
 *
 * The smallest and the largest come first; for theta = z^T (Q^T H Q) z there is an eigenvalue of H within beta_k |z_k|.
 * With as many steps as the matrix has sides, or fewer where it has fewer eigenvalues, they are exact.
 * Reference: Lanczos 1950; Parlett, The Symmetric Eigenvalue Problem, chapter 13.
 */
export async function lanczos(products: Products, source: Random, options: LanczosOptions = {}): Promise<Extremes[]> {
  const { samples, size } = products;
  const { steps = 30, tolerance = 1e-4, precision = 2 ** -44 } = options;
  const last = Math.min(steps, size);
  const basis: Float64Array[] = [];
  const runs: Run[] = Array.from({ length: samples }, () => ({ alpha: [], beta: [], ended: false }));
  let q = startsOf(products, source);
  let found: Extremes[] = runs.map(() => ({ norm: 0, smallest: 0, largest: 0, residual: 0 }));
  for (let k = 0; k < last; k++) {
    const w = await products.product(q);
    basis.push(q);
    const next = new Float64Array(q.length);
    runs.forEach((run, s) => {
      if (!run.ended) extend(run, basis, w, next, { from: s * size, size, precision, end: k + 1 === size });
    });
    q = next;
    const ended = runs.every((run) => run.ended);
    if (!(ended || k + 1 === last || k % 4 === 3)) continue;
    found = runs.map(extremesOf);
    if (ended || found.every(({ norm, residual }) => residual <= tolerance * norm)) break;
  }
  return found;
}

// --- internal ---

interface Run {
  readonly alpha: number[];
  readonly beta: number[];
  /** The basis spans all that the start reaches. */
  ended: boolean;
}

interface Place {
  readonly from: number;
  readonly size: number;
  readonly precision: number;
  /** The basis is that of the whole space. */
  readonly end: boolean;
}

/** One step of one matrix: alpha and beta, and the next vector into `next`, or zeros where there is none. */
function extend(run: Run, basis: readonly Float64Array[], image: Float64Array, next: Float64Array, place: Place): void {
  const { from, size } = place;
  const w = next.subarray(from, from + size);
  w.set(image.subarray(from, from + size));
  const before = Math.sqrt(dot(w, w));
  const mine = basis.map((b) => b.subarray(from, from + size));
  run.alpha.push(dot(w, mine[mine.length - 1]));
  // Twice is enough: what rounding left of the first time is taken off by the second.
  for (let pass = 0; pass < 2; pass++) for (const b of mine) addMultiple(w, -dot(w, b), b);
  const length = Math.sqrt(dot(w, w));
  const scale = Math.max(before, ...run.alpha.map(Math.abs), ...run.beta);
  // Not a number ends too, and shows in alpha.
  run.ended = place.end || !(length > 8 * place.precision * scale);
  run.beta.push(run.ended ? 0 : length);
  if (run.ended) w.fill(0);
  else scaleBy(w, 1 / length);
}

function extremesOf({ alpha, beta }: Run): Extremes {
  const n = alpha.length;
  const T = new Float64Array(n * n);
  alpha.forEach((a, i) => {
    T[i * n + i] = a;
    if (i + 1 < n) {
      T[i * n + i + 1] = beta[i];
      T[(i + 1) * n + i] = beta[i];
    }
  });
  if (alpha.some((a) => !Number.isFinite(a))) {
    return { norm: Number.NaN, smallest: Number.NaN, largest: Number.NaN, residual: Number.NaN };
  }
  const { values, vectors } = symmetricEigen(matrix(n, n, T));
  const [largest, smallest] = [values[0], values[n - 1]];
  const ends = [vectors.data[(n - 1) * n], vectors.data[n * n - 1]];
  const residual = beta[n - 1] * Math.max(...ends.map(Math.abs));
  return { norm: Math.max(Math.abs(largest), Math.abs(smallest)), smallest, largest, residual };
}

/** A random unit vector per sample, from streams of their own. */
function startsOf({ samples, first, size }: Products, source: Random): Float64Array {
  const u = new Float64Array(samples * size);
  for (let s = 0; s < samples; s++) {
    const own = u.subarray(s * size, (s + 1) * size);
    const stream = source.fork(first + s);
    for (let i = 0; i < size; i++) own[i] = stream.normal();
    scaleBy(own, 1 / Math.sqrt(dot(own, own)));
  }
  return u;
}

function scaleBy(a: Float64Array, factor: number): void {
  for (let i = 0; i < a.length; i++) a[i] *= factor;
}
