import { describe, expect, it } from "vitest";
import { functionOf, randomNetwork } from "../../test/functions.ts";
import { attackTransforms } from "../attack/geometric.ts";
import { transformImage, transformNames, transformsOf } from "../attack/transforms.ts";
import type { Dataset } from "../data/dataset.ts";
import { nodeEngine } from "../engine/node.ts";
import { constant } from "../graph/leaf.ts";
import { add, sub } from "../ops/arith.ts";
import { matmul } from "../ops/matmul.ts";
import { concat, reshape } from "../ops/movement.ts";
import { relu } from "../ops/pointwise.ts";
import { normalTensor, random } from "../tensor/random.ts";
import { cast, tensor } from "../tensor/tensor.ts";
import { imageMotion } from "./motion.ts";
import { certifyRanges, rangeViolations } from "./ranges.ts";

const engine = nodeEngine({ threads: 1 });
const [height, width] = [9, 11];
const shape = [1, height, width] as const;
const size = height * width;

function noisy(seed: number, values = size): Float32Array {
  const source = random(seed);
  return Float32Array.from({ length: values }, () => source.uniform());
}

const dataOf = (x: Float32Array, classes = 2): Dataset => ({
  ...{ name: "images", task: "classification", targets: new Float32Array(0), x, shape, classes },
  count: x.length / size,
  labels: new Int32Array(x.length / size),
});

describe("imageMotion()", () => {
  it.each(transformNames)("is an upper bound, and near the motion where cells are small: %s", (name) => {
    const transforms = transformsOf([name]);
    const source = random(5);
    const draw = () => 2 * source.uniform() - 1;
    const p = transforms.parameters.length;
    let closest = 0;
    for (let round = 0; round < 24; round++) {
      // Two channels, negative numbers too; large cells and small ones; some parameters still.
      const x = noisy(round, 2 * size).map((v) => 2 * v - 0.7);
      const part = [1, 0.1, 1e-3][round % 3];
      const middle = transforms.parameters.map(({ limit }) => limit * draw() * 0.9);
      const half = transforms.parameters.map(({ limit }, k) => (k === round % p || round % 2 ? part * limit * 0.2 : 0));
      const { distance, image } = imageMotion(x, [2, height, width], transforms, { middle, half });
      for (let probe = 0; probe < 12; probe++) {
        // Ends of the cell, and points within.
        const by = half.map((h) => h * (probe % 2 ? Math.sign(draw()) : draw()));
        const values = middle.map((m, k) => m + by[k]);
        const moved = transformImage(x, [2, height, width], transforms, values);
        const way = Math.hypot(...moved.map((v, u) => v - image[u]));
        expect(way).toBeLessThanOrEqual(distance);
        if (round % 3 === 2 && round % 2 === 0) closest = Math.max(closest, way / distance);
      }
    }
    // So that a bound that is a tenth too small would be noticed.
    expect(closest).toBeGreaterThan(0.92);
  });

  it("is the motion itself for a shift inside of a pixel, and next to nothing for a point", () => {
    const x = noisy(1);
    const transforms = transformsOf(["translation"]);
    const { distance } = imageMotion(x, shape, transforms, { middle: [0.5, 0], half: [0.25, 0] });
    const [a, b] = [0.5, 0.75].map((dx) => transformImage(x, shape, transforms, [dx, 0]));
    expect(distance / Math.hypot(...b.map((v, u) => v - a[u]))).toBeCloseTo(1, 6);
    const still = imageMotion(x, shape, transforms, { middle: [0.5, 0.3], half: [0, 0] });
    expect(still.distance).toBeLessThan(1e-6);
  });
});

/** Decides 1 where the first moment of the columns is larger than `threshold` times the mass. */
const moment = (threshold: number) =>
  functionOf([...shape], (x) => {
    const weights = tensor(
      Array.from({ length: size }, (_, u) => 0.1 * ((u % width) - threshold)),
      [size, 1],
    );
    const f = matmul(reshape(x, [x.shape[0], size]), constant(cast(weights, x.dtype)));
    return concat([sub(0, f), f], 1);
  });

