/** @file The quadratic walk asked about a network, in l2 on the whole space: which program of cuts it is, and whether it is worth its time. */
import { type Flow, flowOf } from "../../graph/behaviour.ts";
import type { Node } from "../../graph/graph.ts";
import { sizeOf } from "../../tensor/shape.ts";
import type { Propagation } from "../autoLip.ts";
import type { Bound, UpperBound } from "../bound.ts";
import { budget } from "../budget.ts";
import { storedLists } from "../chain/stored.ts";
import { gatesOf } from "../chain/tail.ts";
import { timesUp } from "../norm/region.ts";
import type { Question } from "../question.ts";
import { denseCuts } from "./cuts.ts";
import { gridCuts } from "./gridCuts.ts";
import { quadraticBound } from "./lipsdp.ts";
import type { Program } from "./program.ts";
import { fromLists } from "./start.ts";
import { type WideBound, wideBound } from "./wideBound.ts";
import { workOf } from "./work.ts";

/** `lipsdp` by the quadratic walk, of the whole network or of what is behind a node; null where no program covers any of it, or matrices would be too large. */
export async function askQuadratic(
  question: Question,
): Promise<{ readonly bound: Bound; readonly whole: boolean } | null> {
  const { engine, seconds, clock, signal, domain, norm, progress, improve } = question;
  if (norm !== 2 || domain.kind !== "global") return null;
  const began = performance.now();
  const elapsed = () => (performance.now() - began) / 1000;
  const { bound: walked, propagation } = await question.walk();
  const time = budget({ ...(seconds === undefined ? {} : { seconds }), clock, signal });
  // Counted work is for what follows.
  const affords = time.counted ? () => true : time.fits;
  const found = programFor(propagation, affords);
  // A search that leaves no time for its proofs is worth nothing.
  const searched = found && 2 * proofSeconds(found.program) <= seconds ? found : null;
  const limits = { engine, clock, ...(signal ? { signal } : {}) };
  const wide =
    searched?.before === 1 || !affords(lookWork(propagation.flow))
      ? null
      : await wideBound(propagation, {
          ...limits,
          seconds: searched ? 0.7 * seconds : seconds,
          norms: question.subject.norms,
          onProgress: progress,
        });
  if (!searched) return wide && { bound: wideBoundOf(wide, walked, elapsed()), whole: true };
  const { program, before } = searched;
  const work = workOf(program);
  const most = walked.proved ? walked.value : Number.POSITIVE_INFINITY;
  const stated = (own: number): Omit<UpperBound, "status"> => {
    const value = Math.min(timesUp(before, own), most);
    const proved = value < Number.POSITIVE_INFINITY;
    return { method: "lipsdp", side: "upper", proved, value, seconds: elapsed() };
  };
  const lists = storedLists(question.metadata ?? {});
  const stored = lists && fromLists(program, lists);
  const bound = await quadraticBound(program, {
    engine,
    ...(stored ? { stored } : {}),
    seconds,
    clock,
    work,
    ...(signal ? { signal } : {}),
    onStep: (_, done) => progress(Math.min(1, done)),
    onImprove: (value) => improve({ ...stated(value), status: "stopped", why: "on the way" }),
  });
  const own = timesUp(before, bound.value);
  if (wide && wide.value <= own) return { bound: wideBoundOf(wide, walked, elapsed()), whole: true };
  if (bound.value === Number.POSITIVE_INFINITY) return null;
  const why = "out of time: more would lower it";
  const status = bound.ended ? ({ status: "done" } as const) : ({ status: "stopped", why } as const);
  return { bound: { ...stated(bound.value), ...status }, whole: before === 1 };
}

/** What a proof takes. */
const proofSeconds = (program: Program): number => workOf(program) / 4e8;

/** The program of a network, or of all behind a node that everything passes through, whose constant it keeps; null where there is none of a size. */
export function programFor(
  { flow, norms, constantOf }: Pick<Propagation, "flow" | "norms" | "constantOf">,
  affords: (operations: number) => boolean = () => true,
): { readonly program: Program; readonly before: number } | null {
  if (!affords(lookWork(flow))) return null;
  const whole = denseCuts(flow, norms);
  const dense = typeof whole === "string" ? null : { program: whole, before: 1, work: workOf(whole) };
  if (dense && dense.work < quickWork) return dense;
  const at = (gate: Node) => {
    const rest = gate === flow.input ? flow : flowOf(gate, flow.output);
    if (rest.varying.some((node) => sizeOf(node.shape) > largest) || !affords(lookWork(rest))) return null;
    const program = gate.shape.length < 3 ? denseCuts(rest, norms) : gridCuts(rest, norms);
    if (typeof program === "string") return null;
    const work = workOf(program);
    return work < mostWork ? { program, before: constantOf(gate), work } : null;
  };
  // What is only moved costs nothing: the first gates may all be the input.
  const gates = gatesOf(flow).filter((gate) => constantOf(gate) < Number.POSITIVE_INFINITY);
  for (const gate of gates.filter((g) => constantOf(g) === 1)) {
    const found = gate.shape.length < 3 ? null : at(gate);
    // Number by number the walk knows more.
    if (found) return dense && dense.work < mostWork && dense.work < 4 * found.work ? dense : found;
  }
  if (dense && dense.work < mostWork) return dense;
  // What is too much, or not covered, keeps its constant: as little as may be, since what is behind a later gate is a part of what is behind an earlier one.
  let best: ReturnType<typeof at> = null;
  let [from, to] = [0, gates.length];
  while (from < to) {
    const middle = Math.floor((from + to) / 2);
    const found = at(gates[middle]);
    if (found) {
      best = found;
      to = middle;
    } else from = middle + 1;
  }
  return best;
}

// --- internal ---

/** A walk with multipliers in closed form as a bound: where one number stands for the matrix is said. */
function wideBoundOf({ value: own, numbers, late }: WideBound, walked: UpperBound, seconds: number): UpperBound {
  const value = walked.proved ? Math.min(own, walked.value) : own;
  const where =
    numbers.length === 0
      ? ""
      : `; one number stands for the matrix of what passes ${numbers.join(", ")}, where it would be too large`;
  const why = `${late ? "out of time" : "too large for a search of multipliers, which are in closed form"}: more would lower it${where}`;
  return {
    method: "lipsdp",
    side: "upper",
    proved: value < Number.POSITIVE_INFINITY,
    value,
    seconds,
    status: "stopped",
    why,
  };
}

/** Operations that the making of a program takes, roughly: every weight is put in its place. */
const lookWork = ({ varying, varies }: Flow): number => {
  const weights = new Set(varying.flatMap((node) => node.inputs.filter((x) => !varies.has(x))));
  return 100 * [...weights].reduce((sum, x) => sum + sizeOf(x.shape), 0);
};

/** Numbers of a tensor beyond which a graph is not even looked at. */
const largest = 4e5;

/** A second or so for each evaluation. */
const mostWork = 4e9;

/** What takes hundredths of a second is walked number by number. */
const quickWork = 2e8;
