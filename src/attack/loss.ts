/** @file What an attack climbs, per sample: how far the class to leave is behind the others. Only directions matter to a normalised step, so each loss is put in a form whose gradient cannot vanish by rounding. */
import type { Node } from "../graph/graph.ts";
import { add, div, sub, where } from "../ops/arith.ts";
import { sum } from "../ops/broadcast.ts";
import { argMax, oneHot } from "../ops/gather.ts";
import { reshape } from "../ops/movement.ts";
import { reduceMax } from "../ops/reduce.ts";
import { logSumExp } from "../ops/softmax.ts";

export const attackLossNames = ["cross-entropy", "margin", "dlr"] as const;

export type AttackLoss = (typeof attackLossNames)[number];

/**
 * The margin of the class to leave: z_y - max over j != y of z_j, [batch, classes] and a mask [batch, classes] -> [batch, 1].
 * Below 0 the decision has changed.
 */
export function marginOf(scores: Node, own: Node): Node {
  return sub(ownScore(scores, own), reduceMax(others(scores, own), [1], true));
}

/**
 * The loss to increase, [batch, 1].
 *
 *     cross-entropy   ln sum over j != y of e^z_j  -  z_y
 *     margin          max over j != y of z_j  -  z_y
 *     dlr             (max over j != y of z_j  -  z_y) / (z_(1) - z_(3)),   z_(k) the k-th largest score
 *
 * The first is ln(e^c - 1) for the cross-entropy c, which grows with it and has a gradient in the same direction; that of c itself
 * is 0 in float32 once c is below 1e-7 (gradient masking). With two classes dlr is the margin.
 * Reference: Croce and Hein 2020 (dlr), equation 6.
 */
export function lossToRaise(loss: AttackLoss, scores: Node, own: Node): Node {
  if (loss === "cross-entropy") return sub(logSumExp(others(scores, own), [1], true), ownScore(scores, own));
  const behind = sub(reduceMax(others(scores, own), [1], true), ownScore(scores, own));
  if (loss === "margin" || scores.shape[1] < 3) return behind;
  const first = largestMask(scores);
  const second = largestMask(others(scores, first));
  const third = reduceMax(others(others(scores, first), second), [1], true);
  return div(behind, add(sub(reduceMax(scores, [1], true), third), 1e-12));
}

// --- internal ---

/** Below every score, and finite, so that nothing times 0 is not a number. */
const least = -1e30;

const others = (scores: Node, own: Node): Node => where(own, least, scores);

const ownScore = (scores: Node, own: Node): Node => sum(where(own, scores, 0), [1], true);

/** Where the largest score of a row is, the first of several. */
function largestMask(scores: Node): Node {
  const [batch, classes] = scores.shape;
  const at = reshape(argMax(scores, 1), [batch]);
  return oneHot(at, classes, "bool");
}
