/** @file Functions of one number: their values, all slopes between two points, and how far a machine may be off. */
import { bell, erf, mishSlope, sigmoid, softplus, tanhGelu, tanhGeluSlope } from "./elementary.ts";

export interface Scalar {
  /** Of those that may be gates. */
  readonly name?: "Sigmoid" | "Erf" | "Tanh" | "Softplus" | "HardSigmoid";
  /** Of clip(alpha x + beta, 0, 1): alpha and beta. */
  readonly ramp?: readonly [number, number];
  /** Every difference quotient lies between these, at every place of the tensor. */
  readonly slope: readonly [number, number];
  /** By how much two slopes differ at most, over the distance of their places; Infinity where there is a kink. */
  readonly curvature: number;
  /** Where it is nothing but two half-lines that meet at 0 in 0: their slopes, to the left and to the right; for each place where they are not the same. */
  readonly halfLines?: readonly [number, number] | readonly (readonly [number, number])[];
  value(x: number, place: number): number;
  /** The slope at a place; asked for only where there is no kink. */
  derivative(x: number): number;
  /**
   * |computed - exact| <= error (1 + |x| + |f(x)|), in units of rounding of the arithmetic; 0 where nothing rounds. Of exp, tanh and log
   * it is assumed that doubles err by less than 2^-45 and float32 by less than 2^-20 in this sense; runtimes are better than that. Of
   * sigmoid and erf inside a gate it is assumed that they err by less than 2^-21 in float32, whatever x is.
   */
  readonly error: "none" | "few" | "elementary";
}

interface Kind {
  readonly attributes: readonly string[];
  /** Most inputs. */
  readonly most: number;
  make(number: (key: string, otherwise: number) => number, rest: readonly (number | undefined)[]): Scalar | null;
}

/** What `error` is worth, in double, single and half arithmetic; of halves it is assumed that a runtime computes a function to two units of its result. */
export const errorOf = {
  none: { 64: 0, 32: 0, 16: 0 },
  few: { 64: 2 ** -49, 32: 2 ** -20, 16: 2 ** -9 },
  elementary: { 64: 2 ** -45, 32: 2 ** -20, 16: 2 ** -9 },
} as const;

/** Of a function that is not smooth. */
const kinked = { curvature: Number.POSITIVE_INFINITY, derivative: () => Number.NaN } as const;

const plain = (
  slope: readonly [number, number],
  error: Scalar["error"],
  value: (x: number) => number,
  smooth: Pick<Scalar, "curvature" | "derivative" | "halfLines" | "name"> = kinked,
): Kind => ({ attributes: [], most: 1, make: () => ({ slope, error, value, ...smooth }) });

