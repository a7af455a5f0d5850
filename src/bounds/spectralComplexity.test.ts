import { describe, expect, it } from "vitest";
import type { Node } from "../graph/graph.ts";
import { constant } from "../graph/leaf.ts";
import type { Network } from "../graph/network.ts";
import { add } from "../ops/arith.ts";
import { matmul } from "../ops/matmul.ts";
import { leakyRelu, relu, sigmoid } from "../ops/pointwise.ts";
import { softmax } from "../ops/softmax.ts";
import { tensor } from "../tensor/tensor.ts";
import { spectralComplexity } from "./spectralComplexity.ts";

type Rows = readonly (readonly number[])[];

/** x -> A x, of matrices with a row per output, with activations between. */
const networkOf = (matrices: readonly Rows[], activation: (x: Node) => Node = relu): Network => ({
  name: "f",
  inputs: [{ name: "x", shape: ["batch", matrices[0][0].length], dtype: "float32" }],
  outputs: ["y"],
  metadata: {},
  build: ([x]) => [
    matrices.reduce((z: Node, rows, k) => {
      const columns = rows[0].flatMap((_, j) => rows.map((row) => row[j]));
      const data = x.dtype === "float64" ? Float64Array.from(columns) : Float32Array.from(columns);
      const bias = tensor(data.slice(0, rows.length).fill(0.5), [rows.length], x.dtype);
      const y = add(
        matmul(k === 0 ? z : activation(z), constant(tensor(data, [rows[0].length, rows.length], x.dtype))),
        constant(bias),
      );
      return y;
    }, x),
  ],
});

/** R_A of spectral norms, (2, 1) norms and slopes, as the paper writes it. */
const written = (layers: readonly (readonly [number, number])[], slopes = 1): number =>
  slopes *
  layers.reduce((product, [norm]) => product * norm, 1) *
  layers.reduce((sum, [norm, group]) => sum + (group / norm) ** (2 / 3), 0) ** 1.5;

const first: Rows = [
  [3, 0],
  [4, 5],
  [0, 0],
];
const second: Rows = [[1, 2, 2]];
// Singular values of [[3, 0], [4, 5]]: sqrt(45), sqrt(5). Rows of length 3, sqrt(41), 0.
const norms = [
  [Math.sqrt(45), 3 + Math.sqrt(41)],
  [3, 3],
] as const;

describe("spectralComplexity()", () => {
  it("is the paper's formula, and never below it", async () => {
    const found = await spectralComplexity(networkOf([first, second]));
    if (typeof found === "string") throw new Error(found);
    const exact = written(norms);
    expect(found.value).toBeGreaterThanOrEqual(exact * (1 - 1e-15));
    expect(found.value).toBeLessThan(exact * (1 + 1e-6));
    expect(found.layers.map(({ shape }) => shape)).toEqual([
      [3, 2],
      [1, 3],
    ]);
    expect(found.layers[0].group).toBeCloseTo(norms[0][1], 6);
  });

  it("counts slopes of activations", async () => {
    for (const [activation, slope] of [
      [sigmoid, 0.25],
      [(x: Node) => leakyRelu(x, 2), 2],
    ] as const) {
      const found = await spectralComplexity(networkOf([first, second], activation));
      if (typeof found === "string") throw new Error(found);
      expect(found.value / written(norms, slope)).toBeCloseTo(1, 6);
    }
  });

  it("takes distances from a reference, and is 0 at the reference itself up to rounding", async () => {
    const network = networkOf([first, second]);
    const same = await spectralComplexity(network, network);
    if (typeof same === "string") throw new Error(same);
    expect(same.value).toBeLessThan(1e-9);
    const moved = await spectralComplexity(
      network,
      networkOf([
        [
          [3, 0],
          [4, 5],
          [0, 2],
        ],
        second,
      ]),
    );
    if (typeof moved === "string") throw new Error(moved);
    // Only the last row of the first layer differs, by 2: R_A = 3 sqrt(45) (2 / sqrt(45)).
    expect(moved.value).toBeCloseTo(6, 5);
    await expect(
      spectralComplexity(
        network,
        networkOf([
          first,
          [
            [1, 2, 2],
            [0, 0, 1],
          ],
        ]),
      ),
    ).rejects.toThrow("the reference must have the layers of the network, got 3x2, 2x3 for 3x2, 1x3");
  });

  it("says why where a network is no chain", async () => {
    const branch: Network = { ...networkOf([first]), build: ([x]) => [softmax(x, 1)] };
    expect(typeof (await spectralComplexity(branch))).toBe("string");
  });
});
