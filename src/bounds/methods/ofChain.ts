/** @file Methods for chains asked about a network: what is before the chain and after it keeps its constant. */
import type { Bound } from "../bound.ts";
import type { ChainPart } from "../chain/question.ts";
import { addUp, timesUp } from "../norm/region.ts";
import type { Answer, Question, Shared } from "../question.ts";

/**
 * How a method for chains is asked: its bound times the constants of what is before and after, plus what writing the matrices out may have cost.
 * `tight` methods are never worse than the walk: of a shortcut, written out as a chain, the walk may know more.
 */
export function onChain(
  method: string,
  bound: (part: ChainPart, question: Question) => Promise<Bound>,
  { tight = false, side = "upper" }: { readonly tight?: boolean; readonly side?: "upper" | "estimate" } = {},
): (question: Question, shared: Shared) => Promise<Answer> {
  return async (question, { walk, chains: { behindBlock: part } }) => {
    if (typeof part === "string") {
      const value = Number.POSITIVE_INFINITY;
      return { bounds: [{ method, side, proved: false, value, seconds: 0, status: "not a chain", why: part }] };
    }
    const most = tight && walk.bound.proved ? walk.bound.value : Number.POSITIVE_INFINITY;
    const ofNetwork = (own: Bound): Bound => {
      const slack = own.side === "estimate" ? 0 : part.slack(question.norm);
      const value = Math.min(most, timesUp(timesUp(part.before, part.after), addUp(own.value, slack)));
      // Infinity is no bound, whoever says it.
      return own.side === "upper"
        ? { ...own, value, proved: own.proved && value < Number.POSITIVE_INFINITY }
        : { ...own, value };
    };
    return { bounds: [ofNetwork(await bound(part, question))] };
  };
}