/** By the name of the operator. */
export const scalars: Readonly<Record<string, Kind>> = {
  Relu: plain([0, 1], "none", (x) => (x > 0 ? x : 0), { ...kinked, halfLines: [0, 1] }),
  Abs: plain([-1, 1], "none", Math.abs, { ...kinked, halfLines: [-1, 1] }),
  Sigmoid: {
    attributes: [],
    most: 1,
    make: () => ({
      name: "Sigmoid",
      slope: [0, 0.25],
      error: "elementary",
      value: sigmoid,
      // 1 / (6 sqrt 3)
      curvature: 0.0962251,
      derivative: (x) => sigmoid(x) * sigmoid(-x),
    }),
  },
  Erf: {
    attributes: [],
    most: 1,
    make: () => ({
      name: "Erf",
      // At 0 it is 2 / sqrt(pi).
      slope: [0, 1.1283791671],
      error: "elementary",
      value: erf,
      // sqrt(8 / (pi e))
      curvature: 0.967883,
      derivative: bell,
    }),
  },
  Tanh: plain([0, 1], "elementary", Math.tanh, {
    name: "Tanh",
    // 4 / (3 sqrt 3)
    curvature: 0.7698004,
    derivative: (x) => 1 - Math.tanh(x) ** 2,
  }),
  Softplus: plain([0, 1], "elementary", softplus, { name: "Softplus", curvature: 0.25, derivative: (x) => sigmoid(x) }),
  Sin: plain([-1, 1], "elementary", Math.sin, { curvature: 1, derivative: Math.cos }),
  Cos: plain([-1, 1], "elementary", Math.cos, { curvature: 1, derivative: (x) => -Math.sin(x) }),
  Mish: { attributes: [], most: 1, make: () => gates.mish },
  Swish: {
    attributes: ["alpha"],
    most: 1,
    make(number) {
      const alpha = number("alpha", 1);
      return alpha >= 2 ** -10 && alpha <= 2 ** 10 ? gates.silu(alpha, 1) : null;
    },
  },
  Softsign: plain([0, 1], "few", (x) => x / (1 + Math.abs(x)), {
    curvature: 2,
    derivative: (x) => 1 / ((1 + Math.abs(x)) * (1 + Math.abs(x))),
  }),
  HardSwish: plain([-0.5, 1.5], "few", (x) => x * Math.max(0, Math.min(1, x / 6 + 0.5))),
  LeakyRelu: {
    attributes: ["alpha"],
    most: 1,
    make(number) {
      const alpha = number("alpha", Math.fround(0.01));
      if (Math.abs(alpha) > 8) return null;
      const value = (x: number) => (x < 0 ? alpha * x : x);
      const slope = [Math.min(alpha, 1), Math.max(alpha, 1)] as const;
      return { slope, halfLines: [alpha, 1], error: "few", value, ...kinked };
    },
  },
  Elu: {
    attributes: ["alpha"],
    most: 1,
    make(number) {
      const alpha = number("alpha", 1);
      // exp(x) - 1 in float32, times alpha, must not err by more than is said above.
      if (!(alpha >= 0 && alpha <= 2)) return null;
      const value = (x: number) => (x < 0 ? alpha * Math.expm1(x) : x);
      const smooth = { curvature: 1, derivative: (x: number) => (x < 0 ? Math.exp(x) : 1) };
      return { slope: [0, Math.max(1, alpha)], error: "elementary", value, ...(alpha === 1 ? smooth : kinked) };
    },
  },
  // max(x, 0) + min(alpha (e^(x / alpha) - 1), 0)
  Celu: {
    attributes: ["alpha"],
    most: 1,
    make(number) {
      const alpha = number("alpha", 1);
      if (!(alpha >= 2 ** -10 && alpha <= 2)) return null;
      const value = (x: number) => (x < 0 ? alpha * Math.expm1(x / alpha) : x);
      const derivative = (x: number) => (x < 0 ? Math.exp(x / alpha) : 1);
      return { slope: [0, 1], error: "elementary", value, curvature: (1 / alpha) * (1 + 2 ** -50), derivative };
    },
  },
  // With a threshold other than 0 it jumps.
  ThresholdedRelu: {
    attributes: ["alpha"],
    most: 1,
    make: (number) => (number("alpha", 1) === 0 ? scalars.Relu.make(number, []) : null),
  },
  Selu: {
    attributes: ["alpha", "gamma"],
    most: 1,
    make(number) {
      const [alpha, gamma] = [number("alpha", Math.fround(1.6732632)), number("gamma", Math.fround(1.0507010221))];
      if (!(alpha >= 0 && alpha <= 2 && gamma >= 0 && gamma <= 2 && alpha * gamma <= 2)) return null;
      const value = (x: number) => gamma * (x < 0 ? alpha * Math.expm1(x) : x);
      const steepest = Math.max(gamma, alpha * gamma) * (1 + 2 ** -50);
      return { slope: [0, steepest], error: "elementary", value, ...kinked };
    },
  },
  HardSigmoid: {
    attributes: ["alpha", "beta"],
    most: 1,
    make(number) {
      const [alpha, beta] = [number("alpha", Math.fround(0.2)), number("beta", 0.5)];
      if (!(alpha >= 0 && alpha <= 1 && Math.abs(beta) <= 1)) return null;
      const value = (x: number) => Math.max(0, Math.min(1, alpha * x + beta));
      return { name: "HardSigmoid", ramp: [alpha, beta], slope: [0, alpha], error: "few", value, ...kinked };
    },
  },
  Clip: {
    attributes: ["min", "max"],
    most: 3,
    make(number, [low, high]) {
      const least = low ?? number("min", -3.4028234663852886e38);
      const most = high ?? number("max", 3.4028234663852886e38);
      if (!(least <= most)) return null;
      const value = (x: number) => Math.min(most, Math.max(least, x));
      const halfLines = least === 0 && most > 3e38 ? ({ halfLines: [0, 1] } as const) : {};
      return { slope: [0, 1], error: "none", value, ...halfLines, ...kinked };
    },
  },
};

