/**
 * @file A set of pairs of inputs, driven apart in output: the state of a training, moved inside the training step. The largest
 * quotient of the set is a lower bound of the Lipschitz constant and nothing more.
 */
import type { Dataset } from "../data/dataset.ts";
import type { Node } from "../graph/graph.ts";
import { add, cast, div, greater, less, maximum, minimum, mul, or, sub, where } from "../ops/arith.ts";
import { sum } from "../ops/broadcast.ts";
import { concat, reshape, sliceAxis } from "../ops/movement.ts";
import { sqrt } from "../ops/pointwise.ts";
import { UsageError } from "../tensor/errors.ts";
import type { Named } from "../tensor/named.ts";
import { type Random, uniformTensor } from "../tensor/random.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import { full, scalar, type Tensor, tensor } from "../tensor/tensor.ts";

/** How a pair begins: two samples; a sample and the same with noise; two points anywhere in the box of the data. */
export const pairStarts = ["samples", "noisy", "box"] as const;

export type PairStart = (typeof pairStarts)[number];

export interface PairOptions {
  readonly pairs: number;
  readonly start: PairStart;
  /** The first step size of every pair. */
  readonly rate: number;
}

/**
 * Fresh pairs, drawn from a data set, as state: "first" and "second" [pairs, ...sample], "rate" [pairs] the step size of each, "low" and
 * "high" the range of the data, "jitter" [pairs, ...sample] the noise between the two of a noisy pair.
 */
export function freshPairs(data: Dataset, { pairs, start, rate }: PairOptions, random: Random): Named<Tensor> {
  const size = sizeOf(data.shape);
  const shape = [pairs, ...data.shape];
  const [low, high] = rangeOf(data);
  const half = (noisePart / 2) * (high - low);
  const jitter = uniformTensor(random.fork("jitter"), shape, -half, half);
  const order = random.fork("order").permutation(data.count);
  const samples = (from: number) => {
    const picked = new Float32Array(pairs * size);
    for (let i = 0; i < pairs; i++) {
      const at = order[(from + i) % data.count] * size;
      picked.set(data.x.subarray(at, at + size), i * size);
    }
    return picked;
  };
  const anywhere = (name: string) => uniformTensor(random.fork(name), shape, low, high);
  const a = samples(0);
  const b = start === "samples" ? samples(pairs) : a.map((v, i) => v + Number(jitter.data[i]));
  return {
    first: start === "box" ? anywhere("first") : tensor(a, shape),
    second: start === "box" ? anywhere("second") : tensor(b, shape),
    rate: full([pairs], rate),
    low: scalar(low),
    high: scalar(high),
    jitter,
  };
}

/** ||f(first) - f(second)|| / ||first - second||, [pairs], in l2; its slope is finite where a pair has collapsed too. */
export function quotients(forward: (x: Node) => Node, first: Node, second: Node): Node {
  const pairs = first.shape[0];
  const outputs = forward(concat([first, second], 0));
  const rise = lengths(sub(sliceAxis(outputs, 0, 0, pairs), sliceAxis(outputs, 0, pairs, 2 * pairs)));
  return div(rise, lengths(sub(first, second)));
}

/** Weights of the mean of the `count` largest of q, [n]; ties at the end share. */
export function worst(q: Node, count: number): Node {
  const [n] = q.shape;
  const larger = greater(reshape(q, [1, n]), reshape(q, [n, 1]));
  const chosen = cast(less(sum(cast(larger, "float32"), [1]), count), "float32");
  return div(chosen, sum(chosen));
}

/**
 * Replace pairs that have collapsed, and of the others each with probability `chance`, by fresh ones: from the batch, as `start` says, or
 * from anywhere in the box. The batch must hold at least as many samples as there are pairs.
 */
export function respawn(
  state: Named<Node>,
  moved: { readonly first: Node; readonly second: Node },
  batch: Node,
  { start, chance, noise }: { readonly start: PairStart; readonly chance: number; noise(shape: Shape): Node },
): { readonly first: Node; readonly second: Node } {
  const [pairs, ...sample] = moved.first.shape;
  const width = sub(state.high, state.low);
  const collapsed = less(
    lengths(sub(moved.first, moved.second)),
    mul(width, collapsedPart * Math.sqrt(sizeOf(sample))),
  );
  const gone = chance > 0 ? or(collapsed, less(noise([pairs]), chance)) : collapsed;
  const lost = greater(reshape(cast(gone, "float32"), [pairs, ...sample.map(() => 1)]), 0.5);
  const anywhere = () => add(mul(noise(moved.first.shape), width), state.low);
  const count = batch.shape[0];
  const a = start === "box" ? anywhere() : sliceAxis(batch, 0, 0, pairs);
  // Samples are paired with those half a batch on.
  const shift = Math.floor(count / 2);
  const turned = concat([sliceAxis(batch, 0, shift, count), sliceAxis(batch, 0, 0, shift)], 0);
  const b = start === "box" ? anywhere() : start === "samples" ? sliceAxis(turned, 0, 0, pairs) : add(a, state.jitter);
  return { first: where(lost, a, moved.first), second: where(lost, b, moved.second) };
}

/** Step sizes after an attempt: 1.3 times as large where it succeeded, else 1.3 times as small, within a factor 1000 of the first. */
export function adapted(rate: Node, succeeded: Node, first: number): Node {
  return minimum(maximum(where(succeeded, mul(rate, 1.3), mul(rate, 1 / 1.3)), first / 1000), first * 1000);
}

/** Check that a batch can give fresh pairs. */
export function checkPairs(who: string, pairs: number, batch: number): void {
  if (pairs > batch)
    throw new UsageError(`${who}: pairs must not be more than the samples of a batch, ${batch}, got ${pairs}`);
}

// --- internal ---

/** Noise of a noisy pair, and the distance at which a pair is collapsed, as parts of the data's range per coordinate. */
const noisePart = 0.1;
const collapsedPart = 1e-4;

/** Keeps the length of 0 and its slope finite; far below the length of any pair that has not collapsed. */
const tiny = 1e-12;

function lengths(x: Node): Node {
  const axes = x.shape.slice(1).map((_, i) => i + 1);
  return sqrt(add(sum(mul(x, x), axes), tiny));
}

function rangeOf({ x, range }: Dataset): readonly [number, number] {
  if (range) return range;
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const v of x) {
    low = Math.min(low, v);
    high = Math.max(high, v);
  }
  return [low, high];
}
