/**
 * @file Branch and bound: cut the domain into pieces until the largest bound of a piece meets the steepest point that was found.
 * Neurons with one kink at 0 are cut by side, which closes the gap on unbounded domains too; the rest by halving the box of inputs.
 */

import { UsageError } from "../../tensor/errors.ts";
import { random } from "../../tensor/random.ts";
import type { LowerBound, Norm, Status, UpperBound, Witness } from "../bound.ts";
import { budget, type Clock } from "../budget.ts";
import type { Chain } from "../chain.ts";
import { checkDomain, type Domain, inside, type Range } from "../domain.ts";
import { heap } from "../heap.ts";
import { pairsAlong } from "../lowerBounds/along.ts";
import { type Rise, riseOfChain } from "../lowerBounds/enclosure.ts";
import { shownQuotient } from "../lowerBounds/shown.ts";
import { occupied } from "./halfSpaces.ts";
import { partsOf } from "./parts.ts";
import { outsideBall, type Piece, pieceOf, problemOf, wholePiece } from "./piece.ts";
import { steepness } from "./steepness.ts";

export interface BranchOptions {
  /** Stop where upper <= lower (1 + gap), default 0.001. */
  readonly gap?: number;
  /** The first bound is always finished, by intervals alone if time is short. */
  readonly seconds?: number;
  /** Default: the machine's. */
  readonly clock?: Clock;
  /** Most pieces looked at, default 1e6. */
  readonly pieces?: number;
  readonly signal?: AbortSignal;
  /** Of the first points, default 0. */
  readonly seed?: number;
  /** Encloses what the network does between two points. Default: that of the chain. */
  readonly rise?: Rise;
  /** A further proved upper bound for slopes within ranges, to be used where it is smaller. */
  bound?(slopes: readonly Range[]): number;
  onProgress?(lower: number, upper: number, pieces: number): void;
}

export interface BranchResult {
  readonly upper: UpperBound;
  readonly lower: LowerBound;
  /** Pieces that were looked at. */
  readonly pieces: number;
}

/**
 * Enclose the Lipschitz constant of a chain on a domain, anytime.
 *
 * Upper: the largest bound of all pieces still open, each the norm of a RecurJac enclosure with the slopes of the piece. Lower: the
 * quotient that two points are proved to show, where the Jacobian at an inner point is steep. A piece is dropped only if its ranges or a proved certificate show that it is empty. Ends with status "done" at the gap.
 *
 * Reference: Bhowmick, D'Souza, Raghavan 2021, "LipBaB" (branching on neurons); certificates and points added here.
 */
export async function branchAndBound(
  chain: Chain,
  domain: Domain,
  norm: Norm,
  options: BranchOptions = {},
): Promise<BranchResult> {
  const {
    gap = 1e-3,
    pieces: limit = 1e6,
    seconds,
    clock,
    signal,
    seed = 0,
    rise = riseOfChain(chain),
    onProgress,
  } = options;
  if (!(gap >= 0)) throw new UsageError(`branchAndBound: the gap must not be negative, got ${gap}`);
  checkDomain(domain, chain.affine[0].weight.cols);
  const time = budget({ seconds, signal, clock });
  const problem = problemOf(chain, domain, norm, time, options.bound);
  const open = heap<Cut>();
  const root = wholePiece(problem);
  open.push(root.bound, root);
  let lower = 0;
  let witness: Witness | null = null;
  const tryPoint = async (point: Float64Array) => {
    const x = inside(domain, point);
    const found = steepness(chain, x, norm);
    if (!found || found.value <= lower * (1 + reached)) return;
    for (const pair of pairsAlong(domain, x, found.direction(), lengths)) {
      const value = await shownQuotient(rise, pair.x, pair.y, norm, domain);
      if (value > lower) {
        lower = value;
        witness = { x: Array.from(pair.x), y: Array.from(pair.y) };
      }
      if (found.value <= lower * (1 + reached)) break;
    }
  };
  for (const x of firstPoints(root.box, seed)) {
    await time.pause();
    if (time.expired) break;
    await tryPoint(x);
  }

  let looked = 0;
  let upper = root.bound;
  let status: Status = "stopped";
  let why: string | undefined;
  const closed = () => upper <= lower * (1 + gap) || upper <= nothing;
  for (; ; looked++) {
    await time.pause();
    if (open.size > 0) upper = Math.min(upper, open.top);
    if (looked % 64 === 0) onProgress?.(lower, upper, looked);
    if (closed()) status = "done";
    else if (time.expired) why = `out of time after ${looked} pieces`;
    else if (open.size === 0) why = "every piece was dropped, which an inhabited domain does not allow";
    else if (looked >= limit) why = `stopped after ${looked} pieces`;
    if (status === "done" || why) break;
    const cut = open.pop() as Cut;
    const piece = pieceOf(problem, cut.box, cut.sides, cut.bound);
    if (!piece || outsideBall(domain, piece.box)) continue;
    if (time.expired) {
      // What is left would be too slow; the next turn of the loop ends.
      open.push(piece.bound, cut);
      continue;
    }
    const state = occupied(problem, piece);
    if (state.kind === "empty") continue;
    if (state.kind === "inside") await tryPoint(state.x);
    if (piece.bound <= lower * (1 + gap)) {
      // Small enough already; the next turn of the loop sees it.
      open.push(piece.bound, cut);
      continue;
    }
    const parts = partsOf(problem, piece);
    if (parts.length === 0) {
      upper = piece.bound;
      why = "no slope left to cut: the rest is rounding, or a smooth neuron on an unbounded domain";
      break;
    }
    for (const { box, sides } of parts) {
      const part = pieceOf(problem, box, sides, piece.bound);
      if (part) open.push(part.bound, { box, sides, bound: part.bound });
    }
  }
  onProgress?.(lower, upper, looked);
  const stated = { method: "branch", seconds: time.elapsed(), status, ...(why && { why }) };
  return {
    upper: { ...stated, side: "upper", value: upper, proved: true },
    lower: { ...stated, side: "lower", value: lower, proved: false, witness },
    pieces: looked,
  };
}

// --- internal ---

/** A constant of 0 is proved up to underflow only. */
const nothing = 2 ** -400;

/** Lengths of steps along a direction, longest first: pieces can be small. */
const lengths = Array.from({ length: 10 }, (_, k) => 2 ** (-1 - 4 * k));

/** How near two points are to come to a derivative, relative; what is nearer counts as the same. */
const reached = 2 ** -24;

/** What is kept of a piece while it waits: the rest is computed again. */
type Cut = Pick<Piece, "box" | "sides" | "bound">;

/** The middle of the box and points around it; on an unbounded domain at several scales. */
function firstPoints({ low, high }: Range, seed: number): Float64Array[] {
  const r = random(seed).fork("branch");
  const bounded = low.every((v) => v > Number.NEGATIVE_INFINITY);
  if (!bounded) return Array.from({ length: 300 }, (_, k) => low.map(() => 2 ** ((k % 12) - 5) * r.normal()));
  const middle = low.map((l, k) => l + (high[k] - l) / 2);
  return [middle, ...Array.from({ length: 300 }, () => low.map((l, k) => l + (high[k] - l) * r.uniform()))];
}
