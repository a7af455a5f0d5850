/** @file lipschitz check MODEL PROPERTY: does a property in VNN-LIB hold of a network? */
import { subjectOf } from "../../bounds/subject.ts";
import { type Checked, checkProperty } from "../../certify/property/check.ts";
import { parseVnnlib } from "../../certify/property/vnnlib.ts";
import { parsePreprocessing } from "../../data/preprocess.ts";
import { nodeEngine } from "../../engine/node.ts";
import { command } from "../command.ts";
import { CliError } from "../errors.ts";
import { readBytes } from "../files.ts";
import { checkOpened, checkOption, openModel } from "../network.ts";
import { parseNumber, parseWhole, preprocessingOptions, secondsLeft, seedOption } from "../options.ts";

export const check = command({
  name: "check",
  description:
    "Check a property in VNN-LIB: it holds (exit 0), is violated at an input that is shown (3), or neither was found (4)",
  example: "lipschitz check policy.onnx property.vnnlib --seconds 60",
  args: {
    model: { type: "positional", required: true, description: "An .onnx file" },
    property: { type: "positional", required: true, description: "A .vnnlib file: what must not happen" },
    ...preprocessingOptions,
    seconds: {
      type: "string",
      description: "Time; default a counted amount of work, the same on every machine",
      valueHint: "S",
    },
    ...checkOption,
    ...seedOption,
  },
  async run(args, { progress, signal, result }) {
    const property = parseVnnlib(new TextDecoder().decode(await readBytes(args.property)), args.property);
    const opened = await openModel(args.model, args);
    const { network, sha256 } = opened;
    const preprocessing = parsePreprocessing(args);
    const seconds = args.seconds === undefined ? undefined : parseNumber("--seconds", args.seconds, { above: 0 });
    const seed = parseWhole("--seed", args.seed);
    const engine = nodeEngine();
    const [first] = property.cases;
    const fits = first?.low.length === subjectOf(network).size;
    const domain = fits && { domain: { kind: "box" as const, low: first.low, high: first.high } };
    const { checked: file, lines } = await checkOpened(opened, args.check, {
      engine,
      ...domain,
      seed,
      seconds,
      signal,
    });
    const bar = progress.bar("check", 1);
    const checked = await checkProperty(network, property, {
      engine,
      seed,
      signal,
      ...(seconds === undefined ? {} : { seconds: secondsLeft(seconds), work: Number.POSITIVE_INFINITY }),
      onProgress: (part) => bar.at(part),
    });
    bar.done();
    result({ model: args.model, sha256, property: args.property, preprocessing, checked: file, ...checked }, () =>
      [rendered(checked), ...lines].join("\n"),
    );
    if (checked.status === "violated") throw new CliError(`${args.property}: it is violated`, 3);
    if (checked.status === "unknown") throw new CliError(`${args.property}: it is not known whether it holds`, 4);
  },
});

// --- internal ---

/** Numbers that a line holds; --json has them all. */
const most = 64;

const shown = (numbers: readonly number[]): string =>
  numbers.length <= most
    ? numbers.join(" ")
    : `${numbers.slice(0, most).join(" ")} and ${numbers.length - most} more, all with --json`;

function rendered(checked: Checked): string {
  const { status, boxes } = checked;
  switch (status) {
    case "holds":
      return `holds: proved on ${boxes} boxes of inputs`;
    case "violated":
      return [
        "violated: the network, run in float32,",
        `at  ${shown(checked.point)}`,
        `is  ${shown(checked.outputs)}`,
      ].join("\n");
    case "unknown":
      return `unknown: ${boxes} boxes of inputs were bounded, ${checked.open} are open; a larger --seconds gives more`;
    default:
      return checked satisfies never;
  }
}
