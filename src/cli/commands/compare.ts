/** @file lipschitz compare: the main job. Trains one network under every method and shows what each buys. */
import { join } from "node:path";
import { nodeEngine } from "../../engine/node.ts";
import type { RunRecord } from "../../experiment/record.ts";
import { comparedMethods, defaultSpec, defaultsFor, methodSpec } from "../../experiment/spec.ts";
import { tool } from "../../experiment/tool.ts";
import { alarmLines, renderComparison } from "../../report/text.ts";
import { methodNames } from "../../train/methods.ts";
import { sound } from "../alarm.ts";
import { command } from "../command.ts";
import { openFolder, writeJson, writeWhole } from "../files.ts";
import { type Followed, follow } from "../follow.ts";
import { dataOptions, loadData, parseList, parseRadii, parseWhole, parseWord, seedOption } from "../options.ts";

export const compare = command({
  name: "compare",
  description: "Train one small network under every method, bracket its Lipschitz constant, certify it, and compare",
  example: "lipschitz compare --data digits --methods plain,weight-decay --epochs 10 --seed 1 --out runs/digits",
  args: {
    ...dataOptions,
    methods: {
      type: "string",
      default: comparedMethods.join(","),
      description: `By commas: ${methodNames.join(", ")}`,
      valueHint: "NAMES",
    },
    epochs: {
      type: "string",
      default: String(defaultSpec.epochs),
      description: "Passes over the training data",
      valueHint: "N",
    },
    radii: {
      type: "string",
      default: defaultSpec.radii.join(","),
      description: "Certified radii in l2, by commas",
      valueHint: "R",
    },
    ...seedOption,
    out: { type: "string", description: "Folder for models and records; runs/<data> unless told", valueHint: "DIR" },
  },
  async run(args, { progress, signal, result }) {
    const data = args.data ?? defaultSpec.data;
    const seed = parseWhole("--seed", args.seed);
    const epochs = parseWhole("--epochs", args.epochs, 1);
    const radii = parseRadii(args.radii);
    const methods = [
      ...new Set(parseList("--methods", args.methods, (option, word) => parseWord(option, word, methodNames))),
    ];
    const split = await loadData(data, args["data-dir"], seed);
    const folder = args.out ?? join("runs", split.train.name);
    await openFolder(folder);
    const engine = nodeEngine();
    const runs: Followed[] = [];
    for (const name of methods) {
      const own = join(folder, name);
      await openFolder(own);
      const defaults = defaultsFor(name);
      const method = methodSpec(defaults.optimizer, defaults.method);
      const spec = { ...defaults, data, method, epochs, seed, radii };
      runs.push(await follow(spec, { engine, data: split, folder: own, progress, signal }));
    }
    const records = runs.map((r) => r.record);
    const best = records.reduce((a, b) => (score(b) > score(a) ? b : a));
    await writeWhole(join(folder, "model.onnx"), runs[records.indexOf(best)].model);
    const comparison = { tool: { name: tool.name, version: tool.version }, best: best.spec.method.name, runs: records };
    await writeJson(join(folder, "record.json"), comparison);
    result(comparison, () =>
      [
        renderComparison(records),
        ...alarmLines(records),
        `Written: ${folder}/model.onnx (${best.spec.method.name}, the largest average certified radius), ${folder}/record.json,`,
        `and for each method ${folder}/<method>/model.onnx, record.json and checkpoint.json.`,
      ].join("\n"),
    );
    for (const { spec, attacked } of records) sound(spec.method.name, attacked?.alarm ?? []);
  },
});

// --- internal ---

/** What makes a run the best: the average certified radius; of a regression, the smaller test loss. */
const score = (r: RunRecord): number => r.averageRadius ?? -r.testLoss;
