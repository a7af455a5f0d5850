/** @file A model and its preprocessing as steps from a sample to the outputs, every one of which is needed. One sample is one run: a batch of 1. */

import { sparse } from "../algebra/sparse.ts";
import { must, Refusal } from "../refusal.ts";
import { isVarying, naming, type Operand } from "./arguments.ts";
import type { Bits } from "./constant.ts";
import type { OnnxGraph, OnnxNode } from "./onnx.ts";
import { readNode } from "./operators.ts";
import { count, fits, linear, readsOf, type Step, type Varying } from "./step.ts";
import { checkTail, tailOf } from "./tail.ts";

/** What is done to a sample before the model sees it: (x scale - mean) / std with float32 numbers, the layout, a reshape. */
export interface Preprocessing {
  readonly scale?: number | readonly number[];
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
  readonly layout?: "nchw" | "nhwc";
}

export interface Program {
  /** Each after what it reads. */
  readonly steps: readonly Step[];
  readonly byTensor: ReadonlyMap<string, Step>;
  /** Numbers in a sample. */
  readonly size: number;
  readonly output: string;
  readonly outputs: number;
  /** Of the numbers that a run of the model calculates with. */
  readonly bits: Bits;
}

/** The name of the sample itself among the tensors; no tensor of a model may have it. */
export const sampleName = "(sample)";

/** How much a model may hold. */
export interface Most {
  /** Numbers in all tensors together, constants that are made of others among them. */
  readonly numbers: number;
  /** Entries of all maps that are written out. */
  readonly entries: number;
}

/** A gigabyte each. */
const largest: Most = { numbers: 2 ** 27, entries: 6e7 };

