/** @file Attention and what goes with it, from opset 23 on: rotary positions, scaled dot products of several heads, tensors that are kept from call to call. */
import type { Node } from "../../graph/graph.ts";
import { constant } from "../../graph/leaf.ts";
import { add, cast, mul, sub, where } from "../../ops/arith.ts";
import { broadcastTo } from "../../ops/broadcast.ts";
import { gather } from "../../ops/gather.ts";
import { matmul } from "../../ops/matmul.ts";
import { concat, reshape, sliceAxis, transpose } from "../../ops/movement.ts";
import { tanh } from "../../ops/pointwise.ts";
import { softmax } from "../../ops/softmax.ts";
import { ReadError } from "../../tensor/errors.ts";
import { showShape } from "../../tensor/shape.ts";
import { tensor } from "../../tensor/tensor.ts";
import { type Call, type Operator, Refusal } from "../call.ts";

/** Pairs of numbers turned by angles whose cosine and sine are given; what lies past `rotary_embedding_dim` stays as it is. */
export const RotaryEmbedding: Operator = (c) => {
  const given = c.input(0);
  const heads = c.attributes.int("num_heads", 0);
  const three = given.shape.length === 3;
  if (three && !(heads > 0 && given.shape[2] % heads === 0)) {
    throw new ReadError(`num_heads must divide ${given.shape[2]}, got ${heads}`);
  }
  // [batch, length, heads, size]
  const x = three
    ? reshape(given, [given.shape[0], given.shape[1], heads, given.shape[2] / heads])
    : transpose(given, [0, 2, 1, 3]);
  const size = x.shape[3];
  const turned = c.attributes.int("rotary_embedding_dim", 0) || size;
  if (turned % 2 !== 0 || turned > size) throw new ReadError(`${turned} of ${size} numbers cannot be turned in pairs`);
  const half = turned / 2;
  const positions = c.optional(3);
  const angle = (i: number) => {
    const table = positions ? gather(c.input(i), positions, 0) : c.input(i);
    const { shape } = table;
    if (shape.length !== 3 || shape[2] !== half)
      throw new ReadError(`input ${i} must give ${half} numbers for each place, got ${showShape(shape)}`);
    return reshape(table, [shape[0], shape[1], 1, half]);
  };
  const [cosine, sine] = [angle(1), angle(2)];
  const own = sliceAxis(x, 3, 0, turned);
  const interleaved = c.attributes.int("interleaved", 0) !== 0;
  const pairs = interleaved ? reshape(own, [...x.shape.slice(0, 3), half, 2]) : null;
  const [a, b] = [0, 1].map((k) =>
    pairs
      ? reshape(sliceAxis(pairs, 4, k, k + 1), [...x.shape.slice(0, 3), half])
      : sliceAxis(own, 3, k * half, (k + 1) * half),
  );
  const [p, q] = [sub(mul(a, cosine), mul(b, sine)), add(mul(a, sine), mul(b, cosine))];
  const apart = [...p.shape, 1];
  const joined = pairs ? reshape(concat([reshape(p, apart), reshape(q, apart)], 4), own.shape) : concat([p, q], 3);
  const y = turned < size ? concat([joined, sliceAxis(x, 3, turned, size)], 3) : joined;
  return [three ? reshape(y, given.shape) : transpose(y, [0, 2, 1, 3])];
};

/** softmax(scale Q K^T + mask) V for every head; keys and values of before stand in front. Later outputs: all keys, all values. */
export const Attention: Operator = (c) => {
  const { attributes: a } = c;
  a.ignore("softmax_precision");
  if (c.opset >= 24 && c.optional(6)) throw new Refusal("numbers of keys by sample (nonpad_kv_seqlen) are not read");
  if (c.outputs > 3) throw new Refusal("scores as an output are not read");
  a.ignore("qk_matmul_output_mode");
  const given = c.input(0);
  const flat = given.shape.length === 3;
  const [heads, fewer] = [a.int("q_num_heads", 0), a.int("kv_num_heads", 0)];
  const q = byHead(c, 0, heads);
  const before = (i: number, now: Node) => {
    const past = c.optional(i);
    return past ? concat([past, now], 2) : now;
  };
  const [k, v] = [before(4, byHead(c, 1, fewer)), before(5, byHead(c, 2, fewer))];
  const times = q.shape[1] / k.shape[1];
  if (!Number.isInteger(times))
    throw new ReadError(`${q.shape[1]} heads do not share ${k.shape[1]} of keys and values`);
  const scale = a.float("scale", 0) || 1 / Math.sqrt(q.shape[3]);
  const softcap = a.float("softcap", 0);
  const products = mul(matmul(q, transpose(repeated(k, times), [0, 1, 3, 2])), scale);
  const capped = softcap > 0 ? mul(tanh(mul(products, 1 / softcap)), softcap) : products;
  const masked = maskedBy(c, a.int("is_causal", 0) !== 0, capped, k.shape[2] - q.shape[2]);
  const y = matmul(softmax(masked, 3), repeated(v, times));
  const shape = [y.shape[0], y.shape[2], y.shape[1] * y.shape[3]];
  return [flat ? reshape(transpose(y, [0, 2, 1, 3]), shape) : y, k, v];
};

// --- internal ---

/** What is left out of a softmax: far below all scores, so that e to its power is 0 in every type. */
const leftOut = -(2 ** 100);

/** Input i as [batch, heads, length, size]. */
function byHead(c: Call, i: number, heads: number): Node {
  const x = c.input(i);
  if (x.shape.length === 4) return x;
  const [batch, length, width] = x.shape;
  if (x.shape.length !== 3 || !(heads > 0 && width % heads === 0)) {
    throw new ReadError(`input ${i} must be [batch, length, ${heads} heads of one size], got ${showShape(x.shape)}`);
  }
  return transpose(reshape(x, [batch, length, heads, width / heads]), [0, 2, 1, 3]);
}

/** Heads that several queries share, one after the other as often as they are shared. */
function repeated(x: Node, times: number): Node {
  if (times === 1) return x;
  const [batch, heads, length, size] = x.shape;
  const stretched = broadcastTo(reshape(x, [batch, heads, 1, length, size]), [batch, heads, times, length, size]);
  return reshape(stretched, [batch, heads * times, length, size]);
}

/** A mask of truths says what counts, one of numbers is added; `causal`: a query sees the keys up to its own place, `past` of them from before. */
function maskedBy(c: Call, causal: boolean, scores: Node, past: number): Node {
  const mask = c.optional(3);
  const [rows, columns] = scores.shape.slice(-2);
  let y = scores;
  if (mask?.dtype === "bool") y = where(mask, y, leftOut);
  else if (mask) y = add(y, cast(mask, y.dtype));
  if (!causal) return y;
  const seen = Float64Array.from({ length: rows * columns }, (_, i) =>
    i % columns <= Math.floor(i / columns) + past ? 1 : 0,
  );
  return where(constant(tensor(seen, [rows, columns], "bool")), y, leftOut);
}
