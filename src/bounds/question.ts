/** @file What a bound is asked with, and the part of a network that is a chain. */
import type { Samples } from "../data/dataset.ts";
import type { Engine } from "../engine/engine.ts";
import type { Flow } from "../graph/behaviour.ts";
import type { Node } from "../graph/graph.ts";
import { UsageError } from "../tensor/errors.ts";
import type { Named } from "../tensor/named.ts";
import type { Propagation } from "./autoLip.ts";
import type { Bound, Norm, UpperBound, Witness } from "./bound.ts";
import { type Affords, always, type Clock } from "./budget.ts";
import { type Tail, tailOf } from "./chain/tail.ts";
import type { Domain, Range } from "./domain.ts";
import { ranges, slopesOn } from "./local/ranges.ts";
import type { Subject } from "./subject.ts";

/** What a method is asked with. The AutoLip walk and the chain are made once for all of them. */
export interface Question {
  readonly subject: Subject;
  readonly norm: Norm;
  readonly domain: Domain;
  readonly engine: Engine;
  readonly data?: Samples;
  /** What the model says of itself. */
  readonly metadata?: Named<string>;
  /** How long it may take, by the clock. */
  readonly seconds: number;
  /** What passes: counted work unless a time was asked for. */
  readonly clock: Clock;
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
  /**
   * Its work where no time is asked for, in seconds at `nominalSpeed`; Infinity where it ends by itself. Where a time is asked for, methods share
   * it in proportion.
   */
  readonly work: number;
  /** The share where that is not `work`, or half a second of it where that ends by itself. */
  readonly share?: number;
  /** Is it a search for a lower bound? */
  readonly below?: boolean;
  ask(question: Question): Promise<readonly Bound[]>;
}

/** The chain at the end of a network, no sooner than at `first`, with what the domain says of its slopes. */
export function questionTail(
  flow: Flow,
  propagation: Pick<Propagation, "norms" | "constantOf">,
  domain: Domain,
  first: Node = flow.input,
  affords: Affords = always,
): TailQuestion | string {
  const tail = tailOf(flow, propagation.norms, first, affords);
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
