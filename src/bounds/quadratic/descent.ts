/** @file L-BFGS for a function that is not defined everywhere: steps that leave its domain or raise it are shortened. Yields every point it accepts. */

import { addMultiple, dot } from "../../linalg/vector.ts";
import { UsageError } from "../../tensor/errors.ts";

export interface Sample {
  readonly value: number;
  readonly gradient: Float64Array;
}

export interface DescentPoint extends Sample {
  readonly x: Float64Array;
}

/** The function, or nothing outside its domain. */
export type Objective = (x: Float64Array) => Sample | undefined | Promise<Sample | undefined>;

export interface DescentOptions {
  /** Pairs that are remembered, default 30. */
  readonly memory?: number;
  /** No coordinate moves further in one step, default 1. */
  readonly longest?: number;
  /** A step that promises less is not worth an evaluation: the descent ends where no step promises more. Default 0. */
  readonly least?: number;
}

/**
 * Go down from a point of the domain. Ends where no step along the negative gradient lowers the value.
 *
 * Reference: Nocedal and Wright 2006, algorithm 7.4, with backtracking (Armijo, 1e-4).
 */
export async function* descend(
  f: Objective,
  start: Float64Array,
  options: DescentOptions = {},
): AsyncGenerator<DescentPoint> {
  const { memory = 30, longest = 1, least = 0 } = options;
  const first = await f(start);
  if (first === undefined) throw new UsageError("descend: the start must lie in the domain");
  let point: DescentPoint = { x: start, ...first };
  yield point;
  const pairs: Pair[] = [];
  for (;;) {
    const step = direction(point.gradient, pairs);
    const steepness = dot(step, point.gradient);
    let widest = 0;
    for (const s of step) widest = Math.max(widest, Math.abs(s));
    if (!(widest > 0) || !(steepness < 0)) {
      if (pairs.length === 0) return;
      pairs.length = 0;
      continue;
    }
    let next: DescentPoint | undefined;
    // Without a memory the length of the gradient says nothing: a third of the longest step.
    const begin = pairs.length === 0 ? (0.3 * longest) / widest : Math.min(1, longest / widest);
    for (let size = begin; size * widest > 1e-10 && -size * steepness > least; size /= 2) {
      const x = point.x.map((v, j) => v + size * step[j]);
      const sample = await f(x);
      if (sample && sample.value <= point.value + 1e-4 * size * steepness) {
        next = { x, ...sample };
        break;
      }
    }
    if (next === undefined) {
      if (pairs.length === 0) return;
      pairs.length = 0;
      continue;
    }
    remember(pairs, point, next, memory);
    point = next;
    yield point;
  }
}

// --- internal ---

interface Pair {
  readonly s: Float64Array;
  readonly y: Float64Array;
  readonly sy: number;
}

function remember(pairs: Pair[], from: DescentPoint, to: DescentPoint, memory: number): void {
  const s = to.x.map((v, j) => v - from.x[j]);
  const y = to.gradient.map((v, j) => v - from.gradient[j]);
  const sy = dot(s, y);
  // The quasi-Newton matrix must stay positive definite.
  if (!(sy > 1e-12 * dot(y, y))) return;
  pairs.push({ s, y, sy });
  if (pairs.length > memory) pairs.shift();
}

/** Minus the inverse Hessian, as far as it is known, times the gradient. */
function direction(gradient: Float64Array, pairs: readonly Pair[]): Float64Array {
  const d = gradient.map((g) => -g);
  const along: number[] = [];
  for (let k = pairs.length - 1; k >= 0; k--) {
    along[k] = dot(pairs[k].s, d) / pairs[k].sy;
    addMultiple(d, -along[k], pairs[k].y);
  }
  const last = pairs[pairs.length - 1];
  if (last !== undefined) {
    const scale = last.sy / dot(last.y, last.y);
    for (let j = 0; j < d.length; j++) d[j] *= scale;
  }
  pairs.forEach(({ s, y, sy }, k) => {
    addMultiple(d, along[k] - dot(y, d) / sy, s);
  });
  return d;
}
