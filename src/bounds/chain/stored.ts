/**
 * @file Multipliers that a model brings along in its metadata. They are a place to start from and nothing more: what they are said to
 * prove is proved again or not used.
 */
import type { Named } from "../../tensor/named.ts";
import type { Chain } from "../chain.ts";
import type { Multipliers } from "./matrix.ts";

/** The key in a model's metadata: a list per hidden layer, of a number per neuron or per channel, or one number for all. */
export const multipliersKey = "lipschitz.multipliers";

/**
 * Multipliers of a chain from the metadata of its model; none where there are none or where they do not fit. A chain that is the end of a
 * network takes the last lists.
 *
 * The inequality may hold with nothing to spare, which rounded weights spoil. (1 + (L - i) e) Lambda_i leaves e X_i over in every block
 * (see `settle`): one start for each e.
 */
export function storedStarts(chain: Chain, metadata: Named<string>): readonly Multipliers[] {
  const lists = storedLists(metadata);
  const count = chain.activations.length;
  if (count === 0 || lists === undefined || lists.length < count) return [];
  const own = lists.slice(lists.length - count);
  if (!chain.activations.every(({ low }, i) => low.length % own[i].length === 0)) return [];
  // A number of a channel is that of all its pixels.
  const multipliers = chain.activations.map(({ low }, i) =>
    Float64Array.from(low, (_, j) => own[i][Math.floor((j * own[i].length) / low.length)]),
  );
  return [1e-7, 1e-6, 1e-5, 1e-4].map((e) =>
    multipliers.map((lambda, i) => lambda.map((l) => (l * (1 + (count - i) * e)) / (1 + (count + 1) * e))),
  );
}

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
