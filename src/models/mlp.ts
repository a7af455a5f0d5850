/** @file Multi-layer perceptron. */
import type { Activation } from "../layers/activation.ts";
import { type Model, ofFamily } from "../layers/family.ts";
import { flatten } from "../layers/pool.ts";
import { UsageError } from "../tensor/errors.ts";

/** Dense layers of the given widths, input first, an activation between them: mlp([784, 128, 10]). Samples are flattened. */
export function mlp(widths: readonly number[], options: { readonly activation?: Activation } = {}): Model {
  if (widths.length < 2 || widths.some((w) => !Number.isInteger(w) || w < 1)) {
    throw new UsageError(`mlp: widths must be at least two whole numbers >= 1, got [${widths.join(",")}]`);
  }
  const { activation = "relu" } = options;
  const hidden = widths.slice(1, -1);
  return ofFamily((family) =>
    family.whole(
      [
        flatten(widths[0]),
        ...hidden.flatMap((width) => family.dense(width, { activation })),
        ...family.last(widths[widths.length - 1], activation),
      ],
      "mlp",
    ),
  );
}
