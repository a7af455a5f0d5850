/** @file lipschitz train METHOD: one model, trained, bounded, certified and written as plain ONNX. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ArgsDef } from "citty";
import type { Task } from "../../data/dataset.ts";
import { parsePreprocessing } from "../../data/preprocess.ts";
import type { Reading } from "../../data/reading.ts";
import { nodeEngine } from "../../engine/node.ts";
import { fitted } from "../../experiment/fit.ts";
import {
  defaultSpec,
  defaultsFor,
  fileModel,
  gaussNewtonSettings,
  lossNames,
  methodSpec,
  optimizerDefaults,
  optimizerNames,
  type RunSpec,
  retrofitDefaults,
  scheduleNames,
} from "../../experiment/spec.ts";
import { activationNames } from "../../layers/activation.ts";
import { modelKinds } from "../../models/spec.ts";
import { renderComparison } from "../../report/comparison.ts";
import { runLines } from "../../report/data.ts";
import { renderReport } from "../../report/report.ts";
import { alarmLines, claimLines, renderBracket } from "../../report/text.ts";
import { type MethodName, methodNames, settingsOf } from "../../train/methods.ts";
import { optionOf, settingLine } from "../../train/setting.ts";
import { kept, sound } from "../alarm.ts";
import { loadCheckpoint, type Saved } from "../checkpoint.ts";
import { command } from "../command.ts";
import { dataOptions, readingOf, readingOptions } from "../data.ts";
import { CliError } from "../errors.ts";
import { checkGiven, fromOptions, type Given, openFrom } from "../from.ts";
import {
  normOf,
  numberOptions,
  parseList,
  parseNumber,
  parseRadii,
  parseSamples,
  parseWhole,
  parseWord,
  sampleOptions,
} from "../options.ts";
import { openFolder, writeWhole } from "../output.ts";
import { project } from "../project.ts";
import { runAndSave } from "../runAndSave.ts";
import { answeredParts, openTeacher, teacherOptions } from "../teacher.ts";

/** What a method's own options are on the command line. */
const optionsOf = (method: MethodName): ArgsDef =>
  Object.fromEntries(
    Object.entries(settingsOf(method)).map(([name, setting]) => [
      optionOf(name),
      {
        type: "string",
        description: settingLine(setting, defaultsFor(method).method[name]),
        valueHint: setting.kind === "number" ? "X" : "NAME",
      },
    ]),
  );

/** Those of all methods; a name that several use is one option. */
const methodOptions: ArgsDef = Object.assign({}, ...methodNames.map(optionsOf));

/** Options of Gauss-Newton. */
const optimizerOptions: ArgsDef = Object.fromEntries(
  Object.entries(gaussNewtonSettings).map(([name, setting]) => [
    name,
    { type: "string", description: settingLine(setting), valueHint: "X" },
  ]),
);

