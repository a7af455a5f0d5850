/** @file The quadratic walk asked about a network, in l2 on the whole space: which program of cuts it is, and whether it is worth its time. */
import { type Flow, flowOf } from "../../graph/behaviour.ts";
import type { Propagation } from "../autoLip.ts";
import type { Bound, UpperBound } from "../bound.ts";
import { gatesOf } from "../chain/tail.ts";
import { timesUp } from "../norm/region.ts";
import type { Question } from "../question.ts";
import { denseCuts } from "./cuts.ts";
import { gridCuts } from "./gridCuts.ts";
import { quadraticBound } from "./lipsdp.ts";
import type { Program, Variable } from "./program.ts";

/** `lipsdp` by the quadratic walk; null where no program covers the network, or its matrices would be too large. */
export async function askQuadratic(question: Question): Promise<Bound | null> {
  const { engine, seconds, clock, signal, domain, norm, progress, improve } = question;
  if (norm !== 2 || domain.kind !== "global") return null;
  const began = performance.now();
  const elapsed = () => (performance.now() - began) / 1000;
  const { bound: walked, propagation } = await question.walk();
  const found = programFor(propagation);
  if (!found) return null;
  const { program, before } = found;
  const work = workOf(program);
  const most = walked.proved ? walked.value : Number.POSITIVE_INFINITY;
  const stated = (own: number): Omit<UpperBound, "status"> => {
    const value = Math.min(timesUp(before, own), most);
    const proved = value < Number.POSITIVE_INFINITY;
    return { method: "lipsdp", side: "upper", proved, value, seconds: elapsed() };
  };
  const bound = await quadraticBound(program, {
    engine,
    seconds,
    clock,
    work,
    ...(signal ? { signal } : {}),
    onStep: (_, done) => progress(Math.min(1, done)),
    onImprove: (value) => improve({ ...stated(value), status: "stopped", why: "on the way" }),
  });
  if (bound.value === Number.POSITIVE_INFINITY) return null;
  return bound.ended
    ? { ...stated(bound.value), status: "done" }
    : { ...stated(bound.value), status: "stopped", why: "out of time: more would lower it" };
}

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

/** The program of a network, or of all behind a node that everything passes through, whose constant it keeps; null where there is none of a size. */
export function programFor({
  flow,
  norms,
  constantOf,
}: Pick<Propagation, "flow" | "norms" | "constantOf">): { readonly program: Program; readonly before: number } | null {
  const whole = denseCuts(flow, norms);
  const dense = typeof whole === "string" ? null : { program: whole, before: 1, work: workOf(whole) };
  if (dense && dense.work < quickWork) return dense;
  for (const gate of gatesOf(flow)) {
    // What is only moved costs nothing; behind anything else a walk would begin anew.
    if (constantOf(gate) > 1) break;
    if (gate.shape.length < 3) continue;
    const program = gridCuts(behind(flow, gate), norms);
    if (typeof program === "string") continue;
    const work = workOf(program);
    // Number by number the walk knows more.
    if (work < mostWork && !(dense && dense.work < 4 * work)) return { program, before: constantOf(gate) };
  }
  return dense && dense.work < mostWork ? dense : null;
}

// --- internal ---

const behind = (flow: Flow, gate: Flow["input"]): Flow => (gate === flow.input ? flow : flowOf(gate, flow.output));

/** A second or so for each evaluation. */
const mostWork = 4e9;

/** What takes hundredths of a second is walked number by number. */
const quickWork = 2e8;
