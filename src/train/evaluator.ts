/** @file Loss and accuracy in evaluation mode. The variables are inputs of the program, so that one compilation serves every epoch. */
import { evaluationBatches, gatherBatch } from "../data/batches.ts";
import type { Dataset } from "../data/dataset.ts";
import type { Engine, Program } from "../engine/engine.ts";
import { input } from "../graph/leaf.ts";
import { evalRun, type Layer } from "../layers/layer.ts";
import { mapNamed, type Named } from "../tensor/named.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Loss } from "./loss.ts";

export interface Evaluation {
  /** Mean loss of a sample. */
  readonly loss: number;
  /** The part of the samples whose largest output is the true class; null for a regression. */
  readonly accuracy: number | null;
}

export interface Evaluator {
  /** Evaluate parameters and state, both by name; throws the signal's reason if it is aborted. */
  run(variables: Named<Tensor>, signal?: AbortSignal): Promise<Evaluation>;
  dispose(): Promise<void>;
}

export interface EvaluatorOptions {
  readonly engine: Engine;
  readonly model: Layer;
  readonly loss: Loss;
  readonly data: Dataset;
}

/** Make an evaluator of a model on a data set; it compiles when it first runs, once per batch size (the last batch may be smaller). */
export function evaluator({ engine, model, loss, data }: EvaluatorOptions): Evaluator {
  const programs = new Map<number, Program>();
  const programFor = async (batch: number, variables: Named<Tensor>): Promise<Program> => {
    const have = programs.get(batch);
    if (have) return have;
    const nodes = mapNamed(variables, (t, name) => input(`variables/${name}`, t.shape, t.dtype));
    const outputs = model.forward(input("x", [batch, ...data.shape]), model.weights(nodes, "eval"), evalRun);
    const made = await engine.compile({ outputs, loss: loss(outputs, input("y", [batch, data.classes])) });
    programs.set(batch, made);
    return made;
  };
  return {
    async run(variables, signal) {
      let lossSum = 0;
      let correct = 0;
      for (const indices of evaluationBatches(data, Math.min(largestBatch, data.count))) {
        signal?.throwIfAborted();
        const { x, y, labels } = gatherBatch(data, indices);
        const program = await programFor(indices.length, variables);
        const feeds: Record<string, Tensor> = { x, y };
        // A variable that nothing reads in evaluation is not an input.
        for (const [name, value] of Object.entries(variables)) {
          if (`variables/${name}` in program.inputs) feeds[`variables/${name}`] = value;
        }
        const results = await program.run(feeds);
        lossSum += Number(results.loss.data[0]) * indices.length;
        correct += countCorrect(results.outputs, labels);
      }
      const accuracy = data.task === "classification" ? correct / data.count : null;
      return { loss: lossSum / data.count, accuracy };
    },
    async dispose() {
      for (const program of programs.values()) await program.dispose();
      programs.clear();
    },
  };
}

// --- internal ---

const largestBatch = 250;

/** Ties go to the first class, as in the accuracy of a training step. */
function countCorrect(outputs: Tensor, labels: Int32Array): number {
  const [, classes] = outputs.shape;
  const { data } = outputs;
  let correct = 0;
  labels.forEach((label, i) => {
    let best = 0;
    for (let c = 1; c < classes; c++) if (data[i * classes + c] > data[i * classes + best]) best = c;
    if (best === label) correct++;
  });
  return correct;
}
