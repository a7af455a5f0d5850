/** @file Loss and accuracy over the epochs. */
import type { EpochMetrics } from "../../train/loop.ts";
import type { Group } from "../groups.ts";
import { figure, type Html, type LegendEntry, table } from "../html.ts";
import { showNumber, showPercent } from "../number.ts";
import type { Pen } from "../plot.ts";

/** Of one run: training and test part, the loss and, where there are classes, the accuracy. */
export function trainingFigures(pen: Pen, epochs: readonly EpochMetrics[]): Html[] {
  if (epochs.length === 0) return [];
  const legend: LegendEntry[] = [
    { label: "training part, while trained on", color: "var(--orange)", style: "dashed" },
    { label: "test part, after the epoch", color: "var(--blue)" },
  ];
  const numbers = (what: string, row: (e: EpochMetrics) => string[]) =>
    table(
      what,
      [{ head: "epoch" }, { head: "training part" }, { head: "test part" }, { head: "seconds" }],
      epochs.map((e) => [String(e.epoch), ...row(e), showNumber(e.seconds)]),
    );
  const pair = (train: (e: EpochMetrics) => number | null, test: (e: EpochMetrics) => number | null): Series[] => [
    { color: "var(--orange)", dash: "6 4", points: pointsOf(epochs, train) },
    { color: "var(--blue)", points: pointsOf(epochs, test) },
  ];
  const losses = pair(
    (e) => e.trainLoss,
    (e) => e.testLoss,
  );
  const loss = figure({
    title: "Loss",
    legend,
    drawing: lines(pen, "loss", losses, "Loss over the epochs"),
    numbers: numbers("Loss", (e) => [showNumber(e.trainLoss), showNumber(e.testLoss)]),
  });
  if (epochs[0].testAccuracy === null) return [loss];
  const accuracy = pair(
    (e) => e.trainAccuracy,
    (e) => e.testAccuracy,
  );
  return [
    loss,
    figure({
      title: "Accuracy while training",
      legend,
      drawing: lines(pen, "right samples, %", accuracy, "Accuracy over the epochs", true),
      numbers: numbers("Accuracy", (e) => [showPercent(e.trainAccuracy), showPercent(e.testAccuracy)]),
    }),
  ];
}

/** What several methods reach on the test part over the epochs, of each its first seed. */
export function trainingsFigure(pen: Pen, groups: readonly Group[]): Html {
  const all = groups.map((g) => ({ ...g, epochs: g.runs[0].record.epochs }));
  const classes = all.every(({ epochs }) => epochs.every((e) => e.testAccuracy !== null));
  const title = classes ? "Test accuracy while training" : "Test loss while training";
  const value = (e: EpochMetrics) => (classes ? e.testAccuracy : e.testLoss);
  const last = Math.max(...all.map(({ epochs }) => epochs.length));
  return figure({
    title,
    legend: groups.map(({ label, color, symbol }) => ({ label, color, style: symbol })),
    drawing: lines(
      pen,
      classes ? "right samples, %" : "test loss",
      all.map(({ color, symbol, epochs }) => ({ color, symbol, points: pointsOf(epochs, value) })),
      title,
      classes,
    ),
    numbers: table(
      title,
      [{ head: "epoch" }, ...groups.map((g) => ({ head: g.label }))],
      Array.from({ length: last }, (_, k) => [
        String(k + 1),
        ...all.map(({ epochs }) => {
          const at = epochs[k];
          if (!at) return "-";
          return classes ? showPercent(at.testAccuracy) : showNumber(at.testLoss);
        }),
      ]),
    ),
  });
}

// --- internal ---

interface Series {
  readonly color: string;
  readonly dash?: string;
  /** Marks some points, so that lines can be told apart without their colours. */
  readonly symbol?: Group["symbol"];
  readonly points: readonly { readonly epoch: number; readonly value: number }[];
}

const pointsOf = (epochs: readonly EpochMetrics[], value: (e: EpochMetrics) => number | null): Series["points"] =>
  epochs.flatMap((e) => {
    const at = value(e);
    return at === null || !Number.isFinite(at) ? [] : [{ epoch: e.epoch, value: at }];
  });

function lines(pen: Pen, label: string, series: readonly Series[], title: string, percent = false): Html {
  const { plot } = pen;
  const last = Math.max(1, ...series.flatMap((s) => s.points.map((p) => p.epoch)));
  return pen.draw(
    {
      height: 260,
      x: { label: "epoch", domain: last > 1 ? [1, last] : [0, 2], ticks: ticksTo(last), tickFormat: "d" },
      y: { label, percent, grid: true, nice: true, zero: !percent },
      marks: series.flatMap(({ color, dash, symbol, points }, k) => [
        plot.line(points, {
          x: "epoch",
          y: "value",
          stroke: color,
          strokeWidth: 2,
          ...(dash ? { strokeDasharray: dash } : {}),
        }),
        symbol
          ? plot.dot(some(points, k), { x: "epoch", y: "value", fill: color, symbol, r: 4 })
          : plot.dot(points.length <= 12 ? points : [], { x: "epoch", y: "value", fill: color, r: 3 }),
      ]),
    },
    { title },
  );
}

/** A few points of the kth line, not those of the others. */
function some<T>(points: readonly T[], k: number): T[] {
  const every = Math.max(1, Math.ceil(points.length / 4));
  return points.filter((_, i) => i % every === k % every);
}

/** Whole epochs, at most a dozen. */
function ticksTo(last: number): number[] {
  const every = Math.ceil(last / 12);
  return Array.from({ length: Math.floor(last / every) }, (_, k) => (k + 1) * every);
}
