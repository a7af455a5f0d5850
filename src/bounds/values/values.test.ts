import { describe, expect, it } from "vitest";
import { testEngine } from "../../../test/testEngine.ts";
import type { Node } from "../../graph/graph.ts";
import { constant } from "../../graph/leaf.ts";
import type { Network } from "../../graph/network.ts";
import { minus } from "../../models/minus.ts";
import { add, mul, sub } from "../../ops/arith.ts";
import { matmul } from "../../ops/matmul.ts";
import { concat, sliceAxis } from "../../ops/movement.ts";
import { relu, tanh } from "../../ops/pointwise.ts";
import { tensor } from "../../tensor/tensor.ts";
import { derivatives, isSmooth } from "./derivatives.ts";
import { difference } from "./difference.ts";
import { extremes } from "./extremes.ts";

const engine = testEngine();

const networkOf = (size: number, f: (x: Node) => Node, rows: number | string = "batch"): Network => ({
  name: "f",
  inputs: [{ name: "x", shape: [rows, size], dtype: "float32" }],
  outputs: ["y"],
  metadata: {},
  build: ([x]) => [f(x)],
});
const box = (...sides: readonly (readonly [number, number])[]) =>
  ({ kind: "box", low: sides.map(([low]) => low), high: sides.map(([, high]) => high) }) as const;

const matrix = (x: Node, rows: readonly (readonly number[])[]): Node => {
  const values = rows.flat();
  const shape = [rows.length, rows[0].length];
  const data = x.dtype === "float64" ? Float64Array.from(values) : Float32Array.from(values);
  return matmul(x, constant(tensor(data, shape, x.dtype)));
};

describe("extremes()", () => {
  it("is the closed form of kinks and of a saddle", async () => {
    // |x0| - x1 by two ReLUs: at most 2 at (2, 0), at least -1 at (0, 1).
    const kinks = networkOf(2, (x) =>
      add(relu(matrix(x, [[1], [0]])), sub(relu(matrix(x, [[-1], [0]])), matrix(x, [[0], [1]]))),
    );
    const found = await extremes(kinks, { engine, domain: box([-1, 2], [0, 1]), gap: 1e-3 });
    expect(found.status).toBe("done");
    const [{ smallest, largest }] = found.outputs;
    expect(largest.proved).toBeGreaterThanOrEqual(2);
    expect(largest.proved).toBeLessThan(2.003);
    expect(largest.found).toBeCloseTo(2, 2);
    expect(smallest.proved).toBeLessThanOrEqual(-1);
    expect(smallest.proved).toBeGreaterThan(-1.003);
    expect(smallest.point[1]).toBeCloseTo(1, 2);
  });

  it("says what it has when the work ends", async () => {
    const f = networkOf(2, (x) =>
      tanh(
        matrix(
          tanh(
            matrix(x, [
              [3, -2],
              [1, 4],
            ]),
          ),
          [
            [2, 1],
            [-3, 2],
          ],
        ),
      ),
    );
    const found = await extremes(f, { engine, domain: box([-1, 1], [-1, 1]), gap: 1e-9, work: 1e4 });
    expect(found.status).toBe("stopped");
    for (const { smallest, largest } of found.outputs) {
      expect(smallest.proved).toBeLessThan(smallest.found);
      expect(largest.proved).toBeGreaterThan(largest.found);
    }
  });

  it("is one value on a point", async () => {
    const { outputs, status } = await extremes(networkOf(1, tanh), { engine, domain: box([0.5, 0.5]) });
    expect(status).toBe("done");
    expect(outputs[0].largest.proved).toBeCloseTo(Math.tanh(0.5), 12);
    expect(outputs[0].smallest.proved).toBeCloseTo(Math.tanh(0.5), 12);
  });
});

describe("derivatives()", () => {
  it("brackets those of tanh, whose largest is at 0 and smallest at the ends", async () => {
    const { partials, constant, status } = await derivatives(
      networkOf(1, (x) => tanh(mul(x, 2))),
      {
        engine,
        domain: box([-1, 0.5]),
        gap: 1e-3,
      },
    );
    expect(status).toBe("done");
    const [[{ smallest, largest }]] = partials;
    expect(largest.proved).toBeGreaterThanOrEqual(2);
    expect(largest.proved).toBeLessThan(2.003);
    expect(constant).toBeCloseTo(largest.proved, 12);
    const least = 2 * (1 - Math.tanh(2) ** 2);
    expect(smallest.proved).toBeLessThanOrEqual(least);
    expect(smallest.proved).toBeGreaterThan(least - 0.003);
  });

  it("is for networks without kinks", () => {
    expect(isSmooth(networkOf(1, tanh))).toBe(true);
    expect(isSmooth(networkOf(1, relu))).toBe(false);
    expect(isSmooth(networkOf(1, (x) => mul(tanh(x), x)))).toBe(true);
  });
});

