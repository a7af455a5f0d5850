/** @file What is one sample's own business in a batch, and what is not: by the graph, by runs, and through certify and attack. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ModelOf, modelOf } from "../../test/model.ts";
import { hasShared, sharedData } from "../../test/shared.ts";
import { attack } from "../attack/attack.ts";
import { certify } from "../certify/evaluate.ts";
import type { Dataset } from "../data/dataset.ts";
import { nodeEngine } from "../engine/node.ts";
import { evaluate } from "../engine/reference.ts";
import { input } from "../graph/leaf.ts";
import { parseOnnx } from "../onnx/read.ts";
import { BatchError } from "../tensor/errors.ts";
import { normalTensor, random } from "../tensor/random.ts";
import { tensor, toFloat64 } from "../tensor/tensor.ts";
import { checkBatches } from "./batchRuns.ts";
import { lipschitz } from "./index.ts";
import { subjectOf } from "./subject.ts";

const engine = nodeEngine({ threads: 1 });
const r = random(3);
const ints = (...values: readonly number[]) => tensor(values, [values.length], "int64");
const weights = (...shape: readonly number[]) => normalTensor(r, shape);

/** Nodes between x ["n", 4] and y ["n", ..]. */
const model = (nodes: ModelOf["nodes"], tensors: ModelOf["tensors"] = {}): ModelOf => ({
  inputs: { x: ["n", 4] },
  nodes,
  tensors: { w: weights(4, 4), ...tensors },
});

const last = { op: "MatMul", in: ["h", "w"] } as const;
const sizeOfBatch: ModelOf["nodes"] = [
  { op: "Shape", in: ["x"], out: ["s"] },
  { op: "Gather", in: ["s", "zero"], out: ["g"] },
  { op: "Cast", in: ["g"], out: ["c"], attributes: { to: 1 } },
];
const zero = { zero: ints(0) };

