/** @file The function that is bounded or certified: one floating-point input, all outputs side by side in one row per sample. */
import type { Node } from "../graph/graph.ts";
import { input } from "../graph/leaf.ts";
import type { Network } from "../graph/network.ts";
import { concat, reshape } from "../ops/movement.ts";
import { BatchError, ShapeError, UsageError } from "../tensor/errors.ts";
import { type Shape, sameShape, showShape, sizeOf } from "../tensor/shape.ts";
import { type DType, isFloat } from "../tensor/tensor.ts";
import { aloneIsOther, type Batched, type Crossing, countMatters, samplesMeet } from "./batch.ts";
import type { NormStore } from "./norm/node.ts";

export interface Subject {
  /** What is known of the norms of its weights. */
  readonly norms: NormStore;
  readonly name: string;
  /** Name of the network's input. */
  readonly input: string;
  /** What one run is fed, without a free batch. A fixed batch belongs to it: the constant of a batch is that of its samples. */
  readonly sample: Shape;
  /** Numbers in one run's input. */
  readonly size: number;
  /** Numbers in one run's output. */
  readonly outputs: number;
  /** May several runs be made at once, and does each give what it gives alone? */
  readonly batch: "free" | "fixed";
  /** Where samples of a free batch act on each other, or their number does: then what is said holds for a batch of one. */
  readonly crossing: Crossing | null;
  /** x: `count` runs, y: [count, outputs]; built once. Without a free batch, count must be 1. Default name of x: that of the network's input. */
  at(count: number, dtype: DType, name?: string): { readonly x: Node; readonly y: Node };
}

/** See a network as a function of one input. Throws UsageError where it has more inputs, integer ones or free dimensions beside the batch. */
export function subjectOf(network: Network): Subject {
  const have = known.get(network);
  if (have) return have;
  const made = make(network);
  known.set(network, made);
  return made;
}

/** Throw BatchError where the output of a sample, of which `perRun` stand in one run, depends on the batch around it. */
export function checkAlone(subject: Subject, perRun: number): void {
  const { name, crossing } = subject;
  const found = crossing ?? (perRun > 1 ? samplesMeet(subject.at(1, "float32"), perRun) : null);
  if (!found) return;
  const rule = "a decision on a sample must not depend on the batch around it";
  const remedy = "export the model with a batch of one, or without what mixes samples";
  throw new BatchError(`${name}: ${rule}: node ${found.node}: ${found.why}; ${remedy}`);
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

/** Subjects are as immutable as networks, and what is found of the batch costs time. */
const known = new WeakMap<Network, Subject>();

function make(network: Network): Subject {
  const { name, inputs } = network;
  const who = name === "" ? "network" : name;
  if (inputs.length !== 1 || !isFloat(inputs[0].dtype)) {
    const got = inputs.map((p) => `${p.name}: ${p.dtype}${showShape(p.shape)}`).join(", ") || "none";
    throw new UsageError(
      `${who}: a Lipschitz constant needs exactly one floating-point input, got ${got}; fix the others (withFixed) or take all as one (asOneInput)`,
    );
  }
  const [port] = inputs;
  const free = typeof port.shape[0] === "string";
  const sample = (free ? port.shape.slice(1) : port.shape).map((d) => {
    if (typeof d === "number") return d;
    const rule = `the size "${d}" is free in its input "${port.name}" ${showShape(port.shape)}`;
    const words = port.shape.map((own, i) => (typeof own === "number" ? own : i === 0 ? 1 : "N")).join(",");
    throw new UsageError(`${who}: ${rule}; say it, as --shape ${port.name}=${words} does (readOnnx: shapes)`);
  });
  const build = (count: number, dtype: DType, own = port.name) => {
    const x = input(own, free ? [count, ...sample] : sample, dtype);
    const outputs = network.build([x]);
    // Labels beside scores are whole numbers: they have no constant, and nothing to add.
    const floats = outputs.filter((o) => isFloat(o.dtype));
    return { x, outputs: floats.length > 0 ? floats : outputs };
  };
  const built = new Map<string, Batched>();
  const at = (count: number, dtype: DType, own = port.name) => {
    const key = JSON.stringify([count, dtype, own]);
    const known = built.get(key);
    if (known) return known;
    const { x, outputs } = build(count, dtype, own);
    const made = { x, y: sideBySide(who, outputs, count) };
    built.set(key, made);
    return made;
  };
  const { y } = at(1, "float32");
  const batch = free ? batchOf((count) => build(count, "float32"), y.shape[1]) : "fixed";
  return {
    norms: new Map(),
    name: who,
    input: port.name,
    sample,
    size: sizeOf(sample),
    outputs: y.shape[1],
    batch: batch === "free" ? "free" : "fixed",
    crossing: typeof batch === "string" ? null : batch,
    at,
  };
}

/** Numbers of samples whose graphs must read the same constants as that of two. */
const counts = [3, 4, 5, 8, 17, 100];

/**
 * Do samples go through side by side, each as if it were alone? A model may declare a free batch and then reshape to a batch of 1, let samples act on each other, or
 * take another way where there are many. Seen on two samples, on a few other numbers of them, and on one.
 */
function batchOf(
  build: (count: number) => { readonly x: Node; readonly outputs: readonly Node[] },
  width: number,
): "free" | "fixed" | Crossing {
  try {
    const rows = (count: number) => {
      const { x, outputs } = build(count);
      const carried = outputs.every((o) => o.shape[0] === count && sizeOf(o.shape) % count === 0);
      const shape = (o: Node) => (carried ? [count, sizeOf(o.shape) / count] : [1, sizeOf(o.shape)]);
      const y = concat(
        outputs.map((o) => reshape(o, shape(o))),
        1,
      );
      return { x, y, carried: carried && sizeOf(y.shape) === count * width };
    };
    const two = rows(2);
    if (!two.carried) return samplesMeet(two, 2, false) ?? "fixed";
    const beside = samplesMeet(two, 2);
    if (beside) return beside;
    for (const count of counts) {
      const found = countMatters(two, rows(count), [2, count]);
      if (found) return found;
    }
    const one = rows(1);
    return (countMatters(one, two, [1, 2]) && aloneIsOther(one, two)) ?? "free";
  } catch (cause) {
    if (cause instanceof ShapeError) return "fixed";
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
