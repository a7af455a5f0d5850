/** @file Bounds of the Lipschitz constant by name, and the bracket that they make together. */
import type { Samples } from "../data/dataset.ts";
import { type Engine, needEngine } from "../engine/engine.ts";
import type { Network } from "../graph/network.ts";
import { InternalError, UsageError } from "../tensor/errors.ts";
import { autoLip } from "./autoLip.ts";
import { type Bound, type Bracket, maybeNorm, type Norm, printNorm } from "./bound.ts";
import { type Budget, budget, type Clock, machineClock, workClock } from "./budget.ts";
import { checkDomain, type Domain, printDomain } from "./domain.ts";
import { followedTail } from "./followed.ts";
import { type Freed, freeAxes } from "./freeAxes.ts";
import { jacobian } from "./lowerBounds/jacobian.ts";
import { runWork } from "./lowerBounds/slopes.ts";
import { applies, type BoundName, boundNames, methods } from "./methods.ts";
import { type MethodEntry, type Question, questionTail } from "./question.ts";
import { checkSample, type Subject, subjectOf } from "./subject.ts";

export { type BoundName, boundNames } from "./methods.ts";

export interface LipschitzOptions {
  readonly engine: Engine;
  /** 1, 2 (default) or "inf", for inputs and outputs; also as the words "1" and "2". */
  readonly norm?: Norm | "1" | "2";
  /** Names of methods, or "all" that fit the norm and the domain; the quick ones unless told. */
  readonly methods?: readonly string[] | "all";
  /** Where the constant is to hold; everywhere unless told. */
  readonly domain?: Domain;
  /** Points from which lower bounds start. */
  readonly data?: Samples;
  /**
   * A limit for all methods together, which share it; each goes on until it is done or its share is over, and says "stopped" then. An upper bound that runs out of time is
   * looser, a lower bound smaller. Infinity lets each go on until it is done. Unless told, each does a fixed amount of work, and the answer is the same on every machine.
   */
  readonly seconds?: number;
  /** What `seconds` are measured by; the machine's clock unless told. */
  readonly clock?: Clock;
  /** Moves of every point in searches for lower bounds; unless told 40, fewer for large networks, more in proportion to `seconds` beyond one. */
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
  const shared = {
    ...sharedWork(subject, norm, domain, {
      ...options,
      clock,
      left,
      walkAlone: names.length === 1 && names[0] === "autolip",
    }),
    metadata: network.metadata,
  };
  const answers = new Map<BoundName, readonly Bound[]>();
  // What methods have said on the way holds as well as what they end with: the best of each.
  const interim = new Map<string, { readonly name: BoundName; readonly bound: Bound }>();
  const bracketNow = (): Omit<Bracket, "layers"> => {
    const said = [...interim.values()];
    const bounds = names.flatMap(
      (name) => answers.get(name) ?? said.filter((i) => i.name === name).map(({ bound }) => bound),
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
  if (options.onBracket) {
    // Norms in closed form and a few points take no time, and something is known.
    const { engine, seed, signal } = shared;
    const few = { engine, seed, domain, points: 4, rounds: 1, ...(signal && { signal }) };
    const first = budget();
    const show = (name: BoundName, bound: Bound) =>
      improve(name, { ...bound, status: "stopped", seconds: first.elapsed() });
    if (names.includes("autolip")) show("autolip", (await autoLip(subject, norm, { seconds: 0 })).bound);
    const few4 = names.includes("jacobian") && whole.fits(20 * runWork(subject)) && runWork(subject) < quickRun;
    if (few4) show("jacobian", await jacobian(subject, norm, few));
  }
  const order = turns(names, domain);
  for (const [k, name] of order.entries()) {
    options.signal?.throwIfAborted();
    if (
      name === "branch" &&
      options.methods === undefined &&
      !(await worthBranching(shared, bracketNow(), options.seconds === Number.POSITIVE_INFINITY))
    )
      continue;
    const progress = (part: number) => onProgress?.((k + part) / names.length);
    const entry: MethodEntry = methods[name];
    const { lower } = bracketNow();
    const time = budget();
    // Where even the first search from below had no time, a second one is not begun.
    if (entry.below && left() <= 0 && [...answers.values()].flat().some(({ side }) => side === "lower")) {
      answers.set(name, [notBegun(name)]);
      continue;
    }
    const question = {
      ...shared,
      seconds: counted ? entry.work : left() * shareOf(order.slice(k)),
      progress,
      improve: (bound: Bound) => improve(name, { ...bound, seconds: time.elapsed() }),
    };
    const bounds = await entry.ask({ ...question, start: lower?.witness ?? null });
    answers.set(
      name,
      bounds.map((bound) => ended(bound, time)),
    );
    announce(bracketNow);
    progress(1);
  }
  checkSides(bracketNow());
  const walk = names.includes("autolip") ? await shared.walk() : undefined;
  const missing = walk?.bound.status === "unbounded" ? walk.propagation.missing : undefined;
  const { bounds, ...found } = bracketNow();
  return {
    ...found,
    ...(missing && !found.upper && { noConstant: missing }),
    ...(subject.crossing && { crossing: subject.crossing }),
    bounds,
    layers: walk?.propagation.layers ?? [],
  };
}

// --- internal ---

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
  if (method === "greedy-seqlip") return [];
  return method === "jacobian" || method === "pairs" || method === "annealing"
    ? [{ ...stated, side: "lower", proved: false, witness: null }]
    : [{ ...stated, side: "upper", proved: true }];
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

/** Multiply-adds of a run below which a first look costs next to nothing. */
const quickRun = 1e8;

/** The part of the first of several methods of the time that they have together. */
function shareOf(order: readonly BoundName[]): number {
  const shares = order.map((name) => {
    const { work, share = Number.isFinite(work) ? work : 0.5 }: MethodEntry = methods[name];
    return share;
  });
  return shares[0] / shares.reduce((sum, share) => sum + share, 0);
}

/** Of its own accord `branch` is asked where it may close what is open: on a domain, and on the whole space for chains of few neurons. */
async function worthBranching(
  { domain, tail, walk }: Pick<Question, "domain" | "tail" | "walk">,
  { lower, upper }: Pick<Bracket, "lower" | "upper">,
  endless: boolean,
): Promise<boolean> {
  if (domain.kind !== "global") return true;
  // On small networks it can go on for ever all the same.
  if (endless || (lower && upper && upper.value <= closed * lower.value)) return false;
  const made = await tail();
  const { flow } = (await walk()).propagation;
  if (typeof made === "string" || !made.exact || made.from !== flow.input || made.end !== flow.output) return false;
  // Pieces are cut at kinks; what is smooth has none, and the whole space no sides.
  const bent = made.curvatures.some((layer) => layer.some((c) => c > 0 && c < Number.POSITIVE_INFINITY));
  return !bent && made.chain.activations.reduce((n, { low }) => n + low.length, 0) <= fewNeurons;
}

/** Upper over lower bound below which nothing is open. */
const closed = 1.001;

/** In chains of so many hidden neurons branch and bound is likely to end in seconds. */
const fewNeurons = 32;

/** The order in which methods are asked: on the whole space what is quick first, so that there are two sides soon, and the rest of the time for what can go on. */
function turns(names: readonly BoundName[], domain: Domain): readonly BoundName[] {
  const first: readonly BoundName[] =
    domain.kind === "global" ? ["autolip", "eclipse-fast", "jacobian", "pairs", "recurjac"] : [];
  return [...first.filter((name) => names.includes(name)), ...names.filter((name) => !first.includes(name))];
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
  // On a domain the methods that know it are the ones that are meant.
  if (asked === undefined) {
    const local: readonly BoundName[] = ["autolip", "interval", "recurjac", "lipsdp", "branch", "jacobian", "pairs"];
    const everywhere = (name: BoundName) =>
      methods[name].quick || name === "branch" || (norm !== 2 && name === "recurjac");
    return fitting.filter((name) => (domain.kind === "global" ? everywhere(name) : local.includes(name)));
  }
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

interface SharedOptions extends Omit<LipschitzOptions, "seconds" | "clock"> {
  readonly clock: Clock;
  /** Seconds that are left for everything. */
  left(): number;
  /** Does nobody wait for the walk? */
  readonly walkAlone: boolean;
}

/** The part of the time that is left which the walk may take: the others need it, and begin after it. */
const walkShare = 0.4;

/** What several methods need, made when the first asks. */
function sharedWork(
  subject: Subject,
  norm: Norm,
  domain: Domain,
  options: SharedOptions,
): Omit<Question, "progress" | "improve"> {
  const { engine, data, clock, left, rounds, seed = 0, signal } = options;
  let inTwo: ReturnType<Question["inTwo"]> | undefined;
  let walk: ReturnType<Question["walk"]> | undefined;
  let tail: ReturnType<Question["tail"]> | undefined;
  let behind: ReturnType<Question["behind"]> | undefined;
  const self: Omit<Question, "progress" | "improve"> = {
    subject,
    norm,
    domain,
    engine,
    seed,
    ...(data ? { data } : {}),
    clock,
    seconds: Number.POSITIVE_INFINITY,
    ...(rounds === undefined ? {} : { rounds }),
    ...(signal ? { signal } : {}),
    inTwo() {
      const silent = { progress() {}, improve() {} };
      inTwo ??= norm === 2 ? { ...self, ...silent } : { ...sharedWork(subject, 2, domain, options), ...silent };
      return inTwo;
    },
    walk() {
      walk ??= autoLip(subject, norm, {
        domain,
        clock,
        seconds: options.walkAlone ? left() : walkShare * left(),
        ...(signal ? { signal } : {}),
      });
      return walk;
    },
    tail() {
      tail ??= self.walk().then(async ({ propagation }) => {
        const time = budget({ seconds: left(), clock, ...(signal ? { signal } : {}) });
        const own = questionTail(propagation.flow, propagation, domain, propagation.flow.input, time.fits);
        if (typeof own !== "string" && own.chain.activations.length > 0) return own;
        return (await followedTail(propagation, norm, domain, time)) ?? own;
      });
      return tail;
    },
    behind() {
      behind ??= self.walk().then(({ propagation }) => {
        const { flow, lastBlock } = propagation;
        const inside = lastBlock && norm === 2 && domain.kind === "global";
        const { fits } = budget({ seconds: left(), clock });
        const short = inside ? questionTail(flow, propagation, domain, lastBlock, fits) : "no block";
        return typeof short === "string" ? self.tail() : short;
      });
      return behind;
    },
  };
  return self;
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
