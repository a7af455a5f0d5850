/** @file Tests of bands.ts: bands that are exact for affine maps, and that hold at random points for others. */
import { describe, expect, it } from "vitest";
import { engine } from "../../test/certificates.ts";
import { affine, functionOf } from "../../test/functions.ts";
import type { Dataset } from "../data/dataset.ts";
import { evaluate } from "../engine/reference.ts";
import { input } from "../graph/leaf.ts";
import { add } from "../ops/arith.ts";
import { sum } from "../ops/broadcast.ts";
import { relu, tanh } from "../ops/pointwise.ts";
import { BatchError } from "../tensor/errors.ts";
import { random } from "../tensor/random.ts";
import { tensor } from "../tensor/tensor.ts";
import { errorBands } from "./bands.ts";

const source = random(4);
const draw = (n: number, m: number) =>
  Array.from({ length: n }, () => Array.from({ length: m }, () => source.normal()));
const data: Dataset = {
  name: "lines",
  task: "regression",
  x: Float32Array.from({ length: 30 }, () => source.normal()),
  shape: [3],
  count: 10,
  labels: new Int32Array(0),
  targets: Float32Array.from({ length: 20 }, () => source.normal()),
  classes: 2,
  ids: Array.from({ length: 10 }, (_, i) => `r${i}`),
};

describe("errorBands()", () => {
  it.each([
    ["2", [5, 1]],
    ["1", [4, 1]],
    ["inf", [7, 1]],
  ] as const)("of an affine map are its rows' norms: l%s", async (norm, constants) => {
    const network = functionOf([3], (x) =>
      affine(
        x,
        [
          [3, 0, 4],
          [0, 1, 0],
        ],
        [1, 2],
      ),
    );
    const { outputs, bands, samples } = await errorBands(network, { engine, data, norm, radii: [0, 0.5] });
    outputs.forEach(({ constant }, j) => {
      expect(constant).toBeGreaterThanOrEqual(constants[j]);
      expect(constant).toBeLessThan(constants[j] * (1 + 1e-6));
    });
    const error = (i: number) => Math.abs(3 * data.x[3 * i] + 4 * data.x[3 * i + 2] + 1 - data.targets[2 * i]);
    expect(samples[3].id).toBe("r3");
    expect(samples[3].errors[0]).toBeCloseTo(error(3), 6);
    const worst = Math.max(...Array.from({ length: 10 }, (_, i) => error(i)));
    expect(outputs[0].error.largest).toBeCloseTo(worst, 6);
    expect(bands[1].outputs[0].band).toBeCloseTo(constants[0] / 2, 6);
    expect(bands[1].outputs[0].error.largest).toBeCloseTo(worst + constants[0] / 2, 6);
    expect(bands[0].outputs[1].error).toEqual(outputs[1].error);
  });

  it("hold around every sample, in every norm", async () => {
    const [first, inner, second] = [draw(8, 3), draw(8, 8), draw(2, 8)];
    const network = functionOf([3], (x) => affine(relu(affine(tanh(affine(x, first)), inner)), second));
    const x = input("x", [1, 3], "float64");
    const [y] = network.build([x]);
    const at = (values: Float64Array) =>
      evaluate({ y }, { x: tensor(values, [1, 3], "float64") }).y.data as Float64Array;
    for (const norm of ["1", "2", "inf"] as const) {
      const radius = 0.3;
      const { bands, samples } = await errorBands(network, { engine, data, norm, radii: [radius], seconds: 0.2 });
      const [{ outputs }] = bands;
      for (let k = 0; k < 200; k++) {
        const i = k % 10;
        const own = Float64Array.from(data.x.subarray(3 * i, 3 * i + 3));
        const step = Float64Array.from({ length: 3 }, () => source.normal());
        const length =
          norm === "2"
            ? Math.hypot(...step)
            : norm === "1"
              ? step.reduce((sum, v) => sum + Math.abs(v), 0)
              : Math.max(...step.map(Math.abs));
        const moved = at(own.map((v, j) => v + ((1 - 1e-9) * radius * step[j]) / length));
        const still = at(own);
        outputs.forEach(({ band, error }, j) => {
          expect(Math.abs(moved[j] - still[j])).toBeLessThanOrEqual(band);
          expect(Math.abs(moved[j] - data.targets[2 * i + j])).toBeLessThanOrEqual(samples[i].errors[j] + band);
          expect(samples[i].errors[j] + band).toBeLessThanOrEqual(error.largest * (1 + 1e-12));
        });
      }
    }
  });

  it("refuses classes, other targets and wrong radii", async () => {
    const network = functionOf([3], (x) => affine(x, [[1, 2, 3]]));
    await expect(errorBands(network, { engine, data })).rejects.toThrow("must have the 2 outputs of lines, got 1");
    const classes: Dataset = {
      ...data,
      task: "classification",
      labels: new Int32Array(10),
      targets: new Float32Array(0),
    };
    await expect(errorBands(network, { engine, data: classes })).rejects.toThrow(
      "needs a regression, got the classes of",
    );
    await expect(errorBands(network, { engine, data, radii: [-1] })).rejects.toThrow("radii must be finite and >= 0");
  });

  it("refuses samples that act on each other", async () => {
    const rows = draw(2, 3);
    const mixing = functionOf([3], (x) => add(affine(x, rows), sum(x, [0, 1], true)));
    await expect(errorBands(mixing, { engine, data })).rejects.toThrow(BatchError);
  });

  it("runs no more samples once the time is over", async () => {
    const rows = draw(2, 3);
    const network = functionOf([3], (x) => affine(x, rows));
    const many = { ...data, count: 5000, x: new Float32Array(15000), targets: new Float32Array(10000), ids: undefined };
    await expect(errorBands(network, { engine, data: many, limit: 1e-9 })).rejects.toThrow(/the time ran out when/);
  });
});
