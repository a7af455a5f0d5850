/** @file ONNX operators that reduce axes, and softmax. Axes became an input at opset 13 for ReduceSum and at 18 for the others. */
import type { Node } from "../../graph/graph.ts";
import { div, log, maximum, mul } from "../../ops/arith.ts";
import { reduceAttrs, reducedShape, sum } from "../../ops/broadcast.ts";
import { reshape, split } from "../../ops/movement.ts";
import { abs, sqrt } from "../../ops/pointwise.ts";
import { mean, reduceMax, reduceMin } from "../../ops/reduce.ts";
import { logSoftmax, logSumExp, softmax } from "../../ops/softmax.ts";
import { checkAxis, sizeOf } from "../../tensor/shape.ts";
import { type Call, type Operator, Refusal } from "../call.ts";
import { argument } from "./argument.ts";

type Reduction = (x: Node, axes: readonly number[], keep: boolean) => Node;

const reduction =
  (f: Reduction, since = 18): Operator =>
  (c) => {
    const x = c.input(0);
    const { axes, keep } = axesOf(c, since);
    return [f(x, axes, keep)];
  };

export const ReduceSum = reduction(sum, 13);
export const ReduceMean = reduction(mean);
export const ReduceMax = reduction(reduceMax);
export const ReduceMin = reduction(reduceMin);
export const ReduceL1 = reduction((x, axes, keep) => sum(abs(x), axes, keep));
export const ReduceL2 = reduction((x, axes, keep) => sqrt(sum(mul(x, x), axes, keep)));
export const ReduceSumSquare = reduction((x, axes, keep) => sum(mul(x, x), axes, keep));
export const ReduceLogSum = reduction((x, axes, keep) => log(sum(x, axes, keep)));
export const ReduceLogSumExp = reduction(logSumExp);

/** A product, factor by factor: shapes are computed so, and their axes are short. */
export const ReduceProd = reduction((x, axes, keep) => {
  const attrs = reduceAttrs("ReduceProd", x.shape, axes, keep);
  const product = attrs.axes.reduce((y, axis) => {
    if (y.shape[axis] > factorsAtMost) throw new Refusal(`a product of more than ${factorsAtMost} numbers is not read`);
    if (y.shape[axis] === 0) throw new Refusal("a product of no numbers is not read");
    return split(y, axis, new Array<number>(y.shape[axis]).fill(1)).reduce(mul);
  }, x);
  return reshape(product, reducedShape(x.shape, attrs));
});

const factorsAtMost = 64;

/** x / ||x||_p along an axis, and 0 where x is: the least positive float32 is above no norm but that. */
export const LpNormalization: Operator = (c) => {
  const x = c.input(0);
  const axes = [checkAxis("LpNormalization", c.attributes.int("axis", -1), x.shape.length)];
  const one = c.attributes.int("p", 2) === 1;
  const norm = one ? sum(abs(x), axes, true) : sqrt(sum(mul(x, x), axes, true));
  return [div(x, maximum(norm, 2 ** -149))];
};

/** Before opset 13 everything from `axis` (default 1) on is one distribution, after it `axis` (default: the last) alone. */
const distribution =
  (f: (x: Node, axis: number) => Node): Operator =>
  (c) => {
    const x = c.input(0);
    const axis = checkAxis("Softmax", c.attributes.int("axis", c.opset < 13 ? 1 : -1), x.shape.length);
    const inner = sizeOf(x.shape.slice(axis));
    if (c.opset >= 13 || inner === x.shape[axis]) return [f(x, axis)];
    return [reshape(f(reshape(x, [sizeOf(x.shape.slice(0, axis)), inner]), 1), x.shape)];
  };

export const Softmax = distribution(softmax);
export const LogSoftmax = distribution(logSoftmax);

// --- internal ---

/** No axes, or none in the list, means all axes, unless `noop_with_empty_axes`. */
function axesOf(c: Call, since: number): { readonly axes: readonly number[]; readonly keep: boolean } {
  const axes = argument(c, "axes", 1, since) ?? [];
  const keep = c.attributes.int("keepdims", 1) !== 0;
  const noop = c.attributes.int("noop_with_empty_axes", 0) !== 0;
  if (axes.length > 0 || noop) return { axes, keep };
  return { axes: c.input(0).shape.map((_, i) => i), keep };
}
