import { describe, expect, it } from "vitest";
import { evaluate } from "../engine/reference.ts";
import { vjp } from "../graph/gradient.ts";
import { constant, filledLike, input } from "../graph/leaf.ts";
import { normalTensor, random } from "../tensor/random.ts";
import { cast, tensor, toFloat64 } from "../tensor/tensor.ts";
import { bilinear } from "./bilinear.ts";
import { sum } from "./broadcast.ts";

/** b(r, c) = sum_ij max(0, 1 - |r - i|) max(0, 1 - |c - j|) x_ij, written as it stands. */
function read(x: Float64Array, height: number, width: number, r: number, c: number): number {
  let total = 0;
  for (let i = 0; i < height; i++) {
    for (let j = 0; j < width; j++) {
      total += Math.max(0, 1 - Math.abs(r - i)) * Math.max(0, 1 - Math.abs(c - j)) * x[i * width + j];
    }
  }
  return total;
}

describe("bilinear()", () => {
  const [n, channels, height, width, points] = [2, 3, 4, 5, 40];
  const source = random(1);
  const images = cast(normalTensor(source, [n, channels, height, width]), "float64");
  const x = constant(images);
  const drawn = (size: number) =>
    Float64Array.from({ length: n * points }, (_, i) =>
      // Between pixels, on them, on the edge and far outside.
      i % 5 === 0 ? Math.round(source.uniform() * size) - 1 : -2 + (size + 3) * source.uniform(),
    );
  const [rows, columns] = [drawn(height), drawn(width)];
  const [r, c] = ["r", "c"].map((name) => input(name, [n, points], "float64"));
  const feeds = { r: tensor(rows, [n, points], "float64"), c: tensor(columns, [n, points], "float64") };

  it("is the sum of hats, with zeros outside", () => {
    const got = toFloat64(evaluate({ y: bilinear(x, r, c) }, feeds).y);
    const values = toFloat64(images);
    for (let s = 0; s < n; s++) {
      for (let k = 0; k < channels; k++) {
        const image = values.subarray((s * channels + k) * height * width, (s * channels + k + 1) * height * width);
        for (let p = 0; p < points; p++) {
          const [a, b] = [rows[s * points + p], columns[s * points + p]];
          expect(got[(s * channels + k) * points + p]).toBeCloseTo(read(image, height, width, a, b), 12);
        }
      }
    }
  });

  it("has the gradients of difference quotients in the positions", () => {
    const total = sum(bilinear(x, r, c));
    const [dr, dc] = vjp([total], [filledLike(total, 1)], [r, c]);
    const gradients = evaluate({ dr: dr as NonNullable<typeof dr>, dc: dc as NonNullable<typeof dc> }, feeds);
    const h = 1e-6;
    const at = (name: "r" | "c", i: number, by: number) => {
      const moved = Float64Array.from(name === "r" ? rows : columns);
      moved[i] += by;
      return toFloat64(evaluate({ y: total }, { ...feeds, [name]: tensor(moved, [n, points], "float64") }).y)[0];
    };
    for (const [name, values] of [
      ["r", rows],
      ["c", columns],
    ] as const) {
      const own = toFloat64(gradients[name === "r" ? "dr" : "dc"]);
      for (let i = 0; i < n * points; i += 7) {
        if (Math.abs(values[i] - Math.round(values[i])) < 1e-3) continue;
        expect(own[i]).toBeCloseTo((at(name, i, h) - at(name, i, -h)) / (2 * h), 5);
      }
    }
  });

  it("refuses positions that do not fit", () => {
    expect(() => bilinear(x, r, input("q", [n, 3], "float64"))).toThrow("bilinear: needs images");
  });
});
