/** @file lipschitz attack MODEL: the smallest perturbations that change decisions, and whether any lies inside a certified radius. */
import { attack as attackNetwork } from "../../attack/attack.ts";
import { mergeAttacked } from "../../attack/merge.ts";
import { type AttackName, type AttackSpec, attackNames, attackOf, startNames } from "../../attack/protocol.ts";
import { type Certified, consistency } from "../../certify/consistency.ts";
import { hashDataset, take } from "../../data/dataset.ts";
import { writeNpy } from "../../data/npy.ts";
import { parsePreprocessing } from "../../data/preprocess.ts";
import { nodeEngine } from "../../engine/node.ts";
import { tool } from "../../experiment/tool.ts";
import { renderAttack } from "../../report/attack.ts";
import { hashSamples, planSlices } from "../../sweep/slices.ts";
import { ReadError } from "../../tensor/errors.ts";
import { sound } from "../alarm.ts";
import { command } from "../command.ts";
import { aboutData, answered, dataOptions, firstOf, readingOf, testsOf } from "../data.ts";
import { CliError } from "../errors.ts";
import { readResult } from "../files.ts";
import { dataOf, inJobs, modelPart, valuesOf, withJobs } from "../jobs.ts";
import { aboutInputs, checkOpened, checkOption, inputOptions, openModel } from "../network.ts";
import {
  parseList,
  parseRadii,
  parseWhole,
  parseWord,
  preprocessingOptions,
  radiiOption,
  seedOption,
} from "../options.ts";
import { openFile, writeJson, writeWhole } from "../output.ts";
import { redisOption, workersOption } from "../pooled.ts";
import { checkSameNetwork, type NetworkWords } from "../sameNetwork.ts";
import { attackByTransforms, refuseBeside, transformOptions } from "../transforms.ts";

export const attack = command({
  name: "attack",
  description:
    "Attack a network on the test part of a data set: robust accuracy per radius, and the smallest perturbation found per sample",
  example: "lipschitz attack runs/digits/model.onnx --data digits --radii 0.1,0.3,0.5 --attack pgd,deepfool",
  args: {
    model: { type: "positional", required: true, description: "An .onnx file" },
    ...dataOptions,
    ...inputOptions,
    ...preprocessingOptions,
    norm: { type: "enum", options: ["2", "inf"], description: "Norm of perturbations. Default: 2" },
    attack: {
      type: "string",
      default: attackNames.join(","),
      description: `By commas, carried out in this order: ${attackNames.join(", ")}`,
      valueHint: "NAMES",
    },
    ...radiiOption,
    ...transformOptions,
    tries: { type: "string", description: "Transformations in a grid, and drawn. Default: 64", valueHint: "N" },
    steps: {
      type: "string",
      description: "Steps of pgd and dlr. Default: 40; of a walk over transformations. Default: 20",
      valueHint: "N",
    },
    start: {
      type: "string",
      description:
        "Where runs of pgd and dlr begin: sample, random (default) or relaxed, where a linear bound of the margin is lowest",
      valueHint: "WHERE",
    },
    restarts: { type: "string", description: "Runs of pgd and dlr. Default: 1; walks. Default: 3", valueHint: "N" },
    samples: { type: "string", description: "Attack only the first so many samples", valueHint: "N" },
    "ignore-range": { type: "boolean", description: "Let perturbed samples leave the range of the data" },
    certificate: {
      type: "string",
      description:
        "A certificate of this model on these data (certify --out): exit with code 3 if an attack refutes it",
      valueHint: "FILE",
    },
    ...checkOption,
    ...seedOption,
    ...workersOption,
    ...redisOption,
    out: { type: "string", description: "Write the result to this file", valueHint: "FILE" },
    examples: { type: "string", description: "Write the perturbed samples to this .npy file", valueHint: "FILE" },
    report: {
      type: "string",
      description: "With --transform, draw what was found to this HTML file",
      valueHint: "FILE",
    },
  },
  async run(args, surroundings) {
    const { progress, signal, result } = surroundings;
    if (args.data === undefined) throw new CliError("attack: missing --data D, the samples to attack");
    if (args.transform !== undefined) {
      refuseBeside(args, ["norm", "start", "ignore-range", "workers", "redis"]);
      await attackByTransforms({ ...args, data: args.data, transform: args.transform }, surroundings);
      return;
    }
    const strange = (["limit", "tries", "report"] as const).find((name) => args[name] !== undefined);
    if (strange !== undefined) throw new CliError(`--${strange}: is an option of --transform`);
    const seed = parseWhole("--seed", args.seed);
    const radii = parseRadii(args.radii);
    const attacks = attacksOf(args);
    const certificate = args.certificate === undefined ? undefined : await readCertificate(args.certificate);
    const norm = normOf(args.norm, certificate);
    const loaded = await testsOf({ ...args, data: args.data }, seed);
    const tests = firstOf(loaded, certificate?.data.samples);
    const opened = await openModel(args.model, args, tests.shape);
    const { network, sha256 } = opened;
    const inputs = aboutInputs(opened);
    const engine = nodeEngine();
    const whole = await answered(network, engine, tests);
    const samples = args.samples === undefined ? whole.count : parseWhole("--samples", args.samples, 1);
    const data = take(whole, Math.min(samples, whole.count));
    const dataHash = await hashDataset(whole);
    const preprocessing = parsePreprocessing(args);
    if (certificate) {
      const file = args.certificate ?? "";
      checkSameNetwork({ option: "--certificate", file, model: args.model }, certificate, {
        sha256,
        preprocessing,
        ...inputs,
      });
    }
    if (certificate && certificate.data.sha256 !== dataHash) {
      throw new CliError(`--certificate ${args.certificate}: is on other data than the test part of ${whole.name}`);
    }
    if (args.out !== undefined) await openFile(args.out);
    if (args.examples !== undefined) await openFile(args.examples, "--examples");
    const { checked, lines } = await checkOpened(opened, args.check, { engine, data, seed, signal });
    const bar = progress.bar("attack", 1);
    const clip = args["ignore-range"] ? ("none" as const) : ("data" as const);
    const alone = () =>
      attackNetwork(network, {
        engine,
        data,
        norm,
        radii,
        attacks,
        clip,
        seed,
        signal,
        onProgress: (part) => bar.at(part),
      });
    const inSlices = async () => {
      const part = { ...dataOf(args.data ?? "", await readingOf(args), args), seed, sha256: await hashSamples(loaded) };
      const model = modelPart(sha256, args);
      // Each slice draws its own numbers.
      const tickets = planSlices(data.count, args.model, ({ from, to }) => ({
        kind: "attack",
        model,
        data: { ...part, from, to },
        norm,
        radii,
        attacks,
        clip,
        seed: seed + from,
      }));
      const { workers, redis, "data-dir": dataDir, out: beside } = args;
      return withJobs(tickets, { workers, redis, dataDir, beside, progress, signal }, async (records) =>
        mergeAttacked(valuesOf(records), seed),
      );
    };
    const { examples, ...attacked } = await (inJobs(args) ? inSlices() : alone());
    bar.done();
    const violations = certificate ? consistency(certificate, attacked) : null;
    const report = {
      model: args.model,
      sha256,
      ...inputs,
      checked,
      preprocessing,
      data: { ...aboutData(data), sha256: dataHash },
      ...attacked,
      ...(violations ? { certificate: args.certificate, violations } : {}),
      tool: { name: tool.name, version: tool.version },
    };
    if (args.out !== undefined) await writeJson(args.out, report);
    if (args.examples !== undefined) {
      await writeWhole(args.examples, writeNpy(examples, [data.count, ...data.shape]));
    }
    result(report, () => [renderAttack(attacked, violations, data), ...lines].join("\n"));
    if (violations) sound(args.model, violations);
  },
});

