/**
 * @file Between which numbers the result of one op lies when its inputs lie in ranges, rounding included. What is not known here
 * is everything: a range never holds too little.
 */
import { flowOf } from "../../graph/behaviour.ts";
import type { Behaviour, Elementary, Node } from "../../graph/graph.ts";
import { input } from "../../graph/leaf.ts";
import { down, gamma, tiny, up } from "../../linalg/rounding.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { isFloat } from "../../tensor/tensor.ts";
import type { Range } from "../domain.ts";
import { fixedValues } from "../fixed.ts";
import { both, valueError } from "./ranges.ts";
import {
  anything,
  cornersOf,
  fixedRange,
  middleOf,
  pointwiseRange,
  productRange,
  quotientRange,
  sizesOf,
  squareRange,
} from "./rules.ts";
import { softmaxRange } from "./softmax.ts";

/**
 * The range of a node from those of its inputs.
 *
 * What rises in every input is evaluated at both ends; products of elements take four corners, other products and sums the middle and
 *
 *     |g(a, b) - g(m_a, m_b)| <= g(|m_a| + r_a, |m_b| + r_b) - g(|m_a|, |m_b|),
 *
 * functions of one number their values at a few points and the slopes between. A node that stands for several ops (`Op.composed`) lies where
 * they do as well: of a length sqrt(x . x + c) its constant does not tell that it is never below sqrt(c).
 * `varies` tells the inputs that are not weights.
 */
export function nodeRange(node: Node, inputs: readonly Range[], varies: readonly boolean[]): Range {
  const own = ruleOf(node, inputs, varies);
  const through = composedRange(node);
  const found = through ? both(own, through(inputs)) : own;
  const low = found.low.map((v) => (Number.isNaN(v) ? Number.NEGATIVE_INFINITY : v));
  const high = found.high.map((v) => (Number.isNaN(v) ? Number.POSITIVE_INFINITY : v));
  return { low, high };
}

/** Does a node round nothing: is every number of its result one of those that it is given, or one with the other sign, or a condition? */
export const isExact = ({ op: { order, computes } }: Node): boolean =>
  order === "moves" ||
  order === "rises" ||
  (computes !== undefined &&
    (computes in comparisons || computes === "negative" || computes === "not" || computes === "choice"));

// --- internal ---

/** Is it surely so, may it be so? */
type Comparison = (a: Range, b: Range, i: number) => readonly [boolean, boolean];

const comparisons: Readonly<Partial<Record<Elementary, Comparison>>> = {
  less: (a, b, i) => [a.high[i] < b.low[i], a.low[i] < b.high[i]],
  "at most": (a, b, i) => [a.high[i] <= b.low[i], a.low[i] <= b.high[i]],
  greater: (a, b, i) => [a.low[i] > b.high[i], a.high[i] > b.low[i]],
  "at least": (a, b, i) => [a.low[i] >= b.high[i], a.high[i] >= b.low[i]],
  equal: (a, b, i) => [
    a.low[i] === a.high[i] && b.low[i] === b.high[i] && a.low[i] === b.low[i],
    a.low[i] <= b.high[i] && b.low[i] <= a.high[i],
  ],
};

