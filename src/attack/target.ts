/** @file The network as an attack sees it: rows of samples in, decisions out, in a fixed number of rows at a time. */
import { checkAlone, checkSample, subjectOf } from "../bounds/subject.ts";
import { checkNames, type Dataset } from "../data/dataset.ts";
import type { Engine, Program } from "../engine/engine.ts";
import { type Node, topological } from "../graph/graph.ts";
import { input } from "../graph/leaf.ts";
import type { Network } from "../graph/network.ts";
import { substitute } from "../graph/rewrite.ts";
import { decidingNetwork } from "../models/decision.ts";
import { reshape } from "../ops/movement.ts";
import { scoresOf } from "../ops/softmax.ts";
import { UsageError } from "../tensor/errors.ts";
import { showShape, sizeOf } from "../tensor/shape.ts";
import { type DType, storage } from "../tensor/tensor.ts";

export interface Target {
  readonly engine: Engine;
  /** Samples in one run. */
  readonly rows: number;
  /** Numbers in one sample. */
  readonly size: number;
  readonly classes: number;
  /** Does the output depend on the input at all? */
  readonly varies: boolean;
  /** [rows, size] -> [rows, classes]: what decides. A softmax at the end is left out, because its gradient vanishes where it is sure. */
  scores(x: Node): Node;
  /** Outputs of the network as it is, for any number of samples side by side: [count, classes]. */
  outputs(x: Float32Array, dtype: DType): Promise<Float64Array>;
  /** The decision for each sample: the first of the largest outputs; -1 where an output is not a number. */
  decide(x: Float32Array, dtype?: DType): Promise<Int32Array>;
  dispose(): Promise<void>;
}

/**
 * Prepare a network for attacks on samples of a data set; `most` samples at a time where the network takes any number. Throws BatchError where a sample's output depends
 * on the batch around it.
 */
export function targetOf(network: Network, engine: Engine, data: Dataset, most = 128): Target {
  const subject = subjectOf(decidingNetwork(network, data.shape));
  checkSample(subject, data.shape);
  const size = sizeOf(data.shape);
  const perRun = subject.size / size;
  const classes = subject.outputs / perRun;
  if (data.task !== "classification" || !Number.isInteger(classes) || classes < Math.max(2, data.classes)) {
    const needed = `an output for each class of ${data.name} and samples ${showShape(data.shape)}`;
    throw new UsageError(`${subject.name}: an attack on decisions needs ${needed}, got ${classes} outputs`);
  }
  checkNames(subject.name, data, classes);
  checkAlone(subject, perRun);
  const runs = subject.batch === "free" ? Math.min(most, data.count) : 1;
  const rows = runs * perRun;
  const build = (x: Node): Node => {
    const own = subject.at(runs, x.dtype);
    const fed = reshape(x, own.x.shape);
    return reshape(substitute([own.y], new Map([[own.x, fed]]))[0], [rows, classes]);
  };
  const programs = new Map<DType, Program>();
  const programFor = async (dtype: DType): Promise<Program> => {
    const have = programs.get(dtype);
    if (have) return have;
    const made = await engine.compile({ y: build(input("x", [rows, size], dtype)) });
    programs.set(dtype, made);
    return made;
  };
  const outputs = async (x: Float32Array, dtype: DType): Promise<Float64Array> => {
    const program = await programFor(dtype);
    const count = x.length / size;
    const all = new Float64Array(count * classes);
    for (let from = 0; from < count; from += rows) {
      const data = storage(dtype, rows * size) as Float32Array;
      data.set(x.subarray(from * size, (from + rows) * size));
      // A network that ignores its input has none to feed.
      const { y } = await program.run("x" in program.inputs ? { x: { dtype, shape: [rows, size], data } } : {});
      const values = y.data as Float32Array;
      all.set(values.subarray(0, Math.min(rows, count - from) * classes), from * classes);
    }
    return all;
  };
  const probe = input("x", [rows, size]);
  return {
    engine,
    rows,
    size,
    classes,
    varies: topological([build(probe)]).includes(probe),
    scores(x) {
      const y = build(x);
      return scoresOf(y) ?? y;
    },
    outputs,
    async decide(x, dtype = "float32") {
      const values = await outputs(x, dtype);
      return Int32Array.from({ length: values.length / classes }, (_, i) =>
        decisionOf(values.subarray(i * classes, (i + 1) * classes)),
      );
    },
    async dispose() {
      for (const program of programs.values()) await program.dispose();
      programs.clear();
    },
  };
}

// --- internal ---

function decisionOf(row: Float64Array): number {
  let best = 0;
  for (let j = 0; j < row.length; j++) {
    if (Number.isNaN(row[j])) return -1;
    if (row[j] > row[best]) best = j;
  }
  return best;
}
