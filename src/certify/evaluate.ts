/** @file What a network does on a data set: logits, accuracy, and how far each sample can move before the decision can change. */
import { type Propagation, propagate } from "../bounds/autoLip.ts";
import { checkBatches, likely } from "../bounds/batchRuns.ts";
import { maybeNorm, type Norm, printNorm, type UpperBound } from "../bounds/bound.ts";
import { type Budget, budget, nominalSpeed } from "../bounds/budget.ts";
import { compileWork, engineSpeed, runWork } from "../bounds/lowerBounds/slopes.ts";
import { type Margins, marginsOf } from "../bounds/margin.ts";
import { fusedFlow } from "../bounds/patterns/fuse.ts";
import { classPairs } from "../bounds/quadratic/pairs.ts";
import { checkAlone, checkSample, type Subject, subjectOf } from "../bounds/subject.ts";
import { checkNames, type Dataset, type Samples } from "../data/dataset.ts";
import { type Engine, needEngine } from "../engine/engine.ts";
import type { Node } from "../graph/graph.ts";
import type { Network } from "../graph/network.ts";
import { down, up } from "../linalg/rounding.ts";
import { decidesByOutputs, decidingNetwork } from "../models/decision.ts";
import { UsageError } from "../tensor/errors.ts";
import { showShape, sizeOf } from "../tensor/shape.ts";
import { type DType, storage } from "../tensor/tensor.ts";
import type { Refutation } from "./complete.ts";
import { type LocalEffort, localRadii } from "./local.ts";
import { logitError } from "./rounding.ts";
import { type Decision, secondOrder } from "./secondOrder.ts";

export interface EvaluateOptions {
  /** In which the network runs, default float32. */
  readonly dtype?: DType;
  readonly signal?: AbortSignal;
  /** From 0 to 1. */
  onProgress?(fraction: number): void;
}

export interface CertifyOptions {
  readonly engine: Engine;
  readonly data: Dataset;
  /** 1, 2 (default) or "inf"; also as the words "1" and "2". */
  readonly norm?: Norm | "1" | "2";
  /** Finite, >= 0, in the units of the data; default none. */
  readonly radii?: readonly number[];
  /** A proved bound of the constant in this norm from elsewhere, everywhere; used where it is smaller. Of what decides: of a network that ends in a softmax it is refused. */
  readonly upper?: UpperBound;
  /** In l2, the work of seeking constants for pairs of classes by the quadratic walk, in seconds at a nominal speed (`classPairs`); default none. */
  readonly seconds?: number;
  /** "best" (default) lets the curvature of a smooth network enlarge radii in l2; "first" takes no gradients. */
  readonly order?: "first" | "best";
  /** Should the linear walk around each sample enlarge radii that the constant leaves short? Default "on", as much as `LocalEffort` says. */
  readonly local?: "on" | "off" | LocalEffort;
  /** Time for all of it, in seconds: what it does not hold is left out, radii are shorter then, and depend on the machine. Default: no limit. */
  readonly limit?: number;
  readonly signal?: AbortSignal;
  /** From 0 to 1. */
  onProgress?(fraction: number): void;
}

export interface CertifiedSample {
  readonly index: number;
  /** What the sample is called where it comes from. */
  readonly id?: string;
  readonly label: number;
  readonly predicted: number;
  /** The logit of the predicted class less the largest other one. */
  readonly margin: number;
  /** No perturbation of at most this length changes the predicted class. Infinity for a constant function; JSON shows null. */
  readonly radius: number;
  /** What proves the radius: the constant, gradient and curvature (`secondOrder`), the linear walk around the sample (`localRadii`), or that with branch and bound (`complete`). */
  readonly by: "constant" | "curvature" | "linear" | "branching";
  /** Where branching found a point that the network decides otherwise: the radius that was asked, in which it lies. */
  readonly refuted?: Refutation;
}

