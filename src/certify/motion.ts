/**
 * @file How far an image moves, in l2, when the parameters of its transformation do: a proved bound on a cell of parameters. Along any way through the cell the value that
 * a pixel reads changes at the rate  db/dr dr/dtheta + db/dc dc/dtheta,  b the bilinear interpolant: its slopes are enclosed over the part of the image that the
 * pixel's point can reach, the motion of the point in intervals.
 */
import { type Arithmetic, type Matrix3, reachOf, samplingMatrix, type Transforms } from "../attack/transforms.ts";
import { down, sqrtUp, sumUp, up } from "../linalg/rounding.ts";
import { UsageError } from "../tensor/errors.ts";

/** Values of the parameters, from the middle to both sides. */
export interface Cell {
  readonly middle: readonly number[];
  /** >= 0 each. */
  readonly half: readonly number[];
}

export interface Motion {
  /** ||x(theta) - image||_2 <= this for every theta of the cell. */
  readonly distance: number;
  /** The image at the middle as it is fed to a network, [channels, height, width]. */
  readonly image: Float32Array;
  /** What each parameter adds to the distance, roughly: where to cut. */
  readonly shares: readonly number[];
}

/**
 * Bound the motion of an image [channels, height, width] on a cell, rounding included. Zeros stand around the image. Throws UsageError where a projective map looks from
 * behind somewhere in the cell.
 *
 *     |b(p(theta)) - b(p(theta_0))| <= min( sum_k h_k max |db/dr dr/dtheta_k + db/dc dc/dtheta_k|, max - min of the pixels in reach )
 *
 * The slope of b along a row lies between those on the two edges of each square of pixels that is met. It is assumed that Math.sin and Math.cos err by less than 2^-50.
 */
export function imageMotion(
  x: ArrayLike<number>,
  [channels, height, width]: readonly [number, number, number],
  transforms: Transforms,
  { middle, half }: Cell,
): Motion {
  const size = height * width;
  const p = middle.length;
  const moving = pointsOf(height, width, transforms, { middle, half });
  const still = pointsOf(height, width, transforms, { middle, half: half.map(() => 0) }, false);
  const padded = withZeros(x, channels, height, width);
  const image = new Float32Array(channels * size);
  const shares = new Array<number>(p).fill(0);
  const square = new Float64Array(6);
  let squares = 0;
  let errors = 0;
  for (let u = 0; u < size; u++) {
    moving.at(u);
    let met = false;
    for (let c = 0; c < channels; c++) {
      enclose(padded, c, height, width, moving.row, moving.column, square);
      const r0 = square[0];
      const r1 = square[1];
      const c0 = square[2];
      const c1 = square[3];
      const least = square[4];
      const most = square[5];
      // Nothing but zeros is in reach: 0 stays 0.
      if (least === 0 && most === 0) continue;
      if (!met) {
        moving.rates(u);
        still.at(u);
        met = true;
      }
      let total = 0;
      if (most > least) {
        const rMost = Math.max(-r0, r1);
        const cMost = Math.max(-c0, c1);
        for (let k = 0; k < p; k++) {
          if (half[k] === 0) continue;
          const a = moving.dRow[2 * k];
          const b = moving.dRow[2 * k + 1];
          const d = moving.dColumn[2 * k];
          const e = moving.dColumn[2 * k + 1];
          const low = leastProduct(r0, r1, a, b) + leastProduct(c0, c1, d, e);
          const high = mostProduct(r0, r1, a, b) + mostProduct(c0, c1, d, e);
          // Where the two cancel, their rounding is no part of what is left.
          const slack = rMost * Math.max(-a, b) + cMost * Math.max(-d, e);
          const rate = Math.max(-low, high, 0) + slack * 2 ** -50;
          shares[k] += (half[k] * rate) ** 2;
          total += half[k] * rate * roomy;
        }
      }
      const change = Math.min(total, (most - least) * roomy);
      squares += change * change;
      // The image as it is fed: read at a point that float64 finds, rounded to float32.
      const row = (still.row[0] + still.row[1]) / 2;
      const column = (still.column[0] + still.column[1]) / 2;
      const value = valueAt(padded, c, height, width, row, column);
      const fed = Math.fround(value);
      image[c * size + u] = fed;
      enclose(padded, c, height, width, still.row, still.column, square);
      const wrong =
        Math.abs(fed - value) +
        Math.max(-square[0], square[1]) * (still.row[1] - still.row[0]) +
        Math.max(-square[2], square[3]) * (still.column[1] - still.column[0]) +
        Math.max(-square[4], square[5]) * 2 ** -48;
      errors += (wrong * roomy) ** 2;
    }
  }
  const terms = channels * size + 8;
  // The last is for squares that underflow.
  const distance = up(up(sqrtUp(sumUp(squares, terms)) + sqrtUp(sumUp(errors, terms))) + 2 ** -500);
  return { distance, image, shares: shares.map(Math.sqrt) };
}

