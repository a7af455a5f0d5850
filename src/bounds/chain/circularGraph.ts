/**
 * @file What multipliers of wrapped convolutions and of the chain behind them give, as a program on the engine: one number per channel, one per neuron. The
 * inequality is eliminated frequency by frequency as in `circularProof`, without its care: what it says must be proved.
 */
import type { Engine } from "../../engine/engine.ts";
import { grad } from "../../graph/gradient.ts";
import type { Node } from "../../graph/graph.ts";
import { constant, input } from "../../graph/leaf.ts";
import { cholesky } from "../../linalg/cholesky.ts";
import { identity, type Matrix } from "../../linalg/matrix.ts";
import { mul, stopGradient, sub } from "../../ops/arith.ts";
import { sum } from "../../ops/broadcast.ts";
import { gather } from "../../ops/gather.ts";
import { inverse } from "../../ops/inverse.ts";
import { matmul } from "../../ops/matmul.ts";
import { concat, reshape, transpose } from "../../ops/movement.ts";
import { exp } from "../../ops/pointwise.ts";
import { type Tensor, tensor, toFloat64 } from "../../tensor/tensor.ts";
import type { Chain } from "../chain.ts";
import { type CircularStage, symbolsOf } from "./circular.ts";
import type { Sample } from "./descent.ts";
import type { Multipliers } from "./matrix.ts";
import { softTopGraph } from "./program.ts";

/** What multipliers give, without a proof. */
export interface CircularJudge {
  /** ln r and its gradient in ln Lambda, end to end; nothing where they are not feasible. */
  at(logarithms: Float64Array): Promise<Sample | undefined>;
  /** Multiply-adds in plain loops that take as long as `at` does, roughly. */
  readonly cost: number;
  dispose(): Promise<void>;
}

/**
 * Compile the value of multipliers, a number for each channel of the stages and for each neuron of the chain, smoothed by a power of the trace; null where the
 * chain has slopes below 0 or the matrices are too large for it. A chain of slopes in [a, b], a > 0, is taken as one of [0, b].
 */
export async function circularJudge(
  engine: Engine,
  stages: readonly CircularStage[],
  chain: Chain,
  doublings: number,
): Promise<CircularJudge | null> {
  if (chain.activations.some(({ low }) => low.some((a) => a < 0)) || isTooLarge(stages, chain)) return null;
  const program = await engine.compile(circularGraph(stages, chain, doublings));
  const sizes = sizesOf(stages, chain);
  return {
    cost: 3e5 + 3 * workOf(stages, chain),
    async at(x) {
      const parts = split(x, sizes);
      const feeds = parts.map((part, i) => [`log${i}`, tensor(part, [part.length], "float64")] as const);
      const results = await program.run(Object.fromEntries(feeds));
      const value = toFloat64(results.value)[0];
      // An indefinite matrix has an inverse too.
      const pivots = Object.keys(results).filter((name) => name.startsWith("pivot"));
      if (!Number.isFinite(value) || !pivots.every((name) => isDefinite(results[name]))) return undefined;
      return { value, gradient: joined(parts.map((_, i) => toFloat64(results[`gradient${i}`]))) };
    },
    dispose: () => program.dispose(),
  };
}

/** Would a point take seconds, or the symbols more memory than there may be? */
export const isTooLarge = (stages: readonly CircularStage[], chain: Chain): boolean =>
  workOf(stages, chain) > mostWork || entriesOf(stages, chain) > mostEntries;

/** How many multipliers there are of each stage, then of each layer of the chain. */
export const sizesOf = (stages: readonly CircularStage[], { activations }: Chain): readonly number[] => [
  ...stages.map(({ channels }) => channels),
  ...activations.map(({ low }) => low.length),
];

/** End to end. */
export const joined = (parts: readonly Float64Array[]): Float64Array =>
  Float64Array.from(parts.flatMap((p) => Array.from(p)));

/** The mirror of `joined`. */
export function split(x: Float64Array, sizes: readonly number[]): Multipliers {
  let at = 0;
  return sizes.map((n) => {
    at += n;
    return x.slice(at - n, at);
  });
}

// --- internal ---

/** Multiply-adds of the eliminations of one point, roughly: a second or so. */
const mostWork = 4e9;

function workOf(stages: readonly CircularStage[], { affine }: Chain): number {
  const circular = stages.map(({ channels, height, width, stride }) => {
    const half = (height / stride) * (Math.floor(width / stride / 2) + 1);
    return half * (2 * channels) ** 3;
  });
  return [...circular, ...affine.map(({ weight }) => weight.rows ** 3)].reduce((total, work) => total + work, 0);
}

/** Entries of all symbols, at half of the frequencies. */
const mostEntries = 4e7;

function entriesOf(stages: readonly CircularStage[], { affine }: Chain): number {
  const last = stages[stages.length - 1];
  const frequencies = (last.height * last.width) / last.stride ** 2;
  const own = stages.map(({ channels, inputs, height, width }) => 2 * channels * inputs * height * width);
  return own.reduce((total, n) => total + n, 2 * affine[0].weight.rows * last.channels * frequencies);
}

/** Are all matrices [..., n, n] positive definite? */
function isDefinite(t: Tensor): boolean {
  const n = t.shape[t.shape.length - 1];
  const data = toFloat64(t);
  for (let at = 0; at < data.length; at += n * n) {
    if (cholesky({ rows: n, cols: n, data: data.slice(at, at + n * n) }) === undefined) return false;
  }
  return true;
}

