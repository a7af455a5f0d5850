/** @file Sandwich layers of circular convolutions: the dense layer at every frequency. */
import { constant } from "../graph/leaf.ts";
import { add, div, mul } from "../ops/arith.ts";
import { reshape } from "../ops/movement.ts";
import { exp, sqrt, tanh } from "../ops/pointwise.ts";
import { zeros } from "../tensor/tensor.ts";
import { type Activation, activation } from "./activation.ts";
import { type Bounded, checkActivation, isHomogeneous, isMonotone, linked } from "./bounded.ts";
import type { ConvOptions } from "./conv.ts";
import { evalRun } from "./layer.ts";
import { adjoint, complexCayley, scaledBy } from "./symbols.ts";
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
 * A convolutional sandwich layer with activation s, [batch, p, height, width] -> [batch, channels, height / stride, width / stride].
 *
 *     h_out = sqrt(2) A^* Psi * s( sqrt(2) Psi^-1 B * h + b ),   A(f) A(f)^* + B(f) B(f)^* = I at every frequency f
 *
 * (A | B) comes by the Cayley map from the symbol of one kernel of `kernel` taps a side (with a stride, kernel / stride on the residues of the
 * pixels as channels, at least 1). Convolutions wrap around the image whatever `padding` is; the size is that of "same" padding.
 * Reference: Wang and Manchester 2023, algorithm 1. Unlike in its code, the length of the kernel is trained.
 */
export function sandwichConv(channels: number, options: ConvOptions, name: Activation = "relu"): Bounded {
  const { stride, taps } = wrappedOptions("sandwich", channels, options);
  checkActivation("sandwich", name, isMonotone);
  const act = activation(name);
  const scaled = !isHomogeneous(name);
  return linked({
    name: "sandwichConv",
    multiplier: scaled ? "psi" : "one",
    shape: (input) => wrappedShape("sandwich", input, channels, stride),
    init(random, [p, height, width]) {
      const sizes = [p * stride * stride + channels, channels, taps] as const;
      const { params, state } = drawKernel(random, sizes, [height / stride, width / stride]);
      return { params: { ...params, bias: zeros([channels]), ...(scaled && { logPsi: zeros([channels]) }) }, state };
    },
    link(variables, pending, mode) {
      const { symbol, grid } = freeSymbol(variables);
      const { square, rest } = complexCayley(
        rowsOf(symbol, 0, channels),
        rowsOf(symbol, channels, variables.direction.shape[0]),
      );
      const root = sqrt(constant(2));
      const psi = scaled ? exp(mul(tanh(div(variables.logPsi, 5)), 5)) : null;
      const inner = scaledBy(adjoint(rest), psi ? reshape(div(root, psi), [1, channels, 1]) : root);
      const outer = scaledBy(square, psi ? reshape(mul(psi, root), [1, 1, channels]) : root);
      const weights = wrappedWeights(inner, pending, grid, stride, mode);
      return {
        weights: { ...weights, bias: variables.bias, ...(psi ? { psi } : {}) },
        pending: { kind: "symbol", symbol: outer, grid },
      };
    },
    forward: (x, w) => act.forward(add(wrappedConv(x, w, stride), reshape(w.bias, [channels, 1, 1])), {}, evalRun),
  });
}
