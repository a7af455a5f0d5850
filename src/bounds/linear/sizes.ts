/** @file How large the numbers of every node get at a sample's set, and with that what float64 may make of a walk back, or of a run forward. */
import { down, gamma, up } from "../../linalg/rounding.ts";
import { computedError } from "../fixed.ts";
import { addUp, timesUp } from "../norm/region.ts";
import type { Plan, Pointwise, Product } from "./plan.ts";

/** By position in the plan. */
export interface Sizes {
  /** Not below |value| of any number of the node. */
  readonly size: Float64Array;
  /** What a covector of l1-length 1 at the node may lose in rounding when it is pulled through. */
  readonly loss: Float64Array;
}

/**
 * Bound the numbers of every node, and what a step of the walk rounds. Pulling c back through out = A in + b is off by at most
 *
 *     gamma_n |c|_1 max ( |A| |in| + |b| ),   n the numbers that a sum can have, in any order;
 *
 * where weights are computed they err by `computedError` besides. `input` is the largest |x|, `known` the largest |z| of a node whose range is
 * known, `lines` the largest |slope| |z| + |offset| of a nonlinearity's lines; Infinity where nothing is known.
 */
export function sizesOf(
  plan: Plan,
  input: number,
  known: (at: number) => number,
  lines: (nonlinearity: number) => number,
): Sizes {
  const { varying, affine, nonlinearities } = plan;
  const size = new Float64Array(varying.length);
  const loss = new Float64Array(varying.length);
  const more = varying.length + 64;
  for (let at = 0; at < varying.length; at++) {
    const facts = affine[at];
    const k = plan.nonlinearityAt(at);
    if (facts) {
      const read = facts.parts.reduce((sum, p) => addUp(sum, timesUp(p.norm, size[p.from])), facts.biasSize);
      const relative = up(gamma(facts.terms + more) + 4 * facts.relative);
      loss[at] = facts.exact ? 0 : timesUp(up(2 * relative), read);
      size[at] = Math.min(read, known(at));
    } else if (k === undefined) {
      size[at] = input;
    } else {
      const nonlinearity = nonlinearities[k];
      // Between lines a value is no larger than they are.
      const own = nonlinearity.kind === "product" ? productSize(nonlinearity, (from) => size[from]) : lines(k);
      const read = nonlinearity.kind === "product" ? own : addUp(own, size[nonlinearity.reads[0]]);
      loss[at] = timesUp(
        up(8 * gamma(nonlinearity.size * (nonlinearity.kind === "product" ? nonlinearity.terms : 1) + more)),
        read,
      );
      size[at] = Math.min(own, known(at));
    }
  }
  return { size, loss };
}

/**
 * What float64 may make of every node at points with |x| <= `input`, in any order of summation. `seen` are the least and the largest value that were
 * computed of a node, where they are known: of all that nonlinearities read. Elementary functions err by 2^-44 of argument, argument times slope, and value.
 */
export function centerErrors(
  plan: Plan,
  input: number,
  seen: ReadonlyMap<number, readonly [number, number]>,
): Float64Array {
  const { varying, affine, nonlinearities } = plan;
  const size = new Float64Array(varying.length);
  const error = new Float64Array(varying.length);
  for (let at = 0; at < varying.length; at++) {
    const facts = affine[at];
    const k = plan.nonlinearityAt(at);
    const extent = (from: number) => addUp(size[from], error[from]);
    let own = input;
    if (facts) {
      own = facts.parts.reduce((sum, p) => addUp(sum, timesUp(p.norm, extent(p.from))), facts.biasSize);
      const carried = facts.parts.reduce((sum, p) => addUp(sum, timesUp(p.norm, error[p.from])), 0);
      const rounded = facts.exact ? 0 : timesUp(up(gamma(facts.terms + 64) + 4 * facts.relative), own);
      error[at] = addUp(carried, rounded);
    } else if (k !== undefined) {
      const nonlinearity = nonlinearities[k];
      if (nonlinearity.kind === "pointwise") {
        const [from] = nonlinearity.reads;
        const [least, most] = seen.get(from) ?? [-size[from], size[from]];
        const [low, high] = [down(least - error[from]), up(most + error[from])];
        const steep = steepest(nonlinearity, low, high);
        const end = nonlinearity
          .apply(new Float64Array(nonlinearity.size).fill(low))
          .reduce((top, v) => Math.max(top, Math.abs(v)), 0);
        own = addUp(up(2 * end), timesUp(steep, up(high - low)));
        const read = timesUp(Math.max(1, steep), extent(from));
        error[at] = addUp(timesUp(steep, error[from]), timesUp(computedError, addUp(read, own)));
      } else {
        own = productSize(nonlinearity, extent);
        const [a, b] = nonlinearity.reads;
        const carried = addUp(timesUp(error[a], extent(b)), timesUp(error[b], extent(a)));
        error[at] = addUp(timesUp(nonlinearity.terms, carried), timesUp(gamma(nonlinearity.terms + 64), own));
      }
    }
    const known = seen.get(at);
    size[at] = known ? Math.min(own, addUp(Math.max(-known[0], known[1]), error[at])) : own;
  }
  return error;
}

// --- internal ---

const steepest = (nonlinearity: Pointwise, low: number, high: number): number => {
  const [a, b] = nonlinearity.slopeOn(low, high);
  return Math.max(Math.abs(a), Math.abs(b));
};

/** Not below the absolute values of sums of products. */
const productSize = (nonlinearity: Product, size: (from: number) => number): number =>
  timesUp(up(2 * nonlinearity.terms), timesUp(size(nonlinearity.reads[0]), size(nonlinearity.reads[1])));
