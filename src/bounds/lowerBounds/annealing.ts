/** @file A lower bound by simulated annealing: chains that walk at random over the inputs and prefer places where the Jacobian is large. */

import type { LowerBound, Norm } from "../bound.ts";
import { inside } from "../domain.ts";
import { attaining } from "../length.ts";
import type { Subject } from "../subject.ts";
import { type Candidate, power } from "./ascent.ts";
import { batches, type LowerOptions, searchBelow } from "./search.ts";

/**
 * Bound the Lipschitz constant from below. A chain at x with g(x) = ||J(x)|| moves to x' ~ N(x, step^2) where a uniform number is below
 *
 *     exp( (g(x') - g(x)) / T_t ),   T_t = T_0 / ln(2 + t / 2),   step = step_0 / sqrt(1 + improvements).
 *
 * T_0 is a tenth of the median g at the start and step_0 a third of the unit of each number, so that the walk is the same for c f as
 * for f. g is followed by one power step from the direction at hand; the best place of each chain is evaluated as in `jacobian`.
 *
 * Reference: Virmaux and Scaman 2018, the comparison of section 7.
 */
export function annealing(subject: Subject, norm: Norm, options: LowerOptions): Promise<LowerBound> {
  return searchBelow("annealing", "direction", subject, norm, options, async (search) => {
    const { starts, runs, clock, source, progress, domain } = search;
    const rounds = 5 * search.rounds;
    const [batch] = batches(starts, runs);
    const directions = batch.map(({ x }) =>
      attaining(
        x.map(() => source.normal()),
        norm,
      ),
    );
    let at = await power(search, batch, directions, 10);
    await search.first(at);
    let best: readonly Candidate[] = at;
    const improvements = at.map(() => 0);
    const start = 0.1 * median(at.map((c) => c.value));
    for (let t = 0; t < rounds && !clock.expired; t++) {
      await clock.pause();
      progress(t / rounds);
      const proposed = at.map(({ x, unit }, k) => {
        const step = 1 / 3 / Math.sqrt(1 + improvements[k]);
        const moved = x.map((c, i) => c + step * unit[i] * source.normal());
        return { x: inside(domain, moved), unit };
      });
      const moved = await power(
        search,
        proposed,
        at.map((c) => c.v),
        1,
      );
      const temperature = start / Math.log(2 + t / 2);
      at = at.map((c, k) => {
        const gain = moved[k].value - c.value;
        return gain >= 0 || source.uniform() < Math.exp(gain / temperature) ? moved[k] : c;
      });
      best = best.map((b, k) => {
        if (moved[k].value <= b.value) return b;
        improvements[k]++;
        return moved[k];
      });
    }
    return best;
  });
}

// --- internal ---

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1];
