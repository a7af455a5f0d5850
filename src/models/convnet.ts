/** @file Small convolutional networks. */
import { type Activation, activation } from "../layers/activation.ts";
import { batchNorm } from "../layers/batchNorm.ts";
import { conv } from "../layers/conv.ts";
import { dense } from "../layers/dense.ts";
import type { Layer } from "../layers/layer.ts";
import { flatten, maxPool } from "../layers/pool.ts";
import { sequential } from "../layers/sequential.ts";

export interface ConvnetOptions {
  /** Of each convolution; 16, 32 unless told. */
  readonly channels?: readonly number[];
  /** Width of the dense layer before the last; 100 unless told. */
  readonly hidden?: number;
  /** relu unless told. */
  readonly activation?: Activation;
  /** How space shrinks: a stride of 2 in each convolution (unless told), or 2 x 2 max pooling after it. */
  readonly shrink?: "stride" | "pool";
  /** After each convolution; none unless told. */
  readonly batchNorm?: boolean;
}

/**
 * Convolutions that halve the image, then two dense layers: [channels, height, width] -> [classes]. With { shrink: "pool", channels: [32, 64], hidden: 1024 } it is the
 * network of Madry et al. 2018 (5 x 5 kernels); with strides it uses 3 x 3 kernels.
 */
export function convnet(classes: number, options: ConvnetOptions = {}): Layer {
  const { channels = [16, 32], hidden = 100, activation: name = "relu", shrink = "stride" } = options;
  const norm = options.batchNorm ? [batchNorm()] : [];
  const block = (width: number) =>
    shrink === "stride"
      ? [conv(width, { kernel: 3, stride: 2, padding: 1 }), ...norm, activation(name)]
      : [conv(width, { kernel: 5, padding: 2 }), ...norm, activation(name), maxPool(2)];
  const head = [flatten(), dense(hidden), activation(name), dense(classes)];
  return sequential([...channels.flatMap(block), ...head], "convnet");
}
