/** @file Pads around a tensor: a number, its edge, its mirror image or itself once more; a pad below 0 cuts. */
import { largestTensor, sparse } from "../algebra/sparse.ts";
import { affine, axisOf, check, isVarying, type Operators } from "./arguments.ts";
import { placeOf, stridesOf } from "./places.ts";
import { count } from "./step.ts";

export const paddings: Operators = {
  Pad: {
    attributes: ["mode", "pads", "value"],
    inputs: [1, 4],
    read(a) {
      const x = a.any(0);
      const rank = x.shape.length;
      const axes = (a.has(3) ? a.whole(3) : x.shape.map((_, i) => i)).map((axis) => axisOf(a, axis, rank));
      check(a, new Set(axes).size === axes.length, "an axis is there twice");
      const pads = a.list("pads") ?? (a.has(1) ? a.whole(1) : undefined);
      check(
        a,
        pads !== undefined && pads.length === 2 * axes.length && pads.every((p) => Number.isInteger(p)),
        "its pads must be two whole numbers for every axis",
      );
      const at = (axis: number, end: 0 | 1) => {
        const k = axes.indexOf(axis);
        return k < 0 ? 0 : pads[k + end * axes.length];
      };
      const shape = x.shape.map((d, axis) => d + at(axis, 0) + at(axis, 1));
      const size = shape.reduce((n, d) => n * d, 1);
      check(
        a,
        shape.every((d) => d >= 1),
        "it must leave something",
      );
      check(a, size <= largestTensor, `[${shape}] is too large`);
      check(
        a,
        x.shape.every((d, axis) => d + Math.min(0, at(axis, 0)) + Math.min(0, at(axis, 1)) >= 1),
        "it must not cut all of an axis",
      );
      const mode = a.word("mode", "constant");
      const outside = modes[mode as keyof typeof modes];
      check(a, outside !== undefined, `mode must be constant, edge, reflect or wrap, got ${mode}`);
      if (mode !== "constant") {
        check(
          a,
          pads.every((p) => p >= 0),
          `by ${mode} it must not cut`,
        );
        // Beyond that runtimes read what is not there.
        const most = (d: number) => (mode === "reflect" ? d - 1 : mode === "wrap" ? d : Number.POSITIVE_INFINITY);
        check(
          a,
          x.shape.every((d, axis) => Math.max(at(axis, 0), at(axis, 1)) <= most(d)),
          `its pads by ${mode} must not be longer than its axes`,
        );
      }
      const strides = stridesOf(x.shape);
      const from = Int32Array.from({ length: size }, (_, k) =>
        placeOf(k, shape).reduce((sum, p, axis) => {
          const d = x.shape[axis];
          const inside = p - at(axis, 0);
          const place = inside >= 0 && inside < d ? inside : outside(inside, d);
          return sum < 0 || place < 0 ? -1 : sum + place * strides[axis];
        }, 0),
      );
      const filled = mode === "constant";
      const given = filled && a.has(2) ? a.any(2) : undefined;
      check(
        a,
        given === undefined ||
          (!isVarying(given) && given.data.length === 1 && given.type === (isVarying(x) ? "float" : x.type)),
        "what it fills with must be one constant number of its type",
      );
      const fill = given && !isVarying(given) ? given.data[0] : filled ? a.number("value", 0) : 0;
      if (!isVarying(x)) return { ...x, shape, data: Float64Array.from(from, (k) => (k < 0 ? fill : x.data[k])) };
      const matrix = sparse(size, count(x.shape), (i, put) => {
        if (from[i] >= 0) put(from[i], 1);
      });
      const bias = Float64Array.from(from, (k) => (k < 0 ? fill : 0));
      return affine(a, shape, x.tensor, matrix, bias, 0);
    },
  },
};

// --- internal ---

/** The place on an axis of length d of what is outside; -1 for what is filled. */
const modes = {
  constant: () => -1,
  edge: (i: number, d: number) => (i < 0 ? 0 : d - 1),
  reflect: (i: number, d: number) => (i < 0 ? -i : 2 * (d - 1) - i),
  wrap: (i: number, d: number) => (i < 0 ? i + d : i - d),
} as const;
