/** @file The teacher of `train sobolev --teacher`: a file that is there, and the data with its answers. */
import type { ArgsDef } from "citty";
import type { Split } from "../data/dataset.ts";
import type { Engine } from "../engine/engine.ts";
import { buildTeacher, type RunSpec } from "../experiment/spec.ts";
import { taught } from "../experiment/taught.ts";
import type { ModelSource } from "../onnx/file.ts";
import { modelHash } from "../onnx/read.ts";
import { ReadError } from "../tensor/errors.ts";
import type { MethodName } from "../train/methods.ts";
import { partsOf, unansweredParts } from "./data.ts";
import { CliError } from "./errors.ts";
import { sourceAt } from "./source.ts";

export const teacherOptions = {
  teacher: {
    type: "string",
    description:
      "With sobolev: learn values and slopes of this network, which is fed the data as they are; numbers to predict are its outputs",
    valueHint: "FILE",
  },
} as const satisfies ArgsDef;

export interface Teacher {
  readonly spec: NonNullable<RunSpec["teacher"]>;
  readonly source: ModelSource;
}

/** Open the teacher: of --teacher, or of the checkpoint that is resumed. Undefined where there is none. */
export async function openTeacher(
  file: string | undefined,
  method: string | undefined,
  resumed?: RunSpec,
): Promise<Teacher | undefined> {
  if (file !== undefined && resumed && !resumed.teacher)
    throw new CliError("--teacher: the checkpoint is of a run without one");
  if (file !== undefined && !resumed && method !== ("sobolev" satisfies MethodName))
    throw new CliError(`--teacher: is an option of sobolev, not of ${method ?? "a run without METHOD"}`);
  const path = file ?? resumed?.teacher?.file;
  if (path === undefined) return undefined;
  const source = await sourceAt(path);
  const sha256 = await modelHash(source.bytes);
  const earlier = resumed?.teacher;
  if (earlier && earlier.sha256 !== sha256) {
    const rule = `must be the teacher that the checkpoint began with (sha256 ${earlier.sha256.slice(0, 16)}...)`;
    throw new ReadError(`${path}: ${rule}, got another (${sha256.slice(0, 16)}...); say by --teacher where it is now`);
  }
  return { spec: earlier ?? { file: path, sha256 }, source };
}

/** The two parts of the data of a run, answered by its teacher where it has one. */
export async function answeredParts(
  spec: Pick<RunSpec, "data" | "reading" | "seed">,
  dataDir: string | undefined,
  engine: Engine,
  teacher?: Teacher,
): Promise<Split> {
  if (!teacher) return partsOf(spec, dataDir);
  const { train, test } = await unansweredParts(spec, dataDir);
  const task = train.task === "classification" ? "classification" : "regression";
  const target = buildTeacher({ teacher: teacher.spec }, { shape: train.shape, task }, teacher.source);
  if (!target) throw new Error("answeredParts: a teacher that was opened is there");
  return { train: await taught(train, target, engine), test: await taught(test, target, engine) };
}
