/** @file Networks for tests, from a few lines of graph or from a random draw. */
import type { Node } from "../src/graph/graph.ts";
import { constant } from "../src/graph/leaf.ts";
import type { Network } from "../src/graph/network.ts";
import { add, maximum, minimum, mul, sub } from "../src/ops/arith.ts";
import { conv } from "../src/ops/conv.ts";
import { matmul } from "../src/ops/matmul.ts";
import { concat, flatten, reshape, transpose } from "../src/ops/movement.ts";
import {
  abs,
  elu,
  gelu,
  hardSwish,
  leakyRelu,
  relu,
  sigmoid,
  silu,
  sin,
  softplus,
  tanh,
} from "../src/ops/pointwise.ts";
import { averagePool, maxPool } from "../src/ops/pool.ts";
import { softmax } from "../src/ops/softmax.ts";
import { normalTensor, type Random } from "../src/tensor/random.ts";
import { type Shape, sizeOf } from "../src/tensor/shape.ts";
import { cast, tensor } from "../src/tensor/tensor.ts";

/** The network x -> f(x), x [batch, ...sample]. */
export function functionOf(sample: Shape, f: (x: Node) => Node, batch: "free" | number = "free"): Network {
  return {
    name: "function",
    inputs: [{ name: "x", shape: [batch === "free" ? "batch" : batch, ...sample], dtype: "float32" }],
    outputs: ["y"],
    metadata: {},
    build: ([x]) => [f(x)],
  };
}

/** A float32 constant in the dtype of a node. */
export const weight = (like: Node, values: readonly number[], shape: Shape): Node =>
  constant(cast(tensor(Float32Array.from(values), shape), like.dtype));

/** x W^T + b for rows W, as a table of numbers. */
export function affine(x: Node, rows: readonly (readonly number[])[], bias?: readonly number[]): Node {
  const y = matmul(x, transpose(weight(x, rows.flat(), [rows.length, rows[0].length])));
  return bias ? add(y, weight(x, bias, [bias.length])) : y;
}

export const activations: readonly ((x: Node) => Node)[] = [
  relu,
  (x) => leakyRelu(x, 0.1),
  (x) => leakyRelu(x, -1.5),
  (x) => elu(x, 1),
  (x) => elu(x, 2),
  sigmoid,
  tanh,
  softplus,
  (x) => gelu(x, "none"),
  (x) => gelu(x, "tanh"),
  silu,
  hardSwish,
  abs,
  sin,
];

/** A random small network of dense or convolutional parts, shortcuts, pools and every activation. */
export function randomNetwork(r: Random, kind: "dense" | "image"): Network {
  const made = new Map<string, Float32Array>();
  const draw = (x: Node, name: string, shape: Shape, deviation: number) => {
    let values = made.get(name);
    if (!values) {
      values = normalTensor(r.fork(name), shape, deviation).data as Float32Array;
      made.set(name, values);
    }
    return constant(cast(tensor(values, shape), x.dtype));
  };
  const dense = (x: Node, name: string, width: number) => {
    const w = draw(x, name, [x.shape[1], width], 1.5 / Math.sqrt(x.shape[1]));
    return add(matmul(x, w), draw(x, `${name} bias`, [width], 0.5));
  };
  const convolve = (x: Node, name: string, width: number, stride: number) => {
    const w = draw(x, name, [width, x.shape[1], 3, 3], 1 / Math.sqrt(9 * x.shape[1]));
    return conv(x, w, { strides: [stride, stride], pads: [1, 1, 1, 1] });
  };
  const act = (name: string) => activations[r.fork(name).integer(activations.length)];
  const choice = (name: string, n: number) => r.fork(name).integer(n);

  const denseBlock = (x: Node, k: string): Node => {
    const y = act(`${k} act`)(dense(x, k, 4 + choice(`${k} width`, 4)));
    switch (choice(`${k} block`, 6)) {
      case 0:
        return add(y, dense(y, `${k} residual`, y.shape[1]));
      case 1:
        return concat([y, act(`${k} other`)(dense(x, `${k} branch`, 3))], 1);
      case 2:
        return sub(maximum(y, dense(x, `${k} branch`, y.shape[1])), minimum(y, 0.3));
      case 3:
        return softmax(mul(y, 2), 1);
      case 4:
        return add(mul(y, draw(y, `${k} factors`, [y.shape[1]], 1)), y);
      default:
        return y;
    }
  };
  const imageBlock = (x: Node, k: string): Node => {
    const y = act(`${k} act`)(convolve(x, k, 2 + choice(`${k} width`, 2), 1 + choice(`${k} stride`, 2)));
    switch (choice(`${k} block`, 5)) {
      case 0:
        return add(y, convolve(y, `${k} residual`, y.shape[1], 1));
      case 1:
        return maxPool(y, { kernel: [2, 2], strides: [1, 1], pads: [0, 0, 1, 1] });
      case 2:
        return averagePool(y, { kernel: [2, 2], strides: [1, 1], pads: [1, 0, 0, 1] });
      case 3:
        return mul(convolve(y, `${k} second`, 2, 1), draw(y, `${k} factors`, [2, 1, 1], 1));
      default:
        return y;
    }
  };
  const deep = choice("depth", 2) === 1;
  if (kind === "dense") {
    return functionOf([3 + choice("inputs", 3)], (x) => {
      const y = denseBlock(x, "a");
      return dense(deep ? denseBlock(y, "b") : y, "out", 3);
    });
  }
  return functionOf([36], (x) => {
    const first = imageBlock(reshape(x, [x.shape[0], 1, 6, 6]), "a");
    const y = deep ? imageBlock(first, "b") : first;
    return dense(reshape(flatten(y), [x.shape[0], sizeOf(y.shape) / x.shape[0]]), "out", 3);
  });
}
