/** @file Complex Hermitian matrices, for the symbols of convolutions: half the work of their real form, and the same proof, because the factor of the real form has the form of a complex matrix itself. */
import { down, gamma, tiny, up } from "./rounding.ts";

/** The lower triangle of a Hermitian matrix, row by row in a full square; the diagonal is real. */
export interface Hermitian {
  readonly n: number;
  readonly re: Float64Array;
  readonly im: Float64Array;
}

/**
 * Prove H + D <= s^2 I for every Hermitian D with ||D|| <= radius; false says only that the proof did not succeed.
 *
 * Write each entry a + ib of a matrix as the block [[a, -b], [b, a]]. The floating Cholesky factor of the real matrix has this form
 * again, if the sums are taken in the order used here: the entry beside the diagonal is a sum of products x y - y x, which vanish in
 * floating point too. What is computed below is therefore a factor of a real matrix of side 2 n, and the proof is that of
 * `provedFactor` with 2 n in place of n. `work` holds the factor.
 */
export function provedBelow(H: Hermitian, radius: number, s: number, work: Hermitian): boolean {
  const { n } = H;
  const square = down(s * s);
  const g = up(gamma(2 * n + 1) / down(1 - gamma(2 * n + 1)));
  const c = up(up(up(g * up(2 * n * up(s * s))) + radius) + tiny);
  for (let i = 0; i < n; i += 2) {
    for (let j = 0; j < i; j += 2) eliminateTile(H, work, i, j);
    for (let row = i; row < Math.min(i + 2, n); row++) {
      if (row > i) eliminateBeside(H, work, row);
      const pivot = pivotOf(work, row, down(down(square - H.re[row * (n + 1)]) - c));
      // The comparison also refuses NaN, and infinity stands for an overflow.
      if (!(pivot > 0 && pivot < Number.POSITIVE_INFINITY)) return false;
      work.re[row * (n + 1)] = Math.sqrt(pivot);
      work.im[row * (n + 1)] = 0;
    }
  }
  return true;
}

/** Steps of inverse iteration with the factor that `provedBelow` left, from a vector [re, im] that is overwritten; gives the Rayleigh quotient of H. */
export function inverseSteps(H: Hermitian, { n, re, im }: Hermitian, vector: Float64Array, steps: number): number {
  for (let step = 0; step < steps; step++) {
    for (let i = 0; i < n; i++) {
      let x = vector[i];
      let y = vector[n + i];
      for (let k = 0; k < i; k++) {
        const [a, b] = [re[i * n + k], im[i * n + k]];
        x -= a * vector[k] - b * vector[n + k];
        y -= a * vector[n + k] + b * vector[k];
      }
      vector[i] = x / re[i * (n + 1)];
      vector[n + i] = y / re[i * (n + 1)];
    }
    for (let i = n - 1; i >= 0; i--) {
      vector[i] /= re[i * (n + 1)];
      vector[n + i] /= re[i * (n + 1)];
      const [x, y] = [vector[i], vector[n + i]];
      for (let k = 0; k < i; k++) {
        const [a, b] = [re[i * n + k], im[i * n + k]];
        vector[k] -= a * x + b * y;
        vector[n + k] -= a * y - b * x;
      }
    }
    let size = 0;
    for (const x of vector) size += x * x;
    size = Math.sqrt(size);
    for (let k = 0; k < 2 * n; k++) vector[k] /= size;
  }
  return powerSteps(H, vector, 1);
}

/** Power steps on a Hermitian matrix from a vector [re, im] that is overwritten; an estimate of the largest eigenvalue. */
export function powerSteps({ n, re, im }: Hermitian, vector: Float64Array, steps: number): number {
  let value = 0;
  const next = new Float64Array(2 * n);
  for (let step = 0; step < steps; step++) {
    next.fill(0);
    for (let i = 0; i < n; i++) {
      const row = i * n;
      const [xr, xi] = [vector[i], vector[n + i]];
      let yr = re[row + i] * xr;
      let yi = re[row + i] * xi;
      for (let j = 0; j < i; j++) {
        const [a, b] = [re[row + j], im[row + j]];
        yr += a * vector[j] - b * vector[n + j];
        yi += a * vector[n + j] + b * vector[j];
        next[j] += a * xr + b * xi;
        next[n + j] += a * xi - b * xr;
      }
      next[i] += yr;
      next[n + i] += yi;
    }
    let size = 0;
    for (let k = 0; k < 2 * n; k++) size += next[k] * next[k];
    value = Math.sqrt(size);
    if (!(value > 0)) return 0;
    for (let k = 0; k < 2 * n; k++) vector[k] = next[k] / value;
  }
  return value;
}

