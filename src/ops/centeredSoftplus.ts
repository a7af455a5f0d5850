/**
 * @file Centred softplus: a smooth ReLU through 0 whose curvature is a parameter. With beta known it is a function of one number that
 * bounds understand; with beta a node it can be trained, in a form that neither a large nor a small beta x harms.
 */
import { apply, type Node, type Op } from "../graph/graph.ts";
import { isComputed, isConstant } from "../graph/leaf.ts";
import { isSame } from "../graph/same.ts";
import { ShapeError, UsageError } from "../tensor/errors.ts";
import { isFloat, toFloat64 } from "../tensor/tensor.ts";
import { add, div, log, mul, type Operand, sub } from "./arith.ts";
import { isBroadcast, sum } from "./broadcast.ts";
import { pointwise, unbounded } from "./facts.ts";
import { abs, relu, sigmoid, softplus, tanh } from "./pointwise.ts";
import { betweenTurns } from "./slopes.ts";
import { unary } from "./unary.ts";

/**
 * (ln(1 + e^(beta x)) - ln 2) / beta, for beta > 0: a number, or a scalar node that may be trained.
 *
 * Its slope is the sigmoid of beta x, in [0, 1]; its curvature is at most beta / 4. It goes to max(x, 0) as beta grows and to x / 2
 * as beta falls. A constant beta counts as a number.
 * Reference: Srinivas et al. 2022, section 4.1.
 */
export function centeredSoftplus(x: Node, beta: Operand): Node {
  const known = typeof beta === "number" ? beta : isConstant(beta) ? toFloat64(beta.attrs)[0] : null;
  if (known !== null) {
    if (!(known > 0 && Number.isFinite(known)))
      throw new UsageError(`centeredSoftplus: beta must be above 0, got ${known}`);
    return apply(fixedOp, [x], { beta: known });
  }
  return apply(trainedOp, [x, beta as Node], null);
}

/** The centred softplus that a difference or a quotient stands for, if it is written as here; null for any other. */
export function asCenteredSoftplus(y: Node): Node | null {
  const [a, b] = y.inputs;
  const difference = number(b?.inputs[1]);
  if (difference !== null && a.inputs.length > 0) return recognised(y, a.inputs[0], difference, lowered);
  const quotient = number(b);
  const scaled = a?.inputs[0]?.inputs[0];
  if (quotient === null || !scaled) return null;
  const x = quotient === 1 ? scaled : scaled.inputs[0];
  const found = recognised(y, x, quotient, softplusForm);
  if (found) return found;
  // Read from a float32 model into a float64 graph: the model's ln 2 is a float32, and the model is what counts.
  const rounded = recognised(y, x, quotient, softplusForm32);
  return rounded && add(rounded, (Math.LN2 - Math.fround(Math.LN2)) / quotient);
}

// --- internal ---

/** The least beta that is written with a Softplus. */
const leastSoftplus = 1 / 8;

const fixedOp = unary<{ readonly beta: number }>({
  name: "CenteredSoftplus",
  compute: (x, { beta }) => valueAt(x, beta),
  pull: ({ inputs: [x], attrs }, dy) => mul(dy, sigmoid(mul(x, attrs.beta))),
  behaviour: ({ beta }) =>
    pointwise(
      0,
      1,
      beta / 4,
      (low, high) => sigmoidBetween(beta * low, beta * high),
      (low, high) => {
        const [least, most] = bellBetween(beta * low, beta * high);
        return [beta * least * (1 - 2 ** -50), beta * most * (1 + 2 ** -50)];
      },
    ),
  // A Softplus is what other tools understand; ln 2 less ln 2 costs it 6e-8 / beta.
  composite: (x, { beta }) => (beta >= leastSoftplus ? softplusForm(x, beta) : lowered(x, beta)),
});

const trainedOp: Op<null> = {
  name: "CenteredSoftplus",
  infer([x, beta]) {
    if (!isFloat(x.dtype) || beta.dtype !== x.dtype || beta.shape.length > 0) {
      const got = `${x.dtype} and ${beta.dtype}[${beta.shape.join(",")}]`;
      throw new ShapeError(`centeredSoftplus: needs floats and a beta that is a scalar of their dtype, got ${got}`);
    }
    return { dtype: x.dtype, shape: x.shape };
  },
  vjp(y, dy) {
    const [x, beta] = y.inputs;
    const slope = sigmoid(mul(x, beta));
    return [mul(dy, slope), div(sum(mul(dy, sub(mul(x, slope), y))), beta)];
  },
  behaviour: (_, [, beta]) =>
    beta ? unbounded("its slope in beta grows with x") : pointwise(0, 1, Number.POSITIVE_INFINITY),
  evaluate: (_, [x, [beta]]) => x.map((v) => valueAt(v, beta)),
  onnx: (y, build) => build.value(lowered(y.inputs[0], y.inputs[1])),
};

/** max(x, 0) - ln(1 + tanh(beta |x| / 2)) / beta: no term is larger than the result needs, whatever beta. */
const valueAt = (x: number, beta: number): number =>
  Math.max(x, 0) - Math.log1p(Math.tanh((beta * Math.abs(x)) / 2)) / beta;

/**
 * The same as graph. ln(1 + w) is ln u + (w - (u - 1)) for u = fl(1 + w): what rounding took from w is put back. ONNX Runtime
 * computes this in a third of the time that its Softplus takes.
 */
function lowered(x: Node, beta: Operand): Node {
  const w = tanh(mul(abs(x), typeof beta === "number" ? beta / 2 : mul(beta, 0.5)));
  const u = add(w, 1);
  return sub(relu(x), div(add(log(u), sub(w, sub(u, 1))), beta));
}

const softplusForm = (x: Node, beta: number, ln2 = Math.LN2): Node => div(sub(softplus(mul(x, beta)), ln2), beta);

const softplusForm32 = (x: Node, beta: number): Node => softplusForm(x, beta, Math.fround(Math.LN2));

/**
 * `y` as a centred softplus of x, if `form` of that is `y`. Beta must be one that we would write in this form: of a smaller one the
 * file's rounded ln 2, over beta, would be another function.
 */
function recognised(y: Node, x: Node | undefined, beta: number, form: (x: Node, beta: number) => Node): Node | null {
  const written = Number.isFinite(beta) && (form === lowered ? beta > 0 : beta >= leastSoftplus);
  return x && isFloat(x.dtype) && written && isSame(y, form(x, beta)) ? centeredSoftplus(x, beta) : null;
}

/** The number that a node is, stretched or not; null where it is none, or one that was computed and so may be off. */
function number(node: Node | undefined): number | null {
  const inner = node && isBroadcast(node) ? node.inputs[0] : node;
  return inner && isConstant(inner) && !isComputed(inner) && inner.attrs.data.length === 1
    ? toFloat64(inner.attrs)[0]
    : null;
}

const sigmoidBetween = betweenTurns((z) => 1 / (1 + Math.exp(-z)), []);

/** s (1 - s), rounded outward: not below 0. */
const bellBetween = (low: number, high: number): readonly [number, number] => {
  const [least, most] = bell(low, high);
  return [Math.max(0, least), most];
};

const bell = betweenTurns((z) => Math.exp(-Math.abs(z)) / (1 + Math.exp(-Math.abs(z))) ** 2, [{ at: 0, value: 0.25 }]);
