/** @file The convolutions at the head of a network, before the chain: `lipsdp` carries multipliers per channel through them. */
import { flowOf } from "../graph/behaviour.ts";
import type { Propagation } from "./autoLip.ts";
import { type CircularStage, proofWork } from "./chain/circular.ts";
import { paddedStages } from "./chain/circularPadded.ts";
import { circularStages } from "./chain/circularTail.ts";
import { gatesOf } from "./chain/tail.ts";
import type { Chain } from "./chain.ts";
import type { Domain } from "./domain.ts";
import { type Question, questionTail, type TailQuestion } from "./question.ts";

/** Convolutions before a chain, the first map of which reads the grid of the last of them. */
export interface Head {
  readonly stages: readonly CircularStage[];
  readonly tail: TailQuestion;
  /** The constant of what is before the convolutions. */
  readonly before: number;
  /** Whether the convolutions themselves wrap around; they have zeros around otherwise. */
  readonly wraps: boolean;
}

/** The convolutions before the chain, in l2 on the whole space; null for none. */
export async function headOf(question: Question): Promise<Head | null> {
  if (question.domain.kind !== "global") return null;
  const [tail, { propagation }] = [await question.tail(), await question.walk()];
  const { flow, norms } = propagation;
  if (typeof tail === "string") return null;
  const stages = circularStages(flow, tail.from, norms);
  if (stages && stages.length > 0) return { stages, tail, before: 1, wraps: true };
  const { seconds } = question;
  let head = paddedHead(propagation, tail, question.domain);
  // A search that leaves no time for its proof is worth nothing.
  while (head && proofSeconds(head) > 0.15 * seconds) {
    head = paddedHead(propagation, tail, question.domain, head.stages.length - 1);
  }
  return head;
}

/** What a proof takes on a slow machine. */
export const proofSeconds = ({ stages, tail }: Head): number =>
  proofWork(stages, tail.chain.affine[0].weight.rows) / 1.5e9;

// --- internal ---

/** Convolutions with zeros around, as many as there are: a chain is searched sooner than its first maps written out, and often comes to less. */
function paddedHead(
  { flow, norms, constantOf }: Propagation,
  tail: TailQuestion,
  domain: Domain,
  most?: number,
): Head | null {
  const written = tail.from === flow.input;
  const cubes = tail.chain.activations.reduce((sum, { low }) => sum + low.length ** 3, 0);
  if (written && cubes < quicklySearched) return null;
  const cut = flowOf(flow.input, tail.end);
  const found = gatesOf(cut).flatMap((last) => {
    const padded = paddedStages(cut, last, norms, most);
    return padded ? [{ last, ...padded }] : [];
  });
  const best =
    found.findLast(({ used }) => used >= leastUsed) ??
    (written ? undefined : found.toSorted((a, b) => b.used - a.used)[0]);
  if (!best) return null;
  const { last, from, stages, spread } = best;
  const behind = last === tail.from ? tail : questionTail(cut, { norms, constantOf }, domain, last);
  if (typeof behind === "string" || behind.from !== last) return null;
  const [first, ...rest] = behind.chain.affine;
  const chain: Chain = { ...behind.chain, affine: [{ ...first, weight: spread(first.weight) }, ...rest] };
  return { stages: stages(), tail: { ...behind, after: tail.after, chain }, before: constantOf(from), wraps: false };
}

/** Sum of the cubes of the widths of a chain below which its multipliers, neuron by neuron, are found in seconds. */
const quicklySearched = 3e8;

/** Part of the last grid that should be image. */
const leastUsed = 0.2;
