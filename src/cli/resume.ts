/** @file A run that may have been begun before: what its folder holds of the same spec is kept, and only the rest is done. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { hashSplit } from "../data/dataset.ts";
import type { RunRecord } from "../experiment/record.ts";
import type { RunSpec } from "../experiment/spec.ts";
import { tool } from "../experiment/tool.ts";
import { modelHash } from "../onnx/read.ts";
import { ReadError, SpecError } from "../tensor/errors.ts";
import { loadCheckpoint } from "./checkpoint.ts";
import { readBytes } from "./files.ts";
import { removeMeasured } from "./measured.ts";
import { openFolder, writeWhole } from "./output.ts";
import { type RunAndSaveOptions, runAndSave } from "./runAndSave.ts";

/** Bring a folder to where it holds the whole run. */
export async function resume(spec: RunSpec, options: Omit<RunAndSaveOptions, "resume">): Promise<RunRecord> {
  const { folder } = options;
  const done = await finishedRun(spec, folder);
  if (done) return done;
  const begun = await attempt(() => loadCheckpoint(folder));
  const hash = await hashSplit(options.data);
  const same = begun && isDeepStrictEqual(begun.spec, spec) && (begun.data ?? hash) === hash;
  const begin = same ? { resume: begun } : {};
  const { record } = await runAndSave(spec, { ...options, ...begin });
  return record;
}

/** The record of a folder, if this version made it of the same spec and its model is the one it names. */
export async function finishedRun(spec: RunSpec, folder: string): Promise<RunRecord | undefined> {
  const record = await attempt(async () => {
    const bytes = await readBytes(join(folder, "record.json"));
    return JSON.parse(new TextDecoder().decode(bytes)) as RunRecord;
  });
  if (!record || record.tool?.version !== tool.version || !isDeepStrictEqual(record.spec, spec)) return undefined;
  const model = await attempt(() => readBytes(join(folder, record.model.file)));
  return model && (await modelHash(model)) === record.model.sha256 ? record : undefined;
}

/** Make a folder that of a job: what another job has left there is no part of it, however much it looks alike. */
export async function claimFolder(folder: string, id: string): Promise<void> {
  await openFolder(folder);
  if ((await ownerOf(folder)) === id) return;
  for (const file of ["record.json", "checkpoint.json"]) await rm(join(folder, file), { force: true });
  await removeMeasured(folder);
  await writeWhole(join(folder, ownerFile), id);
}

/** The record of a run in its folder, if that is the job's and whole. */
export const finishedJob = async (id: string, spec: RunSpec, folder: string): Promise<RunRecord | undefined> =>
  (await ownerOf(folder)) === id ? finishedRun(spec, folder) : undefined;

// --- internal ---

/** Says which job a folder is of: the spec alone does not say which samples, or what it started from. */
const ownerFile = ".job";

const ownerOf = (folder: string): Promise<string | undefined> =>
  attempt(async () => new TextDecoder().decode(await readBytes(join(folder, ownerFile))));

/** What cannot be read is as good as not there: it is made again. */
async function attempt<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof ReadError || error instanceof SpecError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
