/**
 * @file Sandwich layers of circular convolutions: the dense layer at every frequency. In training a convolution is a product per frequency;
 * written out it is a Conv with a kernel as large as the image, over an image that is wrapped around.
 */
import type { Node } from "../graph/graph.ts";
import { constant } from "../graph/leaf.ts";
import { add, div, mul } from "../ops/arith.ts";
import { conv } from "../ops/conv.ts";
import { concat, reshape, sliceAxis } from "../ops/movement.ts";
import { exp, sqrt, tanh } from "../ops/pointwise.ts";
import { ShapeError, UsageError } from "../tensor/errors.ts";
import type { Named } from "../tensor/named.ts";
import { normalTensor } from "../tensor/random.ts";
import { showShape } from "../tensor/shape.ts";
import { zeros } from "../tensor/tensor.ts";
import { type Activation, activation } from "./activation.ts";
import { type Bounded, checkActivation, isHomogeneous, isMonotone, linked, type Pending } from "./bounded.ts";
import { lengthOf, scaleOf } from "./cayley.ts";
import type { ConvOptions } from "./conv.ts";
import { checkCount, evalRun } from "./layer.ts";
import {
  adjoint,
  type Complex,
  circular,
  coarser,
  complexCayley,
  type Grid,
  kernelOf,
  scaledBy,
  shuffled,
  symbolOf,
  times,
  unshuffled,
} from "./symbols.ts";

/**
 * A convolutional sandwich layer with activation s, [batch, p, height, width] -> [batch, channels, height / stride, width / stride].
 *
 *     h_out = sqrt(2) A^* Psi * s( sqrt(2) Psi^-1 B * h + b ),   A(f) A(f)^* + B(f) B(f)^* = I at every frequency f
 *
 * (A | B) comes by the Cayley map from the symbol of one kernel of `kernel` taps a side (with a stride, kernel / stride on the residues of the
 * pixels as channels, at least 1). Convolutions wrap around the image whatever `padding` is; the size is that of "same" padding.
 * Reference: Wang and Manchester 2023, algorithm 1. Unlike in its code, the length of the kernel is trained.
 */
export function sandwichConv(channels: number, options: ConvOptions, name: Activation = "relu"): Bounded {
  const { kernel, stride = 1, dilation = 1, groups = 1 } = options;
  for (const [what, value] of Object.entries({ channels, kernel, stride })) checkCount("sandwich", what, value);
  if (dilation !== 1 || groups !== 1) throw new UsageError("sandwich: convolutions must have dilation 1 and one group");
  checkActivation("sandwich", name, isMonotone);
  const act = activation(name);
  const scaled = !isHomogeneous(name);
  const taps = Math.max(1, Math.floor(kernel / stride));
  return linked({
    name: "sandwichConv",
    multiplier: scaled ? "psi" : "one",
    shape(input) {
      const [, ...space] = input;
      if (space.length !== 2 || space.some((d) => d % stride !== 0)) {
        throw new ShapeError(
          `sandwich: a sample must be [channels, height, width] in multiples of ${stride}, got ${showShape(input)}`,
        );
      }
      return [channels, space[0] / stride, space[1] / stride];
    },
    init(random, [p, height, width]) {
      const inner = p * stride * stride;
      const deviation = Math.sqrt(2 / ((inner + 2 * channels) * taps * taps));
      const direction = normalTensor(random, [inner + channels, channels, taps, taps], deviation);
      const psi = scaled && { logPsi: zeros([channels]) };
      const params = { direction, length: lengthOf(direction), bias: zeros([channels]), ...psi };
      // The weights are made for one size of images, which nothing but this plane says.
      return { params, state: { plane: zeros([height / stride, width / stride]) } };
    },
    link({ direction, length, bias, logPsi, plane }, pending, mode) {
      const [m, n] = plane.shape;
      const grid: Grid = [m, n];
      const free = mul(direction, scaleOf(direction, length));
      const symbol = symbolOf(free, grid);
      const total = direction.shape[0];
      const rows = (from: number, to: number): Complex => ({
        re: sliceAxis(symbol.re, 1, from, to),
        im: sliceAxis(symbol.im, 1, from, to),
      });
      const { square, rest } = complexCayley(rows(0, channels), rows(channels, total));
      const root = sqrt(constant(2));
      const psi = scaled ? exp(mul(tanh(div(logPsi, 5)), 5)) : null;
      const inner = scaledBy(adjoint(rest), psi ? reshape(div(root, psi), [1, channels, 1]) : root);
      const outer = scaledBy(square, psi ? reshape(mul(psi, root), [1, 1, channels]) : root);
      const whole = after(inner, pending, stride);
      const weights: Named<Node> =
        mode === "train" ? { re: whole.re, im: whole.im } : { kernel: shuffled(kernelOf(whole, grid), stride) };
      return {
        weights: { ...weights, bias, ...(psi ? { psi } : {}) },
        pending: { kind: "symbol", symbol: outer, grid },
      };
    },
    forward(x, w) {
      const y = w.kernel ? wrapped(x, w.kernel, stride) : spectral(x, w as Readonly<Record<"re" | "im", Node>>, stride);
      return act.forward(add(y, reshape(w.bias, [channels, 1, 1])), {}, evalRun);
    },
  });
}

// --- internal ---

/** The symbol after what is pending on the finer grid. */
function after(inner: Complex, pending: Pending, stride: number): Complex {
  switch (pending.kind) {
    case "scale":
      return pending.factor ? scaledBy(inner, pending.factor) : inner;
    case "symbol":
      return times(inner, coarser(pending.symbol, pending.grid, stride));
    case "matrix":
      throw new UsageError("sandwich: a convolution must not follow a dense layer");
  }
}

const spectral = (x: Node, symbol: Complex, stride: number): Node => {
  const [, , height, width] = x.shape;
  return circular(unshuffled(x, stride), symbol, [height / stride, width / stride]);
};

/** The same in space: the image goes on where it ends. */
function wrapped(x: Node, kernel: Node, stride: number): Node {
  const around = [2, 3].reduce((image, axis) => {
    const more = x.shape[axis] - stride;
    return more > 0 ? concat([image, sliceAxis(image, axis, 0, more)], axis) : image;
  }, x);
  return conv(around, kernel, { strides: [stride, stride] });
}
