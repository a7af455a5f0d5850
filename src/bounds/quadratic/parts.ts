/** @file Which programs of cuts stand for a network: the whole, or what is behind a node that everything passes through. */
import { type Flow, flowOf } from "../../graph/behaviour.ts";
import { dominators } from "../../graph/dominators.ts";
import type { Node } from "../../graph/graph.ts";
import { sizeOf } from "../../tensor/shape.ts";
import type { Propagation } from "../autoLip.ts";
import type { Norm } from "../bound.ts";
import { type Affords, always, budget, type Clock } from "../budget.ts";
import type { ChainPart } from "../chain/question.ts";
import type { Range } from "../domain.ts";
import { sortedPairs } from "../patterns/fuse.ts";
import type { Question, Shared } from "../question.ts";
import { denseCuts, type SlopesOf } from "./cuts.ts";
import { type GridOptions, gridCuts } from "./gridCuts.ts";
import type { Program } from "./program.ts";
import { slopesOn } from "./slopes.ts";
import { transposed } from "./transposed.ts";
import { workOf } from "./work.ts";

/** A part of a network that a program covers, and the constants of what is before it and after it. */
export interface Part {
  readonly program: Program;
  readonly before: number;
  readonly after: number;
}

export type Walked = Pick<Propagation, "flow" | "norms" | "constantOf">;

/** The parts of a network to ask about: the whole, or what is behind a node; and a chain that something follows, whose own constant may be worth more than one multiplier. */
export function partsOf(
  { norm, domain, seconds, clock }: Pick<Question, "norm" | "domain" | "seconds" | "clock">,
  { walk: { propagation }, chains: { longest } }: Shared,
): readonly Part[] {
  const chain = typeof longest === "string" ? null : longest;
  const slopes = domain.kind === "global" ? undefined : localSlopes(propagation, chain);
  const parts: Part[] = [];
  const main = programFor(propagation, norm, slopes, affordsLook(seconds, clock));
  if (main) parts.push(main);
  const followed = chain && chain.end !== propagation.flow.output ? chainPart(propagation, chain, norm, slopes) : null;
  if (followed) parts.push(followed);
  // A search that leaves no time for its proofs is worth nothing.
  return parts.filter(({ program }) => proofSeconds(program) < quickProof || 2 * proofSeconds(program) <= seconds);
}

/** The program of a network, or of all behind a node that everything passes through, whose constant it keeps; null where there is none of a size. */
export function programFor(
  { flow, norms, constantOf }: Walked,
  norm: Norm,
  slopes?: SlopesOf,
  affords: Affords = always,
): Part | null {
  if (!affords(lookWork(flow))) return null;
  const whole = inNorm(denseCuts(flow, norms, slopes), norm);
  const dense = whole && { program: whole, before: constantOf(flow.input), after: 1, work: workOf(whole) };
  if (dense && dense.work < quickWork) return dense;
  const at = (gate: Node) => {
    const rest = gate === flow.input ? flow : flowOf(gate, flow.output);
    if (rest.varying.some((node) => sizeOf(node.shape) > largest) || !affords(lookWork(rest))) return null;
    const onGrid = gate.shape.length >= 3 && norm === 2;
    // The second makes do with less, where there are pools.
    const forms = onGrid
      ? [() => gridProgram(rest, norms), () => gridProgram(rest, norms, { staged: true })]
      : [() => inNorm(denseCuts(rest, norms, slopes), norm)];
    for (const form of forms) {
      const program = form();
      if (!program) return null;
      const work = workOf(program);
      if (work < mostWork) return { program, before: constantOf(gate), after: 1, work };
    }
    return null;
  };
  // What is only moved costs nothing: the first gates may all be the input.
  const gates = dominators(flow).filter((gate) => constantOf(gate) < Number.POSITIVE_INFINITY);
  for (const gate of gates.filter((g) => constantOf(g) === 1)) {
    const found = gate.shape.length < 3 ? null : at(gate);
    // Number by number the walk knows more.
    if (found) return dense && dense.work < mostWork && dense.work < 4 * found.work ? dense : found;
  }
  if (dense && dense.work < mostWork) return dense;
  // What is too much, or not covered, keeps its constant: as little as may be, since what is behind a later gate is a part of what is behind an earlier one.
  let best: ReturnType<typeof at> = null;
  let [from, to] = [0, gates.length];
  while (from < to) {
    const middle = Math.floor((from + to) / 2);
    const found = at(gates[middle]);
    if (found) {
      best = found;
      to = middle;
    } else from = middle + 1;
  }
  return best;
}

/** Whether there is time to look at a graph; counted work is for what follows. */
export function affordsLook(seconds: number, clock: Clock | undefined): Affords {
  const time = budget({ seconds, clock });
  return time.counted ? always : (operations) => operations < quickLook || time.fits(operations);
}

/** Operations that take no time worth asking for. */
const quickLook = 1e7;

/** Operations that the making of a program takes, roughly: every weight is put in its place. */
export const lookWork = ({ varying, varies }: Flow): number => {
  const weights = new Set(varying.flatMap((node) => node.inputs.filter((x) => !varies.has(x))));
  return 100 * [...weights].reduce((sum, x) => sum + sizeOf(x.shape), 0);
};

// --- internal ---

function chainPart({ norms }: Walked, chain: ChainPart, norm: Norm, slopes?: SlopesOf): Part | null {
  const program = inNorm(denseCuts(flowOf(chain.from, chain.end), norms, slopes), norm);
  return program && { program, before: chain.before, after: chain.after };
}

/** Slopes by the ranges of the walk, and by those of the chain: of these, linear bounds are known as well. */
function localSlopes({ rangeOf, flow }: Propagation, chain: ChainPart | null): SlopesOf {
  const known = new Map<Node, Range>();
  chain?.nodes.forEach((node, i) => {
    const { low, high } = chain.slopes[i];
    const size = sizeOf(node.shape);
    const pairs = sortedPairs(node);
    // Of the slopes of |a - b|, those of relu(a - b).
    const apart = pairs?.filter(({ a, b }) => a !== b);
    const half = (x: Float64Array) => Float64Array.from(apart ?? [], ({ b }) => (x[b] + 1) / 2);
    known.set(
      node,
      apart ? { low: half(low), high: half(high) } : { low: low.subarray(0, size), high: high.subarray(0, size) },
    );
  });
  return slopesOn((node) => (rangeOf && flow.varies.has(node) ? rangeOf(node) : null), known);
}

/** As the walk in l-inf wants it: in l1 from the output to the input. */
function inNorm(program: Program | string, norm: Norm): Program | null {
  if (typeof program === "string") return null;
  return norm === 1 ? transposed(program) : program;
}

/** Seconds that are not worth counting. */
const quickProof = 0.025;

/** What a proof takes. */
const proofSeconds = (program: Program): number => workOf(program) / 4e8;

function gridProgram(flow: Flow, norms: Walked["norms"], options?: GridOptions): Program | null {
  const program = gridCuts(flow, norms, options);
  return typeof program === "string" ? null : program;
}

/** Numbers of a tensor beyond which a graph is not even looked at. */
const largest = 4e5;

/** A second or so for each evaluation. */
const mostWork = 4e9;

/** What takes hundredths of a second is walked number by number. */
const quickWork = 2e8;
