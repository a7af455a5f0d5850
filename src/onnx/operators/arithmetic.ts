/** @file ONNX operators on two or more inputs, and matrix products. Before opset 7 they broadcast only where `broadcast` is 1, and then along a given axis. */
import type { Node } from "../../graph/graph.ts";
import * as arith from "../../ops/arith.ts";
import { asCenteredSoftplus } from "../../ops/centeredSoftplus.ts";
import * as products from "../../ops/matmul.ts";
import { reshape } from "../../ops/movement.ts";
import { remainder } from "../../ops/remainder.ts";
import { ReadError } from "../../tensor/errors.ts";
import { isFloat } from "../../tensor/tensor.ts";
import { type Call, type Operator, Refusal } from "../call.ts";

const binary =
  (f: (a: Node, b: Node) => Node): Operator =>
  (c) => [f(...operands(c))];

export const Add = binary(arith.add);
export const And = binary(arith.and);
export const Div = binary((a, b) => softened(arith.div(a, b)));
export const Equal = binary(arith.equal);
export const Greater = binary(arith.greater);
export const GreaterOrEqual = binary(arith.greaterOrEqual);
export const Less = binary(arith.less);
export const LessOrEqual = binary(arith.lessOrEqual);
export const Mul = binary(arith.mul);
export const Or = binary(arith.or);
export const Sub = binary((a, b) => softened(arith.sub(a, b)));
export const Xor = binary((a, b) => arith.not(arith.equal(arith.cast(a, "int32"), arith.cast(b, "int32"))));

/** The exponent may be of another type; the result has the type of the base. */
export const Pow: Operator = (c) => {
  const [a, b] = operands(c);
  if (a.dtype === b.dtype) return [arith.pow(a, b)];
  if (isFloat(a.dtype)) return [arith.pow(a, arith.cast(b, a.dtype))];
  const wide = isFloat(b.dtype) ? b.dtype : "float64";
  return [arith.cast(arith.pow(arith.cast(a, wide), arith.cast(b, wide)), a.dtype)];
};

/** By truncation (`fmod`), or of whole numbers with the sign of the divisor. */
export const Mod: Operator = (c) => {
  const [a, b] = [c.input(0), c.input(1)];
  const truncated = c.attributes.int("fmod", 0) !== 0;
  if (isFloat(a.dtype) && !truncated)
    throw new Refusal("of floating-point numbers only fmod 1 is read, as ONNX has it");
  return [remainder(a, b, truncated ? "truncated" : "floored")];
};

const chain =
  (f: (a: Node, b: Node) => Node): Operator =>
  (c) => {
    const inputs = c.inputs();
    if (inputs.length === 0) throw new ReadError("it has no input");
    return [inputs.reduce(f)];
  };

export const Max = chain(arith.maximum);
export const Min = chain(arith.minimum);
export const Sum = chain(arith.add);
export const Mean: Operator = (c) => Sum(c).map((total) => arith.div(total, c.inputs().length));

export const Where: Operator = (c) => [arith.where(c.input(0), c.input(1), c.input(2))];

export const MatMul: Operator = (c) => [products.matmul(c.input(0), c.input(1))];

export const Gemm: Operator = (c) => {
  c.attributes.ignore("broadcast");
  const [a, b] = [c.input(0), c.input(1)];
  if (a.shape.length !== 2 || b.shape.length !== 2) throw new ReadError("its first two inputs must be matrices");
  const y = products.gemm(a, b, c.optional(2) ?? undefined, {
    alpha: c.attributes.float("alpha", 1),
    beta: c.attributes.float("beta", 1),
    transA: c.attributes.int("transA", 0) !== 0,
    transB: c.attributes.int("transB", 0) !== 0,
  });
  return [y];
};

// --- internal ---

/** A centred softplus is written as several operators, of which this would be the last. */
const softened = (y: Node): Node => asCenteredSoftplus(y) ?? y;

function operands(c: Call): [Node, Node] {
  const [a, b] = [c.input(0), c.input(1)];
  if (c.opset >= 7) return [a, b];
  const stretch = c.attributes.int("broadcast", 0) !== 0;
  const axis = c.attributes.int("axis", a.shape.length - b.shape.length);
  if (!stretch) return [a, b];
  // The axes of b stand at `axis` and after in a; what follows them is stretched.
  const from = axis < 0 ? axis + a.shape.length : axis;
  const after = a.shape.length - from - b.shape.length;
  if (from < 0 || after < 0) throw new ReadError(`axis ${axis} does not place the second input within the first`);
  return [a, reshape(b, [...b.shape, ...new Array<number>(after).fill(1)])];
}
