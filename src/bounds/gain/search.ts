/**
 * @file Branch and bound over boxes of inputs for many goals at once: every slope, the gain of every output and of all. The box that is farthest above what is
 * witnessed of some goal is cut; a box that is above none is closed.
 */
import { matrix } from "../../linalg/matrix.ts";
import { up } from "../../linalg/rounding.ts";
import type { Norm } from "../bound.ts";
import type { Budget } from "../budget.ts";
import type { Range } from "../domain.ts";
import { heap } from "../heap.ts";
import { intervalNorm } from "../local/interval.ts";
import type { Neurons } from "./neurons.ts";
import type { Partials } from "./partials.ts";
import { boxOf, type Cell, pointIn } from "./regions.ts";
import { type Conversion, scaledRange } from "./units.ts";
import type { Witnesses } from "./witnesses.ts";

export interface SearchProblem {
  readonly partials: Partials;
  readonly witnesses: Witnesses;
  readonly box: Range;
  /** Inputs that vary. */
  readonly free: readonly number[];
  readonly outputs: number;
  readonly norm: Norm;
  readonly conversion: Conversion;
  /** Closed where upper <= lower (1 + gap). */
  readonly gap: number;
  readonly clock: Budget;
  readonly limit: number;
  onProgress?(pieces: number, worst: number): void;
}

/** What holds on the whole box. */
export interface Proved extends Range {
  /** In scaled units. */
  readonly rows: Float64Array;
  readonly whole: number;
  /** Boxes that were looked at. */
  readonly pieces: number;
  /** Is every goal within the gap? */
  readonly closed: boolean;
}

/** Enclose all partial slopes and gains on a box, as far as the budget goes. The first bound is always finished. */
export async function enclose(problem: SearchProblem): Promise<Proved> {
  const { clock, limit, onProgress } = problem;
  const goals = goalsOf(problem);
  const kept: Piece[] = [];
  // Of many pieces what their parts would begin with is too much to hold.
  const keep = (piece: Piece) => kept.push({ ...piece, neurons: null });
  let open = heap<Piece>();
  const root = pieceOf(problem, problem.box, null);
  let looked = 1;
  open.push(goals.size(root), root);
  /** Cut until no piece is above its goals; false where the budget ended first. */
  const close = async (score: (piece: Piece) => number, until: () => boolean): Promise<boolean> => {
    const again = heap<Piece>();
    for (let piece = open.pop(); piece; piece = open.pop()) again.push(score(piece), piece);
    open = again;
    for (let turn = 0; ; turn++) {
      await clock.pause();
      if (turn % 32 === 0) onProgress?.(looked, open.top);
      const piece = open.pop();
      if (!piece) return true;
      // What was shown since makes pieces less urgent.
      const now = score(piece);
      if (now <= 1) {
        keep(piece);
        continue;
      }
      if (now < open.top) {
        open.push(now, piece);
        continue;
      }
      if (looked >= limit || clock.expired || until()) {
        open.push(now, piece);
        return false;
      }
      if (piece.tighten) {
        const tighter = tightened(problem, piece, score);
        open.push(score(tighter), tighter);
        continue;
      }
      const parts = cutOf(problem, piece, score);
      if (parts.length === 1 && parts[0] === piece) {
        keep(piece);
        continue;
      }
      looked += parts.length;
      for (const part of parts) {
        await lookAt(problem, part);
        open.push(score(part), part);
      }
    }
  };
  await lookAt(problem, root);
  const closed = await close(goals.size, () => false);
  if (closed) {
    // Signs, with as much work again.
    for (const piece of kept.splice(0)) open.push(0, piece);
    const most = looked + Math.max(200, looked);
    await close(goals.sign, () => looked >= most);
  }
  const rest: Piece[] = [];
  for (let piece = open.pop(); piece; piece = open.pop()) rest.push(piece);
  return {
    ...hullOf(problem, [...kept, ...rest]),
    pieces: looked,
    closed: closed && kept.concat(rest).every((p) => goals.size(p) <= 1),
  };
}

// --- internal ---

/** A score above 1 says that a piece hides something: a larger slope than was shown, or one of the other sign. */
interface Goals {
  size(piece: Piece): number;
  sign(piece: Piece): number;
}

/** What holds on a piece. */
type Bounds = Omit<Proved, "pieces" | "closed">;

/** A box, and what holds there. */
interface Piece extends Bounds {
  readonly box: Range;
  readonly turns: Float64Array | null;
  /** Is a tighter enclosure to be tried before it is cut? */
  readonly tighten: boolean;
  /** Was it tried, and worth its time? */
  readonly tightened: boolean;
  /** What its parts begin with. */
  readonly neurons: Neurons | null;
  /** The part of the box that it is, where it was cut along kinks. */
  readonly cell: Cell | null;
}

/** Of an effect, relative to the largest on the same output: what is smaller is not worth cutting for. */
const negligible = 1e-3;

