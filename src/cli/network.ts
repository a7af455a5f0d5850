/** @file Open the MODEL of a command line: an ONNX file, its external data beside it, its preprocessing in front of it. */
import { readFileSync } from "node:fs";
import { dirname, isAbsolute, join, normalize } from "node:path";
import { parsePreprocessing } from "../data/preprocess.ts";
import type { Network } from "../graph/network.ts";
import { withPreprocessing } from "../models/preprocess.ts";
import { readOnnx } from "../onnx/read.ts";
import { ReadError } from "../tensor/errors.ts";
import type { Shape } from "../tensor/shape.ts";
import { CliError } from "./errors.ts";
import { readBytes } from "./files.ts";

export interface PreprocessingWords {
  readonly scale?: string;
  readonly mean?: string;
  readonly std?: string;
  readonly layout?: string;
}

/** Read a model; with data of a known sample shape, the network takes samples as the data hold them. */
export async function openNetwork(
  path: string,
  words: PreprocessingWords,
  sample?: Shape,
): Promise<{ readonly network: Network; readonly bytes: Uint8Array }> {
  const bytes = await readBytes(path);
  const network = readOnnx(bytes, { name: path, external: (location) => readBeside(path, location) });
  const preprocessing = parsePreprocessing(words);
  const [port] = network.inputs;
  const own = port?.shape.slice(1).map((d) => (typeof d === "number" ? d : 1));
  if (sample) return { network: withPreprocessing(network, preprocessing, sample), bytes };
  if (Object.keys(preprocessing).length === 0) return { network, bytes };
  if (preprocessing.layout === "nhwc") {
    throw new CliError("--layout nhwc: needs --data D, whose samples say what is height and what is width");
  }
  return { network: withPreprocessing(network, preprocessing, own), bytes };
}

// --- internal ---

/** External data of a model: a file below the model's folder, nothing else. */
function readBeside(model: string, location: string): Uint8Array {
  const relative = normalize(location);
  if (isAbsolute(relative) || relative.startsWith("..")) {
    throw new ReadError(`${model}: external data must lie beside the model, got "${location}"`);
  }
  const path = join(dirname(model), relative);
  try {
    return readFileSync(path);
  } catch {
    throw new ReadError(`${model}: its external data "${location}" is missing; put the file beside the model`);
  }
}
