/** @file A lower bound from pairs of points: both are moved until the difference quotient grows no more. It sees what no Jacobian shows, and needs no derivative in the end. */

import { joined } from "../../linalg/vector.ts";
import type { Random } from "../../tensor/random.ts";
import type { LowerBound, Norm } from "../bound.ts";
import { type Domain, inside } from "../domain.ts";
import { attaining, dualNorm, lengthOf } from "../length.ts";
import type { Subject } from "../subject.ts";
import { type Candidate, power, quotient, rowsOf } from "./ascent.ts";
import { batches, type LowerOptions, type LowerSearch, searchBelow } from "./search.ts";
import type { Start } from "./starts.ts";

/**
 * Bound the Lipschitz constant from below by ascent on
 *
 *     q(x, x') = ||f(x) - f(x')|| / ||x - x'||,  grad_x q = (J(x)^T u - q w) / ||x - x'||,  grad_x' q = -(J(x')^T u - q w) / ||x - x'||,
 *
 * u and w of dual length 1 with u . (f(x) - f(x')) and w . (x - x') the two norms. Both points move, or where that fails each alone: if one
 * stands on a slope and the other in a plain, their gradients differ too much for one step. A step that does not gain is halved. A pair that
 * has drawn together until float32 sees noise, or gains no more, is noted and starts anew. The witness is x and v = x' - x.
 *
 * Reference: Bungert et al. 2021, algorithm 1, with steps that are accepted only if they gain.
 */
export function pairs(subject: Subject, norm: Norm, options: LowerOptions): Promise<LowerBound> {
  return searchBelow("pairs", "pair", subject, norm, options, async (search) => {
    const { starts, runs, clock, source, known, progress } = search;
    // One pair at a time needs more of them.
    const rounds = (runs === 1 ? 8 : 4) * search.rounds;
    const fresh = (k: number): Pair => spawn(search, starts[k % starts.length], starts[(k + 1) % starts.length]);
    // Half of the pairs lie along a steep direction, as the power method finds it; half are the steepest of many drawn at random.
    const drawn: Pair[] = [];
    const many = Array.from({ length: Math.max(runs, starts.length) }, (_, k) => fresh(k));
    for (const batch of batches(many, runs)) drawn.push(...(await measured(search, batch)));
    drawn.sort((a, b) => b.value - a.value);
    let next = runs;
    const another = (): Pair => (next < drawn.length ? drawn[next++] : fresh(next++));
    const steep = await power(
      search,
      Array.from({ length: runs }, (_, k) => starts[k % starts.length]),
      Array.from({ length: runs }, () => normal(source, subject.size)),
      5,
    );
    const first: Pair[] = steep.map((c, k) => (k % 2 === 0 ? along(c, search.domain) : drawn[k >> 1]));
    if (known) first[0] = pairOf(known, known.v, search.domain);
    let all = await measured(search, first);
    const found: Candidate[] = [...all, ...drawn.slice(0, 4)].map(candidateOf);
    await search.first(found);
    for (let round = 0; round < rounds && !clock.expired; round++) {
      await clock.pause();
      progress(round / rounds);
      const chosen = all.map((p) => p.steps.indexOf(Math.max(...p.steps)));
      const directions = await ascent(search, all);
      const tried = await measured(
        search,
        all.map((p, k) => moved(p, chosen[k], directions[k], search.domain)),
      );
      const ended: number[] = [];
      all = all.map((p, k) => {
        const gained = tried[k].value > p.value;
        const steps = p.steps.map((step, n) => (n !== chosen[k] ? step : gained ? Math.min(1, step * 1.5) : step / 2));
        const kept = { ...(gained ? tried[k] : p), steps };
        if (Math.max(...steps) < 2 ** -10 || drawnTogether(kept)) ended.push(k);
        return kept;
      });
      if (ended.length === 0) continue;
      found.push(...ended.map((k) => candidateOf(all[k])));
      const again = await measured(
        search,
        all.map((p, k) => (ended.includes(k) ? another() : p)),
      );
      all = all.map((p, k) => (ended.includes(k) ? again[k] : p));
    }
    found.push(...all.map(candidateOf));
    return found;
  });
}

// --- internal ---

interface Pair extends Start {
  readonly other: Float64Array;
  /** f(x) - f(other); empty until measured. */
  readonly rise: Float64Array;
  readonly value: number;
  /** Lengths of the next steps, in distances of the two: of both, of x, of the other. */
  readonly steps: readonly number[];
}

/** Below this part of the size of the points, a difference is what float32 makes of it. */
const closest = 2 ** -9;

