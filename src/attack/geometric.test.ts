import { describe, expect, it } from "vitest";
import { functionOf } from "../../test/functions.ts";
import type { Dataset } from "../data/dataset.ts";
import { nodeEngine } from "../engine/node.ts";
import { evaluate } from "../engine/reference.ts";
import { constant, input } from "../graph/leaf.ts";
import { sub } from "../ops/arith.ts";
import { matmul } from "../ops/matmul.ts";
import { concat, reshape } from "../ops/movement.ts";
import { random } from "../tensor/random.ts";
import { cast, tensor, toFloat64 } from "../tensor/tensor.ts";
import { attackTransforms, transformScore } from "./geometric.ts";
import { tangentStep, transformed } from "./manifool.ts";
import { type TransformName, transformImage, transformNames, transformsOf } from "./transforms.ts";

const engine = nodeEngine({ threads: 1 });
const [height, width] = [9, 11];
const shape = [1, height, width] as const;
const at = (i: number, j: number): number => i * width + j;

/** A blob that stays inside under shifts of 2 pixels. */
function blob(seed: number): Float32Array {
  const source = random(seed);
  const x = new Float32Array(height * width);
  for (let i = 3; i < 6; i++) for (let j = 3; j < 8; j++) x[at(i, j)] = Math.fround(0.2 + 0.8 * source.uniform());
  return x;
}

const images = (count: number): Float32Array => {
  const x = new Float32Array(count * height * width);
  for (let k = 0; k < count; k++) x.set(blob(k), k * height * width);
  return x;
};

const dataOf = (x: Float32Array): Dataset => ({
  ...{ name: "blobs", task: "classification", targets: new Float32Array(0), x, shape, classes: 2 },
  count: x.length / (height * width),
  labels: new Int32Array(x.length / (height * width)),
});

/** Decides 1 where the first moment of the columns is larger than `threshold` times the mass: hats keep both under a shift. */
const moment = (threshold: number) =>
  functionOf([...shape], (x) => {
    const weights = tensor(
      Array.from({ length: height * width }, (_, u) => (u % width) - threshold),
      [height * width, 1],
    );
    const f = matmul(reshape(x, [x.shape[0], height * width]), constant(cast(weights, x.dtype)));
    return concat([sub(0, f), f], 1);
  });

const middle = (x: ArrayLike<number>): number => {
  let [mass, first] = [0, 0];
  for (let u = 0; u < x.length; u++) {
    mass += x[u];
    first += x[u] * (u % width);
  }
  return first / mass;
};

describe("transformImage()", () => {
  const x = Float64Array.from({ length: 25 }, (_, u) => u + 1);
  const square = [1, 5, 5] as const;
  const turned = (names: readonly TransformName[], values: readonly number[]) =>
    transformImage(x, square, transformsOf(names, names[0] === "rotation" ? { rotation: 180 } : {}), values);

  it("turns by 90 degrees counter-clockwise", () => {
    const got = turned(["rotation"], [90]);
    for (let i = 0; i < 5; i++) for (let j = 0; j < 5; j++) expect(got[5 * i + j]).toBeCloseTo(x[5 * j + (4 - i)], 9);
  });

  it("shifts to the right and down by whole pixels, zeros behind", () => {
    const got = turned(["translation"], [2, 1]);
    for (let i = 0; i < 5; i++) {
      for (let j = 0; j < 5; j++) expect(got[5 * i + j]).toBeCloseTo(i < 1 || j < 2 ? 0 : x[5 * (i - 1) + (j - 2)], 9);
    }
  });

  it("doubles: every other pixel is one of before", () => {
    const got = transformImage(x, square, transformsOf(["scaling"], { scaling: 0.9 }), [1]);
    for (const i of [0, 2, 4]) for (const j of [0, 2, 4]) expect(got[5 * i + j]).toBe(x[5 * (1 + i / 2) + 1 + j / 2]);
  });

  it("applies what is named first first", () => {
    const both = transformsOf(["scaling", "translation"]);
    const once = transformImage(x, square, transformsOf(["scaling"], { scaling: 0.9 }), [0.25]);
    const twice = transformImage(once, square, transformsOf(["translation"]), [1, 0]);
    const got = transformImage(x, square, both, [0.25, 1, 0]);
    // A whole shift reads pixels, so that nothing is interpolated twice; what the first has cut off is gone.
    for (let i = 0; i < 5; i++) for (let j = 1; j < 5; j++) expect(got[5 * i + j]).toBeCloseTo(twice[5 * i + j], 12);
  });

  it.each(transformNames)("is what the graph computes, and 0 changes nothing: %s", (name) => {
    const transforms = transformsOf([name]);
    const source = random(3);
    const x = blob(1);
    const values = transforms.parameters.map(({ limit }) => limit * (2 * source.uniform() - 1));
    const p = values.length;
    const theta = input("theta", [1, p], "float64");
    const node = transformed(constant(tensor(Float64Array.from(x), [1, ...shape], "float64")), theta, transforms);
    const got = toFloat64(evaluate({ node }, { theta: tensor(values, [1, p], "float64") }).node);
    transformImage(x, shape, transforms, values).forEach((v, u) => {
      expect(got[u]).toBeCloseTo(v, 9);
    });
    const still = transformImage(x, shape, transforms, new Array(p).fill(0));
    expect(Math.max(...still.map((v, u) => Math.abs(v - x[u])))).toBeLessThan(1e-12);
  });
});

