/** @file Carry out a spec: train, freeze, write, bound, certify, attack. An async iterator of events, without files and without printing. */
import type { Certification } from "../certify/evaluate.ts";
import { checkReading } from "../check/model.ts";
import { evaluationBatches, gatherBatch } from "../data/batches.ts";
import { type Dataset, hashDataset, type Split, take } from "../data/dataset.ts";
import { normalizing } from "../data/preprocess.ts";
import type { Engine } from "../engine/engine.ts";
import { input } from "../graph/leaf.ts";
import type { Network } from "../graph/network.ts";
import type { Variables } from "../layers/layer.ts";
import { frozenWeights } from "../models/freeze.ts";
import type { ModelSource } from "../onnx/file.ts";
import { writeNetwork } from "../onnx/network.ts";
import { modelHash } from "../onnx/read.ts";
import { EngineError } from "../tensor/errors.ts";
import type { Named } from "../tensor/named.ts";
import { sizeOf } from "../tensor/shape.ts";
import { cast, type Tensor, tensor, toFloat64 } from "../tensor/tensor.ts";
import { type Checkpoint, type EpochMetrics, type TrainEvent, type TrainOptions, train } from "../train/loop.ts";
import type { Method } from "../train/method.ts";
import { buildMethod } from "../train/methods.ts";
import type { Retrofit } from "../train/retrofit.ts";
import { claimOf } from "./claim.ts";
import { fitted } from "./fit.ts";
import { type Measured, measure, type Stage } from "./measure.ts";
import type { Machine, ModelRecord, RunRecord } from "./record.ts";
import { type SampleRecord, sampleRecord } from "./samples.ts";
import {
  buildLoss,
  buildOptimizer,
  buildRunModel,
  buildSchedule,
  buildTeacher,
  fileModel,
  type RunSpec,
} from "./spec.ts";
import { tool } from "./tool.ts";

const exportOpset = 17;

export type RunEvent =
  | { readonly kind: "train"; readonly event: TrainEvent }
  | { readonly kind: "measured"; readonly measured: Measured }
  | {
      readonly kind: "done";
      readonly record: RunRecord;
      readonly model: Uint8Array;
      readonly certification: Certification | null;
      readonly samples: SampleRecord;
    };

export interface RunOptions {
  readonly engine: Engine;
  readonly data: Split;
  /** The file of a model that is there. */
  readonly source?: ModelSource;
  /** The file of the teacher. */
  readonly teacher?: ModelSource;
  /** Go on from here; `epochs` are the metrics of the epochs that are done. */
  readonly resume?: { readonly checkpoint: Checkpoint; readonly epochs: readonly EpochMetrics[] };
  /** Of an earlier begin of this run; it counts where the model is the same. */
  readonly measured?: Measured;
  /** Parameters to start from, of a run of the same model (`TrainOptions.start`). */
  readonly start?: Named<Tensor>;
  readonly signal?: AbortSignal;
  /** For the record. */
  readonly machine?: Machine;
  /** How far the measuring after training is, from 0 to 1. */
  onMeasure?(what: Stage, fraction: number): void;
}

/** Carry out one run. Equal specs, data and engine give equal networks. */
export async function* run(
  spec: RunSpec,
  { engine, data: whole, source, teacher, resume, start, measured: before, signal, machine, onMeasure }: RunOptions,
): AsyncGenerator<RunEvent> {
  const epochs: EpochMetrics[] = [...(resume?.epochs ?? [])];
  const training = trainingOf(spec, engine, whole, source, teacher);
  const { data, method } = training;
  let trained: Extract<TrainEvent, { kind: "end" }> | undefined;
  let parameters = 0;
  for await (const event of train({ ...training, signal, resume: resume?.checkpoint, start })) {
    if (event.kind === "start") parameters = event.parameters;
    if (event.kind === "epoch") {
      const { kind: _, checkpoint: __, ...metrics } = event;
      epochs.push(metrics);
    }
    if (event.kind === "end") trained = event;
    yield { kind: "train", event };
  }
  if (!trained) throw new EngineError("run: training ended without a network");

  const some = take(data.test, Math.min(64, data.test.count));
  const { network, model, opset, exportCheck } =
    spec.model.kind === "onnx"
      ? await writtenFile(engine, fileModel(spec, data.train, source), method, trained.variables, some)
      : await writtenNetwork(engine, trained.network, some);

  const sha256 = await modelHash(model);
  const measuring = measure(network, spec, {
    engine,
    data: data.test,
    before: before?.sha256 === sha256 ? before : { sha256 },
    signal,
    onProgress: onMeasure,
  });
  let step = await measuring.next();
  for (; !step.done; step = await measuring.next()) yield { kind: "measured", measured: step.value };
  const { bound, certify, attack, curvature, effort } = step.value;
  const bracket = bound.value;
  const certification = certify.value;
  const attacked = attack.value;
  const curved = curvature.value;
  const times = {
    train: epochs.reduce((total, e) => total + e.seconds, 0),
    bound: bound.seconds,
    certify: certify.seconds,
    attack: attack.seconds,
    curvature: curvature.seconds,
  };
  const last = epochs[epochs.length - 1];
  const record: RunRecord = {
    tool: { name: tool.name, version: tool.version },
    spec,
    data: {
      name: data.train.name,
      sha256: { train: await hashDataset(data.train), test: await hashDataset(data.test) },
      samples: { train: data.train.count, test: data.test.count },
      ...(data.train.notes && { notes: data.train.notes }),
    },
    ...(spec.preprocessing && {
      preprocessing: spec.preprocessing === "normalize" ? normalizing(data.train) : spec.preprocessing,
    }),
    engine: engine.name,
    model: { file: "model.onnx", sha256, opset, parameters, exportCheck },
    epochs,
    effort,
    seconds: times,
    accuracy: certification?.accuracy ?? null,
    testLoss: last.testLoss,
    norm: spec.norm,
    bracket,
    claim: claimOf(network, bracket),
    certified: certification?.certified ?? null,
    averageRadius: certification?.averageRadius ?? null,
    attacked: attacked?.record ?? null,
    curvature: curved?.record ?? null,
    ...(machine && { machine }),
  };
  const samples = await sampleRecord(network, {
    engine,
    data: data.test,
    model: record.model.sha256,
    certification,
    attacked: attacked?.found ?? null,
    curvature: curved?.values ?? [],
    signal,
  });
  yield { kind: "done", record, model, certification, samples };
}

