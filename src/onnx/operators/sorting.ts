/** @file The largest or smallest numbers along an axis, in order: a network of comparators, each layer of which sorts disjoint pairs and so lengthens no difference. */
import type { Node } from "../../graph/graph.ts";
import { constant } from "../../graph/leaf.ts";
import { maximum, minimum } from "../../ops/arith.ts";
import { gather } from "../../ops/gather.ts";
import { concat, sliceAxis } from "../../ops/movement.ts";
import { ReadError } from "../../tensor/errors.ts";
import { checkAxis } from "../../tensor/shape.ts";
import { isFloat, tensor } from "../../tensor/tensor.ts";
import { type Operator, Refusal } from "../call.ts";

/** Its first output; where the numbers stood depends on values, and is not given. */
export const TopK: Operator = (c) => {
  const x = c.input(0);
  const axis = checkAxis("TopK", c.attributes.int("axis", -1), x.shape.length);
  const k = c.opset < 10 ? c.attributes.int("k", 0) : c.numbers(1)?.[0];
  const n = x.shape[axis];
  if (k === undefined || !(k >= 0 && k <= n)) throw new ReadError(`k must be from 0 to ${n}, got ${k ?? "none"}`);
  if (!isFloat(x.dtype)) throw new Refusal("only floating-point numbers are sorted");
  if (c.attributes.int("sorted", 1) === 0) throw new Refusal("numbers in an order that is left open are not read");
  if (n > sortedAtMost) throw new Refusal(`a sort of more than ${sortedAtMost} numbers is not read`);
  const falls = c.attributes.int("largest", 1) !== 0;
  const sorted = layersOf(n).reduce((y, pairs) => compared(y, axis, pairs, falls), x);
  return [k < n ? sliceAxis(sorted, axis, 0, k) : sorted];
};

// --- internal ---

const sortedAtMost = 64;

type Pair = readonly [number, number];

/** Batcher's merge exchange for n numbers, layer by layer (Knuth 1998, algorithm 5.2.2M). */
function layersOf(n: number): readonly (readonly Pair[])[] {
  if (n < 2) return [];
  const top = 2 ** (Math.ceil(Math.log2(n)) - 1);
  const layers: Pair[][] = [];
  for (let p = top; p >= 1; p /= 2) {
    for (let q = top, r = 0, d = p; ; d = q - p, q /= 2, r = p) {
      const layer: Pair[] = [];
      for (let i = 0; i < n - d; i++) if ((i & p) === r) layer.push([i, i + d]);
      if (layer.length > 0) layers.push(layer);
      if (q === p) break;
    }
  }
  return layers;
}

/** Every pair in order: the larger in front where numbers fall, else behind. */
function compared(x: Node, axis: number, pairs: readonly Pair[], falls: boolean): Node {
  const at = (places: readonly number[], from = x) =>
    gather(from, constant(tensor([...places], [places.length], "int64")), axis);
  const [a, b] = [0, 1].map((side) => at(pairs.map((pair) => pair[side])));
  const rest = Array.from({ length: x.shape[axis] }, (_, i) => i).filter(
    (i) => !pairs.some((pair) => pair.includes(i)),
  );
  const [first, second] = falls ? [maximum(a, b), minimum(a, b)] : [minimum(a, b), maximum(a, b)];
  const now = [...pairs.map(([i]) => i), ...pairs.map(([, j]) => j), ...rest];
  const joined = concat([first, second, ...(rest.length > 0 ? [at(rest)] : [])], axis);
  const back = now.map((_, i) => now.indexOf(i));
  return back.every((place, i) => place === i) ? joined : at(back, joined);
}
