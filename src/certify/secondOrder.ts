/** @file Radii from curvature: near a sample a margin falls as its gradient says, and how soon it may fall faster the curvature bound says. For smooth networks, in l2. */
import type { Propagation } from "../bounds/autoLip.ts";
import type { Margins } from "../bounds/margin.ts";
import { addUp, timesUp } from "../bounds/norm/region.ts";
import type { Subject } from "../bounds/subject.ts";
import { pairHessianBounds } from "../curvature/bound.ts";
import { hessians, layoutOf } from "../curvature/hessian.ts";
import type { Dataset } from "../data/dataset.ts";
import type { Engine } from "../engine/engine.ts";
import { frobeniusUp } from "../linalg/enclosure.ts";
import { down, sqrtUp, up } from "../linalg/rounding.ts";
import { gradientError } from "./gradientError.ts";

/** The margin of a sample's class to one other class. */
export interface Gap {
  readonly other: number;
  /** What is left of the margin after rounding; none where it is not above 0. */
  readonly margin: number;
  /** The radius that the constant gives. */
  readonly radius: number;
}

/** A sample with all its gaps. */
export interface Decision {
  readonly predicted: number;
  readonly gaps: readonly Gap[];
}

export interface SecondOrderOptions {
  readonly subject: Subject;
  readonly engine: Engine;
  readonly data: Dataset;
  /** Of l2, and of l-inf on the same flow. */
  readonly propagation: Propagation;
  readonly sizes: Propagation;
  readonly margins: Margins;
  /** At least ||x||_inf of every sample. */
  readonly inputSize: number;
  readonly signal?: AbortSignal;
  /** From 0 to 1. */
  onProgress?(fraction: number): void;
}

/** The curvature that radii rest on, and for every sample the radius from it, or that from the constant where it is no less. */
export interface SecondOrder {
  /** Bound of the second derivative of all outputs as one vector. */
  readonly value: number;
  readonly method: string;
  /** What a gradient may err by in float64; added to every gradient's length. */
  readonly gradientError: number;
  readonly radii: readonly number[];
}

/**
 * Radii of second order. For a margin m = f_y - f_j at x with gradient length G, C a bound of its Hessian and K of its slope everywhere,
 * the slope at distance s is at most min(G + C s, K), so that for every t
 *
 *     m(x + d) >= m - G |d| - C |d|^2 / 2,            and  m(x + d) >= m - G t - C t^2 / 2 - K (|d| - t)   where |d| >= t;
 *     r2 = 2 m / (G + sqrt(G^2 + 2 C m)),  and where K is reached before, at t = (K - G) / C,  r2 = m / K + (K - G)^2 / (2 C K)
 *
 * and radius(x) = min over j of max(r2, m / K_yj), rounded down. G is the computed length and `gradientError`. Gradients are taken only for
 * classes that can decide. Null where there is no bound, or several samples make one run.
 */
export async function secondOrder(
  options: SecondOrderOptions,
  decide: (index: number) => Decision,
): Promise<SecondOrder | null> {
  const { subject, engine, data, propagation, sizes, margins, inputSize, signal, onProgress } = options;
  const layout = layoutOf(subject, data.shape, data.count);
  if (layout.perRun !== 1) return null;
  const bounds = await pairHessianBounds(propagation);
  if (!Number.isFinite(bounds.value)) return null;
  const slack = gradientError(propagation, sizes, inputSize, up(Math.SQRT2));
  if (!Number.isFinite(slack)) return null;
  const { size, width, samples } = layout;
  const programs = await hessians(engine, subject, "linear", layout, "float64");
  const radii: number[] = [];
  try {
    for (let first = 0; first < data.count; first += samples) {
      const decisions = Array.from({ length: Math.min(samples, data.count - first) }, (_, s) => decide(first + s));
      const searches = decisions.map((d) => searchOf(d, margins, bounds.pair));
      const x = new Float64Array(samples * size);
      x.set(data.x.subarray(first * size, (first + samples) * size));
      for (;;) {
        signal?.throwIfAborted();
        const asked = searches.map((s) => s.next());
        if (asked.every((gap) => gap === null)) break;
        const u = new Float64Array(samples * width);
        asked.forEach((gap, s) => {
          if (!gap) return;
          u[s * width + decisions[s].predicted] = 1;
          u[s * width + gap.other] = -1;
        });
        const g = await programs.gradient(x, u);
        asked.forEach((gap, s) => {
          if (gap) searches[s].answer(gap, addUp(frobeniusUp(g.subarray(s * size, (s + 1) * size)), slack));
        });
      }
      radii.push(...searches.map((s) => s.radius()));
      onProgress?.(Math.min(1, (first + samples) / data.count));
    }
  } finally {
    await programs.dispose();
  }
  return { value: bounds.value, method: bounds.method, gradientError: slack, radii };
}

/** How far a margin lasts whose slope is at most min(G + C s, K) at distance s; rounded down. */
export function reachOfSecondOrder(margin: number, G: number, C: number, K: number): number {
  if (!(margin > 0 && margin < Number.POSITIVE_INFINITY)) return 0;
  const root = sqrtUp(addUp(timesUp(G, G), timesUp(timesUp(2, C), margin)));
  const fall = addUp(G, root);
  if (fall === 0) return Number.POSITIVE_INFINITY;
  const curved = down((2 * margin) / fall);
  // Any t gives a radius; this one is the best, and how it was rounded does not matter.
  const t = (K - G) / C;
  const spent = addUp(timesUp(G, t), timesUp(timesUp(C, t), t / 2));
  const straight = t > 0 && t < Number.POSITIVE_INFINITY ? down(t + down(down(margin - spent) / K)) : 0;
  // Not Math.max: it would let NaN through.
  const radius = straight > curved && spent < margin ? straight : curved;
  return radius >= Number.MIN_VALUE ? radius : 0;
}

// --- internal ---

interface Search {
  /** The gap whose gradient is needed next; null where the radius is known. */
  next(): Gap | null;
  answer(gap: Gap, G: number): void;
  radius(): number;
}

/** The smallest radius over all gaps, by asking for as few gradients as decide it: the gaps with the smallest radius of first order first. */
function searchOf(
  { predicted, gaps }: Decision,
  margins: Margins,
  curvature: (y: number, j: number) => number,
): Search {
  const order = [...gaps].sort((a, b) => a.radius - b.radius);
  let least = Number.POSITIVE_INFINITY;
  let at = 0;
  return {
    next() {
      for (; at < order.length && order[at].radius < least; at++) {
        const gap = order[at];
        const K = margins.pair(predicted, gap.other);
        const C = curvature(predicted, gap.other);
        // Where C m is larger, even a gradient of 0 adds only K / (2 C), a thousandth of m / K.
        if (gap.margin > 0 && C * gap.margin < 500 * K * K) return gap;
        least = Math.min(least, gap.radius);
      }
      return null;
    },
    answer(gap, G) {
      at++;
      const { other, margin } = gap;
      const own = reachOfSecondOrder(margin, G, curvature(predicted, other), margins.pair(predicted, other));
      least = Math.min(least, Math.max(gap.radius, own));
    },
    // Gaps that were not asked for have at least the radius of the first of them.
    radius: () => (at < order.length ? Math.min(least, order[at].radius) : least),
  };
}