const common = {
  method: { type: "positional", required: false, description: methodNames.join(" | ") },
  ...dataOptions,
  ...sampleOptions,
  ...numberOptions,
  normalize: {
    type: "boolean",
    description: "Bring every channel, or every feature, of the training part to mean 0 and deviation 1",
  },
  ...fromOptions,
  ...teacherOptions,
  model: { type: "string", description: `${modelKinds.join(" | ")}. Default: mlp`, valueHint: "KIND" },
  widths: {
    type: "string",
    description: "Hidden widths of an mlp, channels of the others, by commas",
    valueHint: "N,N",
  },
  activation: { type: "string", description: activationNames.join(" | "), valueHint: "NAME" },
  epochs: {
    type: "string",
    description: `Passes over the training data. Default: ${defaultSpec.epochs}, with --from ${retrofitDefaults.epochs}`,
    valueHint: "N",
  },
  batch: {
    type: "string",
    description: `Samples a step. Default: ${defaultSpec.batch}, with gauss-newton and rprop all`,
    valueHint: "N",
  },
  rate: {
    type: "string",
    description: `Learning rate. Default: ${defaultSpec.rate}, with --from ${retrofitDefaults.rate}, of gauss-newton 1, of rprop 0.1`,
    valueHint: "R",
  },
  optimizer: { type: "string", description: `${optimizerNames.join(" | ")}. Default: adam`, valueHint: "NAME" },
  ...optimizerOptions,
  schedule: {
    type: "string",
    description: `${scheduleNames.join(" | ")}. Default: cosine, with gauss-newton and rprop constant`,
    valueHint: "NAME",
  },
  loss: { type: "string", description: lossNames.join(" | "), valueHint: "NAME" },
  offset: {
    type: "string",
    description: "With offset-cross-entropy: the margin between logits that it asks for. Default: 1.5 sqrt 2",
    valueHint: "X",
  },
  temperature: { type: "string", description: "With offset-cross-entropy. Default: 0.25", valueHint: "T" },
  radii: {
    type: "string",
    description: `Certified radii, by commas. Default: ${defaultSpec.radii.join(",")}`,
    valueHint: "R",
  },
  norm: { type: "enum", options: ["2", "1", "inf"], description: "Norm of constants and radii. Default: 2" },
  seed: { type: "string", description: `Seed of everything random. Default: ${defaultSpec.seed}`, valueHint: "N" },
  out: { type: "string", description: "Folder for model.onnx, record.json and the checkpoint", valueHint: "DIR" },
  resume: {
    type: "string",
    description: "Go on from the checkpoint in this folder, with its settings",
    valueHint: "DIR",
  },
} as const satisfies ArgsDef;

export const train = command({
  name: "train",
  description: `Train one model. METHOD is one of: ${methodNames.join(", ")}; lipschitz train METHOD --help lists its own options, too`,
  example:
    "lipschitz train weight-decay --data digits --model mlp --widths 128,64 --decay 1e-3 --epochs 20 --out runs/decay",
  args: { ...common, ...methodOptions },
  goOn: ({ out, resume }) => {
    const folder = out ?? resume ?? "";
    return existsSync(join(folder, "checkpoint.json"))
      ? `go on by: lipschitz train --resume ${folder}`
      : "nothing is kept, the first epoch had not ended";
  },
  helpArgs: (words) => {
    const method = methodNames.find((name) => words.includes(name));
    return { ...common, ...(method && optionsOf(method)) };
  },
  async run(args, { progress, signal, result }) {
    if (args.project !== undefined) return await project(args, { progress, signal, result });
    const resume = args.resume === undefined ? undefined : await loadCheckpoint(args.resume);
    const given = await openFrom(args, resume?.spec.model);
    const teacher = await openTeacher(args.teacher, args.method, resume?.spec);
    const words = { ...args, reading: await readingOf(args), given, teacher: teacher?.spec };
    const asked = resume ? resumedSpec(resume, args) : specOf(words);
    const folder = args.out ?? args.resume;
    if (folder === undefined) throw new CliError("train: missing --out DIR, where the model shall go");
    const engine = nodeEngine();
    const data = await answeredParts(asked, args["data-dir"], engine, teacher);
    const spec = resume ? asked : specOf(words, data.train.task, data.train.count);
    const { train: sample } = fitted(spec, data, given?.source);
    if (given)
      await checkGiven(fileModel(spec, sample, given.source), given.source, { engine, seed: spec.seed, signal });
    await openFolder(folder);
    const saved = await runAndSave(spec, {
      engine,
      data,
      ...(given && { source: given.source }),
      ...(teacher && { teacher: teacher.source }),
      folder,
      progress,
      signal,
      ...(resume ? { resume } : {}),
    });
    const { record } = saved;
    const rows = [{ label: record.spec.method.name, records: [record] }];
    await writeWhole(join(folder, "report.html"), await renderReport([saved]));
    result(record, () =>
      [
        renderComparison(rows),
        ...runLines([record]),
        ...alarmLines([record]),
        ...claimLines(rows),
        renderBracket(record.bracket),
        `Written: ${join(folder, "model.onnx")} (sha256 ${record.model.sha256.slice(0, 16)}...), report.html, record.json, checkpoint.json`,
      ].join("\n"),
    );
    kept(spec.method.name, record.claim);
    sound(spec.method.name, record.attacked?.alarm ?? []);
  },
});

