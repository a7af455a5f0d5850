/**
 * @file What a network does between two points, enclosed: the ranges of all nodes at one point and of their differences between the two,
 * rounded outward op by op. Differences go forward by themselves, so that their rounding is that of the difference and not that of the values.
 */
import { flowOf } from "../../graph/behaviour.ts";
import type { Node } from "../../graph/graph.ts";
import { down, up } from "../../linalg/rounding.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { isFloat } from "../../tensor/tensor.ts";
import type { Chain } from "../chain.ts";
import type { Range } from "../domain.ts";
import { fixedValues } from "../fixed.ts";
import { nodeRange } from "../local/intervals.ts";
import { activationRange, affineRange, both } from "../local/ranges.ts";
import { anything, cornersOf, fixedRange, opened, productRange, timesEnds } from "../local/rules.ts";
import type { Subject } from "../subject.ts";

/** f(y) - f(x) lies in the range that is given, f the network in exact arithmetic on these two points of float64. */
export type Rise = (x: Float64Array, y: Float64Array) => Promise<Range>;

/**
 * Prepare the enclosure of differences; null where the outputs do not depend on the input.
 *
 *     affine g:       g(y) - g(x) = A (y - x),   A d = g(d) - g(0)
 *     one number:     g(y) - g(x) in [s, S] (y - x), the slopes of g on the hull of both
 *     products:       a' b' - a b = (a' - a) b' + a (b' - b)
 *     all others:     the ranges at both points
 *
 * and never more than what the ranges at both points leave.
 */
export function riseByRanges(subject: Subject): Rise | null {
  const { x: input, y: output } = subject.at(1, "float64");
  const flow = flowOf(input, output);
  if (flow.varying.length === 0) return null;
  const fixed = fixedValues();
  const still = new Map<Node, Range>();
  for (const node of flow.varying) {
    if (node === input) continue;
    for (const i of node.inputs) if (!flow.varies.has(i) && !still.has(i)) still.set(i, fixedRange(fixed(i)));
  }
  const steps = flow.varying
    .filter((node) => node !== input)
    .map((node) => {
      const varies = node.inputs.map((i) => flow.varies.has(i));
      return { node, varies, move: moveOf(node, varies, still) };
    });
  return async (x, y) => {
    const known = new Map<Node, Ends>([[input, { at: point(x), there: point(y), rise: apart(point(x), point(y)) }]]);
    for (const { node, varies, move } of steps) {
      const from = node.inputs.map((i): Ends => known.get(i) ?? { at: rangeOf(still, i), there: rangeOf(still, i) });
      const at = nodeRange(
        node,
        from.map((p) => p.at),
        varies,
      );
      const moved = move(from);
      // What is affine needs no second evaluation: it is where it was, and the difference further on.
      if (moved?.affine) {
        known.set(node, { at, there: sum(at, moved.rise), rise: moved.rise });
        continue;
      }
      const there = nodeRange(
        node,
        from.map((p) => p.there),
        varies,
      );
      const rise = apart(at, there);
      known.set(node, { at, there, rise: moved ? both(moved.rise, rise) : rise });
    }
    return known.get(output)?.rise ?? anything(subject.outputs);
  };
}

/** The enclosure of the differences of a chain. */
export function riseOfChain({ affine, activations }: Chain): Rise {
  return async (x, y) => {
    let ends: Ends = { at: point(x), there: point(y), rise: apart(point(x), point(y)) };
    for (const [i, layer] of affine.entries()) {
      const at = affineRange(layer, ends.at);
      const rise = affineRange({ ...layer, bias: new Float64Array(layer.bias.length) }, ends.rise as Range);
      ends = { at, there: sum(at, rise), rise };
      if (i === activations.length) continue;
      const act = activations[i];
      const [before, behind] = [activationRange(act, ends.at), activationRange(act, ends.there)];
      const moved = alongSlopes((low, high, j) => act.slopeOn(j, low, high), ends);
      ends = { at: before, there: behind, rise: both(moved, apart(before, behind)) };
    }
    return ends.rise as Range;
  };
}

/** The ranges of a node at the two points, and of the difference; without one, the node does not vary. */
export interface Ends {
  readonly at: Range;
  readonly there: Range;
  readonly rise?: Range;
}

/** How an op hands on differences, or differences over a length; null where nothing is known but the values. */
export type Move = (from: readonly Ends[]) => { readonly rise: Range; readonly affine: boolean } | null;