// --- internal ---

/** More than the rounding of the few operations that it multiplies. */
const roomy = 1 + 2 ** -40;

type Interval = readonly [low: number, high: number];

/** Where pixels are read, low and high, filled anew by each `at`; how fast that moves by parameter, by each `rates`, of the same pixel. */
interface Points {
  readonly row: Float64Array;
  readonly column: Float64Array;
  readonly dRow: Float64Array;
  readonly dColumn: Float64Array;
  at(u: number): void;
  rates(u: number): void;
}

/** Where pixels are read when the parameters are in a cell, and how fast that moves. */
function pointsOf(height: number, width: number, transforms: Transforms, cell: Cell, rates = true): Points {
  const p = rates ? cell.middle.length : 0;
  const own = cell.middle.map(
    (value, k): Dual => ({
      value: cell.half[k] === 0 ? [value, value] : [down(value - cell.half[k]), up(value + cell.half[k])],
      slopes: Array.from({ length: p }, (_, i): Interval => (i === k ? [1, 1] : [0, 0])),
    }),
  );
  const m: Matrix3<Dual> = samplingMatrix(transforms, own, duals(p), reachOf(height, width));
  // The matrix, then its derivative in each parameter: low and high of every number.
  const forms = Array.from({ length: p + 1 }, (_, k) =>
    Float64Array.from(m.flatMap(({ value, slopes }) => (k === 0 ? value : slopes[k - 1]))),
  );
  const flat = !transforms.names.includes("projective");
  const [cy, cx] = [(height - 1) / 2, (width - 1) / 2];
  const row = new Float64Array(2);
  const column = new Float64Array(2);
  const dRow = new Float64Array(2 * p);
  const dColumn = new Float64Array(2 * p);
  const depth = new Float64Array(2);
  const dDepth = new Float64Array(2);
  const xOf = (u: number): number => (u % width) - cx;
  const yOf = (u: number): number => Math.trunc(u / width) - cy;
  return {
    ...{ row, column, dRow, dColumn },
    at(u) {
      lineOf(forms[0], 0, xOf(u), yOf(u), column, 0);
      lineOf(forms[0], 6, xOf(u), yOf(u), row, 0);
      if (!flat) {
        lineOf(forms[0], 12, xOf(u), yOf(u), depth, 0);
        if (!(depth[0] > 0)) throw new UsageError("certify: a projective map looks from behind; take smaller limits");
        divide(column, depth);
        divide(row, depth);
      }
      shift(row, cy);
      shift(column, cx);
    },
    rates(u) {
      for (let k = 0; k < p; k++) {
        if (cell.half[k] === 0) continue;
        lineOf(forms[k + 1], 0, xOf(u), yOf(u), dColumn, 2 * k);
        lineOf(forms[k + 1], 6, xOf(u), yOf(u), dRow, 2 * k);
        if (!flat) {
          lineOf(forms[k + 1], 12, xOf(u), yOf(u), dDepth, 0);
          dividedRate(dColumn, 2 * k, column, cx, depth, dDepth);
          dividedRate(dRow, 2 * k, row, cy, depth, dDepth);
        }
      }
    },
  };
}

/** a X + b Y + c of three intervals in a row, enclosed. */
function lineOf(form: Float64Array, at: number, X: number, Y: number, into: Float64Array, to: number): void {
  const xLow = form[X >= 0 ? at : at + 1];
  const xHigh = form[X >= 0 ? at + 1 : at];
  const yLow = form[Y >= 0 ? at + 2 : at + 3];
  const yHigh = form[Y >= 0 ? at + 3 : at + 2];
  const size =
    Math.max(Math.abs(xLow), Math.abs(xHigh)) * Math.abs(X) +
    Math.max(Math.abs(yLow), Math.abs(yHigh)) * Math.abs(Y) +
    Math.max(Math.abs(form[at + 4]), Math.abs(form[at + 5]));
  // Six roundings, of numbers that are together no larger than this.
  const error = size * 2 ** -49;
  into[to] = xLow * X + yLow * Y + form[at + 4] - error;
  into[to + 1] = xHigh * X + yHigh * Y + form[at + 5] + error;
}

