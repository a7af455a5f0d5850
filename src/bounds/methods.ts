/** @file The bounds by name: for which norms and domains each is, and how it is asked. */
import type { Dataset } from "../data/dataset.ts";
import type { Engine } from "../engine/engine.ts";
import { type Flow, flowOf } from "../graph/behaviour.ts";
import type { Node } from "../graph/graph.ts";
import { sqrtUp } from "../linalg/rounding.ts";
import { UsageError } from "../tensor/errors.ts";
import type { Named } from "../tensor/named.ts";
import type { Propagation } from "./autoLip.ts";
import { annealing } from "./below/annealing.ts";
import { jacobian } from "./below/jacobian.ts";
import { pairs } from "./below/pairs.ts";
import type { Bound, Norm, UpperBound, Witness } from "./bound.ts";
import { branchAndBound } from "./branch/branch.ts";
import { type Budget, budget } from "./budget.ts";
import { type CircularStage, proofWork } from "./chain/circular.ts";
import { circularJudge, isTooLarge } from "./chain/circularGraph.ts";
import { paddedStages } from "./chain/circularPadded.ts";
import { circularSearch, normStart, productStart } from "./chain/circularSearch.ts";
import { circularStages, type Found, provedBy, reducedChain } from "./chain/circularTail.ts";
import { uniformMultipliers } from "./chain/circularUniform.ts";
import { combettesPesquet } from "./chain/combettesPesquet.ts";
import { eclipseFast } from "./chain/eclipse.ts";
import { frobenius } from "./chain/frobenius.ts";
import { greedySeqLip } from "./chain/greedySeqLip.ts";
import { lipsdp } from "./chain/lipsdp.ts";
import type { Multipliers } from "./chain/matrix.ts";
import { seqLip } from "./chain/seqLip.ts";
import { storedLists, storedStarts } from "./chain/stored.ts";
import { gatesOf, type Tail, tailOf } from "./chain/tail.ts";
import { weighedLipsdp } from "./chain/weighed.ts";
import type { Chain } from "./chain.ts";
import { type Domain, hasInterior, type Range } from "./domain.ts";
import { intervalBound } from "./local/interval.ts";
import { ranges, slopesOn } from "./local/ranges.ts";
import { recurJacBound } from "./local/recurJac.ts";
import { addUp, timesUp } from "./norm/region.ts";
import type { Subject } from "./subject.ts";

/** What a method is asked with. The AutoLip walk and the chain are made once for all of them. */
export interface Question {
  readonly subject: Subject;
  readonly norm: Norm;
  readonly domain: Domain;
  readonly engine: Engine;
  readonly data?: Dataset;
  /** What the model says of itself. */
  readonly metadata?: Named<string>;
  readonly seconds?: number;
  /** Moves of every point in searches from below. */
  readonly rounds?: number;
  readonly seed: number;
  readonly signal?: AbortSignal;
  /** What methods before this one have found. */
  readonly start?: Witness | null;
  /** From 0 to 1. */
  progress(fraction: number): void;
  /** A bound that holds already, while the method goes on. */
  improve(bound: Bound): void;
  walk(): Promise<{ readonly bound: UpperBound; readonly propagation: Propagation }>;
  tail(): Promise<TailQuestion | string>;
  /** The same behind the last residual block that the walk proves as a whole, in l2 on the whole space: as a chain it would be worth less. */
  behind(): Promise<TailQuestion | string>;
  /** The same question in l2. */
  inTwo(): Question;
}

/** The part of a network that is a chain, and the constants of what is before it and after it. */
export interface TailQuestion extends Tail {
  /** Where the chain ends: the output of the network, or a node that everything passes through. */
  readonly end: Node;
  readonly before: number;
  readonly after: number;
  /** The slopes that the domain allows, layer by layer; those of the activations where the domain is everything. */
  readonly slopes: readonly Range[];
}

export interface MethodEntry {
  readonly norms: "2" | "all";
  readonly domains: "global" | "local" | "all";
  /** Part of the default, or only where it is asked for by name or by "all". */
  readonly quick: boolean;
  ask(question: Question): Promise<readonly Bound[]>;
}

