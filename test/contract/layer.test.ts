/** @file What is asked of every layer, in training and in evaluation. */
import { describe, expect, it } from "vitest";
import { nodeEngine } from "../../src/engine/node.ts";
import { evaluate } from "../../src/engine/reference.ts";
import { topological } from "../../src/graph/graph.ts";
import { inputsOf } from "../../src/graph/leaf.ts";
import { activation, activationNames } from "../../src/layers/activation.ts";
import { batchNorm, lipschitzBatchNorm } from "../../src/layers/batchNorm.ts";
import { centeredSoftplus } from "../../src/layers/centeredSoftplus.ts";
import { conv } from "../../src/layers/conv.ts";
import { dense } from "../../src/layers/dense.ts";
import { dropout } from "../../src/layers/dropout.ts";
import type { Layer } from "../../src/layers/layer.ts";
import { averagePool, flatten, globalAveragePool, maxPool } from "../../src/layers/pool.ts";
import { residual, sequential } from "../../src/layers/sequential.ts";
import { spectral } from "../../src/layers/spectral.ts";
import { normalTensor, random } from "../../src/tensor/random.ts";
import type { Shape } from "../../src/tensor/shape.ts";
import { toFloat64 } from "../../src/tensor/tensor.ts";
import { build, feedsFor, movedVariables } from "../runs.ts";

interface Row {
  readonly name: string;
  readonly layer: Layer;
  readonly sample: Shape;
}

const engine = nodeEngine();
const image: Shape = [2, 7, 6];

const rows: readonly Row[] = [
  { name: "dense", layer: dense(3), sample: [5] },
  { name: "dense without bias", layer: dense(3, { bias: false }), sample: [5] },
  { name: "conv", layer: conv(4, { kernel: 3 }), sample: image },
  { name: "conv with stride and padding", layer: conv(4, { kernel: 3, stride: 2, padding: 1 }), sample: image },
  { name: "conv with dilation and groups", layer: conv(4, { kernel: 2, dilation: 3, groups: 2 }), sample: image },
  { name: "conv without bias, one axis", layer: conv(3, { kernel: 3, bias: false }), sample: [2, 9] },
  {
    name: "conv, even kernel, stride past the end",
    layer: conv(3, { kernel: 4, stride: 3, padding: 2 }),
    sample: image,
  },
  { name: "batchNorm of vectors", layer: batchNorm(), sample: [4] },
  { name: "batchNorm of images", layer: batchNorm({ momentum: 0.7, epsilon: 1e-3 }), sample: image },
  { name: "lipschitzBatchNorm of vectors", layer: lipschitzBatchNorm({ gamma: 0.5 }), sample: [4] },
  { name: "lipschitzBatchNorm of images", layer: lipschitzBatchNorm(), sample: image },
  { name: "centeredSoftplus", layer: centeredSoftplus({ beta: 2 }), sample: image },
  { name: "centeredSoftplus with a fixed beta", layer: centeredSoftplus({ kind: "fixed" }), sample: image },
  { name: "spectral dense", layer: spectral(dense(3)), sample: [5] },
  { name: "spectral dense with a gain", layer: spectral(dense(3, { bias: false }), { gain: "learned" }), sample: [5] },
  {
    name: "spectral conv with stride, padding and groups",
    layer: spectral(conv(4, { kernel: 3, stride: 2, padding: 1, groups: 2 })),
    sample: image,
  },
  {
    name: "spectral conv with capped batchNorm",
    layer: sequential([spectral(conv(3, { kernel: 3, bias: false })), lipschitzBatchNorm(), centeredSoftplus()]),
    sample: image,
  },
  { name: "maxPool", layer: maxPool(2), sample: image },
  { name: "maxPool with overlap", layer: maxPool(3, { stride: 2 }), sample: image },
  { name: "averagePool", layer: averagePool(2), sample: image },
  { name: "averagePool with gaps", layer: averagePool(2, { stride: 3 }), sample: image },
  { name: "averagePool, one axis", layer: averagePool(3), sample: [2, 9] },
  { name: "globalAveragePool", layer: globalAveragePool(), sample: image },
  { name: "flatten", layer: flatten(), sample: image },
  { name: "dropout", layer: dropout(0.4), sample: image },
  ...activationNames.map((name) => ({ name, layer: activation(name), sample: image })),
  { name: "sequential", layer: sequential([conv(3, { kernel: 3 }), batchNorm(), activation("relu")]), sample: image },
  { name: "empty sequential", layer: sequential([]), sample: image },
  { name: "residual", layer: residual(conv(2, { kernel: 3, padding: 1 })), sample: image },
  {
    name: "residual with shortcut",
    layer: residual(sequential([flatten(), dense(3), batchNorm()]), sequential([flatten(), dropout(0.5), dense(3)])),
    sample: image,
  },
];

describe.each(rows)("layer contract: $name", ({ layer, sample }) => {
  const r = random(7);
  const variables = movedVariables(layer, r, sample);
  const batch = normalTensor(r.fork("x"), [6, ...sample]);

  it.each(["eval", "train"] as const)(
    "builds the shape it declares, and the engine agrees with the reference (%s)",
    async (mode) => {
      const { y, updates, feeds } = build(layer, variables, batch, mode, r);
      expect(y.shape).toEqual([6, ...layer.shape(sample)]);
      const outputs = {
        y,
        ...Object.fromEntries(Object.entries(updates).map(([name, node]) => [`next/${name}`, node])),
      };
      const needed = feedsFor(feeds, inputsOf(topological(Object.values(outputs))).keys());
      const want = evaluate(outputs, needed);
      const program = await engine.compile(outputs);
      const got = await program.run(needed);
      await program.dispose();
      for (const [name, { data }] of Object.entries(want)) {
        const found = toFloat64(got[name]);
        expect(found.length).toBe(data.length);
        data.forEach((v, i) => {
          expect(Math.abs(found[i] - Number(v))).toBeLessThan(1e-5 * (1 + Math.abs(Number(v))));
        });
      }
    },
  );

  it("draws its variables from the seed alone, and updates only state that it made", () => {
    expect(layer.init(random(3), sample)).toEqual(layer.init(random(3), sample));
    const names = Object.keys({ ...variables.params, ...variables.state });
    expect(new Set(names).size).toBe(names.length);
    const { updates } = build(layer, variables, batch, "train", r);
    expect(Object.keys(updates).sort()).toEqual(Object.keys(variables.state).sort());
    for (const [name, node] of Object.entries(updates)) expect(node.shape).toEqual(variables.state[name].shape);
  });
});
