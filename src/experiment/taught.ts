/** @file Data with the answers of a teacher: numbers to predict are what it says, and samples without labels become a regression. Classes stay. */
import { evaluationBatches } from "../data/batches.ts";
import type { Dataset, Samples, Unlabelled } from "../data/dataset.ts";
import type { Engine, Program } from "../engine/engine.ts";
import { input } from "../graph/leaf.ts";
import { sizeOf } from "../tensor/shape.ts";
import { tensor, toFloat64 } from "../tensor/tensor.ts";
import type { Target } from "../train/sobolev.ts";

/** The answers of a target at samples: a regression whose loss is the distance from the teacher. */
export async function taught<D extends Dataset | Unlabelled>(
  data: D,
  target: Target,
  engine: Engine,
): Promise<Dataset> {
  if (data.task === "classification") return data as Dataset;
  const outputs = await outputsAt(data, target, engine);
  const { name, x, shape, count, range, ids, notes = [] } = data;
  return {
    name,
    x,
    shape,
    count,
    task: "regression",
    labels: new Int32Array(0),
    targets: outputs,
    classes: outputs.length / count,
    notes: [...notes, "What is predicted is what the teacher says."],
    ...(range && { range }),
    ...(ids && { ids }),
  };
}

// --- internal ---

const largestBatch = 256;

async function outputsAt({ x, shape, count }: Samples, target: Target, engine: Engine): Promise<Float32Array> {
  const size = sizeOf(shape);
  const programs = new Map<number, Program>();
  const parts: Float64Array[] = [];
  try {
    for (const { length, 0: from } of evaluationBatches({ count }, Math.min(count, largestBatch))) {
      const program = programs.get(length) ?? (await engine.compile({ y: target(input("x", [length, ...shape])) }));
      programs.set(length, program);
      const fed = tensor(x.slice(from * size, (from + length) * size), [length, ...shape]);
      parts.push(toFloat64((await program.run({ x: fed })).y));
    }
  } finally {
    for (const program of programs.values()) await program.dispose();
  }
  return Float32Array.from(parts.flatMap((part) => Array.from(part)));
}
