/** @file `attack --transform` and `certify --transform`: images that are turned, shifted and scaled, attacked and proved. */
import type { ArgsDef } from "citty";
import { attackTransforms } from "../attack/geometric.ts";
import { type Limits, type TransformName, transformNames, transformsOf } from "../attack/transforms.ts";
import { certifyRanges, type Ranges, rangeViolations } from "../certify/ranges.ts";
import { hashDataset, take } from "../data/dataset.ts";
import { writeNpy } from "../data/npy.ts";
import { type PreprocessingWords, parsePreprocessing } from "../data/preprocess.ts";
import { nodeEngine } from "../engine/node.ts";
import { tool } from "../experiment/tool.ts";
import { renderRanges, renderTransformAttack, renderTransformReport } from "../report/transforms.ts";
import { InternalError, ReadError } from "../tensor/errors.ts";
import type { Surroundings } from "./command.ts";
import { commandLine } from "./commandLine.ts";
import { aboutData, answered, type DataWords, dataOptions, testsOf } from "./data.ts";
import { CliError } from "./errors.ts";
import { readResult } from "./files.ts";
import { aboutInputs, checkOpened, type InputWords, inputOptions, openModel } from "./network.ts";
import { checkOnce, parseList, parseNumber, parseWhole, parseWord, preprocessingOptions } from "./options.ts";
import { openFile, writeJson, writeWhole } from "./output.ts";
import { checkSameNetwork, type NetworkWords } from "./sameNetwork.ts";

export const transformOptions = {
  transform: {
    type: "string",
    description: `Of images, one after the other, by commas: ${transformNames.join(", ")}`,
    valueHint: "NAMES",
  },
  limit: {
    type: "string",
    description: "How far transformations go, by commas: rotation=30,translation=3,scaling=0.2",
    valueHint: "NAME=X",
  },
} as const satisfies ArgsDef;

/** Words that both commands take. */
type Words = DataWords &
  PreprocessingWords &
  InputWords & {
    readonly model: string;
    readonly transform: string;
    readonly limit?: string;
    readonly samples?: string;
    readonly seed: string;
    readonly check: boolean;
    readonly out?: string;
  };

/** Options beside --transform that say nothing of it. */
export function refuseBeside(args: object, names: readonly string[]): void {
  const given = args as Readonly<Record<string, unknown>>;
  const strange = names.find((name) => given[name] !== undefined && given[name] !== false);
  if (strange !== undefined) throw new CliError(`--${strange}: says nothing of --transform; leave it out`);
}

/** Attack by transformations; alarm where a find lies inside of ranges from a file. */
export async function attackByTransforms(
  args: Words & {
    readonly steps?: string;
    readonly restarts?: string;
    readonly tries?: string;
    readonly examples?: string;
    readonly report?: string;
    readonly certificate?: string;
  },
  { progress, signal, result }: Surroundings,
): Promise<void> {
  const question = await prepare(args, signal);
  const { engine, data, network, about, lines, transforms, limits, seed } = question;
  const ranges = args.certificate === undefined ? undefined : await readRanges(args.certificate);
  if (ranges) {
    const file = args.certificate ?? "";
    checkSameNetwork({ option: "--certificate", file, model: args.model }, ranges, about);
  }
  if (ranges && ranges.data.sha256 !== about.data.sha256)
    throw new CliError(`--certificate ${args.certificate}: is on other data than ${data.name}`);
  if (args.examples !== undefined) await openFile(args.examples, "--examples");
  if (args.report !== undefined) await openFile(args.report, "--report");
  const whole = (name: "steps" | "restarts" | "tries") => {
    const word = args[name];
    return word === undefined ? {} : { [name]: parseWhole(`--${name}`, word, 1) };
  };
  const bar = progress.bar("attack", 1);
  const found = await attackTransforms(network, {
    ...{ engine, data, transforms, limits, seed, signal },
    ...{ ...whole("steps"), ...whole("restarts"), ...whole("tries") },
    onProgress: (part) => bar.at(part),
  });
  bar.done();
  const { examples, ...attacked } = found;
  const violations = ranges ? rangeViolations(ranges, attacked) : null;
  const all = {
    ...about,
    ...attacked,
    ...(violations ? { certificate: args.certificate, violations } : {}),
    tool: { name: tool.name, version: tool.version },
  };
  if (args.out !== undefined) await writeJson(args.out, all);
  if (args.examples !== undefined) await writeWhole(args.examples, writeNpy(examples, [data.count, ...data.shape]));
  if (args.report !== undefined) {
    const command = commandLine("attack", args.model, { ...args }, given);
    const named = { name: args.model, sha256: about.sha256, command };
    await writeWhole(args.report, await renderTransformReport(found, data, named));
  }
  result(all, () => [renderTransformAttack(attacked, violations, data), ...lines].join("\n"));
  const wrong = violations?.find((v) => v.kind === "proof");
  if (wrong) {
    throw new InternalError(
      `${args.model}: sample ${wrong.index} changes at ${wrong.parameters.join(", ")}, inside of what is proved; a bound is wrong, please report it`,
    );
  }
}

