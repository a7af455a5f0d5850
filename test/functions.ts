/** @file Networks for tests, from a few lines of graph or from a random draw. */
import { apply, type Behaviour, type Node } from "../src/graph/graph.ts";
import { constant } from "../src/graph/leaf.ts";
import type { Network } from "../src/graph/network.ts";
import { householder } from "../src/layers/householder.ts";
import { evalRun } from "../src/layers/layer.ts";
import { add, div, maximum, minimum, mul, sub } from "../src/ops/arith.ts";
import { centeredSoftplus } from "../src/ops/centeredSoftplus.ts";
import { conv } from "../src/ops/conv.ts";
import { matmul } from "../src/ops/matmul.ts";
import { concat, flatten, reshape, transpose } from "../src/ops/movement.ts";
import { batchNorm, layerNorm } from "../src/ops/normalize.ts";
import {
  abs,
  clip,
  cos,
  elu,
  erf,
  exp,
  gelu,
  hardSigmoid,
  hardSwish,
  leakyRelu,
  relu,
  sigmoid,
  silu,
  sin,
  softplus,
  tanh,
} from "../src/ops/pointwise.ts";
import { averagePool, globalAveragePool, globalMaxPool, maxPool } from "../src/ops/pool.ts";
import { retype } from "../src/ops/retype.ts";
import { softmax } from "../src/ops/softmax.ts";
import { maxMin } from "../src/ops/sort.ts";
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
  cos,
  erf,
  (x) => hardSigmoid(x, 0.4, 0.5),
  (x) => clip(x, -0.5, 0.7),
  (x) => centeredSoftplus(x, 4),
];

/** Activations that are no op of their own but several: Mish, swish of another rate, hard-swish by clip, ReLU and hard-tanh by comparisons. */
const composed: readonly ((x: Node) => Node)[] = [
  (x) => mul(x, tanh(softplus(x))),
  (x) => mul(x, sigmoid(mul(x, 1.7))),
  (x) => div(mul(x, clip(add(x, 3), 0, 6)), 6),
  (x) => maximum(x, mul(x, 0.3)),
  (x) => minimum(maximum(x, -1), 1),
];

/** The same value of an op that acts element by element, with another range of slopes said of it: no slope outside is admitted, on any interval. */
export function withSlopes(y: Node, [low, high]: readonly [number, number]): Node {
  const within = (slope: number) => Math.min(high, Math.max(low, slope));
  const behaviour = (node: Node, varies: readonly boolean[]): Behaviour => {
    const own = y.op.behaviour(node, varies);
    if (own.kind !== "pointwise") throw new Error(`${y.op.name} is not pointwise`);
    const slopeOn = (from: number, to: number) => {
      const [least, most] = own.slopeOn(from, to);
      return [within(least), within(most)] as const;
    };
    return { ...own, slope: [low, high], slopeOn };
  };
  return apply({ ...y.op, behaviour }, y.inputs, y.attrs);
}

/** The range of slopes that an op which acts element by element says of itself. */
export function slopesOf(y: Node): readonly [number, number] {
  const behaviour = y.op.behaviour(y, [true]);
  if (behaviour.kind !== "pointwise") throw new Error(`${y.op.name} is not pointwise`);
  return behaviour.slope;
}

/** `chain`: dense layers with activations and nothing else. `steep`: with products, quotients, exponentials and layer-norms, that have no constant but in a ball or box. */
export type NetworkKind = "dense" | "image" | "chain" | "steep";

