/** @file The part of a network that is a chain, and what is known of what is before it and after it. */
import { type Flow, flowOf } from "../../graph/behaviour.ts";
import { dominators } from "../../graph/dominators.ts";
import type { Node } from "../../graph/graph.ts";
import { UsageError } from "../../tensor/errors.ts";
import { type Propagation, propagate } from "../autoLip.ts";
import type { Norm } from "../bound.ts";
import { type Affords, always, type Budget, budget } from "../budget.ts";
import type { Chain } from "../chain.ts";
import type { Domain, Range } from "../domain.ts";
import { ranges, slopesOn } from "../local/ranges.ts";
import { hindrance, suffixOf, type WrittenChain } from "./written.ts";

/** A chain inside of a network. */
export interface ChainPart extends WrittenChain {
  /** Where the chain ends: the output of the network, or a node that everything passes through. */
  readonly end: Node;
  /** The constants of what is before it and after it. */
  readonly before: number;
  readonly after: number;
  /** The slopes that the domain allows, layer by layer; those of the activations where the domain is everything. */
  readonly slopes: readonly Range[];
}

/** The chains that methods are asked about; a string says why there is none. */
export interface Chains {
  /** As long as may be, at the end of the network or before what follows it. */
  readonly longest: ChainPart | string;
  /** The same behind the last residual block that the walk proves as a whole, in l2 on the whole space: as a chain it would be worth less. */
  readonly behindBlock: ChainPart | string;
}

/** Those that `time` holds. */
export async function chainsOf(
  propagation: Propagation,
  norm: Norm,
  domain: Domain,
  time: Budget = budget(),
): Promise<Chains> {
  const { flow, lastBlock } = propagation;
  const own = chainSuffix(flow, propagation, domain, flow.input, time.fits);
  const usable = typeof own !== "string" && own.chain.activations.length > 0;
  const longest = usable ? own : ((await chainPrefix(propagation, norm, domain, time)) ?? own);
  const inside = lastBlock && norm === 2 && domain.kind === "global";
  const short = inside ? chainSuffix(flow, propagation, domain, lastBlock, time.fits) : longest;
  return { longest, behindBlock: typeof short === "string" ? longest : short };
}

/** The chain at the end of a network, no sooner than at `first`, with what the domain says of its slopes. */
export function chainSuffix(
  flow: Flow,
  propagation: Pick<Propagation, "norms" | "constantOf">,
  domain: Domain,
  first: Node = flow.input,
  affords: Affords = always,
): ChainPart | string {
  const written = suffixOf(flow, propagation.norms, first, affords);
  if (typeof written === "string") return written;
  const before = propagation.constantOf(written.from);
  const end = flow.output;
  if (domain.kind === "global") {
    const slopes = written.chain.activations.map(({ low, high }) => ({ low, high }));
    return { ...written, end, before, after: 1, slopes };
  }
  if (written.from !== flow.input) return "the chain does not begin at the input, where the domain is";
  const rounding = (i: number) => ({ matrix: written.error(i, "inf"), shift: written.shifts[i] });
  const found = ranges(written.chain, domain, written.exact ? {} : { rounding });
  if (!found) throw new UsageError("domain: it holds no point");
  return { ...written, end, before, after: 1, slopes: slopesOn(written.chain, found) };
}

/** The chain with the slopes of the domain in place of the global ones. */
export const narrowed = ({ chain, slopes }: ChainPart): Chain => ({
  ...chain,
  activations: chain.activations.map((layer, i) => ({ ...layer, ...slopes[i] })),
});

// --- internal ---

/** The latest chain with activations that ends at a node which everything passes through, a softmax behind it for example; null where there is none, or what follows has no constant. */
async function chainPrefix(
  propagation: Propagation,
  norm: Norm,
  domain: Domain,
  time: Budget,
): Promise<ChainPart | null> {
  const { flow } = propagation;
  let cut = flow;
  for (let tries = 0; tries < mostTries; tries++) {
    const at = cut.varying.findLastIndex((node) => hindrance(node, cut) !== null);
    const before = new Set(cut.varying.slice(0, Math.max(0, at)));
    const end = dominators(cut).findLast((node) => before.has(node) && node !== flow.input);
    if (end === undefined) return null;
    cut = flowOf(flow.input, end);
    const own = chainSuffix(cut, propagation, domain, cut.input, time.fits);
    if (typeof own === "string" || own.chain.activations.length === 0) continue;
    const rest = flowOf(end, flow.output);
    const after = (await propagate(rest, norm, time)).constantOf(rest.output);
    return after < Number.POSITIVE_INFINITY ? { ...own, after } : null;
  }
  return null;
}

/** Nodes that stand in the way, from the output on. */
const mostTries = 4;
