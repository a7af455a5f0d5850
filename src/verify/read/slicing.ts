/** @file Operators that take a part of a tensor, or put several side by side. */

import { selection, sparse } from "../algebra/sparse.ts";
import { axisOf, check, isVarying, joined, type Operators } from "./arguments.ts";
import type { Constant } from "./constant.ts";
import { sortedBy } from "./sorting.ts";
import { count, linear, type Part } from "./step.ts";

export const slicings: Operators = {
  Slice: {
    attributes: ["starts", "ends", "axes"],
    inputs: [1, 5],
    read(a) {
      const x = a.any(0);
      const asked = (key: string, i: number) => a.list(key) ?? (a.has(i) ? a.whole(i) : undefined);
      const [starts, ends] = [asked("starts", 1), asked("ends", 2)];
      check(a, starts !== undefined && ends !== undefined, "it must have starts and ends");
      const axes = (asked("axes", 3) ?? starts.map((_, i) => i)).map((axis) => axisOf(a, axis, x.shape.length));
      const steps = a.has(4) ? a.whole(4) : starts.map(() => 1);
      check(
        a,
        [ends, axes, steps].every((l) => l.length === starts.length) && new Set(axes).size === axes.length,
        "its lists must have one length, and no axis twice",
      );
      check(
        a,
        steps.every((s) => Number.isInteger(s) && s !== 0) && [...starts, ...ends].every(Number.isInteger),
        "it must go in whole steps",
      );
      const kept = x.shape.map((d, axis) => {
        const k = axes.indexOf(axis);
        const all = Array.from({ length: d }, (_, i) => i);
        if (k < 0) return all;
        // Backward, the end may be in front of the first.
        const [least, most] = steps[k] > 0 ? [0, d] : [-1, d - 1];
        const at = (v: number) => Math.min(most, Math.max(least, v < 0 ? v + d : v));
        const [start, end, step] = [at(starts[k]), at(ends[k]), steps[k]];
        const kept = all.filter((i) => (step > 0 ? i >= start && i < end : i <= start && i > end));
        return (step > 0 ? kept : kept.reverse()).filter((i) => (i - start) % step === 0);
      });
      const shape = kept.map((list) => list.length);
      check(a, count(shape) > 0, "it must keep something");
      const from = Int32Array.from({ length: count(shape) }, (_, i) => {
        let [rest, at, stride] = [i, 0, 1];
        for (let axis = shape.length - 1; axis >= 0; axis--) {
          at += kept[axis][rest % shape[axis]] * stride;
          rest = Math.floor(rest / shape[axis]);
          stride *= x.shape[axis];
        }
        return at;
      });
      if (isVarying(x)) return linear(a.out, shape, x.tensor, selection(from, count(x.shape)));
      return { ...x, shape, data: Float64Array.from(from, (k) => x.data[k]) };
    },
  },
  Concat: {
    attributes: ["axis"],
    inputs: [1, 64],
    read(a) {
      const given = a.operands.map((_, i) => a.any(i));
      const all = given;
      check(a, a.node.attributes.has("axis"), "its axis must be named");
      const axis = axisOf(a, a.number("axis", 0), all[0].shape.length);
      const rest = (s: readonly number[]) => s.filter((_, i) => i !== axis).join();
      check(
        a,
        all.every((x) => x.shape.length === all[0].shape.length && rest(x.shape) === rest(all[0].shape)),
        "what it joins must fit",
      );
      const shape = all[0].shape.map((d, i) => (i === axis ? all.reduce((n, x) => n + x.shape[axis], 0) : d));
      const inner = count(shape.slice(axis + 1));
      const whole = shape[axis] * inner;
      const bias = new Float64Array(count(shape));
      const parts: Part[] = [];
      let before = 0;
      for (const x of all) {
        const [from, wide] = [before, x.shape[axis] * inner];
        before += wide;
        const numberAt = (i: number) => {
          const at = (i % whole) - from;
          return at >= 0 && at < wide ? Math.floor(i / whole) * wide + at : -1;
        };
        if (isVarying(x)) {
          const matrix = sparse(bias.length, count(x.shape), (i, put) => {
            if (numberAt(i) >= 0) put(numberAt(i), 1);
          });
          parts.push({ from: x.tensor, matrix });
        } else
          bias.forEach((_, i) => {
            if (numberAt(i) >= 0) bias[i] = x.data[numberAt(i)];
          });
      }
      const constants = all.filter((x) => !isVarying(x)) as Constant[];
      if (constants.length === all.length) {
        const [{ type, bits }] = constants;
        check(
          a,
          constants.every((c) => c.type === type),
          "constants that it joins must have one type",
        );
        return { type, ...(bits && { bits }), shape, data: bias };
      }
      check(
        a,
        constants.every((c) => c.type === "float"),
        "what it joins must be floating-point numbers",
      );
      const sorts = constants.length > 0 ? undefined : sortedBy(a, all.filter(isVarying));
      return {
        kind: "affine",
        tensor: a.out,
        shape,
        parts: joined(parts),
        bias,
        biasSize: bias.map(Math.abs),
        roundings: 0,
        ...(sorts === undefined ? {} : { sorts }),
      };
    },
  },
};
