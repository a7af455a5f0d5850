/** @file The behaviours that several families share, with constants rounded outward. */
import type { Behaviour, Local, Node, Slopes, WindowSums } from "../graph/graph.ts";

/** The next representable number above a positive one, twice: covers the rounding of one division and one square root. */
export const up = (v: number): number => v * (1 + 2 ** -50);

export const isometry: Behaviour = { kind: "isometry" };
export const otherLinear: Behaviour = { kind: "linear", of: { form: "other" } };

/** A linear op whose norms are known in closed form. */
export const bounded = (one: number, two: number, inf: number, sums?: WindowSums): Behaviour => ({
  kind: "linear",
  of: { form: "bounded", norm: { 1: one, 2: two, inf }, ...(sums ? { sums } : {}) },
});

/** Of a reduction over all axes behind the channels: each channel is one window. */
export function channelSums(
  y: Node<{ readonly axes: readonly number[] }>,
  low: number,
  high: number,
): WindowSums | undefined {
  const [, , ...space] = y.inputs[0].shape;
  const { axes } = y.attrs;
  if (space.length === 0 || axes.length !== space.length || space.some((_, i) => !axes.includes(i + 2)))
    return undefined;
  const ones = space.map(() => 1);
  return { kernel: space, strides: space, pads: [...space, ...space].map(() => 0), dilations: ones, low, high };
}

/** Without `slopes` the range on an interval is that on the whole line; `curvatureOn` is that of the second derivative. */
export const pointwise = (
  low: number,
  high: number,
  curvature: number,
  slopes?: Slopes,
  curvatureOn?: Slopes,
): Behaviour => ({
  kind: "pointwise",
  slope: [low, high],
  slopeOn(from, to) {
    if (!slopes) return [low, high];
    const [least, most] = slopes(from, to);
    return [Math.max(low, least), Math.min(high, most)];
  },
  curvature,
  ...(curvatureOn && { curvatureOn }),
});

/** Without a constant on all of space; `local` says what there is on a part of it. */
export const unbounded = (why: string, local?: Local): Behaviour => ({
  kind: "unbounded",
  why,
  ...(local ? { local } : {}),
});

/** A function of one number whose slope grows without bound: these are its slopes on a range. */
export const steep = (why: string, slopeOn: Slopes): Behaviour => unbounded(why, { kind: "slopes", slopeOn });

/** A product that is linear in each of two varying inputs. */
export const product = (of: "elements" | "matrices" | "windows"): Behaviour =>
  unbounded("product of two varying branches", { kind: "product", of });

/** x times (or over) factors that are held fixed. */
export const diagonal = (factors: Node, inverse: boolean): Behaviour => ({
  kind: "linear",
  of: { form: "diagonal", factors, inverse },
});
