/** @file Circular convolutions whose symbols have orthonormal rows or columns at every frequency, by the Cayley map. */
import { add } from "../ops/arith.ts";
import { concat, reshape } from "../ops/movement.ts";
import { zeros } from "../tensor/tensor.ts";
import type { Activation } from "./activation.ts";
import { actOf, type Bounded, checkActivation, isContraction, isMonotone, linked, nothing } from "./bounded.ts";
import type { ConvOptions } from "./conv.ts";
import { adjoint, complexCayley } from "./symbols.ts";
import {
  drawKernel,
  freeSymbol,
  rowsOf,
  wrappedConv,
  wrappedOptions,
  wrappedShape,
  wrappedWeights,
} from "./wrapped.ts";

/**
 * y = s(Q * x + b), [batch, p, height, width] -> [batch, channels, height / stride, width / stride], with Q(f) Q(f)^* = I or
 * Q(f)^* Q(f) = I on the residues of the pixels modulo stride as channels. Convolutions wrap around the image.
 * Reference: Trockman and Kolter 2021.
 */
export function orthogonalConv(channels: number, options: ConvOptions, name: Activation = "identity"): Bounded {
  const { stride, taps } = wrappedOptions("orthogonal", channels, options);
  checkActivation("orthogonal", name, isContraction);
  const act = actOf(name);
  return linked({
    name: "orthogonalConv",
    ...(isMonotone(name) && { multiplier: "one" as const }),
    shape: (input) => wrappedShape("orthogonal", input, channels, stride),
    init(random, [p, height, width]) {
      const inner = p * stride * stride;
      const sizes = [Math.max(inner, channels), Math.min(inner, channels), taps] as const;
      const { params, state } = drawKernel(random, sizes, [height / stride, width / stride]);
      const own = { params: { ...params, bias: zeros([channels]) }, state };
      return act.beside(own, random, [channels, height / stride, width / stride]);
    },
    link(variables, pending, mode) {
      const { symbol, grid } = freeSymbol(variables);
      const [tall, short] = variables.direction.shape;
      const { square, rest } = complexCayley(rowsOf(symbol, 0, short), rowsOf(symbol, short, tall));
      const Q = { re: concat([square.re, rest.re], 1), im: concat([square.im, rest.im], 1) };
      const weights = wrappedWeights(channels === tall ? Q : adjoint(Q), pending, grid, stride, mode);
      return { weights: { ...weights, bias: variables.bias, ...act.weights(variables, mode) }, pending: nothing };
    },
    forward: (x, w) => act.forward(add(wrappedConv(x, w, stride), reshape(w.bias, [channels, 1, 1])), w),
  });
}
