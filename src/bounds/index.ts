/** @file Bounds of the Lipschitz constant by name, and the bracket that they make together. */
import type { Samples } from "../data/dataset.ts";
import { type Engine, needEngine } from "../engine/engine.ts";
import type { Network } from "../graph/network.ts";
import { InternalError, UsageError } from "../tensor/errors.ts";
import { autoLip } from "./autoLip.ts";
import { type Bound, type Bracket, type LayerBound, maybeNorm, type NoBound, type Norm, printNorm } from "./bound.ts";
import { type Budget, budget, type Clock, machineClock, workClock } from "./budget.ts";
import type { Chains } from "./chain/question.ts";
import { checkDomain, type Domain, printDomain } from "./domain.ts";
import { type Freed, freeAxes } from "./freeAxes.ts";
import { applies, type BoundName, boundNames, methodOf } from "./methods.ts";
import type { Answer, Method, Question, Shared, Walk } from "./question.ts";
import { checkSample, type Subject, subjectOf } from "./subject.ts";

export { type BoundName, boundNames } from "./methods.ts";

export interface LipschitzOptions {
  readonly engine: Engine;
  /** 1, 2 (default) or "inf", for inputs and outputs; also as the words "1" and "2". */
  readonly norm?: Norm | "1" | "2";
  /** Names of methods, or "all" that fit the norm and the domain. Default: the quick ones. */
  readonly methods?: readonly string[] | "all";
  /** Where the constant is to hold. Default: everywhere. */
  readonly domain?: Domain;
  /** Points from which lower bounds start. */
  readonly data?: Samples;
  /**
   * A limit for all methods together, which share it; each goes on until it is done or its share is over, and says "stopped" then. An upper bound that runs out of time is
   * looser, a lower bound smaller. Infinity lets each go on until it is done. Default: each does a fixed amount of work, and the answer is the same on every machine.
   */
  readonly seconds?: number;
  /** What `seconds` are measured by. Default: the machine's clock. */
  readonly clock?: Clock;
  /** Moves of every point in searches for lower bounds. Default: 40, fewer for large networks, more in proportion to `seconds` beyond one. */
  readonly rounds?: number;
  /** Default 0. */
  readonly seed?: number;
  readonly signal?: AbortSignal;
  /** From 0 to 1. */
  onProgress?(fraction: number): void;
  /** The bracket so far, each time that it is narrower: the first soon after the start. All in it holds; methods still at work say "stopped". */
  onBracket?(bracket: Bracket): void;
}

/**
 * Bracket the Lipschitz constant of a network: the smallest L with ||f(x) - f(y)||_p <= L ||x - y||_p for all x and y of a domain.
 * All outputs together are f; a fixed batch is part of x. Of a free batch f is one sample's output: each gives what it gives alone, or `crossing` says where it does not,
 * and then f is of a batch of one. Weights count as the float32 numbers that they are.
 * Throws UsageError where the network does not have exactly one floating-point input, a method is unknown or does not fit the norm
 * or the domain, or the domain does not fit the input; InternalError where a lower bound exceeds an upper one, which would be a fault of this library.
 */
