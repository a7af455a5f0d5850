/**
 * @file Functions of one number, applied to every element: activations and elementary functions.
 * Slopes and curvatures are suprema over all reals, rounded outward in the last digit written.
 */
import { apply, type Node, type Op, type Slopes } from "../graph/graph.ts";
import { UsageError } from "../tensor/errors.ts";
import { scalar } from "../tensor/tensor.ts";
import {
  add,
  and,
  cast,
  div,
  greater,
  greaterOrEqual,
  less,
  lessOrEqual,
  log,
  maximum,
  minimum,
  mul,
  neg,
  sub,
  where,
} from "./arith.ts";
import { erfGraph, erfNumber, normalCdf } from "./erf.ts";
import { isometry, pointwise, steep, unbounded } from "./facts.ts";
import { betweenTurns, expSlopes, kinkAtZero, ramp, reciprocalSlopes, rootSlopes } from "./slopes.ts";
import { type Native, unary } from "./unary.ts";

const kinked = Number.POSITIVE_INFINITY;

const native = (operator: string, float64: boolean, since = 6): Native<unknown> => ({ operator, float64, since });

// --- piecewise linear ---

/** max(x, 0); the derivative at 0 is 0. */
export const relu = (x: Node): Node => apply(reluOp, [x], null);

const reluOp = unary<null>({
  name: "Relu",
  computes: "relu",
  order: "rises",
  compute: (x) => Math.max(x, 0),
  // A product with 0s and 1s: ONNX Runtime takes twice as long for a Where.
  pull: (y, dy) => mul(dy, cast(greater(y, 0), dy.dtype)),
  behaviour: () => pointwise(0, 1, kinked, kinkAtZero(0, 1)),
  native: native("Relu", true),
});

/** x for x > 0, alpha x otherwise; the derivative at 0 is alpha. */
export const leakyRelu = (x: Node, alpha = 0.01): Node => apply(leakyReluOp, [x], { alpha });

const leakyReluOp = unary<{ readonly alpha: number }>({
  name: "LeakyRelu",
  computes: "leaky relu",
  compute: (x, { alpha }) => (x > 0 ? x : alpha * x),
  pull: ({ inputs: [x], attrs }, dy) => where(greater(x, 0), dy, mul(dy, attrs.alpha)),
  behaviour: ({ alpha }) =>
    alpha === 1 ? isometry : pointwise(Math.min(alpha, 1), Math.max(alpha, 1), kinked, kinkAtZero(alpha, 1)),
  native: { ...native("LeakyRelu", false), attributes: ({ alpha }) => ({ alpha: { float: alpha } }) },
  composite: (x, { alpha }) => add(maximum(x, 0), mul(minimum(x, 0), alpha)),
});

/** |x|; the derivative at 0 is 0. */
export const abs = (x: Node): Node => apply(absOp, [x], null);

const absOp = unary<null>({
  name: "Abs",
  computes: "absolute",
  notNegative: true,
  compute: Math.abs,
  pull: ({ inputs: [x] }, dy) => mul(dy, sign(x)),
  behaviour: () => pointwise(-1, 1, kinked, kinkAtZero(-1, 1)),
  native: native("Abs", true),
  integers: true,
});

interface Range {
  readonly low: number;
  readonly high: number;
}

/** x limited to [low, high]; either may be infinite. The derivative at both ends is 1. */
export function clip(x: Node, low: number, high: number): Node {
  if (!(low <= high)) throw new UsageError(`clip: low must not exceed high, got ${low} and ${high}`);
  return apply(clipOp, [x], { low, high });
}

const clipRule = unary<Range>({
  name: "Clip",
  computes: "clip",
  order: "rises",
  compute: (x, { low, high }) => Math.min(Math.max(x, low), high),
  pull: ({ inputs: [x], attrs: { low, high } }, dy) => where(and(greaterOrEqual(x, low), lessOrEqual(x, high)), dy, 0),
  behaviour: ({ low, high }) => pointwise(0, 1, kinked, ramp(low, high, 1)),
  composite: (x, { low, high }) => minimum(maximum(x, low), high),
});