/** What is certified of a network on a data set, as plain data. */
export interface Certification {
  readonly norm: "1" | "2" | "inf";
  readonly constant: {
    /** Of all outputs as one vector. */
    readonly value: number;
    readonly method: string;
    readonly proved: boolean;
    /** K_yj, the constant of f_y - f_j, for up to 100 classes. */
    readonly pairs?: readonly (readonly number[])[];
  };
  /** Of all outputs as one vector, where radii rest on it; `gradientError` is added to the length of every gradient. */
  readonly curvature?: { readonly value: number; readonly method: string; readonly gradientError: number };
  /** Where the linear walk was asked: how many samples it had no work left for, or why it has no answer. */
  readonly local?: { readonly left: number } | { readonly why: string };
  /** What every logit may err by in float64; twice that is taken off every margin. */
  readonly allowance: number;
  readonly accuracy: number;
  /** The part of the samples that are predicted right and have at least this radius; with branching also the part that nothing refuted. */
  readonly certified: readonly { readonly radius: number; readonly accuracy: number; readonly atMost?: number }[];
  /** Samples that are predicted wrong count 0. */
  readonly averageRadius: number;
  readonly samples: readonly CertifiedSample[];
}

/** The outputs for every sample, [count, classes]. Throws UsageError where samples do not fit the network. */
export async function logitsOf(
  network: Network,
  engine: Engine,
  dataset: Samples,
  options: EvaluateOptions & { readonly clock?: Budget } = {},
): Promise<{ readonly data: Float64Array; readonly classes: number }> {
  return logits(subjectOf(network), engine, dataset, options);
}

/**
 * Samples with the network's own decisions, in float64, as their labels: for radii, attacks and curvatures, which need no truth. Throws UsageError
 * where that would take longer than `limit` seconds.
 */
export async function labelledBy(
  network: Network,
  engine: Engine,
  samples: Samples,
  { limit, ...options }: EvaluateOptions & { readonly limit?: number | undefined } = {},
): Promise<Dataset> {
  const decides = decidingNetwork(network, samples.shape);
  if (limit !== undefined) {
    const subject = subjectOf(decides);
    const work = compileWork(subject) + (2 * samples.count * runWork(subject)) / engineSpeed;
    if (!budget({ seconds: limit }).fits(work)) {
      const why = "the time ran out before the network had labelled the samples";
      throw new UsageError(`${network.name}: ${why}; give it more, fewer samples, or labels`);
    }
  }
  const { data, classes } = await logitsOf(decides, engine, samples, { dtype: "float64", ...options });
  const { name, x, shape, count, range, ids, notes = [] } = samples;
  return {
    name,
    x,
    shape,
    count,
    task: "classification",
    labels: Int32Array.from({ length: count }, (_, i) => largestAt(data.subarray(i * classes, (i + 1) * classes))),
    targets: new Float32Array(0),
    classes,
    labelsFrom: "predictions",
    notes: [...notes, "The labels are the network's own decisions, so that no accuracy is known."],
    ...(range && { range }),
    ...(ids && { ids }),
  };
}

/** The part of the samples whose largest output is that of their label. */
export async function accuracyOf(
  network: Network,
  engine: Engine,
  dataset: Dataset,
  options: EvaluateOptions = {},
): Promise<number> {
  const { data, classes } = await logitsOf(decidingNetwork(network, dataset.shape), engine, dataset, options);
  checkClasses(network.name, dataset, classes);
  let right = 0;
  for (let i = 0; i < dataset.count; i++) {
    if (largestAt(data.subarray(i * classes, (i + 1) * classes)) === dataset.labels[i]) right++;
  }
  return right / dataset.count;
}

/**
 * Certify a network on a data set.
 *
 *     radius(x) = min over j != y of  max(0, f_y(x) - f_j(x) - 2 e) / K_yj,   y the predicted class
 *
 * K_yj is `marginsOf`, or with `seconds` that of `classPairs` where it is smaller, e the bound `logitError` of what float64 rounding does to a logit; in l2, where the network is smooth, gradient and
 * curvature may enlarge it (`secondOrder`). What is proved: the network, with its
 * weights as they are stored and otherwise in exact arithmetic, gives the predicted class to every x' with ||x' - x||_p <= radius;
 * assumed is that the engine's elementary functions are as accurate in float64 as `logitError` says. The same network run in
 * float32 rounds its own logits, so that it may decide otherwise where the margin at x' is within its rounding. Margins are those of the
 * logits, behind which a softmax, a sigmoid or a position does not count; one output decides by its sign (`decisionNetwork`).
 * Throws UsageError where there is no constant, or no class to predict, or no time to run the samples, and BatchError where a sample's output depends on the batch around it.
 */
export async function certify(network: Network, options: CertifyOptions): Promise<Certification> {
  const { known, clock } = await prepare(network, options);
  return certifySamples(known, options, clock);
}

