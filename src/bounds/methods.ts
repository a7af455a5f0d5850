/** @file The bounds by name: for which norms and domains each is, and how it is asked. */

import type { Bound, Norm } from "./bound.ts";
import { budget } from "./budget.ts";
import { combettesPesquet } from "./chain/combettesPesquet.ts";
import { eclipseFast } from "./chain/eclipse.ts";
import { frobenius } from "./chain/frobenius.ts";
import { greedySeqLip } from "./chain/greedySeqLip.ts";
import { seqLip } from "./chain/seqLip.ts";
import type { Domain } from "./domain.ts";
import { intervalBound } from "./local/interval.ts";
import { recurJacBound } from "./local/recurJac.ts";
import { annealing } from "./lowerBounds/annealing.ts";
import { jacobian } from "./lowerBounds/jacobian.ts";
import { pairs } from "./lowerBounds/pairs.ts";
import { riseOf } from "./lowerBounds/rise.ts";
import { onChain } from "./onChain.ts";
import type { MethodEntry, Question, TailQuestion } from "./question.ts";

/** Every method, upper bounds first. The two largest are loaded when they are asked, so that a page has the rest sooner. */
export const methods = {
  frobenius: onChain("frobenius", async ({ chain }) => frobenius(chain)),
  autolip: {
    norms: "all",
    domains: "all",
    quick: true,
    work: Number.POSITIVE_INFINITY,
    share: 3,
    ask: async ({ walk }) => [(await walk()).bound],
  },
  "combettes-pesquet": onChain("combettes-pesquet", async ({ chain }) => combettesPesquet(chain)),
  seqlip: { ...onChain("seqlip", ({ chain }, q) => seqLip(chain, limits(q))), work: 5 },
  "greedy-seqlip": { ...onChain("greedy-seqlip", ({ chain }, q) => greedySeqLip(chain, limits(q))), work: 5 },
  "eclipse-fast": { ...onChain("eclipse-fast", async ({ chain }, q) => eclipseFast(chain, limits(q))), quick: true },
  lipsdp: {
    norms: "all",
    domains: "all",
    quick: true,
    work: 3,
    ask: async (q) => (await import("./askLipsdp.ts")).askLipsdp(q),
  },
  interval: { ...onChain("interval", slopeBound(intervalBound)), norms: "all", domains: "all" },
  recurjac: { ...onChain("recurjac", slopeBound(recurJacBound)), norms: "all", domains: "all", work: 0.6 },
  branch: { norms: "all", domains: "all", quick: false, work: 2, ask: branch },
  jacobian: fromBelow(jacobian, true),
  pairs: fromBelow(pairs, true),
  annealing: fromBelow(annealing, false),
} as const satisfies Readonly<Record<string, MethodEntry>>;

export type BoundName = keyof typeof methods;

/** Names in the order of the table. */
export const boundNames = Object.keys(methods) as readonly BoundName[];

/** Does a method answer for a norm and a domain? */
export function applies(name: BoundName, norm: Norm, domain: Domain): boolean {
  const { norms, domains }: MethodEntry = methods[name];
  return (
    (norms === "all" || norm === 2) && (domains === "all" || (domains === "global") === (domain.kind === "global"))
  );
}

// --- internal ---

const limits = ({ seconds, clock, signal, progress }: Question) => ({
  seconds,
  clock,
  ...(signal ? { signal } : {}),
  onProgress: progress,
});

/** A search over inputs, from the best place that is known already. */
function fromBelow(search: typeof jacobian, quick: boolean): MethodEntry {
  return {
    norms: "all",
    domains: "all",
    quick,
    // Its rounds are counted.
    work: Number.POSITIVE_INFINITY,
    share: 0.8,
    below: true,
    ask: async ({ subject, norm, progress, improve, walk: _, tail: __, ...rest }) => [
      await search(subject, norm, { ...rest, onProgress: progress, onFirst: improve }),
    ],
  };
}

/** A bound from slopes alone. */
function slopeBound(of: typeof recurJacBound) {
  return async (
    { chain, slopes }: TailQuestion,
    { norm, seconds, clock: passing, signal }: Question,
  ): Promise<Bound> => {
    const clock = budget({ seconds, clock: passing, signal });
    await clock.pause();
    const value = of(chain, slopes, norm, clock);
    const stopped = of === recurJacBound && clock.expired;
    return {
      method: of === intervalBound ? "interval" : "recurjac",
      side: "upper",
      proved: true,
      value,
      seconds: clock.elapsed(),
      ...(stopped
        ? { status: "stopped", why: "out of time: some entries are those of the interval" }
        : { status: "done" }),
    };
  };
}

async function branch({
  subject,
  engine,
  tail,
  walk,
  norm,
  domain,
  seconds,
  clock,
  seed,
  signal,
  progress,
  improve,
}: Question): Promise<readonly Bound[]> {
  const began = budget();
  const { propagation } = await walk();
  const made = await tail();
  // What is cut off as empty, and a point that is found, are those of the network only if the chain is the network itself.
  const chain =
    typeof made === "string"
      ? made
      : made.from !== propagation.flow.input || made.end !== propagation.flow.output
        ? "the chain does not begin at the input, or does not end at the output"
        : made.exact
          ? made.chain
          : "its matrices or offsets carry rounding, which moves the kinks";
  if (typeof chain === "string") {
    return [
      {
        method: "branch",
        side: "upper",
        proved: false,
        value: Number.POSITIVE_INFINITY,
        seconds: 0,
        status: "not a chain",
        why: chain,
      },
    ];
  }
  const risen = await riseOf(engine, subject, budget({ seconds, clock }));
  const { branchAndBound } = await import("./branch/branch.ts");
  const { upper, lower } = await branchAndBound(chain, domain, norm, {
    seconds,
    clock,
    seed,
    ...(risen ? { rise: risen.rise } : {}),
    ...(signal ? { signal } : {}),
    onProgress(low, value) {
      progress(value > 0 ? Math.min(1, low / value) : 1);
      const elapsed = began.elapsed();
      const why = "on the way";
      improve({ method: "branch", side: "upper", proved: true, value, seconds: elapsed, status: "stopped", why });
    },
  });
  await risen?.dispose();
  return [upper, lower];
}
