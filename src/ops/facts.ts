/** @file The behaviours that several families share, with constants rounded outward. */
import type { Behaviour, Node, Slopes } from "../graph/graph.ts";

/** The next representable number above a positive one, twice: covers the rounding of one division and one square root. */
export const up = (v: number): number => v * (1 + 2 ** -50);

export const isometry: Behaviour = { kind: "isometry" };
export const otherLinear: Behaviour = { kind: "linear", of: { form: "other" } };

/** A linear op whose norms are known in closed form. */
export const bounded = (one: number, two: number, inf: number): Behaviour => ({
  kind: "linear",
  of: { form: "bounded", norm: { 1: one, 2: two, inf } },
});

/** Without `slopes` the range on an interval is that on the whole line. */
export const pointwise = (low: number, high: number, curvature: number, slopes?: Slopes): Behaviour => ({
  kind: "pointwise",
  slope: [low, high],
  slopeOn(from, to) {
    if (!slopes) return [low, high];
    const [least, most] = slopes(from, to);
    return [Math.max(low, least), Math.min(high, most)];
  },
  curvature,
});

export const unbounded = (why: string): Behaviour => ({ kind: "unbounded", why });

/** x times (or over) factors that are held fixed. */
export const diagonal = (factors: Node, inverse: boolean): Behaviour => ({
  kind: "linear",
  of: { form: "diagonal", factors, inverse },
});
