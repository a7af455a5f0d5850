/** @file lipschitz difference FIRST SECOND --box: how far two networks are apart in values and slopes, proved. */

import { subjectOf } from "../../bounds/subject.ts";
import { difference as bracket } from "../../bounds/values/difference.ts";
import { nodeEngine } from "../../engine/node.ts";
import { renderDifference } from "../../report/difference.ts";
import { command } from "../command.ts";
import { boxOf } from "../domain.ts";
import { CliError } from "../errors.ts";
import { checkOpened, checkOption, openModel } from "../network.ts";
import { normOf, normOption, parseNumber, parseWhole, secondsLeft, seedOption } from "../options.ts";

export const difference = command({
  name: "difference",
  description: "Prove how far two networks are apart on a box, in values and in slopes",
  example: "lipschitz difference student.onnx teacher.onnx --box=-1,1 --max 0.1",
  args: {
    first: { type: "positional", required: true, description: "An .onnx file" },
    second: { type: "positional", required: true, description: "The network that is taken from it" },
    box: {
      type: "string",
      required: true,
      description: "LO,HI for all inputs, or LO:HI for each, by commas (write --box=-1,1)",
      valueHint: "LO,HI",
    },
    max: {
      type: "string",
      description: "Exit with code 3 unless no output is proved to differ by more than this",
      valueHint: "LIMIT",
    },
    "max-slope": {
      type: "string",
      description: "Exit with code 3 unless the proved Lipschitz constant of the difference is at most this",
      valueHint: "LIMIT",
    },
    ...normOption,
    gap: {
      type: "string",
      default: "0.05",
      description: "Cut until what is proved is within this part of what is found",
      valueHint: "G",
    },
    seconds: {
      type: "string",
      description: "Time for the command; what is found by then holds. Default: a fixed amount of work",
      valueHint: "T",
    },
    ...checkOption,
    ...seedOption,
  },
  async run(args, { progress, signal, result }) {
    const norm = normOf(args.norm);
    const seed = parseWhole("--seed", args.seed);
    const gap = parseNumber("--gap", args.gap, { above: 0 });
    const limitOf = (name: "max" | "max-slope") => {
      const word = args[name];
      return word === undefined ? undefined : parseNumber(`--${name}`, word, { min: 0 });
    };
    const [max, maxSlope] = [limitOf("max"), limitOf("max-slope")];
    const seconds = args.seconds === undefined ? undefined : parseNumber("--seconds", args.seconds, { above: 0 });
    const engine = nodeEngine();
    const models = [await openModel(args.first, {}), await openModel(args.second, {})] as const;
    const domain = boxOf(args.box, subjectOf(models[0].network).size);
    const question = { engine, domain, seed, seconds, signal };
    const checks = [
      await checkOpened(models[0], args.check, question),
      await checkOpened(models[1], args.check, question),
    ] as const;
    const bar = progress.bar("difference", 1);
    const found = await bracket(models[0].network, models[1].network, {
      engine,
      domain,
      norm,
      gap,
      seed,
      signal,
      ...(seconds === undefined ? {} : { seconds: secondsLeft(seconds) }),
      onProgress: (part) => bar.at(part),
    });
    bar.done(`${found.pieces} boxes`);
    const about = { first: args.first, second: args.second };
    const sha256 = { first: models[0].sha256, second: models[1].sha256 };
    const checked = { first: checks[0].checked, second: checks[1].checked };
    result({ ...about, sha256, checked, ...found }, () =>
      [renderDifference(found, about), ...checks.flatMap(({ lines }) => lines)].join("\n"),
    );
    const refuse = (name: string, limit: number | undefined, proved: number, what: string) => {
      if (limit !== undefined && !(proved <= limit))
        throw new CliError(
          `--${name} ${limit}: the proved ${what} is ${Number.isFinite(proved) ? proved : "missing"}`,
          3,
        );
    };
    refuse("max", max, found.largest.upper, "difference");
    refuse("max-slope", maxSlope, found.constant.upper, "constant");
  },
});
