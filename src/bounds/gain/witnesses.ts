/** @file What two points are proved to show of slopes and gains: the best pairs so far, and where to look for better ones. */

import { matrix } from "../../linalg/matrix.ts";
import { matrixOperator } from "../../linalg/operator.ts";
import { powerIteration } from "../../linalg/power.ts";
import { down, up } from "../../linalg/rounding.ts";
import type { Norm, Witness } from "../bound.ts";
import type { Budget } from "../budget.ts";
import type { Range } from "../domain.ts";
import { attaining, lengthOf } from "../length.ts";
import type { Rise } from "../lowerBounds/enclosure.ts";
import { riseDown, runUp } from "../lowerBounds/shown.ts";
import { type Conversion, scaledDown, scaledRise, scaledUp } from "./units.ts";

/** A lower bound and the two points that show it. */
export interface Shown {
  readonly value: number;
  readonly witness: Witness | null;
}

export interface Witnesses {
  /** |d output o / d input i| of the network's own numbers, entry by entry, row-major over all inputs. */
  readonly entries: readonly Shown[];
  /** The steepest rise and fall that were shown, entry by entry; 0 where there was none. */
  readonly rises: Float64Array;
  readonly falls: Float64Array;
  /** Per output, and of all outputs together, in scaled units. */
  readonly rows: readonly Shown[];
  readonly whole: Shown;
  /** Look along what a Jacobian at a point (a guess: nothing rests on it) promises, wherever it is more than is shown. */
  look(x: Float64Array, jacobian: Float64Array): Promise<void>;
}

export interface WitnessProblem {
  readonly rise: Rise;
  readonly box: Range;
  readonly free: readonly number[];
  readonly outputs: number;
  readonly norm: Norm;
  readonly conversion: Conversion;
  /** How near two points are to come to what is promised, relative; what is nearer counts as the same. */
  readonly reached: number;
  /** Work of one enclosure of a difference, and what it is taken from: a look ends where that is over. */
  readonly work: number;
  readonly clock: Budget;
}

/** Nothing is shown yet. */
export function witnessesOf({
  rise: enclosed,
  box,
  free,
  outputs,
  norm,
  conversion,
  reached,
  work,
  clock,
}: WitnessProblem): Witnesses {
  const inputs = box.low.length;
  const none: Shown = { value: 0, witness: null };
  const entries: Shown[] = new Array(outputs * inputs).fill(none);
  const rises = new Float64Array(outputs * inputs);
  const falls = new Float64Array(outputs * inputs);
  const rows: Shown[] = new Array(outputs).fill(none);
  const whole = { shown: none };
  const rise: Rise = (x, y) => {
    clock.spend(work);
    return enclosed(x, y);
  };

  const lengthUp = (x: Float64Array, y: Float64Array, p: Norm): number => {
    const moved = x.map((v, i) => (v === y[i] ? 0 : scaledUp(up(Math.abs(y[i] - v)), conversion.inputChange(i))));
    return runUp(new Float64Array(inputs), moved, p);
  };

  /** Every entry of a column that two points of it show. */
  const showColumn = async (i: number, { x, y }: Points) => {
    const { low, high } = await rise(x, y);
    const run = up(Math.abs(y[i] - x[i]));
    const onward = y[i] > x[i];
    for (let o = 0; o < outputs; o++) {
      const k = o * inputs + i;
      const value = down(Math.max(0, low[o], -high[o]) / run);
      if (!(value > 0 && value < Number.POSITIVE_INFINITY)) continue;
      const up_ = low[o] > 0 === onward;
      if (up_) rises[k] = Math.max(rises[k], value);
      else falls[k] = Math.max(falls[k], value);
      if (value > entries[k].value) entries[k] = { value, witness: asWitness(x, y) };
    }
  };

  /** The gain of every output, and of all, that two points show. */
  const showAll = async ({ x, y }: Points) => {
    const moved = scaledRise(await rise(x, y), conversion);
    const run = lengthUp(x, y, norm);
    if (!(run > 0 && run < Number.POSITIVE_INFINITY)) return;
    const better = (value: number, than: Shown) => value > than.value && value < Number.POSITIVE_INFINITY;
    for (let o = 0; o < outputs; o++) {
      const value = down(Math.max(0, moved.low[o], -moved.high[o]) / run);
      if (better(value, rows[o])) rows[o] = { value, witness: asWitness(x, y) };
    }
    const value = down(riseDown(moved, norm) / run);
    if (better(value, whole.shown)) whole.shown = { value, witness: asWitness(x, y) };
  };

  return {
    entries,
    rises,
    falls,
    rows,
    get whole() {
      return whole.shown;
    },
    async look(x, jacobian) {
      const at = (o: number, i: number) => jacobian[o * inputs + i];
      for (const i of free) {
        const wanted = () =>
          rows.some((_, o) => {
            const slope = at(o, i);
            const k = o * inputs + i;
            return (
              Math.abs(slope) > entries[k].value * (1 + reached) ||
              (slope > 0 && rises[k] === 0) ||
              (slope < 0 && falls[k] === 0)
            );
          });
        if (!wanted()) continue;
        await clock.pause();
        if (clock.expired) return;
        const e = new Float64Array(inputs);
        e[i] = 1;
        for (const pair of pairsIn(box, x, e)) {
          await showColumn(i, pair);
          if (!wanted()) break;
        }
      }
      // Gains: a change of scale_i counts as one, in numbers of the network.
      const unit = Float64Array.from({ length: inputs }, (_, i) => scaledDown(1, invert(conversion.inputChange(i))));
      const scaled = (o: number) => Float64Array.from(free, (i) => scaledDown(at(o, i), conversion.scaled(o, i)));
      const J = Array.from({ length: outputs }, (_, o) => scaled(o));
      const along = async (v: Float64Array, wanted: () => boolean) => {
        await clock.pause();
        if (clock.expired || !wanted()) return;
        const direction = new Float64Array(inputs);
        free.forEach((i, k) => {
          direction[i] = v[k] * unit[i];
        });
        for (const pair of pairsIn(box, x, direction)) {
          await showAll(pair);
          if (!wanted()) break;
        }
      };
      for (let o = 0; o < outputs; o++) {
        const v = attaining(J[o], norm);
        const promised = v.reduce((sum, c, k) => sum + c * J[o][k], 0);
        await along(v, () => promised > rows[o].value * (1 + reached));
      }
      const v = steepest(J, norm);
      const promised =
        lengthOf(
          J.map((row) => row.reduce((sum, c, k) => sum + c * v[k], 0)),
          norm,
        ) / lengthOf(v, norm);
      await along(v, () => promised > whole.shown.value * (1 + reached));
    },
  };
}