function ruleOf(node: Node, inputs: readonly Range[], varies: readonly boolean[]): Range {
  const { computes, order } = node.op;
  const [a, b, c] = inputs;
  const compare = computes && comparisons[computes];
  if (compare) {
    const known = a.low.map((_, i) => (compare(a, b, i)[0] ? 1 : 0));
    return { low: known, high: known.map((v, i) => (v === 1 || compare(a, b, i)[1] ? 1 : 0)) };
  }
  // Where to is no number to calculate with.
  if (order && isFloat(node.dtype) && node.inputs.some((x, i) => varies[i] && !isFloat(x.dtype))) {
    return anything(sizeOf(node.shape));
  }
  switch (computes) {
    case "negative":
      return { low: a.high.map((v) => -v), high: a.low.map((v) => -v) };
    case "not":
      return { low: a.high.map((v) => (v === 0 ? 1 : 0)), high: a.low.map((v) => (v === 0 ? 1 : 0)) };
    case "difference":
      return { low: a.low.map((v, i) => down(v - b.high[i])), high: a.high.map((v, i) => up(v - b.low[i])) };
    case "sum":
      return { low: a.low.map((v, i) => down(v + b.low[i])), high: a.high.map((v, i) => up(v + b.high[i])) };
    case "choice": {
      // The condition lies between 0 and 1.
      const first = (i: number) => a.low[i] !== 0;
      const second = (i: number) => a.high[i] === 0;
      const chosen = (x: Float64Array, y: Float64Array, pick: (p: number, q: number) => number) =>
        x.map((v, i) => (first(i) ? v : second(i) ? y[i] : pick(v, y[i])));
      return { low: chosen(b.low, c.low, Math.min), high: chosen(b.high, c.high, Math.max) };
    }
    case "cast":
      return castRange(node, a);
    case "product":
      return node.inputs[0] === node.inputs[1] ? squareRange(a) : cornersOf(a, b, (x, y) => x * y);
    case "power":
      return !varies[1] && b.low.every((v, i) => v === 2 && b.high[i] === 2)
        ? squareRange(a)
        : byBehaviour(node, inputs, varies);
    case "quotient":
      return quotientRange(node, a, b);
    case "root":
      // Rises, and is rounded correctly.
      return a.low.every((v) => v >= 0)
        ? { low: a.low.map((v) => Math.max(0, down(Math.sqrt(v)))), high: a.high.map((v) => up(Math.sqrt(v))) }
        : byBehaviour(node, inputs, varies);
    case "softmax":
      return softmaxRange(node, a);
    default:
      return order ? monotone(node, inputs) : byBehaviour(node, inputs, varies);
  }
}

const walks = new WeakMap<Node, (inputs: readonly Range[]) => Range>();

/** The range of a node that stands for several ops, op by op; null for any other node. */
function composedRange(node: Node): ((inputs: readonly Range[]) => Range) | null {
  if (!node.op.composed) return null;
  const known = walks.get(node);
  if (known) return known;
  const slot = input("composition", node.inputs[0].shape, node.inputs[0].dtype);
  const { varying, varies, output } = flowOf(slot, node.op.composed(node, [slot]));
  const fixed = fixedValues();
  const still = new Map<Node, Range>();
  for (const { inputs } of varying) for (const i of inputs) if (!varies.has(i)) still.set(i, fixedRange(fixed(i)));
  const walk = ([x]: readonly Range[]): Range => {
    const ranges = new Map<Node, Range>([[slot, x]]);
    const rangeOf = (i: Node) => ranges.get(i) ?? (still.get(i) as Range);
    for (const step of varying) {
      if (step === slot) continue;
      const mask = step.inputs.map((i) => varies.has(i));
      ranges.set(step, nodeRange(step, step.inputs.map(rangeOf), mask));
    }
    return rangeOf(output);
  };
  walks.set(node, walk);
  return walk;
}

