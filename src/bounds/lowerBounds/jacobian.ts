/** @file A lower bound from the Jacobian: points are moved to where it is large. */

import type { LowerBound, Norm } from "../bound.ts";
import { attaining } from "../length.ts";
import type { Subject } from "../subject.ts";
import { type Candidate, climb, power, steepestFirst } from "./ascent.ts";
import { batches, type LowerOptions, searchBelow } from "./search.ts";

/**
 * Bound the Lipschitz constant from below.
 *
 * At each point the power method v <- J^T dual(J v) finds a steep direction (for l1 and l-inf it is Hager's, and where there are at
 * most 64 outputs or inputs all rows or columns of J are looked at in the end); then points move along the gradient of ||J(x) v||
 * in x, or at random where that vanishes, and stay where it is steeper. The value is what two points along the best (x, v) are proved to show.
 */
export function jacobian(subject: Subject, norm: Norm, options: LowerOptions): Promise<LowerBound> {
  return searchBelow("jacobian", "direction", subject, norm, options, async (search) => {
    const { starts, runs, clock, source, rounds, progress } = search;
    let found: Candidate[] = [];
    // All of them, whatever the clock says.
    for (const batch of batches(starts, runs)) {
      await clock.pause();
      const directions = batch.map(({ x }) =>
        attaining(
          x.map(() => source.normal()),
          norm,
        ),
      );
      found.push(...(await power(search, batch, directions, 2)));
      await search.first(found);
    }
    // Two steps tell the steep places from the others; the best are worth more.
    found.sort(steepestFirst);
    const promising = batches(found.slice(0, Math.max(runs, 32)), runs);
    for (const batch of promising) {
      if (clock.expired) break;
      await clock.pause();
      found.push(
        ...(await power(
          search,
          batch,
          batch.map((c) => c.v),
          8,
        )),
      );
    }
    progress(0.2);
    // Moving pays most where it is steep already.
    found.sort(steepestFirst);
    const chosen = batches(found.slice(0, Math.max(runs, 8)), runs);
    found = found.slice(0, 16);
    for (const [k, batch] of chosen.entries()) {
      found.push(...(await climb(search, batch, rounds, (part) => progress(0.2 + (0.8 * (k + part)) / chosen.length))));
    }
    return found;
  });
}