/** Every method, upper bounds first. */
export const methods = {
  frobenius: onChain("frobenius", async ({ chain }) => frobenius(chain)),
  autolip: { norms: "all", domains: "all", quick: true, ask: async ({ walk }) => [(await walk()).bound] },
  "combettes-pesquet": onChain("combettes-pesquet", async ({ chain }) => combettesPesquet(chain)),
  seqlip: onChain("seqlip", ({ chain }, q) => seqLip(chain, { seconds: q.seconds ?? 5, ...limits(q) })),
  "greedy-seqlip": onChain("greedy-seqlip", ({ chain }, q) =>
    greedySeqLip(chain, { seconds: q.seconds ?? 5, ...limits(q) }),
  ),
  "eclipse-fast": {
    ...onChain("eclipse-fast", async ({ chain }, { seconds, signal }) =>
      eclipseFast(chain, { ...(seconds === undefined ? {} : { seconds }), ...(signal ? { signal } : {}) }),
    ),
    quick: true,
  },
  lipsdp: { norms: "all", domains: "all", quick: true, ask: askLipsdp },
  interval: { ...onChain("interval", slopeBound(intervalBound)), norms: "all", domains: "all" },
  recurjac: { ...onChain("recurjac", slopeBound(recurJacBound)), norms: "all", domains: "all" },
  branch: { norms: "all", domains: "all", quick: false, ask: branch },
  jacobian: fromBelow(jacobian, true),
  pairs: fromBelow(pairs, true),
  annealing: fromBelow(annealing, false),
} as const satisfies Readonly<Record<string, MethodEntry>>;

export type BoundName = keyof typeof methods;

/** Names in the order of the table. */
export const boundNames = Object.keys(methods) as readonly BoundName[];

/** Does a method answer for a norm and a domain? */
export function applies(name: BoundName, norm: Norm, domain: Domain): boolean {
  const { norms, domains }: MethodEntry = methods[name];
  return (
    (norms === "all" || norm === 2) && (domains === "all" || (domains === "global") === (domain.kind === "global"))
  );
}

/** The chain at the end of a network, no sooner than at `first`, with what the domain says of its slopes. */
export function questionTail(
  flow: Flow,
  propagation: Pick<Propagation, "norms" | "constantOf">,
  domain: Domain,
  first: Node = flow.input,
): TailQuestion | string {
  const tail = tailOf(flow, propagation.norms, first);
  if (typeof tail === "string") return tail;
  const before = propagation.constantOf(tail.from);
  const end = flow.output;
  if (domain.kind === "global") {
    return { ...tail, end, before, after: 1, slopes: tail.chain.activations.map(({ low, high }) => ({ low, high })) };
  }
  if (tail.from !== flow.input) return "the chain does not begin at the input, where the domain is";
  const rounding = (i: number) => ({ matrix: tail.error(i, "inf"), shift: tail.shifts[i] });
  const found = ranges(tail.chain, domain, tail.exact ? {} : { rounding });
  if (!found) throw new UsageError("domain: it holds no point");
  return { ...tail, end, before, after: 1, slopes: slopesOn(tail.chain, found) };
}

// --- internal ---

const limits = (q: Question) => ({ ...(q.signal ? { signal: q.signal } : {}), onProgress: q.progress });

/** Methods that are never worse than the walk: of a shortcut, written out as a chain, the walk may know more. */
const notAbove: readonly string[] = ["seqlip", "eclipse-fast", "lipsdp"];

/** A method that works on the chain: its bound times the constants of what is before and after, plus what writing the matrices out may have cost. */
function onChain(method: string, bound: (tail: TailQuestion, question: Question) => Promise<Bound>): MethodEntry {
  return {
    norms: "2",
    domains: "global",
    quick: false,
    async ask(question) {
      const tail = await question.behind();
      if (typeof tail === "string") {
        const stated = {
          method,
          value: Number.POSITIVE_INFINITY,
          seconds: 0,
          status: "not a chain",
          why: tail,
        } as const;
        return [
          method === "greedy-seqlip"
            ? { ...stated, side: "estimate", proved: false }
            : { ...stated, side: "upper", proved: false },
        ];
      }
      const { bound: walked } = await question.walk();
      const most = notAbove.includes(method) && walked.proved ? walked.value : Number.POSITIVE_INFINITY;
      const ofNetwork = (own: Bound): Bound => {
        const slack = own.side === "estimate" ? 0 : tail.slack(question.norm);
        const value = Math.min(most, timesUp(timesUp(tail.before, tail.after), addUp(own.value, slack)));
        // Infinity is no bound, whoever says it.
        return own.side === "upper"
          ? { ...own, value, proved: own.proved && value < Number.POSITIVE_INFINITY }
          : { ...own, value };
      };
      const improve = (own: Bound) => question.improve(ofNetwork(own));
      return [ofNetwork(await bound(tail, { ...question, improve }))];
    },
  };
}

