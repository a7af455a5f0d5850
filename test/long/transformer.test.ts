/** @file A small transformer (patches, attention of two heads, layer normalisation in front, perceptrons, a mean): a constant everywhere, a bracket in a ball, radii by the linear walk. */
import { describe, expect, it } from "vitest";
import { lipschitz } from "../../src/bounds/index.ts";
import { certify } from "../../src/certify/evaluate.ts";
import { nodeEngine } from "../../src/engine/node.ts";
import { parseOnnx } from "../../src/onnx/read.ts";
import { random } from "../../src/tensor/random.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { modelOf, type NodeOf } from "../model.ts";

const engine = nodeEngine({ threads: 1 });
const [tokens, width, heads] = [4, 4, 2];

/** [batch, 1, 4, 4] -> [batch, 3]: patches of 2 by 2, and so many blocks. */
function transformer(blocks: number) {
  const r = random(5);
  const tensors: Record<string, Tensor> = {};
  const nodes: NodeOf[] = [];
  const weight = (name: string, shape: readonly number[], scale = 1) => {
    const size = shape.reduce((n, d) => n * d, 1);
    tensors[name] = tensor(
      Array.from({ length: size }, () => (scale * r.normal()) / Math.sqrt(shape[0])),
      shape,
    );
    return name;
  };
  const ints = (name: string, values: readonly number[]) => {
    tensors[name] = tensor(BigInt64Array.from(values, BigInt), [values.length], "int64");
    return name;
  };
  const ones = (name: string) => {
    tensors[name] = tensor(new Float32Array(width).fill(1), [width]);
    return name;
  };
  const add = (op: string, inputs: readonly string[], attributes: NodeOf["attributes"] = {}) => {
    const out = `${op}${nodes.length}`;
    nodes.push({ op, in: inputs, out: [out], attributes });
    return out;
  };
  const heading = ints("heading", [0, tokens, heads, width / heads]);
  const joining = ints("joining", [0, tokens, width]);
  tensors.scale = tensor([1 / Math.sqrt(width / heads)], []);
  weight("patch", [width, 1, 2, 2], 2);
  let x = add("Conv", ["x", "patch"], { kernel_shape: [2, 2], strides: [2, 2] });
  x = add("Transpose", [add("Reshape", [x, ints("flat", [0, width, tokens])])], { perm: [0, 2, 1] });
  x = add("Add", [x, weight("places", [1, tokens, width])]);
  for (let b = 0; b < blocks; b++) {
    let y = add("LayerNormalization", [x, ones(`first ${b}`)], { axis: -1 });
    const [q, k, v] = ["q", "k", "v"].map((part) => {
      const apart = add("Reshape", [add("MatMul", [y, weight(`${part} ${b}`, [width, width])]), heading]);
      return add("Transpose", [apart], { perm: part === "k" ? [0, 2, 3, 1] : [0, 2, 1, 3] });
    });
    const scores = add("Softmax", [add("Mul", [add("MatMul", [q, k]), "scale"])], { axis: -1 });
    const joined = add("Reshape", [add("Transpose", [add("MatMul", [scores, v])], { perm: [0, 2, 1, 3] }), joining]);
    x = add("Add", [x, add("MatMul", [joined, weight(`out ${b}`, [width, width], 0.5)])]);
    y = add("LayerNormalization", [x, ones(`second ${b}`)], { axis: -1 });
    y = add("Gelu", [add("MatMul", [y, weight(`up ${b}`, [width, 8])])]);
    x = add("Add", [x, add("MatMul", [y, weight(`down ${b}`, [8, width], 0.5)])]);
  }
  x = add("ReduceMean", [add("LayerNormalization", [x, ones("last")], { axis: -1 }), ints("tokens", [1])], {
    keepdims: 0,
  });
  nodes.push({ op: "MatMul", in: [x, weight("head", [width, 3])] });
  return parseOnnx(modelOf({ opset: 20, inputs: { x: ["batch", 1, 4, 4] }, nodes, tensors }));
}

const point = Float32Array.from({ length: 16 }, (_, i) => Math.sin(3 * i));

describe("a small transformer", () => {
  it("has a constant everywhere, since what attention reads is normalised", async () => {
    const { upper } = await lipschitz(transformer(1), { engine, norm: "2", methods: ["autolip"] });
    expect(upper?.proved).toBe(true);
  });

  it("has a bracket in a ball, and a smaller constant than everywhere", async () => {
    const network = transformer(1);
    const ball = { kind: "ball", center: [...point], radius: 1e-3, norm: 2 } as const;
    const methods = ["autolip", "jacobian"];
    const { lower, upper } = await lipschitz(network, { engine, norm: "2", methods, rounds: 1, domain: ball });
    const everywhere = await lipschitz(network, { engine, norm: "2", methods: ["autolip"] });
    expect(lower?.value).toBeGreaterThan(0.1);
    expect(upper?.value).toBeLessThan(1000 * (lower?.value ?? 0));
    expect(upper?.value).toBeLessThan(0.01 * (everywhere.upper?.value ?? 0));
  });

  it("has radii by the linear walk", async () => {
    const network = transformer(1);
    const samples = 1;
    const x = Float32Array.from({ length: 16 * samples }, (_, i) => Math.sin(3 * i + 0.1));
    const data = {
      ...{ name: "waves", task: "classification" as const, x, shape: [1, 4, 4], count: samples, classes: 3 },
      ...{ labels: new Int32Array(samples), targets: new Float32Array() },
    } as const;
    const { samples: found } = await certify(network, { engine, data, norm: "2", radii: [0.01], local: { steps: 0 } });
    for (const { by, radius } of found) {
      expect(by).toBe("linear");
      expect(radius).toBeGreaterThan(1e-3);
    }
  });
});