/** A random small network of dense or convolutional parts, shortcuts, pools, normalisations and every activation. Images have one channel of side x side. */
export function randomNetwork(r: Random, kind: NetworkKind, side = 6): Network {
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
  const normalised = (x: Node, name: string) => {
    const own = (part: string) => draw(x, `${name} ${part}`, [x.shape[1]], 1);
    return batchNorm(x, own("scale"), own("shift"), own("mean"), add(abs(own("variance")), 0.1));
  };
  const mirrored = (x: Node, name: string) => {
    const layer = householder();
    const angle = constant(normalTensor(r.fork(name), [x.shape[1] / 2]));
    const { inner, outer } = layer.weights({ angle }, "eval");
    const [first, second] = retype([inner, outer], x.dtype);
    return layer.forward(x, { inner: first, outer: second }, evalRun);
  };
  const choice = (name: string, n: number) => r.fork(name).integer(n);
  const act = (name: string) => activations[choice(name, activations.length)];
  const even = (width: number) => 2 * Math.ceil(width / 2);

  const denseBlock = (x: Node, k: string): Node => {
    const z = dense(x, k, 4 + choice(`${k} width`, 4));
    const y = act(`${k} act`)(z);
    const again = (from: Node, width = y.shape[1]) => dense(from, `${k} branch`, width);
    const other = act(`${k} other`);
    switch (choice(`${k} block`, 13)) {
      case 0:
        return add(y, again(y));
      case 1:
        return concat([y, other(again(x, 3))], 1);
      case 2:
        return sub(maximum(y, again(x)), minimum(y, 0.3));
      case 3:
        return softmax(mul(y, 2), 1);
      case 4:
        return add(mul(y, draw(y, `${k} factors`, [y.shape[1]], 1)), y);
      case 5:
        return add(y, other(again(y)));
      case 6:
        return other(normalised(z, k));
      case 7:
        return maxMin(again(y, even(y.shape[1])));
      case 8:
        return mirrored(again(y, even(y.shape[1])), `${k} mirrors`);
      case 9:
        return composed[choice(`${k} composed`, composed.length)](z);
      default:
        return y;
    }
  };
  const imageBlock = (x: Node, k: string): Node => {
    const z = convolve(x, k, 2 + choice(`${k} width`, 2), 1 + choice(`${k} stride`, 2));
    const y = act(`${k} act`)(z);
    const other = act(`${k} other`);
    switch (choice(`${k} block`, 12)) {
      case 0:
        return add(y, convolve(y, `${k} residual`, y.shape[1], 1));
      case 1:
        return maxPool(y, { kernel: [2, 2], strides: [1, 1], pads: [0, 0, 1, 1] });
      case 2:
        return averagePool(y, { kernel: [2, 2], strides: [1, 1], pads: [1, 0, 0, 1] });
      case 3:
        return mul(convolve(y, `${k} second`, 2, 1), draw(y, `${k} factors`, [2, 1, 1], 1));
      case 4:
        return add(y, other(convolve(y, `${k} residual`, y.shape[1], 1)));
      case 5:
        return other(normalised(z, k));
      case 6:
        return maxMin(convolve(y, `${k} second`, 2, 1));
      case 7:
        return mirrored(convolve(y, `${k} second`, 2, 1), `${k} mirrors`);
      case 8:
        return concat([y, other(convolve(y, `${k} second`, 1, 1))], 1);
      case 9:
        return choice(`${k} whole`, 2) === 0 ? globalAveragePool(y) : globalMaxPool(y);
      default:
        return y;
    }
  };
  const chainBlock = (x: Node, k: string): Node => {
    const y = dense(x, k, 2 * (1 + choice(`${k} width`, 3)));
    return choice(`${k} sorted`, 6) === 0 ? maxMin(y) : act(`${k} act`)(y);
  };
  const steepBlock = (x: Node, k: string): Node => {
    const y = act(`${k} act`)(dense(x, k, 4));
    const z = dense(x, `${k} branch`, 4);
    switch (choice(`${k} block`, 5)) {
      case 0:
        return mul(y, z);
      case 1:
        return exp(mul(y, 0.5));
      case 2:
        return div(y, add(softplus(z), 0.5));
      case 3:
        return layerNorm(z, draw(z, `${k} scale`, [4], 1), draw(z, `${k} shift`, [4], 1), 1, 0.1);
      default:
        return mul(softmax(z, 1), y);
    }
  };
  const deep = choice("depth", 2) === 1;
  if (kind === "image") {
    return functionOf([side * side], (x) => {
      const first = imageBlock(reshape(x, [x.shape[0], 1, side, side]), "a");
      const y = deep ? imageBlock(first, "b") : first;
      return dense(reshape(flatten(y), [x.shape[0], sizeOf(y.shape) / x.shape[0]]), "out", 3);
    });
  }
  const block = { dense: denseBlock, chain: chainBlock, steep: steepBlock }[kind];
  return functionOf([3 + choice("inputs", 3)], (x) => {
    const y = block(x, "a");
    return dense(deep ? block(y, "b") : y, "out", 3);
  });
}