// --- internal ---

interface Words {
  readonly attack: string;
  readonly steps?: string;
  readonly restarts?: string;
  readonly start?: string;
}

function attacksOf({ attack: names, steps, restarts, start }: Words): AttackSpec[] {
  const chosen = parseList("--attack", names, (option, word) => parseWord<AttackName>(option, word, attackNames));
  const changes = {
    ...(steps === undefined ? {} : { steps: parseWhole("--steps", steps, 1) }),
    ...(restarts === undefined ? {} : { restarts: parseWhole("--restarts", restarts, 1) }),
    ...(start === undefined ? {} : { start: parseWord("--start", start, startNames) }),
  };
  if (Object.keys(changes).length > 0 && !chosen.some((name) => name === "pgd" || name === "dlr")) {
    throw new CliError(`--${Object.keys(changes)[0]}: is an option of pgd and dlr, not of ${chosen.join(", ")}`);
  }
  return chosen.map((name) => {
    const spec = attackOf(name);
    return spec.name === "pgd" || spec.name === "dlr" ? { ...spec, ...changes } : spec;
  });
}

interface Certificate extends Certified, NetworkWords {
  readonly data: { readonly sha256: string; readonly samples?: number };
}

function normOf(word: string | undefined, certificate: Certificate | undefined): 2 | "inf" {
  if (certificate?.norm === "1")
    throw new CliError("--certificate: attacks are in l2 and l-inf, got a certificate in l1");
  const norm = word ?? certificate?.norm ?? "2";
  if (certificate && certificate.norm !== norm) {
    throw new CliError(`--norm ${norm}: the certificate is in l${certificate.norm}`);
  }
  return norm === "inf" ? "inf" : 2;
}

/** Read what `certify --out` wrote; ReadError where a part is missing. */
async function readCertificate(path: string): Promise<Certificate> {
  const value = await readResult(path);
  const wrong = firstWrong(value);
  if (wrong) throw new ReadError(`${path}: ${wrong}; is it what certify --out wrote?`);
  return value as Certificate;
}

function firstWrong(value: unknown): string | null {
  const { sha256, norm, data, samples } = (value ?? {}) as Record<string, unknown>;
  if (typeof sha256 !== "string") return "$.sha256: missing the hash of the model";
  if (!["1", "2", "inf"].includes(String(norm))) return `$.norm: must be 1, 2 or inf, got ${String(norm)}`;
  if (typeof (data as Record<string, unknown> | undefined)?.sha256 !== "string") return "$.data.sha256: missing";
  if (!Array.isArray(samples)) return "$.samples: missing";
  const at = samples.findIndex((s: unknown) => {
    const { index, predicted, radius } = (s ?? {}) as Record<string, unknown>;
    return !Number.isInteger(index) || !Number.isInteger(predicted) || !(radius === null || Number(radius) >= 0);
  });
  return at < 0 ? null : `$.samples[${at}]: must hold index, predicted and radius`;
}
