/** @file A model as plain data, so that a checkpoint can say what it is a checkpoint of. */
import { type Activation, activationNames } from "../layers/activation.ts";
import type { Layer } from "../layers/layer.ts";
import { UsageError } from "../tensor/errors.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import { convnet } from "./convnet.ts";
import { mlp } from "./mlp.ts";
import { resnet } from "./resnet.ts";

export const modelKinds = ["mlp", "convnet", "madry", "resnet"] as const;

export type ModelKind = (typeof modelKinds)[number];

export interface ModelSpec {
  readonly kind: ModelKind;
  /** mlp: hidden widths; the others: channels of each stage. Defaults: mlp 128; convnet 16,32; madry 32,64; resnet 16,32,64. */
  readonly widths?: readonly number[];
  readonly activation?: Activation;
}

/** Build the model of a spec for samples of a shape and a number of outputs. */
export function buildModel(spec: ModelSpec, sample: Shape, outputs: number): Layer {
  const { kind, widths, activation = "relu" } = spec;
  if (!activationNames.includes(activation)) {
    throw new UsageError(`model: unknown activation "${activation}"; known: ${activationNames.join(", ")}`);
  }
  if (widths?.some((w) => !Number.isInteger(w) || w < 1)) {
    throw new UsageError(`model: widths must be whole numbers >= 1, got ${widths.join(",")}`);
  }
  switch (kind) {
    case "mlp":
      return mlp([sizeOf(sample), ...(widths ?? [128]), outputs], { activation });
    case "convnet":
      return convnet(outputs, { channels: widths ?? [16, 32], activation });
    case "madry":
      return convnet(outputs, { channels: widths ?? [32, 64], hidden: 1024, shrink: "pool", activation });
    case "resnet":
      return resnet(outputs, { channels: widths ?? [16, 32, 64], activation });
    default:
      kind satisfies never;
      throw new UsageError(`model: unknown kind "${kind as string}"; known: ${modelKinds.join(", ")}`);
  }
}
