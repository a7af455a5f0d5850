/**
 * @file Residual layers that are 1-Lipschitz: a gradient step on a convex function of x, with a step size that the weights bound. They
 * keep the width; a change of width comes before them, by zeros or by an orthonormal map.
 */
import type { Node } from "../graph/graph.ts";
import { add, div, mul, neg } from "../ops/arith.ts";
import { matmul } from "../ops/matmul.ts";
import { pad, reshape, transpose } from "../ops/movement.ts";
import { under, within } from "../tensor/named.ts";
import { zeros } from "../tensor/tensor.ts";
import { type Activation, activation } from "./activation.ts";
import {
  type Bounded,
  boundedFamily,
  checkActivation,
  type FamilyOptions,
  isMonotone,
  linked,
  nothing,
} from "./bounded.ts";
import { drawFree } from "./cayley.ts";
import { checkVector } from "./dense.ts";
import { gramBounds, weightedRowSums } from "./dominate.ts";
import type { Family } from "./family.ts";
import { glorotUniform } from "./initializer.ts";
import { checkCount, evalRun } from "./layer.ts";
import { orthogonalDense } from "./orthogonal.ts";
import { reduction } from "./reduce.ts";
import { residualConv } from "./sllConv.ts";

/** SDP-based layers. Activations must have slopes in [0, 1]. Reference: Araujo, Havens, Delattre, Allauzen and Hu 2023. */
export const sll = (options: FamilyOptions = {}): Family =>
  boundedFamily(
    {
      name: "sll",
      dense: (width, act) => residualDense("sll", width, act),
      conv: (channels, conv, act) => residualConv("sll", channels, conv, act),
      last: orthogonalDense,
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
      last: orthogonalDense,
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
      const reduced = free.direction ? reduction(free, pending) : null;
      return {
        weights: { inner: W, bias, outer, ...(reduced ? { reduce: reduced } : {}) },
        // Without a map of its own the layer leaves a scale to the next: the order does not matter to the constant.
        pending: reduced ? nothing : pending,
      };
    },
    forward(x, w) {
      const h = w.reduce ? matmul(x, w.reduce) : pad(x, [0, 0], [0, width - x.shape[1]]);
      return add(h, matmul(act.forward(add(matmul(h, w.inner), w.bias), {}, evalRun), w.outer));
    },
  });
}

// --- internal ---

/** An upper bound of sigma1(W)^2, as a scalar. */
function largestEigenvalue(W: Node): Node {
  const n = W.shape[1];
  return reshape(gramBounds({ re: reshape(matmul(transpose(W), W), [1, n, n]), im: null }), []);
}
