/** @file Tests of constants.ts with the norms of powerNorms.ts and gramNorms.ts: every rule of composition against a norm that is found another way. */
import { describe, expect, it } from "vitest";
import { propagate } from "../bounds/autoLip.ts";
import { evaluate } from "../engine/reference.ts";
import { flowOf } from "../graph/behaviour.ts";
import { grad } from "../graph/gradient.ts";
import type { Node } from "../graph/graph.ts";
import { constant, input } from "../graph/leaf.ts";
import { matrix } from "../linalg/matrix.ts";
import { inducedNorm } from "../linalg/norm.ts";
import { add, mul } from "../ops/arith.ts";
import { conv, convTranspose } from "../ops/conv.ts";
import { matmul } from "../ops/matmul.ts";
import { concat, reshape } from "../ops/movement.ts";
import { relu, sigmoid } from "../ops/pointwise.ts";
import { averagePool, maxPool } from "../ops/pool.ts";
import type { Named } from "../tensor/named.ts";
import { normalTensor, random } from "../tensor/random.ts";
import type { Shape } from "../tensor/shape.ts";
import { cast, type Tensor, tensor } from "../tensor/tensor.ts";
import { constantsOf } from "./constants.ts";
import { gramNorms } from "./gramNorms.ts";
import { firstVector, powerNorms } from "./powerNorms.ts";

const r = random(3);
const weight = (name: string, ...shape: number[]) => cast(normalTensor(r.fork(name), shape), "float64");
const still = (t: Tensor): Node => constant(cast(t, "float64"));
const normOf = (t: Tensor): number =>
  inducedNorm(matrix(t.shape[0], t.shape[1], Float64Array.from(t.data as Float64Array)), 2).upper;

/** The constant of a graph after steps of the power method, without the weights changing. */
function powerConstant(build: (x: Node) => Node, shape: Shape, steps = 300): { value: number; vectors: Named<Tensor> } {
  const x = input("x", shape, "float64");
  const vectors: Record<string, Tensor> = {};
  const { norms, next } = powerNorms((name, size) => {
    vectors[name] = cast(firstVector(size, r.fork(`start ${name}`)), "float64");
    return input(name, size, "float64");
  });
  const flow = flowOf(x, build(x));
  const value = constantsOf(flow, norms)(flow.output);
  for (let i = 0; i < steps; i++) Object.assign(vectors, evaluate(next, vectors));
  return { value: Number(evaluate({ value }, vectors).value.data[0]), vectors };
}

function gramConstant(build: (x: Node) => Node, shape: Shape): number {
  const x = input("x", shape, "float64");
  const flow = flowOf(x, build(x));
  return Number(evaluate({ value: constantsOf(flow, gramNorms)(flow.output) }, {}).value.data[0]);
}

/** What the proved walk says, tight where every norm is. */
async function proved(build: (x: Node) => Node, shape: Shape): Promise<number> {
  const x = input("x", shape, "float64");
  const flow = flowOf(x, build(x));
  return (await propagate(flow, 2)).constantOf(flow.output);
}

const [A, B, C] = [weight("A", 6, 6), weight("B", 6, 6), weight("C", 12, 4)];
const kernel = weight("kernel", 3, 2, 3, 3);
const same = weight("same", 2, 2, 3, 3);
const pads = [1, 1, 1, 1];
const image: Shape = [1, 2, 6, 5];

