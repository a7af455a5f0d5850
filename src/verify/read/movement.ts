/** @file Operators that move numbers, all of them: shapes and orders. */

import { identity, selection } from "../algebra/sparse.ts";
import { type Arguments, axesOf, axisOf, check, isVarying, type Made, type Operators } from "./arguments.ts";
import type { Constant } from "./constant.ts";
import { count, linear, type Varying } from "./step.ts";

export const movements: Operators = {
  Identity: { attributes: [], inputs: [1, 1], read: (a) => a.any(0) },
  Dropout: {
    attributes: ["ratio", "seed"],
    inputs: [1, 3],
    outputs: 2,
    read(a) {
      // In inference it passes on what it reads; nothing may read which numbers it kept.
      check(a, !a.has(2), "whether it is training must be left out");
      return a.output === 0 ? a.any(0) : null;
    },
  },
  Reshape: {
    attributes: ["allowzero"],
    inputs: [2, 2],
    read(a) {
      const x = a.any(0);
      const given = a.whole(1);
      // Without a 0 in it a shape is the same, whatever a 0 would mean.
      check(a, !a.flag("allowzero", 0) || !given.includes(0), "with allowzero its shape must have no 0");
      const shape = given.map((d, i) => (d === 0 ? (x.shape[i] ?? 0) : d));
      return reshaped(a, x, resolved(a, shape, count(x.shape)));
    },
  },
  Flatten: {
    attributes: ["axis"],
    inputs: [1, 1],
    read(a) {
      const x = a.any(0);
      const rank = x.shape.length;
      // It may be the rank itself; below 0 it counts from the rank, as every axis does.
      const given = a.number("axis", 1);
      const axis = given === rank ? rank : axisOf(a, given, rank);
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
};

// --- internal ---

function reshaped(a: Arguments, x: Varying | Constant, shape: readonly number[]): Made {
  check(a, count(shape) === count(x.shape), `[${x.shape}] must fit [${shape}]`);
  if (!isVarying(x)) return { ...x, shape };
  return linear(a.out, shape, x.tensor, identity(count(shape)));
}

function resolved(a: Arguments, shape: readonly number[], size: number): readonly number[] {
  const free = shape.filter((d) => d === -1).length;
  check(a, free <= 1 && shape.every((d) => d === -1 || (Number.isInteger(d) && d > 0)), `[${shape}] is no shape`);
  const known = shape.reduce((n, d) => (d === -1 ? n : n * d), 1);
  check(a, free === 0 || size % known === 0, `${size} numbers must fit [${shape}]`);
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
