/**
 * @file Partial slopes on a box for any graph, node by node and forward: the range of every node, and between what its difference quotients along every input lie.
 * The quotients narrow the ranges in turn, so that both close as boxes shrink.
 */
import type { Flow } from "../../graph/behaviour.ts";
import type { Node } from "../../graph/graph.ts";
import { down, up } from "../../linalg/rounding.ts";
import { sizeOf } from "../../tensor/shape.ts";
import type { Range } from "../domain.ts";
import { fixedValues } from "../fixed.ts";
import { lengthOf } from "../length.ts";
import { nodeRange } from "../local/intervals.ts";
import { both } from "../local/ranges.ts";
import { anything, cornersOf, fixedRange, middleOf, opened, timesEnds } from "../local/rules.ts";
import { type Move, moveOf } from "../lowerBounds/enclosure.ts";
import { addUp, timesUp } from "../norm/region.ts";
import type { Subject } from "../subject.ts";
import { workOf } from "../work.ts";
import type { Partials } from "./partials.ts";

/**
 * Prepare the walk along the inputs that vary; slopes along others are not asked for, and said to be 0.
 *
 *     affine g:      q(g) = A q,   of one number: q(g) = [s, S] q,   products: q(a b) = q(a) b + a q(b)
 *     |g(x) - g(c)| <= sum over inputs of |q_i| |x_i - c_i|,   c the middle of the box
 */
export function partialsOfGraph(subject: Subject, flow: Flow, free: readonly number[]): Partials {
  const { size } = subject;
  const inputs = free.length;
  const nodes = flow.varying.filter((node) => node !== flow.input);
  const work = 1e5 + 8 * nodes.reduce((sum, node) => sum + workOf(node, flow.varies), 0) * (inputs + 2);
  // Made when it is first asked for: whoever finds the work too much need not wait for it.
  let made: Prepared | undefined;
  const on: Partials["on"] = (box) => {
    made ??= prepared(flow, nodes);
    const { still, steps } = made;
    const { mid, radius } = middleOf(box);
    const reach = free.map((i) => radius[i]);
    const known = new Map<Node, Known>([
      [flow.input, { at: box, middle: { low: mid, high: mid }, quotients: units(size, free) }],
    ]);
    const knownOf = (i: Node): Known =>
      known.get(i) ?? { at: still.get(i) as Range, middle: still.get(i) as Range, quotients: null };
    for (const { node, varies, move, rest } of steps) {
      const from = node.inputs.map(knownOf);
      const at = nodeRange(
        node,
        from.map((k) => k.at),
        varies,
      );
      const middle = nodeRange(
        node,
        from.map((k) => k.middle),
        varies,
      );
      const stays = at.low.map((l, k) => Number(l === at.high[k]));
      const quotients = Array.from({ length: inputs }, (_, i) => {
        const places = from.map(({ at, quotients }) => ({
          at,
          there: at,
          ...(quotients && { rise: quotients[i] }),
        }));
        const { low, high } = move(places)?.rise ?? rest(places, at);
        return { low: low.map((v, k) => (stays[k] ? 0 : v)), high: high.map((v, k) => (stays[k] ? 0 : v)) };
      });
      known.set(node, { at: both(at, around(middle, quotients, reach)), middle, quotients });
    }
    const rows = knownOf(flow.output).quotients ?? free.map(() => anything(subject.outputs));
    const side = (of: "low" | "high") => {
      const found = new Float64Array(subject.outputs * size);
      free.forEach((i, k) => {
        for (let o = 0; o < subject.outputs; o++) found[o * size + i] = rows[k][of][o];
      });
      return found;
    };
    return { low: side("low"), high: side("high"), turns: null, neurons: null };
  };
  return {
    work,
    glance: work,
    on,
    at(x) {
      const { low, high } = on({ low: x, high: x });
      return low.map((l, k) => (Math.abs(l) > Math.abs(high[k]) ? l : high[k]));
    },
  };
}

// --- internal ---

interface Prepared {
  /** What does not vary. */
  readonly still: ReadonlyMap<Node, Range>;
  readonly steps: readonly {
    readonly node: Node;
    readonly varies: readonly boolean[];
    readonly move: Move;
    readonly rest: Rest;
  }[];
}

function prepared(flow: Flow, nodes: readonly Node[]): Prepared {
  const fixed = fixedValues();
  const still = new Map<Node, Range>();
  for (const i of nodes.flatMap((node) => node.inputs)) {
    if (!flow.varies.has(i) && !still.has(i)) still.set(i, fixedRange(fixed(i)));
  }
  const steps = nodes.map((node) => {
    const varies = node.inputs.map((i) => flow.varies.has(i));
    return { node, varies, move: moveOf(node, varies, still), rest: restOf(node, varies) };
  });
  return { still, steps };
}

interface Known {
  readonly at: Range;
  /** In the middle of the box. */
  readonly middle: Range;
  /** Along every input; null for what does not vary. */
  readonly quotients: readonly Range[] | null;
}

function units(n: number, free: readonly number[]): readonly Range[] {
  return free.map((i) => {
    const e = new Float64Array(n);
    e[i] = 1;
    return { low: e, high: e };
  });
}

/** Where a node can be at most so far from the middle. */
function around({ low, high }: Range, quotients: readonly Range[], radius: readonly number[]): Range {
  const reach = low.map((_, k) =>
    quotients.reduce(
      (sum, q, i) => addUp(sum, timesUp(Math.max(Math.abs(q.low[k]), Math.abs(q.high[k])), radius[i])),
      0,
    ),
  );
  return opened({ low: low.map((v, k) => down(v - reach[k])), high: high.map((v, k) => up(v + reach[k])) });
}

