/** @file Methods for chains of dense layers in l2. Nobody is asked who was not named: each is loaded then. */
import { method } from "../question.ts";
import { onChain } from "./ofChain.ts";

const named = { norms: "2", domains: "global", usual: () => false, turn: 9, needs: "chains" } as const;

export const frobeniusMethod = method({
  ...named,
  name: "frobenius",
  side: "upper",
  work: Number.POSITIVE_INFINITY,
  ask: onChain("frobenius", async ({ chain }) => (await import("../chain/frobenius.ts")).frobenius(chain)),
});

export const combettesPesquetMethod = method({
  ...named,
  name: "combettes-pesquet",
  side: "upper",
  work: Number.POSITIVE_INFINITY,
  ask: onChain("combettes-pesquet", async ({ chain }) =>
    (await import("../chain/combettesPesquet.ts")).combettesPesquet(chain),
  ),
});

export const seqLipMethod = method({
  ...named,
  name: "seqlip",
  side: "upper",
  work: 5,
  ask: onChain(
    "seqlip",
    async ({ chain }, { engine, seconds, clock, signal, progress }) =>
      (await import("../chain/seqLip.ts")).seqLip(chain, { engine, seconds, clock, signal, onProgress: progress }),
    { tight: true },
  ),
});

export const greedySeqLipMethod = method({
  ...named,
  name: "greedy-seqlip",
  side: "estimate",
  work: 5,
  ask: onChain(
    "greedy-seqlip",
    async ({ chain }, { seconds, clock, signal }) =>
      (await import("../chain/greedySeqLip.ts")).greedySeqLip(chain, { seconds, clock, signal }),
    { side: "estimate" },
  ),
});
