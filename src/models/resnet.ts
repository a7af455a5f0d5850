/** @file Residual networks. */
import type { Activation } from "../layers/activation.ts";
import { type Family, type Model, ofFamily } from "../layers/family.ts";
import { checkCount } from "../layers/layer.ts";
import { globalAveragePool } from "../layers/pool.ts";
import { UsageError } from "../tensor/errors.ts";

export interface ResnetOptions {
  /** Channels of each stage; a stage after the first halves the image. Default: 16, 32, 64. */
  readonly channels?: readonly number[];
  /** Residual blocks a stage. Default: 1. */
  readonly blocks?: number;
  /** Default: relu. */
  readonly activation?: Activation;
}

/**
 * Basic residual blocks with batch-norm, then a global mean and one dense layer: [channels, height, width] -> [classes].
 * Shortcuts that change the shape are 1 x 1 convolutions with batch-norm ("option B").
 * Reference: He et al. 2016, section 4.2.
 */
export function resnet(
  classes: number,
  { channels = [16, 32, 64], blocks = 1, activation = "relu" }: ResnetOptions = {},
): Model {
  checkCount("resnet", "blocks", blocks);
  if (channels.length === 0) throw new UsageError("resnet: channels must name at least one stage, got []");
  const normalized = { activation, batchNorm: true };
  const bare = { activation: "identity", batchNorm: true } as const;
  const unit = (family: Family, width: number, stride: number, shortcut: boolean) => [
    family.residual(
      [
        ...family.conv(width, { kernel: 3, stride, padding: 1 }, normalized),
        ...family.conv(width, { kernel: 3, padding: 1 }, bare),
      ],
      shortcut ? family.conv(width, { kernel: 1, stride }, bare) : undefined,
    ),
    family.activation(activation),
  ];
  const isFirst = (stage: number, i: number) => stage > 0 && i === 0;
  const stages = (family: Family) =>
    channels.flatMap((width, stage) =>
      Array.from({ length: blocks }, (_, i) =>
        unit(family, width, isFirst(stage, i) ? 2 : 1, isFirst(stage, i)),
      ).flat(),
    );
  return ofFamily((family) =>
    family.whole(
      [
        ...family.conv(channels[0], { kernel: 3, padding: 1 }, normalized),
        ...stages(family),
        globalAveragePool(),
        ...family.last(classes, activation),
      ],
      "resnet",
    ),
  );
}
