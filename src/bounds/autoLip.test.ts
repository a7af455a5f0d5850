import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { activations, affine, functionOf, weight } from "../../test/functions.ts";
import type { Node } from "../graph/graph.ts";
import type { Network } from "../graph/network.ts";
import { matrix, multiply, transpose as transposed } from "../linalg/matrix.ts";
import { spectralNorm } from "../linalg/norm.ts";
import { add, div, maximum, mul, pow, sub } from "../ops/arith.ts";
import { broadcastTo } from "../ops/broadcast.ts";
import { conv, convTranspose } from "../ops/conv.ts";
import { matmul } from "../ops/matmul.ts";
import { concat, flatten, reshape } from "../ops/movement.ts";
import { abs, exp, relu, sin, softplus, tanh } from "../ops/pointwise.ts";
import { normalTensor, random } from "../tensor/random.ts";
import { toFloat64 } from "../tensor/tensor.ts";
import { autoLip } from "./autoLip.ts";
import type { Norm } from "./bound.ts";
import { subjectOf } from "./subject.ts";

const bound = async (network: Network, norm: Norm = 2) => (await autoLip(subjectOf(network), norm)).bound;
const value = async (network: Network, norm: Norm = 2) => (await bound(network, norm)).value;
const norms: readonly Norm[] = [1, 2, "inf"];

/** upper is at least the exact value and above it by no more than `slack`, relatively. */
function just(upper: number, exact: number, slack = 1e-9) {
  expect(upper).toBeGreaterThanOrEqual(exact);
  expect(upper).toBeLessThanOrEqual(exact * (1 + slack));
}

const draw = (seed: number, n: number) => Array.from(normalTensor(random(seed), [n]).data as Float32Array);
const table = (seed: number, rows: number, cols: number) =>
  Array.from({ length: rows }, (_, i) => draw(seed + i, cols));

