/** @file The report of a network that is read, on samples of its user: bracketed, certified, attacked, then drawn. */
import { basename } from "node:path";
import type { Norm } from "../bounds/bound.ts";
import { type Explained, explain } from "../certify/explain.ts";
import { type Dataset, hashDataset, subset } from "../data/dataset.ts";
import type { PreprocessingWords } from "../data/preprocess.ts";
import type { Engine } from "../engine/engine.ts";
import { nodeEngine } from "../engine/node.ts";
import { measure, type Stage } from "../experiment/measure.ts";
import { sampleRecord } from "../experiment/samples.ts";
import { tool } from "../experiment/tool.ts";
import type { Network } from "../graph/network.ts";
import { isImage } from "../report/figures/pictures.ts";
import { renderNetwork } from "../report/network.ts";
import { quoted } from "../report/reproduce.ts";
import { UsageError } from "../tensor/errors.ts";
import { commandLine } from "./commandLine.ts";
import { answered, type DataWords, dataOptions, testsOf } from "./data.ts";
import { checkOpened, type InputWords, inputOptions, openModel } from "./network.ts";
import { normOf, parseRadii, parseWhole, preprocessingOptions } from "./options.ts";
import { openFile, writeWhole } from "./output.ts";
import type { Progress } from "./progress.ts";

export type NetworkWords = DataWords &
  PreprocessingWords &
  InputWords & {
    readonly norm: string;
    readonly radii: string;
    readonly seed: string;
    readonly check: boolean;
  };

/** Measure a model by counted work, and write its report to a file; the summary of a result. */
export async function reportNetwork(
  model: string,
  path: string,
  args: NetworkWords,
  { progress, signal }: { readonly progress: Progress; readonly signal: AbortSignal },
) {
  const [norm, radii, seed] = [normOf(args.norm), parseRadii(args.radii), parseWhole("--seed", args.seed)];
  await openFile(path);
  const tests = await testsOf(args, seed);
  const opened = await openModel(model, args, tests.shape);
  const { network, sha256 } = opened;
  const engine = nodeEngine();
  const { checked } = await checkOpened(opened, args.check, { engine, data: tests, seed, signal });
  const data = await answered(network, engine, tests);
  let bar = progress.bar("bound", 1);
  let now: Stage = "bound";
  const measuring = measure(
    network,
    { norm, radii, seed, counted: true },
    {
      engine,
      data,
      before: { sha256 },
      signal,
      onProgress(stage, part) {
        if (stage !== now) {
          bar.done();
          bar = progress.bar(stage, 1);
          now = stage;
        }
        bar.at(part);
      },
    },
  );
  let step = await measuring.next();
  while (!step.done) step = await measuring.next();
  bar.done();
  const { bound, certify, attack, curvature } = step.value;
  const certification = certify.value;
  const samples = await sampleRecord(network, {
    engine,
    data,
    model: sha256,
    certification,
    attacked: attack.value?.found ?? null,
    curvature: curvature.value?.values ?? [],
    signal,
  });
  const explained = await explanationsOf(samples.weakest, { network, engine, data, norm, radii, seed, signal });
  const { name, count, notes } = data;
  const text = await renderNetwork({
    tool: { name: tool.name, version: tool.version },
    name: basename(model),
    sha256,
    norm,
    radii,
    data: { name, count, sha256: await hashDataset(data), ...(notes && { notes }) },
    ...(data.labelsFrom && { labelsFrom: data.labelsFrom }),
    accuracy: certification?.accuracy ?? null,
    averageRadius: certification?.averageRadius ?? null,
    certified: certification?.certified ?? null,
    attacked: attack.value?.record ?? null,
    bracket: bound.value,
    samples,
    explained,
    checked: checked !== false,
    command: `${commandLine("report", model, { ...args }, options)} --out ${quoted(path)}`,
  });
  await writeWhole(path, text);
  return {
    report: path,
    bytes: new TextEncoder().encode(text).length,
    model,
    sha256,
    samples: count,
    alarm: attack.value?.record.alarm ?? [],
  };
}

// --- internal ---

/** Of images, why the weakest are decided as they are. */
async function explanationsOf(
  weakest: readonly { readonly index: number }[],
  { network, engine, data, norm, radii, seed, signal }: ExplainQuestion,
): Promise<{ readonly found: Explained; readonly data: Dataset } | null> {
  if (!isImage(data.shape) || weakest.length === 0) return null;
  const own = subset(
    data,
    weakest.map((w) => w.index),
  );
  const methods = ["saliency", "integrated"] as const;
  // Explanations turn within balls of l2.
  const within = norm === 2 ? radii.filter((r) => r > 0).slice(0, 1) : [];
  try {
    return { found: await explain(network, { engine, data: own, methods, radii: within, seed, signal }), data: own };
  } catch (cause) {
    // Several samples in one run cannot be told apart.
    if (cause instanceof UsageError) return null;
    throw cause;
  }
}

interface ExplainQuestion {
  readonly network: Network;
  readonly engine: Engine;
  readonly data: Dataset;
  readonly norm: Norm;
  readonly radii: readonly number[];
  readonly seed: number;
  readonly signal: AbortSignal;
}

const options: readonly string[] = [
  ...Object.keys(dataOptions),
  ...Object.keys(inputOptions),
  ...Object.keys(preprocessingOptions),
  "norm",
  "radii",
  "seed",
];
