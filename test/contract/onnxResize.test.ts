/** @file Resize in all its modes: what is read computes what ONNX Runtime computes of the same bytes, sizes and places included, over drawn lengths and scales. */
import { describe, expect, it } from "vitest";
import { nodeEngine } from "../../src/engine/node.ts";
import { evaluate } from "../../src/engine/reference.ts";
import { input } from "../../src/graph/leaf.ts";
import { parseOnnx } from "../../src/onnx/read.ts";
import { normalTensor, random } from "../../src/tensor/random.ts";
import { type Tensor, tensor, toFloat64 } from "../../src/tensor/tensor.ts";
import { modelOf, type Value } from "../model.ts";

const engine = nodeEngine({ threads: 1 });
const transformations = [
  "half_pixel",
  "half_pixel_symmetric",
  "pytorch_half_pixel",
  "align_corners",
  "asymmetric",
] as const;
const roundings = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"] as const;

interface Drawn {
  readonly op?: string;
  readonly opset: number;
  readonly shape: readonly number[];
  readonly attributes: Readonly<Record<string, Value>>;
  readonly tensors: Readonly<Record<string, Tensor>>;
  readonly inputs?: readonly string[];
}

/** The outputs of ONNX Runtime and of what was read; null where ONNX Runtime does not run it. */
async function both({ op = "Resize", opset, shape, attributes, tensors, inputs }: Drawn) {
  const names = inputs ?? ["x", "", "scales" in tensors ? "scales" : "", "sizes" in tensors ? "sizes" : ""];
  const bytes = modelOf({ opset, inputs: { x: shape }, nodes: [{ op, in: names, attributes }], tensors });
  const x = normalTensor(random(shape.length + shape[shape.length - 1]), shape);
  let want: Tensor;
  try {
    const program = await engine.load(bytes);
    want = (await program.run({ x })).y;
    await program.dispose();
  } catch {
    return null;
  }
  const [y] = parseOnnx(bytes).build([input("x", shape)]);
  return { got: evaluate({ y }, { x }).y, want };
}

/** Compares all; gives how many ONNX Runtime ran. */
async function compared(cases: readonly Drawn[], tolerance = 0): Promise<number> {
  let ran = 0;
  for (const drawn of cases) {
    const found = await both(drawn);
    if (!found) continue;
    ran++;
    const told = JSON.stringify({ ...drawn, tensors: Object.values(drawn.tensors).map((t) => [...toFloat64(t)]) });
    expect(found.got.shape, told).toEqual(found.want.shape);
    const [a, b] = [toFloat64(found.got), toFloat64(found.want)];
    const worst = a.reduce((most, v, i) => Math.max(most, Math.abs(v - b[i])), 0);
    expect(worst, told).toBeLessThanOrEqual(tolerance);
  }
  return ran;
}

const scalesOf = (...values: readonly number[]) => ({ scales: tensor(values, [values.length]) });
const sizesOf = (...values: readonly number[]) => ({ sizes: tensor(values, [values.length], "int64") });

