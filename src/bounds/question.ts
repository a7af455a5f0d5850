/** @file What a method is asked: about which network, where, in which norm and for how long; and what several methods need, made once and handed over. */
import type { Samples } from "../data/dataset.ts";
import type { Engine } from "../engine/engine.ts";
import type { Named } from "../tensor/named.ts";
import type { Propagation } from "./autoLip.ts";
import type { Bound, LayerBound, NoBound, Norm, Side, UpperBound, Witness } from "./bound.ts";
import type { Clock } from "./budget.ts";
import type { Chains } from "./chain/question.ts";
import type { Domain } from "./domain.ts";
import type { Subject } from "./subject.ts";

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
}

/** The AutoLip walk: its bound, and the constants of all nodes. */
export interface Walk {
  readonly bound: UpperBound;
  readonly propagation: Propagation;
}

export interface Answer {
  readonly bounds: readonly Bound[];
  /** The part of each node in the bound. */
  readonly layers?: readonly LayerBound[];
  /** Why there is no bound. */
  readonly missing?: NoBound;
}

interface Stated<Name extends string> {
  readonly name: Name;
  /** Of what it says first of all. */
  readonly side: Side;
  readonly norms: "2" | "all";
  readonly domains: "global" | "local" | "all";
  /** Is it asked where no methods are named? */
  usual(norm: Norm, domain: Domain): boolean;
  /** Its place among those that are asked about the whole space, lowest first: what is quick, so that there are two sides soon. Where it is the same, the table's order. */
  readonly turn: number;
  /**
   * Its work where no time is asked for, in seconds at `nominalSpeed`; Infinity where it ends by itself. Where a time is asked for, methods share
   * it in proportion.
   */
  readonly work: number;
  /** The share where that is not `work`, or half a second of it where that ends by itself. */
  readonly share?: number;
  /** Something that takes no time, to show while the others begin; null where it would take some. */
  glance?(question: Question): Promise<Bound | null>;
  /** Of its own accord, is it worth asking, after what is known already? Default: yes. */
  worthwhile?(question: Question, shared: Shared, known: Sides): boolean;
}

/** The two sides so far. */
export interface Sides {
  readonly lower: { readonly value: number } | null;
  readonly upper: { readonly value: number } | null;
}

/** What several methods need. */
export interface Shared {
  readonly walk: Walk;
  readonly chains: Chains;
}

/** A bound by name: for which norms and domains it is, what it needs, and how it is asked. */
export type Method<Name extends string = string> = Stated<Name> &
  (
    | { readonly needs: "nothing"; ask(question: Question): Promise<Answer> }
    | {
        readonly needs: "walk";
        /** Does it do nothing after the walk? */
        readonly ends: boolean;
        ask(question: Question, shared: Pick<Shared, "walk">): Promise<Answer>;
      }
    | { readonly needs: "chains"; ask(question: Question, shared: Shared): Promise<Answer> }
  );

/** A method with its name as it stands. */
export const method = <const Name extends string>(entry: Method<Name>): Method<Name> => entry;
