/** @file What a margin can lose within a distance: at most its constant times that, and near a sample no more than its gradient and curvature say. */
import { addUp, timesUp } from "../algebra/rounding.ts";

/**
 * An upper bound of what a function loses within `radius` of a point: its slope at distance s is at most min(G + C s, K), so that for any t in [0, radius]
 *
 *     G t + C t^2 / 2 + K (radius - t).
 */
export function lossWithin(radius: number, G: number, C: number, K: number): number {
  const straight = timesUp(radius, K);
  if (!(G < K && C < Number.POSITIVE_INFINITY)) return straight;
  const t = turn(G, C, K);
  if (radius <= t) return Math.min(straight, addUp(timesUp(G, radius), timesUp(timesUp(C, radius), radius / 2)));
  // The rest is taken with its rounding: t is one number, whatever it was to be.
  const rest = Math.max(0, radius - t) * (1 + 2 ** -50);
  const curved = addUp(timesUp(G, t), timesUp(timesUp(C, t), t / 2));
  return Math.min(straight, addUp(curved, timesUp(K, rest)));
}

/** A radius within which no more than `margin` is lost, near the largest one. */
export function certifiedRadius(margin: number, G: number, C: number, K: number): number {
  if (!(margin > 0)) return 0;
  if (K === 0) return Number.POSITIVE_INFINITY;
  const straight = (margin / K) * (1 - 2 ** -51);
  if (!(G < K && C < Number.POSITIVE_INFINITY)) return straight;
  const t = turn(G, C, K);
  const spent = addUp(timesUp(G, t), timesUp(timesUp(C, t), t / 2));
  const curved = (2 * margin) / (G + Math.sqrt(G * G + 2 * C * margin));
  const radius = (spent < margin ? t + (margin - spent) / K : curved) * (1 - 2 ** -45);
  return radius > straight && lossWithin(radius, G, C, K) < margin ? radius : straight;
}

// --- internal ---

/** Where the slope has become K. */
const turn = (G: number, C: number, K: number): number => (C > 0 ? (K - G) / C : Number.MAX_VALUE);
