/** @file Unit tests of convolution: numbers by hand, adjointness, and every lowering against the reference. The op contract asks the rest. */
import { describe, expect, it } from "vitest";
import { nodeEngine } from "../engine/node.ts";
import { evaluate } from "../engine/reference.ts";
import { vjp } from "../graph/gradient.ts";
import type { Node } from "../graph/graph.ts";
import { constant, input } from "../graph/leaf.ts";
import type { Named } from "../tensor/named.ts";
import { normalTensor, random } from "../tensor/random.ts";
import { cast, type DType, type Tensor, tensor, toFloat64 } from "../tensor/tensor.ts";
import { type ConvOptions, conv, convTranspose } from "./conv.ts";

const engine = nodeEngine();

const values = (y: Node, feeds: Named<Tensor> = {}): number[] => [...toFloat64(evaluate({ y }, feeds).y)];

const known = (numbers: readonly number[], shape: readonly number[]) => constant(tensor(numbers, shape, "float64"));

const line = known([1, 2, 3, 4], [1, 1, 4]);

describe("conv()", () => {
  it("correlates, it does not flip the kernel", () => {
    expect(values(conv(line, known([1, 10], [1, 1, 2])))).toEqual([21, 32, 43]);
  });

  it("takes strides, asymmetric pads and dilations", () => {
    expect(values(conv(line, known([1, 10], [1, 1, 2]), { pads: [1, 0] }))).toEqual([10, 21, 32, 43]);
    expect(values(conv(line, known([1, 10], [1, 1, 2]), { strides: [2] }))).toEqual([21, 43]);
    expect(values(conv(line, known([1, 10], [1, 1, 2]), { dilations: [2] }))).toEqual([31, 42]);
  });

  it("keeps groups apart", () => {
    const x = known([1, 2, 3, 4], [1, 2, 2]);
    expect(values(conv(x, known([1, 100], [2, 1, 1]), { groups: 2 }))).toEqual([1, 2, 300, 400]);
  });

  it("refuses what does not fit", () => {
    const x = input("x", [1, 3, 4, 4]);
    expect(() => conv(x, input("w", [2, 2, 3, 3]))).toThrow("conv: channels must be groups");
    expect(() => conv(x, input("w", [2, 3, 3]))).toThrow("conv: needs [batch, channels, ...space]");
    expect(() => conv(x, input("w", [2, 3, 5, 3]))).toThrow("conv: the kernel must fit");
    expect(() => conv(x, input("w", [2, 3, 3, 3]), { pads: [1, 1] })).toThrow("conv: pads must be 4 whole numbers");
    expect(() => conv(x, input("w", [2, 3, 3, 3]), { groups: 0 })).toThrow("conv: groups must be");
  });
});

describe("convTranspose()", () => {
  it("writes the kernel at every stride", () => {
    const x = known([1, 2], [1, 1, 2]);
    expect(values(convTranspose(x, known([1, 10], [1, 1, 2]), { strides: [2] }))).toEqual([1, 10, 2, 20]);
    expect(values(convTranspose(x, known([1, 10], [1, 1, 2])))).toEqual([1, 12, 20]);
  });

  it("cuts pads off and adds output pads", () => {
    const x = known([1, 2], [1, 1, 2]);
    const w = known([1, 10], [1, 1, 2]);
    expect(values(convTranspose(x, w, { strides: [2], pads: [1, 0], outputPads: [1] }))).toEqual([10, 2, 20, 0]);
    expect(values(convTranspose(x, w, { strides: [1], outputPads: [2] }))).toEqual([1, 12, 20, 0, 0]);
  });

  it("refuses what does not fit", () => {
    const x = input("x", [1, 3, 4]);
    expect(() => convTranspose(x, input("w", [2, 2, 3]))).toThrow("convTranspose: channels must be");
    expect(() => convTranspose(x, input("w", [3, 2, 3]), { pads: [3, 3] })).toThrow("the pads must leave something");
    expect(() => convTranspose(x, input("w", [3, 2, 3]), { outputPads: [-1] })).toThrow("outputPads must be 1 whole");
  });
});