/** What `certify` needs of a network before it sees samples, done once; of `options.data` only the form counts. It is then asked of any samples of that form, without a limit of time. */
export async function certifier(
  network: Network,
  options: CertifyOptions,
): Promise<(samples: Pick<CertifyOptions, "data" | "local" | "signal" | "onProgress">) => Promise<Certification>> {
  const { known } = await prepare(network, options);
  return (samples) => certifySamples(known, { ...options, ...samples }, budget({ signal: samples.signal }));
}

/** Outputs per sample. Throws UsageError where samples do not fit. */
export function classesOf(subject: Subject, data: Samples): number {
  checkSample(subject, data.shape);
  const perRun = subject.size / sizeOf(data.shape);
  if (!Number.isInteger(subject.outputs / perRun)) {
    const what = `${perRun} samples ${showShape(data.shape)} in a run must share its outputs`;
    throw new UsageError(`${subject.name}: ${what}, got ${subject.outputs}`);
  }
  return subject.outputs / perRun;
}

// --- internal ---

async function prepare(
  network: Network,
  options: CertifyOptions,
): Promise<{ readonly known: Known; readonly clock: Budget }> {
  const { data, radii = [], upper, signal, onProgress } = options;
  const engine = needEngine("certify", options.engine);
  const norm = maybeNorm(options.norm ?? 2);
  for (const r of radii) {
    if (!(Number.isFinite(r) && r >= 0)) throw new UsageError(`certify: radii must be finite and >= 0, got ${r}`);
  }
  if (upper && !upper.proved) throw new UsageError(`certify: only a proved upper bound certifies, got ${upper.method}`);
  if (upper && !decidesByOutputs(network, data.shape)) {
    const why =
      "an upper bound of its outputs is none of the logits that decide, before its softmax, sigmoid or labels";
    throw new UsageError(`certify: ${network.name}: ${why}; bound decisionNetwork(network, data.shape), or give none`);
  }
  const subject = subjectOf(decidingNetwork(network, data.shape));
  const width = classesOf(subject, data);
  checkClasses(subject.name, data, width);
  checkAlone(subject, subject.outputs / width);

  const { x, y } = subject.at(1, "float64");
  const clock = budget({ signal, seconds: options.limit });
  const walking = budget({ signal, ...(options.limit === undefined ? {} : { seconds: 0.4 * options.limit }) });
  const flow = fusedFlow(x, y, { normalisations: true });
  const propagation = await propagate(flow, norm, walking, (part) => onProgress?.(0.4 * part));
  const { missing } = propagation;
  const without = `certify: ${subject.name} has no proved constant: node ${missing?.node}: ${missing?.why}`;
  if (missing && !upper && options.local === "off") throw new UsageError(without);
  const margins = await marginsWithin(propagation, norm, options, clock);
  const sizes = norm === "inf" ? propagation : await propagate(flow, "inf", walking);
  // What comes now cannot be left out: without it nothing is certified.
  if (!clock.fits(plainRun * runWork(subject) + 2 * compileWork(subject))) {
    throw new UsageError(`certify: ${subject.name}: the time ran out before a sample was run; give it more`);
  }
  onProgress?.(0.5);
  const known = { subject, engine, norm, width, flow, y, propagation, margins, sizes, without };
  return { known, clock };
}

interface Known {
  readonly subject: Subject;
  readonly engine: Engine;
  readonly norm: Norm;
  /** Outputs per sample. */
  readonly width: number;
  readonly flow: Propagation["flow"];
  readonly y: Node;
  readonly propagation: Propagation;
  readonly margins: Margins;
  readonly sizes: Propagation;
  /** Why there is no constant, where there is none. */
  readonly without: string;
}