function goalsOf({ witnesses, free, outputs, gap, box }: SearchProblem): Goals {
  const inputs = box.low.length;
  const width = box.low.map((l, i) => box.high[i] - l);
  const { entries, rows, rises, falls } = witnesses;
  /** What an input can move an output by, as far as was shown, relative to the largest. */
  const floorOf = (o: number, i: number) => {
    const top = free.reduce((most, k) => Math.max(most, entries[o * inputs + k].value * width[k]), 0);
    return (negligible * top) / width[i];
  };
  const ratio = (upper: number, target: number) => (upper <= nothing ? 0 : upper / target);
  const most = (piece: Piece, k: number) => Math.max(-piece.low[k], piece.high[k]);
  return {
    size(piece) {
      let score = 0;
      for (let o = 0; o < outputs; o++) {
        for (const i of free) {
          const k = o * inputs + i;
          score = Math.max(score, ratio(most(piece, k), Math.max(entries[k].value * (1 + gap), floorOf(o, i))));
        }
        score = Math.max(score, ratio(piece.rows[o], rows[o].value * (1 + gap)));
      }
      return Math.max(score, ratio(piece.whole, witnesses.whole.value * (1 + gap)));
    },
    sign(piece) {
      let score = 0;
      for (let o = 0; o < outputs; o++) {
        for (const i of free) {
          const k = o * inputs + i;
          if (rises[k] > 0 === falls[k] > 0) continue;
          const wrong = rises[k] > 0 ? -piece.low[k] : piece.high[k];
          const size = Math.max(entries[k].value, floorOf(o, i));
          if (wrong > negligible * size) score = Math.max(score, 1 + wrong / size);
        }
      }
      return score;
    },
  };
}

/** Up to underflow 0. */
const nothing = 2 ** -400;

/** Bound a box; what holds on the box that it is part of holds too. */
function pieceOf(problem: SearchProblem, box: Range, before: Piece | null): Piece {
  const { partials, clock } = problem;
  clock.spend(partials.work);
  const { turns, neurons, ...found } = partials.on(box, before?.neurons);
  const tighten = partials.tight !== undefined && (before?.tightened ?? true);
  return { ...normed(problem, found, before), box, turns, neurons, tighten, tightened: false, cell: null };
}

/** The same piece by the tighter enclosure. Where that helps little, its parts go without. */
function tightened(problem: SearchProblem, piece: Piece, score: (piece: Piece) => number): Piece {
  const { tight } = problem.partials;
  if (!tight) return { ...piece, tighten: false };
  problem.clock.spend(tight.work);
  const found = { ...piece, ...normed(problem, tight.on(piece.box, piece.neurons), piece), tighten: false };
  return { ...found, tightened: score(found) < helps * score(piece) };
}

/** Parts along kinks or halves of the box: of many open neurons whichever brings more, for so many parts. */
function cutOf(problem: SearchProblem, piece: Piece, score: (piece: Piece) => number): readonly Piece[] {
  const parts = alongKinks(problem, piece);
  if (!parts || piece.cell || !piece.neurons || parts.length < 2) return parts ?? partsOf(problem, piece, score);
  if ((problem.partials.regions?.open(piece.neurons) ?? 0) <= fewOpen) return parts;
  const halves = partsOf(problem, piece, score);
  const brought = (all: readonly Piece[]) =>
    Math.log(score(piece) / Math.max(...all.map(score))) / Math.log(all.length);
  return halves.length > 1 && brought(halves) > brought(parts) ? halves : parts;
}

/** Open neurons up to which they are cut without a look at the halves. */
const fewOpen = 24;

/** Parts along the kinks of neurons; null where too many are open. */
function alongKinks(problem: SearchProblem, piece: Piece): readonly Piece[] | null {
  const { regions } = problem.partials;
  const { neurons, cell, box } = piece;
  if (!regions || !neurons || !(cell || regions.open(neurons) <= Math.max(fewOpen, mostOpen * regions.neurons)))
    return null;
  const parts = regions.parts(box, neurons, cell);
  // Nothing is left to cut: the rest is rounding.
  if (!parts) return [piece];
  return parts.map((part) => {
    problem.clock.spend(regions.work);
    return {
      ...pieceOf(problem, boxOf(part.cell), { ...piece, neurons: part.neurons }),
      cell: part.cell,
      tighten: false,
    };
  });
}

/** The part of all neurons that may be open where it is tried to cut along them: of more, each cut closes too little. */
const mostOpen = 0.4;

/** The part of the score that a tighter enclosure must leave to be worth its time. */
const helps = 0.8;

