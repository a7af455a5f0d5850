/** @file The list of training methods, by the names that users type. */
import { UsageError } from "../tensor/errors.ts";
import type { Method } from "./method.ts";
import { plain, weightDecay } from "./plain.ts";

export const methodNames = ["plain", "weight-decay"] as const;

export type MethodName = (typeof methodNames)[number];

/** A method as plain data. */
export interface MethodSpec {
  readonly name: MethodName;
  /** weight-decay: the decay of every weight. Adam's is decoupled and wants about 0.5, that of SGD about 5e-4, which is the default here. */
  readonly decay?: number;
}

/** Build the method of a spec. */
export function buildMethod(spec: MethodSpec): Method {
  switch (spec.name) {
    case "plain":
      return plain();
    case "weight-decay":
      return weightDecay(spec);
    default:
      spec.name satisfies never;
      throw new UsageError(`method: unknown name "${spec.name as string}"; known: ${methodNames.join(", ")}`);
  }
}
