/**
 * @file Between which numbers a runtime's result lies if it computes what a graph says and rounds. Values go in as they are, every operation that rounds widens
 * its operands by as many roundings as it makes, and ranges go through: for a sum of products that is |A| |x| times the rounding of a sum.
 */
import type { Range } from "../bounds/domain.ts";
import { isExact, nodeRange } from "../bounds/local/intervals.ts";
import { middleOf, sizesOf } from "../bounds/local/rules.ts";
import type { Engine } from "../engine/engine.ts";
import { apply, type Node, topological } from "../graph/graph.ts";
import { input, isConstant, isInput } from "../graph/leaf.ts";
import { gamma } from "../linalg/rounding.ts";
import { sizeOf } from "../tensor/shape.ts";
import { isFloat, tensor, toFloat64 } from "../tensor/tensor.ts";

export interface Rounding {
  /** Unit roundoff of the runtime's numbers: 2^-24, or 2^-11 where a value is a half. */
  readonly unit: number;
  /** Multiplies what is too large for plain loops. */
  readonly engine: Engine;
}

/** Roundings that are granted to an operation beside those of its sum. */
const few = 8;

/** Units that are granted to an elementary function, relative to 1 + |x| and |f(x)|: the runtime's are polynomials. */
const elementary = 16;

/** Below this, results may be flushed to 0. */
const underflow = 2 ** -120;

/** The ranges of `outputs`, from the values of the input nodes; each output as a runtime may round it. */
export async function explained(
  outputs: readonly Node[],
  values: ReadonlyMap<Node, Float64Array>,
  rounding: Rounding,
): Promise<readonly Range[]> {
  const found = new Map<Node, Range>();
  for (const node of topological(outputs)) {
    const value = isConstant(node) ? toFloat64(node.attrs) : values.get(node);
    found.set(node, value ? { low: value, high: value } : await rangeOf(node, found, rounding));
  }
  return outputs.map((node) => found.get(node) as Range);
}

/** Multiplications and additions, roughly, that the ranges of `outputs` take. */
export const workOf = (outputs: readonly Node[]): number =>
  topological(outputs).reduce((n, node) => n + (node.inputs.length > 0 ? termsOf(node) * sizeOf(node.shape) : 0), 0);

// --- internal ---

async function rangeOf(node: Node, found: ReadonlyMap<Node, Range>, rounding: Rounding): Promise<Range> {
  const own = node.inputs.map((x) => found.get(x) as Range);
  if (isExact(node) && own.every(isOnePoint)) {
    const value = node.op.evaluate(
      node,
      own.map(({ low }) => low),
    );
    return { low: value, high: value };
  }
  // What is made of weights alone is one where nothing was rounded on the way.
  const weights = node.inputs.map((x, i) => isOnePoint(own[i]) && !topological([x]).some(isInput));
  const mask = weights.includes(false) ? weights.map((still) => !still) : weights;
  if (isExact(node)) return nodeRange(node, own, mask);
  const terms = termsOf(node);
  const widths = (terms + few) * rounding.unit;
  const inputs = own.map((range, i) => (mask[i] && isFloat(node.inputs[i].dtype) ? widened(range, widths) : range));
  const range =
    isProduct(node) && terms * sizeOf(node.shape) > plainWork
      ? await product(node, inputs, rounding.engine)
      : nodeRange(node, inputs, mask);
  if (!isFloat(node.dtype)) return range;
  const slack = slackOf(node, inputs, mask);
  const size = sizesOf(range);
  return {
    low: range.low.map((v, i) => v - rounding.unit * (few * size[i] + slack(i, size[i])) - underflow),
    high: range.high.map((v, i) => v + rounding.unit * (few * size[i] + slack(i, size[i])) + underflow),
  };
}

const isOnePoint = ({ low, high }: Range): boolean => low === high || low.every((v, i) => v === high[i]);