/** How a node hands on differences of its inputs that vary; `still` has the ranges of the others. */
export function moveOf(node: Node, varies: readonly boolean[], still: ReadonlyMap<Node, Range>): Move {
  const zero = (i: Node): Range => ({
    low: new Float64Array(sizeOf(i.shape)),
    high: new Float64Array(sizeOf(i.shape)),
  });
  const own = node.op.behaviour(node, varies);
  if (own.kind === "linear" || own.kind === "isometry") {
    // Where it is affine in its weights too they are terms, which a difference does not have; else they are factors.
    const whole = node.op.behaviour(
      node,
      node.inputs.map((i) => isFloat(i.dtype)),
    ).kind;
    const terms = whole === "linear" || whole === "isometry";
    const rest = node.inputs.map((i, k) =>
      varies[k] ? null : terms && isFloat(i.dtype) ? zero(i) : rangeOf(still, i),
    );
    const origin = nodeRange(
      node,
      node.inputs.map((i, k) => rest[k] ?? zero(i)),
      varies,
    );
    // Up to underflow: a shift that an op has within itself is no difference.
    const linear = origin.low.every((v, k) => v > -(2 ** -900) && origin.high[k] < 2 ** -900);
    if (!linear) return nothing;
    return (from) => ({
      rise: nodeRange(
        node,
        from.map((p, k) => rest[k] ?? (p.rise as Range)),
        varies,
      ),
      affine: true,
    });
  }
  const slopeOn =
    own.kind === "pointwise"
      ? own.slopeOn
      : own.kind === "unbounded" && own.local?.kind === "slopes"
        ? own.local.slopeOn
        : null;
  const which = varies.indexOf(true);
  if (slopeOn && varies.lastIndexOf(true) === which && sizeOf(node.inputs[which].shape) === sizeOf(node.shape)) {
    return (from) => ({ rise: alongSlopes(slopeOn, from[which]), affine: false });
  }
  if (own.kind === "unbounded" && own.local?.kind === "product" && varies[0] && varies[1]) {
    const elements = own.local.of === "elements";
    const product = (a: Range, b: Range) => (elements ? cornersOf(a, b, timesEnds) : productRange(node, [a, b]));
    return ([a, b]) => ({
      rise: sum(product(a.rise as Range, b.there), product(a.at, b.rise as Range)),
      affine: false,
    });
  }
  return nothing;
}

// --- internal ---

const nothing: Move = () => null;

/** Differences of a function of one number, by its slopes on the hull of the two places. */
function alongSlopes(slopeOn: (low: number, high: number, k: number) => readonly [number, number], ends: Ends): Range {
  const { at, there, rise } = ends as Required<Ends>;
  const low = new Float64Array(at.low.length);
  const high = new Float64Array(at.low.length);
  for (let k = 0; k < low.length; k++) {
    const [a, b] = slopeOn(Math.min(at.low[k], there.low[k]), Math.max(at.high[k], there.high[k]), k);
    const [l, u] = [rise.low[k], rise.high[k]];
    const ends = [a, b].flatMap((s) => [timesEnds(s, l), timesEnds(s, u)]);
    // Slopes of 0 and 1 round nothing.
    const exact = (a === 0 || a === 1) && (b === 0 || b === 1);
    low[k] = exact ? Math.min(...ends) : down(Math.min(...ends));
    high[k] = exact ? Math.max(...ends) : up(Math.max(...ends));
  }
  return opened({ low, high });
}

const point = (x: Float64Array): Range => ({ low: x, high: x });

const rangeOf = (still: ReadonlyMap<Node, Range>, node: Node): Range => still.get(node) as Range;

/** there - at; a number less itself is 0. */
const apart = (at: Range, there: Range): Range => {
  const still = (k: number) => at.low[k] === at.high[k] && there.low[k] === there.high[k] && at.low[k] === there.low[k];
  return opened({
    low: at.low.map((_, k) => (still(k) ? 0 : down(there.low[k] - at.high[k]))),
    high: at.low.map((_, k) => (still(k) ? 0 : up(there.high[k] - at.low[k]))),
  });
};

const sum = (a: Range, b: Range): Range =>
  opened({ low: a.low.map((v, k) => down(v + b.low[k])), high: a.high.map((v, k) => up(v + b.high[k])) });