// Its bounds are float32 attributes before opset 11 and inputs after it; float64 has a kernel from opset 12.
const clipOp: Op<Range> = {
  ...clipRule,
  onnx(y, build) {
    const { low, high } = y.attrs;
    if (build.opset >= (y.dtype === "float64" ? 12 : 11)) {
      const bound = (v: number) => build.constant(scalar(v, y.dtype));
      return build.node("Clip", [build.input(0), bound(low), bound(high)]);
    }
    if (y.dtype === "float64") return clipRule.onnx(y, build);
    return build.node("Clip", [build.input(0)], {
      ...(low === Number.NEGATIVE_INFINITY ? {} : { min: { float: low } }),
      ...(high === Number.POSITIVE_INFINITY ? {} : { max: { float: high } }),
    });
  },
};

interface Line {
  readonly alpha: number;
  readonly beta: number;
}

/** alpha x + beta limited to [0, 1]; the derivative at both kinks is 0. */
export const hardSigmoid = (x: Node, alpha = 0.2, beta = 0.5): Node => apply(hardSigmoidOp, [x], { alpha, beta });

const hardSigmoidOp = unary<Line>({
  name: "HardSigmoid",
  computes: "hard sigmoid",
  compute: (x, { alpha, beta }) => Math.max(0, Math.min(1, alpha * x + beta)),
  pull: (y, dy) => where(and(greater(y, 0), less(y, 1)), mul(dy, y.attrs.alpha), 0),
  behaviour: ({ alpha, beta }) => pointwise(Math.min(alpha, 0), Math.max(alpha, 0), kinked, between(alpha, beta)),
  native: {
    ...native("HardSigmoid", false),
    attributes: ({ alpha, beta }) => ({ alpha: { float: alpha }, beta: { float: beta } }),
  },
  composite: (x, { alpha, beta }) => clip(add(mul(x, alpha), beta), 0, 1),
});

/** The kinks at -beta / alpha and (1 - beta) / alpha are known up to rounding. */
function between(alpha: number, beta: number): Slopes {
  const kinks = [-beta / alpha, (1 - beta) / alpha];
  return alpha === 0 ? () => [0, 0] : ramp(Math.min(...kinks), Math.max(...kinks), alpha, 2 ** -48);
}

/** x min(max(x + 3, 0), 6) / 6. */
export const hardSwish = (x: Node): Node => apply(hardSwishOp, [x], null);

const hardSwishOp = unary<null>({
  name: "HardSwish",
  compute: (x) => x * Math.max(0, Math.min(1, x / 6 + 0.5)),
  pull({ inputs: [x] }, dy) {
    const inside = mul(dy, add(mul(x, 1 / 3), 0.5));
    return where(greater(x, -3), where(less(x, 3), inside, dy), 0);
  },
  // x / 3 + 1/2 on (-3, 3): from -1/2 to 3/2, with a jump at both ends.
  behaviour: () => pointwise(-0.5, 1.5, kinked, hardSwishSlopes),
  native: native("HardSwish", false, 14),
  composite: (x) => mul(x, hardSigmoid(x, 1 / 6, 0.5)),
});

/** Slope 0, then x / 3 + 1/2, then 1: the pieces that the interval meets, each by its ends. */
const hardSwishSlopes: Slopes = (low, high) => {
  const found: number[] = [];
  if (low < -3) found.push(0);
  if (high > 3) found.push(1);
  if (high > -3 && low < 3) found.push(...[Math.max(low, -3), Math.min(high, 3)].map((x) => x / 3 + 0.5));
  if (found.length === 0) found.push(low >= 3 ? 1 : 0);
  return [Math.min(...found) - 2 ** -50, Math.max(...found) + 2 ** -50];
};

// --- smooth activations ---

/** x for x > 0, alpha (e^x - 1) otherwise. */
export const elu = (x: Node, alpha = 1): Node => apply(eluOp, [x], { alpha });

