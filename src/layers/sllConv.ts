/**
 * @file Residual layers of convolutions that are 1-Lipschitz: those of `sll.ts` with a kernel in the place of the matrix. Zeros stand around
 * the image, and the second factor is the transposed convolution with the same kernel, so that nothing wraps around.
 */
import type { Node } from "../graph/graph.ts";
import { add, div, mul, neg } from "../ops/arith.ts";
import { conv, convTranspose } from "../ops/conv.ts";
import { pad, reshape, transpose } from "../ops/movement.ts";
import { reduceMax } from "../ops/reduce.ts";
import { type Named, under, within } from "../tensor/named.ts";
import { type Tensor, zeros } from "../tensor/tensor.ts";
import { type Activation, activation } from "./activation.ts";
import { correlations } from "./aol.ts";
import { type Bounded, checkActivation, conjugated, isMonotone, linked, nothing, type Pending } from "./bounded.ts";
import { drawFree } from "./cayley.ts";
import type { ConvOptions } from "./conv.ts";
import { gramBounds, weightedRowSums } from "./dominate.ts";
import { glorotUniform } from "./initializer.ts";
import { evalRun } from "./layer.ts";
import { reduction } from "./reduce.ts";
import { adjoint, symbolOf, times, unshuffled } from "./symbols.ts";
import { wrappedOptions, wrappedShape } from "./wrapped.ts";

/**
 * y = x - 2 K^T (T^-1 s(K x + b)), [batch, p, height, width] -> [batch, channels, height / stride, width / stride], K a convolution of
 * `kernel` taps a side that keeps the size, whatever `padding` says. Before it the residues of the pixels modulo stride become channels, and
 * zeros or an orthonormal map over channels bring their number to `channels`.
 *
 *     sll:  T_i = sum over j and offsets of |C_ij| q_j / q_i, C the correlations of the kernel's channels, q = exp(5 tanh(d / 5))
 *     cpl:  T = an upper bound of sigma1(K)^2, over the frequencies of an image with room around it, of which K is a part
 *
 * References: Araujo, Havens, Delattre, Allauzen and Hu 2023; Meunier, Delattre, Araujo and Allauzen 2022.
 */
export function residualConv(kind: "sll" | "cpl", channels: number, options: ConvOptions, name: Activation): Bounded {
  const { stride } = wrappedOptions(kind, channels, options);
  const { kernel } = options;
  checkActivation(kind, name, isMonotone);
  const act = activation(name);
  const before = Math.floor((kernel - 1) / 2);
  const window = { pads: [before, before, kernel - 1 - before, kernel - 1 - before] };
  const own = [channels, channels, kernel, kernel];
  return linked({
    name: `${kind}Conv`,
    shape: (input) => wrappedShape(kind, input, channels, stride),
    init(random, [p, height, width]) {
      const size = p * stride * stride;
      const fan = channels * kernel * kernel;
      const inner = glorotUniform(random.fork("inner"), own, fan, fan);
      const reduced = size > channels && under("reduce", drawFree(random.fork("reduce"), size - channels, channels));
      const q = kind === "sll" && { logScale: zeros([channels]) };
      // As much room as keeps what wraps around from what is seen.
      const room = [height, width].map((d) => d / stride + kernel - 1 - before);
      const state: Named<Tensor> = kind === "cpl" ? { plane: zeros(room) } : {};
      return { params: { inner, bias: zeros([channels]), ...q, ...reduced }, state };
    },
    link(variables, pending) {
      const { inner, bias } = variables;
      const T = kind === "sll" ? correlationScale(inner, variables.logScale) : largestSquare(inner, variables.plane);
      const outer = neg(mul(div(inner, T), 2));
      const free = within("reduce", variables);
      const reduce = free.direction && reduceKernel(free, pending);
      const weights: Named<Node> = reduce
        ? { inner, bias, outer, reduce }
        : { ...conjugated(pending, inner, outer), bias };
      return { weights, pending: reduce ? nothing : pending };
    },
    forward(x, w) {
      const parts = unshuffled(x, stride);
      const [, size] = parts.shape;
      const h = w.reduce ? conv(parts, w.reduce) : pad(parts, [0, 0, 0, 0], [0, channels - size, 0, 0]);
      const z = add(conv(h, w.inner, window), reshape(w.bias, [channels, 1, 1]));
      return add(h, convTranspose(act.forward(z, {}, evalRun), w.outer, window));
    },
  });
}

// --- internal ---

/** [channels, 1, 1, 1]. */
function correlationScale(kernel: Node, logScale: Node): Node {
  const [channels] = kernel.shape;
  return reshape(weightedRowSums(correlations(kernel), logScale), [channels, 1, 1, 1]);
}

/** A scalar. */
function largestSquare(kernel: Node, plane: Node): Node {
  const [height, width] = plane.shape;
  const symbol = symbolOf(kernel, [height, width]);
  return reduceMax(gramBounds(times(adjoint(symbol), symbol)), [0]);
}

/** The map over channels that makes them fewer, as a kernel, with what is pending. */
function reduceKernel(free: Named<Node>, pending: Pending): Node {
  const map = reduction(free, pending);
  return reshape(transpose(map), [map.shape[1], map.shape[0], 1, 1]);
}
