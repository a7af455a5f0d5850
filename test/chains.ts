/** @file Chains for tests: from weights and the names of activations, drawn at random, and the networks with known constants. */
import { readFileSync } from "node:fs";
import type { AffineLayer, Chain } from "../src/bounds/chain.ts";
import type { Node } from "../src/graph/graph.ts";
import { input } from "../src/graph/leaf.ts";
import { type Matrix, matrix, multiply, transpose } from "../src/linalg/matrix.ts";
import {
  abs,
  clip,
  elu,
  gelu,
  hardSwish,
  leakyRelu,
  relu,
  sigmoid,
  silu,
  softplus,
  tanh,
} from "../src/ops/pointwise.ts";
import type { Random } from "../src/tensor/random.ts";
import { sharedData } from "./shared.ts";

const functions = {
  relu,
  leaky: (x: Node) => leakyRelu(x, 0.2),
  abs,
  identity: (x: Node) => leakyRelu(x, 1),
  clip: (x: Node) => clip(x, -0.5, 0.7),
  elu,
  sigmoid,
  tanh,
  softplus,
  silu,
  gelu: (x: Node) => gelu(x),
  hardSwish,
} as const;

export type ActivationName = keyof typeof functions;

export const activationNames = Object.keys(functions) as readonly ActivationName[];

/** A chain of given layers, one activation name per neuron. */
export function chainOf(affine: readonly AffineLayer[], names: readonly (readonly ActivationName[])[]): Chain {
  return {
    affine,
    activations: names.map((layer) => {
      const facts = layer.map(factsOf);
      return {
        low: Float64Array.from(facts, (f) => f.slope[0]),
        high: Float64Array.from(facts, (f) => f.slope[1]),
        slopeOn: (j, from, to) => facts[j].slopeOn(from, to),
        apply: (z) => z.map((v, j) => facts[j].at(v)),
      };
    }),
  };
}

/** A random chain with the given widths and one activation (or several in turn) for all neurons. */
export function randomChain(r: Random, widths: readonly number[], names: readonly ActivationName[]): Chain {
  const affine = widths.slice(1).map((rows, i) => {
    const cols = widths[i];
    return {
      weight: matrix(
        rows,
        cols,
        Float64Array.from({ length: rows * cols }, () => r.normal() / Math.sqrt(cols)),
      ),
      bias: Float64Array.from({ length: rows }, () => 0.5 * r.normal()),
    };
  });
  const inner = affine.slice(0, -1);
  return chainOf(
    affine,
    inner.map(({ bias }, i) => Array.from(bias, (_, j) => names[(i + j) % names.length])),
  );
}

interface Saved {
  readonly activation: "relu" | "maxmin";
  readonly layers: readonly { readonly W: readonly (readonly number[])[]; readonly b: readonly number[] }[];
}

/** A network of the shared data. MaxMin of a pair, ascending, is [[1, -1], [1, 1]] (identity, abs) H / sqrt 2 with H = [[1, 1], [1, -1]] / sqrt 2, and both join the weights. */
export function savedChain(name: string): Chain {
  const saved: Saved = JSON.parse(readFileSync(`${sharedData}exact/${name}.json`, "utf8"));
  const affine = saved.layers.map(({ W, b }) => ({
    weight: matrix(W.length, W[0].length, W.flat()),
    bias: Float64Array.from(b),
  }));
  const last = affine.length - 1;
  if (saved.activation === "relu") {
    return chainOf(
      affine,
      affine.slice(0, last).map(({ bias }) => Array.from(bias, () => "relu" as const)),
    );
  }
  const turned = affine.map(({ weight, bias }, i) => {
    const right = i === 0 ? weight : multiply(weight, transpose(rotation(weight.cols, -1)));
    if (i === last) return { weight: right, bias };
    const H = rotation(weight.rows, 1);
    return { weight: multiply(H, right), bias: multiply(H, matrix(bias.length, 1, bias)).data };
  });
  return chainOf(
    turned,
    turned
      .slice(0, last)
      .map(({ bias }) => Array.from(bias, (_, j) => (j % 2 === 0 ? "identity" : "abs") as ActivationName)),
  );
}

// --- internal ---

function factsOf(name: ActivationName) {
  const y = functions[name](input("x", [1], "float64"));
  const at = (x: number) => y.op.evaluate(y, [Float64Array.of(x)])[0];
  const facts = y.op.behaviour(y, [true]);
  if (facts.kind === "pointwise") return { slope: facts.slope, slopeOn: facts.slopeOn, at };
  const one = [1, 1] as const;
  return { slope: one, slopeOn: () => one, at };
}

/** Per pair [[1, 1], [sign, -sign]] / sqrt 2: its transpose with sign -1 is [[1, -1], [1, 1]]. */
function rotation(n: number, sign: 1 | -1): Matrix {
  const data = new Float64Array(n * n);
  for (let i = 0; i < n; i += 2) {
    data[i * n + i] = Math.SQRT1_2;
    data[i * n + i + 1] = Math.SQRT1_2;
    data[(i + 1) * n + i] = sign * Math.SQRT1_2;
    data[(i + 1) * n + i + 1] = -sign * Math.SQRT1_2;
  }
  return matrix(n, n, data);
}
