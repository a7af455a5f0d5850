/** @file lipschitz gain MODEL --box: how fast each output can change with each input on a box, proved and witnessed, in physical units. */
import type { Domain } from "../../bounds/domain.ts";
import { gains } from "../../bounds/gain/gains.ts";
import { subjectOf } from "../../bounds/subject.ts";
import { nodeEngine } from "../../engine/node.ts";
import { renderGains } from "../../report/gain.ts";
import { command } from "../command.ts";
import { boxOf } from "../domain.ts";
import { CliError } from "../errors.ts";
import { checkOpened, checkOption, inputOptions, openModel } from "../network.ts";
import {
  normOf,
  normOption,
  parseNumber,
  parseWhole,
  preprocessingOptions,
  secondsLeft,
  seedOption,
} from "../options.ts";
import { type Described, quantitiesOf } from "../quantities.ts";

export const gain = command({
  name: "gain",
  description: "Prove how fast each output can change with each input on a box, in physical units",
  example: "lipschitz gain policy.onnx --box=-1,1 --max 5",
  args: {
    model: { type: "positional", required: true, description: "An .onnx file" },
    box: {
      type: "string",
      description:
        "LO,HI for all inputs, or LO:HI for each, by commas (write --box=-1,1). Default: low and high of --units",
      valueHint: "LO,HI",
    },
    units: {
      type: "string",
      description: "A CSV with a line for each input: name, unit, low, high, mean, std, scale",
      valueHint: "FILE",
    },
    "output-units": {
      type: "string",
      description: "The same for outputs: name, unit, mean, std, scale",
      valueHint: "FILE",
    },
    inputs: { type: "string", description: "Names of the inputs, by commas", valueHint: "A,B" },
    outputs: { type: "string", description: "Names of the outputs, by commas", valueHint: "A,B" },
    "input-scale": {
      type: "string",
      description: "What counts as a change of 1 of each input in gains: one number, or one each, by commas",
      valueHint: "S",
    },
    "output-scale": { type: "string", description: "The same for outputs", valueHint: "S" },
    ...normOption,
    max: {
      type: "string",
      description: "Exit with code 3 unless the proved gain of all outputs together is at most this",
      valueHint: "LIMIT",
    },
    gap: { type: "string", default: "0.01", description: "Cut until upper <= lower (1 + G)", valueHint: "G" },
    seconds: {
      type: "string",
      description: "Time for the command; what is found by then holds. Default: a fixed amount of work",
      valueHint: "T",
    },
    ...inputOptions,
    ...preprocessingOptions,
    ...checkOption,
    ...seedOption,
  },
  async run(args, { progress, signal, result }) {
    const norm = normOf(args.norm);
    const seed = parseWhole("--seed", args.seed);
    const gap = parseNumber("--gap", args.gap, { above: 0 });
    const max = args.max === undefined ? undefined : parseNumber("--max", args.max, { min: 0 });
    const seconds = args.seconds === undefined ? undefined : parseNumber("--seconds", args.seconds, { above: 0 });
    const opened = await openModel(args.model, args);
    const { network, sha256 } = opened;
    const { size, outputs: count } = subjectOf(network);
    const scales = { input: args["input-scale"], output: args["output-scale"] };
    const inputs = await quantitiesOf("inputs", { units: args.units, names: args.inputs, scale: scales.input }, size);
    const about = { units: args["output-units"], names: args.outputs, scale: scales.output };
    const outputs = await quantitiesOf("outputs", about, count);
    const domain = args.box === undefined ? boxIn(inputs) : boxOf(args.box, size);
    const engine = nodeEngine();
    const question = { engine, domain: numbersOf(domain, inputs), seed, seconds, signal };
    const { checked, lines } = await checkOpened(opened, args.check, question);
    const bar = progress.bar("gain", 1);
    const found = await gains(network, {
      engine,
      domain,
      inputs,
      outputs,
      norm,
      gap,
      seed,
      signal,
      ...(seconds === undefined ? {} : { seconds: secondsLeft(seconds) }),
      onProgress: (pieces, worst) => bar.at(Math.min(1, 1 / worst), `${pieces} boxes`),
    });
    bar.done(`${found.pieces} boxes`);
    const vector = opened.inputs && { vector: opened.inputs };
    result({ model: args.model, sha256, ...vector, checked, ...found }, () =>
      [renderGains(found), ...lines].join("\n"),
    );
    if (max !== undefined && !(found.whole.upper <= max)) {
      const { upper } = found.whole;
      throw new CliError(`--max ${max}: the proved gain is ${upper < Number.POSITIVE_INFINITY ? upper : "missing"}`, 3);
    }
  },
});

// --- internal ---

type Box = Domain & { readonly kind: "box" };

/** The box that a file of units says. */
function boxIn(inputs: readonly Described[]): Box {
  const open = inputs.findIndex(({ low, high }) => low === undefined || high === undefined);
  if (open >= 0) {
    const { name = `x${open}` } = inputs[open];
    throw new CliError(
      `gain: needs a box: --box LO:HI,..., or low and high of every input in --units; ${name} has none`,
    );
  }
  return { kind: "box", low: inputs.map(({ low }) => Number(low)), high: inputs.map(({ high }) => Number(high)) };
}

/** The box in the network's own numbers. */
function numbersOf({ low, high }: Box, inputs: readonly Described[]): Box {
  const number = (v: number, i: number) => (v - (inputs[i].mean ?? 0)) / (inputs[i].std ?? 1);
  return { kind: "box", low: Array.from(low, number), high: Array.from(high, number) };
}