// --- internal ---

type Words = Readonly<Record<string, unknown>>;

function specOf(
  args: Words & {
    readonly reading: Reading;
    readonly given: Given | undefined;
    readonly teacher: RunSpec["teacher"];
  },
  task: Task = "classification",
  count: number = defaultSpec.batch,
): RunSpec {
  const word = (name: string): string | undefined => (args[name] === undefined ? undefined : String(args[name]));
  const method = word("method");
  if (method === undefined) throw new CliError(`train: missing METHOD; known: ${methodNames.join(", ")}`);
  const name = parseWord("METHOD", method, methodNames);
  const { given } = args;
  const read = <T>(option: string, parse: (option: string, text: string) => T, otherwise: T): T => {
    const text = word(option);
    return text === undefined ? otherwise : parse(`--${option}`, text);
  };
  const oneOf =
    <T extends string>(known: readonly T[]) =>
    (option: string, text: string): T =>
      parseWord(option, text, known);
  const asked = read<RunSpec["optimizer"] | undefined>("optimizer", oneOf(optimizerNames), undefined);
  const defaults: RunSpec = {
    ...defaultsFor(name, task),
    ...(given && retrofitDefaults),
    ...(asked && optimizerDefaults[asked]),
  };
  const samples = parseSamples({ "train-samples": word("train-samples"), "test-samples": word("test-samples") });
  // Those that have defaults of their own take all samples at once.
  const batch = asked && optimizerDefaults[asked] ? Math.min(count, samples.samples?.train ?? count) : defaults.batch;
  const kind = read("model", oneOf(modelKinds), "mlp" as const);
  const widths = read<readonly number[] | undefined>(
    "widths",
    (option, text) => parseList(option, text, (o, w) => parseWhole(o, w, 1)),
    kind === "mlp" ? defaultSpec.model.widths : undefined,
  );
  const loss = read<RunSpec["loss"]>("loss", oneOf(lossNames), defaults.loss);
  const optimizer = asked ?? defaults.optimizer;
  return {
    data: word("data") ?? defaultSpec.data,
    ...(Object.keys(args.reading).length > 0 && { reading: args.reading }),
    ...preprocessingOf(args, word),
    ...samples,
    model: given?.model ?? {
      kind,
      ...(widths ? { widths } : {}),
      activation: read("activation", oneOf(activationNames), "relu" as const),
    },
    method: methodSpec(optimizer, { ...defaults.method, name, ...givenSettings(name, word) }),
    ...(args.teacher && { teacher: args.teacher }),
    epochs: read<number>("epochs", (o, w) => parseWhole(o, w, 1), defaults.epochs),
    batch: read<number>("batch", (o, w) => parseWhole(o, w, 1), batch),
    seed: read<number>("seed", (o, w) => parseWhole(o, w), defaults.seed),
    optimizer,
    rate: read<number>("rate", (o, w) => parseNumber(o, w, { above: 0 }), defaults.rate),
    schedule: read("schedule", oneOf(scheduleNames), defaults.schedule),
    loss,
    ...lossSettings(loss, word),
    ...optimizerSettings(optimizer, word),
    norm: normOf(word("norm")),
    radii: read<readonly number[]>("radii", (_, w) => parseRadii(w), defaults.radii),
  };
}

