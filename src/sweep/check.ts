/** @file A job that came over a network, before anything of it is touched: its form, its name, and that it asks for no file outside the data folder. */
import { realpath } from "node:fs/promises";
import { isAbsolute, resolve, sep } from "node:path";
import { attackNames, attackOf } from "../attack/protocol.ts";
import { boundNames } from "../bounds/index.ts";
import { DATASET_NAMES } from "../data/files.ts";
import { checkReading, type Reading } from "../data/reading.ts";
import {
  aCount,
  aNumber,
  aNumberOrNull,
  aTruth,
  aWord,
  type Form,
  listOf,
  objectOf,
  oneOf,
  orNothing,
  orNull,
} from "../experiment/form.ts";
import { checkSpec } from "../experiment/spec.ts";
import { SpecError, UsageError } from "../tensor/errors.ts";
import { idOf, type Job, modelWords, type Ticket } from "./job.ts";

/** A ticket as a queue carries it: without places on anybody's machine. */
export interface Mail extends Omit<Ticket, "place" | "file"> {
  /** The job of the run whose parameters it starts from. */
  readonly start?: string;
  /** Its checkpoint is wanted, for others to start from. */
  readonly keep?: boolean;
}

/** Check what a queue carried; SpecError with the path of the first fault, UsageError for a name that is not the content's: of another version, or made up. */
export function checkMail(value: unknown): Mail {
  exact({
    id: aWord,
    job: jobForm,
    label: aWord,
    row: orNothing(aWord),
    start: orNothing(jobId),
    keep: orNothing(aTruth),
  })(value, "$");
  const mail = value as Mail;
  if (mail.id !== idOf(mail.job))
    throw new UsageError(`job ${mail.id}: its name must be that of its content in this version, ${idOf(mail.job)}`);
  return mail;
}

/** Whether every file that a job asks for lies in a folder, behind links too; UsageError otherwise. Without a folder it may ask for none. */
export async function checkPlaces(job: Job, dataDir: string | undefined): Promise<void> {
  for (const path of pathsOf(job)) {
    if (dataDir === undefined) throw new UsageError(`job: asks for "${path}", and this worker has no --data-dir`);
    const root = await realpath(dataDir);
    const there = isAbsolute(path) ? null : await realpath(resolve(root, path)).catch(() => null);
    const inside = there !== null && (there === root || there.startsWith(root.endsWith(sep) ? root : root + sep));
    if (!inside) throw new UsageError(`job: a file must lie in --data-dir, got "${path}"`);
  }
}

// --- internal ---

/** Every word of a job that names a file. */
function pathsOf(job: Job): readonly string[] {
  const of = (name: string, { labels }: Reading = {}) => [
    ...((DATASET_NAMES as readonly string[]).includes(name) ? [] : [name]),
    ...(labels === undefined ? [] : [labels]),
  ];
  if (job.kind === "run") return of(job.spec.data, job.spec.reading);
  return job.kind === "bound" ? [] : of(job.data.name, job.data.reading);
}

/** An object that has these, and nothing else. */
const exact =
  (members: Readonly<Record<string, Form>>): Form =>
  (value, path) => {
    objectOf(members)(value, path);
    const strange = Object.keys(value as object).find((key) => !Object.hasOwn(members, key));
    if (strange !== undefined)
      throw new SpecError(`${path}.${strange}: must be left out (known: ${Object.keys(members).join(", ")})`);
  };

const matching =
  (pattern: RegExp, what: string): Form =>
  (value, path) => {
    if (typeof value !== "string" || !pattern.test(value))
      throw new SpecError(`${path}: must be ${what}, got ${JSON.stringify(value)}`);
  };

const sha256 = matching(/^[0-9a-f]{64}$/, "a sha256");
const jobId = matching(/^(run|certify|attack|bound)-[0-9a-f]{32}$/, "the name of a job");
/** Numbers, names and sizes; what would be a file is refused. */
const plainWords = matching(/^(?!.*\.npy)[\w ,.;=:+-]*$/, "words without a path");

const norm = oneOf(1, 2, "inf");
const model = exact({
  sha256,
  words: exact(Object.fromEntries(modelWords.map((word) => [word, orNothing(plainWords)]))),
});

const reading: Form = (value, path) => {
  checkReading(path, value);
};

const data = exact({ name: aWord, reading, seed: aCount, sha256, from: aCount, to: aCount });

/** A word where one is usual, else a number; null may be one. */
const like = (usual: unknown): Form =>
  typeof usual === "string" ? aWord : usual === null ? orNull(aNumber) : aNumberOrNull;

const attackSpec: Form = (value, path) => {
  objectOf({ name: oneOf(...attackNames) })(value, path);
  const known = attackOf((value as { readonly name: (typeof attackNames)[number] }).name);
  exact(Object.fromEntries(Object.entries(known).map(([key, usual]) => [key, like(usual)])))(value, path);
};

const points = listOf(aNumber);
const domain: Form = (value, path) => {
  objectOf({ kind: oneOf("global", "ball", "box") })(value, path);
  const { kind } = value as { readonly kind: string };
  if (kind === "ball") exact({ kind: aWord, center: points, radius: aNumber, norm: oneOf(2, "inf") })(value, path);
  else exact(kind === "box" ? { kind: aWord, low: points, high: points } : { kind: aWord })(value, path);
};

const forms: Readonly<Record<Job["kind"], Form>> = {
  run: exact({
    kind: aWord,
    spec: (value, path) => void checkSpec(value, path),
    data: exact({ train: sha256, test: sha256 }),
    start: orNothing(jobId),
  }),
  certify: exact({
    kind: aWord,
    model,
    data,
    norm,
    radii: points,
    work: orNull(aNumber),
    parts: aCount,
    seconds: orNothing(aNumber),
  }),
  attack: exact({
    kind: aWord,
    model,
    data,
    norm: oneOf(2, "inf"),
    radii: points,
    attacks: listOf(attackSpec),
    clip: oneOf("data", "none"),
    seed: aCount,
  }),
  bound: exact({
    kind: aWord,
    model,
    norm,
    methods: (value, path) => {
      if (value !== undefined && value !== "all") listOf(oneOf(...boundNames))(value, path);
    },
    domain: orNothing(domain),
    seed: aCount,
    seconds: orNothing(aNumber),
    check: aTruth,
  }),
};

function jobForm(value: unknown, path: string): void {
  objectOf({ kind: oneOf("run", "certify", "attack", "bound") })(value, path);
  forms[(value as Job).kind](value, path);
}
