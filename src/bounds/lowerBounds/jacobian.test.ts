import { describe, expect, it } from "vitest";
import { affine, functionOf, randomNetwork, weight } from "../../../test/functions.ts";
import type { Dataset } from "../../data/dataset.ts";
import { nodeEngine } from "../../engine/node.ts";
import { evaluate } from "../../engine/reference.ts";
import type { Network } from "../../graph/network.ts";
import { matrix } from "../../linalg/matrix.ts";
import { inducedNorm } from "../../linalg/norm.ts";
import { add, mul, neg, sub } from "../../ops/arith.ts";
import { abs, leakyRelu, relu, sigmoid } from "../../ops/pointwise.ts";
import { UsageError } from "../../tensor/errors.ts";
import { normalTensor, random } from "../../tensor/random.ts";
import { type Shape, sizeOf } from "../../tensor/shape.ts";
import { tensor } from "../../tensor/tensor.ts";
import type { Norm } from "../bound.ts";
import { lengthOf } from "../length.ts";
import { subjectOf } from "../subject.ts";
import { jacobian } from "./jacobian.ts";
import type { LowerOptions } from "./search.ts";

const engine = nodeEngine({ threads: 1 });
const norms: readonly Norm[] = [1, 2, "inf"];

const lower = (network: Network, norm: Norm = 2, options: Partial<LowerOptions> = {}) =>
  jacobian(subjectOf(network), norm, { engine, points: 8, rounds: 4, ...options });

function points(shape: Shape, values: readonly number[]): Dataset {
  const count = values.length / sizeOf(shape);
  const common = { name: "points", shape, count, labels: new Int32Array(0), classes: 1 };
  return { ...common, task: "regression", x: Float32Array.from(values), targets: new Float32Array(count) };
}

describe("jacobian()", () => {
  it("finds the norm of a linear network, in every norm", async () => {
    const data = normalTensor(random(4), [4 * 6]).data as Float32Array;
    const rows = Array.from({ length: 4 }, (_, i) => Array.from(data.subarray(6 * i, 6 * i + 6)));
    const network = functionOf([6], (x) => affine(x, rows, [1, 2, 3, 4]));
    for (const norm of norms) {
      const exact = inducedNorm(matrix(4, 6, data), norm);
      const { value } = await lower(network, norm);
      expect(value).toBeLessThanOrEqual(exact.upper);
      expect(value).toBeGreaterThan(exact.lower * (1 - 1e-6));
    }
  });

  it("does not believe a formal Jacobian at a kink", async () => {
    // x - relu(x) + relu(-x) is 0 everywhere, but at 0 its formal derivative is 1.
    const nothing = functionOf([2], (x) => add(sub(x, relu(x)), relu(neg(x))));
    const zero = points([2], [0, 0]);
    const { value } = await lower(nothing, 2, { data: zero, points: 1, rounds: 0 });
    expect(value).toBe(0);
    // relu(x) - relu(-x) is x.
    const same = functionOf([2], (x) => sub(relu(x), relu(neg(x))));
    for (const norm of norms) {
      const found = await lower(same, norm, { data: points([2], [0, 0, 1, -2]), points: 2 });
      expect(found.value).toBeLessThanOrEqual(1);
      expect(found.value).toBeGreaterThan(1 - 1e-9);
    }
  });

  it("gives a witness that shows the value", async () => {
    for (const norm of norms) {
      const network = randomNetwork(random(11), "dense");
      const { value, witness } = await lower(network, norm);
      if (!witness) throw new Error("no witness");
      const { x, y } = subjectOf(network).at(1, "float64");
      const at = (v: readonly number[]) => evaluate({ y }, { x: tensor(v, x.shape, "float64") }).y.data as Float64Array;
      const near = at(witness.y);
      const rise = lengthOf(
        near.map((c, i) => c - at(witness.x)[i]),
        norm,
      );
      expect(
        rise /
          lengthOf(
            witness.y.map((c, i) => c - witness.x[i]),
            norm,
          ),
      ).toBeGreaterThan(value * (1 - 1e-9));
    }
  });

  it("climbs where the second derivative says so", async () => {
    // The slope of sigmoid(4 x) is 1 at 0 only; the points start far from there.
    const network = functionOf([3], (x) => sigmoid(mul(x, 4)));
    const data = points([3], [1, 1, 1, -1, 0.8, 1.1]);
    const still = await lower(network, 2, { data, rounds: 0 });
    const moved = await lower(network, 2, { data, rounds: 40 });
    // A long step from there sees some of it.
    expect(still.value).toBeLessThan(0.5);
    expect(moved.value).toBeGreaterThan(0.9);
    expect(moved.value).toBeLessThanOrEqual(1);
  });

  it("is the same for the same seed, and another for another", async () => {
    const network = randomNetwork(random(3), "image");
    const [a, b, c] = [
      await lower(network, 2, { seed: 5 }),
      await lower(network, 2, { seed: 5 }),
      await lower(network, 2, { seed: 6 }),
    ];
    expect(b.value).toBe(a.value);
    expect(b.witness).toEqual(a.witness);
    expect(c.witness).not.toEqual(a.witness);
  });

  it("takes networks with a fixed batch, and ones that ignore their input", async () => {
    const fixed = functionOf([3], (x) => mul(abs(x), 2), 4);
    expect((await lower(fixed)).value).toBeCloseTo(2, 9);
    const none = await lower(functionOf([3], (x) => weight(x, [1, 2], [1, 2])));
    expect(none).toMatchObject({ value: 0, witness: null, status: "done" });
  });

  it("starts at an affine node whose derivative is written with its input", async () => {
    // A leaky ReLU with slope 1 before a square: |x_1^2 - x_2^2| <= L |x_1 - x_2| on [-1, 1] for L = 2 only.
    const domain = { kind: "box", low: [-1], high: [1] } as const;
    const square = functionOf([1], (x) => mul(leakyRelu(x, 1), leakyRelu(x, 1)));
    expect((await lower(square, 2, { domain })).value).toBeGreaterThan(1.9);
    expect((await lower(square)).value).toBeGreaterThan(1.9);
  });

  it("says when time ran out, and stops when told", async () => {
    const network = randomNetwork(random(1), "dense");
    const found = await lower(network, 2, { seconds: 0 });
    expect(found.status).toBe("stopped");
    expect(found.value).toBeGreaterThan(0);
    await expect(lower(network, 2, { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
  });

  it("reports progress from 0 to 1", async () => {
    const seen: number[] = [];
    await lower(randomNetwork(random(1), "dense"), 2, { onProgress: (part) => seen.push(part) });
    expect([...seen].sort((a, b) => a - b)).toEqual(seen);
    expect(seen.at(-1)).toBe(1);
  });

  it("refuses data of another shape", async () => {
    const network = functionOf([3], relu);
    await expect(lower(network, 2, { data: points([4], [1, 2, 3, 4]) })).rejects.toThrow(UsageError);
    await expect(lower(network, 2, { points: 0 })).rejects.toThrow("points must be a whole number");
  });
});
