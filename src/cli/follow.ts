/** @file Follow a run: bars for its stages, its files into a folder. Shared by `train` and `compare`. */
import { join } from "node:path";
import type { Split } from "../data/dataset.ts";
import type { Engine } from "../engine/engine.ts";
import type { RunRecord } from "../experiment/record.ts";
import { run } from "../experiment/run.ts";
import type { RunSpec } from "../experiment/spec.ts";
import { showPercent } from "../report/text.ts";
import type { EpochMetrics } from "../train/loop.ts";
import { type Saved, saveCheckpoint } from "./checkpoint.ts";
import { writeJson, writeWhole } from "./files.ts";
import type { Progress } from "./progress.ts";

export interface FollowOptions {
  readonly engine: Engine;
  readonly data: Split;
  readonly folder: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  readonly resume?: Saved;
}

export interface Followed {
  readonly record: RunRecord;
  readonly model: Uint8Array;
}

/** Run a spec to the end, keeping `folder` complete: a checkpoint after every epoch, then model.onnx and record.json. */
export async function follow(spec: RunSpec, options: FollowOptions): Promise<Followed> {
  const { engine, data, folder, progress, signal, resume } = options;
  const epochs: EpochMetrics[] = [...(resume?.epochs ?? [])];
  const training = progress.bar(spec.method.name, spec.epochs);
  const measuring = {
    bound: progress.bar("  bound", 1),
    certify: progress.bar("  certify", 1),
    attack: progress.bar("  attack", 1),
  };
  let stepsPerEpoch = 1;
  let words = "";
  const onMeasure = (what: keyof typeof measuring, fraction: number) => measuring[what].at(fraction);
  for await (const event of run(spec, { engine, data, signal, resume, onMeasure })) {
    if (event.kind === "done") {
      await writeWhole(join(folder, event.record.model.file), event.model);
      await writeJson(join(folder, "record.json"), event.record);
      return { record: event.record, model: event.model };
    }
    const { event: step } = event;
    if (step.kind === "start") {
      stepsPerEpoch = step.stepsPerEpoch;
    } else if (step.kind === "step") {
      training.at(step.step / stepsPerEpoch, words);
    } else if (step.kind === "epoch") {
      const { kind: _, checkpoint, ...metrics } = step;
      epochs.push(metrics);
      words = `loss ${step.trainLoss.toFixed(3)}  test ${showPercent(step.testAccuracy)}`;
      await saveCheckpoint(folder, { spec, checkpoint, epochs });
    } else {
      training.done(words);
    }
  }
  throw new Error("follow: the run ended without a record");
}