async function certifySamples(
  { subject, engine, norm, width, flow, y, propagation, margins, sizes, without }: Known,
  options: CertifyOptions,
  clock: Budget,
): Promise<Certification> {
  const { data, radii = [], upper, signal, onProgress } = options;
  const { missing } = propagation;
  const size = data.x.reduce((top, v) => Math.max(top, Math.abs(v)), 0);
  const allowance = logitError(sizes, size);
  const outputs = await logits(subject, engine, data, {
    dtype: "float64",
    signal,
    clock,
    onProgress: (part) => onProgress?.(0.5 + 0.1 * part),
  });
  const allowed = Number.isFinite(allowance) ? () => up(2 * allowance) : likely;
  await checkBatches(subject, engine, data.x, allowed);
  const perRun = subject.outputs / width;
  const rowOf = (index: number) => outputs.data.subarray(index * width, (index + 1) * width);
  const error = up(2 * allowance);
  const first = Array.from({ length: data.count }, (_, index): CertifiedSample => {
    const place = (index % perRun) * width;
    const id = data.ids && { id: data.ids[index] };
    const found = radiusOf(rowOf(index), place, margins.pair, error);
    return { index, ...id, label: data.labels[index], ...found, by: "constant" };
  });
  const curved =
    // Gradients are enclosed op by op, and a composition that was recognised is no op of the network.
    norm === 2 &&
    options.order !== "first" &&
    !clock.expired &&
    flow.output === y &&
    Number.isFinite(propagation.constantOf(y))
      ? await secondOrder({ subject, engine, data, propagation, sizes, margins, inputSize: size, signal }, (index) =>
          decisionOf(rowOf(index), margins, allowance),
        )
      : null;
  const second = curved ? first.map((s, index) => larger(s, curved.radii[index], "curvature")) : first;
  onProgress?.(0.6);
  const local =
    options.local === "off" || perRun > 1
      ? null
      : await localRadii({
          subject,
          engine,
          data,
          norm,
          propagation,
          predicted: second.map((s) => s.predicted),
          known(index, other) {
            const row = rowOf(index);
            const { predicted, radius } = second[index];
            const margin = down(down(row[predicted] - row[other]) - error);
            return Math.max(radius, certifiedRadius(margin, margins.pair(predicted, other)));
          },
          radii,
          effort: typeof options.local === "object" ? options.local : {},
          clock,
          onProgress: (part) => onProgress?.(0.6 + 0.4 * part),
        });
  if (missing && !upper && !(local && "radii" in local)) {
    throw new UsageError(local ? `${without}; ${local.why}` : without);
  }
  const walked = local && "radii" in local ? second.map((s, index) => larger(s, local.radii[index], "linear")) : second;
  const completed = local && "radii" in local ? local.completed : undefined;
  const samples = completed
    ? walked.map((s, index) => {
        const refuted = completed.refuted.get(index);
        return { ...larger(s, completed.radii[index], "branching"), ...(refuted ? { refuted } : {}) };
      })
    : walked;
  const right = samples.filter((s) => s.predicted === s.label);
  return {
    norm: printNorm(norm),
    constant: {
      value: margins.constant,
      method: margins.method,
      proved: Number.isFinite(margins.constant),
      ...(width <= 100 ? { pairs: pairsOf(margins.pair, width) } : {}),
    },
    ...(curved && samples.some((s) => s.by === "curvature")
      ? { curvature: { value: curved.value, method: curved.method, gradientError: curved.gradientError } }
      : {}),
    ...(local ? { local: "radii" in local ? { left: local.left } : local } : {}),
    allowance,
    accuracy: right.length / data.count,
    certified: radii.map((radius) => ({
      radius,
      accuracy: right.filter((s) => s.radius >= radius).length / data.count,
      ...(completed
        ? { atMost: right.filter((s) => !(s.refuted && s.refuted.radius <= radius)).length / data.count }
        : {}),
    })),
    averageRadius: right.reduce((sum, s) => sum + s.radius, 0) / data.count,
    samples,
  };
}

/** The margins of the walk and, if there is time for it, those of the chain at the end: of each pair the smaller. */
async function marginsWithin(
  propagation: Propagation,
  norm: Norm,
  { engine, upper, seconds = 0, signal }: CertifyOptions,
  clock: Budget,
): Promise<Margins> {
  const chain =
    norm === 2 && seconds > 0 && clock.fits(4 * seconds * nominalSpeed)
      ? await classPairs(propagation, { engine, seconds, signal })
      : null;
  if (!chain) return marginsOf(propagation, norm, upper);
  const best = upper && upper.value <= chain.bound.value ? upper : chain.bound;
  const walk = marginsOf(propagation, norm, best);
  return { ...walk, pair: (y, j) => Math.min(walk.pair(y, j), chain.pair(y, j)) };
}

/** Operations for each of a run, where it is made by the reference rules. */
const plainRun = 15;

/** Samples in one batch where the network takes any number: not so many that a run takes long. */
const batchSize = (subject: Subject): number => Math.floor(Math.max(1, Math.min(256, 2 ** 31 / runWork(subject))));

