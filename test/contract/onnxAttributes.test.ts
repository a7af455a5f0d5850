/** @file Attributes at and beyond the edges of what they usually are: ONNX Runtime, loading the same bytes, is the judge. What it does not run is not read. */
import { describe, expect, it } from "vitest";
import { nodeEngine } from "../../src/engine/node.ts";
import { evaluate } from "../../src/engine/reference.ts";
import { type Node, topological } from "../../src/graph/graph.ts";
import { input, inputsOf } from "../../src/graph/leaf.ts";
import { parseOnnx } from "../../src/onnx/read.ts";
import type { Named } from "../../src/tensor/named.ts";
import { normalTensor, random } from "../../src/tensor/random.ts";
import { type Tensor, tensor, toFloat64 } from "../../src/tensor/tensor.ts";
import { modelOf, type Value } from "../model.ts";

const engine = nodeEngine({ threads: 1 });
const r = random(12);
const float = (v: number) => ({ float: v });
const ints = (...values: readonly number[]) => tensor(values, [values.length], "int64");
const weights = (...shape: readonly number[]) => normalTensor(r, shape);

interface Case {
  readonly op: string;
  readonly attributes?: Readonly<Record<string, Value | undefined>>;
  readonly x?: readonly number[];
  readonly tensors?: Readonly<Record<string, Tensor>>;
  readonly opset?: number;
  readonly data?: readonly number[];
}

const edges = [-3.4, -1.5, -1, -0.25, 0, 0.25, 1, 2.5, 40];
const each = (op: string, name: string, values: readonly number[], rest: Partial<Case> = {}): Case[] =>
  values.map((v) => ({ op, ...rest, attributes: { ...rest.attributes, [name]: float(v) } }));

