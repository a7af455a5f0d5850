/** @file The network of `train --from`: a file that is there, how it is read, and that it computes what is read. */
import type { ArgsDef } from "citty";
import { checkReading } from "../check/model.ts";
import type { Engine } from "../engine/engine.ts";
import type { FileModel, RunSpec } from "../experiment/spec.ts";
import type { ModelSource } from "../onnx/file.ts";
import { modelHash } from "../onnx/read.ts";
import { ReadError } from "../tensor/errors.ts";
import type { Retrofit } from "../train/retrofit.ts";
import { CliError } from "./errors.ts";
import { shapesOf } from "./network.ts";
import { sourceAt } from "./source.ts";

export const fromOptions = {
  from: {
    type: "string",
    description: "Go on training this network, in place of one from the start",
    valueHint: "FILE",
  },
  freeze: {
    type: "string",
    description: "With --from: initialisers that stay, by commas: names, beginnings of names, or with * and ?",
    valueHint: "PATTERN",
  },
  project: {
    type: "string",
    description: "With --from, and no METHOD: no training, rescale it until a constant of at most this is proved",
    valueHint: "GAMMA",
  },
  shape: {
    type: "string",
    description: "With --from: free sizes of its input: image=1,3,64,64",
    valueHint: "NAME=1,N",
  },
  layout: { type: "enum", options: ["nchw", "nhwc"], description: "With --from: order of the axes that it takes" },
} as const satisfies ArgsDef;

export interface FromWords {
  readonly from?: string | undefined;
  readonly freeze?: string | undefined;
  readonly shape?: string | undefined;
  readonly layout?: string | undefined;
  readonly model?: string | undefined;
  readonly widths?: string | undefined;
  readonly activation?: string | undefined;
  readonly normalize?: boolean | undefined;
}

export interface Given {
  readonly model: FileModel;
  readonly source: ModelSource;
}

/** Open the file that is trained on: of --from, or of the checkpoint that is resumed. Undefined where there is none. */
export async function openFrom(words: FromWords, resumed?: RunSpec["model"]): Promise<Given | undefined> {
  const earlier = resumed?.kind === "onnx" ? resumed : undefined;
  if (resumed && !earlier && words.from !== undefined) {
    throw new CliError("--from: the checkpoint is of a network that was trained from the start");
  }
  const file = words.from ?? earlier?.file;
  if (file === undefined) {
    const strange = (["freeze", "shape", "layout"] as const).find((name) => words[name] !== undefined);
    if (strange !== undefined)
      throw new CliError(`--${strange}: is an option of a network that is there; say it by --from FILE`);
    return undefined;
  }
  const strange = (["model", "widths", "activation"] as const).find((name) => words[name] !== undefined);
  if (strange !== undefined)
    throw new CliError(`--${strange}: the network of --from is what it is; leave one of the two out`);
  if (words.normalize === true) {
    throw new CliError(
      "--normalize: the network of --from takes what it was trained on; say --scale, --mean, --std as certify takes them",
    );
  }
  const source = await sourceAt(file);
  const sha256 = await modelHash(source.bytes);
  if (earlier) {
    if (earlier.sha256 === sha256) return { model: earlier, source };
    const rule = `must be the file that the checkpoint began with (sha256 ${earlier.sha256.slice(0, 16)}...)`;
    throw new ReadError(`${file}: ${rule}, got another (${sha256.slice(0, 16)}...); say by --from where it is now`);
  }
  const freeze = words.freeze?.split(",").map((pattern) => pattern.trim());
  if (freeze?.includes("")) throw new CliError(`--freeze: must be names apart by commas, got "${words.freeze}"`);
  const model: FileModel = {
    kind: "onnx",
    file,
    sha256,
    ...(freeze && { freeze }),
    ...(words.shape !== undefined && { shapes: shapesOf(words.shape) }),
    ...(words.layout === "nhwc" && { layout: "nhwc" as const }),
  };
  return { model, source };
}

/** Hold the file against the runtime before it is trained on. Throws DisagreementError. */
export async function checkGiven(
  given: Pick<Retrofit, "reading">,
  { bytes, external }: ModelSource,
  asked: { readonly engine: Engine; readonly seed: number; readonly signal: AbortSignal },
): Promise<void> {
  await checkReading(given.reading(bytes), bytes, external ? { ...asked, external } : asked);
}
