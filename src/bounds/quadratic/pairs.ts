/** @file Constants of pairs of outputs: multipliers are sought once, and every pair is proved with them. */
import type { Engine } from "../../engine/engine.ts";
import { flowOf } from "../../graph/behaviour.ts";
import { sqrtUp, unit, up } from "../../linalg/rounding.ts";
import { sizeOf } from "../../tensor/shape.ts";
import type { Propagation } from "../autoLip.ts";
import type { UpperBound } from "../bound.ts";
import { budget, workClock } from "../budget.ts";
import { suffixOf } from "../chain/written.ts";
import { timesUp } from "../norm/region.ts";
import { quadraticBound, statusOf } from "./lipsdp.ts";
import { type Part, programFor } from "./parts.ts";
import type { Ending } from "./search.ts";
import { workOf } from "./work.ts";

export interface ClassPairs {
  /** Of all outputs as one vector. */
  readonly bound: UpperBound;
  /** K with |(f_y - f_j)(x) - (f_y - f_j)(x')| <= K ||x - x'||_2. */
  pair(y: number, j: number): number;
}

export interface ClassPairsOptions {
  readonly engine: Engine;
  /** Of the search, as work that is counted (`nominalSpeed` operations a second): radii do not depend on the machine. Default 3. */
  readonly seconds?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Bound f and all differences of its outputs in l2. The walk proves dy dy^* <= |dx|^2 Y, hence with w = e_y - e_j
 *
 *     K_yj = (w^T Y w)^(1/2) = (Y_yy + Y_jj - 2 Y_yj)^(1/2).
 *
 * A part of a network keeps the constant of what is before it; behind the last residual block that is proved as a whole, or behind what is no chain, a second walk is taken.
 * Null where no part of the network is walked.
 */
export async function classPairs(propagation: Propagation, options: ClassPairsOptions): Promise<ClassPairs | null> {
  const { engine, seconds = 3, signal } = options;
  const clock = budget({ clock: workClock() });
  const { flow, lastBlock, norms } = propagation;
  const suffix = lastBlock ? null : suffixOf(flow, norms);
  const from = lastBlock ?? (suffix && typeof suffix !== "string" ? suffix.from : flow.input);
  const parts = [
    programFor(propagation, 2),
    from === flow.input ? null : programFor({ ...propagation, flow: flowOf(from, flow.output) }, 2),
  ].filter((part) => part !== null && part.before < Number.POSITIVE_INFINITY) as readonly Part[];
  const outputs = sizeOf(flow.output.shape);
  let value = Number.POSITIVE_INFINITY;
  const endings: Ending[] = [];
  const found: { readonly before: number; readonly Y: Float64Array }[] = [];
  for (const { program, before } of parts) {
    const own = await quadraticBound(program, {
      engine,
      seconds: seconds / parts.length,
      clock: workClock(),
      work: workOf(program),
      signal,
    });
    endings.push(own.ending);
    value = Math.min(value, timesUp(before, own.value));
    const [Y, more] = own.Y ?? [];
    if (Y && !more && Y.rows === outputs) found.push({ before, Y: Y.re });
  }
  if (found.length === 0 || !(value < Number.POSITIVE_INFINITY)) return null;
  return {
    bound: { method: "lipsdp", side: "upper", proved: true, value, seconds: clock.elapsed(), ...statusOf(endings) },
    pair(y, j) {
      if (y === j) return 0;
      return found.reduce((least, { before, Y }) => {
        const [a, b, c] = [Y[y * (outputs + 1)], Y[j * (outputs + 1)], Y[y * outputs + j]];
        // Three roundings, each of no more than the sum of all.
        const square = up(a + b - 2 * c + 4 * unit * up(a + b + 2 * Math.abs(c)));
        return Math.min(least, timesUp(before, sqrtUp(Math.max(0, square))));
      }, Number.POSITIVE_INFINITY);
    },
  };
}
