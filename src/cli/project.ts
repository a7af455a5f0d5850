/** @file lipschitz train --from FILE --project GAMMA: a network that is there, rescaled to a proved constant without training. */
import { join } from "node:path";
import { printNorm } from "../bounds/bound.ts";
import { accuracyOf } from "../certify/evaluate.ts";
import { parsePreprocessing } from "../data/preprocess.ts";
import { nodeEngine } from "../engine/node.ts";
import type { Network } from "../graph/network.ts";
import { withPreprocessing } from "../models/preprocess.ts";
import { modelHash, readingOf } from "../onnx/read.ts";
import { showAtMost, showNorm, showNumber, showPercent } from "../report/number.ts";
import { projected } from "../train/project.ts";
import type { Surroundings } from "./command.ts";
import { testsOf } from "./data.ts";
import { CliError } from "./errors.ts";
import { checkGiven, type FromWords, openFrom } from "./from.ts";
import { normOf, parseNumber, parseWhole } from "./options.ts";
import { openFolder, writeJson, writeWhole } from "./output.ts";

/** The words of `train` that have a meaning without training. */
const known = new Set(
  "_ from project freeze shape layout data data-dir scale mean std norm seed out json quiet split labels classes".split(
    " ",
  ),
);

type Words = FromWords & Readonly<Record<string, unknown>>;

/** Carry it out: model.onnx and project.json go into the folder. */
export async function project(args: Words, { progress, signal, result }: Surroundings): Promise<void> {
  const word = (name: string): string | undefined => (args[name] === undefined ? undefined : String(args[name]));
  const gamma = parseNumber("--project", word("project") ?? "", { above: 0 });
  const method = word("method");
  if (method !== undefined) throw new CliError(`--project: nothing is trained; leave METHOD out, got ${method}`);
  const strange = Object.keys(args).find(
    (name) => args[name] !== undefined && args[name] !== false && !known.has(kebab(name)),
  );
  if (strange !== undefined) throw new CliError(`--project: nothing is trained; leave --${kebab(strange)} out`);
  const given = await openFrom(args);
  if (!given) throw new CliError("--project: says what a network that is there shall become; say it by --from FILE");
  const folder = word("out");
  if (folder === undefined) throw new CliError("train: missing --out DIR, where the model shall go");
  const { model, source } = given;
  const norm = normOf(word("norm"));
  const seed = parseWhole("--seed", word("seed") ?? "1");
  const data = word("data");
  const tests = data === undefined ? undefined : await testsOf({ ...args, data, ...dirOf(word("data-dir")) }, seed);
  const { layout } = model;
  const preprocessing = {
    ...parsePreprocessing({ scale: word("scale"), mean: word("mean"), std: word("std") }),
    ...(layout && { layout }),
  };
  const plain = Object.keys(preprocessing).length === 0 && tests === undefined;
  const behind = (network: Network) => (plain ? network : withPreprocessing(network, preprocessing, tests?.shape));
  const { shapes } = model;
  const asked = shapes ? { ...source, shapes } : source;
  const reading = (bytes: Uint8Array) => readingOf(bytes, asked);
  const engine = nodeEngine();
  await checkGiven({ reading }, source, { engine, seed, signal });
  await openFolder(folder);
  const bar = progress.bar("project", 1);
  const found = await projected(asked, {
    engine,
    gamma,
    norm,
    sha256: model.sha256,
    ...(model.freeze && { frozen: model.freeze }),
    behind,
    signal,
    onProgress: (part) => bar.at(part),
  });
  bar.done();
  const { bytes, before, after, factor, scaling } = found;
  await checkGiven({ reading }, { ...asked, bytes }, { engine, seed, signal });
  const classes = tests?.task === "classification" ? tests : undefined;
  const accuracy = classes && {
    before: await accuracyOf(behind(reading(source.bytes).network), engine, classes, { signal }),
    after: await accuracyOf(behind(reading(bytes).network), engine, classes, { signal }),
  };
  await writeWhole(join(folder, "model.onnx"), bytes);
  const record = {
    origin: { file: model.file, sha256: model.sha256 },
    model: { file: "model.onnx", sha256: await modelHash(bytes) },
    norm: printNorm(norm),
    gamma,
    before: { value: before.value, method: before.method },
    after: { value: after.value, method: after.method },
    factor,
    spread: scaling.kind,
    scaled: Object.fromEntries([...scaling.exponents].map(([name, e]) => [name, factor ** (e / scaling.layers)])),
    ...(Object.keys(preprocessing).length > 0 && { preprocessing }),
    ...(accuracy && classes && { data: { name: classes.name, samples: classes.count }, accuracy }),
  };
  await writeJson(join(folder, "project.json"), record);
  result(record, () =>
    [
      `Lipschitz constant, ${showNorm(norm)}, proved: at most ${showAtMost(before.value)} before (${before.method}), ${showAtMost(after.value)} after (${after.method})`,
      factor === 1
        ? `It holds already: no number is changed.`
        : scaling.kind === "chain"
          ? `The output is multiplied by ${showNumber(factor)}: each of ${scaling.layers} affine layers by ${showNumber(factor ** (1 / scaling.layers))}.`
          : `The last affine layer is multiplied by ${showNumber(factor)} (${[...scaling.exponents.keys()].join(", ")}).`,
      ...(accuracy && classes
        ? [
            `Accuracy on ${classes.count} samples of ${classes.name}: ${showPercent(accuracy.before)} before, ${showPercent(accuracy.after)} after`,
          ]
        : []),
      `Written: ${join(folder, "model.onnx")} (sha256 ${record.model.sha256.slice(0, 16)}...), project.json`,
    ].join("\n"),
  );
}

// --- internal ---

const kebab = (word: string): string => word.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);

const dirOf = (dir: string | undefined) => (dir === undefined ? {} : { "data-dir": dir });
