/** @file Certified accuracy over the radius with the attacked accuracy above it: the truth is between the two. */
import type { RunRecord } from "../../experiment/record.ts";
import type { Group, Reported } from "../groups.ts";
import { figure, type Html, table } from "../html.ts";
import { showNorm, showPercent } from "../number.ts";
import type { Pen } from "../plot.ts";

/** What a curve takes of a record. */
export type CurveRecord = Pick<RunRecord, "certified" | "attacked" | "norm"> & {
  readonly spec: Pick<RunRecord["spec"], "radii">;
  readonly data: { readonly samples: { readonly test: number } };
};

interface CurveOf {
  readonly record: CurveRecord;
  readonly samples?: Reported["samples"];
}

interface Point {
  readonly radius: number;
  /** Proved: at least this part is right under every move of the radius. */
  readonly certified: number;
  /** What attacks left: at most this part is. */
  readonly attacked: number | null;
}

/** Both curves of one run, and what lies between; null for a regression. */
export function curveFigure(pen: Pen, { record, samples }: CurveOf): Html | null {
  if (!record.certified) return null;
  const run = { record, ...(samples ? { samples } : {}) };
  const points = pointsOf(run, reachOf(run));
  const { plot } = pen;
  const title = "Certified accuracy, and what attacks leave";
  const exact = ofRecord(record);
  const between = points.filter((p) => p.attacked !== null);
  const drawing = pen.draw(
    {
      ...axes(record),
      marks: [
        plot.areaY(between, { x: "radius", y1: "certified", y2: "attacked", fill: "var(--orange)", fillOpacity: 0.25 }),
        plot.line(points, { x: "radius", y: "certified", stroke: "var(--blue)", strokeWidth: 2.5 }),
        plot.line(between, {
          x: "radius",
          y: "attacked",
          stroke: "var(--vermillion)",
          strokeWidth: 2,
          strokeDasharray: "6 4",
        }),
        plot.dot(exact, { x: "radius", y: "certified", fill: "var(--blue)", r: 4 }),
        plot.dot(
          exact.filter((p) => p.attacked !== null),
          { x: "radius", y: "attacked", fill: "var(--vermillion)", r: 4 },
        ),
      ],
    },
    { title, description: exact.map(inWords).join("; ") },
  );
  return figure({
    title,
    drawing,
    legend: [
      { label: "certified: proved to be right", color: "var(--blue)" },
      { label: "left by attacks", color: "var(--vermillion)", style: "dashed" },
      { label: "the truth is in here", color: "var(--orange)", style: "area" },
    ],
    note: `${sampleWords(record)} Dots are the radii of the record.`,
    numbers: table(
      title,
      [{ head: `radius in ${showNorm(record.norm)}` }, { head: "certified" }, { head: "left by attacks" }],
      exact.map((p) => [String(p.radius), showPercent(p.certified), showPercent(p.attacked)]),
    ),
  });
}

/** The curves of several methods, of each its first seed; null where none has any. */
export function curvesFigure(pen: Pen, groups: readonly Group[]): Html | null {
  const { plot } = pen;
  const found = groups.flatMap((group) => {
    const [run] = group.runs;
    return run.record.certified ? [{ group, run, exact: ofRecord(run.record) }] : [];
  });
  if (found.length === 0) return null;
  const reach = Math.max(...found.map(({ run }) => reachOf(run)));
  const title = "Certified accuracy (solid) below what attacks leave (dashed)";
  const { record } = found[0].group.runs[0];
  const drawing = pen.draw(
    {
      ...axes(record),
      x: { label: `radius in ${showNorm(record.norm)}`, domain: [0, reach] },
      marks: found.flatMap(({ group: { color, symbol }, run, exact }) => {
        const points = pointsOf(run, reach);
        return [
          plot.line(
            points.filter((p) => p.attacked !== null),
            { x: "radius", y: "attacked", stroke: color, strokeWidth: 1.5, strokeDasharray: "5 4" },
          ),
          plot.line(points, { x: "radius", y: "certified", stroke: color, strokeWidth: 2.5 }),
          plot.dot(exact, { x: "radius", y: "certified", fill: color, symbol, r: 4.5 }),
        ];
      }),
    },
    { title, description: found.map(({ group }) => group.label).join(", ") },
  );
  return figure({
    title,
    drawing,
    legend: found.map(({ group: { label, color, symbol } }) => ({ label, color, style: symbol })),
    note: `The truth of each method is between its two curves. ${sampleWords(record)}${seedWords(groups)}`,
    numbers: table(
      title,
      [{ head: "method", align: "left" }, ...found[0].exact.map((p) => ({ head: `at ${p.radius}` }))],
      found.map(({ group, exact }) => [
        group.label,
        ...exact.map((p) => `${showPercent(p.certified)} to ${showPercent(p.attacked)}`),
      ]),
    ),
  });
}

