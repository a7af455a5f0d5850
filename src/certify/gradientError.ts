/** @file How far a float64 gradient can be from the true one: the errors of the forward values, carried back through the vjps with their own rounding. */
import type { Propagation } from "../bounds/autoLip.ts";
import { computedError } from "../bounds/fixed.ts";
import { addUp, timesUp } from "../bounds/norm/region.ts";
import type { Behaviour, Node } from "../graph/graph.ts";
import { gamma, sqrtUp, up } from "../linalg/rounding.ts";
import { sizeOf } from "../tensor/shape.ts";
import { forwardErrors } from "./rounding.ts";

/**
 * Bound ||g^ - g||_2 for the gradient g of u . f at any x with ||x||_inf <= `inputSize`, ||u||_2 <= `length`, pulled back in float64.
 * With B_k >= ||d (u . f) / d h_k||_2 and e_k the error of what is computed of it, both from the output back, and N, V, R of node k in
 * its input i:
 *
 *     B_i = sum_k N B_k,   e_i = sum_k N e_k + (V + R) (B_k + e_k)
 *
 * N is its l2 norm; V how much its Jacobian moves with the error delta of the forward values: 0 where it is affine, c delta for a curvature
 * c; R what rounding does to the pulled cotangent: (gamma_n + 2^-44) || |A| ||_2 for a matrix A, and for anything else
 * gamma_(n+256) sqrt(n) (1 + m) max(1, N), m the largest input, n = 1 element by element. What is assumed with this: the derivative of an
 * activation at z, computed in float64, errs by at most 256 (1 + |z|) units of 2^-53.
 * `propagation` is that of l2, `sizes` that of l-inf, of one flow.
 */
export function gradientError(propagation: Propagation, sizes: Propagation, inputSize: number, length: number): number {
  const { flow, norms } = propagation;
  const values = forwardErrors(sizes, inputSize);
  const most = new Map<Node, number>([[flow.output, length]]);
  const error = new Map<Node, number>([[flow.output, 0]]);
  for (const node of [...flow.varying].reverse()) {
    if (node === flow.input) continue;
    const B = most.get(node) ?? 0;
    const e = error.get(node) ?? 0;
    const varies = node.inputs.map((x) => flow.varies.has(x));
    const behaviour = node.op.behaviour(node, varies);
    node.inputs.forEach((x, i) => {
      if (!varies[i]) return;
      const N = norms.partial(node, i, 2).upper;
      // Cotangents that meet are added up: at most one addition for every node.
      const terms = 16 + sizeOf(x.shape) + sizeOf(node.shape) + flow.varying.length;
      let own = 0;
      if (behaviour.kind === "linear" || behaviour.kind === "isometry") {
        const size = sqrtUp(timesUp(norms.partial(node, i, 1).upper, norms.partial(node, i, "inf").upper));
        own = timesUp(up(gamma(terms) + computedError), Math.max(size, N));
      } else {
        const m = up(1 + addUp(values.size(x), values.error(x)));
        const n = behaviour.kind === "pointwise" ? 1 : sizeOf(x.shape);
        own = timesUp(up(gamma(terms + 256)), timesUp(sqrtUp(n), timesUp(m, Math.max(1, N))));
        own = addUp(own, timesUp(curvatureOf(behaviour), timesUp(sqrtUp(n), values.error(x))));
      }
      most.set(x, addUp(most.get(x) ?? 0, timesUp(N, B)));
      error.set(x, addUp(error.get(x) ?? 0, addUp(timesUp(N, e), timesUp(own, addUp(B, e)))));
    });
  }
  return error.get(flow.input) ?? 0;
}

// --- internal ---

const curvatureOf = (behaviour: Behaviour): number =>
  behaviour.kind === "pointwise" || behaviour.kind === "smooth" ? behaviour.curvature : Number.POSITIVE_INFINITY;