/** What crosses, and the node that it crosses at. */
const crossing: Readonly<Record<string, readonly [ModelOf, string]>> = {
  "a mean over the batch": [
    model([
      { op: "ReduceMean", name: "mean", in: ["x"], out: ["m"], attributes: { axes: [0], keepdims: 1 } },
      { op: "Sub", in: ["x", "m"], out: ["h"] },
      last,
    ]),
    "mean",
  ],
  "a mean over the batch as the output": [
    model([
      { op: "MatMul", in: ["x", "w"], out: ["h"] },
      { op: "ReduceMean", name: "mean", in: ["h"], attributes: { axes: [0], keepdims: 1 } },
    ]),
    "mean",
  ],
  "a softmax over the batch": [
    model([{ op: "Softmax", name: "soft", in: ["x"], out: ["h"], attributes: { axis: 0 } }, last]),
    "soft",
  ],
  "a maximum over the batch": [
    model([
      { op: "ReduceMax", name: "most", in: ["x"], out: ["m"], attributes: { axes: [0], keepdims: 1 } },
      { op: "Add", in: ["x", "m"], out: ["h"] },
      last,
    ]),
    "most",
  ],
  "attention between samples": [
    model([
      { op: "Transpose", in: ["x"], out: ["t"] },
      { op: "MatMul", name: "scores", in: ["x", "t"], out: ["q"] },
      { op: "Softmax", in: ["q"], out: ["p"], attributes: { axis: -1 } },
      { op: "MatMul", in: ["p", "x"], out: ["h"] },
      last,
    ]),
    "scores",
  ],
  "a product with the size of the batch": [
    model(
      [...sizeOfBatch, { op: "MatMul", in: ["x", "w"], out: ["h"] }, { op: "Mul", name: "times", in: ["h", "c"] }],
      zero,
    ),
    "times",
  ],
  "a threshold that is the size of the batch": [
    model([...sizeOfBatch, { op: "Min", name: "least", in: ["x", "c"], out: ["h"] }, last], zero),
    "least",
  ],
  "another way for more than one": [
    model(
      [
        ...sizeOfBatch,
        { op: "Greater", in: ["c", "one"], out: ["many"] },
        { op: "MatMul", in: ["x", "w"], out: ["h"] },
        { op: "Mul", in: ["h", "fifty"], out: ["far"] },
        { op: "Where", name: "choice", in: ["many", "far", "h"] },
      ],
      { ...zero, one: tensor([1], [1]), fifty: tensor([50], [1]) },
    ),
    "choice",
  ],
  "a factor for more than one": [
    model(
      [
        ...sizeOfBatch,
        { op: "Equal", in: ["c", "one"], out: ["alone"] },
        { op: "Where", in: ["alone", "one", "fifty"], out: ["factor"] },
        { op: "Mul", name: "times", in: ["x", "factor"] },
      ],
      { ...zero, one: tensor([1], [1]), fifty: tensor([50], [1]) },
    ),
    "times",
  ],
  "another factor from four on": [
    model(
      [
        ...sizeOfBatch,
        { op: "Max", in: ["c", "three"], out: ["factor"] },
        { op: "MatMul", in: ["x", "w"], out: ["h"] },
        { op: "Mul", name: "times", in: ["h", "factor"] },
      ],
      { ...zero, three: tensor([3], [1]) },
    ),
    "times",
  ],
  "the first sample for all": [
    model(
      [
        { op: "Gather", in: ["x", "zero"], out: ["f"], attributes: { axis: 0 } },
        { op: "Add", name: "both", in: ["x", "f"], out: ["h"] },
        last,
      ],
      zero,
    ),
    "both",
  ],
  "a convolution along the batch": [
    model(
      [
        { op: "Transpose", in: ["x"], out: ["t"] },
        { op: "Unsqueeze", in: ["t", "zero"], out: ["u"] },
        { op: "Conv", name: "along", in: ["u", "k"], out: ["v"], attributes: { pads: [1, 1] } },
        { op: "Squeeze", in: ["v", "zero"], out: ["z"] },
        { op: "Transpose", in: ["z"], out: ["h"] },
        last,
      ],
      { ...zero, k: weights(4, 4, 3) },
    ),
    "along",
  ],
  "the other order": [
    model(
      [
        { op: "Slice", in: ["x", "from", "to", "zero", "step"], out: ["h"] },
        { op: "MatMul", name: "dense", in: ["h", "w"] },
      ],
      { ...zero, from: ints(-1), to: ints(-1000), step: ints(-1) },
    ),
    "dense",
  ],
};

/** What looks as if it did, and does not. */
const apart: Readonly<Record<string, ModelOf>> = {
  "the batch joined with another axis and taken apart again": model(
    [
      { op: "Reshape", in: ["x", "parts"], out: ["p"] },
      { op: "MatMul", in: ["p", "u"], out: ["q"] },
      { op: "Reshape", in: ["q", "rows"], out: ["h"] },
      last,
    ],
    { parts: ints(-1, 2), rows: ints(-1, 4), u: weights(2, 2) },
  ),
  "attention within a sample": model(
    [
      { op: "Reshape", in: ["x", "parts"], out: ["p"] },
      { op: "Transpose", in: ["p"], out: ["t"], attributes: { perm: [0, 2, 1] } },
      { op: "MatMul", in: ["p", "t"], out: ["q"] },
      { op: "Softmax", in: ["q"], out: ["s"], attributes: { axis: -1 } },
      { op: "MatMul", in: ["s", "p"], out: ["o"] },
      { op: "Flatten", in: ["o"], out: ["h"] },
      last,
    ],
    { parts: ints(0, 2, 2) },
  ),
  "a weight repeated for every sample": model(
    [
      { op: "Shape", in: ["x"], out: ["s"] },
      { op: "Expand", in: ["token", "s"], out: ["e"] },
      { op: "Concat", in: ["x", "e"], out: ["j"], attributes: { axis: 1 } },
      { op: "MatMul", in: ["j", "v"] },
    ],
    { token: weights(1, 4), v: weights(8, 3) },
  ),
  "the batch in the middle": model([
    { op: "Transpose", in: ["x"], out: ["t"] },
    { op: "Softmax", in: ["t"], out: ["p"], attributes: { axis: 0 } },
    { op: "Transpose", in: ["p"], out: ["h"] },
    last,
  ]),
  "batch-norm at inference, and pools": model(
    [
      { op: "Reshape", in: ["x", "to"], out: ["i"] },
      { op: "BatchNormalization", in: ["i", "g", "b", "m", "v"], out: ["n"] },
      { op: "MaxPool", in: ["n"], out: ["o"], attributes: { kernel_shape: [2], strides: [1] } },
      { op: "Flatten", in: ["o"] },
    ],
    { to: ints(0, 1, 4), g: weights(1), b: weights(1), m: weights(1), v: tensor([2], [1]) },
  ),
  "the size of the batch where it only says a shape": model(
    [
      { op: "Shape", in: ["x"], out: ["s"] },
      { op: "Gather", in: ["s", "zero"], out: ["g"] },
      { op: "Concat", in: ["g", "rest"], out: ["to"], attributes: { axis: 0 } },
      { op: "Reshape", in: ["x", "to"], out: ["h"] },
      last,
    ],
    { ...zero, rest: ints(4) },
  ),
};

