/**
 * @file What a model is built from. The same architecture in another family of layers is another model: plain layers, layers
 * that are 1-Lipschitz for every value of their parameters, layers of low curvature.
 */
import { UsageError } from "../tensor/errors.ts";
import { type Activation, activation } from "./activation.ts";
import { batchNorm } from "./batchNorm.ts";
import { type ConvOptions, conv } from "./conv.ts";
import { dense } from "./dense.ts";
import { glorotUniform, heNormal } from "./initializer.ts";
import type { Layer } from "./layer.ts";
import { residual, sequential } from "./sequential.ts";

/** What follows the linear map of a layer. */
export interface Unit {
  /** "identity" for none. */
  readonly activation: Activation;
  /** Before the activation. Default: none. */
  readonly batchNorm?: boolean;
}

/** A family of layers. What it cannot build it refuses with UsageError. */
export interface Family {
  readonly name: string;
  /** A fully connected layer and what follows it. */
  dense(width: number, unit: Unit): readonly Layer[];
  /** A convolution and what follows it. */
  conv(channels: number, options: ConvOptions, unit: Unit): readonly Layer[];
  /** The last layer, which is linear; `before` is the activation of the model's other layers. */
  last(outputs: number, before: Activation): readonly Layer[];
  /** An activation that stands alone. */
  activation(name: Activation): Layer;
  /** Two branches that start at one place and are added. Default: the second is the identity. */
  residual(inner: readonly Layer[], shortcut?: readonly Layer[]): Layer;
  /** What it makes of a network that is there. Default: nothing, such a network keeps its layers. */
  readonly softens?: Softening;
  /** The whole model, from its layers, first to last. */
  whole(layers: readonly Layer[], name: string): Layer;
}

/** What a family makes softer in a network that is there. */
export interface Softening {
  /** Of the centred softplus in the place of each ReLU: what beta is, or is at first where it is learned. */
  readonly beta: number;
  readonly kind: "learned" | "fixed";
  /** Is the slope of each batch-norm capped by a gamma that is learnt? */
  readonly caps: boolean;
}

/** The layers as everybody knows them. */
export const plainFamily: Family = {
  name: "plain",
  dense: (width, unit) => [dense(width, { initializer: initializerFor(unit.activation) }), ...following(unit)],
  conv: (channels, options, unit) => [
    conv(channels, { bias: !unit.batchNorm, initializer: initializerFor(unit.activation), ...options }),
    ...following(unit),
  ],
  last: (outputs, before) => [dense(outputs, { initializer: initializerFor(before) })],
  activation,
  residual: (inner, shortcut) => residual(sequential(inner), shortcut && sequential(shortcut)),
  whole: sequential,
};

/** A model of the plain family that can be built from any other. */
export interface Model extends Layer {
  inFamily(family: Family): Layer;
}

/** The model that `build` makes of the plain family. */
export function ofFamily(build: (family: Family) => Layer): Model {
  return { ...build(plainFamily), inFamily: build };
}

/** The same architecture from another family. Throws UsageError where the model is not one that can be. */
export function inFamily(model: Layer, family: Family): Layer {
  const { inFamily: build } = model as Partial<Model>;
  if (!build) {
    throw new UsageError(
      `${family.name}: the model must be one that can be built from other layers (mlp, convnet, resnet), got "${model.name}"`,
    );
  }
  return build(family);
}

// --- internal ---

const initializerFor = (name: Activation) => (name === "sigmoid" || name === "tanh" ? glorotUniform : heNormal);

const following = (unit: Unit): Layer[] => [
  ...(unit.batchNorm ? [batchNorm()] : []),
  ...(unit.activation === "identity" ? [] : [activation(unit.activation)]),
];
