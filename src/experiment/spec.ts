/** @file What to do, as plain data: one training run and what is measured of it. It is kept in checkpoints and records, so that both say how to repeat it. */
import type { Norm } from "../bounds/bound.ts";
import type { Dataset, Split, Task } from "../data/dataset.ts";
import { type Layout, normalizing, type Preprocessing, readPreprocessing } from "../data/preprocess.ts";
import { checkReading, type Reading } from "../data/reading.ts";
import { activationNames } from "../layers/activation.ts";
import type { Layer } from "../layers/layer.ts";
import { preprocessedModel } from "../models/preprocess.ts";
import { buildModel, type ModelSpec, modelKinds } from "../models/spec.ts";
import type { ModelSource } from "../onnx/file.ts";
import { SpecError, UsageError } from "../tensor/errors.ts";
import type { Shape } from "../tensor/shape.ts";
import { gaussNewton } from "../train/gaussNewton.ts";
import { crossEntropy, type Loss, multiMargin, offsetCrossEntropy, squaredError } from "../train/loss.ts";
import { buildMethod, type MethodName, type MethodSpec, methodNames, takesTeacher } from "../train/methods.ts";
import { adam, type Optimizer, sgd } from "../train/optimizer.ts";
import { type Retrofit, retrofit } from "../train/retrofit.ts";
import { rprop } from "../train/rprop.ts";
import { constantRate, cosine, piecewiseLinear, type Schedule, stepRate } from "../train/schedule.ts";
import { numberSetting, type Setting } from "../train/setting.ts";
import type { Target } from "../train/sobolev.ts";
import { teacherOf } from "../train/teacher.ts";

export const optimizerNames = ["adam", "sgd", "nesterov", "gauss-newton", "rprop"] as const;
export const scheduleNames = ["constant", "cosine", "step", "piecewise"] as const;
export const lossNames = ["cross-entropy", "multi-margin", "offset-cross-entropy", "squared-error"] as const;

export interface RunSpec {
  readonly data: string;
  /** How a file or folder is read, where it does not say so itself. */
  readonly reading?: Reading;
  /** In front of the model and written into it: numbers, or "normalize" for those of the training part. */
  readonly preprocessing?: Omit<Preprocessing, "layout"> | "normalize";
  /** The first samples of each part, where not all shall be used. */
  readonly samples?: { readonly train?: number; readonly test?: number };
  readonly model: ModelSpec | FileModel;
  readonly method: MethodSpec;
  /** The network that a method learns from: its file where it was when the run began, and the sha256 of its bytes. */
  readonly teacher?: { readonly file: string; readonly sha256: string };
  readonly epochs: number;
  readonly batch: number;
  readonly seed: number;
  readonly optimizer: (typeof optimizerNames)[number];
  /** Learning rate, the largest of the schedule. */
  readonly rate: number;
  readonly schedule: (typeof scheduleNames)[number];
  readonly loss: (typeof lossNames)[number];
  /** Of "offset-cross-entropy": the margin between logits that it asks for, and its temperature. Default: `offsetCrossEntropy`'s own. */
  readonly offset?: number;
  readonly temperature?: number;
  /** Of "gauss-newton". Default: `gaussNewton`'s own. */
  readonly iterations?: number;
  readonly damping?: number;
  readonly tikhonov?: number;
  readonly noise?: number;
  /** Norm of inputs and outputs for constants and radii. */
  readonly norm: Norm;
  readonly radii: readonly number[];
  /** Time for each bound and for the constants of pairs; without it each goes on until it is done, so that equal specs give equal numbers. */
  readonly seconds?: number;
}

/** A model that is there: the network of a file, which is trained on. What stands in front of it is no part of it. */
export interface FileModel {
  readonly kind: "onnx";
  /** Where it was when the run began. */
  readonly file: string;
  /** Of its bytes. */
  readonly sha256: string;
  /** Names of initialisers that stay, as `retrofit` reads them. */
  readonly freeze?: readonly string[];
  /** Sizes of inputs that it leaves free, by name. */
  readonly shapes?: Readonly<Record<string, Shape>>;
  /** The order of the axes that it takes. Default: "nchw". */
  readonly layout?: Layout;
  readonly widths?: never;
  readonly activation?: never;
}

/** The settings of a run that says nothing else. */
export const defaultSpec = {
  data: "digits",
  model: { kind: "mlp", widths: [128, 64] },
  method: { name: "plain" },
  epochs: 20,
  batch: 64,
  seed: 1,
  optimizer: "adam",
  rate: 2e-3,
  schedule: "cosine",
  loss: "cross-entropy",
  norm: 2,
  radii: [0.1, 0.3, 0.5, 1],
} as const satisfies RunSpec;

