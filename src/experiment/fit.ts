/** @file Whether a spec and data go together, found out before anything is spent on them; and the part of the data that the spec uses. */
import { type Split, take } from "../data/dataset.ts";
import { inFamily } from "../layers/family.ts";
import type { ModelSource } from "../onnx/file.ts";
import { UsageError } from "../tensor/errors.ts";
import { checkData } from "../train/loop.ts";
import { buildMethod } from "../train/methods.ts";
import { buildRunModel, type RunSpec } from "./spec.ts";

/** The part of the data that a spec uses, and `source` where its model is a file; UsageError or ShapeError where they do not go together, or there are not so many samples. */
export function fitted(spec: RunSpec, { train, test }: Split, source?: ModelSource): Split {
  const { samples = {} } = spec;
  const part = { train: take(train, samples.train ?? train.count), test: take(test, samples.test ?? test.count) };
  checkTask(spec, part);
  const { family } = buildMethod(spec.method);
  const model = buildRunModel(spec, part, source);
  checkData(part, family ? inFamily(model, family) : model, spec.batch);
  return part;
}

// --- internal ---

function checkTask({ loss, method }: RunSpec, { train: { name, task, labels } }: Split): void {
  if (task !== "regression") {
    if (labels.some((label) => label !== labels[0])) return;
    throw new UsageError(`${name}: there must be at least two classes to train on, got ${labels[0]} alone`);
  }
  if (loss !== "squared-error")
    throw new UsageError(`loss: ${loss} needs classes, and ${name} is a regression; use squared-error`);
  if (method.name === "lmt") throw new UsageError(`method: lmt needs classes, and ${name} is a regression`);
  if (method.goal !== undefined)
    throw new UsageError(`method: a goal is a training accuracy, and ${name} is a regression; leave it out`);
}
