/**
 * @file Multipliers that a model brings along in its metadata. They are a place to start from and nothing more: what they are said to
 * prove is proved again or not used.
 */
import type { Named } from "../../tensor/named.ts";

/** The key in a model's metadata: a list per hidden layer, of a number per neuron or per channel, or one number for all. */
export const multipliersKey = "lipschitz.multipliers";

/** The lists in a model's metadata; nothing where there are none that are lists of positive numbers. */
export function storedLists(metadata: Named<string>): readonly (readonly number[])[] | undefined {
  const text = metadata[multipliersKey];
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const isList = (list: unknown): list is readonly number[] =>
    Array.isArray(list) && list.length > 0 && list.every((x) => typeof x === "number" && x > 0 && x < 1e300);
  return Array.isArray(value) && value.every(isList) ? value : undefined;
}