/** H = F F^H of a complex matrix of H.n rows of m numbers; each coordinate of an entry is one sum of 2 m products. */
export function rowGramOf(
  { re, im }: { readonly re: Float64Array; readonly im: Float64Array },
  m: number,
  H: Hermitian,
): void {
  const { n } = H;
  for (let i = 0; i < n; i += 2) {
    const a = i * m;
    const b = Math.min(i + 1, n - 1) * m;
    for (let j = 0; j <= i; j += 2) {
      const c = j * m;
      const d = Math.min(j + 1, n - 1) * m;
      let acr = 0;
      let aci = 0;
      let adr = 0;
      let adi = 0;
      let bcr = 0;
      let bci = 0;
      let bdr = 0;
      let bdi = 0;
      for (let k = 0; k < m; k++) {
        const x = re[a + k];
        const y = im[a + k];
        const z = re[b + k];
        const w = im[b + k];
        const p = re[c + k];
        const q = im[c + k];
        const u = re[d + k];
        const v = im[d + k];
        acr += x * p + y * q;
        aci += y * p - x * q;
        adr += x * u + y * v;
        adi += y * u - x * v;
        bcr += z * p + w * q;
        bci += w * p - z * q;
        bdr += z * u + w * v;
        bdi += w * u - z * v;
      }
      // On the diagonal the entry above it is written too, and not read; in the last tile of an odd n the same number twice.
      put(H, i, j, acr, aci);
      if (j + 1 < n) put(H, i, j + 1, adr, adi);
      if (i + 1 < n) put(H, i + 1, j, bcr, bci);
      if (i + 1 < n && j + 1 < n) put(H, i + 1, j + 1, bdr, bdi);
    }
  }
}

// --- internal ---

function put({ n, re, im }: Hermitian, i: number, j: number, x: number, y: number): void {
  re[i * n + j] = x;
  im[i * n + j] = y;
}

/** Entries j and j + 1 of rows i and i + 1 of the factor, j + 1 < i; without a row i + 1 those of row i twice. */
function eliminateTile(H: Hermitian, { re: lr, im: li }: Hermitian, i: number, j: number): void {
  const { n, re, im } = H;
  const r = i * n;
  const t = i + 1 < n ? r + n : r;
  const c = j * n;
  const d = c + n;
  let acr = -re[r + j];
  let aci = -im[r + j];
  let adr = -re[r + j + 1];
  let adi = -im[r + j + 1];
  let bcr = -re[t + j];
  let bci = -im[t + j];
  let bdr = -re[t + j + 1];
  let bdi = -im[t + j + 1];
  for (let k = 0; k < j; k++) {
    const x = lr[r + k];
    const y = li[r + k];
    const z = lr[t + k];
    const w = li[t + k];
    const p = lr[c + k];
    const q = li[c + k];
    const u = lr[d + k];
    const v = li[d + k];
    acr -= x * p + y * q;
    aci -= y * p - x * q;
    adr -= x * u + y * v;
    adi -= y * u - x * v;
    bcr -= z * p + w * q;
    bci -= w * p - z * q;
    bdr -= z * u + w * v;
    bdi -= w * u - z * v;
  }
  const first = lr[c + j];
  const second = lr[d + j + 1];
  const er = lr[d + j];
  const ei = li[d + j];
  acr /= first;
  aci /= first;
  bcr /= first;
  bci /= first;
  lr[r + j] = acr;
  li[r + j] = aci;
  lr[t + j] = bcr;
  li[t + j] = bci;
  lr[r + j + 1] = (adr - (acr * er + aci * ei)) / second;
  li[r + j + 1] = (adi - (aci * er - acr * ei)) / second;
  lr[t + j + 1] = (bdr - (bcr * er + bci * ei)) / second;
  li[t + j + 1] = (bdi - (bci * er - bcr * ei)) / second;
}

/** The entry left of the diagonal in row i. */
function eliminateBeside({ n, re, im }: Hermitian, { re: lr, im: li }: Hermitian, i: number): void {
  const row = i * n;
  const above = row - n;
  const j = i - 1;
  let x = -re[row + j];
  let y = -im[row + j];
  for (let k = 0; k < j; k++) {
    x -= lr[row + k] * lr[above + k] + li[row + k] * li[above + k];
    y -= li[row + k] * lr[above + k] - lr[row + k] * li[above + k];
  }
  lr[row + j] = x / lr[above + j];
  li[row + j] = y / lr[above + j];
}

function pivotOf({ n, re, im }: Hermitian, i: number, diagonal: number): number {
  let pivot = diagonal;
  for (let k = i * n; k < i * n + i; k++) pivot -= re[k] * re[k] + im[k] * im[k];
  return pivot;
}
