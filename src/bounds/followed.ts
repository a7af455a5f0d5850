/** @file A chain that something else follows, a softmax for example: the chain ends before it, and what follows keeps its AutoLip constant. */
import { flowOf } from "../graph/behaviour.ts";
import { type Propagation, propagate } from "./autoLip.ts";
import type { Norm } from "./bound.ts";
import { type Budget, budget } from "./budget.ts";
import { gatesOf, hindrance } from "./chain/tail.ts";
import type { Domain } from "./domain.ts";
import { questionTail, type TailQuestion } from "./question.ts";

/** The latest chain with activations that ends at a node which everything passes through; null where there is none, or what follows it has no constant. */
export async function followedTail(
  propagation: Propagation,
  norm: Norm,
  domain: Domain,
  clock: Budget = budget(),
): Promise<TailQuestion | null> {
  const { flow } = propagation;
  let cut = flow;
  for (let tries = 0; tries < mostTries; tries++) {
    const at = cut.varying.findLastIndex((node) => hindrance(node, cut) !== null);
    const before = new Set(cut.varying.slice(0, Math.max(0, at)));
    const end = gatesOf(cut).findLast((node) => before.has(node) && node !== flow.input);
    if (end === undefined) return null;
    cut = flowOf(flow.input, end);
    const tail = questionTail(cut, propagation, domain, cut.input, clock.fits);
    if (typeof tail === "string" || tail.chain.activations.length === 0) continue;
    const head = flowOf(end, flow.output);
    const after = (await propagate(head, norm, clock)).constantOf(head.output);
    return after < Number.POSITIVE_INFINITY ? { ...tail, after } : null;
  }
  return null;
}

// --- internal ---

/** Nodes that stand in the way, from the output on. */
const mostTries = 4;
