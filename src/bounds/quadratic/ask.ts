/** @file The quadratic walk asked about a network: which program of cuts it is, in which norm, and whether it is worth its time. */
import { sqrtUp } from "../../linalg/rounding.ts";
import { autoLip } from "../autoLip.ts";
import type { Bound, UpperBound } from "../bound.ts";
import { budget } from "../budget.ts";
import { chainsOf } from "../chain/question.ts";
import { timesUp } from "../norm/region.ts";
import type { Answer, Question, Shared, Walk } from "../question.ts";
import { quadraticBound, statusOf } from "./lipsdp.ts";
import { closedConstant } from "./ofChain.ts";
import { affordsLook, lookWork, type Part, partsOf } from "./parts.ts";
import type { Ending } from "./search.ts";
import { fromLists } from "./start.ts";
import { storedLists } from "./stored.ts";
import { type WideBound, wideBound } from "./wideBound.ts";
import { workOf } from "./work.ts";

/** `lipsdp`: by the walk over the network, or over the part of it that a program covers; in l1 and l-inf by way of l2 where that is all there is. */
export async function askLipsdp(question: Question, shared: Shared): Promise<Answer> {
  const { norm, seconds } = question;
  const clock = budget({ clock: question.clock });
  const parts = partsOf(question, shared);
  if (norm === 2) return { bounds: [await inTwo(question, shared, parts)] };
  if (parts.some(isWhole)) return { bounds: [await searched(question, shared.walk, parts)] };
  // Convolutions are walked in l2 only, and what is before a chain may have a small norm there only.
  const other = await fromTwo(question, norm, seconds / 2);
  if (parts.length === 0) return { bounds: [other] };
  const left = Math.max(0, seconds - clock.elapsed());
  const own = await searched({ ...question, seconds: left }, shared.walk, parts);
  return { bounds: [own.value <= other.value ? own : other] };
}

/** `eclipse-fast`: the walk with multipliers in closed form, one for each activation. */
export async function askEclipse(question: Question, shared: Shared): Promise<Answer> {
  const { clock: passing, seconds, signal } = question;
  const clock = budget({ clock: passing, seconds, signal });
  const { bound: walked } = shared.walk;
  let value = walked.proved ? walked.value : Number.POSITIVE_INFINITY;
  const endings: Ending[] = [];
  const parts = partsOf(question, shared);
  for (const { program, before, after } of parts) {
    clock.spend(workOf(program));
    const own = await closedConstant(program, clock);
    endings.push(own === Number.POSITIVE_INFINITY && clock.expired ? "time" : "converged");
    value = Math.min(value, timesUp(timesUp(before, after), own));
  }
  return { bounds: [{ ...stated("eclipse-fast", value, clock.elapsed()), ...ending(endings) }] };
}

// --- internal ---

const stated = (method: string, value: number, seconds: number): Omit<UpperBound, "status"> => ({
  method,
  side: "upper",
  proved: value < Number.POSITIVE_INFINITY,
  value,
  seconds,
});

function ending(endings: readonly Ending[]): Pick<UpperBound, "status" | "why"> {
  if (endings.length === 0)
    return { status: "too large", why: "no part of the network has matrices that are small enough" };
  return statusOf(endings);
}

const isWhole = ({ before, after }: Part): boolean => before * after === 1;

/** In l2: by a search, and where that leaves a part of the network out by multipliers in closed form for all of it. */
async function inTwo(question: Question, { walk }: Shared, parts: readonly Part[]): Promise<UpperBound> {
  const { engine, seconds, clock: passing, signal, domain, subject, progress } = question;
  if (parts.some(isWhole) || domain.kind !== "global") return searched(question, walk, parts);
  const clock = budget({ clock: passing });
  if (!affordsLook(seconds, passing)(lookWork(walk.propagation.flow))) return searched(question, walk, parts);
  const wide = await wideBound(walk.propagation, {
    engine,
    clock: passing,
    seconds: parts.length > 0 ? 0.7 * seconds : seconds,
    norms: subject.norms,
    signal,
    onProgress: progress,
  });
  if (!wide) return searched(question, walk, parts);
  const whole = wideBoundOf(wide, walk.bound, clock.elapsed());
  if (parts.length === 0) return whole;
  const left = Math.max(0.3 * seconds, seconds - clock.elapsed());
  const own = await searched({ ...question, seconds: left }, walk, parts);
  return own.value < whole.value ? own : whole;
}

/** A walk with multipliers in closed form as a bound: where one number stands for the matrix is said. */
function wideBoundOf({ value: own, numbers, late }: WideBound, walked: UpperBound, seconds: number): UpperBound {
  const value = walked.proved ? Math.min(own, walked.value) : own;
  const where =
    numbers.length === 0
      ? ""
      : `; one number stands for the matrix of what passes ${numbers.join(", ")}, where it would be too large`;
  const why = `${late ? "out of time" : "too large for a search of multipliers, which are in closed form"}: more would lower it${where}`;
  return { ...stated("lipsdp", value, seconds), status: "stopped", why };
}

/** The smallest of what a search finds for each part; never above the walk of norms. */
async function searched(question: Question, { bound: walked }: Walk, parts: readonly Part[]): Promise<UpperBound> {
  const { engine, seconds, clock: passing, signal, norm, progress, improve } = question;
  const clock = budget({ clock: passing });
  let value = walked.proved ? walked.value : Number.POSITIVE_INFINITY;
  const endings: Ending[] = [];
  const lists = storedLists(question.metadata ?? {});
  for (const [k, { program, before, after }] of parts.entries()) {
    const work = workOf(program);
    const ofNetwork = (own: number) => timesUp(timesUp(before, after), own);
    const stored = lists && norm === 2 ? fromLists(program, lists) : undefined;
    const found = await quadraticBound(program, {
      engine,
      norm: norm === 2 ? 2 : "inf",
      stored,
      seconds: Math.max(0, seconds - clock.elapsed()) / (parts.length - k),
      clock: passing,
      work,
      signal,
      onStep: (_, done) => progress(Math.min(1, (k + done) / parts.length)),
      onImprove(own) {
        const least = Math.min(value, ofNetwork(own));
        const why = "on the way";
        improve({ ...stated("lipsdp", least, clock.elapsed()), status: "stopped", why });
      },
    });
    value = Math.min(value, ofNetwork(found.value));
    endings.push(found.ending);
  }
  return { ...stated("lipsdp", value, clock.elapsed()), ...ending(endings) };
}

/** `lipsdp` in l2 as a bound in l1 or l-inf: |x|_2 <= n^(1/2) |x|_inf for n inputs, |y|_1 <= m^(1/2) |y|_2 for m outputs. */
async function fromTwo(question: Question, norm: 1 | "inf", seconds: number): Promise<UpperBound> {
  const { subject, domain, clock, signal, improve } = question;
  const factor = sqrtUp(norm === 1 ? subject.outputs : subject.size);
  const inNorm = <B extends Bound>(bound: B): B => ({ ...bound, value: timesUp(factor, bound.value) });
  const time = budget({ clock, seconds });
  const limits = { domain, clock, seconds: 0.4 * seconds, signal };
  const walk = await autoLip(subject, 2, limits);
  const chains = await chainsOf(walk.propagation, 2, domain);
  const two: Question = {
    ...question,
    norm: 2,
    improve: (bound) => improve(inNorm(bound)),
    seconds: Math.max(0, seconds - time.elapsed()),
  };
  return inNorm(await inTwo(two, { walk, chains }, partsOf(two, { walk, chains })));
}