type Places = Parameters<Move>[0];
type Rest = (from: Places, at: Range) => Range;

/** Quotients of ops that do not hand on differences as such. */
function restOf(node: Node, varies: readonly boolean[]): Rest {
  const size = sizeOf(node.shape);
  const same = node.inputs.every((x) => sizeOf(x.shape) === size);
  const rises = (from: Places) => from.map(({ rise, at }) => rise ?? zeros(at));
  const { computes } = node.op;
  if ((computes === "larger" || computes === "smaller") && same) {
    // One of the two, or between them where it changes from one to the other.
    const sign = computes === "larger" ? 1 : -1;
    return (from) => {
      const [a, b] = rises(from);
      const first = (k: number) =>
        sign > 0 ? from[0].at.low[k] >= from[1].at.high[k] : from[0].at.high[k] <= from[1].at.low[k];
      const second = (k: number) =>
        sign > 0 ? from[1].at.low[k] >= from[0].at.high[k] : from[1].at.high[k] <= from[0].at.low[k];
      const pick = (of: "low" | "high", hull: (p: number, q: number) => number) =>
        a[of].map((v, k) => (first(k) ? v : second(k) ? b[of][k] : hull(v, b[of][k])));
      return { low: pick("low", Math.min), high: pick("high", Math.max) };
    };
  }
  if (computes === "choice" && varies[0] && same) {
    // Where the condition is the same on all of the box.
    return (from) => {
      const [, a, b] = rises(from);
      const { low, high } = from[0].at;
      const pick = (of: "low" | "high", open: number) =>
        a[of].map((v, k) => (low[k] !== 0 ? v : high[k] === 0 ? b[of][k] : open));
      return { low: pick("low", Number.NEGATIVE_INFINITY), high: pick("high", Number.POSITIVE_INFINITY) };
    };
  }
  if (computes === "softmax") return (from, at) => softmaxQuotients(node, rises(from)[0], at);
  const behaviour = node.op.behaviour(node, varies);
  if (behaviour.kind === "unbounded" && behaviour.local?.kind === "quotient" && same) {
    // a'/b' - a/b = (a' - a - (a/b)(b' - b)) / b', and a/b is what the node is.
    return (from, at) => {
      const [a, b] = rises(from);
      const lost = cornersOf(at, b, timesEnds);
      const over = {
        low: a.low.map((v, k) => down(v - lost.high[k])),
        high: a.high.map((v, k) => up(v - lost.low[k])),
      };
      const { low, high } = from[1].at;
      const found = cornersOf(over, from[1].at, (x, y) => (x === 0 ? 0 : x / y));
      const apart = (k: number) => low[k] > 0 || high[k] < 0;
      return opened({
        low: found.low.map((v, k) => (apart(k) ? v : Number.NEGATIVE_INFINITY)),
        high: found.high.map((v, k) => (apart(k) ? v : Number.POSITIVE_INFINITY)),
      });
    };
  }
  if (behaviour.kind === "smooth") {
    const { lipschitz } = behaviour;
    return (from) => {
      const most = rises(from).flatMap(({ low, high }) =>
        Array.from(low, (l, k) => Math.max(Math.abs(l), Math.abs(high[k]))),
      );
      const terms = 1 + (most.length + 4) * Number.EPSILON;
      const reach = Math.min(
        ...([1, 2, "inf"] as const).map((p) => timesUp(lipschitz[p], timesUp(lengthOf(most, p), terms))),
      );
      const limit = Number.isNaN(reach) ? Number.POSITIVE_INFINITY : reach;
      return { low: new Float64Array(size).fill(-limit), high: new Float64Array(size).fill(limit) };
    };
  }
  return () => anything(size);
}

/** p_i (d_i - sum_j p_j d_j) = p_i (1 - p_i) (d_i - m), m a mean of the d_j of all others. */
function softmaxQuotients(node: Node, { low, high }: Range, at: Range): Range {
  const { axis } = node.attrs as { readonly axis: number };
  const length = node.shape[axis];
  const step = sizeOf(node.shape.slice(axis + 1));
  if (length === 1) return zeros(at);
  const [least, most] = [low.slice(), high.slice()];
  for (let k = 0; k < low.length; k++) {
    const first = k - (Math.floor(k / step) % length) * step;
    let [from, to] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (let j = first; j < first + length * step; j += step) {
      if (j === k) continue;
      from = Math.min(from, low[j]);
      to = Math.max(to, high[j]);
    }
    least[k] = down(low[k] - to);
    most[k] = up(high[k] - from);
  }
  // p (1 - p) is largest at 1/2 and falls away from it.
  const bend = (p: number) => Math.max(0, down(p * down(1 - p)));
  const bendUp = (p: number) => up(p * up(1 - p));
  const clip = (p: number) => Math.min(1, Math.max(0, p));
  const steepness = {
    low: at.low.map((l, k) => Math.min(bend(clip(l)), bend(clip(at.high[k])))),
    high: at.low.map((l, k) =>
      l <= 0.5 && at.high[k] >= 0.5 ? 0.25 : Math.max(bendUp(clip(l)), bendUp(clip(at.high[k]))),
    ),
  };
  return opened(cornersOf({ low: least, high: most }, steepness, timesEnds));
}

const zeros = ({ low }: Range): Range => ({ low: new Float64Array(low.length), high: new Float64Array(low.length) });
