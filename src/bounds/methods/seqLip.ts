import { seqLip } from "../chain/seqLip.ts";
import { method } from "../question.ts";
import { onChain } from "./ofChain.ts";

export const seqLipMethod = method({
  name: "seqlip",
  side: "upper",
  norms: "2",
  domains: "global",
  usual: () => false,
  turn: 9,
  work: 5,
  needs: "chains",
  ask: onChain(
    "seqlip",
    ({ chain }, { engine, seconds, clock, signal, progress }) =>
      seqLip(chain, { engine, seconds, clock, signal, onProgress: progress }),
    { tight: true },
  ),
});