/** The settings of a loss that were given. */
function lossSettings(
  loss: RunSpec["loss"],
  word: (name: string) => string | undefined,
): Pick<RunSpec, "offset" | "temperature"> {
  const [offset, temperature] = [word("offset"), word("temperature")];
  const given = offset !== undefined ? "offset" : "temperature";
  if ((offset ?? temperature) !== undefined && loss !== "offset-cross-entropy")
    throw new CliError(`--${given}: is an option of the loss offset-cross-entropy, not of ${loss}`);
  return {
    ...(offset !== undefined && { offset: parseNumber("--offset", offset) }),
    ...(temperature !== undefined && { temperature: parseNumber("--temperature", temperature, { above: 0 }) }),
  };
}

/** The settings of Gauss-Newton that were given. */
function optimizerSettings(
  optimizer: RunSpec["optimizer"],
  word: (name: string) => string | undefined,
): Partial<RunSpec> {
  const given = Object.entries(gaussNewtonSettings).flatMap(([name, setting]) => {
    const text = word(name);
    if (text === undefined) return [];
    if (optimizer !== "gauss-newton")
      throw new CliError(`--${name}: is an option of the optimizer gauss-newton, not of ${optimizer}`);
    return [[name, setting.check(`--${name}`, numberOf(text))] as const];
  });
  return Object.fromEntries(given);
}

/** What stands in front of the model. */
function preprocessingOf(args: Words, word: (name: string) => string | undefined): Pick<RunSpec, "preprocessing"> {
  const numbers = parsePreprocessing({ scale: word("scale"), mean: word("mean"), std: word("std") });
  const some = Object.keys(numbers)[0];
  if (args.normalize !== true) return some === undefined ? {} : { preprocessing: numbers };
  if (some !== undefined) throw new CliError(`--normalize: takes the numbers from the data; leave --${some} out`);
  return { preprocessing: "normalize" };
}

/** The settings of the method that were given; an option of another method is refused. */
function givenSettings(
  name: MethodName,
  word: (name: string) => string | undefined,
): Readonly<Record<string, number | string>> {
  const given: Record<string, number | string> = {};
  for (const option of Object.keys(methodOptions)) {
    const text = word(option);
    if (text === undefined) continue;
    const [key, setting] = Object.entries(settingsOf(name)).find(([own]) => optionOf(own) === option) ?? [];
    if (key === undefined || setting === undefined) {
      const owners = methodNames.filter((method) => Object.hasOwn(optionsOf(method), option));
      throw new CliError(`--${option}: is an option of ${owners.join(", ")}, not of ${name}`);
    }
    given[key] = setting.check(`--${option}`, setting.kind === "number" ? numberOf(text) : text);
  }
  return given;
}

const numberOf = (text: string): number | string =>
  text.trim() === "" || Number.isNaN(Number(text)) ? text : Number(text);

/** A resumed run keeps the settings of its checkpoint; only its length may be extended. */
function resumedSpec({ spec }: Saved, args: Words): RunSpec {
  const fixed = [
    "data",
    ...Object.keys(readingOptions),
    ...Object.keys(sampleOptions),
    ...Object.keys(numberOptions),
    "normalize",
    "freeze",
    "shape",
    "layout",
    "model",
    "widths",
    "activation",
    "batch",
    "rate",
    "optimizer",
    "schedule",
    "loss",
    "offset",
    "temperature",
    ...Object.keys(gaussNewtonSettings),
    ...Object.keys(methodOptions),
    "radii",
    "norm",
    "seed",
  ];
  const given = fixed.find((name) => args[name] !== undefined);
  if (given !== undefined) throw new CliError(`--${given}: a resumed run keeps the settings of its checkpoint`);
  const { method, epochs } = args;
  if (method !== undefined && method !== spec.method.name) {
    throw new CliError(`METHOD: the checkpoint is of ${spec.method.name}, got ${String(method)}`);
  }
  return epochs === undefined ? spec : { ...spec, epochs: parseWhole("--epochs", String(epochs), 1) };
}
