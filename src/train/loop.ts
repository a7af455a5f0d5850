/**
 * @file The training loop: an async iterator of events. It draws no randomness of its own, prints nothing and writes nothing; a
 * checkpoint is a value, and a run resumed from one goes through the same numbers as a run that was never stopped.
 */
import { roomFor, trainingBatches } from "../data/batches.ts";
import type { Dataset, Split } from "../data/dataset.ts";
import { type Engine, needEngine } from "../engine/engine.ts";
import type { Network } from "../graph/network.ts";
import { inFamily } from "../layers/family.ts";
import type { Layer, Variables } from "../layers/layer.ts";
import { freeze } from "../models/freeze.ts";
import { UsageError } from "../tensor/errors.ts";
import { type Named, under, within } from "../tensor/named.ts";
import { random, uniformTensor } from "../tensor/random.ts";
import { sameShape, showShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { blockFeeds, blockLength, stepInputs } from "./block.ts";
import { type Checkpoint, checkResume, freshState, startedFrom } from "./checkpoint.ts";
import { evaluator } from "./evaluator.ts";
import { crossEntropy, type Loss, squaredError } from "./loss.ts";
import type { Method } from "./method.ts";
import { adam, type Optimizer } from "./optimizer.ts";
import { plain } from "./plain.ts";
import { constantRate, type Schedule } from "./schedule.ts";
import { checkUpdates, stepGraph } from "./step.ts";

export type { Checkpoint };

export interface TrainOptions {
  readonly engine: Engine;
  readonly data: Split;
  /** A method with layers of its own builds it from those. */
  readonly model: Layer;
  /** Default: the data term alone. */
  readonly method?: Method;
  /** Default: Adam. */
  readonly optimizer?: Optimizer;
  /** Default: a constant 1e-3. */
  readonly schedule?: Schedule;
  /** Default: cross-entropy for classes, squared error for regression. */
  readonly loss?: Loss;
  /** Passes over the training part. Default: 5. */
  readonly epochs?: number;
  /** Samples a step (default 128); an epoch leaves out the samples that do not fill its last batch. */
  readonly batch?: number;
  /** Of the first weights, the order of the samples and the noise. Default: 0. */
  readonly seed?: number;
  /**
   * Go on from here instead of from the start. The other options must be those of the run that made it, but for `epochs`, which
   * may be larger (a schedule then is that of the longer run).
   */
  readonly resume?: Checkpoint;
  /**
   * Start with these parameters and states of layers (`Checkpoint.state` of a run of the same model) in place of drawn ones; the optimiser and the method begin
   * anew. `resume` goes before it.
   */
  readonly start?: Named<Tensor>;
  /** Steps that go through the engine in one run; what is yielded does not depend on it, only when. Default: as many as take a few hundredths of a second, counted, not timed. */
  readonly block?: number;
  readonly signal?: AbortSignal;
}

export interface EpochMetrics {
  /** From 1. */
  readonly epoch: number;
  readonly epochs: number;
  /** Means over the batches of the epoch, as they were when trained on. */
  readonly trainLoss: number;
  readonly trainAccuracy: number | null;
  /** On the test part, after the epoch, in evaluation mode. */
  readonly testLoss: number;
  readonly testAccuracy: number | null;
  /** Wall time of the epoch's steps in seconds, without the test and without the time that the reader of the events takes. */
  readonly seconds: number;
}

/** What happens, in this order; epochs and steps count from 1, steps through all epochs. */
export type TrainEvent =
  | { readonly kind: "start"; readonly epochs: number; readonly stepsPerEpoch: number; readonly parameters: number }
  | { readonly kind: "step"; readonly epoch: number; readonly step: number; readonly loss: number }
  | ({ readonly kind: "epoch"; readonly checkpoint: Checkpoint } & EpochMetrics)
  | { readonly kind: "end"; readonly variables: Variables; readonly network: Network };

/**
 * Train a model. Yields "start", a "step" for each batch, an "epoch" after each epoch (with a checkpoint) and "end" with the
 * frozen network. Steps are computed some at a time (`block`) and yielded one by one. Equal options give equal bits. Whoever stops reading early stops the training, and its memory is freed.
 * Throws the signal's reason once it is aborted, ShapeError or UsageError where model, data and checkpoint do not fit each
 * other, and UsageError where the loss is no longer finite.
 */
export async function* train(options: TrainOptions): AsyncGenerator<TrainEvent, void, undefined> {
  const engine = needEngine("train", options.engine);
  const { data, method = plain(), optimizer = adam(), schedule = constantRate(1e-3) } = options;
  const { epochs = 5, batch = 128, seed = 0, signal } = options;
  checkWhole("epochs", epochs);
  checkWhole("batch", batch);
  if (options.block !== undefined) checkWhole("block", options.block);
  const model = method.family ? inFamily(options.model, method.family) : options.model;
  checkData(data, model, batch);
  const { train: trainData, test: testData } = data;
  const classification = trainData.task === "classification";
  const loss = options.loss ?? (classification ? crossEntropy : squaredError);
  const root = random(seed);
  const initial = freshState(model, method, optimizer, root.fork("init"), trainData, batch);
  const stepsPerEpoch = Math.floor(trainData.count / batch);
  const resumed = options.resume ?? { epoch: 0, step: 0, state: startedFrom(options.start, initial) };
  checkResume(resumed, initial, epochs, stepsPerEpoch);
  const sample = trainData.shape;
  const target = trainData.classes;
  const slopes = trainData.slopes !== undefined;
  const graph = stepGraph({ model, method, optimizer, loss, initial, batch, sample, target, classification, slopes });
  const changing = Object.keys(within("next", graph.outputs));
  const parameters = Object.values(within("params", initial)).reduce((n, p) => n + p.data.length, 0);

  signal?.throwIfAborted();
  const carried = Object.fromEntries(changing.map((name) => [name, `next/${name}`]));
  const each = [...stepInputs, ...Object.keys(graph.noise)];
  const program = await engine.iterate({ outputs: graph.outputs, carried, each });
  // What nothing in the step reads is not an input of the program.
  const isInput = ([name]: readonly [string, unknown]) => name in program.inputs;
  const fedState = Object.keys(initial).filter((name) => name in program.inputs);
  const fedByStep = Object.entries(program.inputs).filter(([name]) => each.includes(name));
  const block = Math.min(stepsPerEpoch, options.block ?? blockLength(graph.outputs, Object.fromEntries(fedByStep)));
  const room = roomFor(trainData, batch * block);
  const noise = {
    shapes: graph.noise,
    at: (name: string, step: number) => uniformTensor(root.fork(`${name} ${step}`), graph.noise[name]),
  };
  const testing = evaluator({ engine, model, loss, data: testData });
  try {
    yield { kind: "start", epochs, stepsPerEpoch, parameters };
    const state: Record<string, Tensor> = { ...resumed.state };
    let { step } = resumed;
    for (let epoch = resumed.epoch; epoch < epochs; epoch++) {
      let seconds = 0;
      let lossSum = 0;
      let accuracySum = 0;
      let done = 0;
      for (const indices of trainingBatches(trainData, batch, root.fork(`shuffle ${epoch}`), block)) {
        signal?.throwIfAborted();
        const started = performance.now();
        const paces = Array.from({ length: indices.length / batch }, (_, k) => {
          const at = epoch + (done + k) / stepsPerEpoch;
          return { rate: schedule.rate(at, epochs), step: step + k + 1, epoch: at };
        });
        const feeds = Object.entries(blockFeeds(trainData, indices, paces, noise, room)).filter(isInput);
        const before = fedState.map((name) => [name, state[name]] as const);
        const results = await program.run(Object.fromEntries([...before, ...feeds]), paces.length);
        for (const name of changing) state[name] = results[`next/${name}`];
        seconds += (performance.now() - started) / 1000;
        for (let k = 0; k < paces.length; k++) {
          if (k > 0) signal?.throwIfAborted();
          step++;
          done++;
          const value = Number(results.loss.data[k]);
          checkFinite("loss", value, `step ${step}`);
          lossSum += value;
          if (results.accuracy) accuracySum += Number(results.accuracy.data[k]);
          yield { kind: "step", epoch: epoch + 1, step, loss: value };
        }
      }
      const trainLoss = lossSum / done;
      const trainAccuracy = classification ? accuracySum / done : null;
      const summary = { epoch: epoch + 1, epochs, trainLoss, trainAccuracy };
      const after = under("method", method.after?.(summary, within("method", state)) ?? {});
      checkUpdates(method.name, after, initial);
      Object.assign(state, after);
      const tested = await testing.run({ ...within("params", state), ...within("state", state) }, signal);
      checkFinite("test loss", tested.loss, `epoch ${epoch + 1}`);
      const checkpoint = { epoch: epoch + 1, step, state: { ...state } };
      yield { kind: "epoch", ...summary, testLoss: tested.loss, testAccuracy: tested.accuracy, seconds, checkpoint };
    }
    signal?.throwIfAborted();
    const variables = variablesOf(state);
    yield { kind: "end", variables, network: await freeze(engine, model, variables, sample) };
  } finally {
    await program.dispose();
    await testing.dispose();
  }
}

/** The network that a training with these options had at a checkpoint. */
export function networkAt(
  { engine, data, model, method }: Pick<TrainOptions, "engine" | "data" | "model" | "method">,
  { state }: Checkpoint,
): Promise<Network> {
  const own = method?.family ? inFamily(model, method.family) : model;
  return freeze(engine, own, variablesOf(state), data.train.shape);
}

// --- internal ---

const variablesOf = (state: Named<Tensor>): Variables => ({
  params: within("params", state),
  state: within("state", state),
});

/** Whether data, model and batch go together; UsageError otherwise. */
export function checkData({ train, test }: Split, model: Layer, batch: number): void {
  const kind = ({ task, shape, classes }: Dataset) => `${task} of ${showShape(shape)} into ${classes}`;
  if (kind(train) !== kind(test)) {
    throw new UsageError(`train: both parts of the data must be alike, got ${kind(train)} and ${kind(test)}`);
  }
  if (batch > train.count) {
    const got = `${batch} for ${train.count} samples of ${train.name}`;
    throw new UsageError(`train: batch must not be larger than the data set, got ${got}; use a smaller one`);
  }
  const produced = model.shape(train.shape);
  if (!sameShape(produced, [train.classes])) {
    const want = `${train.classes} ${train.task === "classification" ? "classes" : "outputs"}`;
    throw new UsageError(`train: ${train.name} has ${want}, the model gives ${showShape(produced)} a sample`);
  }
}

function checkFinite(what: string, value: number, at: string): void {
  if (!Number.isFinite(value)) {
    throw new UsageError(`train: the ${what} must stay finite, got ${value} at ${at}; use a smaller learning rate`);
  }
}

function checkWhole(what: string, value: number): void {
  if (!Number.isInteger(value) || value < 1)
    throw new UsageError(`train: ${what} must be a whole number >= 1, got ${value}`);
}
