import { greedySeqLip } from "../chain/greedySeqLip.ts";
import { method } from "../question.ts";
import { onChain } from "./ofChain.ts";

export const greedySeqLipMethod = method({
  name: "greedy-seqlip",
  side: "estimate",
  norms: "2",
  domains: "global",
  usual: () => false,
  turn: 9,
  work: 5,
  needs: "chains",
  ask: onChain(
    "greedy-seqlip",
    ({ chain }, { seconds, clock, signal }) => greedySeqLip(chain, { seconds, clock, ...(signal && { signal }) }),
    { side: "estimate" },
  ),
});
