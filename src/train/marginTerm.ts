/** @file What Lipschitz-margin training adds to logits, and the bottom logit of GloRo. `slopes` says how fast the difference of two logits can change: one number for all, or a matrix by pair of classes. */
import type { Node } from "../graph/graph.ts";
import { add, div, equal, greater, maximum, minimum, mul, stopGradient, sub, where } from "../ops/arith.ts";
import { broadcastTo, sum } from "../ops/broadcast.ts";
import { argMax, oneHot } from "../ops/gather.ts";
import { matmul } from "../ops/matmul.ts";
import { concat } from "../ops/movement.ts";
import { reduceMax, reduceMin } from "../ops/reduce.ts";

/**
 * Add to every rival's logit what it could gain on the true one within a distance c, as far as the sample can bear it:
 *
 *     F_i + a c K_ti,   a = min over i != t of  clip((F_t - F_i) / (c K_ti), 0, 1),   t the true class,
 *
 * [batch, classes] for one-hot targets. The factor a is a constant to the gradient: a sample that is wrong gets no margin.
 * Reference: Tsuzuku, Sato and Sugiyama 2018, section 4.2 and appendix E.
 */
export function withMargin(outputs: Node, targets: Node, slopes: Node, c: Node): Node {
  const rival = sub(1, targets);
  const gain = mul(mul(rowsOf(slopes, targets), rival), c);
  const lead = sub(sum(mul(outputs, targets), [1], true), outputs);
  const share = div(lead, maximum(gain, 1e-30));
  // The true class leads itself by 0.
  const least = reduceMin(where(greater(targets, 0.5), 1, share), [1], true);
  const bearable = stopGradient(maximum(minimum(least, 1), 0));
  return add(outputs, mul(gain, bearable));
}

/**
 * Append the logit of "could be another class within a distance c": max over i != j of F_i + c K_ij, j the predicted class.
 * [batch, classes] -> [batch, classes + 1].
 * Reference: Leino, Wang and Fredrikson 2021, equation 2.
 */
export function withBottom(outputs: Node, slopes: Node, c: Node): Node {
  const predicted = oneHot(argMax(outputs, 1), outputs.shape[1], outputs.dtype);
  const reached = add(outputs, mul(rowsOf(slopes, predicted), c));
  const others = where(equal(predicted, 0), reached, -1e30);
  return concat([outputs, reduceMax(others, [1], true)], 1);
}

// --- internal ---

/** Row t of the slopes for each sample of class t. */
const rowsOf = (slopes: Node, chosen: Node): Node =>
  slopes.shape.length === 0 ? broadcastTo(slopes, chosen.shape) : matmul(chosen, slopes);
