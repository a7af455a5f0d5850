/** @file Small convolutional networks. */
import type { Activation } from "../layers/activation.ts";
import { type Family, type Model, ofFamily } from "../layers/family.ts";
import { flatten, maxPool } from "../layers/pool.ts";

export interface ConvnetOptions {
  /** Of each convolution. Default: 16, 32. */
  readonly channels?: readonly number[];
  /** Width of the dense layer before the last. Default: 100. */
  readonly hidden?: number;
  /** Default: relu. */
  readonly activation?: Activation;
  /** How space shrinks: a stride of 2 in each convolution (default), or 2 x 2 max pooling after it. */
  readonly shrink?: "stride" | "pool";
  /** After each convolution. Default: none. */
  readonly batchNorm?: boolean;
}

/**
 * Convolutions that halve the image, then two dense layers: [channels, height, width] -> [classes]. With { shrink: "pool", channels: [32, 64], hidden: 1024 } it is the
 * network of Madry et al. 2018 (5 x 5 kernels); with strides it uses 3 x 3 kernels.
 */
export function convnet(classes: number, options: ConvnetOptions = {}): Model {
  const { channels = [16, 32], hidden = 100, activation = "relu", shrink = "stride", batchNorm = false } = options;
  const unit = { activation, batchNorm };
  const block = (family: Family, width: number) =>
    shrink === "stride"
      ? family.conv(width, { kernel: 3, stride: 2, padding: 1 }, unit)
      : [...family.conv(width, { kernel: 5, padding: 2 }, unit), maxPool(2)];
  return ofFamily((family) =>
    family.whole(
      [
        ...channels.flatMap((width) => block(family, width)),
        flatten(),
        ...family.dense(hidden, { activation }),
        ...family.last(classes, activation),
      ],
      "convnet",
    ),
  );
}
