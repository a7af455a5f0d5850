/** @file Tests of inputs.ts: fixed, shaped and joined networks compute what the whole one does. */
import { describe, expect, it } from "vitest";
import { evaluate } from "../engine/reference.ts";
import { input } from "../graph/leaf.ts";
import type { Network } from "../graph/network.ts";
import { shapedPorts } from "../onnx/shapes.ts";
import { add, mul } from "../ops/arith.ts";
import { sum } from "../ops/broadcast.ts";
import type { Shape } from "../tensor/shape.ts";
import { tensor } from "../tensor/tensor.ts";
import { asOneInput, withFixed } from "./inputs.ts";

/** y = 2 a + sum of b over its last axis, of a [batch, 2] and b [batch, 2, length]. */
const two: Network = {
  name: "two",
  inputs: [
    { name: "a", shape: ["batch", 2], dtype: "float32" },
    { name: "b", shape: ["batch", 2, "length"], dtype: "float32" },
  ],
  outputs: ["y"],
  metadata: {},
  build: ([a, b]) => [add(mul(a, 2), sum(b, [2]))],
};

function run(network: Network, feeds: Readonly<Record<string, { shape: number[]; values: number[] }>>): number[] {
  const nodes = network.inputs.map(({ name }) => input(name, feeds[name].shape, "float64"));
  const [y] = network.build(nodes);
  const values = Object.fromEntries(
    Object.entries(feeds).map(([name, f]) => [name, tensor(Float64Array.from(f.values), f.shape, "float64")]),
  );
  return Array.from(evaluate({ y }, values).y.data as Float64Array);
}
const withShapes = (network: Network, shapes: Readonly<Record<string, Shape>>): Network => ({
  ...network,
  inputs: shapedPorts(network.name, network.inputs, shapes),
});
const a = { shape: [2, 2], values: [1, 2, 3, 4] };
const b = { shape: [2, 2, 3], values: [1, 0, 0, 2, 0, 0, 3, 0, 0, 4, 0, 1] };
const whole = run(two, { a, b });
const shaped = withShapes(two, { b: [1, 2, 3] });

describe("shapedPorts()", () => {
  it("says free sizes and leaves the batch free", () => {
    expect(shaped.inputs.map((port) => port.shape)).toEqual([
      ["batch", 2],
      ["batch", 2, 3],
    ]);
    expect(withShapes(two, { b: [4, 2, 3] }).inputs[1].shape).toEqual([4, 2, 3]);
    expect(run(shaped, { a, b })).toEqual(whole);
  });

  it("refuses other sizes and other names", () => {
    expect(() => withShapes(two, { b: [1, 3, 3] })).toThrow(
      'two: the shape of "b" must be [batch,2,length] with numbers for what is free, got [1,3,3]',
    );
    expect(() => withShapes(two, { b: [1, 2, 0] })).toThrow("with numbers for what is free");
    expect(() => withShapes(two, { c: [1] })).toThrow('two: its inputs are a, b, got "c"');
  });
});

describe("withFixed()", () => {
  it("fixes an input to a number or to values, for every sample of a batch", () => {
    const fixed = withFixed(shaped, { a: tensor(Float64Array.of(1, 2), [2], "float64") });
    expect(fixed.inputs.map(({ name }) => name)).toEqual(["b"]);
    expect(run(fixed, { b })).toEqual(run(two, { a: { shape: [2, 2], values: [1, 2, 1, 2] }, b }));
    const one = withFixed(shaped, { b: 0.5 });
    expect(run(one, { a })).toEqual(a.values.map((v) => 2 * v + 1.5));
  });

  it("refuses what does not fit, or leaves nothing, or has a free size", () => {
    expect(() => withFixed(two, { b: 1 })).toThrow(
      'two: the size "length" of the input "b" is free: say it (--shape b=1,2,N)',
    );
    expect(() => withFixed(shaped, { a: tensor(Float32Array.of(1), [1]) })).toThrow(
      'the value of "a" must be [batch,2]',
    );
    expect(() => withFixed(shaped, { a: 1, b: 1 })).toThrow("at least one input must vary, got all fixed");
  });
});

describe("asOneInput()", () => {
  it("takes all inputs as one vector, in their order", () => {
    const joined = asOneInput(shaped);
    expect(joined.inputs).toEqual([{ name: "inputs", dtype: "float32", shape: ["batch", 8] }]);
    const rows = [0, 1].flatMap((k) => [...a.values.slice(2 * k, 2 * k + 2), ...b.values.slice(6 * k, 6 * k + 6)]);
    expect(run(joined, { inputs: { shape: [2, 8], values: rows } })).toEqual(whole);
    const one = withFixed(shaped, { b: 0 });
    expect(asOneInput(one)).toBe(one);
    const still = asOneInput(withShapes(two, { a: [2, 2], b: [2, 2, 3] }));
    expect(still.inputs[0].shape).toEqual([16]);
    expect(run(still, { inputs: { shape: [16], values: [...a.values, ...b.values] } })).toEqual(whole);
  });

  it("says which size is free, and which input cannot vary", () => {
    expect(() => asOneInput(two)).toThrow('the size "length" of the input "b" is free: say it (--shape b=1,2,N)');
    const counted: Network = { ...shaped, inputs: [shaped.inputs[0], { ...shaped.inputs[1], dtype: "int64" }] };
    expect(() => asOneInput(counted)).toThrow(
      'the input "b" is int64 and cannot vary; fix it (--fix b=FILE or a number)',
    );
    expect(() => asOneInput(withShapes(shaped, { a: [3, 2] }))).toThrow("all inputs must have a free batch or none");
  });
});