interface Lowering {
  readonly name: string;
  readonly x: readonly number[];
  readonly w: readonly number[];
  readonly options: ConvOptions;
}

const lowerings: readonly Lowering[] = [
  { name: "stride 1", x: [2, 3, 5, 6], w: [4, 3, 3, 2], options: { pads: [1, 0, 1, 1] } },
  { name: "stride 1, pads past the kernel", x: [2, 2, 3], w: [3, 2, 2], options: { pads: [3, 2] } },
  {
    name: "strides that leave a rest",
    x: [2, 3, 6, 6],
    w: [4, 3, 3, 2],
    options: { strides: [2, 3], pads: [1, 0, 0, 1] },
  },
  { name: "dilations", x: [2, 2, 7, 6], w: [3, 2, 2, 3], options: { dilations: [3, 2], pads: [2, 2, 2, 2] } },
  { name: "groups", x: [2, 4, 5, 5], w: [6, 2, 3, 3], options: { groups: 2, strides: [1, 2], pads: [1, 1, 1, 1] } },
  { name: "depthwise", x: [2, 3, 5, 5], w: [6, 1, 3, 3], options: { groups: 3, pads: [1, 1, 1, 1] } },
  { name: "kernel of one tap", x: [2, 3, 4, 4], w: [5, 3, 1, 1], options: {} },
  { name: "kernel of one tap with a stride", x: [2, 3, 5, 5], w: [5, 3, 1, 1], options: { strides: [2, 2] } },
  {
    name: "three axes",
    x: [1, 2, 3, 4, 3],
    w: [2, 2, 2, 3, 2],
    options: { strides: [1, 2, 1], pads: [1, 0, 1, 0, 1, 0] },
  },
  {
    name: "a batch and channels enough for long rows",
    x: [33, 8, 5, 4],
    w: [3, 8, 3, 3],
    options: { pads: [1, 1, 1, 1] },
  },
  { name: "long rows without padding", x: [32, 17, 5], w: [2, 17, 4], options: {} },
];

describe("convolution on the engine", () => {
  const all = lowerings.flatMap((l) => (["float32", "float64"] as const).map((dtype) => ({ ...l, dtype })));
  it.each(all)("$name, $dtype: output and both gradients are the reference's", async ({ x, w, options, dtype }) => {
    const { outputs, feeds } = withGradients(x, w, options, dtype);
    const program = await engine.compile(outputs);
    const got = await program.run(feeds);
    const want = evaluate(outputs, feeds);
    await program.dispose();
    const tolerance = dtype === "float32" ? 2e-5 : 1e-12;
    for (const name of Object.keys(outputs)) {
      const judge = toFloat64(want[name]);
      expect(got[name].data.length).toBe(judge.length);
      const worst = judge.reduce((most, v, i) => Math.max(most, Math.abs(v - Number(got[name].data[i]))), 0);
      expect(worst, name).toBeLessThan(tolerance * Math.max(1, ...judge.map(Math.abs)));
    }
  });

  it.each(lowerings)("$name: the gradients are the adjoints", ({ x, w, options }) => {
    const { outputs, feeds } = withGradients(x, w, options, "float64");
    const { y, dx, dw } = evaluate(outputs, feeds);
    const pairing = dot(toFloat64(y), toFloat64(feeds.dy));
    expect(dot(toFloat64(dx), toFloat64(feeds.x))).toBeCloseTo(pairing, 9);
    expect(dot(toFloat64(dw), toFloat64(feeds.w))).toBeCloseTo(pairing, 9);
  });
});

function withGradients(xShape: readonly number[], wShape: readonly number[], options: ConvOptions, dtype: DType) {
  const r = random(7);
  const x = input("x", xShape, dtype);
  const w = input("w", wShape, dtype);
  const y = conv(x, w, options);
  const dy = input("dy", y.shape, dtype);
  const [dx, dw] = vjp([y], [dy], [x, w]) as Node[];
  const feeds = Object.fromEntries(
    Object.entries({ x, w, dy }).map(([name, node]) => [name, cast(normalTensor(r, node.shape), dtype)]),
  );
  return { outputs: { y, dx, dw }, feeds };
}

const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, v, i) => sum + v * b[i], 0);
