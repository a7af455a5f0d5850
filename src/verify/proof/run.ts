/** @file Running a network on samples in doubles. */

import { multiplyInto } from "../algebra/multiply.ts";
import { type Program, sampleName } from "../read/network.ts";
import type { Step } from "../read/step.ts";
import { Refusal } from "../refusal.ts";
import type { Task } from "../task.ts";

/** A network run on samples. */
export interface Run {
  /** Row by row. */
  readonly outputs: Float64Array;
  /** Of every tensor, place by place, the largest absolute value at any sample. */
  readonly largest: ReadonlyMap<string, Float64Array>;
}

/** Run a network in doubles on [count, size] numbers. Throws Refusal where a number is not finite. */
export function* runOn(
  program: Program,
  x: Float32Array,
  onProgress: (fraction: number) => void = () => undefined,
): Task<Run> {
  const samples = x.length / program.size;
  const outputs = new Float64Array(samples * program.outputs);
  const largest = new Map<string, Float64Array>();
  const together = 4;
  for (let from = 0; from < samples; from += together) {
    onProgress(from / samples);
    yield;
    const block = Array.from({ length: Math.min(together, samples - from) }, (_, k) =>
      Float64Array.from(x.subarray((from + k) * program.size, (from + k + 1) * program.size)),
    );
    const values = new Map<string, readonly Float64Array[]>([[sampleName, block]]);
    for (const step of program.steps) values.set(step.tensor, evaluate(step, values, block.length));
    for (const [tensor, ys] of values) {
      const top = largest.get(tensor) ?? new Float64Array(ys[0].length);
      largest.set(tensor, top);
      for (const y of ys) {
        for (let i = 0; i < y.length; i++) {
          const size = Math.abs(y[i]);
          // Not Math.max: a number that is none must not pass.
          if (!(size < Number.POSITIVE_INFINITY)) {
            throw new Refusal(`the tensor "${tensor}": a number is not finite`);
          }
          if (size > top[i]) top[i] = size;
        }
      }
    }
    values.get(program.output)?.forEach((y, k) => {
      outputs.set(y, (from + k) * program.outputs);
    });
  }
  return { outputs, largest };
}

/** All tensors at one sample. */
export function valuesAt(program: Program, x: ArrayLike<number>): ReadonlyMap<string, Float64Array> {
  const values = new Map<string, readonly Float64Array[]>([[sampleName, [Float64Array.from(x)]]]);
  for (const step of program.steps) values.set(step.tensor, evaluate(step, values, 1));
  return new Map([...values].map(([tensor, [value]]) => [tensor, value]));
}

// --- internal ---

function evaluate(
  step: Step,
  values: ReadonlyMap<string, readonly Float64Array[]>,
  samples: number,
): readonly Float64Array[] {
  switch (step.kind) {
    case "affine": {
      const ys = Array.from({ length: samples }, () => step.bias.slice());
      for (const { from, matrix } of step.parts) multiplyInto(ys, matrix, values.get(from) as readonly Float64Array[]);
      return ys;
    }
    case "pointwise":
      return (values.get(step.from) as readonly Float64Array[]).map((x) => x.map(step.scalar.value));
    case "largest":
      return (values.get(step.from) as readonly Float64Array[]).map((x) =>
        Float64Array.from({ length: step.start.length - 1 }, (_, i) => {
          let top = Number.NEGATIVE_INFINITY;
          for (let k = step.start[i]; k < step.start[i + 1]; k++) top = Math.max(top, x[step.members[k]]);
          return top;
        }),
      );
    default:
      return step satisfies never;
  }
}
