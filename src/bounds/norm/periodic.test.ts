/** @file The norm of periodic convolutions against the same written out. */
import { describe, expect, it } from "vitest";
import { nodeEngine } from "../../engine/node.ts";
import { inFamily } from "../../layers/family.ts";
import { orthogonal } from "../../layers/orthogonal.ts";
import { spectralNorm } from "../../linalg/norm.ts";
import { convnet } from "../../models/convnet.ts";
import { freeze } from "../../models/freeze.ts";
import { normalTensor, random } from "../../tensor/random.ts";
import { lipschitz } from "../index.ts";
import { periodicNorm } from "./periodic.ts";

const engine = nodeEngine();

describe("periodicNorm()", () => {
  it.each([
    [1, [4, 6]],
    [2, [4, 6]],
    [3, [6, 3]],
  ] as const)("is the norm of the matrix written out (stride %i)", (stride, [height, width]) => {
    const [channels, inputs] = [3, 2];
    const taps = height * width;
    const kernel = Float64Array.from(normalTensor(random(stride), [channels * inputs * taps]).data, Number);
    const [m, n] = [height / stride, width / stride];
    const data = new Float64Array(channels * m * n * inputs * taps);
    for (let row = 0; row < channels * m * n; row++) {
      const [d, y, x] = [Math.floor(row / (m * n)), Math.floor(row / n) % m, row % n];
      for (let k = 0; k < inputs * taps; k++) {
        const [c, a, b] = [Math.floor(k / taps), Math.floor(k / width) % height, k % width];
        const [i, j] = [(stride * y + a) % height, (stride * x + b) % width];
        data[row * inputs * taps + (c * height + i) * width + j] += kernel[(d * inputs + c) * taps + a * width + b];
      }
    }
    const { lower } = spectralNorm({ rows: channels * m * n, cols: inputs * taps, data });
    const found = periodicNorm({ kernel, channels, inputs, height, width, stride });
    expect(found).toBeGreaterThanOrEqual(lower);
    expect(found).toBeLessThan(lower * (1 + 1e-8));
  });

  it.each(["relu", "maxMin", "householder"] as const)(
    "lets autolip prove gamma of orthogonal convolutions (%s)",
    async (activation) => {
      const model = inFamily(convnet(4, { channels: [4, 6], hidden: 6, activation }), orthogonal({ gamma: 3 }));
      const own = await freeze(engine, model, model.init(random(2), [2, 8, 8]), [2, 8, 8]);
      const { upper } = await lipschitz(own, { engine, methods: ["autolip"] });
      expect(upper?.value).toBeLessThan(3 * (1 + 1e-5));
    },
  );
});
