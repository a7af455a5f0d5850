/**
 * @file The inner loops of complex Hermitian matrices, two or four numbers at a time, in AssemblyScript: `npm run kernels` compiles them
 * into src/linalg/kernelsPack.ts. WebAssembly has no fused products and fixes every rounding: results are the same on every machine.
 *
 * Addresses and distances are in bytes, lengths too. A triangle is packed row by row; imaginary parts are a gap behind the real ones.
 */

/** How many vectors `eliminate32` adds up before it goes over to 64 bits: proofs count with it. */
export const blockVectors: usize = 8;

/** y += c a + s b. */
export function combine(y: usize, a: usize, b: usize, length: usize, c: f64, s: f64): void {
  const cc = f64x2.splat(c);
  const ss = f64x2.splat(s);
  for (let k: usize = 0; k < length; k += 16) {
    const sum = f64x2.add(f64x2.mul(cc, v128.load(a + k)), f64x2.mul(ss, v128.load(b + k)));
    v128.store(y + k, f64x2.add(v128.load(y + k), sum));
  }
}

/** y += H x of a triangle of side n, of vectors [re, im]. */
export function multiply(h: usize, gapOfH: usize, n: usize, x: usize, y: usize): void {
  const gap = n * 8;
  for (let i: usize = 0; i < n; i++) {
    const own = i * 8;
    const odd = i & 1;
    const zRe = f64x2.splat(load<f64>(x + own));
    const zIm = f64x2.splat(load<f64>(x + own + gap));
    let re = f64x2.splat(0);
    let im = f64x2.splat(0);
    // Whole pairs: in an odd row the diagonal is one of them, and comes once too often.
    for (let j: usize = 0; j < own + odd * 8; j += 16) {
      const from = x + j;
      const to = y + j;
      const hRe = v128.load(h + j);
      const hIm = v128.load(h + j + gapOfH);
      const vRe = v128.load(from);
      const vIm = v128.load(from + gap);
      re = f64x2.add(re, f64x2.sub(f64x2.mul(hRe, vRe), f64x2.mul(hIm, vIm)));
      im = f64x2.add(im, f64x2.add(f64x2.mul(hRe, vIm), f64x2.mul(hIm, vRe)));
      v128.store(to, f64x2.add(v128.load(to), f64x2.add(f64x2.mul(hRe, zRe), f64x2.mul(hIm, zIm))));
      v128.store(to + gap, f64x2.add(v128.load(to + gap), f64x2.sub(f64x2.mul(hRe, zIm), f64x2.mul(hIm, zRe))));
    }
    const diagonal = odd ? -load<f64>(h + own) : load<f64>(h + own);
    store<f64>(y + own, load<f64>(y + own) + (lanes(re) + diagonal * load<f64>(x + own)));
    store<f64>(y + own + gap, load<f64>(y + own + gap) + (lanes(im) + diagonal * load<f64>(x + own + gap)));
    h += own + 8;
  }
}

/** Rows i and i + 1 of F F^H, i even: entries up to the diagonal, h where row i begins in the triangle. */
export function gram(f: usize, pitch: usize, gap: usize, length: usize, i: usize, h: usize, gapOfH: usize): void {
  const a = f + i * pitch;
  let c = f;
  let top = h;
  let low = h + (i + 1) * 8;
  for (let j: usize = 0; j <= i; j += 2) {
    dots<f64>(a, a + pitch, c, c + pitch, gap, length);
    put<f64>(top, gapOfH, re00, im00);
    // In row i the place after the diagonal is the first of row i + 1.
    if (j < i) put<f64>(top + 8, gapOfH, re01, im01);
    put<f64>(low, gapOfH, re10, im10);
    put<f64>(low + 8, gapOfH, re11, im11);
    top += 16;
    low += 16;
    c += pitch * 2;
  }
}

/**
 * Rows i and i + 1 of the Cholesky factor of a matrix with -H beside the diagonal, i even: entries before column i; into `sums` what goes
 * off the 2 x 2 block that is left, as (i, i), two numbers that mean nothing, (i + 1, i) and (i + 1, i + 1).
 */
