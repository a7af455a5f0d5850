/** @file Open the MODEL of a command line: an ONNX file, its external data beside it, its preprocessing in front of it; and hold it against the runtime. */
import type { ArgsDef } from "citty";
import type { Domain } from "../bounds/domain.ts";
import { checkReading, type ModelCheck } from "../check/model.ts";
import type { Samples } from "../data/dataset.ts";
import { parseNpy } from "../data/npy.ts";
import { type PreprocessingWords, parsePreprocessing } from "../data/preprocess.ts";
import type { Engine } from "../engine/engine.ts";
import { evaluate } from "../engine/reference.ts";
import { input } from "../graph/leaf.ts";
import type { Network } from "../graph/network.ts";
import { asOneInput, withFixed } from "../models/inputs.ts";
import { withPreprocessing } from "../models/preprocess.ts";
import type { ModelSource } from "../onnx/file.ts";
import { modelHash, type Reading, readingOf } from "../onnx/read.ts";
import { printable } from "../tensor/printable.ts";
import { random } from "../tensor/random.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import { type Tensor, tensor, toFloat64 } from "../tensor/tensor.ts";
import { CliError } from "./errors.ts";
import { readBytes } from "./files.ts";
import { checkOnce, parseMemory, parseNumber, parseWhole, secondsLeft } from "./options.ts";
import { sourceAt } from "./source.ts";

export interface OpenedModel {
  readonly network: Network;
  /** Of the bytes of the file. */
  readonly sha256: string;
  readonly source: ModelSource;
  readonly reading: Reading;
  /** What the preprocessing in front of the file makes of an input of it. */
  readonly before: Network;
  /** Of a model of several inputs, those that vary, in the order of their numbers. */
  readonly inputs?: readonly string[];
  /** What the others are: a number, or the sha256 of the values of a file. */
  readonly fixed?: Readonly<Record<string, number | string>>;
}

/** How a file was read, where there are several ways: what a result says beside the hash, so that results of different networks are not taken for one. */
export const aboutInputs = ({ inputs, fixed }: OpenedModel): Pick<OpenedModel, "inputs" | "fixed"> => ({
  ...(inputs && { inputs }),
  ...(fixed && { fixed }),
});

export const inputOptions = {
  shape: {
    type: "string",
    description: "Free sizes of inputs, apart by semicolons: image=1,3,64,64",
    valueHint: "NAME=1,N",
  },
  fix: {
    type: "string",
    description: "Inputs that stay the same, apart by semicolons: a number, or values in a .npy file",
    valueHint: "NAME=X",
  },
} as const satisfies ArgsDef;

export interface InputWords {
  readonly shape?: string;
  readonly fix?: string;
}

/**
 * Read a model; with data of a known sample shape, the network takes samples as the data hold them. Several inputs that vary are one vector, in
 * their order.
 */
export async function openModel(
  path: string,
  { memory, ...words }: PreprocessingWords & InputWords & { readonly memory?: string },
  sample?: Shape,
): Promise<OpenedModel> {
  const preprocessing = parsePreprocessing(words);
  const found = await sourceAt(path);
  const source = words.shape === undefined ? found : { ...found, shapes: shapesOf(words.shape) };
  const { bytes, ...options } = source;
  const reading = readingOf(bytes, { ...options, ...(memory !== undefined && { memory: parseMemory(memory) }) });
  const read = reading.network;
  const values = await valuesOf(words.fix);
  const left = withFixed(read, values);
  const network = asOneInput(left);
  const plain = Object.keys(preprocessing).length === 0 && sample === undefined;
  const prepared = (own: Network) => (plain ? own : withPreprocessing(own, preprocessing, sample));
  const before = prepared({ ...network, outputs: network.inputs.map((p) => p.name), build: (inputs) => inputs });
  const inputs = read.inputs.length > 1 ? left.inputs.map(({ name }) => name) : undefined;
  const sha256 = await modelHash(bytes);
  const fixed = Object.keys(values).length > 0 ? await namesOfValues(values) : undefined;
  const about = { ...(inputs && { inputs }), ...(fixed && { fixed }) };
  return { network: prepared(network), sha256, source, reading, before, ...about };
}

/** Numbers in one sample. */
export const sizeOfInput = ({ inputs: [port] }: Network): number =>
  port.shape.reduce<number>((n, d) => (typeof d === "number" ? n * d : n), 1);

export const checkOption = {
  check: {
    type: "boolean",
    default: true,
    description: "Hold the file against ONNX Runtime first: that it computes what is read",
    negativeDescription: "Do not hold the file against ONNX Runtime",
  },
} as const satisfies ArgsDef;

