/** @file Residual networks. */
import { type Activation, activation } from "../layers/activation.ts";
import { batchNorm } from "../layers/batchNorm.ts";
import { conv } from "../layers/conv.ts";
import { dense } from "../layers/dense.ts";
import type { Layer } from "../layers/layer.ts";
import { globalAveragePool } from "../layers/pool.ts";
import { residual, sequential } from "../layers/sequential.ts";

export interface ResnetOptions {
  /** Channels of each stage; a stage after the first halves the image. */
  readonly channels?: readonly number[];
  /** Residual blocks a stage. */
  readonly blocks?: number;
  readonly activation?: Activation;
}

/** Basic residual blocks with batch-norm, then a global mean and one dense layer. Reference: He et al. 2016. */
export function resnet(
  classes: number,
  { channels = [16, 32, 64], blocks = 1, activation: name = "relu" }: ResnetOptions = {},
): Layer {
  const unit = (width: number, stride: number, shortcut: boolean) => [
    residual(
      sequential([
        conv(width, { kernel: 3, stride, padding: 1, bias: false }),
        batchNorm(),
        activation(name),
        conv(width, { kernel: 3, padding: 1, bias: false }),
        batchNorm(),
      ]),
      shortcut ? sequential([conv(width, { kernel: 1, stride, bias: false }), batchNorm()]) : undefined,
    ),
    activation(name),
  ];
  const stem = [conv(channels[0], { kernel: 3, padding: 1, bias: false }), batchNorm(), activation(name)];
  const stages = channels.flatMap((width, stage) =>
    Array.from({ length: blocks }, (_, i) => unit(width, stage > 0 && i === 0 ? 2 : 1, stage > 0 && i === 0)).flat(),
  );
  return sequential([...stem, ...stages, globalAveragePool(), dense(classes)], "resnet");
}
