/** @file lipschitz explain MODEL: what speaks for the decisions of a network, and how much that can turn. */
import { explain as explainNetwork } from "../../certify/explain.ts";
import { type AttributionName, attributionNames } from "../../curvature/attribution.ts";
import { hashDataset } from "../../data/dataset.ts";
import { writeNpy } from "../../data/npy.ts";
import { parsePreprocessing } from "../../data/preprocess.ts";
import { nodeEngine } from "../../engine/node.ts";
import { tool } from "../../experiment/tool.ts";
import { renderExplained, renderExplainReport } from "../../report/explain.ts";
import { command } from "../command.ts";
import { commandLine } from "../commandLine.ts";
import { aboutData, answered, dataOptions, testsOf } from "../data.ts";
import { CliError } from "../errors.ts";
import { aboutInputs, checkOpened, checkOption, inputOptions, openModel } from "../network.ts";
import { parseList, parseNumber, parseWhole, parseWord, preprocessingOptions, seedOption } from "../options.ts";
import { openFile, writeJson, writeWhole } from "../output.ts";

export const explain = command({
  name: "explain",
  description:
    "Explain decisions by the inputs that speak for them, with proved bounds of how much each explanation can turn when its sample moves",
  example: "lipschitz explain runs/digits/model.onnx --data digits --samples 8 --report explained.html",
  args: {
    model: { type: "positional", required: true, description: "An .onnx file" },
    ...dataOptions,
    ...inputOptions,
    ...preprocessingOptions,
    samples: { type: "string", default: "20", description: "The first so many samples", valueHint: "N" },
    of: {
      type: "enum",
      options: ["margin", "logit"],
      default: "margin",
      description: "What is explained: the logit of the decided class less the largest other one, or that logit",
    },
    method: {
      type: "string",
      default: attributionNames.join(","),
      description: `By commas: ${attributionNames.join(", ")}`,
      valueHint: "NAMES",
    },
    radii: {
      type: "string",
      default: "0.05,0.2",
      description: "Lengths in l2 by which samples move, by commas",
      valueHint: "R",
    },
    baseline: {
      type: "string",
      default: "0",
      description: "Of integrated gradients: the value of an input that says nothing",
      valueHint: "X",
    },
    steps: { type: "string", default: "32", description: "Of integrated gradients: points on the way", valueHint: "N" },
    draws: { type: "string", default: "16", description: "Of smoothgrad", valueHint: "N" },
    deviation: {
      type: "string",
      description: "Of smoothgrad's noise. Default: a tenth of the range of the data, or 0.1",
      valueHint: "S",
    },
    ...checkOption,
    ...seedOption,
    out: {
      type: "string",
      description: "Write the result as JSON, without the explanations themselves",
      valueHint: "FILE",
    },
    values: {
      type: "string",
      description: "Write the explanations to this .npy file: [samples, methods, ...sample]",
      valueHint: "FILE",
    },
    report: { type: "string", description: "Draw them to this HTML file", valueHint: "FILE" },
  },
  async run(args, { progress, signal, result }) {
    if (args.data === undefined) throw new CliError("explain: missing --data D, the samples to explain");
    const seed = parseWhole("--seed", args.seed);
    const asked = {
      samples: parseWhole("--samples", args.samples, 1),
      of: parseWord("--of", args.of, ["margin", "logit"]),
      methods: parseList("--method", args.method, (o, word) => parseWord<AttributionName>(o, word, attributionNames)),
      radii: parseList("--radii", args.radii, (o, word) => parseNumber(o, word, { above: 0 })),
      baseline: parseNumber("--baseline", args.baseline),
      steps: parseWhole("--steps", args.steps, 1),
      draws: parseWhole("--draws", args.draws, 1),
      ...(args.deviation === undefined ? {} : { deviation: parseNumber("--deviation", args.deviation, { min: 0 }) }),
    };
    for (const option of ["out", "values", "report"] as const) {
      const path = args[option];
      if (path !== undefined) await openFile(path, `--${option}`);
    }
    const tests = await testsOf({ ...args, data: args.data }, seed);
    if (tests.task === "regression")
      throw new CliError(`explain: decisions are explained, and ${tests.name} is a regression`);
    const opened = await openModel(args.model, args, tests.shape);
    const { network, sha256 } = opened;
    const engine = nodeEngine();
    const { checked, lines } = await checkOpened(opened, args.check, { engine, data: tests, seed, signal });
    const data = await answered(network, engine, tests);
    const bar = progress.bar("explain", 1);
    const found = await explainNetwork(network, {
      ...{ engine, data, seed, signal, ...asked },
      onProgress: (part) => bar.at(part),
    });
    bar.done();
    // Numbers of every input are for --values: a text of them would be long.
    const samples = found.samples.map(({ explanations, ...rest }) => ({
      ...rest,
      explanations: explanations.map(({ values: _, ...own }) => own),
    }));
    const all = {
      ...{ model: args.model, sha256, ...aboutInputs(opened), checked, preprocessing: parsePreprocessing(args) },
      data: { ...aboutData(data), sha256: await hashDataset(data) },
      ...{ ...found, samples, tool: { name: tool.name, version: tool.version } },
    };
    if (args.out !== undefined) await writeJson(args.out, all);
    if (args.values !== undefined) {
      const values = found.samples.flatMap((s) => s.explanations.flatMap((e) => Array.from(e.values)));
      const shape = [found.samples.length, found.methods.length, ...data.shape];
      await writeWhole(args.values, writeNpy(Float32Array.from(values), shape));
    }
    if (args.report !== undefined) {
      const line = commandLine("explain", args.model, args, given);
      await writeWhole(
        args.report,
        await renderExplainReport(found, data, { name: args.model, sha256, command: line }),
      );
    }
    result(all, () => [renderExplained(found, data), ...lines].join("\n"));
  },
});

// --- internal ---

/** What a report repeats of its command. */
const given: readonly string[] = [
  ...Object.keys({ ...dataOptions, ...inputOptions, ...preprocessingOptions }),
  ...["samples", "of", "method", "radii", "baseline", "steps", "draws", "deviation", "seed"],
];
