/** @file Samples in the order of their distance to the decision boundary, as text for a terminal and as a table for a file. */
import type { Ranked } from "../certify/rank.ts";
import { type Dataset, sampleName } from "../data/dataset.ts";
import { dataLines } from "./data.ts";
import { nameOf } from "./figures/pictures.ts";
import { showAtLeast, showAtMost, showNorm, showPercentAtLeast } from "./number.ts";
import { textTable } from "./textTable.ts";

/** The nearest samples with brackets and proved ranks. */
export function renderRanked({ norm, samples, proved }: Ranked, data: Dataset, top: number): string {
  const rows = textTable(["place", "rank, proved", "sample", "decided", "becomes", "at least", "at most"]);
  for (const { place, rank, index, predicted, becomes, lower, upper } of samples.slice(0, top)) {
    rows.push([
      String(place),
      rank[0] === rank[1] ? String(rank[0]) : `${rank[0]} to ${rank[1]}`,
      sampleName(data, index),
      nameOf(data.classNames, predicted),
      becomes === null ? "-" : nameOf(data.classNames, becomes),
      showAtLeast(lower),
      upper === null ? "-" : showAtMost(upper),
    ]);
  }
  const missed = samples.filter((s) => s.upper === null).length;
  return [
    ...dataLines(data),
    `Nearest to the decision boundary, ${showNorm(norm)}: distances proved from below and witnessed from above`,
    rows.toString(),
    `The order of ${showPercentAtLeast(proved)} of all pairs of samples is proved.${missed > 0 ? ` Of ${missed} no change of decision was found.` : ""}`,
  ].join("\n");
}

/** A line for each sample, the nearest first: for whoever is to label them. */
export function rankedCsv({ samples }: Ranked, data: Dataset): string {
  const cell = (text: string) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const lines = samples.map(({ index, place, rank, predicted, becomes, lower, upper }) =>
    [
      ...[String(place), String(rank[0]), String(rank[1]), String(index), cell(sampleName(data, index))],
      ...[cell(nameOf(data.classNames, predicted)), becomes === null ? "" : cell(nameOf(data.classNames, becomes))],
      ...[String(lower), upper === null ? "" : String(upper)],
    ].join(","),
  );
  return `${["place,first,last,index,sample,decided,becomes,lower,upper", ...lines].join("\n")}\n`;
}
