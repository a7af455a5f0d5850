/** @file lipschitz bound MODEL: a bracket of the Lipschitz constant of any ONNX network, and which layer is to blame. */
import { boundNames, lipschitz } from "../../bounds/index.ts";
import { nodeEngine } from "../../engine/node.ts";
import { renderBracket } from "../../report/text.ts";
import { command } from "../command.ts";
import { CliError } from "../errors.ts";
import { openModel } from "../network.ts";
import {
  dataOptions,
  loadData,
  normOf,
  normOption,
  parseList,
  parseNumber,
  parseWhole,
  parseWord,
  preprocessingOptions,
  seedOption,
} from "../options.ts";

export const bound = command({
  name: "bound",
  description: "Bracket the Lipschitz constant of an ONNX network: proved above, witnessed below",
  example: "lipschitz bound runs/digits/model.onnx --norm 2 --max 50",
  args: {
    model: { type: "positional", required: true, description: "An .onnx file" },
    ...normOption,
    method: {
      type: "string",
      default: "all",
      description: `By commas: ${boundNames.join(", ")}; or all`,
      valueHint: "NAMES",
    },
    ...dataOptions,
    ...preprocessingOptions,
    seconds: { type: "string", description: "Time for the search of the lower bound", valueHint: "T" },
    max: {
      type: "string",
      description: "Exit with code 3 unless the proved upper bound is at most this",
      valueHint: "LIMIT",
    },
    ...seedOption,
  },
  async run(args, { progress, signal, result }) {
    const norm = normOf(args.norm);
    const seed = parseWhole("--seed", args.seed);
    const max = args.max === undefined ? undefined : parseNumber("--max", args.max, { min: 0 });
    const seconds = args.seconds === undefined ? undefined : parseNumber("--seconds", args.seconds, { above: 0 });
    const methods =
      args.method === "all" ? boundNames : parseList("--method", args.method, (o, w) => parseWord(o, w, boundNames));
    const data = args.data === undefined ? undefined : (await loadData(args.data, args["data-dir"], seed)).test;
    const { network, sha256 } = await openModel(args.model, args, data?.shape);
    const bar = progress.bar("bound", 1);
    const bracket = await lipschitz(network, {
      engine: nodeEngine(),
      norm,
      methods,
      seed,
      signal,
      ...(data === undefined ? {} : { data }),
      ...(seconds === undefined ? {} : { seconds }),
      onProgress: (fraction: number) => bar.at(fraction),
    });
    bar.done();
    result({ model: args.model, sha256, ...bracket }, () => renderBracket(bracket));
    if (max === undefined) return;
    const proved = bracket.upper?.proved ? bracket.upper.value : null;
    if (proved === null || !(proved <= max)) {
      throw new CliError(`--max ${max}: the proved upper bound is ${proved ?? "missing"}`, 3);
    }
  },
});
