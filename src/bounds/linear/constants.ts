/** @file The constants of the nodes of a plan: by its own flow, and by that which it was made of, where a maximum or a softmax is still one node. */
import type { Node } from "../../graph/graph.ts";
import { type Propagation, propagate } from "../autoLip.ts";
import type { Norm } from "../bound.ts";
import type { Budget } from "../budget.ts";
import type { Plan } from "./plan.ts";

/** A constant of every varying node of a plan. `known` is the propagation of the plan's given flow in this norm, where there is one. */
export async function constantsOf(
  plan: Plan,
  norm: Norm,
  clock?: Budget,
  known?: Propagation,
): Promise<(node: Node) => number> {
  const given = known?.flow === plan.given ? known : await propagate(plan.given, norm, clock);
  if (plan.flow === plan.given) return given.constantOf;
  const own = await propagate(plan.flow, norm, clock);
  return (node) => {
    const original = plan.originalOf(node);
    return Math.min(own.constantOf(node), original ? given.constantOf(original) : Number.POSITIVE_INFINITY);
  };
}
