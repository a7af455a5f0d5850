/** @file What parts of the page share: values that say when they change. */
import type { Bracket, Gains, Verdict } from "lipschitz";
import type { CertifiedFacts, DataFacts, ModelFacts } from "./protocol.ts";

export interface Value<T> {
  get(): T;
  set(value: T): void;
  /** Called at once, and after every change. */
  watch(listener: (value: T) => void): void;
}

export function value<T>(first: T): Value<T> {
  let current = first;
  const listeners: ((value: T) => void)[] = [];
  return {
    get: () => current,
    set(next) {
      current = next;
      for (const listener of listeners) listener(next);
    },
    watch(listener) {
      listeners.push(listener);
      listener(current);
    },
  };
}

/** What was found, with the command line that finds it again. */
export interface Found<T> {
  readonly found: T;
  readonly command: string;
}

export interface State {
  readonly model: Value<ModelFacts | null>;
  readonly data: Value<DataFacts | null>;
  readonly bracket: Value<Found<Bracket> | null>;
  /** On the box: of few inputs with all slopes, of many the constant alone. */
  readonly gains: Value<Found<Gains | Bracket> | null>;
  readonly certified: Value<Found<CertifiedFacts> | null>;
  readonly verdict: Value<Found<Verdict> | null>;
}

export function openState(): State {
  const state: State = {
    model: value<ModelFacts | null>(null),
    data: value<DataFacts | null>(null),
    bracket: value<Found<Bracket> | null>(null),
    gains: value<Found<Gains | Bracket> | null>(null),
    certified: value<Found<CertifiedFacts> | null>(null),
    verdict: value<Found<Verdict> | null>(null),
  };
  // What was found of another model or of other samples is not shown.
  state.model.watch(() => {
    for (const own of [state.bracket, state.gains, state.certified, state.verdict]) own.set(null);
  });
  state.data.watch(() => {
    for (const own of [state.certified, state.verdict]) own.set(null);
  });
  return state;
}