const dataset = (width: number, classes: number): Dataset => ({
  name: "points",
  task: "classification",
  x: Float32Array.from({ length: 6 * width }, () => r.normal()),
  shape: [width],
  count: 6,
  labels: new Int32Array(6),
  targets: new Float32Array(0),
  classes,
});

describe("subjectOf()", () => {
  it.each(Object.entries(crossing))("finds %s", (_, [m, node]) => {
    const subject = subjectOf(parseOnnx(modelOf(m)));
    expect(subject.crossing?.node).toBe(node);
    expect(subject.batch).toBe("fixed");
  });

  it.each(Object.entries(apart))("lets pass %s, and rightly so", (_, m) => {
    const subject = subjectOf(parseOnnx(modelOf(m)));
    expect(subject.crossing).toBeNull();
    expect(subject.batch).toBe("free");
    const points = normalTensor(random(5), [3, 4], 2);
    const rows = (count: number, part: Float64Array) => {
      const { x, y } = subject.at(count, "float64");
      return toFloat64(evaluate({ y }, { x: tensor(part, x.shape, "float64") }).y);
    };
    const all = rows(3, toFloat64(points));
    for (let i = 0; i < 3; i++) {
      const own = rows(1, toFloat64(points).subarray(4 * i, 4 * i + 4));
      own.forEach((v, k) => {
        expect(all[i * own.length + k]).toBeCloseTo(v, 12);
      });
    }
  });

  it("agrees with runs on any graph of movements, sums and products over axes", () => {
    const step = fc.constantFrom<readonly [string, object]>(
      ["Transpose", { perm: [1, 0, 2] }],
      ["Transpose", { perm: [0, 2, 1] }],
      ["Softmax", { axis: 0 }],
      ["Softmax", { axis: 1 }],
      ["Softmax", { axis: 2 }],
      ["Relu", {}],
      ["Tanh", {}],
      ["CumulativeMean", { axes: [0] }],
      ["CumulativeMean", { axes: [1] }],
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 6 }), (steps) => {
        const nodes = steps.flatMap(([op, attributes], i): ModelOf["nodes"] => {
          const [from, to] = [i === 0 ? "x" : `h${i}`, i === steps.length - 1 ? "y" : `h${i + 1}`];
          if (op !== "CumulativeMean") return [{ op, in: [from], out: [to], attributes: { ...attributes } }];
          const axes = (attributes as { readonly axes: readonly number[] }).axes;
          return [
            { op: "ReduceMean", in: [from], out: [`m${i}`], attributes: { axes, keepdims: 1 } },
            { op: "Sub", in: [from, `m${i}`], out: [to] },
          ];
        });
        const network = parseOnnx(modelOf({ inputs: { x: ["n", 3, 3] }, nodes }));
        const run = (count: number, x: Float64Array) => {
          const node = input("x", [count, 3, 3], "float64");
          return evaluate({ y: network.build([node])[0] }, { x: tensor(x, node.shape, "float64") }).y;
        };
        const x = Float64Array.from({ length: 18 }, () => r.normal());
        const two = run(2, x);
        const alone = run(1, x.subarray(0, 9));
        const same =
          two.shape[0] === 2 &&
          Array.from(alone.data as Float64Array).every((v, k) => Math.abs(v - Number(two.data[k])) < 1e-9);
        const { crossing: found, batch } = subjectOf(network);
        expect(batch === "free").toBe(same);
        if (two.shape[0] === 2) expect(found === null).toBe(same);
      }),
      { numRuns: 200, seed: 1 },
    );
  });
});