const eluOp = unary<{ readonly alpha: number }>({
  name: "Elu",
  compute: (x, { alpha }) => (x > 0 ? x : alpha * Math.expm1(x)),
  // e^min(x, 0): the branch that is not taken must not overflow.
  pull: ({ inputs: [x], attrs }, dy) => where(greater(x, 0), dy, mul(dy, mul(exp(minimum(x, 0)), attrs.alpha))),
  behaviour: ({ alpha }) =>
    pointwise(Math.min(alpha, 0), Math.max(alpha, 1), alpha === 1 ? 1 : kinked, eluSlopes(alpha)),
  native: { ...native("Elu", false), attributes: ({ alpha }) => ({ alpha: { float: alpha } }) },
  // e^z - 1 = tanh(z / 2) (e^z + 1): the difference would cancel near 0.
  composite: (x, { alpha }) => {
    const z = minimum(x, 0);
    return add(maximum(x, 0), mul(mul(tanh(mul(z, 0.5)), add(exp(z), 1)), alpha));
  },
});

/** alpha e^x up to 0, then 1. */
const eluSlopes = (alpha: number): Slopes => {
  const below = betweenTurns((x) => alpha * Math.exp(Math.min(x, 0)), [], Math.abs(alpha));
  return (low, high) => {
    if (low >= 0) return [1, 1];
    const [least, most] = below(low, high);
    return high <= 0 ? [least, most] : [Math.min(least, 1), Math.max(most, 1)];
  };
};

/** 1 / (1 + e^-x). */
export const sigmoid = (x: Node): Node => apply(sigmoidOp, [x], null);

const sigmoidNumber = (x: number): number => {
  const e = Math.exp(-Math.abs(x));
  return (x < 0 ? e : 1) / (1 + e);
};

const sigmoidOp = unary<null>({
  name: "Sigmoid",
  computes: "sigmoid",
  notNegative: true,
  compute: sigmoidNumber,
  pull: (y, dy) => mul(dy, mul(y, sub(1, y))),
  // sup |s''| = 1 / (6 sqrt 3).
  behaviour: () => pointwise(0, 0.25, 0.0962250449, sigmoidSlopes, sigmoidCurvature),
  native: native("Sigmoid", true),
});

const sigmoidSlopes = betweenTurns((x) => sigmoidNumber(x) * sigmoidNumber(-x), [{ at: 0, value: 0.25 }]);

/** s (1 - s)(1 - 2 s), with turns at -+ln(2 + sqrt 3). */
const sigmoidCurvature = betweenTurns(
  (x) => sigmoidNumber(x) * sigmoidNumber(-x) * (1 - 2 * sigmoidNumber(x)),
  [
    { at: -1.3169578969, value: 0.0962250449 },
    { at: 1.3169578969, value: -0.0962250449 },
  ],
);

export const tanh = (x: Node): Node => apply(tanhOp, [x], null);

const tanhOp = unary<null>({
  name: "Tanh",
  computes: "tanh",
  compute: Math.tanh,
  pull: (y, dy) => mul(dy, sub(1, mul(y, y))),
  // sup |tanh''| = 4 / (3 sqrt 3).
  behaviour: () => pointwise(0, 1, 0.769800359, tanhSlopes, tanhCurvature),
  native: native("Tanh", true),
});

const tanhSlopes = betweenTurns((x) => 1 - Math.tanh(x) ** 2, [{ at: 0, value: 1 }]);

/** -2 t (1 - t^2), with turns at -+artanh(1 / sqrt 3). */
const tanhCurvature = betweenTurns(
  (x) => -2 * Math.tanh(x) * (1 - Math.tanh(x) ** 2),
  [
    { at: -0.6584789485, value: 0.769800359 },
    { at: 0.6584789485, value: -0.769800359 },
  ],
  2,
);

/** x / (1 + |x|). */
export const softsign = (x: Node): Node => apply(softsignOp, [x], null);