describe("Resize", () => {
  it("takes the same nearest elements, for every length, scale, transformation and rounding", async () => {
    const cases: Drawn[] = [];
    for (const coordinate_transformation_mode of transformations) {
      for (const nearest_mode of roundings) {
        const attributes = { mode: "nearest", coordinate_transformation_mode, nearest_mode };
        for (let d = 1; d <= 12; d++) {
          for (let k = 1 + (d % 2); k <= 24; k += 2) {
            const tensors = scalesOf(1, 1, k / 10);
            if (Math.floor(Math.fround(Math.fround(k / 10) * d)) > 0) {
              cases.push({ opset: 13, shape: [1, 1, d], attributes, tensors });
            }
          }
          for (const n of [1, 2, 3, 5, 7, 10, 11, 16, 23]) {
            cases.push({ opset: 19, shape: [1, 1, d], attributes, tensors: sizesOf(1, 1, n) });
          }
        }
      }
    }
    expect(await compared(cases)).toBe(cases.length);
  });

  it("takes the same nearest elements for drawn scales, near halves and whole numbers most of all", async () => {
    const source = random(5);
    const cases: Drawn[] = [];
    for (let n = 0; n < 600; n++) {
      const coordinate_transformation_mode = transformations[n % transformations.length];
      const nearest_mode = roundings[Math.floor(n / 5) % roundings.length];
      const d = 2 + Math.floor(source.uniform() * 30);
      const plain = (1 + Math.floor(source.uniform() * 40)) / (1 + Math.floor(source.uniform() * 20));
      const scale = plain * (1 + (Math.floor(source.uniform() * 7) - 3) * 2 ** -23);
      if (Math.floor(Math.fround(Math.fround(scale) * d)) < 1) continue;
      const attributes = { mode: "nearest", coordinate_transformation_mode, nearest_mode };
      cases.push({ opset: 19, shape: [1, 1, d], attributes, tensors: scalesOf(1, 1, scale) });
    }
    expect(await compared(cases)).toBe(cases.length);
  });

  it("mixes the same elements linearly", async () => {
    const cases: Drawn[] = [];
    for (const coordinate_transformation_mode of transformations) {
      const attributes = { mode: "linear", coordinate_transformation_mode };
      for (const d of [1, 2, 3, 5, 8, 10]) {
        for (const k of [3, 5, 7, 10, 12, 13, 15, 17, 20, 27]) {
          if (Math.floor(Math.fround(Math.fround(k / 10) * d)) === 0) continue;
          cases.push({ opset: 13, shape: [1, 1, 4, d], attributes, tensors: scalesOf(1, 1, 2, k / 10) });
          cases.push({ opset: 13, shape: [1, 2, d], attributes, tensors: scalesOf(1, 1, k / 10) });
        }
        for (const n of [1, 2, 3, 7, 11, 16]) {
          cases.push({ opset: 19, shape: [1, 2, 3, d], attributes, tensors: sizesOf(1, 2, 5, n) });
        }
      }
    }
    expect(await compared(cases, 2e-6)).toBeGreaterThan(0.9 * cases.length);
  });

  it("mixes the same elements by cubics", async () => {
    const cases: Drawn[] = [];
    for (const coordinate_transformation_mode of transformations) {
      for (const exclude_outside of [0, 1]) {
        for (const a of [-0.75, -0.5]) {
          const cubic_coeff_a = { float: a };
          const attributes = { mode: "cubic", coordinate_transformation_mode, exclude_outside, cubic_coeff_a };
          for (const d of [1, 2, 3, 5, 8]) {
            for (const k of [5, 7, 10, 13, 20, 27]) {
              if (Math.floor(Math.fround(Math.fround(k / 10) * d)) === 0) continue;
              cases.push({ opset: 13, shape: [1, 1, 4, d], attributes, tensors: scalesOf(1, 1, 1.5, k / 10) });
            }
            for (const n of [1, 4, 11])
              cases.push({ opset: 19, shape: [1, 2, 3, d], attributes, tensors: sizesOf(1, 2, 5, n) });
          }
        }
      }
    }
    expect(await compared(cases, 1e-5)).toBeGreaterThan(0.9 * cases.length);
  });

  it("smooths what shrinks in the same way", async () => {
    const cases: Drawn[] = [];
    for (const coordinate_transformation_mode of transformations) {
      for (const mode of ["linear", "cubic"]) {
        for (const exclude_outside of [0, 1]) {
          const attributes = { mode, coordinate_transformation_mode, exclude_outside, antialias: 1 };
          for (const d of [3, 8, 10]) {
            for (const k of [3, 6, 7, 13, 20]) {
              if (Math.floor(Math.fround(Math.fround(k / 10) * d)) === 0) continue;
              cases.push({ opset: 18, shape: [1, 1, 4, d], attributes, tensors: scalesOf(1, 1, 0.5, k / 10) });
            }
            for (const n of [2, 5, 11])
              cases.push({ opset: 19, shape: [1, 2, 6, d], attributes, tensors: sizesOf(1, 2, 4, n) });
          }
        }
      }
    }
    expect(await compared(cases, 1e-5)).toBeGreaterThan(0.9 * cases.length);
  });

  it("keeps the ratio of lengths where it is told to, and takes some axes alone", async () => {
    const cases: Drawn[] = [];
    for (const keep_aspect_ratio_policy of ["stretch", "not_larger", "not_smaller"]) {
      for (const mode of ["nearest", "linear"]) {
        const attributes = { mode, keep_aspect_ratio_policy };
        for (const [h, w] of [
          [4, 6],
          [5, 3],
          [7, 7],
        ]) {
          for (const [n, m] of [
            [6, 8],
            [3, 9],
            [10, 5],
          ]) {
            const tensors = sizesOf(n, m);
            cases.push({ opset: 18, shape: [1, 1, h, w], attributes: { ...attributes, axes: [2, 3] }, tensors });
            if (keep_aspect_ratio_policy !== "stretch") continue;
            cases.push({ opset: 18, shape: [1, 1, h, w], attributes: { ...attributes, axes: [-1, -2] }, tensors });
          }
        }
      }
    }
    expect(await compared(cases, 2e-6)).toBeGreaterThan(0.9 * cases.length);
  });

  it("reads the old forms as they run", async () => {
    const cases: Drawn[] = [];
    for (const mode of ["nearest", "linear"]) {
      for (let k = 3; k <= 24; k++) {
        for (const d of [2, 3, 5, 10]) {
          const scales = [1, 1, 1, Math.max(k / 10, 1 / d)];
          const shape = [1, 1, 2, d];
          const tensors = scalesOf(...scales);
          cases.push({ opset: 10, shape, attributes: { mode }, tensors, inputs: ["x", "scales"] });
          if (k < 10) continue;
          cases.push({ op: "Upsample", opset: 9, shape, attributes: { mode }, tensors, inputs: ["x", "scales"] });
          const floats = { floats: scales };
          cases.push({
            op: "Upsample",
            opset: 7,
            shape,
            attributes: { mode, scales: floats },
            tensors: {},
            inputs: ["x"],
          });
        }
      }
    }
    expect(await compared(cases, 2e-6)).toBeGreaterThan(0.9 * cases.length);
  });
});
