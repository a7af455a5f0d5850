/** @file Operators that calculate shapes, as exporters write a flatten: they read no number of the sample, and what they make is constant. And weights in 8 bits, which are constants too. */

import { selection } from "../algebra/sparse.ts";
import { type Arguments, axisOf, check, isVarying, type Operators } from "./arguments.ts";
import type { Constant } from "./constant.ts";
import { count, linear } from "./step.ts";

export const shapes: Operators = {
  Shape: {
    attributes: ["start", "end"],
    inputs: [1, 1],
    read(a) {
      const { shape } = a.any(0);
      const at = (v: number) => Math.min(shape.length, Math.max(0, v < 0 ? v + shape.length : v));
      const part = shape.slice(at(a.number("start", 0)), at(a.number("end", shape.length)));
      return { type: "int", shape: [part.length], data: Float64Array.from(part) };
    },
  },
  Gather: {
    attributes: ["axis"],
    inputs: [2, 2],
    read(a) {
      const x = a.any(0);
      const axis = axisOf(a, a.number("axis", 0), x.shape.length);
      const places = a.wholeTensor(1);
      const d = x.shape[axis];
      const kept = Array.from(places.data, (v) => (v < 0 ? v + d : v));
      check(
        a,
        kept.every((v) => Number.isInteger(v) && v >= 0 && v < d),
        "a place is not there",
      );
      const [before, inner] = [count(x.shape.slice(0, axis)), count(x.shape.slice(axis + 1))];
      const shape = [...x.shape.slice(0, axis), ...places.shape, ...x.shape.slice(axis + 1)];
      const from = Int32Array.from({ length: before * kept.length * inner }, (_, k) => {
        const row = Math.floor(k / inner);
        return (Math.floor(row / kept.length) * d + kept[row % kept.length]) * inner + (k % inner);
      });
      if (isVarying(x)) return linear(a.out, shape, x.tensor, selection(from, count(x.shape)));
      return { ...x, shape, data: Float64Array.from(from, (k) => x.data[k]) };
    },
  },
  Cast: {
    attributes: ["to", "saturate"],
    inputs: [1, 1],
    read(a) {
      const x = a.any(0);
      const to = a.number("to", 0);
      if (to === 6 || to === 7) {
        check(a, !isVarying(x) && x.type === "int", "only whole numbers are cast to whole numbers");
        check(a, to === 7 || x.data.every(isModest), "a whole number is out of range");
        return x;
      }
      const bits = floats[to as keyof typeof floats];
      check(a, bits !== undefined, `to must be a floating-point type, int32 or int64, got ${to}`);
      if (isVarying(x)) {
        check(a, bits === a.model.bits, `what varies is float${a.model.bits}, and stays so`);
        return x;
      }
      const { type, bits: before = 64 } = x;
      check(a, type !== "int" || x.data.every(isModest), "a whole number is out of range");
      // Rounding to halves is left to those who write them.
      check(a, bits > 16 || (type === "float" && before === 16), "a constant must not become one of halves");
      const data = bits === 32 ? x.data.map(Math.fround) : x.data;
      check(a, data.every(Number.isFinite), "a number is not finite");
      return { type: "float", bits, shape: x.shape, data };
    },
  },
  // (w - zero) scale, in float32 as a runtime rounds it.
  DequantizeLinear: {
    attributes: ["axis"],
    inputs: [2, 3],
    read(a) {
      const few = a.any(0);
      check(a, !isVarying(few) && few.type === "few", "it must widen a constant in 8 bits");
      const scale = a.constant(1);
      check(a, scale.bits === 32, "its scale must be float32");
      const zero = a.has(2) ? a.any(2) : null;
      check(a, zero === null || (!isVarying(zero) && zero.type === "few"), "its zero must be a constant in 8 bits");
      const scales = alongAxis(a, scale, few.shape);
      const zeros = zero && !isVarying(zero) ? alongAxis(a, zero, few.shape) : () => 0;
      const data = few.data.map((w, k) => Math.fround((w - zeros(k)) * scales(k)));
      check(a, data.every(Number.isFinite), "a number is not finite");
      return { type: "float", bits: 32, shape: few.shape, data };
    },
  },
};

/** Whole numbers of shapes that are added or multiplied; null where an operand is none. */
export function wholes(a: Arguments, of: (x: number, y: number) => number): Constant | null {
  const [x, y] = a.operands;
  if (!x || !y || isVarying(x) || isVarying(y) || x.type !== "int" || y.type !== "int") return null;
  const one = (c: Constant) => c.data.length === 1;
  const fits = one(x) || one(y) || x.shape.join() === y.shape.join();
  check(a, fits, "what it calculates with must have one shape");
  const shape = x.data.length >= y.data.length && x.shape.length >= y.shape.length ? x.shape : y.shape;
  // Beyond that a constant is only known to be large.
  check(a, [...x.data, ...y.data].every(isModest), "a whole number is out of range");
  const at = (c: Constant, k: number) => c.data[one(c) ? 0 : k];
  const data = Float64Array.from({ length: count(shape) }, (_, k) => of(at(x, k), at(y, k)));
  check(a, data.every(isModest), "a whole number is out of range");
  return { type: "int", shape, data };
}

// --- internal ---

/** What 32 bits hold as well as 64. */
const isModest = (v: number): boolean => Number.isInteger(v) && Math.abs(v) < 2 ** 31;

/** Bits of floating-point types, by the number of ONNX. */
const floats = { 1: 32, 10: 16, 11: 64 } as const;

/** One number for all, or one for each place along the axis of the node. */
function alongAxis(a: Arguments, { shape, data }: Constant, of: readonly number[]): (k: number) => number {
  if (data.length === 1) return () => data[0];
  const axis = axisOf(a, a.number("axis", 1), of.length);
  check(a, shape.length === 1 && shape[0] === of[axis], `[${shape}] must have a number for each of ${of[axis]} places`);
  const inner = count(of.slice(axis + 1));
  return (k) => data[Math.floor(k / inner) % shape[0]];
}