/** Put the steps of a model in order. Throws Refusal where anything is not known, not there or not used, or is too large. */
export function programOf(
  graph: OnnxGraph,
  preprocessing: Preprocessing,
  sample: readonly number[],
  most: Most = largest,
): Program {
  must(
    graph.inputs.length === 1 && graph.outputs.length === 1,
    () => "the model: it must have one input and one output",
  );
  const [port] = graph.inputs;
  const shape = port.shape.map((d, i) => (i === 0 && typeof d !== "number" ? 1 : d));
  must(isShape(shape), () => `the input "${port.name}": only its first dimension may be free, got [${shape}]`);
  must(
    count(shape) === count(sample),
    () => `the input "${port.name}": one run must take one sample of ${count(sample)} numbers, got [${shape}]`,
  );
  must(!port.name.startsWith("("), () => `the input "${port.name}": the name is kept for the checker`);
  const first = preprocessingStep(preprocessing, sample, port.name, shape);
  const operands = new Map<string, Operand>([...graph.constants, [port.name, first]]);
  operands.set(sampleName, undefined);
  const made = new Map<string, Step>([[port.name, first]]);
  const read = new Map<string, Set<string>>();
  const tail = tailOf(graph);
  let numbers = count(shape);
  let entries = 0;
  for (const node of graph.nodes) {
    if (tail.nodes.has(node)) {
      for (const out of node.outputs) read.set(out, new Set(node.inputs));
      continue;
    }
    const given = node.inputs.map((name): Operand => {
      if (name === "") return undefined;
      must(operands.has(name) && name !== sampleName, () => `${naming(node)}: its input "${name}" is not there`);
      const operand = operands.get(name);
      const { bits = graph.bits } = operand !== undefined && !isVarying(operand) ? operand : graph;
      must(
        bits === graph.bits || node.operator === "Cast",
        () => `${naming(node)}: its input "${name}" is float${bits}, and the model calculates in float${graph.bits}`,
      );
      return operand;
    });
    for (const [output, out] of node.outputs.entries()) {
      const { opset, bits } = graph;
      const about = { node, output, opset, bits, ends: out === tail.logits };
      const result = named(node, () => readNode({ ...about, operands: given, stepOf: (tensor) => made.get(tensor) }));
      if (out === "") continue;
      if (result) numbers += count(result.shape);
      must(numbers <= most.numbers, () => `${naming(node)}: with it the tensors of the model are too large`);
      must(!out.startsWith("("), () => `${naming(node)}: the name "${out}" is kept for the checker`);
      must(!operands.has(out) && !read.has(out), () => `${naming(node)}: the tensor "${out}" is there already`);
      read.set(out, new Set(node.inputs.filter((name) => name !== "")));
      // What nothing may read is not there for anything to read.
      if (result === null) continue;
      operands.set(out, result);
      // An operand that is passed on has its step already.
      if (!isVarying(result) || result.tensor !== out) continue;
      const { before = [], ...step } = result as Step & { readonly before?: readonly Step[] };
      for (const own of [...before, step as Step]) entries += entriesOf(own);
      must(entries <= most.entries, () => `${naming(node)}: with it the maps of the model, written out, are too large`);
      for (const own of [...before, { ...step, tensor: out } as Step]) {
        made.set(own.tensor, own);
        const sizeOf = (tensor: string) => count((made.get(tensor) as Step).shape);
        must(fits(own, sizeOf), () => `${naming(node)}: what was made of it does not fit`);
      }
    }
  }
  const [end] = graph.outputs;
  const result = operands.get(tail.logits);
  must(result !== undefined && isVarying(result), () => `the output "${end.name}": it must depend on the input`);
  checkTail(tail, result.shape, graph.opset);
  must(
    !end.labelled || (result.shape.length === 2 && result.shape[0] === 1),
    () => `the output "${end.name}": beside labels it must be a row of scores, got [${result.shape}]`,
  );
  must(
    tail.reshaped ||
      end.shape === null ||
      (end.shape.length === result.shape.length &&
        end.shape.every((d, i) => typeof d !== "number" || d === result.shape[i])),
    () => `the output "${end.name}": it is declared as [${end.shape}] and is [${result.shape}]`,
  );
  checkUsed(graph, read, end.name);
  const output = deciding(made, result);
  const needed = neededFor(made, output.tensor);
  const steps = [...made.values()].filter((step) => needed.has(step.tensor));
  if (graph.bits === 16) for (const step of steps) checkFactors(step);
  return {
    steps,
    byTensor: new Map(steps.map((step) => [step.tensor, step])),
    size: count(sample),
    output: output.tensor,
    outputs: count(output.shape),
    bits: graph.bits,
  };
}

// --- internal ---

/** A factor that a run in halves computes keeps its digits where it is not among the smallest numbers. */
function checkFactors(step: Step): void {
  if (step.kind !== "affine" || step.roundings === 0) return;
  must(
    step.parts.every(({ matrix }) => matrix.value.every((v) => v === 0 || Math.abs(v) >= 2 ** -10)),
    () => `the tensor "${step.tensor}": in float16 a factor that is computed must not be below 2^-10`,
  );
}

/** One output f decides by its sign, as (0, f) does by the larger. */
function deciding(made: Map<string, Step>, result: Varying): Varying {
  if (count(result.shape) !== 1) return result;
  const pair = linear(
    "(decision)",
    [1, 2],
    result.tensor,
    sparse(2, 1, (i, put) => {
      if (i === 1) put(0, 1);
    }),
  );
  made.set(pair.tensor, pair);
  return pair;
}

function entriesOf(step: Step): number {
  switch (step.kind) {
    case "affine":
      return step.parts.reduce((n, { matrix }) => n + matrix.value.length, 0);
    case "largest":
      return step.members.length;
    case "pointwise":
      return 0;
    default:
      return step satisfies never;
  }
}

/** What is refused of a node says which it is. */
function named<T>(node: OnnxNode, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof Refusal) || cause.message.startsWith(naming(node))) throw cause;
    throw new Refusal(`${naming(node)}: ${cause.message}`);
  }
}

