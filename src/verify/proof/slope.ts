/** @file The length of the gradient of a difference of two outputs at a sample, from above: one pass back in doubles, with all that it may err by. */

import { addUp, gamma, sqrtUp, sumUp, timesUp, underflow } from "../algebra/rounding.ts";
import type { Sparse } from "../algebra/sparse.ts";
import { absoluteNorm, quickNorm } from "../algebra/sparseNorm.ts";
import { type Program, sampleName } from "../read/network.ts";
import { count } from "../read/step.ts";
import { forwardErrors } from "./forward.ts";
import { type Run, valuesAt } from "./run.ts";
import { gainOfStep, type Walk } from "./walk.ts";

/** The gradients at one sample. */
export interface Slopes {
  /** Not below || grad (f_y - f_j) ||_2. */
  length(y: number, j: number): number;
}

/**
 * Gradients of smooth networks at samples in l2.
 *
 *     e_i = ||A|| e + gamma |||A||| |b|   through a matrix A,      e_i = s e + c delta max |b| + 2^-44 |b|   through an activation,
 *
 * b what is carried back, s its largest slope, c what the slope can change by, delta the error of the argument in l2. It is assumed that the derivative
 * of an activation, computed in doubles at an argument, errs by less than 2^-44.
 */
export function slopesOf(program: Program, walk: Walk, largest: Run["largest"]): (x: Float32Array) => Slopes {
  const errors = forwardErrors(program, walk, largest, 0, 64);
  const norms = new Map<Sparse, { readonly quick: number; readonly absolute: number }>();
  for (const step of program.steps) {
    if (step.kind !== "affine") continue;
    for (const { matrix } of step.parts) {
      norms.set(matrix, { quick: quickNorm(matrix, 2), absolute: absoluteNorm(matrix, 2) });
    }
  }
  const back = [...program.steps].reverse();
  return (x) => {
    const values = valuesAt(program, x);
    return {
      length(y, j) {
        const carried = new Map<string, { readonly b: Float64Array; error: number }>();
        const at = (tensor: string) => {
          const width = count(program.byTensor.get(tensor)?.shape ?? [program.size]);
          const found = carried.get(tensor) ?? { b: new Float64Array(width), error: 0 };
          carried.set(tensor, found);
          return found;
        };
        const end = at(program.output).b;
        [end[y], end[j]] = [1, -1];
        for (const step of back) {
          const own = carried.get(step.tensor);
          if (!own) continue;
          if (step.kind === "largest") return Number.POSITIVE_INFINITY;
          const size = lengthUp(own.b);
          if (step.kind === "affine") {
            for (const { from, matrix } of step.parts) {
              const { quick, absolute } = norms.get(matrix) as { quick: number; absolute: number };
              const before = at(from);
              const was = lengthUp(before.b);
              addTransposed(before.b, matrix, own.b);
              const terms = matrix.rows + matrix.roundings + 8;
              const local = timesUp(gamma(terms), addUp(timesUp(absolute, size), was));
              before.error = addUp(before.error, addUp(timesUp(quick, own.error), addUp(local, underflow)));
            }
            continue;
          }
          const before = at(step.from);
          const u = values.get(step.from) as Float64Array;
          let most = 0;
          for (let k = 0; k < u.length; k++) {
            most = Math.max(most, Math.abs(own.b[k]));
            before.b[k] += own.b[k] * step.scalar.derivative(u[k]);
          }
          const drift = timesUp(step.scalar.curvature, errors(step.from));
          const local = timesUp(2 ** -50, addUp(timesUp(gainOfStep(step, 2), size), lengthUp(before.b)));
          // An l2 length, and so what no number alone is above.
          const moved = addUp(timesUp(drift, most), timesUp(2 ** -44, size));
          before.error = addUp(
            before.error,
            addUp(timesUp(gainOfStep(step, 2), own.error), addUp(moved, addUp(local, underflow))),
          );
        }
        const found = carried.get(sampleName);
        return found ? addUp(lengthUp(found.b), found.error) : 0;
      },
    };
  };
}

// --- internal ---

function lengthUp(v: Float64Array): number {
  let sum = 0;
  for (const x of v) sum += x * x;
  return sum === 0 ? underflow : sqrtUp(addUp(sumUp(sum, v.length + 1), underflow));
}

/** y += A^T x. */
function addTransposed(y: Float64Array, { rows, start, index, value }: Sparse, x: Float64Array): void {
  for (let i = 0; i < rows; i++) {
    const v = x[i];
    if (v === 0) continue;
    for (let k = start[i]; k < start[i + 1]; k++) y[index[k]] += value[k] * v;
  }
}
