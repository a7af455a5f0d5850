/** @file A box with sides of length 0, or a ball of radius 0, is a domain of fewer numbers: the network with the others at their one value, as a network of its own. */
import type { Samples } from "../data/dataset.ts";
import { constant } from "../graph/leaf.ts";
import type { Network } from "../graph/network.ts";
import { add } from "../ops/arith.ts";
import { scatterAdd } from "../ops/gather.ts";
import { reshape } from "../ops/movement.ts";
import { sizeOf } from "../tensor/shape.ts";
import { cast, tensor } from "../tensor/tensor.ts";
import type { Witness } from "./bound.ts";
import { boxAround, type Domain } from "./domain.ts";
import type { Subject } from "./subject.ts";

/** The part of a question that is left when numbers which cannot move are set. */
export interface Freed {
  /** Null where nothing can move: the domain is one point. */
  readonly network: Network | null;
  readonly domain: Domain;
  /** Samples without the numbers that are set. */
  project(data: Samples): Samples;
  /** Points of the whole input again. */
  lift(witness: Witness): Witness;
}

/**
 * Leave out the inputs that have one value on the domain. What is left keeps its constant in every p-norm: the map that puts the others in place
 * is an isometry onto the domain. Null where every input can move.
 */
export function freeAxes(network: Network, subject: Subject, domain: Domain): Freed | null {
  if (domain.kind === "global") return null;
  const { low, high } = boxAround(domain, subject.size);
  const free = Array.from(low.keys()).filter((k) => low[k] < high[k]);
  if (free.length === low.length) return null;
  const still = low.map((l, k) => (l < high[k] ? 0 : l));
  const pick = (v: ArrayLike<number>) => Float64Array.from(free, (k) => v[k]);
  const whole = (v: readonly number[]) => {
    const x = still.slice();
    free.forEach((k, i) => {
      x[k] = v[i];
    });
    return Array.from(x);
  };
  return {
    network: free.length === 0 ? null : restricted(network, subject, free, still),
    domain: { kind: "box", low: pick(low), high: pick(high) },
    project(data) {
      const count = Math.floor(data.x.length / subject.size);
      const x = Float32Array.from({ length: count * free.length }, (_, i) => {
        return data.x[Math.floor(i / free.length) * subject.size + free[i % free.length]];
      });
      return { name: data.name, x, shape: [free.length], count };
    },
    lift: ({ x, y }) => ({ x: whole(x), y: whole(y) }),
  };
}

// --- internal ---

function restricted(network: Network, subject: Subject, free: readonly number[], still: Float64Array): Network {
  const [port] = network.inputs;
  const batched = typeof port.shape[0] === "string";
  const { size, sample } = subject;
  const places = constant(tensor(free, [free.length], "int64"));
  return {
    ...network,
    inputs: [{ ...port, shape: batched ? [port.shape[0], free.length] : [free.length] }],
    build([z]) {
      const count = batched ? z.shape[0] : 1;
      const rest = constant(cast(tensor(still, [1, size], "float64"), z.dtype));
      const x = add(scatterAdd(reshape(z, [count, free.length]), places, [count, size], 1), rest);
      const shape = batched ? [count, ...sample] : sample;
      if (sizeOf(shape) !== count * size) throw new Error("restricted: a sample must keep its numbers");
      return network.build([reshape(x, shape)]);
    },
  };
}