/** The defaults where a network that is there is trained on: little, and slowly, so that it stays what it is. */
export const retrofitDefaults = { epochs: 5, rate: 5e-4 } as const satisfies Partial<RunSpec>;

/** What goes with an optimiser by default: those of full batches move by themselves. */
export const optimizerDefaults: { readonly [name in RunSpec["optimizer"]]?: Pick<RunSpec, "rate" | "schedule"> } = {
  "gauss-newton": { rate: 1, schedule: "constant" },
  rprop: { rate: 0.1, schedule: "constant" },
};

/** The settings of Gauss-Newton, which other optimisers have not. */
export const gaussNewtonSettings = {
  iterations: numberSetting("With gauss-newton: steps of conjugate gradients in a step", 20, { min: 1, whole: true }),
  damping: numberSetting("With gauss-newton: first damping mu, which moves by Levenberg and Marquardt", 0.01, {
    above: 0,
  }),
  tikhonov: numberSetting("With gauss-newton: weight of the squared distance from the first weights", 0, { min: 0 }),
  noise: numberSetting(
    "With gauss-newton: error of the targets, root mean square, that --tikhonov moves to by the discrepancy rule",
    "none, and it stays",
    { above: 0 },
  ),
} as const;

/** The methods that are compared by default. */
export const comparedMethods = [
  "plain",
  "weight-decay",
  "clip",
  "lmt",
  "lbdn",
  "lcnn",
] as const satisfies readonly MethodName[];

/** What goes with a method by default: the settings of the run that its paper, or a look at the digits, asks for. */
const methodDefaults: { readonly [name in MethodName]?: Partial<RunSpec> } = {
  clip: { method: { name: "clip", goal: 0.95, weight: 0.05, increment: 0.02, pairs: 32, worst: 32 } },
  lmt: { method: { name: "lmt", c: 0.5, ramp: 4 } },
  sobolev: { method: { name: "sobolev", match: "log-probabilities" } },
  lbdn: { method: { name: "lbdn", gamma: 2 }, loss: "multi-margin", schedule: "piecewise", rate: 1e-2 },
};

/** The settings of a run by a method, where nothing else is said of them; of a regression none that needs classes. */
export function defaultsFor(name: MethodName, task: Task = "classification"): RunSpec {
  const spec: RunSpec = { ...defaultSpec, method: { name }, ...methodDefaults[name] };
  if (task === "classification") return spec;
  const { goal: _, match: __, ...settings } = spec.method;
  return { ...spec, loss: "squared-error", method: { ...settings, name } };
}

/** A method with the settings that go with an optimiser: decoupled weight decay (Adam) works on another scale than decay in the gradient. */
export function methodSpec(optimizer: RunSpec["optimizer"], method: MethodSpec): MethodSpec {
  const decays = method.name === "weight-decay" || method.name === "softplus-decay";
  return decays ? { decay: optimizer === "adam" ? 0.5 : 5e-4, ...method } : method;
}

/** What a run may leave out without a default of its own. */
const optionalKeys: readonly string[] = [
  "reading",
  "preprocessing",
  "samples",
  "teacher",
  "offset",
  "temperature",
  ...Object.keys(gaussNewtonSettings),
  "seconds",
];

