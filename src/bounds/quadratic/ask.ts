/** @file The quadratic walk asked about a network, in l2 on the whole space: which program of cuts it is, and whether it is worth its time. */
import type { Bound, UpperBound } from "../bound.ts";
import type { Question } from "../question.ts";
import { denseCuts } from "./cuts.ts";
import { quadraticBound } from "./lipsdp.ts";
import type { Program, Variable } from "./program.ts";

/** `lipsdp` by the quadratic walk; null where no program covers the network, or its matrices would be too large. */
export async function askQuadratic(question: Question): Promise<Bound | null> {
  const { engine, seconds, signal, domain, norm, progress, improve } = question;
  if (norm !== 2 || domain.kind !== "global") return null;
  const began = performance.now();
  const elapsed = () => (performance.now() - began) / 1000;
  const { bound: walked, propagation } = await question.walk();
  const program = denseCuts(propagation.flow, propagation.norms);
  if (typeof program === "string" || workOf(program) > mostWork) return null;
  const most = walked.proved ? walked.value : Number.POSITIVE_INFINITY;
  const stated = (value: number): Omit<UpperBound, "status"> => ({
    method: "lipsdp",
    side: "upper",
    proved: Math.min(value, most) < Number.POSITIVE_INFINITY,
    value: Math.min(value, most),
    seconds: elapsed(),
  });
  const found = await quadraticBound(program, {
    engine,
    ...(seconds === undefined ? {} : { seconds }),
    ...(signal ? { signal } : {}),
    onStep: (_, done) => progress(Math.min(1, done)),
    onImprove: (value) => improve({ ...stated(value), status: "stopped", why: "on the way" }),
  });
  if (found.value === Number.POSITIVE_INFINITY) return null;
  return found.ended
    ? { ...stated(found.value), status: "done" }
    : { ...stated(found.value), status: "stopped", why: "out of time: more would lower it" };
}

/** Multiply-adds of the walk, roughly. */
export function workOf(program: Program): number {
  const size = (live: readonly Variable[]) => live.reduce((n, v) => n + v.channels, 0);
  let live = [program.input];
  let places = program.sides.reduce((n, m) => n * m, 1);
  let work = 0;
  for (const step of program.steps) {
    const n = size(live);
    switch (step.kind) {
      case "affine":
        for (const { from, map } of step.terms) {
          const alone = live.length === 1 && from === program.input && !step.live.includes(from);
          if (map.kind === "kernel") work += places * map.rows * map.cols * ((alone ? 0 : n) + map.rows);
        }
        break;
      case "sector":
      case "gain":
        work += places * step.from.channels * (size([...step.live]) + step.from.channels) ** 2;
        break;
      case "coarsen":
        for (const { terms } of step.made) {
          for (const { map } of terms) work += places * map.rows * map.cols * (n + map.rows);
        }
        places = step.sides.reduce((k, m) => k * m, 1);
        break;
      default:
        step satisfies never;
    }
    live = [...step.live];
  }
  return work;
}

// --- internal ---

/** A second or so for each evaluation. */
const mostWork = 4e9;