describe("constantsOf() by regions", () => {
  const through = (t: Tensor) => (x: Node) => matmul(x, still(t));
  const rules: readonly [string, (x: Node) => Node, number][] = [
    ["one matrix", through(A), normOf(A)],
    ["two matrices as one", (x) => through(B)(through(A)(x)), -1],
    ["a chain: the product", (x) => through(B)(relu(through(A)(x))), normOf(A) * normOf(B)],
    ["sigmoid: a quarter", (x) => sigmoid(through(A)(x)), normOf(A) / 4],
    ["a residual: one plus the branch", (x) => add(x, through(B)(relu(through(A)(x)))), 1 + normOf(A) * normOf(B)],
    [
      "a concatenation: the length of both",
      (x) => concat([relu(through(A)(x)), relu(through(B)(x))], 1),
      Math.hypot(normOf(A), normOf(B)),
    ],
    [
      "a matrix behind a concatenation: its norm times that length, where this is less than the sum",
      (x) => through(C)(concat([relu(through(A)(x)), relu(through(B)(x))], 1)),
      -2,
    ],
    ["a factor per number: the largest", (x) => relu(mul(x, still(tensor([1, -5, 2, 0, 3, 1], [6])))), 5],
  ];
  it.each(rules)("%s", (_, build, stated) => {
    const { value } = powerConstant(build, [1, 6]);
    let want = stated;
    if (stated === -1) {
      const product = evaluate({ y: matmul(still(A), still(B)) }, {}).y;
      want = normOf(product);
    }
    if (stated === -2) {
      const data = C.data as Float64Array;
      const half = (from: number) => normOf(tensor(data.slice(from, from + 24), [6, 4], "float64"));
      want = Math.min(half(0) * normOf(A) + half(24) * normOf(B), normOf(C) * Math.hypot(normOf(A), normOf(B)));
    }
    expect(value / want).toBeCloseTo(1, 4);
  });

  const images: readonly [string, (x: Node) => Node][] = [
    ["a convolution with strides and pads", (x) => conv(x, still(kernel), { pads, strides: [2, 2] })],
    ["a transposed convolution", (x) => convTranspose(x, still(weight("up", 2, 3, 3, 3)), { strides: [2, 2] })],
    ["a shortcut around a convolution", (x) => relu(add(x, conv(x, still(same), { pads })))],
    [
      "a convolution and a factor per channel: their product as one map",
      (x) => relu(mul(conv(x, still(kernel)), still(tensor([0.1, 2, -1], [3, 1, 1])))),
    ],
    ["max pooling: the root of how many windows meet", (x) => maxPool(relu(x), { kernel: [3, 3], strides: [1, 1] })],
    ["average pooling", (x) => averagePool(x, { kernel: [2, 2], strides: [2, 2] })],
    [
      "average pooling behind a convolution",
      (x) => averagePool(conv(x, still(kernel), { pads }), { kernel: [2, 2], strides: [1, 1] }),
    ],
    [
      "two branches of convolutions",
      (x) => relu(add(conv(relu(x), still(same), { pads }), conv(x, still(same), { pads }))),
    ],
  ];
  it.each(images)("as the proved walk: %s", async (_, build) => {
    const { value } = powerConstant(build, image);
    expect(value / (await proved(build, image))).toBeCloseTo(1, 4);
  });

  it("is 0 where the output does not depend on the input, and says where there is no constant", () => {
    expect(powerConstant(() => still(A), [1, 6], 1).value).toBe(0);
    expect(() => powerConstant((x) => relu(mul(x, x)), [1, 6])).toThrow(
      "Mul has no Lipschitz constant: product of two varying branches",
    );
  });

  it("has the gradient of the norm in the weights", () => {
    const W = input("W", [6, 6], "float64");
    const u = input("0", [1, 6], "float64");
    const x = input("x", [1, 6], "float64");
    const flow = flowOf(x, matmul(x, W));
    const value = constantsOf(flow, powerNorms(() => u).norms)(flow.output);
    const { vectors } = powerConstant(through(A), [1, 6]);
    const [dW] = grad(value, [W]);
    const slope = evaluate({ dW }, { ...vectors, W: A }).dW.data as Float64Array;
    for (const i of [0, 7, 20, 35]) {
      const at = (h: number) => normOf({ ...A, data: (A.data as Float64Array).with(i, Number(A.data[i]) + h) });
      // The push turns the vector by about 1e-3.
      expect(slope[i]).toBeCloseTo((at(1e-4) - at(-1e-4)) / 2e-4, 2);
    }
  });
});

