import { describe, expect, it } from "vitest";
import { type Node, topological } from "../../graph/graph.ts";
import { constant, input, inputsOf } from "../../graph/leaf.ts";
import {
  add,
  cast,
  div,
  equal,
  greater,
  greaterOrEqual,
  less,
  lessOrEqual,
  log,
  maximum,
  minimum,
  mul,
  neg,
  not,
  pow,
  sub,
  where,
} from "../../ops/arith.ts";
import { broadcastTo, sum } from "../../ops/broadcast.ts";
import { conv, convTranspose } from "../../ops/conv.ts";
import { gather } from "../../ops/gather.ts";
import { matmul } from "../../ops/matmul.ts";
import { concat, pad, reshape, sliceAxis, transpose } from "../../ops/movement.ts";
import {
  abs,
  clip,
  cos,
  elu,
  erf,
  exp,
  floor,
  gelu,
  hardSigmoid,
  hardSwish,
  leakyRelu,
  reciprocal,
  relu,
  sigmoid,
  sign,
  silu,
  sin,
  softplus,
  sqrt,
  tanh,
} from "../../ops/pointwise.ts";
import { averagePool, maxPool } from "../../ops/pool.ts";
import { mean, reduceMax, reduceMin } from "../../ops/reduce.ts";
import { logSoftmax, logSumExp, softmax } from "../../ops/softmax.ts";
import { type Random, random } from "../../tensor/random.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { tensor } from "../../tensor/tensor.ts";
import type { Range } from "../domain.ts";
import { fixedValues } from "../fixed.ts";
import { nodeRange } from "./intervals.ts";

const f64 = (shape: readonly number[], name: string) => input(name, shape, "float64");
const two = (of: (a: Node, b: Node) => Node) => of(f64([2, 4], "a"), f64([2, 4], "b"));
const one = (of: (a: Node) => Node) => of(f64([2, 4], "a"));
const condition = input("c", [2, 4], "bool");

const functions: Readonly<Record<string, (x: Node) => Node>> = {
  abs,
  cos,
  elu: (x) => elu(x, 2),
  erf,
  exp,
  floor,
  gelu: (x) => gelu(x, "none"),
  hardSigmoid: (x) => hardSigmoid(x),
  hardSwish,
  leakyRelu: (x) => leakyRelu(x, -0.5),
  log,
  neg,
  reciprocal,
  relu,
  sigmoid,
  sign,
  silu,
  sin,
  softplus,
  sqrt,
  tanh,
};
const pairs: Readonly<Record<string, (a: Node, b: Node) => Node>> = {
  add,
  div,
  equal,
  greater,
  greaterOrEqual,
  less,
  lessOrEqual,
  maximum,
  minimum,
  mul,
  sub,
};

const nodes: readonly (readonly [string, Node])[] = [
  ...Object.entries(functions).map(([name, f]) => [name, one(f)] as const),
  ...Object.entries(pairs).map(([name, f]) => [name, two(f)] as const),
  ["clip", one((a) => clip(a, -0.3, 0.5))],
  ["the square of one node", one((a) => mul(a, a))],
  ...[2, 3, -1, 0.5, -1.5, 4].map((k) => [`power ${k}`, one((a) => pow(a, k))] as const),
  ["where", two((a, b) => where(condition, a, b))],
  ["not", not(condition)],
  ["cast to bool", one((a) => cast(a, "bool"))],
  ["cast to whole numbers", one((a) => cast(a, "int64"))],
  ["matmul", two((a, b) => matmul(a, transpose(b)))],
  ["a stack of matrices", matmul(f64([2, 2, 3], "a"), f64([2, 3, 2], "b"))],
  ["conv", conv(f64([1, 2, 5], "a"), f64([2, 2, 3], "b"), { pads: [1, 1] })],
  ["convTranspose", convTranspose(f64([1, 2, 4], "a"), f64([2, 2, 3], "b"), { strides: [2] })],
  ["softmax", one((a) => softmax(a, 1))],
  ["softmax of columns", one((a) => softmax(a, 0))],
  ["logSoftmax", one((a) => logSoftmax(a, 1))],
  ["logSumExp", one((a) => logSumExp(a, [1]))],
  ["mean", one((a) => mean(a, [0]))],
  ["sum", one((a) => sum(a, [1]))],
  ["largest", one((a) => reduceMax(a, [1]))],
  ["smallest", one((a) => reduceMin(a, [1]))],
  ["stretched", one((a) => broadcastTo(a, [3, 2, 4]))],
  ["reshape", one((a) => reshape(a, [8]))],
  ["slice", one((a) => sliceAxis(a, 1, 1, 3))],
  ["pad", one((a) => pad(a, [1, 0], [0, 2]))],
  ["concat", two((a, b) => concat([a, b], 0))],
  ["gather", one((a) => gather(a, constant(tensor(BigInt64Array.of(3n, 0n), [2], "int64")), 1))],
  ["max pooling", maxPool(f64([1, 1, 4, 4], "a"), { kernel: [2, 2], strides: [1, 1] })],
  ["average pooling", averagePool(f64([1, 1, 4, 4], "a"), { kernel: [2, 2], strides: [1, 1] })],
];

