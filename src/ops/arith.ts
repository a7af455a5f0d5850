/** @file Element-by-element arithmetic of two nodes, comparisons, choice and casts. The functions broadcast; the ops take equal shapes. */
import { accumulate } from "../graph/accumulate.ts";
import { apply, type Behaviour, type Elementary, type Node, type Op, shapesOf } from "../graph/graph.ts";
import { constant, isConstant, isFilledWith, recast } from "../graph/leaf.ts";
import { ShapeError } from "../tensor/errors.ts";
import { sameShape } from "../tensor/shape.ts";
import { type DType, isFloat } from "../tensor/tensor.ts";
import { broadcastTogether, isBroadcast } from "./broadcast.ts";
import { bounded, diagonal, isometry, pointwise, product, steep, unbounded } from "./facts.ts";
import { onnxType } from "./lowering.ts";
import { logSlopes, powerSlopes } from "./slopes.ts";

/** What may stand where a node is wanted: a number becomes a scalar of the other operand's dtype. */
export type Operand = Node | number;

// --- add, sub, mul, div, pow ---

/** a + b. */
export function add(a: Operand, b: Operand): Node {
  const [x, y] = operands("add", a, b);
  return accumulate(x, y);
}

/** a - b. */
export const sub = (a: Operand, b: Operand): Node => apply(subOp, operands("sub", a, b), null);

/** a * b, element by element; a factor that is 1 everywhere is left out. */
export function mul(a: Operand, b: Operand): Node {
  const [x, y] = operands("mul", a, b);
  if (isOne(y)) return x;
  if (isOne(x)) return y;
  return apply(mulOp, [x, y], null);
}

/** a / b; integers divide towards zero. */
export const div = (a: Operand, b: Operand): Node => apply(divOp, operands("div", a, b), null);

/** a to the power b. */
export const pow = (a: Operand, b: Operand): Node => apply(powOp, operands("pow", a, b), null);

/** -x. */
export const neg = (x: Node): Node => (x.op === (negOp as Op) ? x.inputs[0] : apply(negOp, [x], null));

const subOp = binary("Sub", "difference", (a, b) => a - b, {
  vjp: (_, dy) => [dy, neg(dy)],
  behaviour: ([a, b]) =>
    a && b ? { kind: "linear", of: { form: "bounded", norm: { 1: 1, 2: Math.SQRT2, inf: 2 } } } : isometry,
});

const mulOp = binary("Mul", "product", (a, b) => a * b, {
  vjp: (y, dy) => [mul(dy, y.inputs[1]), mul(dy, y.inputs[0])],
  behaviour: ([a, b], y) => (a && b ? product("elements") : diagonal(y.inputs[a ? 1 : 0], false)),
  parts: (y) => (y.inputs[0] === y.inputs[1] ? pow(y.inputs[0], 2) : null),
});

const divOp = binary("Div", "quotient", (a, b, dtype) => (isFloat(dtype) ? a / b : Math.trunc(a / b)), {
  vjp: (y, dy) => [div(dy, y.inputs[1]), neg(div(mul(dy, y), y.inputs[1]))],
  behaviour: ([, b], y) =>
    b ? unbounded("division by a varying branch", { kind: "quotient" }) : diagonal(y.inputs[1], true),
  parts: (y, [, b]) => (b && isFloat(y.dtype) ? mul(y.inputs[0], pow(y.inputs[1], -1)) : null),
});

const powOp = binary("Pow", "power", (a, b) => a ** b, {
  vjp(y, dy) {
    const [a, b] = y.inputs;
    return [
      mul(dy, mul(b, pow(a, sub(b, 1)))),
      mul(dy, mul(y, where(greater(a, 0), log(where(greater(a, 0), a, 1)), 0))),
    ];
  },
  behaviour([, b], y) {
    const why = "a power grows without bound";
    const exponent = b ? null : numberOf(y.inputs[1]);
    if (exponent === null) return unbounded(why);
    return exponent === 1 ? isometry : steep(why, powerSlopes(exponent));
  },
});

const negOp: Op<null> = {
  name: "Neg",
  computes: "negative",
  infer: ([x]) => ({ dtype: x.dtype, shape: x.shape }),
  vjp: (_, dy) => [neg(dy)],
  behaviour: () => isometry,
  evaluate: (_, [x]) => x.map((v) => -v),
  onnx: (_, build) => build.node("Neg", [build.input(0)]),
};

// --- log: pow's gradient needs it, so it stands here and not among the pointwise functions ---

const logOp: Op<null> = {
  name: "Log",
  infer: ([x]) => ({ dtype: x.dtype, shape: x.shape }),
  vjp: (y, dy) => [div(dy, y.inputs[0])],
  behaviour: () => steep("the slope of log grows without bound near 0", logSlopes),
  evaluate: (_, [x]) => x.map((v) => Math.log(v)),
  onnx: (_, build) => build.node("Log", [build.input(0)]),
};

