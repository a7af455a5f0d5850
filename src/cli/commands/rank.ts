/** @file lipschitz rank MODEL: samples by their distance to the decision boundary, the nearest first: which to label, to look at, to doubt. */
import { rankByDistance } from "../../certify/rank.ts";
import { hashDataset, take } from "../../data/dataset.ts";
import { nodeEngine } from "../../engine/node.ts";
import { tool } from "../../experiment/tool.ts";
import { rankedCsv, renderRanked } from "../../report/rank.ts";
import { command } from "../command.ts";
import { aboutData, answered, dataOptions, testsOf } from "../data.ts";
import { CliError } from "../errors.ts";
import { aboutInputs, checkOpened, checkOption, inputOptions, openModel } from "../network.ts";
import { parseNumber, parseWhole, preprocessingOptions, secondsLeft, seedOption } from "../options.ts";
import { openFile, writeJson, writeWhole } from "../output.ts";

export const rank = command({
  name: "rank",
  description:
    "Rank samples by their distance to the decision boundary, the nearest first: a proved and a witnessed distance of each, and the ranks that those prove",
  example: "lipschitz rank runs/digits/model.onnx --data pool.csv --label none --out ranks.csv",
  args: {
    model: { type: "positional", required: true, description: "An .onnx file" },
    ...dataOptions,
    ...inputOptions,
    ...preprocessingOptions,
    norm: { type: "enum", options: ["2", "inf"], default: "2", description: "Norm of distances" },
    local: {
      type: "enum",
      options: ["on", "off"],
      default: "on",
      description: "Enlarge certified radii sample by sample by the linear walk",
    },
    seconds: {
      type: "string",
      description: "Time for the certified side; default a counted amount of work",
      valueHint: "S",
    },
    samples: { type: "string", description: "Only the first so many samples", valueHint: "N" },
    top: { type: "string", default: "10", description: "How many samples are printed", valueHint: "N" },
    ...checkOption,
    ...seedOption,
    out: {
      type: "string",
      description: "Write all samples to this file, a table where it ends in .csv, else JSON",
      valueHint: "FILE",
    },
  },
  async run(args, { progress, signal, result }) {
    if (args.data === undefined) throw new CliError("rank: missing --data D, the samples to rank");
    const seed = parseWhole("--seed", args.seed);
    const samples = args.samples === undefined ? undefined : parseWhole("--samples", args.samples, 1);
    const top = parseWhole("--top", args.top, 1);
    const seconds = args.seconds === undefined ? undefined : parseNumber("--seconds", args.seconds, { above: 0 });
    if (args.out !== undefined) await openFile(args.out);
    const tests = await testsOf({ ...args, data: args.data }, seed);
    const opened = await openModel(args.model, args, tests.shape);
    const { network, sha256 } = opened;
    const inputs = aboutInputs(opened);
    const engine = nodeEngine();
    const { checked, lines } = await checkOpened(opened, args.check, { engine, data: tests, seed, seconds, signal });
    const whole = await answered(network, engine, tests, seconds === undefined ? undefined : secondsLeft(seconds));
    const data = take(whole, Math.min(samples ?? whole.count, whole.count));
    const bar = progress.bar("rank", 1);
    const found = await rankByDistance(network, {
      ...{ engine, data, norm: args.norm === "inf" ? ("inf" as const) : (2 as const), seed, signal, seconds: 3 },
      local: args.local === "off" ? ("off" as const) : ("on" as const),
      ...(seconds === undefined ? {} : { limit: secondsLeft(seconds) }),
      onProgress: (part) => bar.at(part),
    });
    bar.done();
    const { points: _, ...ranked } = found;
    const read = { ...aboutData(data), sha256: await hashDataset(data) };
    const maker = { name: tool.name, version: tool.version };
    const all = { model: args.model, sha256, ...inputs, checked, data: read, ...ranked, tool: maker };
    if (args.out !== undefined) {
      if (args.out.endsWith(".csv")) await writeWhole(args.out, rankedCsv(found, data));
      else await writeJson(args.out, all);
    }
    result(all, () => [renderRanked(found, data, top), ...lines].join("\n"));
  },
});
