/** @file How fast the difference of two outputs can change, as graph: distances of the rows of the last affine map, times the constant of what is before it. */
import { type Flow, regionOf } from "../graph/behaviour.ts";
import { vjp } from "../graph/gradient.ts";
import type { Node } from "../graph/graph.ts";
import { constant, input } from "../graph/leaf.ts";
import { substitute } from "../graph/rewrite.ts";
import { add, maximum, mul, sub } from "../ops/arith.ts";
import { sum } from "../ops/broadcast.ts";
import { matmul } from "../ops/matmul.ts";
import { reshape, transpose } from "../ops/movement.ts";
import { sqrt } from "../ops/pointwise.ts";
import { UsageError } from "../tensor/errors.ts";
import { tensor } from "../tensor/tensor.ts";

/**
 * Constants of f_i - f_j for all pairs of outputs, [classes, classes], nearly 0 on the diagonal:
 *
 *     K_ij = sum over the sources s of the last affine region of  L_s ||a_i,s - a_j,s||,   f = sum_s A_s s + b.
 *
 * `rows` is the same map on as many samples as there are classes: one pass back gives all rows of A. Throws UsageError where the map
 * does not end in an affine one.
 * Reference: Tsuzuku, Sato and Sugiyama 2018, proposition 2.
 */
export function pairDistances(flow: Flow, constantOf: (node: Node) => Node, rows: Flow): Node {
  const region = regionOf(flow.output, flow);
  const { output, sources } = regionOf(rows.output, rows);
  if (region.nodes.length === 0 || region.sources.length !== sources.length) {
    throw new UsageError('pairs: the network must end in an affine map; use form: "shared"');
  }
  const cuts = new Map(sources.map((s, i) => [s, input(`source ${i}`, s.shape, s.dtype)]));
  const [end] = substitute([output], cuts);
  const classes = end.shape[0];
  const unit = tensor(
    Array.from({ length: classes * classes }, (_, k) => (k % (classes + 1) === 0 ? 1 : 0)),
    [classes, classes],
    end.dtype,
  );
  const pulled = vjp(
    [end],
    [constant(unit)],
    sources.map((s) => cuts.get(s) as Node),
  );
  const parts = pulled.map((A, i) => {
    if (!A) throw new UsageError("pairs: the last affine map gives no derivative");
    return mul(constantOf(region.sources[i]), distances(reshape(A, [classes, -1])));
  });
  return parts.reduce((a, b) => add(a, b));
}

// --- internal ---

/** ||a_i - a_j|| of all rows; the gradient of a distance that is lost in rounding is 0. */
function distances(A: Node): Node {
  const squares = sum(mul(A, A), [1], true);
  const apart = sub(add(squares, transpose(squares)), mul(matmul(A, transpose(A)), 2));
  return sqrt(maximum(apart, 1e-12));
}
