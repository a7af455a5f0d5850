/** @file Results that several bounds need, kept as long as what they belong to. */

import type { Budget } from "./budget.ts";

/** The same function, which computes only once for each object; the object must not change in between. */
export function once<K extends object, V>(make: (key: K) => V): (key: K) => V {
  const made = new WeakMap<K, { readonly value: V }>();
  return (key) => {
    const known = made.get(key) ?? { value: make(key) };
    made.set(key, known);
    return known.value;
  };
}

/** The same for what takes time: a result that a clock cut short is not kept. */
export function onceInTime<K extends object, V>(
  make: (key: K, clock?: Budget) => V | undefined,
): (key: K, clock?: Budget) => V | undefined {
  const made = new WeakMap<K, { readonly value: V | undefined }>();
  return (key, clock) => {
    const known = made.get(key);
    if (known) return known.value;
    const value = make(key, clock);
    if (value !== undefined || !clock?.expired) made.set(key, { value });
    return value;
  };
}
