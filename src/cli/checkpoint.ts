/** @file A checkpoint on disk: checkpoint.json says what and where, weights-<epoch>.bin holds the numbers. The JSON is renamed into place last, so that a killed run leaves the old checkpoint or the new one. */
import { createHash } from "node:crypto";
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { checkSpec, type RunSpec } from "../experiment/spec.ts";
import { tool } from "../experiment/tool.ts";
import { ReadError, SpecError } from "../tensor/errors.ts";
import { sizeOf } from "../tensor/shape.ts";
import { type DType, storage, type Tensor } from "../tensor/tensor.ts";
import type { Checkpoint, EpochMetrics } from "../train/loop.ts";
import { readBytes } from "./files.ts";
import { writeJson, writeWhole } from "./output.ts";

export interface Saved {
  readonly spec: RunSpec;
  /** sha256 of both parts; checkpoints of earlier versions lack it. */
  readonly data?: string | undefined;
  readonly checkpoint: Checkpoint;
  readonly epochs: readonly EpochMetrics[];
}

interface Entry {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly offset: number;
}

interface Manifest {
  readonly tool: { readonly name: string; readonly version: string };
  readonly spec: RunSpec;
  readonly data?: string;
  readonly epoch: number;
  readonly step: number;
  readonly epochs: readonly EpochMetrics[];
  readonly weights: { readonly file: string; readonly bytes: number; readonly sha256: string };
  readonly tensors: readonly Entry[];
}

/** Save into a folder; weights of older checkpoints there are removed afterwards. */
export async function saveCheckpoint(folder: string, { spec, data, checkpoint, epochs }: Saved): Promise<void> {
  const { epoch, step, state } = checkpoint;
  let offset = 0;
  const tensors = Object.entries(state).map(([name, t]): Entry => {
    const entry = { name, dtype: t.dtype, shape: t.shape, offset };
    offset += t.data.byteLength;
    return entry;
  });
  const bytes = new Uint8Array(offset);
  Object.values(state).forEach((t, i) => {
    bytes.set(new Uint8Array(t.data.buffer, t.data.byteOffset, t.data.byteLength), tensors[i].offset);
  });
  const weights = { file: `weights-${epoch}.bin`, bytes: bytes.length, sha256: digest(bytes) };
  await writeWhole(join(folder, weights.file), bytes);
  const manifest: Manifest = {
    tool: { name: tool.name, version: tool.version },
    spec,
    ...(data !== undefined && { data }),
    epoch,
    step,
    epochs,
    weights,
    tensors,
  };
  await writeJson(join(folder, "checkpoint.json"), manifest);
  for (const file of await readdir(folder)) {
    if (/^weights-\d+\.bin$/.test(file) && file !== weights.file) await rm(join(folder, file), { force: true });
  }
}

/** Load from a folder; ReadError or SpecError where it is not a checkpoint, or its weights are not those it names. */
export async function loadCheckpoint(folder: string): Promise<Saved> {
  const path = join(folder, "checkpoint.json");
  const manifest = parse(path, await readBytes(path));
  const { weights, tensors, epoch, step, epochs } = manifest;
  const place = join(folder, weights.file);
  // What is there is compared before it is read, and before arrays of the size that a manifest names are made.
  const length = (await stat(place).catch(() => undefined))?.size;
  const sizes = tensors.map(({ dtype, shape }) => sizeOf(shape) * storage(dtype, 0).BYTES_PER_ELEMENT);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (length !== undefined && !(total <= length)) {
    throw new SpecError(`$.tensors: they hold ${total} bytes, and ${place} has ${length}`);
  }
  const bytes = length === undefined || length === weights.bytes ? await readBytes(place) : new Uint8Array(0);
  if (bytes.length !== weights.bytes || digest(bytes) !== weights.sha256) {
    throw new ReadError(`${place}: is not the file that checkpoint.json names; the checkpoint cannot be used`);
  }
  const state: Record<string, Tensor> = {};
  for (const { name, dtype, shape, offset } of tensors) {
    const data = storage(dtype, sizeOf(shape));
    if (!(offset >= 0 && offset + data.byteLength <= bytes.length))
      throw new SpecError(`$.tensors: "${name}" lies outside the weights`);
    new Uint8Array(data.buffer).set(bytes.subarray(offset, offset + data.byteLength));
    state[name] = { dtype, shape, data };
  }
  return { spec: checkSpec(manifest.spec), data: manifest.data, checkpoint: { epoch, step, state }, epochs };
}

// --- internal ---

const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

function parse(path: string, bytes: Uint8Array): Manifest {
  let value: Partial<Manifest>;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes)) as Partial<Manifest>;
  } catch {
    throw new ReadError(`${path}: is not JSON`);
  }
  const whole = (n: unknown) => Number.isSafeInteger(n) && (n as number) >= 0;
  const { weights, tensors, epoch, step, epochs } = value;
  const fits =
    whole(epoch) &&
    whole(step) &&
    Array.isArray(epochs) &&
    typeof weights?.file === "string" &&
    /^weights-\d+\.bin$/.test(weights.file) &&
    Array.isArray(tensors) &&
    tensors.every(
      (t) =>
        typeof t?.name === "string" &&
        ["float32", "float64", "int64", "int32", "bool"].includes(t.dtype) &&
        Array.isArray(t.shape) &&
        t.shape.every(whole) &&
        whole(t.offset),
    );
  if (!fits) throw new SpecError(`$: ${path} is not a checkpoint of this tool`);
  return value as Manifest;
}