const cases: readonly Case[] = [
  ...["Elu", "LeakyRelu", "Celu", "ThresholdedRelu", "Selu", "HardSigmoid"].flatMap((op) => each(op, "alpha", edges)),
  ...each("Selu", "gamma", edges),
  ...each("HardSigmoid", "beta", edges),
  ...each("HardSigmoid", "beta", edges, { attributes: { alpha: float(-1) } }),
  ...each("Clip", "min", edges, { opset: 6 }),
  ...each("Clip", "max", edges, { opset: 6, attributes: { min: float(0.5) } }),
  ...["PRelu"].flatMap((op) => [-2, 0, 0.5, 1, 3].map((v) => ({ op, tensors: { s: tensor([v], [1]) } }))),
  { op: "Clip", tensors: { a: tensor([1], []), b: tensor([-1], []) } },
  { op: "Clip", tensors: { a: tensor([-1], [], "float64") } },
  { op: "Clip", tensors: { a: tensor([-1], [], "int64") } },
  ...each("Gemm", "alpha", edges, { x: [2, 3], tensors: { w: weights(3, 2), b: weights(2) } }),
  ...each("Gemm", "beta", edges, { x: [2, 3], tensors: { w: weights(3, 2), b: weights(2) } }),
  ...[0, 1].flatMap((transA) =>
    [0, 1].map((transB) => ({
      op: "Gemm",
      x: [3, 3],
      tensors: { w: weights(3, 3), b: weights(3, 1) },
      attributes: { transA, transB, alpha: float(-0.5) },
    })),
  ),
  ...[1, 2, 3, 4, 5, 9].map((size) => ({
    op: "LRN",
    x: [1, 6, 2, 2],
    attributes: { size, alpha: float(0.7), beta: float(0.5), bias: float(0.3) },
  })),
  ...[-1, 0, 1, 2].map((v) => ({
    op: "LRN",
    x: [1, 3, 2, 2],
    attributes: { size: 3, beta: float(v), alpha: float(0.1) },
  })),
  ...[-0.5, 0, 30].map((v) => ({
    op: "LRN",
    x: [1, 3, 2, 2],
    attributes: { size: 3, alpha: float(v), bias: float(1) },
  })),
  ...[0, 1e-5, 0.5, -0.25].map((v) => ({
    op: "BatchNormalization",
    x: [2, 2, 3],
    tensors: { s: tensor([1, -2]), b: tensor([0.5, 0]), m: tensor([0.1, 0]), v: tensor([0.5, 2]) },
    attributes: { epsilon: float(v) },
  })),
  ...[1, 2].flatMap((p) =>
    [-1, 0, 1].flatMap((axis) => [
      { op: "LpNormalization", x: [2, 3], attributes: { p, axis } },
      { op: "LpNormalization", x: [2, 3], attributes: { p, axis }, data: [0, 0, 0, 1, -2, 0] },
    ]),
  ),
  { op: "LpNormalization", x: [2, 3], attributes: { p: 3 } },
  ...[0, 1e-3].map((v) => ({
    op: "InstanceNormalization",
    x: [2, 2, 3],
    tensors: { s: tensor([1, -2]), b: tensor([0.5, 0]) },
    attributes: { epsilon: float(v) },
  })),
  ...[-1, 1, 2, -3].map((axis) => ({
    op: "LayerNormalization",
    x: [2, 2, 3],
    tensors: { s: tensor([1, -2, 0.5]) },
    attributes: { axis, epsilon: float(0.01) },
  })),
  ...[-2, -1, 0, 1, 2].flatMap((axis) =>
    ["Softmax", "LogSoftmax"].flatMap((op) =>
      [12, 13].map((opset) => ({ op, opset, x: [2, 3, 2], attributes: { axis } })),
    ),
  ),
  ...[0, 1].flatMap((keepdims) =>
    [
      "ReduceSum",
      "ReduceMean",
      "ReduceMax",
      "ReduceMin",
      "ReduceL1",
      "ReduceL2",
      "ReduceLogSumExp",
      "ReduceSumSquare",
      "ReduceProd",
    ].flatMap((op) => [
      { op, x: [2, 3, 2], attributes: { keepdims }, opset: op === "ReduceSum" ? 13 : 18, tensors: { a: ints(-1, 0) } },
      { op, x: [2, 3, 2], attributes: { keepdims, noop_with_empty_axes: 1 }, opset: op === "ReduceSum" ? 13 : 18 },
      { op, x: [2, 3, 2], attributes: { keepdims }, opset: op === "ReduceSum" ? 13 : 18 },
      {
        op,
        x: [2, 3, 2],
        attributes: { keepdims, noop_with_empty_axes: 1 },
        opset: op === "ReduceSum" ? 13 : 18,
        tensors: { a: ints() },
      },
      { op, x: [2, 3, 2], attributes: { keepdims, axes: [1, -1] }, opset: 11 },
    ]),
  ),
  ...["constant", "edge", "reflect", "wrap"].flatMap((mode) =>
    [
      [0, 2, 0, 1],
      [0, -1, 0, 2],
      [0, 2, 0, -1],
      [0, 5, 0, 6],
      [-1, 0, 1, 0],
      [0, -2, 0, 3],
    ].map((pads) => ({ op: "Pad", opset: 19, x: [2, 4], attributes: { mode }, tensors: { p: ints(...pads) } })),
  ),
  ...["DCR", "CRD"].map((mode) => ({ op: "DepthToSpace", x: [1, 8, 2, 3], attributes: { blocksize: 2, mode } })),
  ...[-3, -1, 0, 1, 9].flatMap((k) =>
    [0, 1].map((upper) => ({
      op: "Trilu",
      x: [3, 4],
      tensors: { k: tensor([k], [], "int64") },
      attributes: { upper },
    })),
  ),
  ...windows(),
];