async function logits(
  subject: Subject,
  engine: Engine,
  dataset: Samples,
  { dtype = "float32", signal, onProgress, clock }: EvaluateOptions & { readonly clock?: Budget },
): Promise<{ readonly data: Float64Array; readonly classes: number }> {
  const classes = classesOf(subject, dataset);
  const sampleSize = sizeOf(dataset.shape);
  const perRun = subject.size / sampleSize;
  const runs = subject.batch === "free" ? Math.min(batchSize(subject), dataset.count) : 1;
  const { x, y } = subject.at(runs, dtype);
  const program = await needEngine(subject.name, engine).compile({ logits: y });
  const data = new Float64Array(dataset.count * classes);
  try {
    for (let from = 0; from < dataset.count; from += runs * perRun) {
      signal?.throwIfAborted();
      if (from > 0 && clock?.expired) {
        throw new UsageError(
          `${subject.name}: the time ran out when ${from} of ${dataset.count} samples were run; give it more, or fewer samples`,
        );
      }
      const fed = storage(dtype, runs * subject.size);
      // What is left of the last batch stays 0 and its outputs are dropped.
      const part = dataset.x.subarray(from * sampleSize, (from + runs * perRun) * sampleSize);
      if (fed instanceof Float32Array || fed instanceof Float64Array) fed.set(part);
      // A network that ignores its input has none to feed.
      const feeds = subject.input in program.inputs ? { [subject.input]: { dtype, shape: x.shape, data: fed } } : {};
      const { logits: result } = await program.run(feeds);
      const values = Float64Array.from(result.data as Float64Array);
      data.set(values.subarray(0, data.length - from * classes), from * classes);
      onProgress?.(Math.min(1, (from + runs * perRun) / dataset.count));
    }
  } finally {
    await program.dispose();
  }
  return { data, classes };
}

function checkClasses(name: string, data: Dataset, classes: number): void {
  if (data.task !== "classification") {
    throw new UsageError(`${name}: a decision needs a data set with classes, got the regression ${data.name}`);
  }
  if (classes < 2 || classes < data.classes) {
    const needed = Math.max(2, data.classes);
    throw new UsageError(
      `${name}: it must have an output for each of the ${needed} classes of ${data.name}, got ${classes}`,
    );
  }
  checkNames(name, data, classes);
}

function radiusOf(row: Float64Array, place: number, pair: Margins["pair"], error: number) {
  const predicted = largestAt(row);
  let margin = Number.POSITIVE_INFINITY;
  let radius = Number.POSITIVE_INFINITY;
  row.forEach((other, j) => {
    if (j === predicted) return;
    const gap = row[predicted] - other;
    margin = Math.min(margin, gap);
    radius = Math.min(radius, certifiedRadius(down(down(gap) - error), pair(place + predicted, place + j)));
  });
  return { predicted, margin, radius };
}

/** The same margins one by one. */
function decisionOf(row: Float64Array, margins: Margins, allowance: number): Decision {
  const predicted = largestAt(row);
  const gaps = Array.from(row, (value, other) => {
    const margin = down(down(row[predicted] - value) - up(2 * allowance));
    return { other, margin, radius: certifiedRadius(margin, margins.pair(predicted, other)) };
  });
  return { predicted, gaps: gaps.filter(({ other }) => other !== predicted) };
}

const larger = (sample: CertifiedSample, radius: number, by: CertifiedSample["by"]): CertifiedSample =>
  radius > sample.radius ? { ...sample, radius, by } : sample;

/** How far a margin lasts that shrinks by at most K a step; 0 where either is not a number. */
function certifiedRadius(margin: number, K: number): number {
  if (!(margin > 0 && margin < Number.POSITIVE_INFINITY)) return 0;
  if (K === 0) return Number.POSITIVE_INFINITY;
  const radius = down(margin / K);
  // Not Math.max: it would let NaN through.
  return radius >= Number.MIN_VALUE ? radius : 0;
}

/** The first of the largest; NaN never wins. */
function largestAt(row: Float64Array): number {
  let best = 0;
  for (let j = 1; j < row.length; j++) if (row[j] > row[best] || Number.isNaN(row[best])) best = j;
  return best;
}

const pairsOf = (pair: Margins["pair"], width: number): number[][] =>
  Array.from({ length: width }, (_, y) => Array.from({ length: width }, (__, j) => pair(y, j)));
