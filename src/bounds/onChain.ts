/** @file Methods for chains asked about a network: what is before the chain and after it keeps its constant. */
import type { Bound } from "./bound.ts";
import type { Chain } from "./chain.ts";
import { addUp, timesUp } from "./norm/region.ts";
import type { MethodEntry, Question, TailQuestion } from "./question.ts";

/** A method that works on the chain: its bound times the constants of what is before and after, plus what writing the matrices out may have cost. */
export function onChain(
  method: string,
  bound: (tail: TailQuestion, question: Question) => Promise<Bound>,
): MethodEntry {
  return {
    norms: "2",
    domains: "global",
    quick: false,
    work: Number.POSITIVE_INFINITY,
    async ask(question) {
      const tail = await question.behind();
      if (typeof tail === "string") {
        const stated = {
          method,
          value: Number.POSITIVE_INFINITY,
          seconds: 0,
          status: "not a chain",
          why: tail,
        } as const;
        return [
          method === "greedy-seqlip"
            ? { ...stated, side: "estimate", proved: false }
            : { ...stated, side: "upper", proved: false },
        ];
      }
      const { bound: walked } = await question.walk();
      const most = notAbove.includes(method) && walked.proved ? walked.value : Number.POSITIVE_INFINITY;
      const ofNetwork = (own: Bound): Bound => {
        const slack = own.side === "estimate" ? 0 : tail.slack(question.norm);
        const value = Math.min(most, timesUp(timesUp(tail.before, tail.after), addUp(own.value, slack)));
        // Infinity is no bound, whoever says it.
        return own.side === "upper"
          ? { ...own, value, proved: own.proved && value < Number.POSITIVE_INFINITY }
          : { ...own, value };
      };
      const improve = (own: Bound) => question.improve(ofNetwork(own));
      return [ofNetwork(await bound(tail, { ...question, improve }))];
    },
  };
}

/** The chain with the slopes of the domain in place of the global ones. */
export const narrowed = ({ chain, slopes }: TailQuestion, { domain }: Question): Chain =>
  domain.kind === "global"
    ? chain
    : { ...chain, activations: chain.activations.map((layer, i) => ({ ...layer, ...slopes[i] })) };

// --- internal ---

/** Methods that are never worse than the walk: of a shortcut, written out as a chain, the walk may know more. */
const notAbove: readonly string[] = ["seqlip", "eclipse-fast", "lipsdp"];
