/** @file What a run has measured so far, kept in its folder until its record is written: structured clones, which keep infinities and arrays as they are. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { deserialize, serialize } from "node:v8";
import type { Measured } from "../experiment/measure.ts";
import type { RunSpec } from "../experiment/spec.ts";
import { tool } from "../experiment/tool.ts";
import { readBytes } from "./files.ts";
import { writeWhole } from "./output.ts";

/** Keep it. */
export const saveMeasured = (folder: string, spec: RunSpec, measured: Measured): Promise<void> =>
  writeWhole(join(folder, file), serialize({ version: tool.version, spec, measured }));

/** What this version keeps there of the same spec; undefined where there is nothing, or it cannot be read. */
export async function loadMeasured(folder: string, spec: RunSpec): Promise<Measured | undefined> {
  try {
    const kept = deserialize(await readBytes(join(folder, file))) as Kept;
    return kept.version === tool.version && isDeepStrictEqual(kept.spec, spec) ? kept.measured : undefined;
  } catch {
    return undefined;
  }
}

/** It is in the record now. */
export const removeMeasured = (folder: string): Promise<void> => rm(join(folder, file), { force: true });

// --- internal ---

interface Kept {
  readonly version: string;
  readonly spec: RunSpec;
  readonly measured: Measured;
}

const file = "measured.bin";