/** values / depth, in place. */
function divide(values: Float64Array, depth: Float64Array): void {
  [values[0], values[1]] = over([values[0], values[1]], [depth[0], depth[1]]);
}

/** (v' - q d') / d of a quotient q = v / d, in place of v'; q was moved by `by` since. */
function dividedRate(
  rates: Float64Array,
  at: number,
  quotient: Float64Array,
  by: number,
  depth: Float64Array,
  dDepth: Float64Array,
): void {
  const own: Interval = [down(quotient[0] - by), up(quotient[1] - by)];
  const turned = minus([rates[at], rates[at + 1]], times(own, [dDepth[0], dDepth[1]]));
  [rates[at], rates[at + 1]] = over(turned, [depth[0], depth[1]]);
}

function shift(values: Float64Array, by: number): void {
  // Room for the rounding of what is still subtracted from a position.
  const error = (Math.abs(values[0]) + Math.abs(values[1]) + by + 1) * 2 ** -50;
  values[0] += by - error;
  values[1] += by + error;
}

/** The image with one row and column of zeros on every side: pixel (i, j) of channel c is at (c (h + 2) + i + 1) (w + 2) + j + 1. */
function withZeros(x: ArrayLike<number>, channels: number, height: number, width: number): Float64Array {
  const padded = new Float64Array(channels * (height + 2) * (width + 2));
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < height; i++) {
      const to = (c * (height + 2) + i + 1) * (width + 2) + 1;
      for (let j = 0; j < width; j++) padded[to + j] = x[(c * height + i) * width + j];
    }
  }
  return padded;
}

/**
 * Over all squares of pixels that points of a rectangle are in: the slopes of the interpolant along rows [0, 1] and columns [2, 3], and the least and largest pixel
 * around them [4, 5].
 */
function enclose(
  padded: Float64Array,
  channel: number,
  height: number,
  width: number,
  row: Float64Array,
  column: Float64Array,
  into: Float64Array,
): void {
  const wide = width + 2;
  const from = channel * (height + 2) * wide;
  const top = Math.max(-1, Math.ceil(row[0]) - 1);
  const bottom = Math.min(height - 1, Math.floor(row[1]));
  const left = Math.max(-1, Math.ceil(column[0]) - 1);
  const right = Math.min(width - 1, Math.floor(column[1]));
  // Where a point can be outside, it reads 0 there, and nothing changes.
  const outside = row[0] < -1 || column[0] < -1 || row[1] > height || column[1] > width;
  const start = outside || top > bottom || left > right ? 0 : Number.POSITIVE_INFINITY;
  let r0 = start;
  let r1 = -start;
  let c0 = start;
  let c1 = -start;
  let low = start;
  let high = -start;
  for (let i = top; i <= bottom; i++) {
    const t0 = Math.min(1, Math.max(0, row[0] - i));
    const t1 = Math.min(1, Math.max(0, row[1] - i));
    for (let j = left; j <= right; j++) {
      const at = from + (i + 1) * wide + j + 1;
      const a = padded[at];
      const b = padded[at + 1];
      const d = padded[at + wide];
      const e = padded[at + wide + 1];
      if (a === 0 && b === 0 && d === 0 && e === 0) {
        r0 = Math.min(r0, 0);
        r1 = Math.max(r1, 0);
        c0 = Math.min(c0, 0);
        c1 = Math.max(c1, 0);
        low = Math.min(low, 0);
        high = Math.max(high, 0);
        continue;
      }
      const s0 = Math.min(1, Math.max(0, column[0] - j));
      const s1 = Math.min(1, Math.max(0, column[1] - j));
      const g0 = d - a + s0 * (e - b - (d - a));
      const g1 = d - a + s1 * (e - b - (d - a));
      const h0 = b - a + t0 * (e - d - (b - a));
      const h1 = b - a + t1 * (e - d - (b - a));
      // Rounding of differences, and of the way between two.
      const slack = (Math.abs(a) + Math.abs(b) + Math.abs(d) + Math.abs(e)) * 2 ** -49;
      r0 = Math.min(r0, g0 - slack, g1 - slack);
      r1 = Math.max(r1, g0 + slack, g1 + slack);
      c0 = Math.min(c0, h0 - slack, h1 - slack);
      c1 = Math.max(c1, h0 + slack, h1 + slack);
      low = Math.min(low, a, b, d, e);
      high = Math.max(high, a, b, d, e);
    }
  }
  into[0] = r0;
  into[1] = r1;
  into[2] = c0;
  into[3] = c1;
  into[4] = low;
  into[5] = high;
}

