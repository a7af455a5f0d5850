/** @file Run a spec and save what it makes: bars for its stages, its files into a folder. Shared by `train` and `compare`. */
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import { makeCertificate } from "../certify/certificate.ts";
import { hashSplit, type Split } from "../data/dataset.ts";
import type { Engine } from "../engine/engine.ts";
import { fitted } from "../experiment/fit.ts";
import { type Stage, stages } from "../experiment/measure.ts";
import type { Machine, RunRecord } from "../experiment/record.ts";
import { type RunEvent, run } from "../experiment/run.ts";
import type { SampleRecord } from "../experiment/samples.ts";
import { fileModel, type RunSpec } from "../experiment/spec.ts";
import type { ModelSource } from "../onnx/file.ts";
import { parseOnnx } from "../onnx/read.ts";
import { showPercent } from "../report/number.ts";
import type { Named } from "../tensor/named.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { EpochMetrics } from "../train/loop.ts";
import { type Saved, saveCheckpoint } from "./checkpoint.ts";
import { CliError } from "./errors.ts";
import { loadMeasured, removeMeasured, saveMeasured } from "./measured.ts";
import { writeJson, writeWhole } from "./output.ts";
import type { Progress } from "./progress.ts";

export interface RunAndSaveOptions {
  readonly engine: Engine;
  readonly data: Split;
  readonly folder: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  readonly resume?: Saved;
  /** The file of a model that is there. */
  readonly source?: ModelSource;
  /** The file of the teacher. */
  readonly teacher?: ModelSource;
  /** Parameters to start from, of a run of the same model; what is resumed has them already. */
  readonly start?: Named<Tensor>;
  /** After the method's name, beside the bar. */
  readonly label?: string;
}

export interface SavedRun {
  readonly record: RunRecord;
  readonly model: Uint8Array;
  readonly samples: SampleRecord;
}

/** Run a spec to the end, keeping `folder` complete: a checkpoint after every epoch, then model.onnx, samples.json, record.json and, for decisions, certificate.json. */
export async function runAndSave(spec: RunSpec, options: RunAndSaveOptions): Promise<SavedRun> {
  const { engine, folder, progress, signal, resume, start, source, teacher } = options;
  const data = fitted(spec, options.data, source);
  const dataHash = await hashSplit(options.data);
  if (resume?.data !== undefined && resume.data !== dataHash) {
    throw new CliError(
      `${folder}: was trained on other data than ${spec.data} holds now; train anew, without --resume`,
    );
  }
  const epochs: EpochMetrics[] = [...(resume?.epochs ?? [])];
  // One bar a run: measuring counts as much as training.
  const stage = spec.epochs / stages.length;
  const bar = progress.bar(`${spec.method.name}${options.label ?? ""}`, 2 * spec.epochs);
  let stepsPerEpoch = 1;
  let words = "";
  const onMeasure = (what: Stage, fraction: number) =>
    bar.at(spec.epochs + stage * (stages.indexOf(what) + fraction), `${words}  ${what}`);
  const measured = resume ? await loadMeasured(folder, spec) : undefined;
  const files = { ...(source && { source }), ...(teacher && { teacher }) };
  const asked = { engine, data, signal, resume, start, ...files, machine: machine(), onMeasure };
  for await (const event of run(spec, measured ? { ...asked, measured } : asked)) {
    if (event.kind === "measured") {
      await saveMeasured(folder, spec, event.measured);
      continue;
    }
    if (event.kind === "done") {
      await writeWhole(join(folder, event.record.model.file), event.model);
      await writeWhole(join(folder, "samples.json"), `${JSON.stringify(event.samples)}\n`);
      await writeCertificate(spec, event, { ...options, data }, () => bar.at(2 * spec.epochs, `${words}  certificate`));
      // Last: a folder with a record is complete.
      await writeJson(join(folder, "record.json"), event.record);
      await removeMeasured(folder);
      bar.done(words);
      return { record: event.record, model: event.model, samples: event.samples };
    }
    const { event: step } = event;
    if (step.kind === "start") {
      stepsPerEpoch = step.stepsPerEpoch;
    } else if (step.kind === "step") {
      bar.at(step.step / stepsPerEpoch, words);
    } else if (step.kind === "epoch") {
      const { kind: _, checkpoint, ...metrics } = step;
      epochs.push(metrics);
      words = `loss ${step.trainLoss.toFixed(3)}  test ${showPercent(step.testAccuracy)}`;
      await saveCheckpoint(folder, { spec, data: dataHash, checkpoint, epochs });
    }
  }
  throw new Error("runAndSave: the run ended without a record");
}

// --- internal ---

const machine = (): Machine => ({
  platform: `${process.platform} ${process.arch}`,
  cpu: cpus()[0]?.model.trim() ?? "unknown",
  cores: availableParallelism(),
  runtime: `node ${process.version}`,
});

/** certificate.json: what a second program can check of the run's radii in a few seconds, or why it cannot. */
async function writeCertificate(
  spec: RunSpec,
  { model, record, certification }: Extract<RunEvent, { kind: "done" }>,
  { engine, data, folder, signal, source }: RunAndSaveOptions,
  onProgress: () => void,
): Promise<void> {
  if (certification === null) return;
  const { norm, radii, seconds = Number.POSITIVE_INFINITY } = spec;
  // What stands in front of a model that was there is no part of its file.
  const given = spec.model.kind === "onnx" ? fileModel(spec, data.train, source) : undefined;
  const network = given ? given.behind(given.reading(model).network) : parseOnnx(model);
  const { certificate } = await makeCertificate(network, {
    engine,
    ...(given && { preprocessing: given.preprocessing }),
    data: data.test,
    norm,
    radii,
    bytes: model,
    certification,
    model: record.model.file,
    tool: record.tool,
    seconds,
    // What is claimed must not depend on the clock.
    limit: Number.POSITIVE_INFINITY,
    work: 4e9,
    signal,
    onProgress,
  });
  await writeJson(join(folder, "certificate.json"), certificate);
}