/** Prove ranges of parameters. */
export async function certifyByTransforms(
  args: Words & { readonly parts?: string; readonly local?: string },
  { progress, signal, result }: Surroundings,
): Promise<void> {
  if (args.local === "complete")
    throw new CliError("--local complete: is of radii; of transformations --local on is the most there is");
  const { engine, data, network, about, lines, transforms, limits } = await prepare(args, signal);
  const bar = progress.bar("certify", 1);
  const found = await certifyRanges(network, {
    ...{ engine, data, transforms, limits, signal, seconds: 3 },
    ...(args.parts === undefined ? {} : { parts: parseWhole("--parts", args.parts) }),
    // Untuned: cells are cut where that is too little.
    ...(args.local === "on" ? { local: { steps: 0, work: Number.POSITIVE_INFINITY } } : {}),
    onProgress: (part) => bar.at(part),
  });
  bar.done();
  const all = { ...about, ...found, tool: { name: tool.name, version: tool.version } };
  if (args.out !== undefined) await writeJson(args.out, all);
  result(all, () => [renderRanges(found, data), ...lines].join("\n"));
}

// --- internal ---

/** What a report repeats of its command. */
const given: readonly string[] = [
  ...Object.keys({ ...dataOptions, ...inputOptions, ...preprocessingOptions, ...transformOptions }),
  ...["samples", "tries", "steps", "restarts", "seed"],
];

async function prepare(args: Words, signal: AbortSignal) {
  const seed = parseWhole("--seed", args.seed);
  const transforms = parseList("--transform", args.transform, (option, word) =>
    parseWord<TransformName>(option, word, transformNames),
  );
  const limits = limitsOf(args.limit);
  transformsOf(transforms, limits);
  const samples = args.samples === undefined ? undefined : parseWhole("--samples", args.samples, 1);
  if (args.out !== undefined) await openFile(args.out);
  const tests = await testsOf(args, seed);
  const opened = await openModel(args.model, args, tests.shape);
  const { network, sha256 } = opened;
  const engine = nodeEngine();
  const whole = await answered(network, engine, tests);
  const data = take(whole, Math.min(samples ?? whole.count, whole.count));
  const { checked, lines } = await checkOpened(opened, args.check, { engine, data, seed, signal });
  const read = { ...aboutData(data), sha256: await hashDataset(whole) };
  const preprocessing = parsePreprocessing(args);
  const about = { model: args.model, sha256, ...aboutInputs(opened), checked, preprocessing, data: read };
  return { engine, data, network, about, lines, transforms, limits, seed };
}

function limitsOf(words: string | undefined): Limits {
  if (words === undefined) return {};
  const pairs = parseList("--limit", words, (option, pair) => {
    const [name, value, ...rest] = pair.split("=");
    if (value === undefined || rest.length > 0)
      throw new CliError(`${option}: must be NAME=X by commas, as rotation=30,translation=3, got "${pair}"`);
    return [name.trim(), parseNumber(option, value, { above: 0 })] as const;
  });
  checkOnce("--limit", pairs);
  return Object.fromEntries(pairs);
}

type ReadRanges = Pick<Ranges, "transforms" | "parameters" | "samples"> &
  NetworkWords & {
    readonly data: { readonly sha256: string };
  };

/** Read what `certify --transform --out` wrote; ReadError where a part is missing. */
async function readRanges(path: string): Promise<ReadRanges> {
  const value = await readResult(path);
  const { sha256, data, transforms, parameters, samples } = (value ?? {}) as Readonly<Record<string, unknown>>;
  const count = Array.isArray(parameters) ? parameters.length : -1;
  const whole =
    typeof sha256 === "string" &&
    typeof (data as { readonly sha256?: unknown } | undefined)?.sha256 === "string" &&
    Array.isArray(transforms) &&
    count > 0 &&
    Array.isArray(samples) &&
    samples.every(
      (s) =>
        Number.isInteger(s?.index) &&
        s.ranges?.length === count &&
        s.ranges.every((r: unknown) => Array.isArray(r) && r.length === 2 && r.every(Number.isFinite)),
    );
  if (!whole)
    throw new ReadError(`${path}: must hold ranges of transformations; is it what certify --transform --out wrote?`);
  return value as ReadRanges;
}
