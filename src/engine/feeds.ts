/** @file The check that every engine makes of what it is fed. */
import { EngineError } from "../tensor/errors.ts";
import { mapNamed, type Named } from "../tensor/named.ts";
import { sameShape, showShape } from "../tensor/shape.ts";
import type { Tensor, Type } from "../tensor/tensor.ts";

/** Every input fed, each with its dtype and shape; throws EngineError otherwise. Extra feeds are an error too: they are typos. */
export function checkFeeds(inputs: Named<Type | null>, feeds: Named<Tensor>): void {
  for (const [name, type] of Object.entries(inputs)) {
    const fed = feeds[name];
    if (!fed)
      throw new EngineError(`run: input "${name}" is missing; the program needs ${Object.keys(inputs).join(", ")}`);
    if (type && (fed.dtype !== type.dtype || !sameShape(fed.shape, type.shape))) {
      const want = `${type.dtype}${showShape(type.shape)}`;
      throw new EngineError(`run: input "${name}" must be ${want}, got ${fed.dtype}${showShape(fed.shape)}`);
    }
  }
  for (const name of Object.keys(feeds)) {
    if (!(name in inputs))
      throw new EngineError(`run: unknown input "${name}"; the program has ${Object.keys(inputs).join(", ")}`);
  }
}

/** Of some feeds those that a program asks for: what its outputs do not depend on it does not take. */
export const usedFeeds = (inputs: Named<Type | null>, feeds: Named<Tensor>): Named<Tensor> =>
  Object.fromEntries(Object.entries(feeds).filter(([name]) => name in inputs));

/** The types of what so many turns are fed: `each` of it stacked. Throws EngineError where there is no turn. */
export function stackedTypes(inputs: Named<Type>, each: readonly string[], turns: number): Named<Type> {
  if (!Number.isInteger(turns) || turns < 1)
    throw new EngineError(`run: turns must be a whole number >= 1, got ${turns}`);
  return mapNamed(inputs, ({ dtype, shape }, name) => ({
    dtype,
    shape: each.includes(name) ? [turns, ...shape] : shape,
  }));
}
