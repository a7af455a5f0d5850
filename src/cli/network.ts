/** @file Open the MODEL of a command line: an ONNX file, its external data beside it, its preprocessing in front of it. */
import { type PreprocessingWords, parsePreprocessing } from "../data/preprocess.ts";
import type { Network } from "../graph/network.ts";
import { withPreprocessing } from "../models/preprocess.ts";
import { readOnnx } from "../onnx/file.ts";
import { modelHash } from "../onnx/read.ts";
import type { Shape } from "../tensor/shape.ts";
import { readBytes } from "./files.ts";

export interface OpenedModel {
  readonly network: Network;
  /** Of the bytes of the file. */
  readonly sha256: string;
}

/** Read a model; with data of a known sample shape, the network takes samples as the data hold them. */
export async function openModel(path: string, words: PreprocessingWords, sample?: Shape): Promise<OpenedModel> {
  const preprocessing = parsePreprocessing(words);
  const network = await readOnnx(path);
  const sha256 = await modelHash(await readBytes(path));
  const plain = Object.keys(preprocessing).length === 0 && sample === undefined;
  return { network: plain ? network : withPreprocessing(network, preprocessing, sample), sha256 };
}
