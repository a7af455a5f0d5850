import { describe, expect, it } from "vitest";
import { affine, functionOf } from "../../test/functions.ts";
import type { Dataset } from "../data/dataset.ts";
import { nodeEngine } from "../engine/node.ts";
import { sub } from "../ops/arith.ts";
import { concat } from "../ops/movement.ts";
import { relu, sign } from "../ops/pointwise.ts";
import { attack } from "./attack.ts";
import { pgd } from "./protocol.ts";

const engine = nodeEngine({ threads: 1 });
const size = 40;

const origin: Dataset = {
  ...{ name: "origin", task: "classification", targets: new Float32Array(0), shape: [size], count: 1, classes: 2 },
  x: new Float32Array(size),
  labels: Int32Array.of(1),
};

/** Decides for 0 only where the sum of all inputs is above 31: around the sample every gradient is 0. */
const masked = functionOf([size], (x) => {
  const total = affine(x, [new Array<number>(size).fill(1)], [-30]);
  return concat([sub(relu(total), 1), affine(x, [new Array<number>(size).fill(0)])], 1);
});

describe("starts where the linear walk is lowest", () => {
  it.each([["inf", 1] as const, [2, 6] as const])(
    "find what gradients hide, which random points do not: l%s",
    async (norm, radius) => {
      const found = await Promise.all(
        (["random", "sample", "relaxed"] as const).map(async (start) => {
          const { samples } = await attack(masked, {
            ...{ engine, data: origin, norm, radii: [radius] },
            attacks: [pgd({ start, steps: 5, restarts: 2 })],
          });
          return samples[0].distance;
        }),
      );
      expect(found.slice(0, 2)).toEqual([null, null]);
      const nearest = norm === 2 ? 31 / Math.sqrt(size) : 31 / size;
      expect(found[2]).toBeGreaterThanOrEqual(nearest * (1 - 1e-6));
      expect(found[2]).toBeLessThan(nearest * 1.01);
    },
  );

  it("say what the walk does not know", async () => {
    const jumps = functionOf([size], (x) =>
      affine(sign(x), [new Array<number>(size).fill(1), new Array<number>(size).fill(0)], [0, 1]),
    );
    const options = { engine, data: origin, radii: [1], attacks: [pgd({ start: "relaxed" })] } as const;
    await expect(attack(jumps, options)).rejects.toThrow(/sign/i);
  });
});
