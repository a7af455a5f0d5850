/**
 * @file How much is measured of a trained network: what it can afford by its multiply-adds. No clock has a say, so that equal specs measure
 * the same on every machine.
 */
import { topological } from "../graph/graph.ts";
import { input } from "../graph/leaf.ts";
import type { Network } from "../graph/network.ts";
import { multiplyAddsOf } from "../ops/work.ts";

export interface Effort {
  /** Of one sample on its way through the network. */
  readonly multiplyAdds: number;
  /** Samples that are attacked. */
  readonly attacked: number;
  /** Samples whose curvature is measured. */
  readonly curved: number;
  /** Moves of every point in searches for lower bounds of the constant. */
  readonly rounds: number;
}

/** Choose what a run measures of a network, of a number of samples. */
export function effortFor(network: Network, samples: number): Effort {
  const each = multiplyAdds(network);
  const within = ({ most, least, budget }: Share) => Math.min(most, Math.max(least, Math.floor(budget / each)));
  return {
    multiplyAdds: each,
    attacked: Math.min(samples, within(shares.attacked)),
    curved: Math.min(samples, within(shares.curved)),
    rounds: within(shares.rounds),
  };
}

/** Multiplications with an addition in the products and convolutions of a network, for one sample; at least 1. */
export function multiplyAdds(network: Network): number {
  const [port] = network.inputs;
  const x = input(port.name, [1, ...port.shape.slice(1).map(Number)], port.dtype);
  return topological(network.build([x])).reduce((sum, node) => sum + multiplyAddsOf(node), 1);
}

/** What radii by the linear walk are worth in a run: about a second on two cores, counted. */
export const localEffort = { work: 1e10, steps: 10 } as const;

// --- internal ---

interface Share {
  readonly most: number;
  readonly least: number;
  /** In multiply-adds of one pass for each sample or round. */
  readonly budget: number;
}

/**
 * An attack makes about five hundred passes in float32, a curvature a hundred in float64, which is ten times slower, a round of both searches
 * about fifteen hundred: in sum some 1e12 multiply-adds, half a minute to a minute on two cores.
 */
const shares = {
  attacked: { most: 1000, least: 32, budget: 8e8 },
  curved: { most: 200, least: 16, budget: 3e8 },
  rounds: { most: 40, least: 5, budget: 7.5e7 },
} as const satisfies Readonly<Record<string, Share>>;