/** ln r, its gradient in ln Lambda, and what must be positive definite for that to mean something. */
function circularGraph(stages: readonly CircularStage[], chain: Chain, doublings: number): Record<string, Node> {
  const outputs: Record<string, Node> = {};
  const logs: Node[] = [];
  const multiplier = (length: number) => {
    const log = input(`log${logs.length}`, [length], "float64");
    logs.push(log);
    return exp(log);
  };
  /** (Lambda - Lambda M N M Lambda)^-1, [..., n, n]. */
  const eliminated = (N: Node, lambda: Node, mu: Node): Node => {
    const n = lambda.shape[0];
    const half = mul(lambda, mu);
    const taken = mul(mul(N, reshape(half, [1, n])), reshape(half, [n, 1]));
    const X = sub(mul(matrixNode(identity(n)), reshape(lambda, [1, n])), taken);
    outputs[`pivot${Object.keys(outputs).length}`] = X;
    return inverse(X);
  };
  let V: Node | null = null;
  for (const stage of stages) {
    const lambda = multiplier(stage.channels);
    const mu = constant(tensor(new Float64Array(2 * stage.channels).fill(0.5), [2 * stage.channels], "float64"));
    V = eliminated(gramOfStage(stage, V), concat([lambda, lambda], 0), mu);
  }
  let N = gramAtEnd(stages[stages.length - 1], chain.affine[0].weight, V as Node);
  chain.activations.forEach(({ high }, i) => {
    const n = high.length;
    const mu = constant(
      tensor(
        Float64Array.from(high, (b) => b / 2),
        [n],
        "float64",
      ),
    );
    const W = matrixNode(chain.affine[i + 1].weight);
    N = matmul(matmul(W, eliminated(N, multiplier(n), mu)), transpose(W));
  });
  const { value, weight } = softTopGraph(N, doublings);
  // The derivative of ln (tr R^p)^(1/p) in R is R^(p - 1) / tr R^p.
  const slope = stopGradient(matmul(transpose(weight), weight));
  grad(sum(mul(slope, N)), logs).forEach((g, i) => {
    outputs[`gradient${i}`] = g;
  });
  return { ...outputs, value };
}

/** sum over a of K_a V_a K_a^T / stride^2 at every frequency of the coarse grid, [F, 2 channels, 2 channels]; V = I for null. */
function gramOfStage(stage: CircularStage, V: Node | null): Node {
  const { channels, inputs, height, width, stride } = stage;
  const symbols = symbolsOf(stage.kernel, channels, inputs, [height, width]);
  const [m, n] = [height / stride, width / stride];
  const [half, fineHalf] = [Math.floor(n / 2) + 1, Math.floor(width / 2) + 1];
  const [F, t] = [m * half, stride * stride];
  const size = 4 * channels * inputs;
  const K = new Float64Array(F * t * size);
  const places: number[] = [];
  const mirrored: boolean[] = [];
  for (let k = 0; k < F * t; k++) {
    const [f, alias] = [Math.floor(k / t), k % t];
    const u = Math.floor(f / half) + Math.floor(alias / stride) * m;
    const v = (f % half) + (alias % stride) * n;
    K.set(
      symbols.at(u, v).data.map((x) => x / stride),
      k * size,
    );
    mirrored.push(v >= fineHalf);
    places.push((v >= fineHalf ? (height - u) % height : u) * fineHalf + (v >= fineHalf ? width - v : v));
  }
  const kernels = constant(tensor(K, [F * t, 2 * channels, 2 * inputs], "float64"));
  const right = V === null ? kernels : matmul(kernels, atPlaces(V, places, mirrored));
  const all = matmul(right, transpose(kernels, [0, 2, 1]));
  return sum(reshape(all, [F, t, 2 * channels, 2 * channels]), [1]);
}

/** V at some frequencies, the conjugate where they stand for their mirror images. */
function atPlaces(V: Node, places: readonly number[], mirrored: readonly boolean[]): Node {
  const side = V.shape[1];
  const at = constant(tensor(BigInt64Array.from(places, BigInt), [places.length], "int64"));
  const same = places.length === V.shape[0] && places.every((p, k) => p === k);
  const taken = same ? V : reshape(gather(reshape(V, [V.shape[0], side * side]), at, 0), [places.length, side, side]);
  if (!mirrored.includes(true)) return taken;
  const signs = new Float64Array(places.length * side * side).map((_, k) => {
    const [i, j] = [Math.floor(k / side) % side, k % side];
    return mirrored[Math.floor(k / (side * side))] && i < side / 2 !== j < side / 2 ? -1 : 1;
  });
  return mul(taken, constant(tensor(signs, [places.length, side, side], "float64")));
}

/** W V W^T for the dense map behind the last stage, [rows, rows]. */
function gramAtEnd({ channels, height, width, stride }: CircularStage, W: Matrix, V: Node): Node {
  const [m, n] = [height / stride, width / stride];
  const half = Math.floor(n / 2) + 1;
  const symbols = symbolsOf(W.data, W.rows, channels, [m, n]);
  const size = 2 * W.rows * channels;
  const data = new Float64Array(m * half * size);
  for (let f = 0; f < m * half; f++) {
    const v = f % half;
    const weight = Math.sqrt((v === 0 || 2 * v === n ? 1 : 2) / (m * n));
    const own = symbols.at(Math.floor(f / half), v).data.subarray(0, size);
    data.set(
      own.map((x) => x * weight),
      f * size,
    );
  }
  const rows = constant(tensor(data, [m * half, W.rows, 2 * channels], "float64"));
  return sum(matmul(matmul(rows, V), transpose(rows, [0, 2, 1])), [0]);
}

const matrixNode = ({ rows, cols, data }: Matrix): Node => constant(tensor(data, [rows, cols], "float64"));