/** What float32 can multiply with and divide by. */
const isModest = (v: number): boolean => v >= 2 ** -32 && v <= 2 ** 32;

const isShape = (shape: readonly (number | string | null)[]): shape is readonly number[] =>
  shape.every((d) => typeof d === "number" && Number.isInteger(d) && d > 0);

/** The tensors that an output is made of; what was recognised as a whole does not need its pieces. */
function neededFor(made: ReadonlyMap<string, Step>, output: string): ReadonlySet<string> {
  const needed = new Set<string>();
  const stack = [output];
  for (let name = stack.pop(); name !== undefined; name = stack.pop()) {
    const step = made.get(name);
    if (needed.has(name) || !step) continue;
    needed.add(name);
    stack.push(...readsOf(step));
  }
  return needed;
}

function checkUsed(graph: OnnxGraph, read: ReadonlyMap<string, ReadonlySet<string>>, output: string): void {
  const used = new Set<string>();
  const stack = [output];
  for (let name = stack.pop(); name !== undefined; name = stack.pop()) {
    if (used.has(name)) continue;
    used.add(name);
    stack.push(...(read.get(name) ?? []));
  }
  for (const node of graph.nodes) {
    must(
      node.outputs.some((out) => used.has(out)),
      () => `${naming(node)}: it leads nowhere`,
    );
  }
  must(used.has(graph.inputs[0].name), () => "the model: nothing reads its input");
}

function preprocessingStep(
  { scale = 1, mean = [0], std = [1], layout = "nchw" }: Preprocessing,
  sample: readonly number[],
  tensor: string,
  shape: readonly number[],
): Step {
  const [channels] = sample;
  const inner = count(sample.slice(1));
  const scales = typeof scale === "number" ? [scale] : scale;
  for (const [what, list] of [
    ["scale", scales],
    ["mean", mean],
    ["std", std],
  ] as const) {
    must(
      list.length === 1 || list.length === channels,
      () => `the preprocessing: ${what} must have 1 or ${channels} numbers`,
    );
  }
  const at = (list: readonly number[], i: number) => Math.fround(list[list.length === 1 ? 0 : Math.floor(i / inner)]);
  const factor = (i: number) => at(scales, i) / at(std, i);
  const size = count(sample);
  for (let i = 0; i < size; i++) {
    must(
      isModest(Math.abs(at(scales, i))) && isModest(at(std, i)) && Math.abs(at(mean, i)) < 2 ** 32,
      () => "the preprocessing: scale must not be 0, std positive, and all of them not far from 1",
    );
  }
  must(
    layout === "nchw" || (layout === "nhwc" && sample.length === 3),
    () => "the preprocessing: its layout does not fit",
  );
  const bare = (s: readonly number[]) => s.filter((d) => d !== 1);
  const before = layout === "nhwc" ? [sample[1], sample[2], sample[0]] : sample;
  const [theirs, ours] = [bare(before), bare(shape)];
  must(
    theirs.length <= 1 || ours.length <= 1 || theirs.join() === ours.join(),
    () => `the preprocessing: samples [${before}] do not fit the input [${shape}]`,
  );
  // Number i of the model's input is number from(i) of the sample.
  const from = (i: number) => (layout === "nhwc" ? (i % channels) * inner + Math.floor(i / channels) : i);
  const plain = scales.every((s) => s === 1) && std.every((s) => Math.fround(s) === 1);
  const matrix = sparse(size, size, (i, put) => put(from(i), factor(from(i))), plain ? 0 : 2);
  const step = linear(tensor, shape, sampleName, matrix);
  const bias = Float64Array.from({ length: size }, (_, i) => {
    const m = at(mean, from(i));
    return m === 0 ? 0 : -m / at(std, from(i));
  });
  return { ...step, bias, biasSize: bias.map(Math.abs), roundings: plain ? 0 : 2 };
}