export async function lipschitz(network: Network, options: LipschitzOptions): Promise<Bracket> {
  const { domain = { kind: "global" }, onProgress } = options;
  needEngine("lipschitz", options.engine);
  const norm = maybeNorm(options.norm ?? 2);
  const subject = subjectOf(network);
  checkDomain(domain, subject.size);
  const names = chosen(options.methods, norm, domain);
  const freed = freeAxes(network, subject, domain);
  if (freed) return bracketOfFreed(freed, subject, names, options);
  // Counted work passes alike everywhere; time that was asked for is everybody's together.
  const counted = options.seconds === undefined;
  const clock = counted ? workClock() : (options.clock ?? machineClock);
  const whole = budget({ seconds: options.seconds ?? Number.POSITIVE_INFINITY, clock });
  const left = () =>
    options.seconds === undefined ? Number.POSITIVE_INFINITY : Math.max(0, options.seconds - whole.elapsed());
  const answers = new Map<BoundName, Answer>();
  // What methods have said on the way holds as well as what they end with: the best of each.
  const interim = new Map<string, { readonly name: BoundName; readonly bound: Bound }>();
  const bracketNow = (): Omit<Bracket, "layers"> => {
    const said = [...interim.values()];
    const bounds = names.flatMap(
      (name) => answers.get(name)?.bounds ?? said.filter((i) => i.name === name).map(({ bound }) => bound),
    );
    const all = [...said.map(({ bound }) => bound), ...bounds];
    return { norm: printNorm(norm), domain: printDomain(domain), ...sides(all), bounds };
  };
  const announce = announcer(options.onBracket);
  const improve = (name: BoundName, bound: Bound) => {
    const key = `${name} ${bound.side}`;
    const before = interim.get(key)?.bound.value;
    if (before !== undefined && (bound.side === "lower" ? bound.value <= before : bound.value >= before)) return;
    interim.set(key, { name, bound });
    announce(bracketNow);
  };
  const ended = (bound: Bound, time: Budget): Bound => {
    const own = { ...bound, seconds: time.elapsed() };
    return counted && own.status === "stopped" ? withoutClock(own) : own;
  };
  const { engine, data, rounds, seed = 0, signal } = options;
  const asked: Omit<Question, "seconds" | "progress" | "improve"> = {
    subject,
    norm,
    domain,
    engine,
    metadata: network.metadata,
    clock,
    seed,
    data,
    rounds,
    signal,
  };
  const order = turns(names, domain);
  if (options.onBracket) {
    // Something is known while the others begin.
    const first = budget();
    for (const { name, glance } of order) {
      const bound = await glance?.({ ...asked, seconds: left(), progress() {}, improve() {} });
      if (bound) improve(name, { ...bound, status: "stopped", seconds: first.elapsed() });
    }
  }
  const alone = order.length === 1 && order[0].needs === "walk" && order[0].ends;
  const prepared = preparation(asked, left, alone ? 1 : walkShare);
  for (const [k, entry] of order.entries()) {
    signal?.throwIfAborted();
    const { name } = entry;
    const progress = (part: number) => onProgress?.((k + part) / names.length);
    const time = budget();
    // Where even the first search from below had no time, a second one is not begun.
    const said = [...answers.values()].flatMap(({ bounds }) => bounds);
    if (entry.side === "lower" && left() <= 0 && said.some(({ side }) => side === "lower")) {
      answers.set(name, { bounds: [notBegun(name)] });
      continue;
    }
    const question: Question = {
      ...asked,
      seconds: counted ? entry.work : left() * shareOf(order.slice(k)),
      start: bracketNow().lower?.witness ?? null,
      progress,
      improve: (bound: Bound) => improve(name, { ...bound, seconds: time.elapsed() }),
    };
    const answer = await answerOf(entry, question, prepared, options.methods === undefined, bracketNow);
    if (!answer) continue;
    answers.set(name, { ...answer, bounds: answer.bounds.map((bound) => ended(bound, time)) });
    announce(bracketNow);
    progress(1);
  }
  checkSides(bracketNow());
  const { bounds, ...found } = bracketNow();
  const missing = [...answers.values()].reduce<NoBound | undefined>((m, answer) => m ?? answer.missing, undefined);
  const layers = [...answers.values()].flatMap<LayerBound>((answer) => answer.layers ?? []);
  return {
    ...found,
    ...(missing && !found.upper && { noConstant: missing }),
    ...(subject.crossing && { crossing: subject.crossing }),
    bounds,
    layers,
  };
}

// --- internal ---

/** The part of the time that is left which the walk may take: the others need it, and begin after it. */
const walkShare = 0.4;

/** What several methods need, made when the first is asked. */
interface Preparation {
  walk(): Promise<Walk>;
  chains(): Promise<Chains>;
}

function preparation(
  { subject, norm, domain, clock, signal }: Omit<Question, "seconds" | "progress" | "improve">,
  left: () => number,
  share: number,
): Preparation {
  let walk: Promise<Walk> | undefined;
  let chains: Promise<Chains> | undefined;
  const self: Preparation = {
    walk() {
      walk ??= autoLip(subject, norm, { domain, clock, seconds: share * left(), signal });
      return walk;
    },
    chains() {
      chains ??= self.walk().then(async ({ propagation }) => {
        const { chainsOf } = await import("./chain/question.ts");
        return chainsOf(propagation, norm, domain, budget({ seconds: left(), clock, signal }));
      });
      return chains;
    },
  };
  return self;
}

/** Hand a method what it needs, and ask it; null where that is not worth it. */
async function answerOf(
  entry: Method,
  question: Question,
  prepared: Preparation,
  unasked: boolean,
  known: () => Pick<Bracket, "lower" | "upper">,
): Promise<Answer | null> {
  switch (entry.needs) {
    case "nothing":
      return entry.ask(question);
    case "walk":
      return entry.ask(question, { walk: await prepared.walk() });
    case "chains": {
      const shared: Shared = { walk: await prepared.walk(), chains: await prepared.chains() };
      if (unasked && entry.worthwhile?.(question, shared, known()) === false) return null;
      return entry.ask(question, shared);
    }
    default:
      return entry satisfies never;
  }
}

