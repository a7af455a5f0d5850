/** @file What parts of the page share: values that say when they change. */
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

export interface State {
  readonly model: Value<ModelFacts | null>;
  readonly data: Value<DataFacts | null>;
  readonly certified: Value<CertifiedFacts | null>;
}

export function openState(): State {
  const state = {
    model: value<ModelFacts | null>(null),
    data: value<DataFacts | null>(null),
    certified: value<CertifiedFacts | null>(null),
  };
  // What was found of another model or of other samples is not shown.
  state.model.watch(() => state.certified.set(null));
  state.data.watch(() => state.certified.set(null));
  return state;
}
