/** @file The remainder of a division: it rises with slope 1 between two multiples of the divisor, and jumps at them. */
import { apply, type Node, type Op, type Slopes } from "../graph/graph.ts";
import { isConstant } from "../graph/leaf.ts";
import { ShapeError } from "../tensor/errors.ts";
import { sameShape } from "../tensor/shape.ts";
import { isFloat } from "../tensor/tensor.ts";
import { div, mul, neg } from "./arith.ts";
import { broadcastTogether, isBroadcast } from "./broadcast.ts";
import { steep, unbounded } from "./facts.ts";
import { floor, sign } from "./pointwise.ts";

/** "truncated": the sign of a, as C's fmod; "floored": that of b, as Python's %. */
export type Remainder = "truncated" | "floored";

/** What is left of a when whole multiples of b are taken off; floating-point numbers by truncation only, as ONNX Runtime has it. */
export const remainder = (a: Node, b: Node, how: Remainder): Node =>
  apply(remainderOp, broadcastTogether("remainder", [a, b]), how);

// --- internal ---

const why = "a remainder jumps at multiples of its divisor";

const remainderOp: Op<Remainder> = {
  name: "Mod",
  infer([a, b], how) {
    if (a.dtype !== b.dtype || !sameShape(a.shape, b.shape)) {
      throw new ShapeError(`remainder: both must have one type, got ${a.dtype} and ${b.dtype}`);
    }
    if (isFloat(a.dtype) && how === "floored") {
      throw new ShapeError(`remainder: ${a.dtype} must be "truncated", got "floored"`);
    }
    return { dtype: a.dtype, shape: a.shape };
  },
  // a - b trunc(a / b)
  vjp(y, dy) {
    if (!isFloat(y.dtype)) return [null, null];
    const [a, b] = y.inputs;
    const quotient = div(a, b);
    const whole = mul(sign(quotient), floor(mul(sign(quotient), quotient)));
    return [dy, neg(mul(dy, whole))];
  },
  behaviour(y, [, b]) {
    const divisor = b ? null : divisorOf(y.inputs[1]);
    return divisor === null ? unbounded(why) : steep(why, slopesBetween(divisor));
  },
  evaluate: (y, [a, b]) => a.map((v, i) => (y.attrs === "truncated" ? v % b[i] : floored(v, b[i]))),
  onnx: (y, build) => build.node("Mod", build.operands(), { fmod: y.attrs === "truncated" ? 1 : 0 }),
};

const floored = (a: number, b: number): number => {
  const rest = a % b;
  return rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest;
};

/** The size of the one number that every divisor is, whatever its sign; null where they differ, or it is 0. */
function divisorOf(node: Node): number | null {
  const bare = isBroadcast(node) ? node.inputs[0] : node;
  if (!isConstant(bare) || !isFloat(bare.dtype) || bare.attrs.data.length === 0) return null;
  const sizes = Float64Array.from(bare.attrs.data as ArrayLike<number>, Math.abs);
  return sizes[0] > 0 && sizes.every((v) => v === sizes[0]) ? sizes[0] : null;
}

/** 1 where no multiple of q lies between two points; 0 itself is no jump, since what is truncated falls and rises through it. */
const slopesBetween =
  (q: number): Slopes =>
  (low, high) => {
    const apart = (from: number, to: number) => to - from < q * (1 - 2 ** -50) && to % q >= from % q;
    const together = low >= 0 ? apart(low, high) : high <= 0 ? apart(-high, -low) : low > -q && high < q;
    return together ? [1, 1] : [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  };
