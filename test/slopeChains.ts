/** @file Chains for tests of what depends on slopes alone: random ones, known ones, and the largest norm over activation patterns. */
import { readFileSync } from "node:fs";
import type { Norm } from "../src/bounds/bound.ts";
import type { Chain } from "../src/bounds/chain.ts";
import { type Matrix, matrix, multiply } from "../src/linalg/matrix.ts";
import { inducedNorm } from "../src/linalg/norm.ts";
import { singularValues } from "../src/linalg/svd.ts";
import { type Random, random } from "../src/tensor/random.ts";
import { sharedData } from "./shared.ts";

export type Slopes = readonly [low: number, high: number];

/** Slope ranges of ReLU, leaky ReLU, GELU, SiLU, abs, sigmoid, hard-swish, identity and a mirrored ReLU. */
export const slopeRanges: readonly Slopes[] = [
  [0, 1],
  [0.1, 1],
  [-0.1289042, 1.1289042],
  [-0.0998394, 1.0998394],
  [-1, 1],
  [0, 0.25],
  [-0.5, 1.5],
  [1, 1],
  [-1, 0],
];

/** Weights with one activation for all neurons between them. */
export function chainOf(weights: readonly Matrix[], [low, high]: Slopes = [0, 1]): Chain {
  return {
    affine: weights.map((weight) => ({ weight, bias: new Float64Array(weight.rows) })),
    activations: weights.slice(1).map(({ cols }) => ({
      low: new Float64Array(cols).fill(low),
      high: new Float64Array(cols).fill(high),
      slopeOn: () => [low, high] as const,
      apply: (z) => z.map((x) => (x > 0 ? high : low) * x),
    })),
  };
}

export const matrixOf = (rows: readonly (readonly number[])[]): Matrix =>
  matrix(rows.length, rows[0].length, rows.flat());

export function normalMatrix(r: Random, rows: number, cols: number): Matrix {
  return matrix(
    rows,
    cols,
    Float64Array.from({ length: rows * cols }, () => r.normal()),
  );
}

/** 2 to 5 layers of width 1 to 8, one of the slope ranges, in some half of the weights 0. */
export function randomChain(seed: number): Chain {
  const r = random(seed);
  const widths = Array.from({ length: 3 + r.integer(4) }, () => 1 + r.integer(8));
  const sparse = r.uniform() < 0.3;
  const weights = widths.slice(1).map((rows, i) => {
    const W = normalMatrix(r, rows, widths[i]);
    return sparse ? { ...W, data: W.data.map((x) => (r.uniform() < 0.5 ? 0 : x)) } : W;
  });
  return chainOf(weights, slopeRanges[r.integer(slopeRanges.length)]);
}

/** The norm of W_L D ... D W_1 for diagonals drawn from the ends of the slope ranges, the largest of `tries`. */
export function patternNorm({ affine, activations }: Chain, r: Random, tries: number, norm: Norm = 2): number {
  let top = 0;
  for (let t = 0; t < tries; t++) {
    let M = affine[0].weight;
    activations.forEach(({ low, high }, i) => {
      const D = low.map((a, j) => (r.integer(2) === 0 ? a : high[j]));
      const { cols } = M;
      M = multiply(affine[i + 1].weight, { ...M, data: M.data.map((x, k) => x * D[Math.floor(k / cols)]) });
    });
    top = Math.max(top, norm === 2 ? singularValues(M)[0] : inducedNorm(M, norm).lower);
  }
  return top;
}

/** The random network of the LipSDP authors: 2-10-30-20-2, ReLU. */
export function lipsdpNet(): Chain {
  const text = readFileSync(new URL("fixtures/lipsdpRandom.json", import.meta.url), "utf8");
  return chainOf((JSON.parse(text) as { weights: number[][][] }).weights.map(matrixOf));
}

/** A ReLU network whose constant is known. */
export function exactNet(name: string): { readonly chain: Chain; readonly exact: number } {
  const { layers, expected } = JSON.parse(readFileSync(`${sharedData}exact/${name}.json`, "utf8")) as {
    layers: { W: number[][] }[];
    expected: { 2: number };
  };
  return { chain: chainOf(layers.map(({ W }) => matrixOf(W))), exact: expected[2] };
}

/** A ReLU network for which solvers of semidefinite programs have found the optimum of LipSDP-Neuron. */
export function exactLipsdp(name: string): { readonly chain: Chain; readonly optimum: number } {
  const { layers, lipsdpNeuron } = JSON.parse(readFileSync(`${sharedData}exact/${name}.json`, "utf8")) as {
    layers: { W: number[][] }[];
    lipsdpNeuron: number;
  };
  return { chain: chainOf(layers.map(({ W }) => matrixOf(W))), optimum: lipsdpNeuron };
}