/** Norms of what lies between `found`, and no more than held before. */
function normed({ free, outputs, norm, conversion, box }: SearchProblem, found: Range, before: Piece | null): Bounds {
  const inputs = box.low.length;
  const known = (v: number, k: number, end: "low" | "high", open: number) => {
    const own = Number.isNaN(v) ? open : v;
    const other = before?.[end][k] ?? own;
    return end === "low" ? Math.max(own, other) : Math.min(own, other);
  };
  const low = found.low.map((v, k) => known(v, k, "low", Number.NEGATIVE_INFINITY));
  const high = found.high.map((v, k) => known(v, k, "high", Number.POSITIVE_INFINITY));
  const n = free.length;
  const mid = new Float64Array(outputs * n);
  const radius = new Float64Array(outputs * n);
  for (let o = 0; o < outputs; o++) {
    free.forEach((i, k) => {
      const [l, h] = scaledRange(low[o * inputs + i], high[o * inputs + i], conversion.scaled(o, i));
      const at = o * n + k;
      mid[at] = l === h ? l : l / 2 + h / 2;
      radius[at] = l === h ? 0 : up(Math.max(h - mid[at], mid[at] - l));
    });
  }
  const bound = (rows: number, from: number, until: number) => {
    const data = mid.subarray(from, until);
    const spread = radius.subarray(from, until);
    // Middles of what is infinite are no numbers.
    if (!data.every(Number.isFinite)) return Number.POSITIVE_INFINITY;
    return intervalNorm({ mid: matrix(rows, n, data), radius: spread }, norm);
  };
  const rows = Float64Array.from({ length: outputs }, (_, o) =>
    Math.min(bound(1, o * n, (o + 1) * n), before?.rows[o] ?? Number.POSITIVE_INFINITY),
  );
  const all = outputs === 1 ? rows[0] : bound(outputs, 0, outputs * n);
  return { low, high, rows, whole: Math.min(all, before?.whole ?? all) };
}

/** Look for witnesses in the middle of a piece. */
async function lookAt({ partials, witnesses, clock }: SearchProblem, { box, cell }: Piece): Promise<void> {
  const x =
    (cell && pointIn(cell)) ?? box.low.map((l, i) => Math.min(box.high[i], Math.max(l, l / 2 + box.high[i] / 2)));
  await tryPoint(partials, witnesses, clock, x);
}

/** Look for witnesses at a point. */
export async function tryPoint(
  partials: Partials,
  witnesses: Witnesses,
  clock: Pick<Budget, "spend">,
  x: Float64Array,
): Promise<void> {
  await witnesses.look(x, partials.at(x));
  clock.spend(partials.glance);
}

/** Halves: across the input along which slopes turn most, where that is known, else that whose halves are best. */
function partsOf(problem: SearchProblem, piece: Piece, score: Goals["size"]): readonly Piece[] {
  const { free } = problem;
  const { box, turns } = piece;
  const width = (i: number) => box.high[i] - box.low[i];
  const cuttable = free.filter((i) => middleOf(box, i) > box.low[i] && middleOf(box, i) < box.high[i]);
  // Nothing is between its ends: the rest is rounding.
  if (cuttable.length === 0) return [piece];
  if (turns?.some((v) => v > 0)) {
    const best = cuttable.reduce((a, b) => (width(b) * turns[b] > width(a) * turns[a] ? b : a));
    return halvesOf(problem, piece, best);
  }
  const effect = (i: number) => {
    let sum = 0;
    for (let k = i; k < piece.low.length; k += box.low.length) sum += piece.high[k] - piece.low[k];
    return sum * width(i);
  };
  const tried = [...cuttable].sort((a, b) => effect(b) - effect(a)).slice(0, mostTried);
  if (tried.length === 1) return halvesOf(problem, piece, tried[0]);
  const worst = (parts: readonly Piece[]) => Math.max(...parts.map(score));
  return tried.map((i) => halvesOf(problem, piece, i)).reduce((a, b) => (worst(b) < worst(a) ? b : a));
}

/** Inputs whose halves are tried. */
const mostTried = 4;

const middleOf = ({ low, high }: Range, i: number): number => low[i] / 2 + high[i] / 2;

function halvesOf(problem: SearchProblem, piece: Piece, i: number): readonly Piece[] {
  const { low, high } = piece.box;
  const [left, right] = [high.slice(), low.slice()];
  left[i] = middleOf(piece.box, i);
  right[i] = left[i];
  return [pieceOf(problem, { low, high: left }, piece), pieceOf(problem, { low: right, high }, piece)];
}

/** What all pieces together say. */
function hullOf({ outputs }: SearchProblem, pieces: readonly Bounds[]): Bounds {
  const low = pieces[0].low.slice();
  const high = pieces[0].high.slice();
  const rows = new Float64Array(outputs);
  let whole = 0;
  for (const piece of pieces) {
    for (let k = 0; k < low.length; k++) {
      low[k] = Math.min(low[k], piece.low[k]);
      high[k] = Math.max(high[k], piece.high[k]);
    }
    for (let o = 0; o < outputs; o++) rows[o] = Math.max(rows[o], piece.rows[o]);
    whole = Math.max(whole, piece.whole);
  }
  return { low, high, rows, whole };
}
