/** @file Functions of one number: their values, all slopes between two points, and how far a machine may be off. */

export interface Scalar {
  /** Of those that may be gates. */
  readonly name?: "Sigmoid" | "Erf";
  /** Every difference quotient lies between these. */
  readonly slope: readonly [number, number];
  /** By how much two slopes differ at most, over the distance of their places; Infinity where there is a kink. */
  readonly curvature: number;
  /** Where it is nothing but two half-lines that meet at 0 in 0: their slopes, to the left and to the right. */
  readonly halfLines?: readonly [number, number];
  value(x: number): number;
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
  smooth: Pick<Scalar, "curvature" | "derivative" | "halfLines"> = kinked,
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
  // 4 / (3 sqrt 3)
  Tanh: plain([0, 1], "elementary", Math.tanh, { curvature: 0.7698004, derivative: (x) => 1 - Math.tanh(x) ** 2 }),
  Softplus: plain([0, 1], "elementary", (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))), {
    curvature: 0.25,
    derivative: (x) => sigmoid(x),
  }),
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
  PRelu: {
    attributes: [],
    most: 2,
    make(_, [alpha]) {
      if (alpha === undefined || Math.abs(alpha) > 8) return null;
      const value = (x: number) => (x < 0 ? alpha * x : x);
      const slope = [Math.min(alpha, 1), Math.max(alpha, 1)] as const;
      return { slope, halfLines: [alpha, 1], error: "few", value, ...kinked };
    },
  },
  HardSigmoid: {
    attributes: ["alpha", "beta"],
    most: 1,
    make(number) {
      const [alpha, beta] = [number("alpha", Math.fround(0.2)), number("beta", 0.5)];
      if (!(alpha >= 0 && alpha <= 1 && Math.abs(beta) <= 1)) return null;
      const value = (x: number) => Math.max(0, Math.min(1, alpha * x + beta));
      return { slope: [0, alpha], error: "few", value, ...kinked };
    },
  },
  Clip: {
    attributes: ["min", "max"],
    most: 3,
    make(number, [low, high]) {
      const least = low ?? number("min", -3.4028234663852886e38);
      const most = high ?? number("max", 3.4028234663852886e38);
      if (!(least <= most)) return null;
      return { slope: [0, 1], error: "none", value: (x) => Math.min(most, Math.max(least, x)), ...kinked };
    },
  },
};

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
} as const;

// --- internal ---

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** The slope of erf. */
const bell = (x: number): number => (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x);

/** 2 / sqrt(pi) e^(-x^2) sum of 2^n x^(2n+1) / (1 3 5 ... (2n+1)): nothing cancels. Beyond 6 it is 1 to more than a double has. */
function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > Math.abs(sum) * 2 ** -56; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}
