/** @file A lower bound from pairs of points: both are moved until the difference quotient grows no more. It sees what no Jacobian shows, and needs no derivative in the end. */
import type { Random } from "../../tensor/random.ts";
import type { LowerBound, Norm } from "../bound.ts";
import { type Domain, inside } from "../domain.ts";
import { attaining, dualNorm, lengthOf } from "../length.ts";
import type { Subject } from "../subject.ts";
import { type Candidate, joined, power, quotient, rowsOf, spreadOf } from "./ascent.ts";
import { type LowerOptions, type LowerSearch, searchBelow } from "./search.ts";

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
    const rounds = 4 * search.rounds;
    const fresh = (k: number): Pair => spawn(search, starts[k % starts.length], starts[(k + 1) % starts.length]);
    let next = 0;
    // Half of the pairs lie along a steep direction, as the power method finds it.
    const steep = await power(
      search,
      Array.from({ length: runs }, (_, k) => starts[k % starts.length]),
      Array.from({ length: runs }, () => normal(source, subject.size)),
      5,
    );
    const first: Pair[] = steep.map((c, k) => (k % 2 === 0 ? along(c, search.domain) : fresh(next++)));
    if (known) first[0] = pairOf(known.x, known.v, search.domain);
    let all = await measured(search, first);
    const found: Candidate[] = all.map(candidateOf);
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
        if (Math.max(...steps) < 2 ** -10 || drawnTogether(kept, search.domain)) ended.push(k);
        return kept;
      });
      if (ended.length === 0) continue;
      found.push(...ended.map((k) => candidateOf(all[k])));
      const again = await measured(
        search,
        all.map((p, k) =>
          ended.includes(k) ? spawn(search, starts[source.integer(starts.length)], fresh(next++).x) : p,
        ),
      );
      all = all.map((p, k) => (ended.includes(k) ? again[k] : p));
    }
    found.push(...all.map(candidateOf));
    return found;
  });
}

// --- internal ---

interface Pair {
  readonly x: Float64Array;
  readonly other: Float64Array;
  /** f(x) - f(other); empty until measured. */
  readonly rise: Float64Array;
  readonly value: number;
  /** Lengths of the next steps, in distances of the two: of both, of x, of the other. */
  readonly steps: readonly number[];
}

/** Below this part of the size of the points, a difference is what float32 makes of it. */
const closest = 2 ** -9;

const pairOf = (x: Float64Array, v: Float64Array, domain: Domain): Pair => ({
  x,
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

/** x with a point near it in the direction v. */
function along({ x, v }: Candidate, domain: Domain): Pair {
  const length = lengthOf(v, 2);
  const factor = length > 0 ? (0.05 * spreadOf(x, domain) * Math.sqrt(x.length)) / length : 0;
  return pairOf(
    x,
    v.map((c) => factor * c),
    domain,
  );
}

/** x with a point on the way to another one, or a random one around it. */
function spawn({ source, domain }: LowerSearch, x: Float64Array, towards: Float64Array): Pair {
  const part = [1, 0.3, 0.1, 0][source.integer(4)];
  if (part > 0 && x !== towards) {
    return pairOf(
      x,
      x.map((c, i) => part * (towards[i] - c)),
      domain,
    );
  }
  return pairOf(
    x,
    normal(source, x.length).map((c) => 0.2 * spreadOf(x, domain) * c),
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
  const parts = [way === 2 ? 0 : lengthOf(along.x, 2), way === 1 ? 0 : lengthOf(along.other, 2)];
  const length = Math.hypot(...parts);
  if (!(length > 0 && Number.isFinite(length))) return p;
  const factor = (p.steps[way] * lengthOf(difference(p), 2)) / length;
  return {
    ...p,
    x: way === 2 ? p.x : stepped(domain, p.x, along.x, factor),
    other: way === 1 ? p.other : stepped(domain, p.other, along.other, factor),
  };
}

const stepped = (domain: Domain, x: Float64Array, along: Float64Array, factor: number): Float64Array =>
  inside(
    domain,
    x.map((c, i) => c + factor * along[i]),
  );

const difference = (p: Pair): Float64Array => p.x.map((c, i) => c - p.other[i]);

function drawnTogether(p: Pair, domain: Domain): boolean {
  return lengthOf(difference(p), 2) < closest * spreadOf(p.x, domain) * Math.sqrt(p.x.length);
}

const candidateOf = (p: Pair): Candidate => ({ x: p.x, v: p.other.map((c, i) => c - p.x[i]), value: p.value });