function byBehaviour(node: Node, inputs: readonly Range[], varies: readonly boolean[]): Range {
  const everything = anything(sizeOf(node.shape));
  const whole = node.op.behaviour(
    node,
    node.inputs.map(() => true),
  );
  if (whole.kind === "unbounded" && whole.local?.kind === "product") return productRange(node, inputs);
  const own = node.op.behaviour(node, varies);
  const which = varies.indexOf(true);
  const alone = varies.lastIndexOf(true) === which;
  const slopeOn = slopesOf(own);
  // The other operands of a function of one number are weights; a range of theirs has no middle to take.
  const held = inputs.every((r, i) => i === which || r.low.every((v, k) => v === r.high[k]));
  if (slopeOn && alone && held) {
    const apply = (z: Float64Array) =>
      node.op.evaluate(
        node,
        inputs.map((r, i) => (i === which ? z : r.low)),
      );
    const found = pointwiseRange(apply, slopeOn, inputs[which]);
    return node.op.notNegative ? { ...found, low: found.low.map((v) => Math.max(0, v)) } : found;
  }
  const lipschitz = lipschitzOf(own);
  if (lipschitz !== null) {
    // Nothing moves by more than the largest move times the constant.
    const parts = inputs.map(middleOf);
    const values = node.op.evaluate(
      node,
      parts.map((p) => p.mid),
    );
    const size = inputs.map(sizesOf).reduce((top, s) => s.reduce((t, v) => Math.max(t, v), top), 0);
    const move = parts.reduce((top, p) => p.radius.reduce((t, v) => Math.max(t, v), top), 0);
    const terms = inputs.reduce((n, r) => n + r.low.length, 16);
    const slack = (v: number) =>
      up(up(lipschitz * move) + 2 * (valueError + gamma(terms)) * (size + Math.abs(v) + Math.log(terms)));
    const [least, most] = limits(own);
    return {
      low: values.map((v) => atLeast(least, down(v - slack(v)))),
      high: values.map((v) => atMost(most, up(v + slack(v)))),
    };
  }
  return everything;
}

/** Between which numbers the result of an op lies whatever it reads. */
const limits = (behaviour: Behaviour): readonly [number, number] =>
  (behaviour.kind === "smooth" && behaviour.within) || [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];

/** What is no number says nothing. */
const atLeast = (limit: number, v: number): number => (v > limit ? v : limit);
const atMost = (limit: number, v: number): number => (v < limit ? v : limit);

/** The constant in l-inf of an op that is not element by element; null where it states none. */
function lipschitzOf(behaviour: Behaviour): number | null {
  if (behaviour.kind === "smooth") return behaviour.lipschitz.inf;
  if (behaviour.kind === "isometry") return 1;
  return behaviour.kind === "linear" && behaviour.of.form === "bounded" ? behaviour.of.norm.inf : null;
}

const slopesOf = (behaviour: Behaviour) =>
  behaviour.kind === "pointwise"
    ? behaviour.slopeOn
    : behaviour.kind === "unbounded" && behaviour.local?.kind === "slopes"
      ? behaviour.local.slopeOn
      : null;

/** At both ends, and what adding may have rounded. */
function monotone(node: Node, inputs: readonly Range[]): Range {
  const at = (side: "low" | "high") =>
    node.op.evaluate(
      node,
      inputs.map((r) => r[side]),
    );
  const [low, high] = [at("low"), at("high")];
  if (node.op.order !== "adds" || !isFloat(node.dtype)) return { low, high };
  const g = 2 * gamma(inputs.reduce((n, r) => n + r.low.length, 8));
  const spread = node.op
    .evaluate(
      node,
      inputs.map((r, i) => (isFloat(node.inputs[i].dtype) ? sizesOf(r) : r.low)),
    )
    .map((v) => g * v + tiny);
  // A sum of what is not negative is not, and a sum of nothing but zeros is exact.
  const positive = inputs.every((r) => r.low.every((v) => v >= 0));
  return {
    low: low.map((v, i) => Math.max(positive ? 0 : Number.NEGATIVE_INFINITY, down(v - spread[i]))),
    high: high.map((v, i) => up(v + spread[i])),
  };
}

function castRange(node: Node, x: Range): Range {
  if (node.dtype !== "bool") {
    const at = (v: Float64Array) => node.op.evaluate(node, [v]);
    return { low: at(x.low), high: at(x.high) };
  }
  const off = (i: number) => x.low[i] <= 0 && x.high[i] >= 0;
  return {
    low: x.low.map((_, i) => (off(i) ? 0 : 1)),
    high: x.low.map((l, i) => (l === 0 && x.high[i] === 0 ? 0 : 1)),
  };
}
