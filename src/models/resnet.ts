/** @file Residual networks. */
import { type Activation, activation } from "../layers/activation.ts";
import { batchNorm } from "../layers/batchNorm.ts";
import { conv } from "../layers/conv.ts";
import { dense } from "../layers/dense.ts";
import { checkCount, type Layer } from "../layers/layer.ts";
import { globalAveragePool } from "../layers/pool.ts";
import { residual, sequential } from "../layers/sequential.ts";
import { UsageError } from "../tensor/errors.ts";

export interface ResnetOptions {
  /** Channels of each stage, 16, 32, 64 unless told; a stage after the first halves the image. */
  readonly channels?: readonly number[];
  /** Residual blocks a stage; 1 unless told. */
  readonly blocks?: number;
  /** relu unless told. */
  readonly activation?: Activation;
}

/**
 * Basic residual blocks with batch-norm, then a global mean and one dense layer: [channels, height, width] -> [classes].
 * Shortcuts that change the shape are 1 x 1 convolutions with batch-norm ("option B").
 * Reference: He et al. 2016, section 4.2.
 */
export function resnet(
  classes: number,
  { channels = [16, 32, 64], blocks = 1, activation: name = "relu" }: ResnetOptions = {},
): Layer {
  checkCount("resnet", "blocks", blocks);
  if (channels.length === 0) throw new UsageError("resnet: channels must name at least one stage, got []");
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
