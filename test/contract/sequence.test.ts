/** @file Operators of sequences and remainders: what is refused, and where they have a constant. That they compute what ONNX Runtime does, random models say (test/soak/operators/sequence.ts). */
import { describe, expect, it } from "vitest";
import type { Domain } from "../../src/bounds/domain.ts";
import { lipschitz } from "../../src/bounds/index.ts";
import { nodeEngine } from "../../src/engine/node.ts";
import { evaluate } from "../../src/engine/reference.ts";
import { input } from "../../src/graph/leaf.ts";
import { parseOnnx } from "../../src/onnx/read.ts";
import { random } from "../../src/tensor/random.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { type ModelOf, modelOf, type NodeOf } from "../model.ts";

const engine = nodeEngine({ threads: 1 });
const read = (m: ModelOf) => parseOnnx(modelOf(m));

/** Infinity where nothing is proved, 0 where nothing is witnessed. */
async function bracket(m: ModelOf, domain?: Domain) {
  const { lower, upper } = await lipschitz(read(m), {
    engine,
    norm: "2",
    methods: ["autolip", "jacobian"],
    seconds: 1,
    ...(domain && { domain }),
  });
  return { lower: lower?.value ?? 0, upper: upper?.value ?? Number.POSITIVE_INFINITY };
}

function weights(...shape: readonly number[]) {
  const r = random(shape.reduce((n, d) => 7 * n + d, 1));
  const size = shape.reduce((n, d) => n * d, 1);
  return tensor(
    Array.from({ length: size }, () => 0.4 * r.normal()),
    shape,
  );
}

/** [4 steps, 1, 2 numbers] -> the last state of 3 numbers. */
const layer = (
  op: "RNN" | "GRU" | "LSTM",
  more: Partial<NodeOf> = {},
  shape: readonly (number | string)[] = [4, 1, 2],
) => {
  const gates = { RNN: 1, GRU: 3, LSTM: 4 }[op];
  return {
    inputs: { x: shape },
    nodes: [
      { op, in: ["x", "W", "R", "B"], out: ["", "y"], ...more, attributes: { hidden_size: 3, ...more.attributes } },
    ],
    tensors: { W: weights(1, 3 * gates, 2), R: weights(1, 3 * gates, 3), B: weights(1, 6 * gates) },
  } satisfies ModelOf;
};

describe("recurrent layers", () => {
  it.each(["RNN", "GRU", "LSTM"] as const)("%s has a bracket on a box", async (op) => {
    const box = { kind: "box", low: new Array<number>(8).fill(-0.2), high: new Array<number>(8).fill(0.2) } as const;
    const { lower, upper } = await bracket(layer(op), box);
    expect(lower).toBeGreaterThan(0.01);
    expect(upper).toBeGreaterThanOrEqual(lower);
    expect(upper).toBeLessThan(20 * lower);
  });

  it("RNN and LSTM have a constant everywhere: gates are bounded, whatever goes in", async () => {
    expect((await bracket(layer("RNN"))).upper).toBeLessThan(10);
    expect((await bracket(layer("LSTM"))).upper).toBeLessThan(100);
  });

  it.each<readonly [string, Partial<NodeOf>, RegExp]>([
    ["the other layout", { attributes: { layout: 1 } }, /layout 1 is not read: ONNX Runtime does not run it/],
    [
      "an activation that is none",
      { attributes: { activations: { strings: ["Sine", "Tanh", "Tanh"] } } },
      /activation "Sine" is not read/,
    ],
    ["too few activations", { attributes: { activations: { strings: ["Tanh"] } } }, /needs 3 activations, got 1/],
    [
      "another direction",
      { attributes: { direction: "sideways" } },
      /direction must be forward, reverse, bidirectional/,
    ],
  ])("refuses %s", (_, more, words) => {
    expect(() => read(layer("LSTM", more))).toThrow(words);
  });

  it("holds sequences of different lengths apart", () => {
    const m = layer("RNN", { in: ["x", "W", "R", "B", "lengths"] }, [4, 2, 2]);
    const network = read({ ...m, tensors: { ...m.tensors, lengths: tensor([2, 4], [2], "int32") } });
    const x = input("x", [4, 2, 2]);
    const [y] = network.build([x]);
    const at = (last: number) => {
      const values = Float64Array.from({ length: 16 }, (_, i) => (i >= 8 && i % 4 < 2 ? last : Math.sin(i)));
      return [...evaluate({ y }, { x: tensor(values, [4, 2, 2]) }).y.data];
    };
    expect(at(5)).toEqual(at(-5));
    expect(at(5).slice(0, 3)).not.toEqual(at(5).slice(3));
  });
});

