/** @file The largest singular value of a sparse matrix by Lanczos, begun anew from its best vector. Near it and from below, as a rule; no proof. */

import { symmetricEigen } from "../linalg/eigh.ts";
import { matrix } from "../linalg/matrix.ts";
import { dot } from "../linalg/vector.ts";
import { random } from "../tensor/random.ts";
import { transposed } from "../verify/algebra/compose.ts";
import { multiplyInto } from "../verify/algebra/multiply.ts";
import type { Sparse } from "../verify/algebra/sparse.ts";

/** Near the largest singular value of A: by the eigenvalues of A^T A, or of A A^T where that is smaller, on Krylov spaces. */
export function largestSingular(A: Sparse, { steps = 24, restarts = 6 } = {}): number {
  const turned = transposed(A);
  const [inner, outer] = A.cols <= A.rows ? [A, turned] : [turned, A];
  const n = inner.cols;
  const source = random(7);
  let q: Float64Array = unit(Float64Array.from({ length: n }, () => source.normal()));
  let best = 0;
  for (let round = 0; round < restarts; round++) {
    const basis: Float64Array[] = [];
    const size = Math.min(steps, n);
    const T = new Float64Array(size * size);
    let used = 0;
    for (let k = 0; k < size; k++) {
      basis.push(q);
      used = k + 1;
      const w = applied(outer, applied(inner, q));
      const scale = length(w);
      // Twice, so that the vectors stay orthogonal.
      for (let pass = 0; pass < 2; pass++) {
        basis.forEach((b, j) => {
          const c = dot(b, w);
          if (pass === 0 && j >= k - 1) T[k * size + j] = T[j * size + k] = c;
          for (let i = 0; i < n; i++) w[i] -= c * b[i];
        });
      }
      if (length(w) <= 1e-12 * scale) break;
      q = unit(w);
    }
    const part = new Float64Array(used * used);
    for (let i = 0; i < used; i++) for (let j = 0; j < used; j++) part[i * used + j] = T[i * size + j];
    const { values, vectors } = symmetricEigen(matrix(used, used, part));
    const value = Math.sqrt(Math.max(0, values[0]));
    q = new Float64Array(n);
    basis.forEach((b, j) => {
      for (let i = 0; i < n; i++) q[i] += vectors.data[j * used] * b[i];
    });
    q = unit(q);
    const done = value <= best * (1 + 1e-9) || used === n;
    best = Math.max(best, value);
    if (done) break;
  }
  return best;
}

// --- internal ---

function applied(A: Sparse, x: Float64Array): Float64Array {
  const y = new Float64Array(A.rows);
  multiplyInto([y], A, [x]);
  return y;
}

const length = (v: Float64Array): number => Math.sqrt(dot(v, v));

function unit(v: Float64Array): Float64Array {
  const l = length(v);
  return l > 0 ? v.map((x) => x / l) : v;
}