const softsignOp = unary<null>({
  name: "Softsign",
  compute: (x) => (Math.abs(x) === Number.POSITIVE_INFINITY ? Math.sign(x) : x / (1 + Math.abs(x))),
  // (1 - |y|)^2 = 1 / (1 + |x|)^2.
  pull(y, dy) {
    const left = sub(1, abs(y));
    return mul(dy, mul(left, left));
  },
  // The slope is 1 at 0 and falls to both sides; its own slope is -+2 at 0, with a jump.
  behaviour: () => pointwise(0, 1, 2, softsignSlopes),
  native: native("Softsign", false),
  composite: (x) => div(x, add(abs(x), 1)),
});

/** 1 / (1 + |x|)^2 falls with |x|. */
const softsignSlopes: Slopes = (low, high) => {
  const at = (size: number) => (1 / (1 + size)) * (1 / (1 + size));
  const nearest = Math.max(0, low, -high);
  return [at(Math.max(-low, high)) - 2 ** -48, at(nearest) + 2 ** -48];
};

/** ln(1 + e^x). */
export const softplus = (x: Node): Node => apply(softplusOp, [x], null);

const softplusOp = unary<null>({
  name: "Softplus",
  computes: "softplus",
  notNegative: true,
  compute: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  pull: ({ inputs: [x] }, dy) => mul(dy, sigmoid(x)),
  behaviour: () => pointwise(0, 1, 0.25, betweenTurns(sigmoidNumber, []), sigmoidSlopes),
  native: native("Softplus", false),
  // ln(1 + e^-|x|) = -ln sigmoid(|x|).
  composite: (x) => sub(maximum(x, 0), log(sigmoid(abs(x)))),
});

/** x sigmoid(x), also called Swish. */
export const silu = (x: Node): Node => apply(siluOp, [x], null);

const siluOp = unary<null>({
  name: "Silu",
  compute: (x) => x * sigmoidNumber(x),
  pull({ inputs: [x] }, dy) {
    const s = sigmoid(x);
    return mul(dy, mul(s, add(mul(x, sub(1, s)), 1)));
  },
  // Extreme slopes at x = -+2.39935728; the curvature is greatest at 0, where it is 1/2.
  behaviour: () => pointwise(-0.0998393202, 1.0998393202, 0.5, siluSlopes, siluCurvature),
  // ONNX Runtime fuses x sigmoid(x) into an operator that has no float64 kernel, so it must not see that form there.
  composite: (x) => (x.dtype === "float64" ? div(x, add(exp(neg(x)), 1)) : mul(x, sigmoid(x))),
});

const siluSlopes = betweenTurns(
  (x) => sigmoidNumber(x) * (1 + x * sigmoidNumber(-x)),
  [
    { at: -2.39935728, value: -0.0998393202 },
    { at: 2.39935728, value: 1.0998393202 },
  ],
);

/** s (1 - s)(2 + x (1 - 2 s)). */
const siluCurvature = betweenTurns(
  (x) => sigmoidNumber(x) * sigmoidNumber(-x) * (2 + x * (1 - 2 * sigmoidNumber(x))),
  [
    { at: -3.435840993, value: -0.0369143732 },
    { at: 0, value: 0.5 },
    { at: 3.435840993, value: -0.0369143732 },
  ],
  2,
);

/** Which function is meant by GELU: x Phi(x) with the exact normal distribution function, or its tanh approximation. */
export type Approximation = "none" | "tanh";

/** x Phi(x), Phi the standard normal distribution function; or x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2. */
export const gelu = (x: Node, approximate: Approximation = "none"): Node => apply(geluOp, [x], { approximate });

const rootTwoOverPi = Math.sqrt(2 / Math.PI);
const cubic = 0.044715;

