/**
 * @file Circular convolutions as layers make and use them: a symbol in training, where a convolution is a product per frequency; written out,
 * a Conv with a kernel as large as the image, over an image that is wrapped around.
 */
import type { Node } from "../graph/graph.ts";
import { mul } from "../ops/arith.ts";
import { conv } from "../ops/conv.ts";
import { concat, sliceAxis } from "../ops/movement.ts";
import { ShapeError, UsageError } from "../tensor/errors.ts";
import type { Named } from "../tensor/named.ts";
import { normalTensor, type Random } from "../tensor/random.ts";
import { type Shape, showShape } from "../tensor/shape.ts";
import { type Tensor, zeros } from "../tensor/tensor.ts";
import type { Pending } from "./bounded.ts";
import { lengthOf, scaleOf } from "./cayley.ts";
import type { ConvOptions } from "./conv.ts";
import { checkCount, type Mode } from "./layer.ts";
import {
  type Complex,
  circular,
  coarser,
  type Grid,
  kernelOf,
  scaledBy,
  shuffled,
  symbolOf,
  times,
  unshuffled,
} from "./symbols.ts";

/** The stride of a circular convolution and the side of its kernel on the residues of the pixels. */
export function wrappedOptions(who: string, channels: number, options: ConvOptions) {
  const { kernel, stride = 1, dilation = 1, groups = 1 } = options;
  for (const [what, value] of Object.entries({ channels, kernel, stride })) checkCount(who, what, value);
  if (dilation !== 1 || groups !== 1) throw new UsageError(`${who}: convolutions must have dilation 1 and one group`);
  return { stride, taps: Math.max(1, Math.floor(kernel / stride)) };
}

/** Shape of a sample after a circular convolution. */
export function wrappedShape(who: string, input: Shape, channels: number, stride: number): Shape {
  const [, ...space] = input;
  if (space.length !== 2 || space.some((d) => d % stride !== 0)) {
    const rule = `[channels, height, width] in multiples of ${stride}`;
    throw new ShapeError(`${who}: a sample must be ${rule}, got ${showShape(input)}`);
  }
  return [channels, space[0] / stride, space[1] / stride];
}

/** A free kernel [height, columns, taps, taps] with its length, and the plane that says for which size of images the weights are made. */
export function drawKernel(random: Random, [height, columns, taps]: readonly [number, number, number], plane: Grid) {
  const deviation = Math.sqrt(2 / ((height + columns) * taps * taps));
  const direction = normalTensor(random, [height, columns, taps, taps], deviation);
  const params: Named<Tensor> = { direction, length: lengthOf(direction) };
  return { params, state: { plane: zeros([...plane]) } };
}

/** The symbol of the free kernel among the variables of a layer. */
export function freeSymbol({ direction, length, plane }: Named<Node>): {
  readonly symbol: Complex;
  readonly grid: Grid;
} {
  const [m, n] = plane.shape;
  return { symbol: symbolOf(mul(direction, scaleOf(direction, length)), [m, n]), grid: [m, n] };
}

/** Some rows of a symbol. */
export const rowsOf = ({ re, im }: Complex, from: number, to: number): Complex => ({
  re: sliceAxis(re, 1, from, to),
  im: sliceAxis(im, 1, from, to),
});

/** A symbol on residues of pixels with what is pending before it, as weights. */
export function wrappedWeights(inner: Complex, pending: Pending, grid: Grid, stride: number, mode: Mode): Named<Node> {
  const whole = after(inner, pending, stride);
  return mode === "train" ? { re: whole.re, im: whole.im } : { kernel: shuffled(kernelOf(whole, grid), stride) };
}

/** The convolution by such weights. */
export function wrappedConv(x: Node, { kernel, re, im }: Named<Node>, stride: number): Node {
  if (kernel) return inSpace(x, kernel, stride);
  const [, , height, width] = x.shape;
  return circular(unshuffled(x, stride), { re, im }, [height / stride, width / stride]);
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
      throw new UsageError("convolution: must not follow a dense layer that leaves a linear map to the next one");
  }
}

/** The image goes on where it ends. */
function inSpace(x: Node, kernel: Node, stride: number): Node {
  const around = [2, 3].reduce((image, axis) => {
    const more = x.shape[axis] - stride;
    return more > 0 ? concat([image, sliceAxis(image, axis, 0, more)], axis) : image;
  }, x);
  return conv(around, kernel, { strides: [stride, stride] });
}