describe("autoLip()", () => {
  it("counts every row of a matrix that is one row repeated", async () => {
    const network = functionOf([3], (x) => matmul(x, broadcastTo(weight(x, [3, 4], [1, 2]), [3, 2])));
    just(await value(network), 5 * Math.sqrt(3));
  });

  it("reads a power of one as what it is: its derivative asks where, and is the same everywhere", async () => {
    const network = functionOf([2], (x) =>
      add(
        affine(pow(x, 1), [
          [3, 0],
          [0, 4],
        ]),
        x,
      ),
    );
    just(await value(network), 5);
  });

  it("gives the worked example of its authors: ln(1 + e^(x/2)) + |x/2 - w sin x| has 1 + |w|", async () => {
    for (const w of [0.75, -2.5]) {
      const f = (x: Node) => {
        const half = div(x, 2);
        return add(softplus(half), abs(sub(half, mul(sin(x), w))));
      };
      for (const norm of norms) just(await value(functionOf([1], f), norm), 1 + Math.abs(w), 1e-12);
    }
  });

  it("is the product of the norms of a chain", async () => {
    const [A, B] = [table(1, 7, 5), table(20, 3, 7)];
    const network = functionOf([5], (x) => affine(relu(affine(x, A, draw(40, 7))), B));
    const sigma = (rows: number[][]) => spectralNorm(matrix(rows.length, rows[0].length, rows.flat()));
    just(await value(network), sigma(A).lower * sigma(B).lower, 1e-8);
    const sums = (rows: number[][]) => Math.max(...rows.map((r) => r.reduce((s, v) => s + Math.abs(v), 0)));
    const columns = (rows: number[][]) => sums(rows[0].map((_, j) => rows.map((r) => r[j])));
    just(await value(network, "inf"), sums(A) * sums(B) * (1 - 1e-15), 1e-12);
    just(await value(network, 1), columns(A) * columns(B) * (1 - 1e-15), 1e-12);
  });

  it("is exact for what is linear as a whole: two matrices, a shortcut, a scaling", async () => {
    const [A, B, C] = [table(3, 6, 5), table(30, 5, 6), draw(60, 5)];
    const network = functionOf([5], (x) => add(mul(affine(affine(x, A), B, draw(70, 5)), weight(x, C, [5])), x));
    const whole = multiply(matrix(5, 6, B.flat()), matrix(6, 5, A.flat()));
    const M = matrix(
      5,
      5,
      whole.data.map((v, at) => v * C[Math.floor(at / 5)] + (at % 6 === 0 ? 1 : 0)),
    );
    const exact = spectralNorm(M);
    const upper = await value(network);
    expect(upper).toBeGreaterThanOrEqual(exact.lower * (1 - 1e-12));
    expect(upper).toBeLessThanOrEqual(exact.upper * (1 + 1e-6));
    expect(upper).toBeLessThan(
      0.9 * (1 + spectralNorm(matrix(5, 6, B.flat())).upper * spectralNorm(matrix(6, 5, A.flat())).upper),
    );
    const rowSums = (m: typeof M) =>
      Math.max(
        ...Array.from({ length: 5 }, (_, i) => m.data.subarray(5 * i, 5 * i + 5).reduce((s, v) => s + Math.abs(v), 0)),
      );
    just(await value(network, "inf"), rowSums(M) * (1 - 1e-12), 1e-9);
    just(await value(network, 1), rowSums(transposed(M)) * (1 - 1e-12), 1e-9);
  });

  it("adds branches that meet", async () => {
    const network = functionOf([4], (x) => relu(add(mul(relu(x), 3), mul(relu(x), 2))));
    for (const norm of norms) just(await value(network, norm), 5, 1e-9);
  });

  it("joins branches side by side by the norm's own rule", async () => {
    const network = functionOf([4], (x) => concat([mul(relu(x), 3), mul(abs(x), 4)], 1));
    just(await value(network, 2), 5, 1e-8);
    just(await value(network, 1), 7, 1e-9);
    just(await value(network, "inf"), 4, 1e-9);
  });

  it("takes the larger of two by one rule for both", async () => {
    const network = functionOf([4], (x) => maximum(mul(tanh(x), 3), mul(sin(x), 4)));
    just(await value(network, 2), 5, 1e-8);
    just(await value(network, "inf"), 4, 1e-9);
  });

  it("takes a batch-norm into the convolution before it", async () => {
    const kernel = draw(5, 2 * 1 * 3 * 3).map((v, i) => (i < 9 ? v / 100 : v));
    const f = (factors: readonly number[]) =>
      functionOf([1, 16, 16], (x) => {
        const w = weight(x, kernel, [2, 1, 3, 3]);
        const y = add(conv(x, w, { pads: [1, 1, 1, 1] }), weight(x, [0.5, 0.1], [2, 1, 1]));
        return relu(mul(y, weight(x, factors, [2, 1, 1])));
      });
    const plain = await value(f([1, 1]));
    expect(await value(f([50, 1]))).toBeLessThan(1.5 * plain);
    expect(await value(f([50, 1]))).toBeGreaterThanOrEqual(0.999 * plain);
  });

  it("knows which way a convolution goes", async () => {
    const kernel = [1, 2, 3, 4, 5, 6];
    const forward = functionOf([1, 9], (x) => conv(x, weight(x, kernel, [2, 1, 3])));
    const adjoint = functionOf([2, 9], (x) => convTranspose(x, weight(x, kernel, [2, 1, 3])));
    just(await value(forward, "inf"), 15, 1e-12);
    just(await value(forward, 1), 21, 1e-12);
    just(await value(adjoint, "inf"), 21, 1e-12);
    just(await value(adjoint, 1), 15, 1e-12);
  });

  it("writes out a linear op that states no form", async () => {
    // A batched matrix product with a different constant matrix for each of two rows.
    const [A, B] = [table(7, 3, 4), table(17, 3, 4)];
    const network = functionOf([2, 4], (x) => {
      const W = weight(x, [...A.flat(), ...B.flat()], [2, 3, 4]);
      const column = reshape(x, [2 * x.shape[0], 4, 1]);
      const repeated = broadcastTo(reshape(W, [1, 2, 3, 4]), [x.shape[0], 2, 3, 4]);
      return flatten(reshape(matmul(reshape(repeated, [2 * x.shape[0], 3, 4]), column), [x.shape[0], 2, 3]));
    });
    const sigma = (rows: number[][]) => spectralNorm(matrix(3, 4, rows.flat())).lower;
    just(await value(network), Math.max(sigma(A), sigma(B)) * (1 - 1e-12), 1e-8);
  });

  it("has constant 0 for a constant, and for what nothing reaches", async () => {
    expect(await value(functionOf([3], (x) => weight(x, [1, 2], [1, 2])))).toBe(0);
    expect(await value(functionOf([3], (x) => exp(mul(x, 0))))).toBe(0);
  });

  it("names the node and the reason where there is no constant", async () => {
    const { propagation, bound: found } = await autoLip(subjectOf(functionOf([3], (x) => exp(relu(x)))), 2);
    expect(found).toMatchObject({ value: Number.POSITIVE_INFINITY, proved: false, status: "unbounded" });
    expect(propagation.missing).toEqual({ node: "Exp 1", local: true, why: expect.stringContaining("slope") });
    const product = await bound(functionOf([3], (x) => mul(relu(x), tanh(x))));
    expect(product.why).toContain("product of two varying branches");
  });

  it("scales with the weights", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: -3, max: 3 }), async (seed, power) => {
        const scale = 2 ** power;
        const A = table(seed, 4, 3);
        const f = (s: number) =>
          functionOf([3], (x) =>
            relu(
              affine(
                x,
                A.map((row) => row.map((v) => v * s)),
              ),
            ),
          );
        expect(await value(f(scale))).toBeCloseTo(scale * (await value(f(1))), 6);
      }),
      { numRuns: 20 },
    );
  });

  it("bounds every activation by its largest slope", async () => {
    for (const act of activations) {
      const one = await value(functionOf([3], act));
      for (const norm of norms) expect(await value(functionOf([3], act), norm)).toBe(one);
      expect(one).toBeGreaterThan(0.2);
      expect(one).toBeLessThanOrEqual(2);
    }
  });

  it("blames layers with shares that add up", async () => {
    const network = functionOf([3], (x) => affine(relu(affine(x, table(1, 4, 3))), table(9, 2, 4)));
    const { propagation } = await autoLip(subjectOf(network), 2);
    expect(propagation.layers.map((l) => [l.node, l.op, l.shape])).toEqual([
      ["MatMul 1", "MatMul", [3, 4]],
      ["MatMul 2", "MatMul", [4, 2]],
    ]);
    expect(propagation.layers.reduce((s, l) => s + Math.abs(l.shareOfLog), 0)).toBeCloseTo(1, 12);
    for (const { lower, upper } of propagation.layers) just(upper, lower as number, 1e-8);
  });

  it("is looser but still above when out of time, and stops when told", async () => {
    const network = functionOf([6], (x) => affine(x, table(1, 5, 6)));
    const subject = subjectOf(network);
    const hurried = (await autoLip(subject, 2, { seconds: 0 })).bound;
    expect(hurried.status).toBe("stopped");
    expect(hurried.proved).toBe(true);
    expect(hurried.value).toBeGreaterThan(await value(network));
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(autoLip(subject, 2, { signal })).rejects.toThrow("enough");
  });

  it("counts weights as the float32 numbers that they are", async () => {
    const w = toFloat64(normalTensor(random(3), [1]))[0];
    just(await value(functionOf([1], (x) => mul(x, weight(x, [w], [1])))), Math.abs(w), 1e-12);
  });
});

describe("weights whose product overflows", () => {
  it("have no finite bound, and are no error", async () => {
    const huge = functionOf([2], (x) =>
      Array.from({ length: 9 }).reduce<Node>(
        (y) =>
          affine(y, [
            [3e38, -3e38],
            [1, 3e38],
          ]),
        x,
      ),
    );
    for (const norm of norms) expect(await value(huge, norm)).toBe(Number.POSITIVE_INFINITY);
  });
});
