/** @file lipschitz margins MODEL --data D: margins, as they are and over the complexity of the network, beside a control that is trained on random labels. */

import { accuracyOf } from "../../certify/evaluate.ts";
import { normalizedMargins } from "../../certify/normalizedMargins.ts";
import type { Dataset } from "../../data/dataset.ts";
import { DATASET_NAMES } from "../../data/files.ts";
import { parsePreprocessing } from "../../data/preprocess.ts";
import { nodeEngine } from "../../engine/node.ts";
import { fitted } from "../../experiment/fit.ts";
import { defaultSpec } from "../../experiment/spec.ts";
import { tool } from "../../experiment/tool.ts";
import type { Network } from "../../graph/network.ts";
import { type MarginsOf, marginsPage } from "../../report/margins.ts";
import { renderMargins } from "../../report/marginsText.ts";
import { random } from "../../tensor/random.ts";
import { afresh, randomLabels } from "../../train/afresh.ts";
import { retrofit } from "../../train/retrofit.ts";
import { cosine } from "../../train/schedule.ts";
import { trainNetwork } from "../../train/trainNetwork.ts";
import { command } from "../command.ts";
import { commandLine } from "../commandLine.ts";
import { aboutData, dataOptions, partsOf, readingOf, testsOf } from "../data.ts";
import { CliError } from "../errors.ts";
import { checkOpened, checkOption, openModel } from "../network.ts";
import {
  parseNumber,
  parseSamples,
  parseWhole,
  preprocessingOptions,
  sampleOptions,
  secondsLeft,
  seedOption,
} from "../options.ts";
import { writeWhole } from "../output.ts";

export const margins = command({
  name: "margins",
  description: "Margins on the training samples, as they are and over the complexity of the network",
  example: "lipschitz margins runs/digits/plain/model.onnx --data digits --control --out margins.html",
  args: {
    model: { type: "positional", required: true, description: "An .onnx file" },
    ...dataOptions,
    ...sampleOptions,
    ...preprocessingOptions,
    reference: {
      type: "string",
      description: "A network of the same layers that the distances of weights are taken from. Default: weights 0",
      valueHint: "FILE",
    },
    control: {
      type: "boolean",
      description: "Also train the same graph anew, on the labels and on labels dealt out at random",
    },
    epochs: {
      type: "string",
      default: "60",
      description: "With --control: passes over the training samples",
      valueHint: "N",
    },
    rate: { type: "string", default: "2e-3", description: "With --control: learning rate of Adam", valueHint: "R" },
    batch: {
      type: "string",
      description: `With --control: samples a step. Default: ${defaultSpec.batch}, or all of fewer`,
      valueHint: "N",
    },
    out: { type: "string", description: "Draw the distributions as an HTML file", valueHint: "FILE" },
    seconds: {
      type: "string",
      description: "Time for the constant of each network. Default: a fixed amount of work",
      valueHint: "T",
    },
    ...checkOption,
    ...seedOption,
  },
  async run(args, { progress, signal, result }) {
    const seed = parseWhole("--seed", args.seed);
    const epochs = parseWhole("--epochs", args.epochs, 1);
    const rate = parseNumber("--rate", args.rate, { above: 0 });
    const seconds = args.seconds === undefined ? undefined : parseNumber("--seconds", args.seconds, { above: 0 });
    if (args.data === undefined)
      throw new CliError("margins: missing --data D, the samples that the network was trained on");
    const { train, test } = await samplesOf({ ...args, data: args.data }, seed);
    if (train.task !== "classification")
      throw new CliError(`margins: needs classes, and ${train.name} is a regression`);
    const engine = nodeEngine();
    const opened = await openModel(args.model, args, train.shape);
    const { checked, lines } = await checkOpened(opened, args.check, { engine, data: train, seed, seconds, signal });
    const reference = args.reference === undefined ? undefined : await openModel(args.reference, args, train.shape);
    const bar = progress.bar("margins", args.control ? 3 : 1);
    const found: MarginsOf[] = [];
    const take = async (label: string, network: Network, data: Dataset): Promise<void> => {
      const done = found.length;
      found.push({
        label,
        found: await normalizedMargins(network, {
          engine,
          data,
          seed,
          signal,
          ...(reference && { reference: reference.network }),
          ...(seconds !== undefined && { seconds: secondsLeft(seconds) }),
          onProgress: (part) => bar.at(done + part, label),
        }),
        testAccuracy: test ? await accuracyOf(network, engine, test, { signal }) : null,
      });
    };
    await take("network", opened.network, train);
    if (args.control) {
      const model = afresh(
        retrofit(opened.source, {
          sha256: opened.sha256,
          preprocessing: parsePreprocessing(args),
          sample: train.shape,
          task: train.task,
        }),
      );
      const batch =
        args.batch === undefined ? Math.min(defaultSpec.batch, train.count) : parseWhole("--batch", args.batch, 1);
      for (const [label, data] of [
        ["trained anew", train],
        ["random labels", randomLabels(train, random(seed).fork("labels"))],
      ] as const) {
        const { network } = await trainNetwork({
          engine,
          data: { train: data, test: test ?? data },
          model,
          schedule: cosine(rate),
          epochs,
          batch,
          seed,
          signal,
        });
        await take(label, network, data);
      }
    }
    bar.done();
    const about = { model: args.model, data: train.name, networks: found };
    if (args.out !== undefined) {
      const line = commandLine("margins", args.model, args, given);
      const command = args.control ? `${line} --control` : line;
      await writeWhole(args.out, await marginsPage({ ...about, tool: tool.name, command }));
    }
    const { sha256 } = opened;
    result({ ...about, sha256, checked, data: aboutData(train) }, () =>
      [renderMargins(about), ...(args.out === undefined ? [] : [`Written: ${args.out}`]), ...lines].join("\n"),
    );
  },
});

// --- internal ---

/** What a page repeats of its command. */
const given: readonly string[] = [
  ...Object.keys({ ...dataOptions, ...sampleOptions, ...preprocessingOptions }),
  ...["reference", "epochs", "rate", "batch", "seconds", "seed"],
];

/** The samples to look at, and those that nothing was trained on: of a file that is not divided there are none. */
async function samplesOf(
  args: { readonly data: string; readonly split?: string; readonly "data-dir"?: string },
  seed: number,
): Promise<{ readonly train: Dataset; readonly test: Dataset | null }> {
  const reading = await readingOf(args);
  const { samples } = parseSamples(args as Parameters<typeof parseSamples>[0]);
  const named = (DATASET_NAMES as readonly string[]).includes(args.data);
  if (named || reading.test !== undefined) {
    const parts = await partsOf({ data: args.data, reading, seed }, args["data-dir"]);
    return fitted({ ...defaultSpec, ...(samples && { samples }) }, parts);
  }
  const all = await testsOf(args, seed);
  if (all.task === "none") throw new CliError(`margins: needs labels, and ${all.name} has none`);
  return { train: all, test: null };
}