const pairOf = ({ x, unit }: Start, v: Float64Array, domain: Domain): Pair => ({
  x,
  unit,
  other: inside(
    domain,
    x.map((c, i) => c + v[i]),
  ),
  rise: new Float64Array(0),
  value: 0,
  steps: [0.5, 0.03, 0.03],
});

const normal = (source: Random, size: number): Float64Array =>
  Float64Array.from({ length: size }, () => source.normal());

/** The length of a vector in the units of a place; what has no unit does not count. */
const inUnits = (v: Float64Array, unit: Float64Array): number =>
  lengthOf(
    v.map((c, i) => (unit[i] > 0 ? c / unit[i] : 0)),
    2,
  );

/** A place with a point near it in the direction v. */
function along({ x, unit, v }: Candidate, domain: Domain): Pair {
  const length = inUnits(v, unit);
  const factor = length > 0 ? (0.05 * Math.sqrt(x.length)) / length : 0;
  return pairOf(
    { x, unit },
    v.map((c) => factor * c),
    domain,
  );
}

/** A place with a point on the way to another one, or around it in a direction that is long for what it is in the norm: one number in l1, all in l-inf. */
function spawn({ source, domain, norm }: LowerSearch, at: Start, towards: Start): Pair {
  const { x, unit } = at;
  const part = [1, 0.3, 0.1, 0, 0, 0][source.integer(6)];
  if (part > 0 && at !== towards) {
    return pairOf(
      at,
      x.map((c, i) => part * (towards.x[i] - c)),
      domain,
    );
  }
  const size = [0.3, 0.1, 0.01][source.integer(3)];
  const direction = norm === 2 ? normal(source, x.length) : attaining(normal(source, x.length), norm);
  return pairOf(
    at,
    direction.map((c, i) => size * unit[i] * c),
    domain,
  );
}

async function measured({ slopes, subject, norm }: LowerSearch, all: readonly Pair[]): Promise<Pair[]> {
  const at = rowsOf(await slopes.value(joined(all.map((p) => p.x))), subject.outputs);
  const there = rowsOf(await slopes.value(joined(all.map((p) => p.other))), subject.outputs);
  return all.map((p, k) => {
    const rise = at[k].map((c, i) => c - there[k][i]);
    return { ...p, rise, value: quotient(lengthOf(rise, norm), lengthOf(difference(p), norm)) };
  });
}

/** The gradients of q in both points, up to a factor. */
async function ascent(
  { slopes, subject, norm }: LowerSearch,
  all: readonly Pair[],
): Promise<{ readonly x: Float64Array; readonly other: Float64Array }[]> {
  const u = joined(all.map((p) => attaining(p.rise, dualNorm(norm))));
  const at = rowsOf(await slopes.pull(joined(all.map((p) => p.x)), u), subject.size);
  const there = rowsOf(await slopes.pull(joined(all.map((p) => p.other)), u), subject.size);
  return all.map((p, k) => {
    const w = attaining(difference(p), dualNorm(norm));
    return { x: at[k].map((g, i) => g - p.value * w[i]), other: there[k].map((g, i) => p.value * w[i] - g) };
  });
}

function moved(
  p: Pair,
  way: number,
  along: { readonly x: Float64Array; readonly other: Float64Array },
  domain: Domain,
): Pair {
  const { unit } = p;
  const scaled = (g: Float64Array) => g.map((c, i) => c * unit[i]);
  const [x, other] = [scaled(along.x), scaled(along.other)];
  const length = Math.hypot(way === 2 ? 0 : lengthOf(x, 2), way === 1 ? 0 : lengthOf(other, 2));
  if (!(length > 0 && Number.isFinite(length))) return p;
  const factor = (p.steps[way] * inUnits(difference(p), unit)) / length;
  const stepped = (from: Float64Array, g: Float64Array) =>
    inside(
      domain,
      from.map((c, i) => c + factor * unit[i] * g[i]),
    );
  return { ...p, x: way === 2 ? p.x : stepped(p.x, x), other: way === 1 ? p.other : stepped(p.other, other) };
}

const difference = (p: Pair): Float64Array => p.x.map((c, i) => c - p.other[i]);

const drawnTogether = (p: Pair): boolean => inUnits(difference(p), p.unit) < closest * Math.sqrt(p.x.length);

const candidateOf = (p: Pair): Candidate => ({
  x: p.x,
  unit: p.unit,
  v: p.other.map((c, i) => c - p.x[i]),
  value: p.value,
});
