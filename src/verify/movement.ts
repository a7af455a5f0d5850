/** @file Operators that move numbers: shapes, orders, slices, and what is put side by side. */
import { type Arguments, axesOf, axisOf, check, isVarying, joined, type Made, type Operators } from "./arguments.ts";
import type { Constant } from "./constant.ts";
import { identity, selection, sparse } from "./sparse.ts";
import { count, linear, type Varying } from "./step.ts";

export const movements: Operators = {
  Identity: { attributes: [], inputs: [1, 1], read: (a) => a.any(0) },
  Dropout: {
    attributes: ["ratio", "seed"],
    inputs: [1, 3],
    read(a) {
      check(a, !a.has(2), "whether it is training must be left out");
      return a.varying(0);
    },
  },
  Reshape: {
    attributes: ["allowzero"],
    inputs: [2, 2],
    read(a) {
      a.only("allowzero", 0);
      const x = a.any(0);
      const shape = a.whole(1).map((d, i) => (d === 0 ? (x.shape[i] ?? 0) : d));
      return reshaped(a, x, resolved(a, shape, count(x.shape)));
    },
  },
  Flatten: {
    attributes: ["axis"],
    inputs: [1, 1],
    read(a) {
      const x = a.varying(0);
      const axis = axisOf(a, a.number("axis", 1), x.shape.length + 1);
      return reshaped(a, x, [count(x.shape.slice(0, axis)), count(x.shape.slice(axis))]);
    },
  },
  Squeeze: {
    attributes: ["axes"],
    inputs: [1, 2],
    read(a) {
      const x = a.any(0);
      const axes = axesOf(a, x.shape.length) ?? x.shape.flatMap((d, i) => (d === 1 ? [i] : []));
      check(
        a,
        axes.every((i) => x.shape[i] === 1),
        "it must drop axes of length 1",
      );
      return reshaped(
        a,
        x,
        x.shape.filter((_, i) => !axes.includes(i)),
      );
    },
  },
  Unsqueeze: {
    attributes: ["axes"],
    inputs: [1, 2],
    read(a) {
      const x = a.any(0);
      const given = a.list("axes")?.length ?? (a.has(1) ? a.whole(1).length : 0);
      const axes = axesOf(a, x.shape.length + given);
      check(a, axes !== undefined, "it must name axes");
      const rest = [...x.shape];
      const shape = Array.from({ length: x.shape.length + given }, (_, i) =>
        axes.includes(i) ? 1 : (rest.shift() as number),
      );
      return reshaped(a, x, shape);
    },
  },
  Transpose: {
    attributes: ["perm"],
    inputs: [1, 1],
    read(a) {
      const x = a.any(0);
      const perm = a.list("perm") ?? x.shape.map((_, i) => x.shape.length - 1 - i);
      check(
        a,
        [...perm].sort((p, q) => p - q).every((p, i) => p === i) && perm.length === x.shape.length,
        "perm must name every axis once",
      );
      const from = permutation(x.shape, perm);
      const shape = perm.map((p) => x.shape[p]);
      if (isVarying(x)) return linear(a.out, shape, x.tensor, selection(from, count(x.shape)));
      return { ...x, shape, data: Float64Array.from(from, (k) => x.data[k]) };
    },
  },
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
        steps.every((s) => Number.isInteger(s) && s >= 1) && [...starts, ...ends].every(Number.isInteger),
        "it must go forward in whole steps",
      );
      const kept = x.shape.map((d, axis) => {
        const k = axes.indexOf(axis);
        const all = Array.from({ length: d }, (_, i) => i);
        if (k < 0) return all;
        const at = (v: number) => Math.min(d, Math.max(0, v < 0 ? v + d : v));
        return all.filter((i) => i >= at(starts[k]) && i < at(ends[k]) && (i - at(starts[k])) % steps[k] === 0);
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
      const all = a.operands.map((_, i) => a.varying(i));
      const axis = axisOf(a, a.number("axis", 0), all[0].shape.length);
      const rest = (s: readonly number[]) => s.filter((_, i) => i !== axis).join();
      check(
        a,
        all.every((x) => x.shape.length === all[0].shape.length && rest(x.shape) === rest(all[0].shape)),
        "what it joins must fit",
      );
      const shape = all[0].shape.map((d, i) => (i === axis ? all.reduce((n, x) => n + x.shape[axis], 0) : d));
      const inner = count(shape.slice(axis + 1));
      let before = 0;
      const parts = all.map((x) => {
        const [from, wide] = [before, x.shape[axis] * inner];
        before += wide;
        const whole = shape[axis] * inner;
        const matrix = sparse(count(shape), count(x.shape), (i, put) => {
          const at = (i % whole) - from;
          if (at >= 0 && at < wide) put(Math.floor(i / whole) * wide + at, 1);
        });
        return { from: x.tensor, matrix };
      });
      const bias = new Float64Array(count(shape));
      const sorts = sortedBy(a, all);
      return {
        kind: "affine",
        tensor: a.out,
        shape,
        parts: joined(parts),
        bias,
        biasSize: bias,
        roundings: 0,
        ...(sorts === undefined ? {} : { sorts }),
      };
    },
  },
};