const widened = ({ low, high }: Range, width: number): Range => ({
  low: low.map((v) => v - width * Math.abs(v)),
  high: high.map((v) => v + width * Math.abs(v)),
});

/** What an elementary function may err by beside a relative error of its result, in units. */
function slackOf(node: Node, inputs: readonly Range[], mask: readonly boolean[]): (i: number, size: number) => number {
  const behaviour = node.op.behaviour(node, mask);
  const sizes = inputs.map(sizesOf);
  const largest = (i: number) => sizes.reduce((top, s) => (s.length > i ? Math.max(top, s[i]) : top), 0);
  switch (behaviour.kind) {
    case "pointwise": {
      const slope = Math.max(1, ...behaviour.slope.map(Math.abs).filter(Number.isFinite));
      return (i, size) => elementary * (size + slope * (1 + largest(i)));
    }
    case "smooth":
      return (_, size) => elementary * (size + 1);
    case "unbounded":
      return behaviour.local?.kind === "slopes" ? (_, size) => elementary * (size + 1) : () => 0;
    default:
      return () => 0;
  }
}

/** Numbers that are added up for one number of the result. */
function termsOf(node: Node): number {
  const sizes = node.inputs.map((x) => sizeOf(x.shape));
  const [, weight] = node.inputs;
  switch (productOf(node)) {
    case "matrices":
      return node.inputs[0].shape.at(-1) ?? 1;
    case "windows":
      return sizeOf(weight.shape) / Math.max(1, Math.min(weight.shape[0], weight.shape[1]));
    default:
      if (isExact(node)) return 1;
      // Windows that overlap read a number several times.
      return 64 + Math.ceil(Math.max(0, ...sizes) / Math.max(1, sizeOf(node.shape)));
  }
}

function productOf(node: Node) {
  const behaviour = node.op.behaviour(
    node,
    node.inputs.map(() => true),
  );
  return behaviour.kind === "unbounded" && behaviour.local?.kind === "product" ? behaviour.local.of : null;
}

const isProduct = (node: Node): boolean => ["matrices", "windows"].includes(productOf(node) ?? "");

/** Multiplications that plain loops do in a hundredth of a second. */
const plainWork = 2 ** 20;

/** |g(a, b) - g(m_a, m_b)| <= g(|m_a| + r_a, |m_b| + r_b) - g(|m_a|, |m_b|), with the products made by the engine in float64. */
async function product(node: Node, inputs: readonly Range[], engine: Engine): Promise<Range> {
  const shapes = node.inputs.map((x) => x.shape);
  const operands = shapes.map((shape, i) => input(`operand${i}`, shape, "float64"));
  const program = await engine.compile({ product: apply(node.op, operands, node.attrs) });
  const at = async (...values: readonly Float64Array[]) => {
    const feeds = values.map((v, i) => [`operand${i}`, tensor(v, shapes[i], "float64")] as const);
    return toFloat64((await program.run(Object.fromEntries(feeds))).product);
  };
  try {
    // Weights are points, and large.
    const [a, b] = inputs.map((r) => (isOnePoint(r) ? { mid: r.low, radius: null } : middleOf(r)));
    const g = 2 * gamma(termsOf(node) + few);
    const middle = await at(a.mid, b.mid);
    const [sizeA, sizeB] = [a, b].map(({ mid }) => mid.map(Math.abs));
    const first = await at(
      sizeA.map((v, i) => (a.radius?.[i] ?? 0) + g * v),
      b.radius ? sizeB.map((v, i) => v + (b.radius?.[i] ?? 0)) : sizeB,
    );
    const second = b.radius ? await at(sizeA, b.radius) : null;
    const spread = first.map((v, i) => (v + (second?.[i] ?? 0)) * (1 + g));
    return { low: middle.map((v, i) => v - spread[i]), high: middle.map((v, i) => v + spread[i]) };
  } finally {
    await program.dispose();
  }
}
