/** @file What ai.onnx.ml's models do with their scores: post_transform of every one of them, as ONNX Runtime does it of the same bytes, or refused. */
import { describe, expect, it } from "vitest";
import { nodeEngine } from "../../src/engine/node.ts";
import { evaluate } from "../../src/engine/reference.ts";
import { input } from "../../src/graph/leaf.ts";
import { parseOnnx } from "../../src/onnx/read.ts";
import { tensor, toFloat64 } from "../../src/tensor/tensor.ts";
import { modelOf, type NodeOf, type Value } from "../model.ts";

const engine = nodeEngine({ threads: 1 });
const floats = (...values: number[]): Value => ({ floats: values });
const support = floats(0.5, -1, 1.5, 0.25, -0.75, 1);

/** ONNX Runtime asks for them of every kernel. */
const linear = { kernel_type: "LINEAR", kernel_params: floats(0, 0, 0) };

const learners: Readonly<Record<string, NodeOf["attributes"]>> = {
  "LinearRegressor of one target": { coefficients: floats(1.5, -2), intercepts: floats(0.25) },
  "LinearRegressor of two targets": { coefficients: floats(1.5, -2, 1, 0.5), intercepts: floats(0.25, 1), targets: 2 },
  "LinearClassifier of two classes": {
    ...{ coefficients: floats(1.5, -2, -1, 0.5), intercepts: floats(0.25, 1), classlabels_ints: [0, 1] },
  },
  "LinearClassifier of three classes": {
    coefficients: floats(1.5, -2, -1, 0.5, 2, 0),
    ...{ intercepts: floats(0.25, 1, 0), classlabels_ints: [0, 1, 2] },
  },
  SVMRegressor: {
    support_vectors: support,
    ...linear,
    coefficients: floats(1, -0.5, 0.75),
    rho: floats(0.1),
    n_supports: 3,
  },
  "SVMClassifier of two classes": {
    ...{ support_vectors: support, ...linear, coefficients: floats(1, -0.5, 0.75), rho: floats(0.1) },
    ...{ classlabels_ints: [0, 1], vectors_per_class: [2, 1] },
  },
};

describe.each(Object.entries(learners))("%s", (name, attributes) => {
  it.each(["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"])("post_transform %s", async (post_transform) => {
    const [op] = name.split(" ");
    const classifies = op.endsWith("Classifier");
    const node: NodeOf = {
      ...{ op, domain: "ai.onnx.ml", in: ["x"], out: classifies ? ["label", "y"] : ["y"] },
      attributes: { ...attributes, post_transform },
    };
    const bytes = modelOf({ opset: 17, domains: { "ai.onnx.ml": 3 }, inputs: { x: ["n", 2] }, nodes: [node] });
    const x = tensor([0.3, -0.2, 1, 2, -0.5, 0.5], [3, 2]);
    let read: ReturnType<typeof parseOnnx>;
    try {
      read = parseOnnx(bytes);
    } catch (error) {
      expect(String(error)).toMatch(/is not read/);
      expect(post_transform).not.toBe("NONE");
      return;
    }
    const program = await engine.load(bytes);
    const want = toFloat64((await program.run({ x })).y);
    await program.dispose();
    const got = toFloat64(evaluate({ y: read.build([input("x", [3, 2])])[0] }, { x }).y);
    expect(got.length).toBe(want.length);
    got.forEach((v, i) => {
      expect(v).toBeCloseTo(want[i], 4);
    });
  });
});

describe("labels that are words", () => {
  const words = (...classes: string[]) =>
    modelOf({
      ...{ opset: 17, domains: { "ai.onnx.ml": 3 }, inputs: { x: ["n", 2] } },
      nodes: [
        {
          ...{ op: "LinearClassifier", domain: "ai.onnx.ml", in: ["x"], out: ["label", "y"] },
          attributes: {
            coefficients: floats(1.5, -2, -1, 0.5),
            intercepts: floats(0.25, 1),
            classlabels_strings: { strings: classes },
          },
        },
      ],
    });

  it("are read in the order in which words of data are numbered, and in no other", () => {
    expect(parseOnnx(words("ill", "well")).outputs).toContain("y");
    expect(() => parseOnnx(words("well", "ill"))).toThrow('must be in the order of the alphabet, got "well", "ill"');
  });
});
