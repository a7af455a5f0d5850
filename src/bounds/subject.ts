/** @file The function that is bounded or certified: one floating-point input, all outputs side by side in one row per sample. */
import type { Node } from "../graph/graph.ts";
import { input } from "../graph/leaf.ts";
import type { Network } from "../graph/network.ts";
import { concat, reshape } from "../ops/movement.ts";
import { ShapeError, UsageError } from "../tensor/errors.ts";
import { type Shape, sameShape, showShape, sizeOf } from "../tensor/shape.ts";
import { type DType, isFloat } from "../tensor/tensor.ts";

export interface Subject {
  readonly name: string;
  /** Name of the network's input. */
  readonly input: string;
  /** What one run is fed, without a free batch. A fixed batch belongs to it: the constant of a batch is that of its samples. */
  readonly sample: Shape;
  /** Numbers in one run's input. */
  readonly size: number;
  /** Numbers in one run's output. */
  readonly outputs: number;
  /** May several runs be made at once? */
  readonly batch: "free" | "fixed";
  /** x: `count` runs, y: [count, outputs]. Without a free batch, count must be 1. x has the name of the network's input unless told. */
  at(count: number, dtype: DType, name?: string): { readonly x: Node; readonly y: Node };
}

/** See a network as a function of one input. Throws UsageError where it has more inputs, integer ones or free dimensions beside the batch. */
export function subjectOf(network: Network): Subject {
  const { name, inputs } = network;
  const who = name === "" ? "network" : name;
  if (inputs.length !== 1 || !isFloat(inputs[0].dtype)) {
    const got = inputs.map((p) => `${p.name}: ${p.dtype}${showShape(p.shape)}`).join(", ") || "none";
    throw new UsageError(`${who}: a Lipschitz constant needs exactly one floating-point input, got ${got}`);
  }
  const [port] = inputs;
  const free = typeof port.shape[0] === "string";
  const sample = (free ? port.shape.slice(1) : port.shape).map((d) => {
    if (typeof d === "number") return d;
    const rule = "no dimension but the first may be free";
    throw new UsageError(`${who}: ${rule}, got ${showShape(port.shape)}; export the model with a fixed size`);
  });
  const build = (count: number, dtype: DType, own = port.name) => {
    const x = input(own, free ? [count, ...sample] : sample, dtype);
    return { x, outputs: network.build([x]) };
  };
  const at = (count: number, dtype: DType, own?: string) => {
    const { x, outputs } = build(count, dtype, own);
    return { x, y: sideBySide(who, outputs, count) };
  };
  const { y } = at(1, "float32");
  return {
    name: who,
    input: port.name,
    sample,
    size: sizeOf(sample),
    outputs: y.shape[1],
    batch: free && carriesBatch(() => build(2, "float32").outputs, y.shape[1]) ? "free" : "fixed",
    at,
  };
}

/** Check that samples of a shape can be fed: the same numbers in the same order, whatever the axes of length 1. */
export function checkSample({ name, sample, size }: Pick<Subject, "name" | "sample" | "size">, shape: Shape): void {
  const bare = (s: Shape) => s.filter((d) => d !== 1);
  const [ours, theirs] = [bare(sample), bare(shape)];
  const flat = ours.length <= 1 || theirs.length <= 1;
  const runs = size / sizeOf(shape);
  if (sizeOf(shape) === size && (flat || sameShape(ours, theirs))) return;
  // A fixed batch: several samples make one run.
  if (Number.isInteger(runs) && runs > 1 && sample[0] === runs) return;
  throw new UsageError(
    `${name}: samples must fit its input ${showShape(sample)}, got ${showShape(shape)}; is a preprocessing (layout) missing?`,
  );
}

// --- internal ---

/** Do two samples go through side by side? A model may declare a free batch and then reshape to a batch of 1. */
function carriesBatch(build: () => readonly Node[], width: number): boolean {
  try {
    const outputs = build();
    return outputs.every((o) => o.shape[0] === 2) && outputs.reduce((n, o) => n + sizeOf(o.shape), 0) === 2 * width;
  } catch (cause) {
    if (cause instanceof ShapeError) return false;
    throw cause;
  }
}

function sideBySide(who: string, outputs: readonly Node[], count: number): Node {
  const rows = outputs.map((o) => {
    if (!isFloat(o.dtype)) throw new UsageError(`${who}: its outputs must be floating-point, got ${o.dtype}`);
    if (sizeOf(o.shape) % count !== 0) throw new ShapeError(`${who}: its output must hold ${count} runs`);
    return reshape(o, [count, sizeOf(o.shape) / count]);
  });
  return concat(rows, 1);
}