/** Pools and convolutions with every way to pad, on a line and a picture. */
function windows(): Case[] {
  const all: Case[] = [];
  const line = [1, 2, 8];
  for (const opset of [10, 17, 19, 22, 26]) {
    for (const auto_pad of ["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"]) {
      for (const [kernel, stride, dilation] of [
        [3, 1, 1],
        [3, 2, 1],
        [2, 3, 1],
        [3, 1, 2],
        [2, 2, 3],
        [4, 3, 2],
        [5, 1, 2],
      ]) {
        for (const ceil_mode of [0, 1]) {
          for (const pads of auto_pad === "NOTSET"
            ? [
                [0, 0],
                [1, 0],
                [0, 1],
                [1, 1],
              ]
            : [null]) {
            const attributes = {
              kernel_shape: [kernel],
              strides: [stride],
              auto_pad,
              ceil_mode,
              ...(pads ? { pads } : {}),
              ...(dilation === 1 ? {} : { dilations: [dilation] }),
            };
            all.push({ op: "MaxPool", opset, x: line, attributes });
            if (dilation === 1 || opset >= 19) {
              for (const count_include_pad of [0, 1]) {
                all.push({ op: "AveragePool", opset, x: line, attributes: { ...attributes, count_include_pad } });
              }
            }
          }
        }
        if (opset !== 17) continue;
        for (const pads of auto_pad === "NOTSET"
          ? [
              [0, 0],
              [1, 0],
              [2, 1],
            ]
          : [null]) {
          const attributes = { strides: [stride], dilations: [dilation], auto_pad, ...(pads ? { pads } : {}) };
          all.push({ op: "Conv", x: line, attributes, tensors: { w: weights(3, 2, kernel) } });
          for (const padding of [0, 1]) {
            const outer = { ...attributes, output_padding: [padding] };
            all.push({ op: "ConvTranspose", x: line, attributes: outer, tensors: { w: weights(2, 3, kernel) } });
            if (pads !== null) continue;
          }
          for (const size of [8 * stride, 8 * stride + 1, 8 * stride - 1, 20]) {
            all.push({
              op: "ConvTranspose",
              x: line,
              attributes: { ...attributes, output_shape: [size] },
              tensors: { w: weights(2, 3, kernel) },
            });
          }
        }
      }
    }
  }
  return all;
}

/** What ONNX Runtime runs and is refused here, with the reason. */
const refused = /an alpha of 0 is divided by|a pad by wrap of more than/;

describe("attributes", () => {
  it.each(cases.map((c) => [titleOf(c), c] as const))("%s", async (_, c) => {
    const shape = c.x ?? [1, 8];
    const attributes = Object.fromEntries(Object.entries(c.attributes ?? {}).filter(([, v]) => v !== undefined));
    const bytes = modelOf({
      opset: c.opset ?? 17,
      inputs: { x: shape },
      nodes: [{ op: c.op, in: ["x", ...Object.keys(c.tensors ?? {})], attributes: attributes as Named<Value> }],
      tensors: c.tensors ?? {},
    });
    const x = c.data ? tensor(c.data, shape) : normalTensor(r, shape, 2);
    let want: Float64Array | null = null;
    try {
      const program = await engine.load(bytes);
      want = toFloat64((await program.run({ x })).y);
      await program.dispose();
    } catch (cause) {
      expect(cause).toBeInstanceOf(Error);
    }
    if (!want) {
      // What it does not run has no meaning that could be bounded; a constant that it cannot compute is one of ours.
      if (!(c.op === "Clip" && c.opset === 6)) expect(() => parseOnnx(bytes)).toThrow();
      return;
    }
    // A window that does not fit makes nothing.
    if (want.length === 0) return;
    let nodes: readonly Node[];
    try {
      nodes = parseOnnx(bytes).build([input("x", shape)]);
    } catch (cause) {
      expect(String(cause)).toMatch(refused);
      return;
    }
    const [y] = nodes;
    const got = toFloat64(evaluate({ y }, inputsOf(topological([y])).has("x") ? { x } : {}).y);
    expect(got.length).toBe(want.length);
    got.forEach((v, i) => {
      const w = (want as Float64Array)[i];
      if (Number.isFinite(w) || Number.isFinite(v)) expect(Math.abs(v - w)).toBeLessThan(1e-5 * (1 + Math.abs(w)));
    });
  });
});

function titleOf(c: Case): string {
  const tensors = Object.values(c.tensors ?? {}).map((t) => (t.data.length > 8 ? `[${t.shape}]` : t.data.join()));
  return `${c.op} ${JSON.stringify(c.attributes ?? {})} ${tensors} opset ${c.opset ?? 17}${c.data ? ` of ${c.data}` : ""}`;
}