function drawn(node: Node, r: Random): Range {
  const n = sizeOf(node.shape);
  if (node.dtype === "bool") {
    const low = Float64Array.from({ length: n }, () => r.integer(2));
    return { low, high: low.map((v) => Math.max(v, r.integer(2))) };
  }
  const shift = r.uniform() < 0.4 ? 3 : 0;
  const scale = 10 ** (3 * r.uniform() - 2);
  const low = Float64Array.from({ length: n }, () => shift + r.normal());
  return { low, high: low.map((v) => (r.uniform() < 0.2 ? v : v + scale * r.uniform())) };
}

const inside = ({ low, high }: Range, whole: boolean, r: Random): Float64Array =>
  low.map((l, k) => {
    const u = r.uniform();
    return u < 0.25 || whole ? (r.uniform() < 0.5 ? l : high[k]) : Math.min(high[k], l + u * (high[k] - l));
  });

describe("nodeRange()", () => {
  it.each(nodes)("holds the values at every point: %s", (_, node) => {
    const r = random(4).fork(node.op.name);
    let finite = 0;
    let reached = 0;
    const outside: string[] = [];
    for (let k = 0; k < 40; k++) {
      // An operand that ops made of another is drawn itself.
      const inputs = node.inputs.map((x) => (isFixed(x) ? { low: fixed(x).data, high: fixed(x).data } : drawn(x, r)));
      if (node.inputs[1] === node.inputs[0] && node.inputs[1]) inputs[1] = inputs[0];
      const { low, high } = nodeRange(
        node,
        inputs,
        node.inputs.map((x) => !isFixed(x)),
      );
      if ([...low, ...high].every(Number.isFinite)) finite++;
      const seen = { low: low.map(() => Number.POSITIVE_INFINITY), high: low.map(() => Number.NEGATIVE_INFINITY) };
      for (let i = 0; i < 30; i++) {
        const points = inputs.map((range, at) => inside(range, node.inputs[at].dtype === "bool", r));
        if (node.inputs[1] === node.inputs[0] && node.inputs[1]) points[1] = points[0];
        node.op.evaluate(node, points).forEach((v, j) => {
          if (Number.isNaN(v)) return;
          if (!(v >= low[j] && v <= high[j])) outside.push(`${v} in [${low[j]}, ${high[j]}]`);
          seen.low[j] = Math.min(seen.low[j], v);
          seen.high[j] = Math.max(seen.high[j], v);
        });
      }
      low.forEach((l, j) => {
        if (seen.high[j] - seen.low[j] >= 0.3 * (high[j] - l)) reached++;
      });
    }
    expect(outside).toEqual([]);
    // Ranges without end would hold everything.
    expect(finite).toBeGreaterThan(4);
    expect(reached).toBeGreaterThan(0);
  });
});

const fixed = fixedValues();
const isFixed = (node: Node): boolean => inputsOf(topological([node])).size === 0;