/** The training that a spec asks for: what `run` hands to `train`, and with a checkpoint of it to `networkAt`. `data` as `run` takes it, `source` where the model is a file, and `teacher` where there is one. */
export function trainingOf(spec: RunSpec, engine: Engine, data: Split, source?: ModelSource, teacher?: ModelSource) {
  const part = fitted(spec, data, source);
  return {
    engine,
    data: part,
    model: buildRunModel(spec, part, source),
    method: buildMethod(spec.method, buildTeacher(spec, part.train, teacher)),
    optimizer: buildOptimizer(spec),
    schedule: buildSchedule(spec),
    loss: buildLoss(spec),
    epochs: spec.epochs,
    batch: spec.batch,
    seed: spec.seed,
  } satisfies TrainOptions;
}

// --- internal ---

interface Written {
  /** What is measured, in the units of the data. */
  readonly network: Network;
  readonly model: Uint8Array;
  readonly opset: number;
  readonly exportCheck: ModelRecord["exportCheck"];
}

/** A network of layers as a plain model. */
async function writtenNetwork(engine: Engine, network: Network, data: Dataset): Promise<Written> {
  const model = writeNetwork(network, { opset: exportOpset });
  const exportCheck = await checkExport(engine, network, model, data);
  return { network, model, opset: exportOpset, exportCheck };
}

/**
 * A network that was there: its file with the trained numbers, which is read again, since numbers are rounded to the types of the file. It is held against the
 * runtime as any file is; the record has the difference of the outputs beside.
 */
async function writtenFile(
  engine: Engine,
  given: Retrofit,
  { family }: Method,
  variables: Variables,
  data: Dataset,
): Promise<Written> {
  const layer = family ? given.inFamily(family) : given;
  const model = layer.written(await frozenWeights(engine, layer, variables));
  const reading = given.reading(model);
  await checkReading(reading, model, { engine });
  const network = given.behind(reading.network);
  const exportCheck = await compared(engine, reading.network, given.behind(inputOf(reading.network)), model, data);
  return { network, model, opset: reading.opset, exportCheck };
}

/** What a network is fed, as its output. */
const inputOf = (network: Network): Network => ({
  ...network,
  outputs: network.inputs.map(({ name }) => name),
  build: (inputs) => inputs,
});

/** The largest difference of the first output between the graph and the bytes, run by the bare runtime on samples behind what `before` makes of them. */
async function compared(
  engine: Engine,
  network: Network,
  before: Network,
  model: Uint8Array,
  data: Dataset,
): Promise<ModelRecord["exportCheck"]> {
  const [port] = network.inputs;
  const [rows, ...sample] = before.inputs[0].shape.map((d) => (typeof d === "number" ? d : data.count));
  const count = Math.floor(data.count / rows) * rows;
  const x = input("x", [rows, ...sample], "float32");
  const [fed] = before.build([x]);
  const ours = await engine.compile({ fed, output: network.build([fed])[0] });
  const theirs = await engine.load(model);
  let largestDifference = 0;
  try {
    const size = sizeOf(data.shape);
    for (let at = 0; at < count; at += rows) {
      const part = tensor(data.x.slice(at * size, (at + rows) * size), x.shape);
      const own = await ours.run({ x: part });
      const other = await theirs.run({ [port.name]: cast(own.fed, port.dtype) });
      const [a, b] = [own.output, other[network.outputs[0]]].map(toFloat64);
      largestDifference = a.reduce((most, v, i) => Math.max(most, Math.abs(v - b[i])), largestDifference);
    }
  } finally {
    await ours.dispose();
    await theirs.dispose();
  }
  return { samples: count, largestDifference };
}

/** Run the written bytes by the bare runtime, batched, and hold the outputs to those of the graph; EngineError if they differ. */
async function checkExport(engine: Engine, network: Network, model: Uint8Array, data: Dataset) {
  const [indices] = evaluationBatches(data, data.count);
  const { x } = gatherBatch(data, indices);
  const [port] = network.inputs;
  const fed = { ...x, shape: [data.count, ...port.shape.slice(1).map(Number)] };
  const [output] = network.build([input(port.name, fed.shape)]);
  const ours = await engine.compile({ output });
  const theirs = await engine.load(model);
  const a = (await ours.run({ [port.name]: fed })).output.data as Float32Array;
  const b = (await theirs.run({ [port.name]: fed }))[network.outputs[0]].data as Float32Array;
  await ours.dispose();
  await theirs.dispose();
  let largestDifference = 0;
  let largest = 0;
  a.forEach((v, i) => {
    largestDifference = Math.max(largestDifference, Math.abs(v - b[i]));
    largest = Math.max(largest, Math.abs(v));
  });
  if (a.length !== b.length || !(largestDifference <= 1e-5 * Math.max(1, largest))) {
    throw new EngineError(`export: the written model differs from the network by ${largestDifference} on ${data.name}`);
  }
  return { samples: data.count, largestDifference };
}
