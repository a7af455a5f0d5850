/** @file Error bands of a regression as text for a terminal. */
import Table from "cli-table3";
import type { Bands } from "../certify/bands.ts";
import type { Dataset } from "../data/dataset.ts";
import { dataLines } from "./data.ts";
import { showAtMost, showNorm } from "./number.ts";

/** For each output its constant and errors, at the samples and within each radius; most outputs are shown, not all of hundreds. */
export function renderBands({ norm, outputs, bands }: Bands, data: Dataset): string {
  const table = new Table({
    head: ["output", "radius", "moves by at most", "mean error", "largest error"],
    style: { head: [], border: [], compact: true },
  });
  const shown = outputs.slice(0, most);
  shown.forEach(({ error }, j) => {
    table.push([String(j), "0", "0", showAtMost(error.mean), showAtMost(error.largest)]);
    for (const { radius, outputs: own } of bands) {
      const { band, error: within } = own[j];
      table.push(["", String(radius), showAtMost(band), showAtMost(within.mean), showAtMost(within.largest)]);
    }
  });
  const rest = outputs.length > most ? [`... and ${outputs.length - most} more outputs, in --json`] : [];
  const constants = shown.map(({ constant }) => showAtMost(constant)).join(", ");
  return [
    ...dataLines(data),
    `Constants of the outputs, ${showNorm(norm)}, proved: ${constants}`,
    table.toString(),
    ...rest,
    `Errors are of the targets, at the samples or at any input within the radius of one in ${showNorm(norm)}; no error is larger.`,
  ].join("\n");
}

// --- internal ---

const most = 20;
