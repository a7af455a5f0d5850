/** @file The search for the best multipliers of a chain. What it finds is as good as what it is given time for, and a proof must follow. */
import type { Engine } from "../../engine/engine.ts";
import type { Budget } from "../budget.ts";
import type { ChainForm } from "./form.ts";
import { chainValue } from "./gradient.ts";
import { guarded, hasSymmetry } from "./guard.ts";
import { exponentials, goDown, isWide, judgeOf, logarithms, sizesOf } from "./judge.ts";
import type { Multipliers } from "./matrix.ts";
import { movedInward } from "./proof.ts";
import { closedForm, closedForms } from "./start.ts";

export interface SearchOptions {
  /** Beside the closed forms. */
  readonly starts?: readonly Multipliers[];
  /** Gain in ln r over ten steps that is worth them, default 1e-7. */
  readonly tolerance?: number;
  /** Where values and gradients are computed if the layers are wide enough for it; plain loops unless told. */
  readonly engine?: Engine;
  /** How long the closed forms may take: as long as they want unless told. They are the start, and without one there is nothing. */
  readonly patience?: Budget;
  /** Every point that is accepted, r as the power of the stage shows it: the constant is at most its root. */
  onPoint?(r: number, multipliers: Multipliers): void;
}

/**
 * Go down on ln r over ln Lambda from the best of the starts; nothing where none is feasible.
 *
 * r is a smooth function but for the largest eigenvalue at its end, for which a power of the trace stands; the power grows from stage to
 * stage. Without time the best start that was looked at comes back, at `ended: false`.
 */
export async function searchMultipliers(
  form: ChainForm,
  clock: Budget,
  { starts = [], engine, tolerance = 1e-7, patience, onPoint = () => {} }: SearchOptions = {},
): Promise<{ readonly multipliers: Multipliers; readonly ended: boolean } | undefined> {
  const final = stages[stages.length - 1].doublings;
  let best: { readonly x: Float64Array; readonly value: number } | undefined;
  const offer = async (start: Multipliers, limit?: Budget) => {
    await clock.pause();
    const value = chainValue(form, start, final, limit ? { clock: limit } : {})?.value;
    if (value !== undefined && (best === undefined || value < best.value)) best = { x: logarithms(start), value };
  };
  // What was brought along may be all that is needed: it is looked at whatever the time.
  for (const start of starts) await offer(start);
  for (const start of closedForms(form, patience)) {
    if (best === undefined || !clock.expired) await offer(start, patience);
  }
  if (best === undefined) return undefined;
  const sizes = sizesOf(form, "alike");
  let from = best.x;
  let ended = !clock.expired;
  // Several outputs guard each other: together they see every signal.
  const single = form.weights[form.weights.length - 1].rows === 1;
  const symmetric = hasSymmetry(form);
  const needsGuard = single || symmetric;
  // There a guard is all that holds the descent, which would creep along it for long.
  const enough = (gain: number) => Math.max(tolerance, symmetric ? Math.max(10 * gain, 1e-4) : gain);
  if (symmetric && ended) {
    const start = closedForm({ ...guarded(form, stages[0].guard), weights: form.weights }, "norm", patience);
    if (start) from = logarithms(movedInward(start, inward));
  }
  let onEngine = isWide(form) ? engine : undefined;
  for (let stage = 0; stage < (needsGuard ? stages.length : unguarded) && ended; stage++) {
    const { doublings, gain, guard } = stages[stage];
    const judge =
      guard > 0 && needsGuard
        ? await judgeOf(guarded(form, guard), doublings, {
            outputs: single ? "each" : "together",
            inputs: "alike",
            engine: onEngine,
          })
        : await judgeOf(form, doublings, { outputs: "together", inputs: "alike", engine: onEngine });
    const last = await goDown(judge, from, clock, enough(gain), ({ x, value }) =>
      onPoint(Math.exp(value), exponentials(x, sizes)),
    ).finally(judge.dispose);
    ended = !clock.expired;
    // A stage judges by its own power; the last one's counts.
    const value = last && chainValue(form, exponentials(last, sizes), final)?.value;
    if (last === undefined || value === undefined) {
      if (!ended || onEngine === undefined) break;
      // At the edge of what is feasible rounding decides, and the engine's is another: the stage is done again without it.
      onEngine = undefined;
      stage--;
      continue;
    }
    from = last;
    if (value < best.value) best = { x: last, value };
  }
  return { multipliers: exponentials(best.x, sizes), ended };
}

// --- internal ---

/** How well the power of the trace stands for the largest eigenvalue, the gain over ten steps below which the next stage begins, and the guard of a single output. */
const stages = [
  { doublings: 5, gain: 1e-4, guard: 1 },
  { doublings: 9, gain: 1e-5, guard: 0.3 },
  { doublings: 13, gain: 1e-6, guard: 0.1 },
  { doublings: 17, gain: 1e-7, guard: 0.03 },
  { doublings: 17, gain: 1e-7, guard: 0 },
];

/** How far the closed form is moved inwards where the edge is what a descent must keep away from. */
const inward = 0.05;

/** Stages of several outputs, which need no guard: the last would be the one before it again. */
const unguarded = stages.length - 1;