/** |x|. */
export const distance: Scalar = { slope: [-1, 1], error: "none", value: Math.abs, halfLines: [-1, 1], ...kinked };

/** x above 0 and a slope times x below, a slope for every place; null where one is too steep. */
export function bent(slopes: Float64Array): Scalar | null {
  let [least, most] = [1, 1];
  for (const slope of slopes) {
    if (!(Math.abs(slope) <= 8)) return null;
    least = Math.min(least, slope);
    most = Math.max(most, slope);
  }
  const value = (x: number, place: number) => (x < 0 ? slopes[place] * x : x);
  const one = slopes.every((s) => s === slopes[0]);
  const halfLines = one ? ([slopes[0], 1] as const) : Array.from(slopes, (s) => [s, 1] as const);
  return { slope: [least, most], error: "few", value, halfLines, ...kinked };
}

/** max(x, c) or min(x, c), a limit c for every place. */
export function limit(which: "Max" | "Min", limits: Float64Array): Scalar {
  const value =
    which === "Max"
      ? (x: number, place: number) => Math.max(x, limits[place])
      : (x: number, place: number) => Math.min(x, limits[place]);
  const lines = which === "Max" ? ([0, 1] as const) : ([1, 0] as const);
  return {
    slope: [0, 1],
    error: "none",
    value,
    ...(limits.every((c) => c === 0) ? { halfLines: lines } : {}),
    ...kinked,
  };
}

/**
 * c x sigmoid(b x) and c x (1 + erf(b x)), b > 0: what b is changes the scale of x, and not how steep the function is. c is a power of
 * two up to 1.
 */
export const gates = {
  silu: (b: number, c: number): Scalar => ({
    slope: [-0.0998394 * c, 1.0998394 * c],
    error: "elementary",
    value: (x) => x * (c * sigmoid(b * x)),
    // 1/2 at 0.
    curvature: 0.5001 * b * c,
    derivative: (x) => c * (sigmoid(b * x) + b * x * sigmoid(b * x) * sigmoid(-b * x)),
  }),
  gelu: (b: number, c: number): Scalar => ({
    slope: [-0.2578084 * c, 2.2578084 * c],
    error: "elementary",
    value: (x) => x * (c * (1 + erf(b * x))),
    // 4 / sqrt(pi) at 0.
    curvature: 2.25676 * b * c,
    derivative: (x) => c * (1 + erf(b * x) + b * x * bell(b * x)),
  }),
  /** x tanh(softplus(x)). */
  mish: {
    slope: [-0.1125262, 1.0884982],
    error: "elementary",
    value: (x) => x * Math.tanh(softplus(x)),
    // At -0.08793.
    curvature: 0.6442047,
    derivative: mishSlope,
  } satisfies Scalar,
  /** x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2. */
  tanhGelu: {
    slope: [-0.1289931, 1.1289931],
    error: "elementary",
    value: tanhGelu,
    // sqrt(2 / pi) at 0.
    curvature: 0.7978846,
    derivative: tanhGeluSlope,
  } satisfies Scalar,
  /** c x clip(alpha x + beta, 0, 1), 0 < alpha <= 1, |beta| <= 1: where it is a parabola its slope goes from -beta to 2 - beta. */
  ramp: (alpha: number, beta: number, c: number): Scalar => ({
    slope: [Math.min(0, -beta) * c, Math.max(1, 2 - beta) * c],
    error: "few",
    value: (x) => x * (c * Math.max(0, Math.min(1, alpha * x + beta))),
    ...kinked,
  }),
} as const;
