import type { Bound } from "../bound.ts";
import { budget } from "../budget.ts";
import type { ChainPart } from "../chain/question.ts";
import { type Answer, method, type Question, type Shared } from "../question.ts";

/** Branch and bound over the linear pieces of a chain, loaded when it is asked. */
export const branchMethod = method({
  name: "branch",
  side: "upper",
  norms: "all",
  domains: "all",
  usual: () => true,
  turn: 9,
  work: 2,
  needs: "chains",
  ask: branch,
  /** Where it may close what is open: on a domain, and on the whole space for chains of few neurons. */
  worthwhile({ domain, seconds }, shared, { lower, upper }) {
    if (domain.kind !== "global") return true;
    // On small networks it can go on for ever all the same.
    const endless = seconds === Number.POSITIVE_INFINITY;
    if (endless || (lower && upper && upper.value <= closed * lower.value)) return false;
    const part = wholeChain(shared);
    if (typeof part === "string") return false;
    // Pieces are cut at kinks; what is smooth has none, and the whole space no sides.
    const smooth = part.curvatures.some((layer) => layer.some((c) => c > 0 && c < Number.POSITIVE_INFINITY));
    return !smooth && part.chain.activations.reduce((n, { low }) => n + low.length, 0) <= fewNeurons;
  },
});

// --- internal ---

/** Upper over lower bound below which nothing is open. */
const closed = 1.001;

/** In chains of so many hidden neurons branch and bound is likely to end in seconds. */
const fewNeurons = 32;

/** What is cut off as empty, and a point that is found, are those of the network only if the chain is the network itself. */
function wholeChain({ walk: { propagation }, chains: { longest } }: Shared): ChainPart | string {
  if (typeof longest === "string") return longest;
  const { flow } = propagation;
  if (longest.from !== flow.input || longest.end !== flow.output) {
    return "the chain does not begin at the input, or does not end at the output";
  }
  return longest.exact ? longest : "its matrices or offsets carry rounding, which moves the kinks";
}

async function branch(question: Question, shared: Shared): Promise<Answer> {
  const { subject, engine, norm, domain, seconds, clock, seed, signal, progress, improve } = question;
  const began = budget();
  const part = wholeChain(shared);
  const stated = { method: "branch", side: "upper" } as const;
  if (typeof part === "string") {
    const value = Number.POSITIVE_INFINITY;
    return { bounds: [{ ...stated, proved: false, value, seconds: 0, status: "not a chain", why: part }] };
  }
  const { riseOf } = await import("../lowerBounds/rise.ts");
  const { branchAndBound } = await import("../branch/branch.ts");
  const risen = await riseOf(engine, subject, budget({ seconds, clock }));
  const { upper, lower } = await branchAndBound(part.chain, domain, norm, {
    seconds,
    clock,
    seed,
    ...(risen ? { rise: risen.rise } : {}),
    signal,
    onProgress(low, value) {
      progress(value > 0 ? Math.min(1, low / value) : 1);
      const soFar: Bound = { ...stated, proved: true, value, seconds: began.elapsed(), status: "stopped" };
      improve({ ...soFar, why: "on the way" });
    },
  });
  await risen?.dispose();
  return { bounds: [upper, lower] };
}
