/** @file Activations by name. */
import type { Node } from "../graph/graph.ts";
import { elu, gelu, hardSigmoid, hardSwish, leakyRelu, relu, sigmoid, silu, softplus, tanh } from "../ops/pointwise.ts";
import { maxMin } from "../ops/sort.ts";
import { ShapeError, UsageError } from "../tensor/errors.ts";
import { showShape } from "../tensor/shape.ts";
import { centeredSoftplus } from "./centeredSoftplus.ts";
import { householder } from "./householder.ts";
import { fixed, type Layer } from "./layer.ts";

const activations = {
  relu,
  leakyRelu: (x: Node) => leakyRelu(x, 0.01),
  elu: (x: Node) => elu(x, 1),
  sigmoid,
  tanh,
  softplus,
  gelu: (x: Node) => gelu(x, "none"),
  silu,
  hardSigmoid: (x: Node) => hardSigmoid(x, 1 / 6, 0.5),
  hardSwish,
  softRelu: null,
  maxMin: (x: Node) => maxMin(x),
  identity: (x: Node) => x,
} as const;

export type Activation = keyof typeof activations | "householder";

export const activationNames: readonly Activation[] = [
  ...(Object.keys(activations) as (keyof typeof activations)[]),
  "householder",
];

/**
 * An activation, element by element, one of: relu, leakyRelu (0.01), elu, sigmoid, tanh, softplus, gelu, silu, hardSigmoid, hardSwish, identity;
 * softRelu, a ReLU with a second derivative: the centred softplus of beta 1000; or of pairs of channels, the first half with the
 * second, of which there must be an even number: maxMin, which sorts them, and householder, which mirrors them at lines that are learnt.
 */
export function activation(name: Activation): Layer {
  if (name === "householder") return householder();
  const apply = activations[name];
  if (apply === undefined)
    throw new UsageError(`activation: unknown name "${name}"; known: ${activationNames.join(", ")}`);
  // It is written another way in training than as a number.
  if (apply === null) return centeredSoftplus({ beta: 1000, kind: "fixed" });
  return fixed(name, {
    shape(input) {
      if (name === "maxMin" && !(input[0] % 2 === 0)) {
        throw new ShapeError(`maxMin: the number of channels must be even, got ${showShape(input)}`);
      }
      return input;
    },
    forward: (x) => apply(x),
  });
}