describe("certifyRanges()", () => {
  it("proves a shift up to where a first moment says that the decision changes", async () => {
    // One bright column: what is lost outside is nothing, and the margin falls with the shift.
    const x = new Float32Array(size);
    for (let i = 3; i < 6; i++) x[i * width + 4] = 1;
    const { samples, parameters, certified } = await certifyRanges(moment(5.5), {
      ...{ engine, data: dataOf(x), transforms: ["translation"], resolution: 1024 },
    });
    const [[low, high], [up, down]] = samples[0].ranges;
    expect(high).toBeLessThan(1.5);
    expect(high).toBeGreaterThan(1.45);
    // The other way, and down, the decision never changes.
    expect([low, up, down]).toEqual([-3, -3, 3]);
    expect(parameters.map((p) => p.name)).toEqual(["dx", "dy"]);
    expect(certified.map((c) => c.whole)).toEqual([0, 1]);
    expect(certified[0].meanWidth).toBe(high - low);
  });

  it("proves boxes of all parameters, or meets what changes them", async () => {
    const x = new Float32Array(2 * size);
    for (let i = 3; i < 6; i++) {
      x[i * width + 4] = 1;
      x[size + i * width + 5] = 0.7;
      x[size + i * width + 6] = 0.3;
    }
    const limits = { rotation: 1, translation: 0.3 };
    const transforms = ["rotation", "translation"] as const;
    const options = { engine, data: dataOf(x), transforms, limits };
    const found = await certifyRanges(moment(5.5), { ...options, parts: 3000 });
    expect(found.samples.map((s) => s.box)).toEqual(["proved", "changed"]);
    expect(found.box).toEqual({ proved: 0.5, atMost: 0.5 });
    const few = await certifyRanges(moment(5.5), { ...options, parts: 1 });
    expect(few.samples[0].box).toBe("open");
    const attacked = await attackTransforms(moment(5.5), options);
    expect(attacked.samples.map((s) => s.parameters !== null)).toEqual([false, true]);
    expect(rangeViolations(found, attacked)).toEqual([]);
  });

  it("is refuted by no search on random networks, and a planted error is noticed", async () => {
    let [caught, narrow] = [0, 0];
    for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
      const network = randomNetwork(random(seed), "image", 8);
      const square = { shape: [1, 8, 8], count: 4, labels: new Int32Array(4) };
      const data = { ...dataOf(noisy(seed, 4 * 64), 3), ...square };
      const transforms = [seed % 2 ? ("rotation" as const) : ("scaling" as const)];
      const options = { engine, data, transforms, limits: { [transforms[0]]: seed % 2 ? 90 : 0.5 } };
      const ranges = await certifyRanges(network, { ...options, resolution: 64 });
      const attacked = await attackTransforms(network, { ...options, tries: 128 });
      expect(rangeViolations(ranges, attacked)).toEqual([]);
      const changed = attacked.samples.filter((s) => s.parameters !== null);
      for (const { index, parameters } of changed) {
        const [value] = parameters as readonly number[];
        const [low, high] = ranges.samples[index].ranges[0];
        if (Math.abs(value < 0 ? low : high) > 0.5 * Math.abs(value)) narrow++;
      }
      const far = ranges.parameters[0].limit;
      const planted = { ...ranges, samples: ranges.samples.map((s) => ({ ...s, ranges: [[-far, far] as const] })) };
      const violations = rangeViolations(planted, attacked);
      expect(violations.map((v) => v.index)).toEqual(changed.map((s) => s.index));
      caught += violations.filter((v) => v.kind === "proof").length;
    }
    // Decisions do change, and proofs reach near to where they do, so that the hunt means something.
    expect(caught).toBeGreaterThan(8);
    expect(narrow).toBeGreaterThan(4);
  });

  it("proves more by the linear walk, where the constant says little", async () => {
    // Decides by the first moment, through neurons of large weights that cancel.
    const network = functionOf([...shape], (x) => {
      const flat = reshape(x, [x.shape[0], size]);
      const noise = cast(normalTensor(random(4), [size, 40], 0.3), x.dtype);
      const first = tensor(
        Array.from({ length: size }, (_, u) => 0.1 * ((u % width) - 5.5)),
        [size, 1],
      );
      const hidden = relu(sub(matmul(flat, constant(noise)), 20));
      const lost = matmul(hidden, constant(cast(normalTensor(random(5), [40, 1]), x.dtype)));
      const f = add(matmul(flat, constant(cast(first, x.dtype))), lost);
      return concat([sub(0, f), f], 1);
    });
    const x = new Float32Array(size);
    for (let i = 3; i < 6; i++) x[i * width + 3] = 1;
    const options = { engine, data: dataOf(x), transforms: ["rotation"] as const, limits: { rotation: 10 } };
    const plain = await certifyRanges(network, { ...options, resolution: 16 });
    const walked = await certifyRanges(network, { ...options, resolution: 16, local: { steps: 0 } });
    const span = ([low, high]: readonly [number, number]) => high - low;
    expect(span(walked.samples[0].ranges[0])).toBeGreaterThan(span(plain.samples[0].ranges[0]));
    const attacked = await attackTransforms(network, options);
    expect(rangeViolations(walked, attacked)).toEqual([]);
  });

  it("says what does not fit", async () => {
    const data = dataOf(noisy(1));
    const options = { engine, data, transforms: ["rotation"] as const };
    await expect(certifyRanges(moment(5), { ...options, resolution: 100 })).rejects.toThrow("power of 2");
    await expect(certifyRanges(moment(5), { ...options, parts: -1 })).rejects.toThrow("parts must be");
    const flat = { ...data, shape: [size] };
    await expect(certifyRanges(moment(5), { ...options, data: flat })).rejects.toThrow("needs images");
    const ranges = await certifyRanges(moment(5), options);
    const attacked = await attackTransforms(moment(5), { ...options, transforms: ["scaling"] });
    expect(() => rangeViolations(ranges, attacked)).toThrow("must match");
  });
});