function valueAt(
  padded: Float64Array,
  channel: number,
  height: number,
  width: number,
  row: number,
  column: number,
): number {
  if (!(row > -1 && row < height && column > -1 && column < width)) return 0;
  const [i, j] = [Math.floor(row), Math.floor(column)];
  const wide = width + 2;
  const at = (channel * (height + 2) + i + 1) * wide + j + 1;
  const [down, right] = [row - i, column - j];
  const above = padded[at] * (1 - right) + padded[at + 1] * right;
  const below = padded[at + wide] * (1 - right) + padded[at + wide + 1] * right;
  return above * (1 - down) + below * down;
}

const leastProduct = (a: number, b: number, c: number, d: number): number =>
  Math.min(Math.min(a * c, a * d), Math.min(b * c, b * d));
const mostProduct = (a: number, b: number, c: number, d: number): number =>
  Math.max(Math.max(a * c, a * d), Math.max(b * c, b * d));

// --- intervals, and intervals with their derivatives ---

const plus = (a: Interval, b: Interval): Interval => [down(a[0] + b[0]), up(a[1] + b[1])];
const minus = (a: Interval, b: Interval): Interval => [down(a[0] - b[1]), up(a[1] - b[0])];
const times = (a: Interval, b: Interval): Interval => {
  const all = [a[0] * b[0], a[0] * b[1], a[1] * b[0], a[1] * b[1]];
  return isZero(a) || isZero(b) ? [0, 0] : [down(Math.min(...all)), up(Math.max(...all))];
};
/** b > 0. */
const over = (a: Interval, b: Interval): Interval => {
  const all = [a[0] / b[0], a[0] / b[1], a[1] / b[0], a[1] / b[1]];
  return isZero(a) ? a : [down(Math.min(...all)), up(Math.max(...all))];
};
const isZero = (a: Interval): boolean => a[0] === 0 && a[1] === 0;

interface Dual {
  readonly value: Interval;
  readonly slopes: readonly Interval[];
}

/** What Math.sin and Math.cos may err by. */
const waveError = 2 ** -50;

/** sin or cos at all angles between two, in radians, by its value and slope in the middle: |f(t) - f(m) - f'(m)(t - m)| <= (t - m)^2 / 2. */
function wave([low, high]: Interval, f: (t: number) => number, slope: (t: number) => number): Interval {
  const middle = (low + high) / 2;
  const half = up(Math.max(high - middle, middle - low));
  const most = up(up(up((Math.abs(slope(middle)) + waveError) * half) + up((half * half) / 2)) + waveError);
  return [Math.max(-1, down(f(middle) - most)), Math.min(1, up(f(middle) + most))];
}

function duals(p: number): Arithmetic<Dual> {
  const of = (value: number): Dual => ({
    value: [value, value],
    slopes: Array.from({ length: p }, (): Interval => [0, 0]),
  });
  const radian: Interval = [down(down(Math.PI) / 180), up(up(Math.PI) / 180)];
  const turned =
    (f: (t: number) => number, slope: (t: number) => number) =>
    ({ value, slopes }: Dual): Dual => {
      const angle = times(value, radian);
      const exact = isZero(value);
      const rate = times(radian, exact ? [slope(0), slope(0)] : wave(angle, slope, (t) => -f(t)));
      return {
        value: exact ? [f(0), f(0)] : wave(angle, f, slope),
        slopes: slopes.map((own) => times(own, rate)),
      };
    };
  return {
    of,
    add: (a, b) => ({ value: plus(a.value, b.value), slopes: a.slopes.map((own, k) => plus(own, b.slopes[k])) }),
    sub: (a, b) => ({ value: minus(a.value, b.value), slopes: a.slopes.map((own, k) => minus(own, b.slopes[k])) }),
    mul: (a, b) => ({
      value: times(a.value, b.value),
      slopes: a.slopes.map((own, k) => plus(times(own, b.value), times(a.value, b.slopes[k]))),
    }),
    div(a, b) {
      if (!(b.value[0] > 0)) throw new UsageError("certify: a scaling makes the image vanish; take smaller limits");
      const value = over(a.value, b.value);
      return {
        value,
        slopes: a.slopes.map((own, k) => over(minus(own, times(value, b.slopes[k])), b.value)),
      };
    },
    sin: turned(Math.sin, Math.cos),
    cos: turned(Math.cos, (t) => -Math.sin(t)),
  };
}