export interface CheckQuestion {
  readonly engine: Engine;
  /** Samples that the file is run on; else points of the domain; else normal numbers, all in the units before the preprocessing. */
  readonly data?: Samples | undefined;
  readonly domain?: Domain | undefined;
  readonly seed: number;
  readonly seconds?: number | undefined;
  readonly signal: AbortSignal;
}

/** What a command says of the check: for JSON what was held against the runtime, or false, and lines under its text, none where all was. */
export interface Checked {
  readonly checked: ModelCheck | false;
  readonly lines: readonly string[];
}

/** Hold a model against the runtime, unless `wanted` says no. Throws DisagreementError. */
export async function checkOpened(opened: OpenedModel, wanted: boolean, question: CheckQuestion): Promise<Checked> {
  if (!wanted)
    return {
      checked: false,
      lines: ["Not held against the runtime (--no-check): this is of the graph as it was read."],
    };
  const { engine, seed, seconds, signal } = question;
  // The numbers of several inputs are drawn.
  const points = opened.inputs ? undefined : pointsOf(opened.before, question);
  const checked = await checkReading(opened.reading, opened.source.bytes, {
    ...opened.source,
    engine,
    seed,
    signal,
    points,
    // The rest is for what was asked.
    ...(seconds === undefined ? {} : { seconds: secondsLeft(seconds) / 2 }),
  });
  return { checked, lines: openLines(checked) };
}

// --- internal ---

function openLines({ open, batches, whole }: ModelCheck): readonly string[] {
  if (batches.length === 0)
    return ["Not held against the runtime: the time ran out. This is of the graph as it was read."];
  const some = open.length > 5 ? `${open.slice(0, 5).join(", ")} and ${open.length - 5} more` : open.join(", ");
  return [
    ...(open.length > 0 ? [printable(`Not held against the runtime: ${some}.`)] : []),
    ...(whole ? [] : ["Held against the runtime node by node, and not as a whole: the time ran out."]),
  ];
}

function pairsOf(option: string, words: string | undefined): (readonly [string, string])[] {
  if (words === undefined) return [];
  const pairs = words.split(";").map((pair) => {
    const at = pair.lastIndexOf("=");
    if (at < 1) throw new CliError(`${option}: must be NAME=..., apart by semicolons, got "${pair}"`);
    return [pair.slice(0, at).trim(), pair.slice(at + 1).trim()] as const;
  });
  checkOnce(option, pairs);
  return pairs;
}

export const shapesOf = (words: string): Readonly<Record<string, Shape>> =>
  Object.fromEntries(
    pairsOf("--shape", words).map(([name, sizes]) => [name, sizes.split(",").map((d) => parseWhole("--shape", d, 1))]),
  );

async function valuesOf(words: string | undefined): Promise<Readonly<Record<string, number | Tensor>>> {
  const entries = pairsOf("--fix", words).map(async ([name, value]) => {
    if (!value.endsWith(".npy")) return [name, parseNumber("--fix", value)] as const;
    const { shape, data } = parseNpy(value, await readBytes(value));
    return [name, tensor(Float64Array.from(data as ArrayLike<number>, Number), shape, "float64")] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

async function namesOfValues(values: Readonly<Record<string, number | Tensor>>) {
  const entries = Object.entries(values).map(async ([name, value]) => {
    if (typeof value === "number") return [name, value] as const;
    const { buffer, byteOffset, byteLength } = value.data;
    return [name, await modelHash(new Uint8Array(buffer, byteOffset, byteLength))] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

/** As many runs as are made of a model with a free batch. */
const runs = 4;

/** A few points, as the file takes them; undefined where the model does not take one input of known size, which is refused elsewhere. */
function pointsOf(before: Network, { data, domain, seed }: CheckQuestion): Float64Array | undefined {
  const [port] = before.inputs;
  if (before.inputs.length !== 1 || port.shape.slice(1).some((d) => typeof d === "string")) return undefined;
  const shape = port.shape.map((d) => (typeof d === "number" ? d : runs));
  const size = sizeOf(shape);
  const numbers = numbersOf(size, typeof port.shape[0] === "string" ? size / runs : size, seed, data, domain);
  const x = input(port.name, shape, port.dtype === "float64" ? "float64" : "float32");
  const y = evaluate({ y: before.build([x])[0] }, { [port.name]: tensor(numbers, shape, x.dtype) });
  return toFloat64(y.y);
}

function numbersOf(size: number, one: number, seed: number, data?: Samples, domain?: Domain): Float64Array {
  const source = random(seed).fork("check");
  const number = (i: number): number => {
    if (data) return data.x[i % data.x.length];
    if (domain?.kind === "box") {
      const [low, high] = [domain.low[i % one], domain.high[i % one]];
      return low + (high - low) * source.uniform();
    }
    if (domain?.kind === "ball") return domain.center[i % one];
    return source.normal();
  };
  return Float64Array.from({ length: size }, (_, i) => number(i));
}
