/** @file A job done in this process, whatever its kind. What it loads stays for the next job that needs the same. */
import { readdir } from "node:fs/promises";
import { type Attacked, attack } from "../attack/attack.ts";
import type { Bracket } from "../bounds/bound.ts";
import { lipschitz } from "../bounds/index.ts";
import { type Certification, certifier } from "../certify/evaluate.ts";
import type { ModelCheck } from "../check/model.ts";
import { type Dataset, hashDataset, type Split, subset, type Unlabelled } from "../data/dataset.ts";
import { loadSamples } from "../data/files.ts";
import type { Engine } from "../engine/engine.ts";
import { nodeEngine } from "../engine/node.ts";
import { fitted } from "../experiment/fit.ts";
import type { RunRecord } from "../experiment/record.ts";
import type { AttackJob, BoundJob, CertifyJob, DataPart, ModelPart, RunJob } from "../sweep/job.ts";
import { hashSamples } from "../sweep/slices.ts";
import type { Done, Order } from "../sweep/words.ts";
import { UsageError } from "../tensor/errors.ts";
import type { Shape } from "../tensor/shape.ts";
import { loadCheckpoint } from "./checkpoint.ts";
import { answered, partsOf } from "./data.ts";
import { checkOpened, type OpenedModel, openModel } from "./network.ts";
import type { Progress } from "./progress.ts";
import { claimFolder, resume } from "./resume.ts";

/** What stays from job to job, by what it is made of: the last one of each. */
export interface Carried {
  engine?: Kept<Engine>;
  parts?: Kept<Promise<Split>>;
  tests?: Kept<Promise<Dataset | Unlabelled>>;
  model?: Kept<Promise<OpenedModel>>;
  certifier?: Kept<ReturnType<typeof certifier>>;
}

interface Kept<T> {
  readonly key: string;
  readonly value: T;
}

/** A bracket, with what of the file was held against the runtime. */
export interface Bracketed extends Bracket {
  readonly checked: ModelCheck | false;
  readonly inputs?: readonly string[];
}

export interface Surroundings {
  readonly progress: Progress;
  readonly signal: AbortSignal;
  readonly carried: Carried;
}

/** Do a job. */
export async function perform(order: Order, surroundings: Surroundings): Promise<Omit<Done, "kind">> {
  const { job } = order.ticket;
  switch (job.kind) {
    case "run":
      return performRun(job, order, surroundings);
    case "certify":
      return { value: await performCertify(job, order, surroundings), files: [] };
    case "attack":
      return { value: await performAttack(job, order, surroundings), files: [] };
    case "bound":
      return { value: await performBound(job, order, surroundings), files: [] };
    default:
      return job satisfies never;
  }
}

// --- internal ---

/** What is kept if it was made of the same, else made anew. What could not be made is not kept. */
function keep<K extends keyof Carried>(
  carried: Carried,
  name: K,
  of: readonly unknown[],
  make: () => ValueOf<K>,
): ValueOf<K> {
  const key = JSON.stringify(of);
  const old = carried[name] as Kept<ValueOf<K>> | undefined;
  if (old?.key === key) return old.value;
  const value = make();
  Object.assign(carried, { [name]: { key, value } });
  if (value instanceof Promise) value.catch(() => delete carried[name]);
  return value;
}

type ValueOf<K extends keyof Carried> = NonNullable<Carried[K]>["value"];

const engineOf = (carried: Carried, threads: number): Engine =>
  keep(carried, "engine", [threads], () => nodeEngine({ threads }));

/** The slice of the samples that a job is about; UsageError where they are others here. */
async function sliceOf(
  { name, reading, seed, sha256, from, to }: DataPart,
  dataDir: string | undefined,
  carried: Carried,
): Promise<Dataset | Unlabelled> {
  const all = await keep(carried, "tests", [name, reading, seed, dataDir, sha256], async () => {
    const found = await loadSamples(name, { ...reading, dataDir, seed });
    if ((await hashSamples(found)) !== sha256)
      throw new UsageError(`${name}: must be the samples of the plan, got others here`);
    return found;
  });
  if (!(from < to && to <= all.count))
    throw new UsageError(`${name}: a slice must lie within its ${all.count} samples, got ${from} to ${to}`);
  return subset(
    all,
    Array.from({ length: to - from }, (_, i) => from + i),
  );
}