export function eliminate64(l: usize, pitch: usize, gap: usize, i: usize, h: usize, gapOfH: usize, sums: usize): void {
  eliminate<f64>(l, pitch, gap, i, h, gapOfH, sums);
}

/** The same with a factor of 32 bits: products are summed in 32 bits, `blockVectors` vectors of them at a time, all else in 64. */
export function eliminate32(l: usize, pitch: usize, gap: usize, i: usize, h: usize, gapOfH: usize, sums: usize): void {
  eliminate<f32>(l, pitch, gap, i, h, gapOfH, sums);
}

// --- internal ---

/** What `dots` found for rows 0 and 1 and columns 0 and 1: a function has one result, these are eight. */
let re00: f64 = 0;
let im00: f64 = 0;
let re01: f64 = 0;
let im01: f64 = 0;
let re10: f64 = 0;
let im10: f64 = 0;
let re11: f64 = 0;
let im11: f64 = 0;

/** Sums of x conj(y) of rows a and b with rows c and d, of numbers of type T, which are read to the end of a whole vector. */
function dots<T extends number>(a: usize, b: usize, c: usize, d: usize, gap: usize, length: usize): void {
  let total00Re = f64x2.splat(0);
  let total00Im = f64x2.splat(0);
  let total01Re = f64x2.splat(0);
  let total01Im = f64x2.splat(0);
  let total10Re = f64x2.splat(0);
  let total10Im = f64x2.splat(0);
  let total11Re = f64x2.splat(0);
  let total11Im = f64x2.splat(0);
  let k: usize = 0;
  if (length > 0) {
    // Loops that are tested at their ends take less time in V8.
    do {
      const end = sizeof<T>() === 8 ? length : min<usize>(k + blockVectors * 16, length);
      let sum00Re = f64x2.splat(0);
      let sum00Im = f64x2.splat(0);
      let sum01Re = f64x2.splat(0);
      let sum01Im = f64x2.splat(0);
      let sum10Re = f64x2.splat(0);
      let sum10Im = f64x2.splat(0);
      let sum11Re = f64x2.splat(0);
      let sum11Im = f64x2.splat(0);
      do {
        const aRe = v128.load(a + k);
        const aIm = v128.load(a + k + gap);
        const bRe = v128.load(b + k);
        const bIm = v128.load(b + k + gap);
        const cRe = v128.load(c + k);
        const cIm = v128.load(c + k + gap);
        sum00Re = addRe<T>(sum00Re, aRe, aIm, cRe, cIm);
        sum00Im = addIm<T>(sum00Im, aRe, aIm, cRe, cIm);
        sum10Re = addRe<T>(sum10Re, bRe, bIm, cRe, cIm);
        sum10Im = addIm<T>(sum10Im, bRe, bIm, cRe, cIm);
        const dRe = v128.load(d + k);
        const dIm = v128.load(d + k + gap);
        sum01Re = addRe<T>(sum01Re, aRe, aIm, dRe, dIm);
        sum01Im = addIm<T>(sum01Im, aRe, aIm, dRe, dIm);
        sum11Re = addRe<T>(sum11Re, bRe, bIm, dRe, dIm);
        sum11Im = addIm<T>(sum11Im, bRe, bIm, dRe, dIm);
        k += 16;
      } while (k < end);
      total00Re = carry<T>(total00Re, sum00Re);
      total00Im = carry<T>(total00Im, sum00Im);
      total01Re = carry<T>(total01Re, sum01Re);
      total01Im = carry<T>(total01Im, sum01Im);
      total10Re = carry<T>(total10Re, sum10Re);
      total10Im = carry<T>(total10Im, sum10Im);
      total11Re = carry<T>(total11Re, sum11Re);
      total11Im = carry<T>(total11Im, sum11Im);
    } while (k < length);
  }
  re00 = lanes(total00Re);
  im00 = lanes(total00Im);
  re01 = lanes(total01Re);
  im01 = lanes(total01Im);
  re10 = lanes(total10Re);
  im10 = lanes(total10Im);
  re11 = lanes(total11Re);
  im11 = lanes(total11Im);
}

