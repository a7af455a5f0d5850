/** @file Tests of initializer.ts. */
import { describe, expect, it } from "vitest";
import { random } from "../tensor/random.ts";
import { toFloat64 } from "../tensor/tensor.ts";
import { conv } from "./conv.ts";
import { dense } from "./dense.ts";
import { glorotUniform, heNormal, type Initializer } from "./initializer.ts";

const moments = (values: Float64Array) => {
  const mean = values.reduce((a, v) => a + v, 0) / values.length;
  const variance = values.reduce((a, v) => a + (v - mean) ** 2, 0) / values.length;
  const fourth = values.reduce((a, v) => a + (v - mean) ** 4, 0) / values.length;
  return { mean, variance, kurtosis: fourth / variance ** 2 };
};

describe("heNormal()", () => {
  it("is normal with variance 2 / fanIn", () => {
    const { mean, variance, kurtosis } = moments(toFloat64(heNormal(random(1), [200, 100], 50, 7)));
    expect(Math.abs(mean)).toBeLessThan(5 * Math.sqrt(0.04 / 20000));
    expect(Math.abs(variance / 0.04 - 1)).toBeLessThan(5 * Math.sqrt(2 / 20000));
    expect(Math.abs(kurtosis - 3)).toBeLessThan(5 * Math.sqrt(24 / 20000));
  });
});

describe("glorotUniform()", () => {
  it("is uniform with variance 2 / (fanIn + fanOut)", () => {
    const values = toFloat64(glorotUniform(random(1), [200, 100], 30, 70));
    const { mean, variance, kurtosis } = moments(values);
    expect(Math.abs(mean)).toBeLessThan(5 * Math.sqrt(0.02 / 20000));
    expect(Math.abs(variance / 0.02 - 1)).toBeLessThan(5 * Math.sqrt(0.8 / 20000));
    expect(Math.abs(kurtosis - 1.8)).toBeLessThan(0.05);
    expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(Math.fround(Math.sqrt(0.06)));
  });
});

describe("an initialiser", () => {
  it.each([heNormal, glorotUniform])("is a function of the stream", (initializer) => {
    expect(initializer(random(1), [3, 4], 3, 4)).toEqual(initializer(random(1), [3, 4], 3, 4));
    expect(initializer(random(1), [3, 4], 3, 4)).not.toEqual(initializer(random(2), [3, 4], 3, 4));
  });

  it("is told the fans of its layer", () => {
    const told: number[][] = [];
    const spy: Initializer = (r, shape, fanIn, fanOut) => {
      told.push([...shape, fanIn, fanOut]);
      return heNormal(r, shape, fanIn, fanOut);
    };
    dense(5, { initializer: spy }).init(random(1), [3]);
    conv(8, { kernel: 3, groups: 2, initializer: spy }).init(random(1), [4, 9, 9]);
    expect(told).toEqual([
      [3, 5, 3, 5],
      [8, 2, 3, 3, 18, 36],
    ]);
  });
});