// --- internal ---

interface Points {
  readonly x: Float64Array;
  readonly y: Float64Array;
}

const asWitness = (x: Float64Array, y: Float64Array): Witness => ({ x: Array.from(x), y: Array.from(y) });

const invert = ({ times, over }: ReturnType<Conversion["inputChange"]>) => ({ times: over, over: times });

/** Pairs in a box at x along v, longest first: onward and back as far as the box goes, and parts of that. */
function* pairsIn(box: Range, x: Float64Array, v: Float64Array): Generator<Points> {
  for (let k = 0; k <= 10; k++) {
    for (const sign of [1, -1]) {
      const room = roomOf(box, x, v, sign);
      if (!(room > 0)) continue;
      const length = sign * room * 2 ** (-4 * k);
      const y = x.map((c, i) => (v[i] === 0 ? c : Math.min(box.high[i], Math.max(box.low[i], c + length * v[i]))));
      if (y.some((c, i) => c !== x[i])) yield { x, y };
    }
  }
}

function roomOf({ low, high }: Range, x: Float64Array, v: Float64Array, sign: number): number {
  let room = Number.POSITIVE_INFINITY;
  for (let i = 0; i < x.length; i++) {
    const move = sign * v[i];
    if (move > 0) room = Math.min(room, (high[i] - x[i]) / move);
    if (move < 0) room = Math.min(room, (low[i] - x[i]) / move);
  }
  return room < Number.POSITIVE_INFINITY ? room : 0;
}

/** A direction in which a matrix of rows stretches most, for p = 2 nearly. */
function steepest(J: readonly Float64Array[], norm: Norm): Float64Array {
  const cols = J[0].length;
  if (J.length === 1) return attaining(J[0], norm);
  const data = new Float64Array(J.length * cols);
  for (const [o, row] of J.entries()) data.set(row, o * cols);
  if (!data.every(Number.isFinite) || data.every((v) => v === 0)) return new Float64Array(cols).fill(1);
  if (norm === 2) return powerIteration(matrixOperator(matrix(J.length, cols, data)), { iterations: 200 }).right;
  if (norm === "inf")
    return attaining(
      J.reduce((a, b) => (lengthOf(b, 1) > lengthOf(a, 1) ? b : a)),
      "inf",
    );
  const sums = Float64Array.from({ length: cols }, (_, k) => J.reduce((sum, row) => sum + Math.abs(row[k]), 0));
  return attaining(sums, 1);
}
