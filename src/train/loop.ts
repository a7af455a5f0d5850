/**
 * @file The training loop: an async iterator of events. It draws no randomness of its own, prints nothing and writes nothing; a
 * checkpoint is a value, and a run resumed from one goes through the same numbers as a run that was never stopped.
 */

import { evaluationBatches, gatherBatch, trainingBatches } from "../data/batches.ts";
import type { Dataset, Split } from "../data/dataset.ts";
import type { Engine, Program } from "../engine/engine.ts";
import { input } from "../graph/leaf.ts";
import type { Network } from "../graph/network.ts";
import { evalRun, type Layer, type Variables } from "../layers/layer.ts";
import { freeze } from "../models/freeze.ts";
import { UsageError } from "../tensor/errors.ts";
import { mapNamed, type Named, under, within } from "../tensor/named.ts";
import { random, uniformTensor } from "../tensor/random.ts";
import { scalar, type Tensor } from "../tensor/tensor.ts";
import { crossEntropy, type Loss, squaredError } from "./loss.ts";
import type { Method } from "./method.ts";
import { adam, type Optimizer } from "./optimizer.ts";
import { plain } from "./plain.ts";
import { constantRate, type Schedule } from "./schedule.ts";
import { stepGraph, type TrainState } from "./step.ts";

export interface TrainOptions {
  readonly engine: Engine;
  readonly data: Split;
  readonly model: Layer;
  readonly method?: Method;
  readonly optimizer?: Optimizer;
  readonly schedule?: Schedule;
  /** Cross-entropy for classes, squared error for regression, unless told. */
  readonly loss?: Loss;
  readonly epochs?: number;
  readonly batch?: number;
  readonly seed?: number;
  /** Go on from here instead of from the start; the other options must be those of the run that made it. */
  readonly resume?: Checkpoint;
  readonly signal?: AbortSignal;
}

/** Where a run stands after an epoch: all that is needed to go on. */
export interface Checkpoint {
  readonly epoch: number;
  readonly step: number;
  readonly state: TrainState;
}

export interface EpochMetrics {
  readonly epoch: number;
  readonly epochs: number;
  /** Means over the batches of the epoch, as they were when trained on. */
  readonly trainLoss: number;
  readonly trainAccuracy: number | null;
  /** On the test part, after the epoch, in evaluation mode. */
  readonly testLoss: number;
  readonly testAccuracy: number | null;
  /** Wall time of the epoch's steps, in seconds. */
  readonly seconds: number;
}

export type TrainEvent =
  | { readonly kind: "start"; readonly epochs: number; readonly stepsPerEpoch: number; readonly parameters: number }
  | { readonly kind: "step"; readonly epoch: number; readonly step: number; readonly loss: number }
  | ({ readonly kind: "epoch"; readonly checkpoint: Checkpoint } & EpochMetrics)
  | { readonly kind: "end"; readonly variables: Variables; readonly network: Network };

/**
 * Train a model. Yields "start", a "step" after each batch, an "epoch" after each epoch (with a checkpoint) and "end" with the
 * frozen network. Throws the signal's reason if it is aborted, UsageError where the model does not fit the data or the loss is
 * no longer finite.
 */
export async function* train(options: TrainOptions): AsyncGenerator<TrainEvent> {
  const { engine, data, model, method = plain(), optimizer = adam(), schedule = constantRate(1e-3) } = options;
  const { epochs = 5, batch = 128, seed = 0, signal } = options;
  checkWhole("epochs", epochs);
  checkWhole("batch", batch);
  const { train: trainData, test } = data;
  const classification = trainData.task === "classification";
  const loss = options.loss ?? (classification ? crossEntropy : squaredError);
  const produced = model.shape(trainData.shape);
  if (produced.length !== 1 || produced[0] !== trainData.classes) {
    const want = `${trainData.classes} ${classification ? "classes" : "outputs"}`;
    throw new UsageError(`train: ${trainData.name} has ${want}, the model gives [${produced.join(",")}] a sample`);
  }

  const root = random(seed);
  const initial = initialState(model, method, optimizer, root.fork("init"), trainData);
  const checkpoint = options.resume ?? { epoch: 0, step: 0, state: initial };
  checkResume(initial, checkpoint.state);
  const graph = stepGraph({
    model,
    method,
    optimizer,
    loss,
    initial,
    batch,
    sample: trainData.shape,
    target: trainData.classes,
    classification,
  });
  const stepsPerEpoch = Math.floor(trainData.count / batch);
  const parameters = Object.values(within("params", initial)).reduce((n, p) => n + p.data.length, 0);
  const program = await engine.compile(graph.outputs);
  const evaluator = await evaluation(engine, model, loss, test, initial);
  try {
    yield { kind: "start", epochs, stepsPerEpoch, parameters };
    let { step, state } = checkpoint;
    for (let epoch = checkpoint.epoch; epoch < epochs; epoch++) {
      const started = performance.now();
      let lossSum = 0;
      let accuracySum = 0;
      let k = 0;
      for (const indices of trainingBatches(trainData, batch, root.fork(`shuffle ${epoch}`))) {
        signal?.throwIfAborted();
        const { x, y } = gatherBatch(trainData, indices);
        const rate = schedule.rate(epoch + k / stepsPerEpoch, epochs);
        step++;
        k++;
        const noise = mapNamed(graph.noise, (shape, name) => uniformTensor(root.fork(`${name} ${step}`), shape));
        const feeds = { ...state, ...noise, x, y, rate: scalar(rate), step: scalar(step) };
        const results = await program.run(only(program, feeds));
        state = { ...state, ...within("next", results) };
        const value = Number(results.loss.data[0]);
        if (!Number.isFinite(value)) {
          throw new UsageError(`train: the loss is ${value} at step ${step}; use a smaller learning rate`);
        }
        lossSum += value;
        if (results.accuracy) accuracySum += Number(results.accuracy.data[0]);
        yield { kind: "step", epoch, step, loss: value };
      }
      const seconds = (performance.now() - started) / 1000;
      const trainLoss = lossSum / k;
      const trainAccuracy = classification ? accuracySum / k : null;
      const changed = method.after?.({ epoch: epoch + 1, epochs, trainLoss, trainAccuracy }, within("method", state));
      if (changed) state = { ...state, ...under("method", changed) };
      const { testLoss, testAccuracy } = await evaluator.run(state);
      yield {
        kind: "epoch",
        epoch: epoch + 1,
        epochs,
        trainLoss,
        trainAccuracy,
        testLoss,
        testAccuracy,
        seconds,
        checkpoint: { epoch: epoch + 1, step, state },
      };
    }
    const variables = { params: within("params", state), state: within("state", state) };
    yield { kind: "end", variables, network: await freeze(engine, model, variables, trainData.shape) };
  } finally {
    await program.dispose();
    await evaluator.dispose();
  }
}

