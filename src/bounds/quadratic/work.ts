/** @file How much work a walk is, so that what is too much is not begun. */
import { nominalSpeed } from "../budget.ts";
import type { Program, Variable } from "./program.ts";

/** Multiply-adds of a wide walk, as `workOf` counts them, that a second is enough for: measured with products of 15e9 a second in float64 and thread. */
export const wideSpeed = 6e9;

/** The same as work that is counted. */
export const wideSpending = (program: Program): number => (workOf(program) * nominalSpeed) / wideSpeed;

/** What it takes to make and compile the objective's graph, as work that is counted: a block for every two tensors that are alive together, and 2.5 ms for each. */
export const makingOf = ({ steps }: Program): number =>
  steps.reduce((sum, { live }) => sum + live.length ** 2, 0) * 2.5e-3 * nominalSpeed;

/** Multiply-adds of the walk, roughly. */
export function workOf(program: Program): number {
  const size = (live: readonly Variable[]) => live.reduce((n, v) => n + v.channels, 0);
  let live: readonly Variable[] = [program.input];
  let sides = program.sides;
  let work = 0;
  for (const step of program.steps) {
    const n = size(live);
    // A complex product is four, at half of the frequencies.
    const places = sides.length > 0 ? 2 * sides.reduce((k, m) => k * m, 1) : 1;
    switch (step.kind) {
      case "affine":
        for (const { from, map } of step.terms) {
          const alone = live.length === 1 && from === program.input && !step.live.includes(from);
          if (map.kind === "kernel") work += places * map.rows * map.cols * ((alone ? 0 : n) + map.rows);
        }
        break;
      case "sector":
      case "gain":
        work += places * step.from.channels * (size(step.live) + step.from.channels) ** 2;
        break;
      case "coarsen":
        for (const { terms } of step.made) {
          for (const { map } of terms) work += places * map.rows * map.cols * (n + map.rows);
        }
        sides = step.sides;
        break;
      default:
        step satisfies never;
    }
    live = step.live;
  }
  return work;
}
