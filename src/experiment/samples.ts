/** @file What a run found of single samples, as plain data beside the record: radii and distances of all, pixels of the weakest, a map of the decisions where data are points of the plane. A report is drawn from it; nothing is certified by it. */
import type { Attacked } from "../attack/attack.ts";
import { type Certification, type CertifiedSample, logitsOf } from "../certify/evaluate.ts";
import type { Dataset } from "../data/dataset.ts";
import type { Engine } from "../engine/engine.ts";
import type { Network } from "../graph/network.ts";
import { decidingNetwork } from "../models/decision.ts";
import { SpecError } from "../tensor/errors.ts";
import type { Shape } from "../tensor/shape.ts";
import { sizeOf } from "../tensor/shape.ts";
import { samplesForm } from "./recordForm.ts";

/** Of the test part, in its order; JSON shows an infinite radius as null. */
export interface SampleRecord {
  /** sha256 of the model. */
  readonly model: string;
  readonly shape: Shape;
  readonly range: readonly [number, number] | null;
  readonly labels: readonly number[];
  readonly predicted: readonly number[];
  readonly radii: readonly number[];
  /** What proves each radius; records of earlier versions lack it. */
  readonly by?: readonly CertifiedSample["by"][];
  /** What the samples are called where they come from. */
  readonly ids?: readonly string[];
  /** Names of the classes, in their order. */
  readonly classNames?: readonly string[];
  /** Of the first samples, those that were attacked. */
  readonly attacked: readonly AttackedRow[];
  /** Normalised, of the loss at the first samples. */
  readonly curvature: readonly number[];
  /** Decided right, with the smallest perturbations that change the decision, smallest first. */
  readonly weakest: readonly WeakSample[];
  readonly plane: PlaneMap | null;
  readonly line: LineMap | null;
}

export interface AttackedRow {
  /** Decided right in float32, as attacks see it. */
  readonly right: boolean;
  /** Length of the smallest perturbation found; null where none was. */
  readonly distance: number | null;
}

export interface WeakSample {
  readonly index: number;
  /** What the sample is called where it comes from. */
  readonly id?: string;
  readonly label: number;
  readonly becomes: number;
  readonly radius: number;
  readonly distance: number;
  /** Flat, four digits each; three of a perturbation. */
  readonly x: readonly number[];
  readonly perturbation: readonly number[];
}

/** Where the network of points of the plane decides what. */
export interface PlaneMap {
  readonly x: readonly [number, number];
  readonly y: readonly [number, number];
  /** Cells along x and y; values are at their centres, row by row from the smallest y. */
  readonly size: readonly [number, number];
  /** For each class its output less the largest other one: above 0 where it is decided. */
  readonly margins: readonly (readonly number[])[];
  /** Some test samples, evenly from all, by their places in the test part. */
  readonly indices: readonly number[];
  readonly points: readonly (readonly [number, number])[];
}

/** A regression from one number to one: targets and outputs over the input. */
export interface LineMap {
  readonly x: readonly number[];
  readonly targets: readonly number[];
  readonly outputs: readonly number[];
}

export interface SampleOptions {
  readonly engine: Engine;
  readonly data: Dataset;
  readonly model: string;
  /** Null for a regression. */
  readonly certification: Certification | null;
  readonly attacked: Pick<Attacked, "samples" | "examples"> | null;
  /** At the first samples. */
  readonly curvature: readonly number[];
  readonly signal?: AbortSignal;
}

/** Collect what a report shows of single samples. */
export async function sampleRecord(network: Network, options: SampleOptions): Promise<SampleRecord> {
  const { data, model, certification, attacked } = options;
  const { shape, range } = data;
  return {
    model,
    shape,
    range: range ?? null,
    ...(data.ids && { ids: data.ids }),
    ...(data.classNames && { classNames: data.classNames }),
    labels: certification ? certification.samples.map((s) => s.label) : [],
    predicted: certification ? certification.samples.map((s) => s.predicted) : [],
    radii: certification ? certification.samples.map((s) => s.radius) : [],
    ...(certification && { by: certification.samples.map((s) => s.by) }),
    attacked: attacked
      ? attacked.samples.map(({ label, predicted, distance }) => ({ right: label === predicted, distance }))
      : [],
    curvature: options.curvature.map((c) => Number(c.toPrecision(5))),
    weakest: certification && attacked ? weakestOf(data, certification, attacked) : [],
    plane: certification && sizeOf(shape) === 2 ? await planeMap(network, options) : null,
    line:
      data.task === "regression" && sizeOf(shape) === 1 && data.classes === 1 ? await lineMap(network, options) : null,
  };
}

