/**
 * @file Whole numbers as their type computes them: doubles lose the last digits of an int64, and what overflows is refused, since ONNX
 * leaves open what it becomes.
 */
import type { Node } from "../graph/graph.ts";
import { ReadError } from "../tensor/errors.ts";
import { cast, type DType, isFloat, type Tensor, tensor, toFloat64 } from "../tensor/tensor.ts";

/** Does a node make whole numbers, or read them? */
export const isWhole = (node: Node): boolean =>
  node.dtype !== "bool"
    ? isInt(node.dtype) || node.inputs.some((x) => isInt(x.dtype))
    : node.inputs.some((x) => isInt(x.dtype));

/** The value of a node of constants that `isWhole`, exactly. */
export function computeWhole(node: Node, inputs: readonly Tensor[]): Tensor {
  const { name } = node.op;
  if (name === "Cast") return converted(inputs[0], node.dtype);
  const rule = rules[name];
  const ints = inputs.every((t) => isInt(t.dtype));
  if (rule && ints) {
    const [a, b] = inputs.map(
      ({ data }) =>
        (i: number) =>
          BigInt(data[i]),
    );
    const values = Array.from({ length: inputs[0].data.length }, (_, i) => rule(a(i), b ? b(i) : 0n, node));
    if (node.dtype === "bool") return { dtype: "bool", shape: node.shape, data: Uint8Array.from(values, Number) };
    return ofType(node.dtype, node.shape, values);
  }
  if (inputs.every(isSmall)) {
    const data = inputs.map(toFloat64);
    // Sums of products of small numbers are exact if those of their sizes are small.
    const sizes = isInt(node.dtype)
      ? node.op.evaluate(
          node,
          data.map((x, i) => (isInt(inputs[i].dtype) && !isPlace(node, i) ? x.map(Math.abs) : x)),
        )
      : [];
    if (sizes.every((v) => v <= Number.MAX_SAFE_INTEGER)) {
      const value: Tensor = { dtype: "float64", shape: node.shape, data: node.op.evaluate(node, data) };
      return isInt(node.dtype)
        ? ofType(
            node.dtype,
            node.shape,
            [...toFloat64(value)].map((v) => BigInt(Math.trunc(v))),
          )
        : cast(value, node.dtype);
    }
  }
  if (moves.has(name)) return moved(node, inputs);
  throw new ReadError(`whole numbers beyond 2^53 are not read in ${name}`);
}

/** A value as another type: floats are cut towards 0, and what does not fit is refused. */
export function converted(t: Tensor, to: DType): Tensor {
  if (t.dtype === to) return t;
  if (to === "bool") return cast(t, to);
  if (isFloat(to)) {
    if (!(t.data instanceof BigInt64Array)) return cast(t, to);
    const data = Float64Array.from(t.data, to === "float32" ? nearestFloat : Number);
    return cast({ dtype: "float64", shape: t.shape, data }, to);
  }
  const values = Array.from(t.data as ArrayLike<number | bigint>, (v) => {
    if (typeof v === "bigint") return v;
    if (!Number.isFinite(v)) throw new ReadError(`a cast of ${v} to ${to} is not read`);
    return BigInt(Math.trunc(v));
  });
  return ofType(to, t.shape, values);
}

// --- internal ---

const isInt = (dtype: DType): boolean => dtype === "int64" || dtype === "int32";

const limits = { int64: 2n ** 63n, int32: 2n ** 31n } as const;

function ofType(dtype: DType, shape: Tensor["shape"], values: readonly bigint[]): Tensor {
  const limit = dtype === "int32" ? limits.int32 : limits.int64;
  const over = values.find((v) => v >= limit || v < -limit);
  if (over !== undefined) throw new ReadError(`${over} is no ${dtype}: what an overflow becomes is left open by ONNX`);
  if (dtype === "int64") return { dtype, shape, data: BigInt64Array.from(values) };
  return tensor(Int32Array.from(values, Number), shape, "int32");
}

const isSmall = ({ dtype, data }: Tensor): boolean =>
  dtype !== "int64" || (data as BigInt64Array).every((v) => v <= most && v >= -most);
const most = BigInt(Number.MAX_SAFE_INTEGER);

const flag = (b: boolean): bigint => (b ? 1n : 0n);

const rules: Readonly<Record<string, (a: bigint, b: bigint, node: Node) => bigint>> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div(a, b) {
    if (b === 0n) throw new ReadError("a whole number is divided by 0");
    return a / b;
  },
  Pow(a, b) {
    if (b < 0n || b > 64n) throw new ReadError(`a power of ${b} of a whole number is not read`);
    return a ** b;
  },
  Mod(a, b, node) {
    if (b === 0n) throw new ReadError("a whole number is divided by 0");
    const rest = a % b;
    return node.attrs === "floored" && rest !== 0n && rest < 0n !== b < 0n ? rest + b : rest;
  },
  Neg: (a) => -a,
  Abs: (a) => (a < 0n ? -a : a),
  Sign: (a) => (a < 0n ? -1n : flag(a > 0n)),
  Max: (a, b) => (a > b ? a : b),
  Min: (a, b) => (a < b ? a : b),
  Less: (a, b) => flag(a < b),
  LessOrEqual: (a, b) => flag(a <= b),
  Greater: (a, b) => flag(a > b),
  GreaterOrEqual: (a, b) => flag(a >= b),
  Equal: (a, b) => flag(a === b),
};

/** Ops that only move what they are given. */
const moves = new Set("Reshape Transpose Slice Concat Expand Gather Where".split(" "));

/** Is input i where to take from, and not what is taken? */
const isPlace = (node: Node, i: number): boolean =>
  (node.op.name === "Gather" && i === 1) || (node.op.name === "Where" && i === 0);

/** Both halves of every number are moved, each of which a double holds. */
function moved(node: Node, inputs: readonly Tensor[]): Tensor {
  const half = (of: (v: bigint) => bigint) =>
    node.op.evaluate(
      node,
      inputs.map((t, i) =>
        isPlace(node, i) || !(t.data instanceof BigInt64Array)
          ? toFloat64(t)
          : Float64Array.from(t.data, (v) => Number(of(v))),
      ),
    );
  const high = half((v) => v >> 32n);
  const low = half((v) => v & 0xffffffffn);
  return ofType(
    node.dtype,
    node.shape,
    Array.from(high, (v, i) => (BigInt(v) << 32n) + BigInt(low[i])),
  );
}

/** A double that rounds to the float32 nearest to v: a digit that is lost on the way must not look like a tie. */
function nearestFloat(v: bigint): number {
  const size = v < 0n ? -v : v;
  if (size <= most) return Number(v);
  const cut = (size >> 12n) | flag((size & 0xfffn) !== 0n);
  return (v < 0n ? -1 : 1) * Number(cut) * 2 ** 12;
}
