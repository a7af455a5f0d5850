/** @file lipschitz compare: the main job. Trains one network under every method and shows what each buys. */
import { basename, join } from "node:path";
import type { ComparisonSpec } from "../../experiment/comparison.ts";
import { comparedMethods, defaultSpec, defaultsFor, methodSpec } from "../../experiment/spec.ts";
import { type MethodName, methodNames } from "../../train/methods.ts";
import { command } from "../command.ts";
import { dataOptions, partsOf, readingOf } from "../data.ts";
import { parseList, parseRadii, parseSamples, parseWhole, parseWord, sampleOptions, seedOption } from "../options.ts";
import { showComparison } from "../showComparison.ts";

export const compare = command({
  name: "compare",
  description: "Train one small network under every method, bracket its Lipschitz constant, certify it, and compare",
  example: "lipschitz compare --data digits --methods plain,weight-decay --epochs 10 --seed 1 --out runs/digits",
  args: {
    ...dataOptions,
    ...sampleOptions,
    methods: {
      type: "string",
      description: `By commas: ${methodNames.join(", ")}. Default: ${comparedMethods.join(",")}`,
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
    seeds: { type: "string", default: "1", description: "How many seeds, from --seed on", valueHint: "N" },
    out: { type: "string", description: "Folder for models and records. Default: runs/<data>", valueHint: "DIR" },
  },
  goOn: () => "what is done is kept: the same command goes on from there",
  async run(args, { progress, signal, result }) {
    const data = args.data ?? defaultSpec.data;
    const epochs = parseWhole("--epochs", args.epochs, 1);
    const radii = parseRadii(args.radii);
    const count = parseWhole("--seeds", args.seeds, 1);
    const first = parseWhole("--seed", args.seed);
    const asked =
      args.methods === undefined
        ? undefined
        : parseList("--methods", args.methods, (option, word) => parseWord(option, word, methodNames));
    const samples = parseSamples(args);
    const reading = await readingOf(args);
    const read = Object.keys(reading).length > 0 ? { reading } : {};
    const { name: place, task } = (await partsOf({ data, ...read, seed: first }, args["data-dir"])).train;
    const name = basename(place).replace(/\.[a-z.]*$/i, "");
    // A margin needs classes.
    const usual = comparedMethods.filter((method) => task === "classification" || method !== "lmt");
    const methods = [...new Set<MethodName>(asked ?? usual)];
    const folder = args.out ?? join("runs", name);
    const spec: ComparisonSpec = {
      name,
      seeds: Array.from({ length: count }, (_, i) => first + i),
      runs: methods.map((label) => {
        const defaults = defaultsFor(label, task);
        const method = methodSpec(defaults.optimizer, defaults.method);
        return { label, run: { ...defaults, data, ...read, ...samples, method, epochs, seed: first, radii } };
      }),
    };
    await showComparison(spec, folder, { dataDir: args["data-dir"], progress, signal, result });
  },
});
