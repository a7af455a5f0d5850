/** @file lipschitz bound MODEL: a bracket of the Lipschitz constant of any ONNX network, and which layer is to blame. */

import type { Bracket } from "../../bounds/bound.ts";
import { boundNames, lipschitz } from "../../bounds/index.ts";
import { witnessRecord } from "../../bounds/lowerBounds/record.ts";
import { writeNpy } from "../../data/npy.ts";
import { nodeEngine } from "../../engine/node.ts";
import type { Network } from "../../graph/network.ts";
import { dataLines } from "../../report/data.ts";
import { showNumber } from "../../report/number.ts";
import { renderBracket } from "../../report/text.ts";
import { boundAll } from "../boundAll.ts";
import { command } from "../command.ts";
import { aboutData, dataOptions, testsOf } from "../data.ts";
import { domainOptions, parseDomain } from "../domain.ts";
import { CliError } from "../errors.ts";
import { inJobs } from "../jobs.ts";
import { checkOpened, checkOption, inputOptions, openModel, sizeOfInput } from "../network.ts";
import {
  normOf,
  normOption,
  parseList,
  parseNumber,
  parseWhole,
  parseWord,
  preprocessingOptions,
  secondsLeft,
  seedOption,
} from "../options.ts";
import { openFile, writeJson, writeWhole } from "../output.ts";
import { redisOption, workersOption } from "../pooled.ts";

export const bound = command({
  name: "bound",
  description: "Bracket the Lipschitz constant of an ONNX network: proved above, witnessed below",
  example: "lipschitz bound runs/digits/model.onnx --norm 2 --max 50",
  args: {
    model: { type: "positional", required: true, description: "An .onnx file, or several" },
    ...normOption,
    method: {
      type: "string",
      description: `By commas: ${boundNames.join(", ")}; or all that fit. Default: the quick ones`,
      valueHint: "NAMES",
    },
    ...domainOptions,
    ...dataOptions,
    ...inputOptions,
    ...preprocessingOptions,
    seconds: {
      type: "string",
      description: "Time for the command; what is found by then holds. Default: a fixed amount of work",
      valueHint: "T",
    },
    max: {
      type: "string",
      description: "Exit with code 3 unless the proved upper bound is at most this",
      valueHint: "LIMIT",
    },
    ...checkOption,
    witness: {
      type: "string",
      description:
        "Write the two points of the lower bound: .json with what the network makes of them, .npy the points alone",
      valueHint: "FILE",
    },
    ...seedOption,
    ...workersOption,
    ...redisOption,
  },
  several: true,
  async run(args, surroundings) {
    const { progress, signal, result } = surroundings;
    const norm = normOf(args.norm);
    const seed = parseWhole("--seed", args.seed);
    const max = args.max === undefined ? undefined : parseNumber("--max", args.max, { min: 0 });
    if (args.witness !== undefined) await openWitness(args.witness);
    const seconds = args.seconds === undefined ? undefined : parseNumber("--seconds", args.seconds, { above: 0 });
    const methods =
      args.method === undefined || args.method === "all"
        ? args.method
        : parseList("--method", args.method, (o, w) => parseWord(o, w, boundNames));
    const files = args._;
    if (files.length > 1) {
      for (const one of ["data", "witness"] as const) {
        if (args[one] !== undefined) throw new CliError(`--${one}: is of one file, got ${files.length}`);
      }
      const { workers, redis, check } = args;
      await boundAll({ files, norm, methods, seed, seconds, check, max, workers, redis, words: args }, surroundings);
      return;
    }
    if (inJobs(args)) throw new CliError("--workers, --redis: are for several files, got one");
    const data = args.data === undefined ? undefined : await testsOf({ ...args, data: args.data }, seed);
    const opened = await openModel(args.model, args, data?.shape);
    const { network, sha256 } = opened;
    const inputs = opened.inputs && { inputs: opened.inputs };
    const domain = await parseDomain(args, sizeOfInput(network));
    const engine = nodeEngine();
    const { checked, lines } = await checkOpened(opened, args.check, { engine, data, domain, seed, seconds, signal });
    const about = { model: args.model, sha256, ...inputs, checked, ...(data && { data: aboutData(data) }) };
    const text = (found: Bracket) => [...(data ? dataLines(data) : []), renderBracket(found), ...lines].join("\n");
    const bar = progress.bar("bound", 1);
    let fraction = 0;
    let latest: Bracket | undefined;
    const show = () => bar.at(fraction, latest && interval(latest));
    const asked = lipschitz(network, {
      engine,
      norm,
      methods,
      domain,
      seed,
      signal,
      data,
      ...(seconds === undefined ? {} : { seconds: secondsLeft(seconds) }),
      onProgress(part) {
        fraction = part;
        show();
      },
      onBracket(bracket) {
        latest = bracket;
        show();
      },
    });
    const bracket = await asked.catch((error: unknown) => {
      // What is known when the user has seen enough is worth printing.
      if (!signal.aborted || latest === undefined) throw error;
      const known = latest;
      result({ ...about, interrupted: true, ...known }, () => text(known));
      throw error;
    });
    bar.done(interval(bracket));
    result({ ...about, ...bracket }, () => text(bracket));
    if (args.witness !== undefined) await writeWitness(args.witness, network, about, bracket);
    if (max === undefined) return;
    const proved = bracket.upper?.proved ? bracket.upper.value : null;
    if (proved === null || !(proved <= max)) {
      throw new CliError(`--max ${max}: the proved upper bound is ${proved ?? "missing"}`, 3);
    }
  },
});

// --- internal ---

/** Before work is spent: the name says the format, and the file can be written. */
async function openWitness(path: string): Promise<void> {
  if (!/\.(json|npy)$/.test(path)) throw new CliError(`--witness: must end in .json or .npy, got "${path}"`);
  await openFile(path, "--witness");
}

async function writeWitness(path: string, network: Network, about: object, bracket: Bracket): Promise<void> {
  const record = witnessRecord(network, bracket);
  if (!record) throw new CliError("--witness: no two points were found that show a lower bound", 3);
  const { shape, x, y } = record;
  if (path.endsWith(".json")) await writeJson(path, { ...about, ...record });
  else await writeWhole(path, writeNpy(Float64Array.from([...x, ...y]), [2, ...shape]));
}

/** What is witnessed and what is proved, for the bar. */
const interval = ({ lower, upper }: Bracket): string =>
  `[${showNumber(lower?.value)}, ${showNumber(upper?.proved ? upper.value : null)}]`;
