/** @file `lipsdp` asked about a network: in which norm, by which convolutions before the chain, from which multipliers. */
import { sqrtUp } from "../linalg/rounding.ts";
import type { Bound, UpperBound } from "./bound.ts";
import { type Budget, budget } from "./budget.ts";
import { lipsdp } from "./chain/lipsdp.ts";
import { storedStarts } from "./chain/stored.ts";
import { weighedLipsdp } from "./chain/weighed.ts";
import { timesUp } from "./norm/region.ts";
import { narrowed, onChain } from "./onChain.ts";
import { askQuadratic } from "./quadratic/ask.ts";
import type { Question, TailQuestion } from "./question.ts";
import type { Subject } from "./subject.ts";

/** In l2, or in l1 and l-inf by weights of the inputs or by l2, whichever proves less. */
export async function askLipsdp(question: Question): Promise<readonly Bound[]> {
  const { norm } = question;
  if (norm === 2) return lipsdpInTwo(question);
  const { seconds, clock: passing } = question;
  const clock = budget({ clock: passing });
  const tail = await question.tail();
  const { flow } = (await question.walk()).propagation;
  const { varies } = flow;
  // What is before a chain may have a small norm in l2 only, and what goes around a layer is carried in l2 only.
  const plain =
    typeof tail !== "string" &&
    tail.from === flow.input &&
    flow.varying.every((node) => node.inputs.filter((x) => varies.has(x)).length <= 1);
  const other = plain
    ? null
    : await fromTwo(question, norm, () => Math.max(0.2 * seconds, (seconds - clock.elapsed()) / 2));
  const left = seconds - clock.elapsed();
  if (other?.proved && left <= 0) return [{ ...other, seconds: clock.elapsed() }];
  const [own] = await onChain("lipsdp", (t, { signal, progress, improve: tell }) =>
    weighedLipsdp(narrowed(t, question), norm, {
      seconds: left,
      clock: passing,
      engine: question.engine,
      ...(other && t.before * t.after > 0 ? { known: other.value / (t.before * t.after) } : {}),
      ...(signal ? { signal } : {}),
      onPoint: () => progress(Math.min(1, clock.elapsed() / seconds)),
      onImprove: (value) => tell(onTheWay(value, clock)),
    }),
  ).ask(question);
  return [{ ...(other && other.value < own.value ? other : own), seconds: clock.elapsed() }];
}

// --- internal ---

/** `lipsdp` in l2 as a bound in l1 or l-inf. How long it may take is asked when the walk and the chain in l2 are there. */
async function fromTwo(question: Question, norm: 1 | "inf", seconds: () => number): Promise<Bound> {
  const { metadata = {}, subject, improve } = question;
  const inNorm = (bound: Bound): Bound => ({ ...bound, value: timesUp(widthFactor(subject, norm), bound.value) });
  const two = { ...question.inTwo(), metadata, improve: (bound: Bound) => improve(inNorm(bound)) };
  await two.tail();
  const [bound] = await askLipsdp({ ...two, seconds: seconds() });
  return inNorm(bound);
}

/** |x|_2 <= n^(1/2) |x|_inf for n inputs, |y|_1 <= m^(1/2) |y|_2 for m outputs. */
const widthFactor = ({ size, outputs }: Subject, norm: 1 | "inf"): number => sqrtUp(norm === 1 ? outputs : size);

/** By the quadratic walk where it covers the network; else by the chain at its end. */
async function lipsdpInTwo(question: Question): Promise<readonly Bound[]> {
  const clock = budget({ clock: question.clock });
  const walked = await askQuadratic(question);
  const tail = await question.tail();
  const { flow } = (await question.walk()).propagation;
  // What follows a chain has a constant of its own, of which the walk makes one multiplier: either may prove less.
  const followed = typeof tail !== "string" && tail.end !== flow.output;
  if (walked?.whole && !followed) return [walked.bound];
  const { seconds } = question;
  const left = Math.max(0.2 * seconds, seconds - clock.elapsed());
  const [own] = await onChain("lipsdp", (tail, q) => lipsdpOf(tail, q)).ask({ ...question, seconds: left });
  // A part that is no chain may be walked, and a chain may be longer than what is walked.
  return [walked && walked.bound.value <= own.value ? walked.bound : own];
}

/** What lipsdp has proved while it goes on. */
const onTheWay = (value: number, clock: Budget): UpperBound => ({
  method: "lipsdp",
  side: "upper",
  proved: true,
  value,
  seconds: clock.elapsed(),
  status: "stopped",
  why: "on the way",
});

async function lipsdpOf(tail: TailQuestion, question: Question): Promise<Bound> {
  const { engine, seconds, clock: passing, signal, progress, improve } = question;
  const clock = budget({ clock: passing });
  const chain = narrowed(tail, question);
  const { bound } = await lipsdp(chain, {
    engine,
    seconds,
    clock: passing,
    starts: storedStarts(chain, question.metadata ?? {}),
    ...(signal ? { signal } : {}),
    onProgress: () => progress(Math.min(1, clock.elapsed() / seconds)),
    onImprove: (value) => improve(onTheWay(value, clock)),
  });
  return bound;
}