const geluOp = unary<{ readonly approximate: Approximation }>({
  name: "Gelu",
  compute: (x, { approximate }) =>
    x *
    (approximate === "none"
      ? normalCdf(x)
      : // (1 + tanh z) / 2 = sigmoid(2 z), without cancellation in the lower tail.
        sigmoidNumber(2 * rootTwoOverPi * (x + cubic * x ** 3))),
  pull: ({ inputs: [x], attrs }, dy) =>
    mul(dy, attrs.approximate === "none" ? add(phi(x), mul(x, density(x))) : tanhGeluSlope(x)),
  // none: extreme slopes at -+sqrt 2; tanh: at -+1.41850401. Both have the greatest curvature at 0: sqrt(2 / pi).
  behaviour: ({ approximate }) =>
    approximate === "none"
      ? pointwise(-0.1289041452, 1.1289041452, 0.7978845609, geluSlopes, geluCurvature)
      : pointwise(-0.1289930687, 1.1289930687, 0.7978845609, tanhGeluSlopes),
  native: { ...native("Gelu", false, 20), attributes: ({ approximate }) => ({ approximate }) },
  composite: (x, { approximate }) => mul(x, approximate === "none" ? phi(x) : tanhPhi(x)),
});

const geluSlopes = betweenTurns(
  (x) => normalCdf(x) + (x * Math.exp(-0.5 * x * x)) / Math.sqrt(2 * Math.PI),
  [
    { at: -Math.SQRT2, value: -0.1289041452 },
    { at: Math.SQRT2, value: 1.1289041452 },
  ],
);

/** Phi'(x)(2 - x^2), with turns at 0 and -+2. */
const geluCurvature = betweenTurns(
  (x) => (Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI)) * (2 - x * x),
  [
    { at: -2, value: -0.1079819331 },
    { at: 0, value: 0.7978845609 },
    { at: 2, value: -0.1079819331 },
  ],
  2,
);

const tanhGeluSlopes = betweenTurns(
  (x) => {
    const s = sigmoidNumber(2 * rootTwoOverPi * (x + cubic * x ** 3));
    return s + x * s * (1 - s) * 2 * rootTwoOverPi * (1 + 3 * cubic * x * x);
  },
  [
    { at: -1.41850401, value: -0.1289930687 },
    { at: 1.41850401, value: 1.1289930687 },
  ],
);

/** Phi(x) = (1 + erf(x / sqrt 2)) / 2. */
const phi = (x: Node): Node => mul(add(erf(mul(x, Math.SQRT1_2)), 1), 0.5);

/** Phi'(x) = e^(-x^2 / 2) / sqrt(2 pi). */
const density = (x: Node): Node => mul(exp(mul(mul(x, x), -0.5)), 1 / Math.sqrt(2 * Math.PI));

const tanhPhi = (x: Node): Node => mul(add(tanh(mul(mul(x, add(mul(mul(x, x), cubic), 1)), rootTwoOverPi)), 1), 0.5);

function tanhGeluSlope(x: Node): Node {
  const t = tanh(mul(mul(x, add(mul(mul(x, x), cubic), 1)), rootTwoOverPi));
  const inner = mul(add(mul(mul(x, x), 3 * cubic), 1), rootTwoOverPi);
  return mul(add(add(t, 1), mul(x, mul(sub(1, mul(t, t)), inner))), 0.5);
}

/** The error function 2/sqrt(pi) times the integral of e^(-t^2) from 0 to x. */
export const erf = (x: Node): Node => apply(erfOp, [x], null);

const erfOp = unary<null>({
  name: "Erf",
  computes: "erf",
  compute: erfNumber,
  pull: ({ inputs: [x] }, dy) => mul(dy, mul(exp(neg(mul(x, x))), 2 / Math.sqrt(Math.PI))),
  // sup erf' = 2 / sqrt(pi) at 0; sup |erf''| = sqrt(8 / (pi e)) at 1 / sqrt 2.
  behaviour: () => pointwise(0, 1.1283791671, 0.9678828981, erfSlopes, erfCurvature),
  native: native("Erf", false, 9),
  composite: (x) => erfGraph(x, abs, sign, exp),
});

const erfSlopes = betweenTurns((x) => (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x), [{ at: 0, value: 1.1283791671 }], 2);

/** -2 x erf'(x), with turns at -+1 / sqrt 2. */
const erfCurvature = betweenTurns(
  (x) => ((-4 * x) / Math.sqrt(Math.PI)) * Math.exp(-x * x),
  [
    { at: -Math.SQRT1_2, value: 0.9678828981 },
    { at: Math.SQRT1_2, value: -0.9678828981 },
  ],
  2,
);

