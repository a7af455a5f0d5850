/** @file Tests of project.ts and of onnx/scaling.ts: what is proved after it, and that decisions stay. */
import { describe, expect, it } from "vitest";
import { modelOf } from "../../test/model.ts";
import { retrofitModel } from "../../test/retrofitModel.ts";
import { provedUpper } from "../bounds/bound.ts";
import { lipschitz } from "../bounds/index.ts";
import { nodeEngine } from "../engine/node.ts";
import { evaluate } from "../engine/reference.ts";
import { input } from "../graph/leaf.ts";
import type { Network } from "../graph/network.ts";
import { decisionNetwork } from "../models/decision.ts";
import { withPreprocessing } from "../models/preprocess.ts";
import { parseOnnx, readingOf } from "../onnx/read.ts";
import { scalingOf } from "../onnx/scaling.ts";
import { tensor, toFloat64 } from "../tensor/tensor.ts";
import { projected } from "./project.ts";
import { originKey } from "./retrofit.ts";

const engine = nodeEngine();
const asked = { engine, sha256: "cd".repeat(32), methods: ["autolip", "lipsdp"] };

/** leaky ReLU between two layers, with biases. */
const chain = modelOf({
  inputs: { x: ["N", 2] },
  tensors: {
    A: tensor([3, 1, -1, 2], [2, 2]),
    a: tensor([1, -2]),
    B: tensor([2, 0.5, -1, 1], [2, 2]),
    b: tensor([0.5, 0.25]),
  },
  nodes: [
    { op: "Gemm", in: ["x", "A", "a"], out: ["h"] },
    { op: "LeakyRelu", in: ["h"], out: ["i"], attributes: { alpha: { float: 0.1 } } },
    { op: "MatMul", in: ["i", "B"], out: ["j"] },
    { op: "Add", in: ["j", "b"] },
  ],
});

const at = (bytes: Uint8Array, rows: readonly number[], width: number) => {
  const network = decisionNetwork(parseOnnx(bytes), [width]);
  const x = input("x", [rows.length / width, width]);
  return toFloat64(evaluate({ y: network.build([x])[0] }, { x: tensor(rows, x.shape) }).y);
};