/** Natural logarithm. */
export const log = (x: Node): Node => apply(logOp, [x], null);

// --- larger and smaller of two ---

/** The larger of a and b; at ties the cotangent flows to a. */
export const maximum = (a: Operand, b: Operand): Node => apply(maximumOp, operands("maximum", a, b), null);

/** The smaller of a and b; at ties the cotangent flows to a. */
export const minimum = (a: Operand, b: Operand): Node => apply(minimumOp, operands("minimum", a, b), null);

/** Max and min are 1-Lipschitz in the pair in every p-norm; with one side fixed they act element by element, with slope `above` above a kink. */
const extremum =
  (above: 0 | 1) =>
  ([a, b]: readonly boolean[], y: Node): Behaviour => {
    if (a && b) return { kind: "smooth", lipschitz: { 1: 1, 2: 1, inf: 1 }, curvature: Number.POSITIVE_INFINITY };
    const kink = numberOf(y.inputs[a ? 1 : 0]);
    const below = 1 - above;
    const slopes = (low: number, high: number) =>
      kink === null
        ? ([0, 1] as const)
        : low >= kink
          ? ([above, above] as const)
          : high <= kink
            ? ([below, below] as const)
            : ([0, 1] as const);
    return pointwise(0, 1, Number.POSITIVE_INFINITY, slopes);
  };

const maximumOp = binary("Max", "larger", (a, b) => Math.max(a, b), {
  vjp: (y, dy) => choose(greaterOrEqual(y.inputs[0], y.inputs[1]), dy),
  behaviour: extremum(1),
  // max(a, b) = b + max(a - b, 0)
  parts: ({ inputs: [p, q] }, [a, b]) => (a && b ? add(q, maximum(sub(p, q), 0)) : null),
});

const minimumOp = binary("Min", "smaller", (a, b) => Math.min(a, b), {
  vjp: (y, dy) => choose(lessOrEqual(y.inputs[0], y.inputs[1]), dy),
  behaviour: extremum(0),
  // min(a, b) = a - max(a - b, 0)
  parts: ({ inputs: [p, q] }, [a, b]) => (a && b ? sub(p, maximum(sub(p, q), 0)) : null),
});

// --- comparisons and logic: their result is bool, nothing flows back ---

export const less = (a: Operand, b: Operand): Node => apply(lessOp, operands("less", a, b), null);
export const lessOrEqual = (a: Operand, b: Operand): Node => apply(lessOrEqualOp, operands("lessOrEqual", a, b), null);
export const greater = (a: Operand, b: Operand): Node => apply(greaterOp, operands("greater", a, b), null);
export const greaterOrEqual = (a: Operand, b: Operand): Node =>
  apply(greaterOrEqualOp, operands("greaterOrEqual", a, b), null);
export const equal = (a: Operand, b: Operand): Node => apply(equalOp, operands("equal", a, b), null);
export const and = (a: Node, b: Node): Node => apply(andOp, operands("and", a, b), null);
export const or = (a: Node, b: Node): Node => apply(orOp, operands("or", a, b), null);
export const not = (x: Node): Node => apply(notOp, [x], null);

const lessOp = comparison("Less", "less", (a, b) => a < b);
const lessOrEqualOp = comparison("LessOrEqual", "at most", (a, b) => a <= b);
const greaterOp = comparison("Greater", "greater", (a, b) => a > b);
const greaterOrEqualOp = comparison("GreaterOrEqual", "at least", (a, b) => a >= b);
const equalOp = comparison("Equal", "equal", (a, b) => a === b);
const andOp = comparison("And", "and", (a, b) => a !== 0 && b !== 0);
const orOp = comparison("Or", "or", (a, b) => a !== 0 || b !== 0);

const notOp: Op<null> = {
  name: "Not",
  computes: "not",
  infer: ([x]) => ({ dtype: "bool", shape: x.shape }),
  vjp: () => [null],
  behaviour: () => unbounded("a condition jumps"),
  evaluate: (_, [x]) => x.map((v) => (v === 0 ? 1 : 0)),
  onnx: (_, build) => build.node("Not", [build.input(0)]),
};

// --- where ---

const whereOp: Op<null> = {
  name: "Where",
  computes: "choice",
  infer([condition, a, b]) {
    if (
      condition.dtype !== "bool" ||
      a.dtype !== b.dtype ||
      ![a, b].every((x) => sameShape(x.shape, condition.shape))
    ) {
      throw new ShapeError(`where: needs a bool and two nodes of one type, got ${shapesOf([condition, a, b])}`);
    }
    return { dtype: a.dtype, shape: a.shape };
  },
  vjp(y, dy) {
    const [a, b] = choose(y.inputs[0], dy);
    return [null, a, b];
  },
  behaviour: (_, [condition]) => (condition ? unbounded("a condition that varies jumps") : bounded(1, 1, 1)),
  evaluate: (_, [condition, a, b]) => condition.map((c, i) => (c !== 0 ? a[i] : b[i])),
  onnx: (_, build) => build.node("Where", build.operands()),
};

