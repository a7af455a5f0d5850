import { combettesPesquet } from "../chain/combettesPesquet.ts";
import { method } from "../question.ts";
import { onChain } from "./ofChain.ts";

export const combettesPesquetMethod = method({
  name: "combettes-pesquet",
  side: "upper",
  norms: "2",
  domains: "global",
  usual: () => false,
  turn: 9,
  work: Number.POSITIVE_INFINITY,
  needs: "chains",
  ask: onChain("combettes-pesquet", async ({ chain }) => combettesPesquet(chain)),
});