/** A search over inputs, from the best place that is known already. */
function fromBelow(search: typeof jacobian, quick: boolean): MethodEntry {
  return {
    norms: "all",
    domains: "all",
    quick,
    ask: async ({ subject, norm, progress, improve, walk: _, tail: __, ...rest }) => [
      await search(subject, norm, { ...rest, onProgress: progress, onFirst: improve }),
    ],
  };
}

/** The chain with the slopes of the domain in place of the global ones. */
const narrowed = ({ chain, slopes }: TailQuestion, { domain }: Question): Chain =>
  domain.kind === "global"
    ? chain
    : { ...chain, activations: chain.activations.map((layer, i) => ({ ...layer, ...slopes[i] })) };

async function askLipsdp(question: Question): Promise<readonly Bound[]> {
  const { norm } = question;
  if (norm === 2) return lipsdpInTwo(question);
  const { seconds = 3 } = question;
  const clock = budget();
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
      engine: question.engine,
      ...(other && t.before * t.after > 0 ? { known: other.value / (t.before * t.after) } : {}),
      ...(signal ? { signal } : {}),
      onPoint: () => progress(Math.min(1, clock.elapsed() / seconds)),
      onImprove: (value) => tell(onTheWay(value, clock)),
    }),
  ).ask(question);
  return [{ ...(other && other.value < own.value ? other : own), seconds: clock.elapsed() }];
}

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

/** Convolutions before a chain, the first map of which reads the grid of the last of them. */
interface Head {
  readonly stages: readonly CircularStage[];
  readonly tail: TailQuestion;
  /** The constant of what is before the convolutions. */
  readonly before: number;
  /** Whether the convolutions themselves wrap around; they have zeros around otherwise. */
  readonly wraps: boolean;
}

/** The convolutions before the chain, in l2 on the whole space; null for none. */
async function headOf(question: Question): Promise<Head | null> {
  if (question.domain.kind !== "global") return null;
  const [tail, { propagation }] = [await question.tail(), await question.walk()];
  const { flow, norms } = propagation;
  if (typeof tail === "string") return null;
  const stages = circularStages(flow, tail.from, norms);
  if (stages && stages.length > 0) return { stages, tail, before: 1, wraps: true };
  const { seconds = 3 } = question;
  let head = paddedHead(propagation, tail, question.domain);
  // A search that leaves no time for its proof is worth nothing.
  while (head && proofSeconds(head) > 0.15 * seconds) {
    head = paddedHead(propagation, tail, question.domain, head.stages.length - 1);
  }
  return head;
}

/** What a proof takes on a slow machine. */
const proofSeconds = ({ stages, tail }: Head): number => proofWork(stages, tail.chain.affine[0].weight.rows) / 1.5e9;

/** Convolutions with zeros around, as many as there are: a chain is searched sooner than its first maps written out, and often comes to less. */
function paddedHead(
  { flow, norms, constantOf }: Propagation,
  tail: TailQuestion,
  domain: Domain,
  most?: number,
): Head | null {
  const written = tail.from === flow.input;
  const cubes = tail.chain.activations.reduce((sum, { low }) => sum + low.length ** 3, 0);
  if (written && cubes < quicklySearched) return null;
  const cut = flowOf(flow.input, tail.end);
  const found = gatesOf(cut).flatMap((last) => {
    const padded = paddedStages(cut, last, norms, most);
    return padded ? [{ last, ...padded }] : [];
  });
  const best =
    found.findLast(({ used }) => used >= leastUsed) ??
    (written ? undefined : found.toSorted((a, b) => b.used - a.used)[0]);
  if (!best) return null;
  const { last, from, stages, spread } = best;
  const behind = last === tail.from ? tail : questionTail(cut, { norms, constantOf }, domain, last);
  if (typeof behind === "string" || behind.from !== last) return null;
  const [first, ...rest] = behind.chain.affine;
  const chain: Chain = { ...behind.chain, affine: [{ ...first, weight: spread(first.weight) }, ...rest] };
  return { stages: stages(), tail: { ...behind, after: tail.after, chain }, before: constantOf(from), wraps: false };
}