// --- internal ---

function initialState(
  model: Layer,
  method: Method,
  optimizer: Optimizer,
  from: ReturnType<typeof random>,
  data: Dataset,
): TrainState {
  const { params, state } = model.init(from, data.shape);
  return {
    ...under("params", params),
    ...under("state", state),
    ...under("optimizer", optimizer.init(params)),
    ...under("method", method.init?.(params) ?? {}),
  };
}

/** The feeds that a program wants: state that nothing in the step reads is not one of its inputs. */
function only(program: Program, feeds: Named<Tensor>): Named<Tensor> {
  return Object.fromEntries(Object.keys(program.inputs).map((name) => [name, feeds[name]]));
}

/** Loss and accuracy in evaluation mode, with the state as inputs, so that one compilation serves every epoch. */
async function evaluation(engine: Engine, model: Layer, loss: Loss, data: Dataset, initial: TrainState) {
  const size = Math.min(250, data.count);
  const programs = new Map<number, Program>();
  const variables = { ...within("params", initial), ...within("state", initial) };
  const programFor = async (batch: number) => {
    const have = programs.get(batch);
    if (have) return have;
    const nodes = mapNamed(variables, (t, name) => input(name, t.shape, t.dtype));
    const x = input("x", [batch, ...data.shape]);
    const y = input("y", [batch, data.classes]);
    const outputs = model.forward(x, model.weights(nodes, "eval"), evalRun);
    const made = await engine.compile({ outputs, loss: loss(outputs, y) });
    programs.set(batch, made);
    return made;
  };
  return {
    async run(state: TrainState): Promise<{ testLoss: number; testAccuracy: number | null }> {
      const values = { ...within("params", state), ...within("state", state) };
      let lossSum = 0;
      let correct = 0;
      for (const indices of evaluationBatches(data, size)) {
        const { x, y, labels } = gatherBatch(data, indices);
        const program = await programFor(indices.length);
        const results = await program.run(only(program, { ...values, x, y }));
        lossSum += Number(results.loss.data[0]) * indices.length;
        correct += countCorrect(results.outputs, labels);
      }
      const testAccuracy = data.task === "classification" ? correct / data.count : null;
      return { testLoss: lossSum / data.count, testAccuracy };
    },
    async dispose() {
      for (const program of programs.values()) await program.dispose();
    },
  };
}

function countCorrect(outputs: Tensor, labels: Int32Array): number {
  const [, classes] = outputs.shape;
  const data = outputs.data as Float32Array;
  let correct = 0;
  labels.forEach((label, i) => {
    let best = 0;
    for (let c = 1; c < classes; c++) if (data[i * classes + c] > data[i * classes + best]) best = c;
    if (best === label) correct++;
  });
  return correct;
}

/** A checkpoint fits if it has the variables that this run would start with. */
function checkResume(initial: TrainState, resumed: TrainState): void {
  const strange = Object.keys({ ...initial, ...resumed }).find(
    (name) => !(initial[name] && resumed[name] && String(initial[name].shape) === String(resumed[name].shape)),
  );
  if (strange !== undefined) {
    throw new UsageError(
      `train: the checkpoint is of another model, method or optimiser: "${strange}" differs; resume with the options it was made with`,
    );
  }
}

function checkWhole(what: string, value: number): void {
  if (!Number.isInteger(value) || value < 1)
    throw new UsageError(`train: ${what} must be a whole number >= 1, got ${value}`);
}