describe("projected()", () => {
  it("spreads the factor over a chain, whose output is multiplied by it, and proves the bound", async () => {
    const { bytes, before, after, factor, scaling } = await projected({ bytes: chain }, { ...asked, gamma: 0.5 });
    expect(scaling).toEqual({
      kind: "chain",
      layers: 2,
      exponents: new Map([
        ["A", 1],
        ["a", 1],
        ["B", 1],
        ["b", 2],
      ]),
    });
    expect(before.value).toBeGreaterThan(5);
    expect(after).toMatchObject({ side: "upper", proved: true });
    expect(after.value).toBeLessThanOrEqual(0.5);
    expect(after.value).toBeGreaterThan(0.4999);
    // Of the bytes, by somebody who does not know the factor.
    const again = provedUpper(await lipschitz(parseOnnx(bytes), { engine, methods: ["lipsdp"] }));
    expect(again?.value).toBeLessThanOrEqual(0.55);
    const rows = [1, 2, -3, 0.5, 0, 0, 4, -1];
    const [old, made] = [chain, bytes].map((b) => at(b, rows, 2));
    made.forEach((v, i) => {
      expect(v).toBeCloseTo(factor * old[i], 5);
    });
    expect(parseOnnx(bytes).metadata[originKey]).toBe(asked.sha256);
  });

  it("changes no number where the bound holds already", async () => {
    const { bytes, factor, before, after } = await projected({ bytes: chain }, { ...asked, gamma: 100 });
    expect([factor, after]).toEqual([1, before]);
    const [old, made] = [chain, bytes].map((b) => readingOf(b).tensors);
    expect(made).toEqual(old);
  });

  it("scales the last affine layer where there is a batch-norm, in front of the softmax, and decisions stay", async () => {
    const bytes = retrofitModel();
    const found = await projected({ bytes }, { ...asked, gamma: 0.05 });
    expect(found.scaling).toMatchObject({ kind: "last", layers: 1 });
    expect([...found.scaling.exponents.keys()]).toEqual(["fc2.weight", "fc2.bias"]);
    expect(found.after.value).toBeLessThanOrEqual(0.05);
    const rows = [5.1, 3.5, 1.4, 0.2, 7, 3.2, 4.7, 1.4, 6, 3, 5, 2];
    const [old, made] = [bytes, found.bytes].map((b) => at(b, rows, 4));
    made.forEach((v, i) => {
      expect(v).toBeCloseTo(found.factor * old[i], 6);
    });
  });

  it("finds a weight behind moves of it", () => {
    const bytes = modelOf({
      inputs: { x: ["N", 2] },
      tensors: { A: tensor([1, 2, 3, 4], [1, 4]), shape: tensor([2, 2], [2], "int64"), b: tensor([1, 2]) },
      nodes: [
        { op: "Reshape", in: ["A", "shape"], out: ["W"] },
        { op: "MatMul", in: ["x", "W"], out: ["h"] },
        { op: "Add", in: ["h", "b"] },
      ],
    });
    expect([...scalingOf(readingOf(bytes)).exponents]).toEqual([
      ["A", 1],
      ["b", 1],
    ]);
  });

  it("counts what stands in front of the network", async () => {
    const behind = (network: Network) => withPreprocessing(network, { scale: 10 });
    const { factor, after } = await projected({ bytes: chain }, { ...asked, gamma: 0.5, behind });
    const alone = await projected({ bytes: chain }, { ...asked, gamma: 0.5 });
    expect(after.value).toBeLessThanOrEqual(0.5);
    expect(alone.factor / factor).toBeCloseTo(10, 2);
  });

  it("says what does not go", async () => {
    await expect(projected({ bytes: chain, name: "c.onnx" }, { ...asked, gamma: 0 })).rejects.toThrow(
      "project: gamma must be above 0, got 0",
    );
    await expect(projected({ bytes: chain, name: "c.onnx" }, { ...asked, gamma: 1, frozen: ["B"] })).rejects.toThrow(
      'c.onnx: "B" is frozen, and its numbers have to be rescaled; leave it out of --freeze',
    );
    const relu = modelOf({ inputs: { x: ["N", 2] }, nodes: [{ op: "Sigmoid", in: ["x"] }] });
    expect(() => scalingOf(readingOf(relu, { name: "r.onnx" }))).toThrow(
      'r.onnx: its last affine layer must be there to be rescaled, and is not found: nothing but its input stands before "x"',
    );
    const shared = modelOf({
      inputs: { x: ["N", 2] },
      tensors: { A: tensor([1, 2, 3, 4], [2, 2]) },
      nodes: [
        { op: "MatMul", in: ["x", "A"], out: ["h"] },
        { op: "Sigmoid", in: ["h"], out: ["i"] },
        { op: "MatMul", in: ["i", "A"] },
      ],
    });
    expect(() => scalingOf(readingOf(shared))).toThrow('its initialiser "A" is read more than once');
    const square = modelOf({
      inputs: { x: ["N", 2] },
      tensors: { A: tensor([1, 2, 3, 4], [2, 2]) },
      nodes: [
        { op: "Mul", name: "square", in: ["x", "x"], out: ["h"] },
        { op: "MatMul", in: ["h", "A"] },
      ],
    });
    await expect(projected({ bytes: square, name: "s.onnx" }, { ...asked, gamma: 1 })).rejects.toThrow(
      /^s\.onnx: a network that is rescaled must have a proved constant, got none: node square: /,
    );
  });

  it("does not scale in front of what need not keep decisions", () => {
    const model = (op: string) =>
      modelOf({
        inputs: { x: ["N", 2] },
        tensors: { A: tensor([1, 2, 3, 4], [2, 2]) },
        nodes: [
          { op: "MatMul", in: ["x", "A"], out: ["h"] },
          { op, in: ["h"] },
        ],
      });
    expect(scalingOf(readingOf(model("Softmax"))).kind).toBe("last");
    for (const op of ["Clip", "Sin", "HardSigmoid"]) {
      expect(() => scalingOf(readingOf(model(op))), op).toThrow(/need not keep decisions when it is scaled/);
    }
  });
});