describe("powerNorms()", () => {
  const x = input("x", [1, 4], "float64");
  const W = input("W", [4, 4], "float64");
  const u = input("0", [1, 4], "float64");
  const flow = flowOf(x, matmul(x, W));
  const made = powerNorms(() => u);
  const value = constantsOf(flow, made.norms)(flow.output);
  const diagonal = (...d: number[]) =>
    tensor(
      d.flatMap((v, i) => d.map((_, j) => (i === j ? v : 0))),
      [4, 4],
      "float64",
    );
  const unit = (k: number) =>
    tensor(
      [0, 1, 2, 3].map((i) => (i === k ? 1 : 0)),
      [1, 4],
      "float64",
    );

  it("leaves a dead direction, and a matrix of zeros", () => {
    // The vector starts where the matrix has nothing: without the push it would be 0 from here on.
    let now: Tensor = unit(3);
    for (let i = 0; i < 12; i++) now = evaluate(made.next, { W: diagonal(1, 4, 2, 0), "0": now })["0"];
    expect(Number(evaluate({ value }, { W: diagonal(1, 4, 2, 0), "0": now }).value.data[0])).toBeCloseTo(4, 3);
    for (let i = 0; i < 3; i++) now = evaluate(made.next, { W: diagonal(0, 0, 0, 0), "0": now })["0"];
    expect(Math.hypot(...Array.from(now.data as Float64Array))).toBeCloseTo(1, 9);
    for (let i = 0; i < 12; i++) now = evaluate(made.next, { W: diagonal(1, 1, 3, 1), "0": now })["0"];
    expect(Number(evaluate({ value }, { W: diagonal(1, 1, 3, 1), "0": now }).value.data[0])).toBeCloseTo(3, 3);
  });

  it("has the gradient 0 at a matrix of zeros", () => {
    const [dW] = grad(value, [W]);
    expect(Array.from(evaluate({ dW }, { W: diagonal(0, 0, 0, 0), "0": unit(0) }).dW.data, Number)).toEqual(
      Array(16).fill(0),
    );
  });
});

describe("gramNorms", () => {
  const cases: readonly [string, (x: Node) => Node, Shape][] = [
    ["a matrix", (x) => matmul(x, still(C)), [1, 12]],
    ["a chain with a residual", (x) => add(x, matmul(relu(matmul(x, still(A))), still(B))), [1, 6]],
    ["a convolution", (x) => conv(x, still(kernel), { pads }), image],
    ["a convolution with strides", (x) => conv(x, still(kernel), { pads, strides: [2, 2] }), image],
    ["a convolution with groups", (x) => conv(x, still(weight("groups", 4, 1, 3, 3)), { pads, groups: 2 }), image],
    ["a dilated convolution", (x) => conv(x, still(kernel), { dilations: [2, 1], strides: [1, 2] }), image],
    ["a transposed convolution", (x) => convTranspose(x, still(weight("up", 2, 3, 3, 3)), { strides: [2, 2] }), image],
    ["a convolution along one axis", (x) => conv(reshape(x, [1, 4, 15]), still(weight("line", 3, 4, 5))), image],
    ["average pooling", (x) => averagePool(x, { kernel: [2, 2], strides: [2, 2] }), image],
  ];
  it.each(cases)("bounds from above, and not by much: %s", async (_, build, shape) => {
    const value = gramConstant(build, shape);
    // The norm of the map itself by many steps of the power method.
    const least = powerConstant(build, shape).value;
    expect(value).toBeGreaterThanOrEqual(least * (1 - 1e-9));
    expect(value / (await proved(build, shape))).toBeLessThan(1.3);
  });

  it("has the gradient of its own value", () => {
    const K = input("K", kernel.shape, "float64");
    const x = input("x", image, "float64");
    const flow = flowOf(x, conv(x, K, { pads, strides: [2, 2] }));
    const value = constantsOf(flow, gramNorms)(flow.output);
    const [dK] = grad(value, [K]);
    const slope = evaluate({ dK }, { K: kernel }).dK.data;
    for (const i of [0, 17, 40]) {
      const at = (h: number) => {
        const moved = { ...kernel, data: (kernel.data as Float64Array).with(i, Number(kernel.data[i]) + h) };
        return Number(evaluate({ value }, { K: moved }).value.data[0]);
      };
      expect(Number(slope[i])).toBeCloseTo((at(1e-5) - at(-1e-5)) / 2e-5, 6);
    }
  });
});
