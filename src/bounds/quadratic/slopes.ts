/** @file Slopes of the nodes of a flow on a ball or box, number by number, from the ranges of what they read. */
import type { Node } from "../../graph/graph.ts";
import type { Range } from "../domain.ts";
import { sortedPairs } from "../patterns/fuse.ts";
import type { SlopesOf } from "./cuts.ts";

/** `rangeOf` tells between what the numbers of a node lie; `chain` the slopes of nodes of which more is known. */
export function slopesOn(rangeOf: (node: Node) => Range | null, chain: ReadonlyMap<Node, Range> = new Map()): SlopesOf {
  return (node, input) => {
    const own = byRange(node, input, rangeOf);
    const known = chain.get(node);
    return own && known ? shared(own, known) : (own ?? known ?? null);
  };
}

// --- internal ---

function byRange(node: Node, input: number, rangeOf: (node: Node) => Range | null): Range | null {
  const range = rangeOf(node.inputs[input]);
  if (!range) return null;
  const pairs = sortedPairs(node);
  if (pairs) {
    // relu(a - b) has the slope 1 where a is surely above b, 0 where it is below.
    const apart = pairs.filter(({ a, b }) => a !== b);
    return {
      low: Float64Array.from(apart, ({ a, b }) => (range.low[a] >= range.high[b] ? 1 : 0)),
      high: Float64Array.from(apart, ({ a, b }) => (range.high[a] <= range.low[b] ? 0 : 1)),
    };
  }
  const alone = node.op.behaviour(
    node,
    node.inputs.map((_, i) => i === input),
  );
  if (alone.kind === "pointwise") return mapped(range, alone.slopeOn);
  if (alone.kind !== "unbounded" && alone.kind !== "linear") return null;
  const whole = node.op.behaviour(
    node,
    node.inputs.map(() => true),
  );
  const local = alone.kind === "unbounded" ? alone.local : whole.kind === "unbounded" ? whole.local : undefined;
  if (local?.kind === "slopes") return mapped(range, local.slopeOn);
  // d(a b) = b da + a' db: the slope in one factor is a value of the other.
  if (local?.kind === "product" && local.of === "elements") return rangeOf(node.inputs[1 - input]);
  return null;
}

function mapped({ low, high }: Range, slopeOn: (low: number, high: number) => readonly [number, number]): Range {
  const slopes = { low: new Float64Array(low.length), high: new Float64Array(low.length) };
  low.forEach((l, k) => {
    [slopes.low[k], slopes.high[k]] = slopeOn(l, high[k]);
  });
  return slopes;
}

/** Both hold: so does what they share. */
const shared = (a: Range, b: Range): Range => ({
  low: a.low.map((v, i) => Math.max(v, b.low[i])),
  high: a.high.map((v, i) => Math.min(v, b.high[i])),
});
