/** @file What a search believes, evaluated again in float64 at two points: only a difference quotient is reported, because at a kink the formal Jacobian can exceed the constant. */
import type { Engine } from "../../engine/engine.ts";
import type { Witness } from "../bound.ts";
import { type Domain, holds, inside, reachOf } from "../domain.ts";
import { lengthOf } from "../length.ts";
import { type Candidate, corners, power, quotient, type Search } from "./ascent.ts";
import { preciseSlopes, type Slopes } from "./slopes.ts";

export interface Witnessed {
  readonly value: number;
  /** Null only where nothing was found. */
  readonly witness: Witness | null;
}

/** Evaluates candidates again. */
export interface Judge {
  /** What candidates show as they are: few evaluations. */
  glance(candidates: readonly Candidate[]): Promise<Witnessed>;
  /** The same after power steps in float64 at each point, while time is left. */
  confirm(candidates: readonly Candidate[]): Promise<Witnessed>;
  dispose(): Promise<void>;
}

/**
 * Set up the float64 evaluation.
 *
 * A pair (x, v) is measured as ||f(x + v) - f(x)|| / ||v||, a point with a direction by the largest such quotient over four lengths
 * of the direction, and by no more than ||J(x) v|| / ||v||. What rounding may have added to the outputs (2^-44 of them) is taken off.
 * Only points of the domain are measured: an end that is outside is moved to the nearest inside.
 */
export async function judge(engine: Engine, search: Search, kind: "direction" | "pair"): Promise<Judge> {
  const slopes = await preciseSlopes(engine, search.subject);
  if (!slopes) {
    const nothing = async (): Promise<Witnessed> => ({ value: 0, witness: null });
    return { glance: nothing, confirm: nothing, dispose: async () => {} };
  }
  const precise: Search = { ...search, slopes };
  const direction = async ({ x, v }: Candidate): Promise<Witnessed> => {
    const formal = quotient(lengthOf(await slopes.push(x, v), search.norm), lengthOf(v, search.norm));
    const seen = await alongDirection(slopes, search, x, v);
    return { ...seen, value: Math.min(formal, seen.value) };
  };
  const measure = async (candidate: Candidate): Promise<Witnessed> =>
    kind === "direction"
      ? direction(candidate)
      : secant(slopes, search, candidate.x, await slopes.value(candidate.x), candidate.v);
  const best = async (
    candidates: readonly Candidate[],
    look: (c: Candidate) => Promise<Witnessed>,
    from: Witnessed,
  ) => {
    let found = from;
    for (const [k, candidate] of candidates.entries()) {
      if (k > 0 && search.clock.expired) break;
      await search.clock.pause();
      found = larger(found, await look(candidate));
    }
    return found;
  };
  const none: Witnessed = { value: 0, witness: null };
  return {
    glance: (candidates) => best(candidates, measure, none),
    async confirm(candidates) {
      const plain = await best(candidates, measure, none);
      if (search.clock.expired) return plain;
      return best(
        candidates,
        async (candidate) => {
          const [polished] = await power(precise, [candidate.x], [candidate.v], 100);
          const others = search.clock.expired ? [] : await corners(precise, polished);
          let found = await direction(polished);
          for (const other of others) found = larger(found, await direction(other));
          return found;
        },
        plain,
      );
    },
    dispose: () => slopes.dispose(),
  };
}

// --- internal ---

type Frame = Pick<Search, "norm" | "domain">;

/** A displacement from x, near the wanted one, with both ends in the domain as float64 adds them; null where rounding allows none. */
function within(domain: Domain, x: Float64Array, wanted: Float64Array): Float64Array | null {
  if (domain.kind === "global") return wanted;
  if (!holds(domain, x)) return null;
  const end = inside(
    domain,
    x.map((c, i) => c + wanted[i]),
  );
  let v = end.map((c, i) => c - x[i]);
  for (let trial = 0; trial < 4; trial++) {
    const there = x.map((c, i) => c + v[i]);
    if (holds(domain, there)) return v;
    v = v.map((c) => c * (1 - 2 ** -20));
  }
  return null;
}

const larger = (a: Witnessed, b: Witnessed): Witnessed => (b.value > a.value ? b : a);

/** The largest difference quotient along v over several lengths. */
async function alongDirection(slopes: Slopes, frame: Frame, x: Float64Array, v: Float64Array): Promise<Witnessed> {
  const at = await slopes.value(x);
  const reach = Math.min(reachOf(frame.domain), Math.max(1, lengthOf(x, "inf")));
  const scale = reach / Math.max(lengthOf(v, "inf"), Number.MIN_VALUE);
  let best: Witnessed = { value: 0, witness: null };
  // At the border of a domain one way may lead out.
  const ways = frame.domain.kind === "global" ? [1] : [1, -1];
  for (const way of ways) {
    for (const t of [2 ** -3, 2 ** -7, 2 ** -11, 2 ** -15]) {
      const found = await secant(
        slopes,
        frame,
        x,
        at,
        v.map((c) => way * t * scale * c),
      );
      best = larger(best, found);
    }
  }
  return best;
}

/** ||f(x + v) - f(x)|| / ||v|| less what rounding may have added. */
async function secant(
  slopes: Slopes,
  { norm, domain }: Frame,
  x: Float64Array,
  at: Float64Array,
  wanted: Float64Array,
): Promise<Witnessed> {
  const v = within(domain, x, wanted);
  if (!v) return { value: 0, witness: null };
  const near = x.map((c, i) => c + v[i]);
  const there = await slopes.value(near);
  const rounding = 2 ** -44 * (lengthOf(at, norm) + lengthOf(there, norm));
  const rise =
    lengthOf(
      there.map((c, i) => c - at[i]),
      norm,
    ) - rounding;
  // What was added is what the sum has become, not what was meant.
  const run = Math.max(
    lengthOf(
      near.map((c, i) => c - x[i]),
      norm,
    ),
    lengthOf(v, norm),
  );
  const value = quotient(rise, run * (1 + 2 ** -44));
  return value > 0 ? { value, witness: { x: Array.from(x), v: Array.from(v) } } : { value: 0, witness: null };
}