describe("Mod", () => {
  const mod = (divisor: number): ModelOf => ({
    inputs: { x: [1, 2] },
    nodes: [{ op: "Mod", in: ["x", "d"], attributes: { fmod: 1 } }],
    tensors: { d: tensor([divisor], [1]) },
  });
  const within = (low: number, high: number) => ({ kind: "box", low: [low, low], high: [high, high] }) as const;
  const upper = async (divisor: number, low: number, high: number) =>
    (await bracket(mod(divisor), within(low, high))).upper;

  it("has slope 1 between two multiples, and no constant across one but 0", async () => {
    expect(await upper(-2, 2.5, 3.5)).toBeCloseTo(1, 9);
    expect(await upper(2, -1.5, 1.5)).toBeCloseTo(1, 9);
    expect(await upper(2, 1.5, 2.5)).toBe(Number.POSITIVE_INFINITY);
    expect(await upper(2, -2.5, 0)).toBe(Number.POSITIVE_INFINITY);
    expect(await upper(2, 2.5, 4)).toBe(Number.POSITIVE_INFINITY);
  });

  it("of whole numbers takes the sign of the divisor, all digits kept", () => {
    const big = 2n ** 60n + 1n;
    const network = read({
      inputs: { x: [2] },
      nodes: [
        { op: "Mod", in: ["a", "b"], out: ["m"] },
        { op: "Cast", in: ["m"], out: ["f"], attributes: { to: 1 } },
        { op: "Add", in: ["x", "f"] },
      ],
      tensors: {
        a: tensor(BigInt64Array.of(-7n, big), [2], "int64"),
        b: tensor(BigInt64Array.of(3n, 2n), [2], "int64"),
      },
    });
    const x = input("x", [2]);
    const [y] = network.build([x]);
    expect([...evaluate({ y }, { x: tensor([0, 0], [2]) }).y.data]).toEqual([2, 1]);
  });

  it("of floating-point numbers is read by truncation only", () => {
    const { nodes, ...rest } = mod(2);
    expect(() => read({ ...rest, nodes: nodes.map(({ attributes: _, ...n }) => n) })).toThrow(/only fmod 1 is read/);
  });
});

describe("attention", () => {
  const attention: ModelOf = {
    opset: 23,
    inputs: { x: [1, 3, 4] },
    nodes: [{ op: "Attention", in: ["x", "x", "x"], attributes: { q_num_heads: 2, kv_num_heads: 2, is_causal: 1 } }],
  };

  it("has a constant in a ball and none everywhere", async () => {
    const center = Array.from({ length: 12 }, (_, i) => Math.sin(i));
    const ball = { kind: "ball", center, radius: 0.01, norm: 2 } as const;
    const { lower, upper } = await bracket(attention, ball);
    expect(upper).toBeLessThan(6 * lower);
    expect((await bracket(attention)).upper).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("TopK", () => {
  const sort = (attributes: NodeOf["attributes"] = {}, k = 5): ModelOf => ({
    inputs: { x: ["batch", 5] },
    nodes: [{ op: "TopK", in: ["x", "k"], out: ["y", ""], attributes }],
    tensors: { k: tensor(BigInt64Array.of(BigInt(k)), [1], "int64") },
  });
  const values = [3, -1, 2, 2, 7, 0, 5, 4, -2, 1];
  const run = (m: ModelOf) => {
    const x = input("x", [2, 5]);
    return [...evaluate({ y: read(m).build([x])[0] }, { x: tensor(values, [2, 5]) }).y.data];
  };

  it("sorts, and lengthens nothing", async () => {
    expect(run(sort())).toEqual([7, 3, 2, 2, -1, 5, 4, 1, 0, -2]);
    expect(run(sort({ largest: 0 }, 2))).toEqual([-1, 2, -2, 0]);
    expect((await bracket(sort())).upper).toBeLessThan(1.01);
  });

  it("does not say where numbers stood", () => {
    expect(() => read({ ...sort(), nodes: [{ op: "TopK", in: ["x", "k"], out: ["v", "y"] }] })).toThrow(
      /output 1 is not given/,
    );
  });
});

describe("infinite constants", () => {
  const only = tensor([Number.NEGATIVE_INFINITY], [1]);

  it("mask in front of a softmax, and are no limit in a maximum", async () => {
    const mask: ModelOf = {
      inputs: { x: [1, 3] },
      nodes: [
        { op: "Where", in: ["c", "x", "none"], out: ["left"] },
        { op: "Softmax", in: ["left"], attributes: { axis: 1 } },
      ],
      tensors: { c: tensor([1, 0, 1], [3], "bool"), none: only },
    };
    const x = input("x", [1, 3]);
    expect([...evaluate({ y: read(mask).build([x])[0] }, { x: tensor([2, 90, 2], [1, 3]) }).y.data]).toEqual([
      0.5, 0, 0.5,
    ]);
    expect((await bracket(mask)).upper).toBeCloseTo(0.5, 6);
    const most: ModelOf = { inputs: { x: [1, 3] }, nodes: [{ op: "Max", in: ["x", "none"] }], tensors: { none: only } };
    expect((await bracket(most)).upper).toBeCloseTo(1, 6);
  });

  it("are refused where they are calculated with", () => {
    const sum: ModelOf = { inputs: { x: [1, 3] }, nodes: [{ op: "Add", in: ["x", "none"] }], tensors: { none: only } };
    expect(() => read(sum)).toThrow(/must be finite, got -Infinity/);
  });
});