/** Sum of the cubes of the widths of a chain below which its multipliers, neuron by neuron, are found in seconds. */
const quicklySearched = 3e8;

/** Part of the last grid that should be image. */
const leastUsed = 0.2;

/** By the convolutions before the chain; by the chain alone where there are none, nothing is proved, or zeros stand around them and there is time left. */
async function lipsdpInTwo(question: Question): Promise<readonly Bound[]> {
  const onTail = (q: Question) => onChain("lipsdp", (tail, own) => lipsdpOf(tail, own)).ask(q);
  const clock = budget();
  const head = await headOf(question);
  const found = head && (await circularLipsdp(question, head));
  if (!found) return onTail(question);
  if (head.wraps) return [found];
  const { seconds = 3 } = question;
  const left = seconds - clock.elapsed();
  const { bound: walked } = await question.walk();
  const value = Math.min(found.value, walked.proved ? walked.value : Number.POSITIVE_INFINITY);
  const [own] = left >= 0.3 * seconds ? await onTail({ ...question, seconds: left }) : [found];
  return [{ ...(own.value < value ? own : { ...found, value }), seconds: clock.elapsed() }];
}

/** With convolutions before the chain, by stored multipliers, or without any by those that a search finds; null where nothing is proved. */
async function circularLipsdp(question: Question, head: Head): Promise<Bound | null> {
  const { seconds = 3, signal } = question;
  const clock = budget({ seconds, ...(signal ? { signal } : {}) });
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
  { engine, seconds = 3, signal }: Question,
  head: Head,
  { bound: walked }: { readonly bound: UpperBound },
): Promise<{ readonly found: Found; readonly ended: boolean } | null> {
  const { stages, before, wraps } = head;
  const { chain, after } = head.tail;
  if (isTooLarge(stages, chain)) return null;
  const limit = (part: number) => ({ seconds: part * seconds, ...(signal ? { signal } : {}) });
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
  const { engine, seconds = 3, signal, progress, improve } = question;
  const clock = budget();
  const chain = narrowed(tail, question);
  const { bound } = await lipsdp(chain, {
    engine,
    seconds,
    starts,
    ...(signal ? { signal } : {}),
    onProgress: () => progress(Math.min(1, clock.elapsed() / seconds)),
    onImprove: (value) => improve(onTheWay(value, clock)),
  });
  return bound;
}

/** A bound from slopes alone. */
function slopeBound(of: typeof recurJacBound) {
  return async ({ chain, slopes }: TailQuestion, { norm, seconds, signal }: Question): Promise<Bound> => {
    const clock = budget({ seconds, signal });
    await clock.pause();
    const value = of(chain, slopes, norm, clock);
    const stopped = of === recurJacBound && clock.expired;
    return {
      method: of === intervalBound ? "interval" : "recurjac",
      side: "upper",
      proved: true,
      value,
      seconds: clock.elapsed(),
      ...(stopped
        ? { status: "stopped", why: "out of time: some entries are those of the interval" }
        : { status: "done" }),
    };
  };
}

async function branch({
  tail,
  walk,
  norm,
  domain,
  seconds = 5,
  seed,
  signal,
  progress,
  improve,
}: Question): Promise<readonly Bound[]> {
  const clock = budget();
  const { propagation } = await walk();
  const made = await tail();
  // What is cut off as empty, and a point that is found, are those of the network only if the chain is the network itself.
  const chain =
    typeof made === "string"
      ? made
      : made.from !== propagation.flow.input || made.after !== 1
        ? "the chain does not begin at the input, or does not end at the output"
        : made.exact
          ? made.chain
          : "its matrices or offsets carry rounding, which moves the kinks";
  if (typeof chain === "string") {
    return [
      {
        method: "branch",
        side: "upper",
        proved: false,
        value: Number.POSITIVE_INFINITY,
        seconds: 0,
        status: "not a chain",
        why: chain,
      },
    ];
  }
  const { upper, lower } = await branchAndBound(chain, domain, norm, {
    seconds,
    seed,
    ...(signal ? { signal } : {}),
    onProgress(low, value) {
      progress(value > 0 ? Math.min(1, low / value) : 1);
      const elapsed = clock.elapsed();
      const why = "on the way";
      improve({ method: "branch", side: "upper", proved: true, value, seconds: elapsed, status: "stopped", why });
    },
  });
  // A derivative is a lower bound only where the domain goes on in every direction.
  return hasInterior(domain) ? [upper, lower] : [upper];
}
