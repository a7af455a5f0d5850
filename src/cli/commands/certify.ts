/** @file lipschitz certify MODEL: how far each sample can move before the decision can change. */

import type { Norm } from "../../bounds/bound.ts";
import { errorBands } from "../../certify/bands.ts";
import { makeCertificate } from "../../certify/certificate.ts";
import { type Certification, certify as certifyNetwork } from "../../certify/evaluate.ts";
import { type LocalEffort, localWork } from "../../certify/local.ts";
import { mergeCertifications } from "../../certify/merge.ts";
import { type Dataset, hashDataset, type Unlabelled } from "../../data/dataset.ts";
import { parsePreprocessing } from "../../data/preprocess.ts";
import { nodeEngine } from "../../engine/node.ts";
import { tool } from "../../experiment/tool.ts";
import { renderBands } from "../../report/bands.ts";
import { renderCertification, renderCertified } from "../../report/text.ts";
import { hashSamples, planSlices } from "../../sweep/slices.ts";
import { command } from "../command.ts";
import { aboutData, answered, type DataWords, dataOptions, readingOf, testsOf } from "../data.ts";
import { CliError } from "../errors.ts";
import { dataOf, inJobs, modelPart, valuesOf, withJobs } from "../jobs.ts";
import { aboutInputs, checkOpened, checkOption, inputOptions, openModel } from "../network.ts";
import {
  normOf,
  normOption,
  parseNumber,
  parseRadii,
  parseWhole,
  preprocessingOptions,
  radiiOption,
  secondsLeft,
  seedOption,
} from "../options.ts";
import { openFile, writeJson } from "../output.ts";
import { redisOption, workersOption } from "../pooled.ts";
import type { Progress } from "../progress.ts";
import { certifyByTransforms, refuseBeside, transformOptions } from "../transforms.ts";