/** The bracket where some inputs have one value: that of the network of the others, with points of the whole input. */
async function bracketOfFreed(
  { network, domain, project, lift }: Freed,
  subject: Subject,
  names: readonly BoundName[],
  { onBracket, data, ...options }: LipschitzOptions,
): Promise<Bracket> {
  const norm = printNorm(maybeNorm(options.norm ?? 2));
  const where = printDomain(options.domain ?? domain);
  if (data) checkSample(subject, data.shape);
  if (!network) {
    const bounds = names.flatMap(stillBound);
    return { norm, domain: where, ...sides(bounds), bounds, layers: [] };
  }
  const lifted = ({ lower, bounds, ...rest }: Bracket): Bracket => ({
    ...rest,
    domain: where,
    lower: lower && { ...lower, witness: lower.witness && lift(lower.witness) },
    bounds: bounds.map((b) => (b.side === "lower" && b.witness ? { ...b, witness: lift(b.witness) } : b)),
  });
  return lifted(
    await lipschitz(network, {
      ...options,
      domain,
      ...(data ? { data: project(data) } : {}),
      ...(onBracket ? { onBracket: (bracket: Bracket) => onBracket(lifted(bracket)) } : {}),
    }),
  );
}

/** On one point every constant is 0; estimates have nothing to say. */
function stillBound(method: BoundName): readonly Bound[] {
  const stated = { method, value: 0, seconds: 0, status: "done" } as const;
  const { side } = methodOf(method);
  if (side === "estimate") return [];
  return side === "lower" ? [{ ...stated, side, proved: false, witness: null }] : [{ ...stated, side, proved: true }];
}

/** Two points that show more than is proved refute the proof or the enclosure: a fault of this program, after which it answers nothing. */
function checkSides({ lower, upper, norm, domain }: Pick<Bracket, "lower" | "upper" | "norm" | "domain">): void {
  if (!lower || !upper?.proved || lower.value <= upper.value) return;
  throw new InternalError(
    `the lower bound ${lower.value} of ${lower.method} exceeds the upper bound ${upper.value} of ${upper.method} (norm ${norm}, ${domain}): ` +
      "one of them is wrong; please report it with the model",
  );
}

/** What is said of a bound that counted work ended: it is complete, and the same on every machine. */
function withoutClock(bound: Bound): Bound {
  const why = bound.why?.replace(/^out of time|^time ran out/, "the work of the default is done");
  return { ...bound, status: "done", ...(why === undefined ? {} : { why }) };
}

const notBegun = (method: BoundName): Bound => ({
  method,
  side: "lower",
  proved: false,
  value: 0,
  witness: null,
  seconds: 0,
  status: "stopped",
  why: "out of time before its search began",
});

/** The part of the first of several methods of the time that they have together. */
function shareOf(order: readonly Method[]): number {
  const shares = order.map(({ work, share = Number.isFinite(work) ? work : 0.5 }) => share);
  return shares[0] / shares.reduce((sum, share) => sum + share, 0);
}

/** The order in which methods are asked. */
function turns(names: readonly BoundName[], domain: Domain): readonly Method<BoundName>[] {
  const own = names.map(methodOf);
  return domain.kind === "global" ? own.toSorted((a, b) => a.turn - b.turn) : own;
}

/** Hand on brackets that are narrower than the one before. */
function announcer(onBracket: LipschitzOptions["onBracket"]) {
  let [low, high] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  return (make: () => Omit<Bracket, "layers">): void => {
    if (!onBracket) return;
    const bracket = make();
    const lower = bracket.lower?.value ?? low;
    const upper = bracket.upper?.proved ? bracket.upper.value : high;
    if (lower <= low && upper >= high) return;
    [low, high] = [Math.max(low, lower), Math.min(high, upper)];
    onBracket({ ...bracket, layers: [] });
  };
}

function chosen(asked: LipschitzOptions["methods"], norm: Norm, domain: Domain): readonly BoundName[] {
  const fitting = boundNames.filter((name) => applies(name, norm, domain));
  if (asked === "all") return fitting;
  if (asked === undefined) return fitting.filter((name) => methodOf(name).usual(norm, domain));
  return asked.map((word) => {
    const name = boundNames.find((known) => known === word);
    if (!name) throw new UsageError(`lipschitz: unknown method "${word}"; known: ${boundNames.join(", ")}`);
    if (!applies(name, norm, domain)) {
      const where = domain.kind === "global" ? "" : ` on a ${domain.kind}`;
      const inNorm = norm === "inf" ? "l-inf" : `l${norm}`;
      throw new UsageError(`lipschitz: ${name} has no bound in ${inNorm}${where}; there are ${fitting.join(", ")}`);
    }
    return name;
  });
}

/** The best of each side. */
function sides(bounds: readonly Bound[]): Pick<Bracket, "lower" | "upper"> {
  let lower: Bracket["lower"] = null;
  let upper: Bracket["upper"] = null;
  for (const bound of bounds) {
    const { method, value } = bound;
    switch (bound.side) {
      case "lower":
        if (!lower || value > lower.value) lower = { value, method, witness: bound.witness };
        break;
      case "upper": {
        const { proved } = bound;
        const better = !upper || (proved !== upper.proved ? proved : value < upper.value);
        if (value < Number.POSITIVE_INFINITY && better) upper = { value, method, proved };
        break;
      }
      case "estimate":
        break;
      default:
        bound satisfies never;
    }
  }
  return { lower, upper };
}