/** sum + Re(x conj(y)). */
function addRe<T extends number>(sum: v128, xRe: v128, xIm: v128, yRe: v128, yIm: v128): v128 {
  return v128.add<T>(sum, v128.add<T>(v128.mul<T>(xRe, yRe), v128.mul<T>(xIm, yIm)));
}

/** sum + Im(x conj(y)). */
function addIm<T extends number>(sum: v128, xRe: v128, xIm: v128, yRe: v128, yIm: v128): v128 {
  return v128.add<T>(sum, v128.sub<T>(v128.mul<T>(xIm, yRe), v128.mul<T>(xRe, yIm)));
}

/** The sum of a block goes over to 64 bits: the lower two of its four numbers and the upper two. In 64 bits all is one block. */
function carry<T extends number>(total: v128, sum: v128): v128 {
  if (sizeof<T>() === 8) return sum;
  const upper = v128.shuffle<f64>(sum, sum, 1, 0);
  return f64x2.add(total, f64x2.add(f64x2.promote_low_f32x4(sum), f64x2.promote_low_f32x4(upper)));
}

function lanes(sum: v128): f64 {
  return f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1);
}

function eliminate<T extends number>(
  l: usize,
  pitch: usize,
  gap: usize,
  i: usize,
  h: usize,
  gapOfH: usize,
  sums: usize,
): void {
  const rowA = l + i * pitch;
  const rowB = rowA + pitch;
  let rowC = l;
  let top = h;
  let low = h + (i + 1) * 8;
  for (let j: usize = 0; j <= i; j += 2) {
    const rowD = rowC + pitch;
    const bytes = j * sizeof<T>();
    const a = rowA + bytes;
    const b = rowB + bytes;
    const d = rowD + bytes;
    if (sizeof<T>() === 4) {
      // The last vector may reach two numbers too far: zeros in the rows to come stand against them.
      put<f64>(a, gap, 0, 0);
      put<f64>(b, gap, 0, 0);
    }
    dots<T>(rowA, rowB, rowC, rowD, gap, bytes);
    if (j < i) {
      const first = read<T>(rowC + bytes);
      const second = read<T>(d + sizeof<T>());
      const re = read<T>(d);
      const im = read<T>(d + gap);
      divide<T>(a, gap, -load<f64>(top) - re00, -load<f64>(top + gapOfH) - im00, first);
      divide<T>(b, gap, -load<f64>(low) - re10, -load<f64>(low + gapOfH) - im10, first);
      beside<T>(a, gap, -load<f64>(top + 8) - re01, -load<f64>(top + 8 + gapOfH) - im01, re, im, second);
      beside<T>(b, gap, -load<f64>(low + 8) - re11, -load<f64>(low + 8 + gapOfH) - im11, re, im, second);
    }
    top += 16;
    low += 16;
    rowC = rowD + pitch;
  }
  put<f64>(sums, 8, re00, im00);
  put<f64>(sums + 16, 8, re01, im01);
  put<f64>(sums + 32, 8, re10, im10);
  put<f64>(sums + 48, 8, re11, im11);
}

/** Store (z - w conj(v)) / diagonal after the entry w at `at`, where v = re + i im is beside the diagonal. */
function beside<T extends number>(at: usize, gap: usize, zRe: f64, zIm: f64, re: f64, im: f64, diagonal: f64): void {
  const x = read<T>(at);
  const y = read<T>(at + gap);
  divide<T>(at + sizeof<T>(), gap, zRe - (x * re + y * im), zIm - (y * re - x * im), diagonal);
}

/** Store z / diagonal. */
function divide<T extends number>(at: usize, gap: usize, zRe: f64, zIm: f64, diagonal: f64): void {
  put<T>(at, gap, zRe / diagonal, zIm / diagonal);
}

function put<T extends number>(at: usize, gap: usize, re: f64, im: f64): void {
  store<T>(at, re as T);
  store<T>(at + gap, im as T);
}

function read<T extends number>(at: usize): f64 {
  return load<T>(at) as f64;
}