const modelOf = (
  { sha256, words }: ModelPart,
  file: string | undefined,
  shape: Shape | undefined,
  carried: Carried,
): Promise<OpenedModel> =>
  keep(carried, "model", [sha256, file, words, shape], async () => {
    const opened = await openModel(file ?? "", words, shape);
    if (opened.sha256 !== sha256)
      throw new UsageError(`${file}: must be the model of the plan, got another one; start the command again`);
    return opened;
  });

/** The network, the engine and the labelled samples of a slice. */
async function askedOf({ model, data }: CertifyJob | AttackJob, { dataDir, ticket, threads }: Order, carried: Carried) {
  const samples = await sliceOf(data, dataDir, carried);
  const { network } = await modelOf(model, ticket.file, samples.shape, carried);
  const engine = engineOf(carried, threads);
  return { network, engine, data: await answered(network, engine, samples) };
}

async function performCertify(
  job: CertifyJob,
  order: Order,
  { progress, signal, carried }: Surroundings,
): Promise<Certification> {
  const { model, norm, radii, work, parts, seconds } = job;
  const { network, engine, data } = await askedOf(job, order, carried);
  const bar = progress.bar(`certify ${job.data.from} to ${job.data.to}`, 1);
  const onProgress = (part: number) => bar.at(part);
  const limits = {
    work: seconds === undefined ? (work ?? 0) : Number.POSITIVE_INFINITY,
    parts,
    ...(seconds !== undefined && { seconds }),
  };
  const local = work === null ? ("off" as const) : limits;
  // What is proved of the network alone is proved once in a process.
  const ask = await keep(
    carried,
    "certifier",
    [model, order.ticket.file, norm, radii, data.shape, data.classes, order.threads, work === null],
    () => certifier(network, { engine, data, norm, radii, seconds: 3, local, onProgress }),
  );
  const found = await ask({ data, local, signal, onProgress });
  bar.done();
  return found;
}

async function performAttack(
  job: AttackJob,
  order: Order,
  { progress, signal, carried }: Surroundings,
): Promise<Attacked> {
  const { norm, radii, attacks, clip, seed } = job;
  const { network, engine, data } = await askedOf(job, order, carried);
  const bar = progress.bar(`attack ${job.data.from} to ${job.data.to}`, 1);
  const found = await attack(network, {
    engine,
    data,
    norm,
    radii,
    attacks,
    clip,
    seed,
    signal,
    onProgress: (part) => bar.at(part),
  });
  bar.done();
  return found;
}

async function performBound(
  job: BoundJob,
  order: Order,
  { progress, signal, carried }: Surroundings,
): Promise<Bracketed> {
  const { model, norm, methods, domain, seed, seconds, check } = job;
  const begun = performance.now();
  const opened = await modelOf(model, order.ticket.file, undefined, carried);
  const engine = engineOf(carried, order.threads);
  const { checked } = await checkOpened(opened, check, { engine, domain, seed, seconds, signal });
  const bar = progress.bar(order.ticket.label, 1);
  const bracket = await lipschitz(opened.network, {
    engine,
    norm,
    methods,
    domain,
    seed,
    signal,
    ...(seconds !== undefined && { seconds: Math.max(0, seconds - (performance.now() - begun) / 1000) }),
    onProgress: (part) => bar.at(part),
  });
  bar.done();
  return { checked, ...(opened.inputs && { inputs: opened.inputs }), ...bracket };
}

async function performRun(
  job: RunJob,
  order: Order,
  { progress, signal, carried }: Surroundings,
): Promise<Omit<Done, "kind">> {
  const { spec } = job;
  const { folder, dataDir, start, threads, ticket } = order;
  await claimFolder(folder, ticket.id);
  const data = await keep(carried, "parts", [spec.data, spec.reading, spec.seed, dataDir], () =>
    partsOf(spec, dataDir),
  );
  const used = fitted(spec, data);
  for (const part of ["train", "test"] as const) {
    const found = await hashDataset(used[part]);
    if (found !== job.data[part]) {
      throw new UsageError(
        `${spec.data}: its ${part} part must be that of the plan (sha256 ${job.data[part].slice(0, 12)}...), got other samples here (${found.slice(0, 12)}...)`,
      );
    }
  }
  const record = await resume(spec, {
    engine: engineOf(carried, threads),
    data,
    folder,
    label: ticket.label,
    progress,
    signal,
    ...(start === undefined ? {} : { start: (await loadCheckpoint(start)).checkpoint.state }),
  });
  const names = await readdir(folder);
  // As it is read back, whether it was made now or found.
  const value = JSON.parse(JSON.stringify(record)) as RunRecord;
  return { value, files: names.filter((name) => /^[\w-]+\.(onnx|json|bin)$/.test(name)).sort() };
}
