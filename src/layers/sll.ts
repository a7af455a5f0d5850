/**
 * @file Residual layers that are 1-Lipschitz: a gradient step on a convex function of x, with a step size that the weights bound. They
 * keep the width; a change of width comes before them, by zeros or by an orthonormal map, and the last layer takes what comes first.
 */
import type { Node } from "../graph/graph.ts";
import { constant } from "../graph/leaf.ts";
import { add, div, mul, neg } from "../ops/arith.ts";
import { matmul } from "../ops/matmul.ts";
import { pad, reshape, sliceAxis, transpose } from "../ops/movement.ts";
import { UsageError } from "../tensor/errors.ts";
import { type Named, under, within } from "../tensor/named.ts";
import { zeros } from "../tensor/tensor.ts";
import { type Activation, activation } from "./activation.ts";
import {
  type Bounded,
  boundedFamily,
  checkActivation,
  conjugated,
  type FamilyOptions,
  isMonotone,
  linked,
  nothing,
  pendingScale,
} from "./bounded.ts";
import { drawFree } from "./cayley.ts";
import { checkVector } from "./dense.ts";
import { gramBounds, weightedRowSums } from "./dominate.ts";
import type { Family } from "./family.ts";
import { glorotUniform } from "./initializer.ts";
import { checkCount, evalRun } from "./layer.ts";
import { reduction } from "./reduce.ts";
import { residualConv } from "./sllConv.ts";

/** SDP-based layers. Activations must have slopes in [0, 1]. Reference: Araujo, Havens, Delattre, Allauzen and Hu 2023. */
export const sll = (options: FamilyOptions = {}): Family =>
  boundedFamily(
    {
      name: "sll",
      dense: (width, act) => residualDense("sll", width, act),
      conv: (channels, conv, act) => residualConv("sll", channels, conv, act),
      last: firstOutputs,
    },
    options,
  );

/** Convex potential layers. Activations must have slopes in [0, 1]. Reference: Meunier, Delattre, Araujo and Allauzen 2022. */
export const cpl = (options: FamilyOptions = {}): Family =>
  boundedFamily(
    {
      name: "cpl",
      dense: (width, act) => residualDense("cpl", width, act),
      conv: (channels, conv, act) => residualConv("cpl", channels, conv, act),
      last: firstOutputs,
    },
    options,
  );

/**
 * y = x - 2 s(x W + b) T^-1 W^T, [batch, in] -> [batch, width], after zeros or an orthonormal map where in is not the width.
 *
 *     sll:  T_ii = sum_j |W^T W|_ij q_j / q_i,  q = exp(5 tanh(d / 5))        cpl:  T = an upper bound of sigma1(W)^2
 *
 * Both say T >= W^T W, and with v the change of s: |dy|^2 <= |dx|^2 - 4 v^T T^-1 v + 4 v^T T^-1 W^T W T^-1 v <= |dx|^2.
 */
export function residualDense(kind: "sll" | "cpl", width: number, name: Activation): Bounded {
  checkCount(kind, "width", width);
  checkActivation(kind, name, isMonotone);
  const act = activation(name);
  return linked({
    name: kind,
    shape(input) {
      checkVector(kind, input);
      return [width];
    },
    init(random, [size]) {
      const inner = glorotUniform(random.fork("inner"), [width, width], width, width);
      const reduction = size > width && under("reduce", drawFree(random.fork("reduce"), size - width, width));
      const q = kind === "sll" && { logScale: zeros([width]) };
      return { params: { inner, bias: zeros([width]), ...q, ...reduction }, state: {} };
    },
    link(variables, pending) {
      const { inner: W, bias, logScale } = variables;
      const T = kind === "sll" ? weightedRowSums(matmul(transpose(W), W), logScale) : largestEigenvalue(W);
      const outer = neg(mul(transpose(div(W, T)), 2));
      const free = within("reduce", variables);
      const reduce = free.direction && reduction(free, pending);
      const weights: Named<Node> = reduce
        ? { inner: W, bias, outer, reduce }
        : { ...conjugated(pending, W, outer), bias };
      return { weights, pending: reduce ? nothing : pending };
    },
    forward(x, w) {
      const h = w.reduce ? matmul(x, w.reduce) : pad(x, [0, 0], [0, width - x.shape[1]]);
      return add(h, matmul(act.forward(add(matmul(h, w.inner), w.bias), {}, evalRun), w.outer));
    },
  });
}

/**
 * y = the first outputs of x, + b: [batch, in] -> [batch, outputs]. Residual layers before it turn whatever counts to that place; they begin
 * near the identity, and so does the network. Throws UsageError where the input is narrower.
 */
export function firstOutputs(outputs: number): Bounded {
  checkCount("firstOutputs", "outputs", outputs);
  return linked({
    name: "firstOutputs",
    shape(input) {
      checkVector("firstOutputs", input);
      if (input[0] < outputs) {
        throw new UsageError(
          `firstOutputs: the layer before the last must be at least as wide as the outputs, got ${input[0]} for ${outputs}; make it wider`,
        );
      }
      return [outputs];
    },
    init: () => ({ params: { bias: zeros([outputs]) }, state: {} }),
    link: ({ bias }, pending) => ({
      weights: { weight: pendingScale(pending) ?? constant(1), bias },
      pending: nothing,
    }),
    forward: (x, w) => add(mul(sliceAxis(x, 1, 0, outputs), w.weight), w.bias),
  });
}

// --- internal ---

/** An upper bound of sigma1(W)^2, as a scalar. */
function largestEigenvalue(W: Node): Node {
  const n = W.shape[1];
  return reshape(gramBounds({ re: reshape(matmul(transpose(W), W), [1, n, n]), im: null }), []);
}
