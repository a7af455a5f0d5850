/** @file Functions of one number: their values, all slopes between two points, and how far a machine may be off. */

export interface Scalar {
  /** Every difference quotient lies between these. */
  readonly slope: readonly [number, number];
  value(x: number): number;
  /**
   * |computed - exact| <= error (1 + |x| + |f(x)|), in units of rounding of the arithmetic; 0 where nothing rounds. Of exp, tanh and log
   * it is assumed that doubles err by less than 2^-45 and float32 by less than 2^-20 in this sense; runtimes are better than that.
   */
  readonly error: "none" | "few" | "elementary";
}

interface Kind {
  readonly attributes: readonly string[];
  /** Most inputs. */
  readonly most: number;
  make(number: (key: string, otherwise: number) => number, rest: readonly (number | undefined)[]): Scalar | null;
}

/** What `error` is worth, in double and in single arithmetic. */
export const errorOf = {
  none: { 64: 0, 32: 0 },
  few: { 64: 2 ** -49, 32: 2 ** -20 },
  elementary: { 64: 2 ** -45, 32: 2 ** -20 },
} as const;

const plain = (slope: readonly [number, number], error: Scalar["error"], value: (x: number) => number): Kind => ({
  attributes: [],
  most: 1,
  make: () => ({ slope, error, value }),
});

/** By the name of the operator. */
export const scalars: Readonly<Record<string, Kind>> = {
  Relu: plain([0, 1], "none", (x) => (x > 0 ? x : 0)),
  Abs: plain([-1, 1], "none", Math.abs),
  Sigmoid: plain([0, 0.25], "elementary", (x) => 1 / (1 + Math.exp(-x))),
  Tanh: plain([0, 1], "elementary", Math.tanh),
  Softplus: plain([0, 1], "elementary", (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))),
  Softsign: plain([0, 1], "few", (x) => x / (1 + Math.abs(x))),
  HardSwish: plain([-0.5, 1.5], "few", (x) => x * Math.max(0, Math.min(1, x / 6 + 0.5))),
  LeakyRelu: {
    attributes: ["alpha"],
    most: 1,
    make(number) {
      const alpha = number("alpha", Math.fround(0.01));
      if (Math.abs(alpha) > 8) return null;
      return { slope: [Math.min(alpha, 1), Math.max(alpha, 1)], error: "few", value: (x) => (x < 0 ? alpha * x : x) };
    },
  },
  Elu: {
    attributes: ["alpha"],
    most: 1,
    make(number) {
      const alpha = number("alpha", 1);
      if (!(alpha >= 0 && alpha <= 8)) return null;
      return { slope: [0, Math.max(1, alpha)], error: "elementary", value: (x) => (x < 0 ? alpha * Math.expm1(x) : x) };
    },
  },
  HardSigmoid: {
    attributes: ["alpha", "beta"],
    most: 1,
    make(number) {
      const [alpha, beta] = [number("alpha", Math.fround(0.2)), number("beta", 0.5)];
      if (!(alpha >= 0 && alpha <= 1 && Math.abs(beta) <= 1)) return null;
      return { slope: [0, alpha], error: "few", value: (x) => Math.max(0, Math.min(1, alpha * x + beta)) };
    },
  },
  Clip: {
    attributes: ["min", "max"],
    most: 3,
    make(number, [low, high]) {
      const least = low ?? number("min", -3.4028234663852886e38);
      const most = high ?? number("max", 3.4028234663852886e38);
      if (!(least <= most)) return null;
      return { slope: [0, 1], error: "none", value: (x) => Math.min(most, Math.max(least, x)) };
    },
  },
};
