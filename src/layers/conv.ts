/** @file Convolutional layer over samples [channels, ...space], one or two axes of space. */
import { add, mul } from "../ops/arith.ts";
import { conv as convOp } from "../ops/conv.ts";
import { reshape } from "../ops/movement.ts";
import { ShapeError, UsageError } from "../tensor/errors.ts";
import { type Shape, showShape, sizeOf } from "../tensor/shape.ts";
import { zeros } from "../tensor/tensor.ts";
import { heNormal, type Initializer } from "./initializer.ts";
import { checkCount, type Layer } from "./layer.ts";

export interface ConvOptions {
  /** Side of the kernel, the same along every axis. */
  readonly kernel: number;
  readonly stride?: number;
  /** Zeros on every side; (kernel - 1) / 2 keeps the size at stride 1. */
  readonly padding?: number;
  readonly dilation?: number;
  readonly groups?: number;
  readonly bias?: boolean;
  readonly initializer?: Initializer;
}

/**
 * Correlate with kernels, zeros around: [batch, in, ...space] -> [batch, channels, ...space'], each axis of space' being
 * floor((d + 2 padding - ((kernel - 1) dilation + 1)) / stride) + 1. Weight [channels, in / groups, kernel, ...], bias [channels].
 * The first weights are drawn by `initializer` (default: He's); the first biases are 0.
 */
export function conv(channels: number, options: ConvOptions): Layer {
  const { kernel, stride = 1, padding = 0, dilation = 1, groups = 1, bias = true, initializer = heNormal } = options;
  for (const [what, value] of Object.entries({ channels, kernel, stride, dilation, groups }))
    checkCount("conv", what, value);
  if (!Number.isInteger(padding) || padding < 0)
    throw new UsageError(`conv: padding must be a whole number >= 0, got ${padding}`);
  if (channels % groups !== 0) throw new UsageError(`conv: ${groups} groups must divide ${channels} channels`);
  const extent = (kernel - 1) * dilation + 1;
  const repeat = (space: Shape, value: number) => space.map(() => value);
  return {
    name: "conv",
    shape(input) {
      const [inputChannels, ...space] = input;
      if (space.length < 1 || space.length > 2) {
        throw new ShapeError(
          `conv: a sample must be [channels, length] or [channels, height, width], got ${showShape(input)}`,
        );
      }
      if (inputChannels % groups !== 0)
        throw new ShapeError(`conv: ${groups} groups must divide ${inputChannels} input channels`);
      const out = space.map((d) => Math.floor((d + 2 * padding - extent) / stride) + 1);
      if (out.some((d) => d < 1))
        throw new ShapeError(`conv: a kernel of extent ${extent} does not fit into ${showShape(input)}`);
      return [channels, ...out];
    },
    init(random, [inputChannels, ...space]) {
      const taps = repeat(space, kernel);
      const perUnit = (inputChannels / groups) * sizeOf(taps);
      const weight = initializer(
        random,
        [channels, inputChannels / groups, ...taps],
        perUnit,
        (channels / groups) * sizeOf(taps),
      );
      return { params: { weight, ...(bias && { bias: zeros([channels]) }) }, state: {} };
    },
    weights: (variables) => variables,
    forward(x, w) {
      const space = x.shape.slice(2);
      const y = convOp(x, w.weight, {
        strides: repeat(space, stride),
        pads: repeat([...space, ...space], padding),
        dilations: repeat(space, dilation),
        groups,
      });
      return w.bias ? add(y, reshape(w.bias, [channels, ...repeat(space, 1)])) : y;
    },
    scaled: (w, factor, offset) => ({
      weight: mul(w.weight, reshape(factor, [channels, ...repeat(w.weight.shape.slice(1), 1)])),
      bias: w.bias ? add(mul(w.bias, factor), offset) : offset,
    }),
  };
}