describe("difference()", () => {
  it("is x - tanh x in closed form, in values and slopes", async () => {
    const found = await difference(
      networkOf(1, (x) => mul(x, 1)),
      networkOf(1, tanh, 1),
      {
        engine,
        domain: box([-2, 2]),
        gap: 0.01,
      },
    );
    expect(found).toMatchObject({ status: "done", by: "derivatives", norm: "2" });
    const [top, slope] = [2 - Math.tanh(2), Math.tanh(2) ** 2];
    expect(found.largest.upper).toBeGreaterThanOrEqual(top);
    expect(found.largest.upper).toBeLessThan(1.02 * top);
    expect(found.largest.lower).toBeLessThanOrEqual(top);
    expect(found.constant.upper).toBeGreaterThanOrEqual(slope);
    expect(found.constant.upper).toBeLessThan(1.02 * slope);
    expect(found.constant.lower).toBeGreaterThan(0.95 * slope);
    expect(found.slopes[0].range[0]).toBeLessThanOrEqual(0);
  });

  it("takes interval Jacobians where there are kinks", async () => {
    const found = await difference(
      networkOf(1, relu),
      networkOf(1, (x) => mul(x, 0.5)),
      { engine, domain: box([-1, 3]) },
    );
    expect(found.by).toBe("jacobians");
    expect(found.largest.upper).toBeCloseTo(1.5, 1);
    expect(found.slopes[0].range[0]).toBeCloseTo(-0.5, 6);
    expect(found.slopes[0].range[1]).toBeCloseTo(0.5, 6);
    expect(found.constant.upper).toBeGreaterThanOrEqual(0.5);
  });

  it("has the norm of the matrix for the constant of affine maps", async () => {
    const affine = (a: number) =>
      networkOf(2, (x) =>
        matrix(x, [
          [a, 0],
          [4, 5],
        ]),
      );
    const { constant, slopes } = await difference(
      affine(4),
      networkOf(2, (x) =>
        matrix(x, [
          [1, 0],
          [0, 0],
        ]),
      ),
      {
        engine,
        domain: box([0, 1], [0, 1]),
      },
    );
    // The singular values of [[3, 0], [4, 5]] are sqrt(45) and sqrt(5).
    expect(constant.upper).toBeGreaterThanOrEqual(Math.sqrt(45));
    expect(constant.upper).toBeCloseTo(Math.sqrt(45), 2);
    for (const [k, entry] of [3, 4, 0, 5].entries()) expect(slopes[k].range[1]).toBeCloseTo(entry, 10);
  });

  it("is small of a network and itself, as far as boxes go", async () => {
    const f = networkOf(1, (x) => tanh(mul(x, 2)));
    const found = await difference(f, f, { engine, domain: box([-1, 1]), pieces: 500 });
    expect(found.status).toBe("stopped");
    expect(found.largest.lower).toBe(0);
    expect(found.largest.upper).toBeLessThan(0.01);
    expect(found.constant.upper).toBeLessThan(0.1);
  });

  it("refuses networks that do not fit each other", () => {
    const two = networkOf(2, (x) => concat([x, sliceAxis(x, 1, 0, 1)], 1));
    expect(() => minus(networkOf(1, tanh), two)).toThrow(
      "minus: f and f must take the same input, got 1 and 2 numbers",
    );
    const one = networkOf(2, tanh);
    expect(() => minus(one, two).build([constant(tensor(new Float32Array(2), [1, 2]))])).toThrow(
      "minus: f and f must give as many numbers, got 2 and 3",
    );
    expect(() => minus(networkOf(1, tanh, 4), networkOf(1, tanh))).toThrow(
      "must take one sample or any number of them, got 4",
    );
  });

  it("begins no bound that there is no time for", async () => {
    const network = networkOf(2, (x) =>
      tanh(
        matrix(x, [
          [1, 2],
          [3, 4],
        ]),
      ),
    );
    await expect(extremes(network, { engine, domain: box([-1, 1], [-1, 1]), seconds: 1e-9 })).rejects.toThrow(
      /there is no time for one bound; give more seconds/,
    );
  });
});
