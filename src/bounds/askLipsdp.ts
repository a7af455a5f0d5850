/** @file `lipsdp` asked about a network: in which norm, by which convolutions before the chain, from which multipliers. */
import { sqrtUp } from "../linalg/rounding.ts";
import type { Bound, UpperBound } from "./bound.ts";
import { type Budget, budget } from "./budget.ts";
import { circularJudge, isTooLarge } from "./chain/circularGraph.ts";
import { circularSearch, normStart, productStart } from "./chain/circularSearch.ts";
import { type Found, provedBy, reducedChain } from "./chain/circularTail.ts";
import { uniformMultipliers } from "./chain/circularUniform.ts";
import { lipsdp } from "./chain/lipsdp.ts";
import type { Multipliers } from "./chain/matrix.ts";
import { storedLists, storedStarts } from "./chain/stored.ts";
import { weighedLipsdp } from "./chain/weighed.ts";
import { type Head, headOf, proofSeconds } from "./head.ts";
import { addUp, timesUp } from "./norm/region.ts";
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
  // What is before a chain may have a small norm in l2 only.
  const whole = typeof tail !== "string" && tail.from === (await question.walk()).propagation.flow.input;
  const other = whole
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

/** By the quadratic walk where it covers the network; else by the convolutions before the chain; by the chain alone where there are none, nothing is proved, or zeros stand around them and there is time left. */
async function lipsdpInTwo(question: Question): Promise<readonly Bound[]> {
  // Multipliers that a model brings along are those of a chain.
  const walked = storedLists(question.metadata ?? {}) ? null : await askQuadratic(question);
  if (walked) return [walked];
  return lipsdpOfChain(question);
}

async function lipsdpOfChain(question: Question): Promise<readonly Bound[]> {
  const onTail = (q: Question) => onChain("lipsdp", (tail, own) => lipsdpOf(tail, own)).ask(q);
  const { seconds } = question;
  const clock = budget({ clock: question.clock });
  const head = await headOf(question);
  const found = head && (await circularLipsdp(question, head));
  if (!found) return onTail(question);
  if (head.wraps) return [found];
  const left = seconds - clock.elapsed();
  const { bound: walked } = await question.walk();
  const value = Math.min(found.value, walked.proved ? walked.value : Number.POSITIVE_INFINITY);
  const [own] = left >= 0.3 * seconds ? await onTail({ ...question, seconds: left }) : [found];
  return [{ ...(own.value < value ? own : { ...found, value }), seconds: clock.elapsed() }];
}

/** With convolutions before the chain, by stored multipliers, or without any by those that a search finds; null where nothing is proved. */
async function circularLipsdp(question: Question, head: Head): Promise<Bound | null> {
  const { seconds, clock: passing, signal } = question;
  const clock = budget({ seconds, clock: passing, ...(signal ? { signal } : {}) });
  const { stages, tail } = head;
  const { chain } = tail;
  const lists = storedLists(question.metadata ?? {});
  const stored =
    lists && lists.length === stages.length + chain.activations.length ? reducedChain(stages, chain, lists) : null;
  const searched = stored ? null : await circularMultipliers(question, head, await question.walk());
  const reduced = stored ?? searched?.found.reduced;
  if (!reduced) return null;
  // What the rounding of the chain's matrices adds comes after all that is before it, and before what follows.
  const added = timesUp(tail.before, tail.slack(2));
  const before = timesUp(head.before, reduced.before);
  const behind = <B extends Bound>(bound: B): B => ({
    ...bound,
    value: timesUp(tail.after, addUp(timesUp(before, bound.value), added)),
  });
  const improve: Question["improve"] = (bound) => question.improve(behind(bound));
  const left = Math.max(0.1 * seconds, seconds - clock.elapsed());
  const asked = { ...question, improve, ...(searched ? { seconds: left } : {}) };
  const starts = searched ? [searched.found.multipliers.slice(stages.length)] : undefined;
  const bound = { ...behind(await lipsdpOf({ ...tail, ...reduced }, asked, starts)), seconds: clock.elapsed() };
  const cut = searched?.ended === false && bound.side === "upper" && bound.status === "done";
  return cut ? { ...bound, status: "stopped", why: "out of time: more would lower it" } : bound;
}

/**
 * Multipliers that prove something, by a search in most of the time: from one number for all neurons, or from the product of the norms of the
 * convolutions with the best multipliers of the chain behind them, whichever gives less.
 */
async function circularMultipliers(
  { engine, seconds, clock: passing, signal }: Question,
  head: Head,
  { bound: walked }: { readonly bound: UpperBound },
): Promise<{ readonly found: Found; readonly ended: boolean } | null> {
  const { stages, before, wraps } = head;
  const { chain, after } = head.tail;
  if (isTooLarge(stages, chain)) return null;
  const limit = (part: number) => ({
    seconds: part * seconds,
    clock: passing,
    ...(signal ? { signal } : {}),
  });
  const reserved = wraps ? 0 : proofSeconds(head) / seconds;
  const clock = budget(limit(0.75 - reserved));
  const guessed = async () => {
    const judge = await circularJudge(engine, stages, chain, 13);
    const most = walked.value / (before * after);
    return judge && uniformMultipliers(judge, stages, chain, most, clock).finally(judge.dispose);
  };
  // Layers that one number suits were made for it, and wrap around.
  const guess = wraps ? await guessed() : null;
  const { bound, multipliers } = await lipsdp(chain, { engine, ...limit(0.1) });
  const known = multipliers.length === chain.activations.length;
  const norms = known ? normStart(stages, multipliers) : productStart(stages, chain);
  const start = guess && guess.value <= norms.before * bound.value ? guess : norms;
  const more = await circularSearch(engine, stages, chain, start.multipliers, clock);
  const found = more && provedBy(stages, chain, more.multipliers);
  if (found) return { found, ended: more.ended };
  const first = provedBy(stages, chain, start.multipliers);
  return first && { found: first, ended: true };
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

async function lipsdpOf(
  tail: TailQuestion,
  question: Question,
  starts: readonly Multipliers[] = storedStarts(narrowed(tail, question), question.metadata ?? {}),
): Promise<Bound> {
  const { engine, seconds, clock: passing, signal, progress, improve } = question;
  const clock = budget({ clock: passing });
  const chain = narrowed(tail, question);
  const { bound } = await lipsdp(chain, {
    engine,
    seconds,
    clock: passing,
    starts,
    ...(signal ? { signal } : {}),
    onProgress: () => progress(Math.min(1, clock.elapsed() / seconds)),
    onImprove: (value) => improve(onTheWay(value, clock)),
  });
  return bound;
}