export const certify = command({
  name: "certify",
  description:
    "Certify a network on the test part of a data set: a proved radius per sample, certified accuracy per radius",
  example: "lipschitz certify runs/digits/model.onnx --data digits --radii 0.1,0.3,0.5 --out certificate.json",
  args: {
    model: { type: "positional", required: true, description: "An .onnx file" },
    ...dataOptions,
    ...inputOptions,
    ...preprocessingOptions,
    ...normOption,
    ...radiiOption,
    ...transformOptions,
    parts: {
      type: "string",
      description:
        "With --transform, cut the box of all parameters into at most so many for each sample. Default: 0, ranges one by one",
      valueHint: "N",
    },
    samples: { type: "string", description: "With --transform, only the first so many samples", valueHint: "N" },
    local: {
      type: "enum",
      options: ["on", "off", "complete"],
      description:
        "Enlarge radii sample by sample by the linear walk, where the constant leaves them short; complete: decide what is open at --radii by branch and bound. Default: on; with --transform off",
    },
    seconds: {
      type: "string",
      description: "Time for the command; default a counted amount of work, the same on every machine",
      valueHint: "S",
    },
    ...checkOption,
    ...seedOption,
    ...workersOption,
    ...redisOption,
    out: { type: "string", description: "Write the certificate to this file", valueHint: "FILE" },
  },
  async run(args, surroundings) {
    const { progress, signal, result } = surroundings;
    if (args.data === undefined) throw new CliError("certify: missing --data D, the samples to certify");
    if (args.transform !== undefined) {
      refuseBeside({ ...args, norm: args.norm === "2" ? undefined : args.norm }, [
        "norm",
        "seconds",
        "workers",
        "redis",
      ]);
      await certifyByTransforms({ ...args, data: args.data, transform: args.transform }, surroundings);
      return;
    }
    const strange = (["limit", "parts", "samples"] as const).find((name) => args[name] !== undefined);
    if (strange !== undefined) throw new CliError(`--${strange}: is an option of --transform`);
    const norm = normOf(args.norm);
    const radii = parseRadii(args.radii);
    if (args.out !== undefined) await openFile(args.out);
    const seed = parseWhole("--seed", args.seed);
    const tests = await testsOf({ ...args, data: args.data }, seed);
    const opened = await openModel(args.model, args, tests.shape);
    const { network, sha256 } = opened;
    const inputs = aboutInputs(opened);
    const engine = nodeEngine();
    const seconds = args.seconds === undefined ? undefined : parseNumber("--seconds", args.seconds, { above: 0 });
    const { checked, lines } = await checkOpened(opened, args.check, { engine, data: tests, seed, seconds, signal });
    if (tests.task === "regression") {
      if (inJobs(args))
        throw new CliError("--workers, --redis: error bands of a regression are one computation; leave them out");
      const bar = progress.bar("error bands", 1);
      const asked = {
        engine,
        data: tests,
        norm,
        radii,
        seconds: 3,
        ...(seconds === undefined ? {} : { limit: secondsLeft(seconds) }),
        signal,
        onProgress: (part: number) => bar.at(part),
      };
      const bands = await errorBands(network, asked);
      bar.done();
      const read = { ...aboutData(tests), sha256: await hashDataset(tests), shape: tests.shape };
      const preprocessed = { preprocessing: parsePreprocessing(args) };
      const maker = { name: tool.name, version: tool.version };
      const all = { model: args.model, sha256, ...inputs, checked, ...preprocessed, data: read, ...bands, tool: maker };
      if (args.out !== undefined) await writeJson(args.out, all);
      result(all, () => [renderBands(bands, tests), ...lines].join("\n"));
      return;
    }
    const data = await answered(network, engine, tests, seconds === undefined ? undefined : secondsLeft(seconds));
    const bar = progress.bar("certify", 1);
    const onProgress = (fraction: number) => bar.at(fraction);
    const preprocessing = parsePreprocessing(args);
    const local = args.local === "off" ? ("off" as const) : effortOf(seconds, args.local === "complete");
    // Slices of the samples, each proved by some process; what a second program can check is made of all of them here.
    const certification = inJobs(args)
      ? await inSlices({ ...args, data: args.data }, { tests, sha256, norm, radii, seed, seconds, progress, signal })
      : undefined;
    const question = { engine, data, norm, radii, signal, seconds: 3, local };
    const left = seconds === undefined ? undefined : secondsLeft(seconds);
    const about = { model: args.model, sha256, tool: { name: tool.name, version: tool.version } };
    const out = args.out;
    if (out === undefined) {
      const limit = left === undefined ? {} : { limit: left };
      const found = certification ?? (await certifyNetwork(network, { ...question, ...limit, onProgress }));
      bar.done();
      const samples = { ...aboutData(data), sha256: await hashDataset(data), shape: data.shape };
      const { model, sha256: hash, tool: maker } = about;
      result({ model, sha256: hash, ...inputs, checked, preprocessing, data: samples, ...found, tool: maker }, () =>
        [renderCertification(found, data), ...lines].join("\n"),
      );
      return;
    }
    const made = await makeCertificate(network, {
      ...question,
      within: left,
      certification,
      ...about,
      ...inputs,
      bytes: opened.source.bytes,
      preprocessing,
      onProgress,
    });
    bar.done();
    const { certificate, notes } = made;
    await writeJson(out, certificate);
    result({ ...certificate, checked }, () =>
      [renderCertified(made.certification, certificate, { file: out, notes, data }), ...lines].join("\n"),
    );
  },
});

// --- internal ---

/** Without seconds the work is counted; with them, the command's are the limit. */
const effortOf = (seconds: number | undefined, complete: boolean): LocalEffort => ({
  ...(seconds === undefined ? {} : { work: Number.POSITIVE_INFINITY }),
  // A few seconds for a sample that stays open, where there are some hundred neurons.
  ...(complete ? { parts: 300 } : {}),
});

interface Sliced {
  readonly tests: Dataset | Unlabelled;
  readonly sha256: string;
  readonly norm: Norm;
  readonly radii: readonly number[];
  readonly seed: number;
  readonly seconds: number | undefined;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

type SliceWords = DataWords & {
  readonly model: string;
  readonly local?: string;
  readonly out?: string;
  readonly workers?: string;
  readonly redis?: string;
};

/** The certification of all samples from those of slices, which share the work. */
async function inSlices(
  args: SliceWords,
  { tests, sha256, norm, radii, seed, seconds, progress, signal }: Sliced,
): Promise<Certification> {
  const data = { ...dataOf(args.data, await readingOf(args), args), seed, sha256: await hashSamples(tests) };
  const model = modelPart(sha256, args);
  const tickets = planSlices(tests.count, args.model, ({ from, to }, share) => ({
    kind: "certify",
    model,
    data: { ...data, from, to },
    norm,
    radii,
    work: args.local === "off" ? null : share * localWork,
    parts: effortOf(seconds, args.local === "complete").parts ?? 0,
    ...(seconds !== undefined && { seconds: share * seconds }),
  }));
  const { workers, redis, "data-dir": dataDir, out: beside } = args;
  return withJobs(tickets, { workers, redis, dataDir, beside, progress, signal }, async (records) =>
    mergeCertifications(valuesOf(records)),
  );
}