/** Check a value that came from outside (a checkpoint, a file); throws SpecError with the JSON path. */
export function checkSpec(value: unknown, at = "$"): RunSpec {
  const spec = record(at, value);
  const model = record(`${at}.model`, spec.model);
  const method = record(`${at}.method`, spec.method);
  onlyKnown(at, spec, [...Object.keys(defaultSpec), ...optionalKeys]);
  if (model.kind === "onnx") checkFileModel(`${at}.model`, model, spec);
  else {
    onlyKnown(`${at}.model`, model, ["kind", "widths", "activation"]);
    oneOf(`${at}.model.kind`, model.kind, modelKinds);
  }
  oneOf(`${at}.method.name`, method.name, methodNames);
  checkMethod(`${at}.method`, method as MethodSpec);
  if (spec.teacher !== undefined) {
    if (!takesTeacher(method.name as MethodName)) fail(`${at}.teacher`, "left out but with sobolev", spec.teacher);
    checkFile(`${at}.teacher`, record(`${at}.teacher`, spec.teacher), []);
  }
  oneOf(`${at}.optimizer`, spec.optimizer, optimizerNames);
  oneOf(`${at}.schedule`, spec.schedule, scheduleNames);
  oneOf(`${at}.loss`, spec.loss, lossNames);
  for (const key of ["offset", "temperature"] as const) {
    const own = spec[key];
    if (own === undefined) continue;
    if (spec.loss !== "offset-cross-entropy")
      fail(`${at}.${key}`, "left out but with the loss offset-cross-entropy", own);
    if (!(typeof own === "number" && Number.isFinite(own) && (key === "offset" || own > 0)))
      fail(`${at}.${key}`, key === "offset" ? "a number" : "a number above 0", own);
  }
  for (const [key, setting] of Object.entries(gaussNewtonSettings)) {
    const own = spec[key as keyof typeof spec];
    if (own === undefined) continue;
    if (spec.optimizer !== "gauss-newton") fail(`${at}.${key}`, "left out but with the optimizer gauss-newton", own);
    checkSetting(at, key, setting, own);
    if (key === "noise" && spec.loss !== "squared-error")
      fail(`${at}.noise`, "left out but with the loss squared-error", own);
    if (key === "noise" && !(typeof spec.tikhonov === "number" && spec.tikhonov > 0))
      fail(`${at}.tikhonov`, "above 0 where noise is given", spec.tikhonov);
  }
  oneOf(`${at}.norm`, spec.norm, [1, 2, "inf"]);
  for (const key of ["epochs", "batch"] as const) {
    if (!(Number.isInteger(spec[key]) && (spec[key] as number) >= 1))
      fail(`${at}.${key}`, "a whole number >= 1", spec[key]);
  }
  if (!(Number.isSafeInteger(spec.seed) && (spec.seed as number) >= 0))
    fail(`${at}.seed`, "a whole number >= 0", spec.seed);
  if (!(typeof spec.rate === "number" && spec.rate > 0)) fail(`${at}.rate`, "a number above 0", spec.rate);
  if (typeof spec.data !== "string") fail(`${at}.data`, "a string", spec.data);
  if (spec.reading !== undefined) checkReading(`${at}.reading`, spec.reading);
  if (spec.preprocessing !== undefined && spec.preprocessing !== "normalize") {
    readPreprocessing(`${at}.preprocessing`, spec.preprocessing);
  }
  if (spec.samples !== undefined) {
    const samples = record(`${at}.samples`, spec.samples);
    onlyKnown(`${at}.samples`, samples, ["train", "test"]);
    for (const [part, n] of Object.entries(samples)) {
      if (!(Number.isSafeInteger(n) && (n as number) >= 1)) fail(`${at}.samples.${part}`, "a whole number >= 1", n);
    }
  }
  if (!(Array.isArray(spec.radii) && spec.radii.every((r) => typeof r === "number" && r >= 0))) {
    fail(`${at}.radii`, "a list of numbers >= 0", spec.radii);
  }
  if (spec.seconds !== undefined && !(typeof spec.seconds === "number" && spec.seconds > 0))
    fail(`${at}.seconds`, "a number above 0", spec.seconds);
  const { widths, activation } = model;
  if (widths !== undefined && !(Array.isArray(widths) && widths.every((w) => Number.isInteger(w) && w >= 1)))
    fail(`${at}.model.widths`, "a list of whole numbers >= 1", widths);
  if (activation !== undefined) oneOf(`${at}.model.activation`, activation, activationNames);
  return value as RunSpec;
}

/** The model of a run, behind its preprocessing. A network that is there needs its file. */
export function buildRunModel(spec: RunSpec, { train }: Split, source?: ModelSource): Layer {
  const { model, preprocessing = {} } = spec;
  if (model.kind === "onnx") return fileModel(spec, train, source);
  const numbers = preprocessing === "normalize" ? normalizing(train) : preprocessing;
  return preprocessedModel(buildModel(model, train.shape, train.classes), numbers, train.shape);
}

/** The network of a file as a model that is trained on; UsageError where the file is not there. */
export function fileModel(
  { model, preprocessing = {} }: Pick<RunSpec, "model" | "preprocessing">,
  { shape, task }: Pick<Dataset, "shape" | "task">,
  source?: ModelSource,
): Retrofit {
  if (model.kind !== "onnx") throw new UsageError(`model: must be a file, got ${model.kind}`);
  const { file, sha256, freeze = [], shapes, layout } = model;
  if (!source)
    throw new UsageError(`model: ${file} is a network that is there; lipschitz train --from goes on with it`);
  if (preprocessing === "normalize") {
    throw new UsageError(
      `${file}: takes the numbers that it was trained with; say --scale, --mean, --std, not --normalize`,
    );
  }
  return retrofit(shapes ? { ...source, shapes } : source, {
    sha256,
    frozen: freeze,
    preprocessing: layout === undefined ? preprocessing : { ...preprocessing, layout },
    sample: shape,
    task,
  });
}

