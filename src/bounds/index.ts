/** @file Bounds of the Lipschitz constant by name, and the bracket that they make together. */
import type { Dataset } from "../data/dataset.ts";
import type { Engine } from "../engine/engine.ts";
import type { Network } from "../graph/network.ts";
import { UsageError } from "../tensor/errors.ts";
import { autoLip } from "./autoLip.ts";
import { type Bound, type Bracket, maybeNorm, type Norm, printNorm } from "./bound.ts";
import { checkDomain, type Domain, printDomain } from "./domain.ts";
import {
  applies,
  type BoundName,
  boundNames,
  type MethodEntry,
  methods,
  type Question,
  questionTail,
} from "./methods.ts";
import { type Subject, subjectOf } from "./subject.ts";

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
  readonly data?: Dataset;
  /** For each method. An upper bound that runs out of time is looser, a lower bound smaller. */
  readonly seconds?: number;
  /** Default 0. */
  readonly seed?: number;
  readonly signal?: AbortSignal;
  /** From 0 to 1. */
  onProgress?(fraction: number): void;
}

/**
 * Bracket the Lipschitz constant of a network: the smallest L with ||f(x) - f(y)||_p <= L ||x - y||_p for all x and y of a domain.
 * All outputs together are f; a fixed batch is part of x. Weights count as the float32 numbers that they are.
 * Throws UsageError where the network does not have exactly one floating-point input, a method is unknown or does not fit the norm
 * or the domain, or the domain does not fit the input.
 */
export async function lipschitz(network: Network, options: LipschitzOptions): Promise<Bracket> {
  const { domain = { kind: "global" }, onProgress } = options;
  const norm = maybeNorm(options.norm ?? 2);
  const subject = subjectOf(network);
  checkDomain(domain, subject.size);
  const names = chosen(options.methods, norm, domain);
  const shared = { ...sharedWork(subject, norm, domain, options), metadata: network.metadata };
  const bounds: Bound[] = [];
  for (const [k, name] of names.entries()) {
    options.signal?.throwIfAborted();
    const progress = (part: number) => onProgress?.((k + part) / names.length);
    const entry: MethodEntry = methods[name];
    bounds.push(...(await entry.ask({ ...shared, progress, start: sides(bounds).lower?.witness ?? null })));
    progress(1);
  }
  const walk = names.includes("autolip") ? await shared.walk() : undefined;
  const missing = walk?.bound.status === "unbounded" && domain.kind === "global" ? walk.propagation.missing : undefined;
  return {
    norm: printNorm(norm),
    domain: printDomain(domain),
    ...sides(bounds),
    ...(missing && { noConstant: missing }),
    bounds,
    layers: walk?.propagation.layers ?? [],
  };
}

// --- internal ---

function chosen(asked: LipschitzOptions["methods"], norm: Norm, domain: Domain): readonly BoundName[] {
  const fitting = boundNames.filter((name) => applies(name, norm, domain));
  if (asked === "all") return fitting;
  // On a domain the methods that know it are the ones that are meant.
  if (asked === undefined) {
    const local: readonly BoundName[] = ["autolip", "interval", "recurjac", "lipsdp", "branch", "jacobian", "pairs"];
    return fitting.filter((name) => (domain.kind === "global" ? methods[name].quick : local.includes(name)));
  }
  return asked.map((word) => {
    const name = boundNames.find((known) => known === word);
    if (!name) throw new UsageError(`lipschitz: unknown method "${word}"; known: ${boundNames.join(", ")}`);
    if (!applies(name, norm, domain)) {
      const where = domain.kind === "global" ? "" : ` on a ${domain.kind}`;
      throw new UsageError(`lipschitz: ${name} has no bound in l${norm}${where}; there are ${fitting.join(", ")}`);
    }
    return name;
  });
}

/** What several methods need, made when the first asks. */
function sharedWork(
  subject: Subject,
  norm: Norm,
  domain: Domain,
  { engine, data, seconds, seed = 0, signal }: LipschitzOptions,
): Omit<Question, "progress"> {
  let walk: ReturnType<Question["walk"]> | undefined;
  let tail: ReturnType<Question["tail"]> | undefined;
  const self: Omit<Question, "progress"> = {
    subject,
    norm,
    domain,
    engine,
    seed,
    ...(data ? { data } : {}),
    ...(seconds === undefined ? {} : { seconds }),
    ...(signal ? { signal } : {}),
    walk() {
      walk ??= autoLip(subject, norm, { ...(seconds === undefined ? {} : { seconds }), ...(signal ? { signal } : {}) });
      return walk;
    },
    tail() {
      tail ??= self.walk().then(({ propagation }) => questionTail(propagation.flow, propagation, domain));
      return tail;
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
