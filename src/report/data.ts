/** @file What a text for a terminal says of the data: how many samples of which file, and which of them are weakest, by their own names. */
import { type Dataset, type Samples, sampleName } from "../data/dataset.ts";
import type { RunRecord } from "../experiment/record.ts";
import { showPercent } from "./number.ts";

/** How many samples of what, and what was guessed in reading them. */
export const dataLines = ({ name, count, notes = [] }: Pick<Samples, "name" | "count" | "notes">): string[] => [
  `${count} sample${count === 1 ? "" : "s"} of ${name}`,
  ...notes,
];

/** The same of runs, which have two parts. */
export function runLines(records: readonly RunRecord[]): string[] {
  const lines = records.flatMap(({ data: { name, samples, notes = [] } }) => [
    `Data: ${samples.train} samples of ${name} to train on, ${samples.test} to test on.`,
    ...notes,
  ]);
  return [...new Set(lines)];
}

/** "accuracy 97.5 %, ", or nothing where the labels are the network's own decisions. */
export const accuracyOf = (accuracy: number, { labelsFrom }: Pick<Dataset, "labelsFrom">): string =>
  labelsFrom === "predictions" ? "" : `accuracy ${showPercent(accuracy)}, `;

/** How many samples are named. */
const named = 3;

/** One line with the samples of the smallest values, among those that are decided right; none where data have no names for them. */
export function weakestLine<S extends { readonly index: number; readonly label: number; readonly predicted: number }>(
  what: string,
  samples: readonly S[],
  data: Dataset,
  measured: (sample: S) => { readonly value: number | null; readonly becomes?: number | null },
  show: (value: number) => string,
): string[] {
  if (data.ids === undefined) return [];
  const found = samples.flatMap((sample) => {
    const { value, becomes } = measured(sample);
    return sample.label === sample.predicted && value !== null ? [{ sample, value, becomes }] : [];
  });
  const least = found.sort((a, b) => a.value - b.value).slice(0, named);
  if (least.length === 0) return [];
  const className = (label: number) => data.classNames?.[label] ?? `class ${label}`;
  const words = least.map(({ sample: { index, label }, value, becomes }) => {
    const turn = becomes === undefined || becomes === null ? "" : ` becomes ${className(becomes)}`;
    return `${sampleName(data, index)} (${className(label)}${turn}) ${show(value)}`;
  });
  return [`${what}: ${words.join(", ")}`];
}
