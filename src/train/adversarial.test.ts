import { describe, expect, it } from "vitest";
import { transformImage, transformsOf } from "../attack/transforms.ts";
import { evaluate } from "../engine/reference.ts";
import type { Node } from "../graph/graph.ts";
import { constant, input } from "../graph/leaf.ts";
import { matmul } from "../ops/matmul.ts";
import { reshape } from "../ops/movement.ts";
import { normalTensor, random } from "../tensor/random.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { adversarialTraining } from "./adversarial.ts";
import { crossEntropy } from "./loss.ts";
import type { Step } from "./method.ts";

describe("adversarialTraining()", () => {
  const [batch, side, classes] = [5, 6, 3];
  const size = side * side;
  const source = random(2);
  const weights = normalTensor(source, [size, classes]);
  const images = normalTensor(source, [batch, 1, side, side]);
  const labels = new Float32Array(batch * classes);
  for (let b = 0; b < batch; b++) labels[b * classes + (b % classes)] = 1;
  const feeds: Record<string, Tensor> = { x: images, y: tensor(labels, [batch, classes]) };
  const forward = (x: Node): Node => matmul(reshape(x, [batch, size]), constant(weights));

  /** Logits of one image by plain loops. */
  const riskOf = (image: ArrayLike<number>, b: number): number => {
    const z = Array.from({ length: classes }, (_, c) =>
      Array.from(image).reduce((sum, v, i) => sum + v * (weights.data as Float32Array)[i * classes + c], 0),
    );
    return Math.log(z.reduce((sum, v) => sum + Math.exp(v), 0)) - z[b % classes];
  };

  it("takes of each image the worst of what is drawn, and of itself", () => {
    const noises: Node[] = [];
    const step: Step = {
      ...{ x: input("x", [batch, 1, side, side]), y: input("y", [batch, classes]), forward, evaluated: forward },
      ...{ loss: crossEntropy, params: {}, state: {}, epoch: constant(0) },
      noise(shape) {
        const node = input(`noise${noises.length}`, shape);
        noises.push(node);
        return node;
      },
    };
    const tries = 3;
    const objective = adversarialTraining({ rotation: 40, scaling: 0.3, tries }).objective?.(step);
    const drawn = noises.map(() => Float32Array.from({ length: batch }, () => source.uniform()));
    const fed = Object.fromEntries(drawn.map((values, k) => [`noise${k}`, tensor(values, [batch, 1])]));
    const { loss } = evaluate({ loss: objective?.loss as Node }, { ...feeds, ...fed });
    const transforms = transformsOf(["rotation", "scaling"], { rotation: 40, scaling: 0.3 });
    let expected = 0;
    for (let b = 0; b < batch; b++) {
      const own = (images.data as Float32Array).subarray(b * size, (b + 1) * size);
      const risks = Array.from({ length: tries }, (_, k) => {
        const values = transforms.parameters.map(({ limit }, p) => limit * (2 * drawn[2 * k + p][b] - 1));
        return riskOf(transformImage(own, [1, side, side], transforms, values), b);
      });
      expected += Math.max(riskOf(own, b), ...risks) / batch;
    }
    expect((loss.data as Float64Array)[0]).toBeCloseTo(expected, 5);
  });

  it("says what makes no sense", () => {
    expect(() => adversarialTraining({ radius: -1 })).toThrow("radius must be >= 0");
    expect(() => adversarialTraining({ rotation: 10, tries: 0 })).toThrow("tries must be");
    expect(() => adversarialTraining({ rotation: 200 })).toThrow("at most 180");
    const x = input("x", [4, 7]);
    const step = { x, y: input("y", [4, 2]), noise: () => x } as unknown as Step;
    expect(() => adversarialTraining({ rotation: 10 }).objective?.(step)).toThrow("needs images");
  });
});
