/** @file Rounding to the half types, to nearest and ties to even: as functions of numbers for constants, and as an op for what varies. */
import { apply, type Node, type Op } from "../graph/graph.ts";
import { unbounded } from "./facts.ts";
import { onnxType } from "./lowering.ts";
import { unary } from "./unary.ts";

/** The half types that a model may cast to: 5 bits of exponent and 10 of fraction, or 8 and 7. */
export type Half = "float16" | "bfloat16";

/** The nearest number of a half type; infinite beyond the largest. */
export function roundedTo(half: Half, v: number): number {
  // A runtime makes a float32 of it first.
  const x = Math.fround(v);
  if (x === 0 || !Number.isFinite(x)) return x;
  const { fraction, least, most } = formats[half];
  const exponent = Math.max(Math.floor(Math.log2(Math.abs(x))), least);
  const spacing = 2 ** (exponent - fraction);
  const rounded = evenly(x / spacing) * spacing;
  return Math.abs(rounded) > most ? Math.sign(x) * Number.POSITIVE_INFINITY : rounded;
}

/** x rounded to a half type, in the dtype of x: a step function, which has slope 0 and no constant. */
export const roundTo = (x: Node, half: Half): Node => apply(roundOp, [x], { half });

// --- internal ---

const formats = {
  float16: { fraction: 10, least: -14, most: 65504, code: 10 },
  bfloat16: { fraction: 7, least: -126, most: (2 - 2 ** -7) * 2 ** 127, code: 16 },
} as const;

/** The nearest whole number, of two the even one. */
function evenly(v: number): number {
  const low = Math.floor(v);
  const over = v - low;
  return over < 0.5 || (over === 0.5 && low % 2 === 0) ? low : low + 1;
}

const roundOp: Op<{ readonly half: Half }> = {
  ...unary<{ readonly half: Half }>({
    name: "RoundTo",
    order: "rises",
    compute: (x, { half }) => roundedTo(half, x),
    pull: () => null,
    behaviour: ({ half }) => unbounded(`a cast to ${half} rounds: it is a step function`),
    composite: (x) => x,
  }),
  // Casts there and back.
  onnx: (y, build) =>
    build.node("Cast", [build.node("Cast", [build.input(0)], { to: formats[y.attrs.half].code })], {
      to: onnxType[y.dtype],
    }),
};