describe("certify() and attack()", () => {
  it.each(Object.entries(crossing))("refuse %s", async (_, [m, node]) => {
    const network = parseOnnx(modelOf(m), { name: "crossing.onnx" });
    const data = dataset(4, 2);
    const rule = new RegExp(`^crossing.onnx: .*must not depend on the batch around it: node ${node}: `);
    await expect(certify(network, { engine, data })).rejects.toThrow(rule);
    await expect(attack(network, { engine, data, norm: 2, radii: [0.1] })).rejects.toThrow(BatchError);
  });

  it("refuse samples that meet in a fixed batch", async () => {
    const fixed = { ...crossing["a mean over the batch"][0], inputs: { x: [3, 4] } };
    const network = parseOnnx(modelOf(fixed));
    await expect(certify(network, { engine, data: dataset(4, 2) })).rejects.toThrow(/node mean: samples of one batch/);
    const alone = { ...apart["the batch in the middle"], inputs: { x: [3, 4] } };
    const { samples } = await certify(parseOnnx(modelOf(alone)), { engine, data: dataset(4, 2) });
    expect(samples).toHaveLength(6);
  });
});

describe("lipschitz()", () => {
  it("says that it speaks of a batch of one, and brackets that", async () => {
    const [m, node] = crossing["a product with the size of the batch"];
    const w = tensor([3, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1], [4, 4]);
    const network = parseOnnx(modelOf({ ...m, tensors: { ...m.tensors, w } }));
    const { lower, upper, crossing: found } = await lipschitz(network, { engine, methods: ["autolip", "pairs"] });
    expect(found).toMatchObject({ node });
    expect(lower?.value).toBeGreaterThan(2.9);
    expect(upper?.value).toBeLessThan(3.01);
    const free = await lipschitz(parseOnnx(modelOf(apart["the batch in the middle"])), {
      engine,
      methods: ["autolip"],
    });
    expect(free.crossing).toBeUndefined();
  });
});

describe("checkBatches()", () => {
  const data = dataset(4, 4);

  it("is silent where samples are apart, and where there is one", async () => {
    for (const m of Object.values(apart)) {
      await checkBatches(subjectOf(parseOnnx(modelOf(m))), engine, data.x, () => 1e-9);
    }
    await checkBatches(
      subjectOf(parseOnnx(modelOf(apart["the batch in the middle"]))),
      engine,
      data.x.subarray(0, 4),
      () => 0,
    );
  });

  it("sees in runs what a rule on the graph would have missed", async () => {
    for (const name of ["a mean over the batch", "a product with the size of the batch", "attention between samples"]) {
      const subject = { ...subjectOf(parseOnnx(modelOf(crossing[name][0]))), batch: "free" as const };
      await expect(checkBatches(subject, engine, data.x, () => 1e-9)).rejects.toThrow(
        /alone and .* in a batch of [26]/,
      );
    }
  });
});

describe.skipIf(!hasShared("reports/soundness"))("logits times the size of the batch", () => {
  it("are refused", async () => {
    const path = `${sharedData}reports/soundness/G_batch_scale.onnx`;
    const network = parseOnnx(readFileSync(path), { name: "G" });
    await expect(certify(network, { engine, data: dataset(2, 2) })).rejects.toThrow(
      /node Mul that makes y: it reads 2/,
    );
  });
});