// --- internal ---

const steps = 150;

const seedWords = (groups: readonly Group[]): string =>
  groups.some((g) => g.runs.length > 1) ? " Curves are those of the first seed." : "";

const axes = ({ norm }: CurveRecord) => ({
  height: 320,
  y: { domain: [0, 100], percent: true, label: "right samples, %", grid: true },
  x: { label: `radius in ${showNorm(norm)}` },
});

/** At the radii that were asked for. */
const ofRecord = ({ certified, attacked }: CurveRecord): Point[] =>
  (certified ?? []).map(({ radius, accuracy }, k) => ({
    radius,
    certified: accuracy,
    attacked: attacked?.robust[k]?.accuracy ?? null,
  }));

/** From where on there is next to nothing left to see. */
function reachOf({ record: { spec }, samples }: CurveOf): number {
  const { radii, distances } = lengthsOf(samples);
  const ends = [...radii, ...distances].filter((v) => Number.isFinite(v) && v >= 0).sort((a, b) => a - b);
  return Math.max(1.02 * (ends[Math.floor(0.98 * (ends.length - 1))] ?? 0), ...spec.radii) || 1;
}

/** At many radii, from the samples; at those of the record where samples are not known. */
function pointsOf({ record, samples }: CurveOf, reach: number): Point[] {
  const { count, radii, distances } = lengthsOf(samples);
  if (count === 0) return ofRecord(record);
  return Array.from({ length: steps + 1 }, (_, k) => {
    const radius = (k * reach) / steps;
    return {
      radius,
      certified: radii.filter((r) => r >= radius).length / count,
      attacked: distances.length > 0 ? distances.filter((d) => d > radius).length / count : null,
    };
  });
}

/** Radii and distances, of the same samples for both, or the truth would not be between them; -1 where decided wrong. */
function lengthsOf(samples: Reported["samples"]) {
  if (!samples) return { count: 0, radii: [], distances: [] };
  const count = samples.attacked.length || samples.radii.length;
  const radii = samples.radii
    .slice(0, count)
    .map((r, i) => (samples.labels[i] === samples.predicted[i] ? (r ?? Number.POSITIVE_INFINITY) : -1));
  const distances = samples.attacked.map(({ right, distance }) =>
    right ? (distance ?? Number.POSITIVE_INFINITY) : -1,
  );
  return { count, radii, distances };
}

function sampleWords({ data, attacked }: CurveRecord): string {
  if (!attacked) return `Of ${data.samples.test} test samples; nothing was attacked.`;
  return attacked.samples === data.samples.test
    ? `Of all ${attacked.samples} test samples.`
    : `Lines are of the first ${attacked.samples} of ${data.samples.test} test samples, those that were attacked; certified dots are of all.`;
}

const inWords = ({ radius, certified, attacked }: Point): string =>
  `at radius ${radius} ${showPercent(certified)} certified${attacked === null ? "" : `, ${showPercent(attacked)} left by attacks`}`;