describe("transformsOf()", () => {
  it("takes limits of a parameter, and of a transformation in one unit", () => {
    const { parameters } = transformsOf(["rotation", "translation"], { translation: 2, rotation: 10 });
    expect(parameters.map((p) => [p.name, p.limit])).toEqual([
      ["rotation", 10],
      ["dx", 2],
      ["dy", 2],
    ]);
    expect(transformsOf(["similarity"], { rotation: 5, dx: 1 }).parameters.map((p) => p.limit)).toEqual([0.2, 5, 1, 3]);
  });

  it.each([
    [[], {}, "unknown"],
    [["rotation", "rotation"], {}, "part of another"],
    [["rotation", "affine"], {}, "part of another"],
    [["affine"], { affine: 1 }, "nothing to limit"],
    [["rotation"], { rotation: 200 }, "at most 180"],
    [["rotation"], { rotation: 0 }, "above 0"],
  ] as const)("refuses %j with %j", (names, limits, message) => {
    expect(() => transformsOf(names, limits)).toThrow(message);
  });
});

describe("tangentStep()", () => {
  it("closes the gap by the shortest step in the image", () => {
    const gram = [4, 1, 1, 3];
    const g = [1, -2];
    const { step, length } = tangentStep(0.5, g, gram, [true, true]) as NonNullable<ReturnType<typeof tangentStep>>;
    expect(step[0] * g[0] + step[1] * g[1]).toBeCloseTo(0.5, 9);
    const far = (s: readonly number[]) =>
      Math.sqrt(gram[0] * s[0] ** 2 + 2 * gram[1] * s[0] * s[1] + gram[3] * s[1] ** 2);
    expect(length).toBeCloseTo(far(step), 2);
    // Every other step that closes it is longer.
    for (const t of [-0.1, 0.1]) expect(far([step[0] + 2 * t, step[1] + t])).toBeGreaterThan(far(step));
    expect(tangentStep(0.5, g, gram, [false, true])?.step[0]).toBe(0);
    expect(tangentStep(0.5, [0, 0], gram, [true, true])).toBeNull();
  });
});

describe("attackTransforms()", () => {
  it("finds the shift that a first moment says, by each search", async () => {
    const x = images(6);
    const threshold = 5.9;
    for (const search of ["grid", "random", "manifool"] as const) {
      const { samples } = await attackTransforms(moment(threshold), {
        ...{ engine, data: dataOf(x), transforms: ["translation"], limits: { translation: 2 }, searches: [search] },
      });
      samples.forEach(({ index, parameters, confirmed }) => {
        const own = threshold - middle(x.subarray(index * height * width, (index + 1) * height * width));
        const [dx, dy] = parameters as readonly number[];
        expect(confirmed).toBe(true);
        expect(dx).toBeGreaterThan(own - 1e-4);
        expect(dx).toBeLessThan(own * 1.001);
        // Only the walk knows that going down does not help.
        if (search === "manifool") expect(Math.abs(dy)).toBeLessThan(0.2 * own);
      });
    }
  });

  it("finds nothing beyond the limits", async () => {
    const { robust, meanScore, samples } = await attackTransforms(moment(8), {
      ...{ engine, data: dataOf(images(3)), transforms: ["translation"], limits: { dx: 0.5, dy: 2 } },
    });
    expect({ robust, meanScore }).toEqual({ robust: 1, meanScore: null });
    expect(samples.every((s) => s.parameters === null && !s.confirmed)).toBe(true);
  });

  it("scores by the way of the image: of a shift inside of a pixel it is straight", () => {
    const x = blob(2);
    const transforms = transformsOf(["translation"]);
    const moved = transformImage(x, shape, transforms, [0.4, 0]);
    const way = Math.hypot(...moved.map((v, u) => v - x[u])) / Math.hypot(...x);
    expect(transformScore(x, shape, transforms, [0.4, 0])).toBeCloseTo(way, 12);
    // Further than one pixel it bends.
    const far = transformImage(x, shape, transforms, [1.5, 0]);
    expect(transformScore(x, shape, transforms, [1.5, 0])).toBeGreaterThan(
      1.05 * (Math.hypot(...far.map((v, u) => v - x[u])) / Math.hypot(...x)),
    );
  });

  it("gives equal results for equal seeds, and refuses what is no image", async () => {
    const options = { engine, data: dataOf(images(3)), transforms: ["similarity"], seed: 3 } as const;
    expect(await attackTransforms(moment(5.5), options)).toEqual(await attackTransforms(moment(5.5), options));
    const flat = { ...dataOf(images(1)), shape: [height * width] };
    await expect(attackTransforms(moment(5), { ...options, data: flat })).rejects.toThrow("needs images");
  });
});