// --- internal ---

/** The tensor whose numbers two operands sort in disjoint pairs: the larger ones and the smaller ones of two halves of it. */
function sortedBy(a: Arguments, operands: readonly Varying[]): string | undefined {
  const extremes = operands.map(({ tensor }) => {
    const step = a.stepOf(tensor);
    return step?.kind === "affine" ? step.extreme : undefined;
  });
  if (extremes.length !== 2) return undefined;
  const [first, second] = extremes;
  if (!first || !second || first.which === second.which) return undefined;
  const [p, q] = first.of;
  if (p === q || !second.of.includes(p) || !second.of.includes(q)) return undefined;
  const halves = [p, q].map((tensor) => a.stepOf(tensor));
  const places = new Set<number>();
  let read = 0;
  let whole: string | undefined;
  for (const half of halves) {
    // A half that is shifted was rounded, which no sorting of the whole would be.
    if (half?.kind !== "affine" || half.parts.length !== 1 || half.bias.some((b) => b !== 0)) return undefined;
    const [{ from, matrix }] = half.parts;
    if (whole !== undefined && whole !== from) return undefined;
    whole = from;
    for (let i = 0; i < matrix.rows; i++) {
      const k = matrix.start[i];
      if (matrix.start[i + 1] !== k + 1 || matrix.value[k] !== 1 || matrix.roundings > 0) return undefined;
      places.add(matrix.index[k]);
      read++;
    }
  }
  // No number is in two pairs.
  return places.size === read ? whole : undefined;
}

function reshaped(a: Arguments, x: Varying | Constant, shape: readonly number[]): Made {
  check(a, count(shape) === count(x.shape), `[${x.shape}] must fit [${shape}]`);
  if (!isVarying(x)) return { ...x, shape };
  return linear(a.out, shape, x.tensor, identity(count(shape)));
}

function resolved(a: Arguments, shape: readonly number[], size: number): readonly number[] {
  const free = shape.filter((d) => d === -1).length;
  check(a, free <= 1 && shape.every((d) => d === -1 || (Number.isInteger(d) && d > 0)), `[${shape}] is no shape`);
  const known = shape.reduce((n, d) => (d === -1 ? n : n * d), 1);
  return shape.map((d) => (d === -1 ? size / known : d));
}

/** Where number i of the result comes from. */
function permutation(shape: readonly number[], perm: readonly number[]): Int32Array {
  const strides = shape.map((_, i) => count(shape.slice(i + 1)));
  const to = perm.map((p) => shape[p]);
  return Int32Array.from({ length: count(shape) }, (_, i) => {
    let rest = i;
    let from = 0;
    for (let axis = to.length - 1; axis >= 0; axis--) {
      from += (rest % to[axis]) * strides[perm[axis]];
      rest = Math.floor(rest / to[axis]);
    }
    return from;
  });
}
