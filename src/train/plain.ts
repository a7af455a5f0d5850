/** @file The two baselines: the data term alone, and with weight decay. */
import { UsageError } from "../tensor/errors.ts";
import type { Method } from "./method.ts";

/** Minimise the loss on the data and nothing else. */
export const plain = (): Method => ({ name: "plain" });

/** Minimise the loss with weight decay on the weights; biases and the parameters of normalisations go free. */
export function weightDecay({ decay = 5e-4 }: { readonly decay?: number } = {}): Method {
  if (!(decay >= 0 && Number.isFinite(decay))) throw new UsageError(`weightDecay: decay must be >= 0, got ${decay}`);
  return { name: "weight-decay", decay: (name) => (name === "weight" || name.endsWith("/weight") ? decay : 0) };
}