// --- elementary functions ---

/** e^x. */
export const exp = (x: Node): Node => apply(expOp, [x], null);

const expOp = unary<null>({
  name: "Exp",
  notNegative: true,
  compute: Math.exp,
  pull: (y, dy) => mul(dy, y),
  behaviour: () => steep("the slope of exp grows without bound", expSlopes),
  native: native("Exp", true),
});

/** The square root; its derivative at 0 is infinite. */
export const sqrt = (x: Node): Node => apply(sqrtOp, [x], null);

const sqrtOp = unary<null>({
  name: "Sqrt",
  computes: "root",
  notNegative: true,
  compute: Math.sqrt,
  pull: (y, dy) => div(mul(dy, 0.5), y),
  behaviour: () => steep("the slope of sqrt grows without bound near 0", rootSlopes),
  native: native("Sqrt", true),
});

/** 1 / x. */
export const reciprocal = (x: Node): Node => apply(reciprocalOp, [x], null);

const reciprocalOp = unary<null>({
  name: "Reciprocal",
  compute: (x) => 1 / x,
  pull: (y, dy) => neg(mul(dy, mul(y, y))),
  behaviour: () => steep("the slope of 1 / x grows without bound near 0", reciprocalSlopes),
  native: native("Reciprocal", true),
});

export const sin = (x: Node): Node => apply(sinOp, [x], null);

const sinOp = unary<null>({
  name: "Sin",
  compute: Math.sin,
  pull: ({ inputs: [x] }, dy) => mul(dy, cos(x)),
  behaviour: () =>
    pointwise(
      -1,
      1,
      1,
      waveSlopes(Math.cos, 0),
      waveSlopes((x) => -Math.sin(x), 0.5),
    ),
  native: native("Sin", true, 7),
});

/** The slopes of a wave of period 2 pi whose derivative turns at (k + phase) pi; the whole range where the interval is long or far out. */
const waveSlopes =
  (derivative: (x: number) => number, phase: number): Slopes =>
  (low, high) => {
    if (!(high - low < 6 && Math.max(-low, high) < 1e6)) return [-1, 1];
    const values = [derivative(low), derivative(high)];
    for (let k = Math.floor(low / Math.PI - phase); k <= Math.ceil(high / Math.PI - phase); k++) {
      const at = (k + phase) * Math.PI;
      if (low <= at + 1e-6 && high >= at - 1e-6) values.push(Math.sign(derivative(at)));
    }
    return [Math.min(...values) - 2 ** -43, Math.max(...values) + 2 ** -43];
  };

export const cos = (x: Node): Node => apply(cosOp, [x], null);

const cosOp = unary<null>({
  name: "Cos",
  compute: Math.cos,
  pull: ({ inputs: [x] }, dy) => neg(mul(dy, sin(x))),
  behaviour: () =>
    pointwise(
      -1,
      1,
      1,
      waveSlopes((x) => -Math.sin(x), 0.5),
      waveSlopes((x) => -Math.cos(x), 0),
    ),
  native: native("Cos", true, 7),
});

/** -1, 0 or 1; its derivative is taken as 0. */
export const sign = (x: Node): Node => apply(signOp, [x], null);

const signOp = unary<null>({
  name: "Sign",
  order: "rises",
  compute: Math.sign,
  pull: () => null,
  behaviour: () => unbounded("sign jumps at 0"),
  native: native("Sign", true, 9),
  composite: (x) => sub(cast(greater(x, 0), x.dtype), cast(less(x, 0), x.dtype)),
  integers: true,
});

/** The largest whole number not above x; its derivative is taken as 0. */
export const floor = (x: Node): Node => apply(floorOp, [x], null);

const floorOp = unary<null>({
  name: "Floor",
  order: "rises",
  compute: Math.floor,
  pull: () => null,
  behaviour: () => unbounded("floor jumps at whole numbers"),
  native: native("Floor", true),
});
