/** @file Operators that repeat numbers, make constants of a shape, or take a tensor apart along an axis. */
import { largestTensor } from "../algebra/sparse.ts";
import { type Arguments, axisOf, check, isVarying, type Operators } from "./arguments.ts";
import { broadcastShape, moved } from "./places.ts";

export const repeatings: Operators = {
  // The parts are named, or as equal as they can be: the last one is the shorter one, and before operator set 18 there is no shorter one.
  Split: {
    attributes: ["axis", "split", "num_outputs"],
    inputs: [1, 2],
    outputs: 256,
    read(a) {
      const x = a.any(0);
      const axis = axisOf(a, a.number("axis", 0), x.shape.length);
      const n = a.node.outputs.length;
      check(a, a.number("num_outputs", n) === n, `num_outputs must be the number of its outputs, ${n}`);
      const d = x.shape[axis];
      const named = a.list("split") ?? (a.has(1) ? a.whole(1) : undefined);
      const each = Math.ceil(d / n);
      check(a, named !== undefined || d % n === 0 || a.model.opset >= 18, `an axis of ${d} must have ${n} equal parts`);
      check(a, !(named && a.node.attributes.has("num_outputs")), "it must not have both num_outputs and split");
      const parts = named ?? Array.from({ length: n }, (_, i) => Math.min(each, d - i * each));
      check(
        a,
        parts.length === n &&
          parts.every((p) => Number.isInteger(p) && p >= 1) &&
          parts.reduce((s, p) => s + p, 0) === d,
        `its parts [${parts}] must be ${n} that add up to ${d}`,
      );
      const first = parts.slice(0, a.output).reduce((s, p) => s + p, 0);
      const shape = x.shape.map((size, i) => (i === axis ? parts[a.output] : size));
      return moved(a, x, shape, (place) => place.map((p, i) => (i === axis ? p + first : p)));
    },
  },
  Expand: {
    attributes: [],
    inputs: [2, 2],
    read(a) {
      const x = a.any(0);
      const shape = broadcastShape(a, x.shape, lengths(a, 1));
      const missing = shape.length - x.shape.length;
      return moved(a, x, shape, (place) => place.slice(missing).map((p, axis) => (x.shape[axis] === 1 ? 0 : p)));
    },
  },
  Tile: {
    attributes: [],
    inputs: [2, 2],
    read(a) {
      const x = a.any(0);
      const repeats = lengths(a, 1);
      check(a, repeats.length === x.shape.length, "it must have a number of repeats for every axis");
      const shape = x.shape.map((d, axis) => d * repeats[axis]);
      return moved(a, x, shape, (place) => place.map((p, axis) => p % x.shape[axis]));
    },
  },
  ConstantOfShape: {
    attributes: ["value"],
    inputs: [1, 1],
    read(a) {
      const shape = lengths(a, 0);
      const size = shape.reduce((n, d) => n * d, 1);
      check(a, size <= largestTensor, "it must not be that large");
      const value = a.node.attributes.get("value");
      // What is not named is a float32 zero.
      if (value === undefined) return { type: "float", bits: 32, shape, data: new Float64Array(size) };
      check(a, typeof value === "object" && "data" in value && value.data.length === 1, "its value must be one number");
      return { ...value, shape, data: new Float64Array(size).fill(value.data[0]) };
    },
  },
};

// --- internal ---

/** A list of whole numbers from 1 on. */
function lengths(a: Arguments, i: number): readonly number[] {
  const operand = a.any(i);
  check(a, !isVarying(operand) && operand.shape.length === 1, `input ${i} must be a list`);
  const list = a.whole(i);
  check(
    a,
    list.every((d) => Number.isInteger(d) && d >= 1),
    `input ${i}: [${list}] must be whole numbers from 1 on`,
  );
  return list;
}