/** a where the condition holds, else b. */
export function where(condition: Node, a: Operand, b: Operand): Node {
  const [x, y] = operands("where", a, b);
  return apply(whereOp, broadcastTogether("where", [condition, x, y]), null);
}

// --- cast ---

const castOp: Op<{ readonly to: DType }> = {
  name: "Cast",
  computes: "cast",
  infer: ([x], { to }) => ({ dtype: to, shape: x.shape }),
  vjp: (y, dy) => [isFloat(y.inputs[0].dtype) && isFloat(y.dtype) ? cast(dy, y.inputs[0].dtype) : null],
  behaviour: (y) => (isFloat(y.dtype) ? isometry : unbounded(`a cast to ${y.dtype} jumps`)),
  evaluate(y, [x]) {
    if (y.dtype === "bool") return x.map((v) => (v === 0 ? 0 : 1));
    return isFloat(y.dtype) ? x : x.map(Math.trunc);
  },
  onnx: (y, build) => build.node("Cast", [build.input(0)], { to: onnxType[y.dtype] }),
};

/** The same numbers as another dtype; floats become integers by truncation, bool by being non-zero. */
export function cast(x: Node, to: DType): Node {
  if (x.dtype === to) return x;
  return isConstant(x) ? recast(x, to) : apply(castOp, [x], { to });
}

/** Is the node a change of dtype? */
export const isCast = (node: Node): boolean => node.op === (castOp as Op);

/** x in the graph, but nothing flows back through it. */
export const stopGradient = (x: Node): Node => apply(stopOp, [x], null);

const stopOp: Op<null> = {
  name: "StopGradient",
  order: "rises",
  infer: ([x]) => ({ dtype: x.dtype, shape: x.shape }),
  vjp: () => [null],
  behaviour: () => isometry,
  evaluate: (_, [x]) => x,
  onnx: (_, build) => build.input(0),
};

// --- internal ---

const isOne = (x: Node): boolean => isFilledWith(isBroadcast(x) ? x.inputs[0] : x, 1);

function operands(who: string, a: Operand, b: Operand): Node[] {
  if (typeof a === "number" && typeof b === "number")
    throw new ShapeError(`${who}: one operand must be a node, got two numbers`);
  const x = typeof a === "number" ? constant(a, (b as Node).dtype) : a;
  const y = typeof b === "number" ? constant(b, x.dtype) : b;
  return broadcastTogether(who, [x, y]);
}

/** The number that every element of a constant is, stretched or not; null where there is none. */
function numberOf(x: Node): number | null {
  const bare = isBroadcast(x) ? x.inputs[0] : x;
  if (!isConstant(bare) || bare.attrs.data.length === 0) return null;
  const value = Number(bare.attrs.data[0]);
  return isFilledWith(bare, value) ? value : null;
}

/** The cotangent where the condition holds, and where it does not. */
function choose(condition: Node, dy: Node): Node[] {
  return [where(condition, dy, 0), where(condition, 0, dy)];
}

function binary(
  name: string,
  computes: Elementary,
  compute: (a: number, b: number, dtype: DType) => number,
  rules: {
    vjp(y: Node<null>, dy: Node): readonly (Node | null)[];
    behaviour(varies: readonly boolean[], y: Node<null>): Behaviour;
    parts?(y: Node<null>, varies: readonly boolean[]): Node | null;
  },
): Op<null> {
  const rises = computes === "larger" || computes === "smaller" || computes === "and" || computes === "or";
  return {
    name,
    computes,
    ...(rises && { order: "rises" as const }),
    infer([a, b]) {
      if (a.dtype !== b.dtype || !sameShape(a.shape, b.shape)) {
        throw new ShapeError(
          `${name}: types must match, got ${a.dtype}${shapesOf([a])} and ${b.dtype}${shapesOf([b])}`,
        );
      }
      return { dtype: a.dtype, shape: a.shape };
    },
    vjp: rules.vjp,
    behaviour: (y, varies) => rules.behaviour(varies, y),
    ...(rules.parts ? { parts: rules.parts } : {}),
    evaluate: (y, [a, b]) => a.map((v, i) => compute(v, b[i], y.dtype)),
    onnx: (_, build) => build.node(name, build.operands()),
  };
}

function comparison(name: string, computes: Elementary, test: (a: number, b: number) => boolean): Op<null> {
  return {
    ...binary(name, computes, (a, b) => (test(a, b) ? 1 : 0), {
      vjp: () => [null, null],
      behaviour: () => unbounded("a condition jumps"),
    }),
    infer: ([a, b]) => {
      if (a.dtype !== b.dtype) throw new ShapeError(`${name}: dtypes must match, got ${a.dtype} and ${b.dtype}`);
      return { dtype: "bool", shape: a.shape };
    },
  };
}