/** Check the JSON of samples, and that its lists belong together; SpecError otherwise. */
export function checkSamples(value: unknown): SampleRecord {
  samplesForm(value, "$");
  const record = value as SampleRecord;
  const { labels, predicted, radii, by, weakest, shape, plane, line } = record;
  const together = (rule: string, holds: boolean) => {
    if (!holds) throw new SpecError(`$: ${rule}`);
  };
  together("labels, predicted and radii must be as many", labels.length === predicted.length);
  together("labels, predicted and radii must be as many", radii.length === 0 || radii.length === labels.length);
  together("radii and what proves them must be as many", by === undefined || by.length === radii.length);
  for (const { x, perturbation } of weakest) {
    together(
      `every weak sample must have ${sizeOf(shape)} numbers`,
      x.length === sizeOf(shape) && perturbation.length === sizeOf(shape),
    );
  }
  if (plane) {
    const cells = plane.size[0] * plane.size[1];
    together(
      `the plane must have ${cells} margins for each class`,
      plane.margins.every((m) => m.length === cells),
    );
    together("the plane must have a point for each index", plane.points.length === plane.indices.length);
  }
  if (line) together("the line must have as many outputs as inputs", line.x.length === line.outputs.length);
  return record;
}

// --- internal ---

const weakestCount = 8;
const cells = 72;
const mostPoints = 80;

function weakestOf(
  data: Dataset,
  { samples: certified }: Certification,
  { samples, examples }: NonNullable<SampleOptions["attacked"]>,
): WeakSample[] {
  const size = sizeOf(data.shape);
  const found = samples.flatMap(({ index, label, predicted, distance, becomes }) =>
    label === predicted && distance !== null && becomes !== null ? [{ index, label, distance, becomes }] : [],
  );
  found.sort((a, b) => a.distance - b.distance);
  return found.slice(0, weakestCount).map((sample): WeakSample => {
    const at = sample.index * size;
    const x = Array.from(data.x.subarray(at, at + size));
    return {
      ...sample,
      ...(data.ids && { id: data.ids[sample.index] }),
      radius: certified[sample.index].radius,
      x: x.map((v) => Number(v.toPrecision(4))),
      perturbation: x.map((v, j) => Number((examples[at + j] - v).toPrecision(3))),
    };
  });
}

async function planeMap(network: Network, { engine, data, signal }: SampleOptions): Promise<PlaneMap> {
  const count = Math.min(mostPoints, data.count);
  const indices = Array.from({ length: count }, (_, k) => Math.floor((k * data.count) / count));
  const points = indices.map((i) => [data.x[2 * i], data.x[2 * i + 1]] as const);
  const x = extent(points.map(([a]) => a));
  const y = extent(points.map(([, b]) => b));
  const step = Math.max(x[1] - x[0], y[1] - y[0]) / cells;
  const size = [x, y].map(([low, high]) => Math.max(2, Math.round((high - low) / step)));
  const centre = ([low, high]: readonly [number, number], k: number, n: number) => low + ((k + 0.5) * (high - low)) / n;
  const grid = Float32Array.from({ length: 2 * size[0] * size[1] }, (_, at) => {
    const cell = at >> 1;
    return at % 2 === 0 ? centre(x, cell % size[0], size[0]) : centre(y, Math.trunc(cell / size[0]), size[1]);
  });
  const asked = { ...data, x: grid, count: size[0] * size[1], labels: new Int32Array(size[0] * size[1]) };
  const decides = decidingNetwork(network, data.shape);
  const { data: logits, classes } = await logitsOf(decides, engine, asked, signal ? { signal } : {});
  const margins = Array.from({ length: classes }, (_, k) =>
    Array.from({ length: asked.count }, (__, i) => {
      const others = Array.from(logits.subarray(i * classes, (i + 1) * classes)).filter((___, j) => j !== k);
      return Number((logits[i * classes + k] - Math.max(...others)).toPrecision(4));
    }),
  );
  return { x, y, size: [size[0], size[1]], margins, indices, points };
}

async function lineMap(network: Network, { engine, data, signal }: SampleOptions): Promise<LineMap> {
  const { data: outputs } = await logitsOf(network, engine, data, signal ? { signal } : {});
  const order = Array.from({ length: data.count }, (_, i) => i).sort((a, b) => data.x[a] - data.x[b]);
  const every = Math.max(1, Math.ceil(order.length / 400));
  const kept = order.filter((_, k) => k % every === 0);
  const pick = (values: ArrayLike<number>) => kept.map((i) => Number(values[i].toPrecision(6)));
  return { x: pick(data.x), targets: pick(data.targets), outputs: pick(outputs) };
}

/** From the smallest to the largest, and a little on both sides. */
function extent(values: readonly number[]): readonly [number, number] {
  const low = values.reduce((a, b) => Math.min(a, b));
  const high = values.reduce((a, b) => Math.max(a, b));
  const margin = 0.15 * (high - low) || 1;
  return [low - margin, high + margin];
}
