import { frobenius } from "../chain/frobenius.ts";
import { method } from "../question.ts";
import { onChain } from "./ofChain.ts";

export const frobeniusMethod = method({
  name: "frobenius",
  side: "upper",
  norms: "2",
  domains: "global",
  usual: () => false,
  turn: 9,
  work: Number.POSITIVE_INFINITY,
  needs: "chains",
  ask: onChain("frobenius", async ({ chain }) => frobenius(chain)),
});
