/** @file Image networks of the usual families as ONNX, with seeded weights of the size that frameworks begin with: for tests of time and memory. */
import { random } from "../src/tensor/random.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { modelOf, type NodeOf } from "./model.ts";

export interface ImageModel {
  /** Pixels of a side. */
  readonly side: number;
  /** Channels are divided by this. Default: 1. */
  readonly thinner?: number;
  readonly classes?: number;
  readonly seed?: number;
}

/** ResNet-18: a head for images of 224 pixels, or for those of 32; batch-norm folded into the convolutions, as exporters do. */
export function resnet18({ side, thinner = 1, classes = 10, seed = 1 }: ImageModel): Uint8Array {
  const net = builder(seed);
  const wide = side > 64;
  let h = net.conv("x", 3, 64 / thinner, wide ? 7 : 3, wide ? 2 : 1);
  h = net.relu(h);
  if (wide) h = net.pool(h, "MaxPool", 3, 2, 1);
  let channels = 64 / thinner;
  for (const [stage, full] of [64, 128, 256, 512].entries()) {
    const out = full / thinner;
    for (const block of [0, 1]) {
      const stride = stage > 0 && block === 0 ? 2 : 1;
      const inner = net.relu(net.conv(h, channels, out, 3, stride));
      const branch = net.conv(inner, out, out, 3, 1);
      const around = stride === 1 && channels === out ? h : net.conv(h, channels, out, 1, stride);
      h = net.relu(net.node("Add", [branch, around]));
      channels = out;
    }
  }
  return net.end(net.dense(net.node("Flatten", [net.node("GlobalAveragePool", [h])]), channels, classes), side);
}

/** VGG-11 with one hidden dense layer. */
export const vgg11 = (model: ImageModel): Uint8Array =>
  vgg([64, "p", 128, "p", 256, 256, "p", 512, 512, "p", 512, 512, "p"], { seed: 2, ...model });

/** VGG-16 with one hidden dense layer. */
export const vgg16 = (model: ImageModel): Uint8Array =>
  vgg([64, 64, "p", 128, 128, "p", 256, 256, 256, "p", 512, 512, 512, "p", 512, 512, 512, "p"], { seed: 4, ...model });

function vgg(layers: readonly (number | "p")[], { side, thinner = 1, classes = 10, seed = 2 }: ImageModel): Uint8Array {
  const net = builder(seed);
  let [h, channels, size] = ["x", 3, side];
  for (const word of layers) {
    if (typeof word === "number") {
      h = net.relu(net.conv(h, channels, word / thinner, 3, 1));
      channels = word / thinner;
    } else {
      h = net.pool(h, "MaxPool", 2, 2, 0);
      size = Math.floor(size / 2);
    }
  }
  const inputs = channels * size * size;
  const hidden = net.relu(net.dense(net.node("Flatten", [h]), inputs, 512 / thinner));
  return net.end(net.dense(hidden, 512 / thinner, classes), side);
}

/** Branches side by side, depthwise convolutions, gates, average pools. */
export function mixed({ side, thinner = 1, classes = 10, seed = 3 }: ImageModel): Uint8Array {
  const net = builder(seed);
  let channels = 64 / thinner;
  let h = net.relu(net.conv("x", 3, channels, 3, 2));
  for (const stride of [1, 2, 2]) {
    const own = net.conv(h, channels, channels, 3, stride, channels);
    const narrow = net.node("Sigmoid", [net.conv(own, channels, channels, 1, 1)]);
    const broad = net.relu(net.conv(h, channels, channels, 5, stride));
    h = net.node("Concat", [narrow, broad], { axis: 1 });
    channels *= 2;
    h = net.relu(net.conv(h, channels, channels, 3, 1));
  }
  h = net.pool(h, "AveragePool", 3, 1, 1);
  return net.end(net.dense(net.node("Flatten", [net.node("GlobalAveragePool", [h])]), channels, classes), side);
}

// --- internal ---

function builder(seed: number) {
  const source = random(seed);
  const nodes: NodeOf[] = [];
  const tensors: Record<string, Tensor> = {};
  let count = 0;
  /** Normal, with the variance that keeps the size of signals. */
  const weight = (shape: readonly number[], inputs: number): string => {
    const name = `w${count++}`;
    const own = source.fork(name);
    const scale = Math.sqrt(2 / inputs);
    const size = shape.reduce((n, d) => n * d, 1);
    tensors[name] = { dtype: "float32", shape, data: Float32Array.from({ length: size }, () => scale * own.normal()) };
    return name;
  };
  const node = (op: string, inputs: readonly string[], attributes: NodeOf["attributes"] = {}): string => {
    const out = `h${count++}`;
    nodes.push({ op, in: inputs, out: [out], name: `${op}_${out}`, attributes });
    return out;
  };
  return {
    node,
    relu: (x: string) => node("Relu", [x]),
    conv(x: string, from: number, to: number, k: number, stride: number, group = 1): string {
      const p = (k - 1) / 2;
      const w = weight([to, from / group, k, k], (from / group) * k * k);
      const attributes = { kernel_shape: [k, k], pads: [p, p, p, p], strides: [stride, stride], group };
      return node("Conv", [x, w, weight([to], 1e4)], attributes);
    },
    pool: (x: string, op: string, k: number, stride: number, pad: number) =>
      node(op, [x], { kernel_shape: [k, k], strides: [stride, stride], pads: [pad, pad, pad, pad] }),
    dense: (x: string, from: number, to: number) =>
      node("Gemm", [x, weight([to, from], from), weight([to], 1e4)], { transB: 1 }),
    end: (y: string, side: number): Uint8Array =>
      modelOf({ inputs: { x: [1, 3, side, side] }, nodes, outputs: [y], tensors }),
  };
}
