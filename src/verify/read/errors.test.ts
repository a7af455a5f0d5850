/** @file What certificates assume of float32 runs of functions of one number, held against ONNX Runtime from 10^-12 to 100 on both sides of 0. */
import { describe, expect, it } from "vitest";
import { engine } from "../../../test/certificates.ts";
import { modelOf, type NodeOf, type Value } from "../../../test/model.ts";
import { tensor, toFloat64 } from "../../tensor/tensor.ts";
import { errorOf, gates, type Scalar, scalars } from "./pointwise.ts";

const size = 20001;
const middle = (size - 1) / 2;
/** Logarithmic and even. */
const places = [
  Float32Array.from(
    { length: size },
    (_, i) => Math.sign(i - middle) * 10 ** ((14 * Math.abs(i - middle)) / middle - 12),
  ),
  Float32Array.from({ length: size }, (_, i) => (20 * (i - middle)) / middle),
];

const one = (op: string, alpha?: number): NodeOf => ({
  op,
  in: ["x"],
  ...(alpha === undefined ? {} : { attributes: { alpha: { float: alpha } satisfies Value } }),
});
const made = (name: string, alpha?: number): Scalar => {
  const scalar = scalars[name].make((_, otherwise) => (alpha === undefined ? otherwise : Math.fround(alpha)), []);
  if (!scalar) throw new Error(`${name} has no such settings`);
  return scalar;
};

const functions: readonly (readonly [string, readonly NodeOf[], Scalar, number])[] = [
  ...["Sin", "Cos", "Tanh", "Softplus", "Softsign", "HardSwish", "HardSigmoid", "Selu", "Erf", "Sigmoid"].map(
    (name) => [name, [one(name)], made(name), 17] as const,
  ),
  ...[0.001, 0.3, 2].map((alpha) => [`Celu of ${alpha}`, [one("Celu", alpha)], made("Celu", alpha), 17] as const),
  ...[0.3, 2].map((alpha) => [`Elu of ${alpha}`, [one("Elu", alpha)], made("Elu", alpha), 17] as const),
  ["Mish", [one("Mish")], gates.mish, 18],
  ["Swish", [one("Swish", 1.75)], gates.silu(1.75, 1), 24],
  ["Gelu", [one("Gelu")], gates.gelu(Math.SQRT1_2, 0.5), 20],
  ["Gelu by tanh", [{ ...one("Gelu"), attributes: { approximate: "tanh" } }], gates.tanhGelu, 20],
  [
    "Mish of its parts",
    [
      { op: "Softplus", in: ["x"], out: ["s"] },
      { op: "Tanh", in: ["s"], out: ["t"] },
      { op: "Mul", in: ["x", "t"] },
    ],
    gates.mish,
    17,
  ],
  [
    "hard swish of its parts",
    [
      { op: "HardSigmoid", in: ["x"], out: ["s"], attributes: { alpha: { float: 1 / 6 } } },
      { op: "Mul", in: ["x", "s"] },
    ],
    gates.ramp(Math.fround(1 / 6), 0.5, 1),
    17,
  ],
];

describe("a float32 run errs by less than certificates grant", () => {
  it.each(functions)("%s", async (_, nodes, scalar, opset) => {
    const program = await engine.load(modelOf({ opset, inputs: { x: [size] }, nodes }));
    let worst = 0;
    for (const x of places) {
      const y = toFloat64((await program.run({ x: tensor(x, [size]) })).y);
      y.forEach((v, i) => {
        const f = scalar.value(x[i], i);
        worst = Math.max(worst, Math.abs(v - f) / (1 + Math.abs(x[i]) + Math.abs(f)));
      });
    }
    await program.dispose();
    expect(worst).toBeGreaterThan(0);
    expect(worst).toBeLessThan(errorOf[scalar.error][32]);
  });
});
