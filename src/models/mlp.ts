/** @file Multi-layer perceptron. */
import { type Activation, activation } from "../layers/activation.ts";
import { dense } from "../layers/dense.ts";
import { glorotUniform, heNormal } from "../layers/initializer.ts";
import type { Layer } from "../layers/layer.ts";
import { flatten } from "../layers/pool.ts";
import { sequential } from "../layers/sequential.ts";
import { UsageError } from "../tensor/errors.ts";

/** Dense layers of the given widths, input first, an activation between them: mlp([784, 128, 10]). Samples are flattened. */
export function mlp(widths: readonly number[], options: { readonly activation?: Activation } = {}): Layer {
  if (widths.length < 2 || widths.some((w) => !Number.isInteger(w) || w < 1)) {
    throw new UsageError(`mlp: widths must be at least two whole numbers >= 1, got [${widths.join(",")}]`);
  }
  const { activation: name = "relu" } = options;
  const initializer = name === "sigmoid" || name === "tanh" ? glorotUniform : heNormal;
  const layers = widths
    .slice(1)
    .flatMap((width, i) => [...(i === 0 ? [] : [activation(name)]), dense(width, { initializer })]);
  return sequential([flatten(widths[0]), ...layers], "mlp");
}