/** The function that the teacher of a run is; undefined where it has none. Throws UsageError where its file is not there. */
export function buildTeacher(
  { teacher }: Pick<RunSpec, "teacher">,
  { shape, task }: Pick<Dataset, "shape" | "task">,
  source?: ModelSource,
): Target | undefined {
  if (teacher === undefined) return undefined;
  if (!source) throw new UsageError(`teacher: ${teacher.file} is a file; lipschitz train --teacher learns from it`);
  return teacherOf(source, { sample: shape, task });
}

export function buildOptimizer(spec: RunSpec): Optimizer {
  switch (spec.optimizer) {
    case "adam":
      return adam();
    case "sgd":
      return sgd({ momentum: 0.9 });
    case "nesterov":
      return sgd({ momentum: 0.9, nesterov: true });
    case "gauss-newton": {
      const { iterations, damping, tikhonov, noise } = spec;
      return gaussNewton({ iterations, damping, tikhonov, noise });
    }
    case "rprop":
      return rprop();
  }
}

export function buildSchedule({ schedule, rate, epochs }: RunSpec): Schedule {
  switch (schedule) {
    case "constant":
      return constantRate(rate);
    case "cosine":
      return cosine(rate);
    case "step":
      return stepRate(rate, [Math.round(epochs / 2), Math.round((3 * epochs) / 4)]);
    case "piecewise":
      // The triangle of Wang and Manchester 2023: up for 2/5 of the time, down to 1/20 at 4/5, down to 0.
      return piecewiseLinear([
        [0, 0],
        [0.4, rate],
        [0.8, rate / 20],
        [1, 0],
      ]);
  }
}

export function buildLoss({ loss, offset, temperature }: RunSpec): Loss {
  switch (loss) {
    case "cross-entropy":
      return crossEntropy;
    case "multi-margin":
      return multiMargin(0.5);
    case "offset-cross-entropy":
      return offsetCrossEntropy({ offset, temperature });
    case "squared-error":
      return squaredError;
  }
}

// --- internal ---

function record(path: string, value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return fail(path, "an object", value);
  return value as Record<string, unknown>;
}

/** A network that is there. What is not said of it here, its file says. */
function checkFileModel(path: string, model: Record<string, unknown>, spec: Record<string, unknown>): void {
  checkFile(path, model, ["kind", "freeze", "shapes", "layout"]);
  const { freeze, shapes, layout } = model;
  if (freeze !== undefined && !(Array.isArray(freeze) && freeze.every((f) => typeof f === "string" && f !== "")))
    fail(`${path}.freeze`, "a list of names", freeze);
  if (shapes !== undefined) {
    const isSize = (d: unknown) => Number.isSafeInteger(d) && (d as number) >= 1;
    for (const [name, shape] of Object.entries(record(`${path}.shapes`, shapes))) {
      if (!(Array.isArray(shape) && shape.every(isSize)))
        fail(`${path}.shapes.${name}`, "a list of whole numbers >= 1", shape);
    }
  }
  if (layout !== undefined) oneOf(`${path}.layout`, layout, ["nchw", "nhwc"]);
  if (spec.preprocessing === "normalize") fail("$.preprocessing", "numbers for a network that is there", "normalize");
}

/** A file and the hash of its bytes. */
function checkFile(path: string, value: Record<string, unknown>, more: readonly string[]): void {
  onlyKnown(path, value, ["file", "sha256", ...more]);
  if (typeof value.file !== "string") fail(`${path}.file`, "a string", value.file);
  if (!(typeof value.sha256 === "string" && /^[0-9a-f]{64}$/.test(value.sha256)))
    fail(`${path}.sha256`, "64 hexadecimal digits", value.sha256);
}

function checkSetting(at: string, key: string, setting: Setting, value: unknown): void {
  try {
    setting.check(key, value);
  } catch (error) {
    if (error instanceof UsageError) throw new SpecError(`${at}.${error.message}`);
    throw error;
  }
}

/** The settings of a method, by its own rules. */
function checkMethod(path: string, method: MethodSpec): void {
  try {
    buildMethod(method);
  } catch (error) {
    if (error instanceof UsageError) throw new SpecError(`${path}: ${error.message}`);
    throw error;
  }
}

/** A word that means nothing is a slip of the pen, not a comment. */
function onlyKnown(path: string, value: Record<string, unknown>, known: readonly string[]): void {
  const strange = Object.keys(value).find((key) => !known.includes(key));
  if (strange !== undefined) fail(`${path}.${strange}`, `left out (known: ${known.join(", ")})`, value[strange]);
}

function oneOf(path: string, value: unknown, known: readonly unknown[]): void {
  if (!known.includes(value)) fail(path, `one of ${known.join(", ")}`, value);
}

function fail(path: string, rule: string, got: unknown): never {
  throw new SpecError(`${path}: must be ${rule}, got ${JSON.stringify(got)}`);
}
