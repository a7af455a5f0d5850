/** @file Network -> ONNX model bytes: what `writeModel` does with a graph, for a recipe of one. */
import { input } from "../graph/leaf.ts";
import type { Network } from "../graph/network.ts";
import { UsageError } from "../tensor/errors.ts";
import { showShape } from "../tensor/shape.ts";
import { type WriteOptions, writeModel } from "./write.ts";

export type { WriteOptions } from "./write.ts";

/**
 * Write a network as a plain ONNX model, in float32. A free first dimension of its inputs stays free, under its own name.
 * Throws UsageError where any other dimension is free, or where only some inputs have a free batch.
 */
export function writeNetwork(network: Network, options: Omit<WriteOptions, "batch"> = {}): Uint8Array {
  const { inputs, outputs, name, metadata } = network;
  const free = inputs.map(({ shape }) => (typeof shape[0] === "string" ? shape[0] : undefined));
  for (const port of inputs) {
    if (port.shape.slice(1).some((d) => typeof d === "string")) {
      throw new UsageError(
        `writeNetwork: only the first dimension may be free, got "${port.name}" ${showShape(port.shape)}`,
      );
    }
  }
  const [batch] = free;
  if (free.some((d) => (d === undefined) !== (batch === undefined))) {
    throw new UsageError(
      `writeNetwork: all inputs must have a free batch or none, got ${inputs.map((p) => showShape(p.shape)).join(" and ")}`,
    );
  }
  const nodes = network.build(
    inputs.map((port) =>
      input(
        port.name,
        port.shape.map((d) => (typeof d === "number" ? d : 1)),
        port.dtype,
      ),
    ),
  );
  const named = Object.fromEntries(outputs.map((output, i) => [output, nodes[i]]));
  return writeModel(named, { name, metadata, ...options, ...(batch === undefined ? {} : { batch }) });
}
