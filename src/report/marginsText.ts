/** @file Margins and complexity as text for a terminal. */
import { printable } from "../tensor/printable.ts";
import type { MarginsFound } from "./margins.ts";
import { showAtLeast, showAtMost, showNumber, showPercent } from "./number.ts";
import { textTable } from "./textTable.ts";

/** A row for each network, and the layers of the first. */
export function renderMargins({ model, data, networks }: MarginsFound): string {
  const rows = textTable(["", "accuracy", "test", "R_A", "constant", "median", "/ R_A", "/ constant"]);
  for (const { label, found, testAccuracy } of networks) {
    const half = found.quantiles.find(({ part }) => part === 0.5);
    rows.push([
      label,
      showPercent(found.accuracy),
      showPercent(testAccuracy),
      found.complexity ? showAtMost(found.complexity.value) : "-",
      `${showAtLeast(found.constant.lower)} to ${showAtMost(found.constant.upper)}`,
      showNumber(half?.margin),
      showNumber(half?.byComplexity),
      showNumber(half?.byConstant),
    ]);
  }
  const [{ found }] = networks;
  const lines = [
    printable(`Margins of ${model} on ${found.samples} samples of ${data}`),
    rows.toString(),
    "R_A: spectral complexity, constant: of Lipschitz in l2 (witnessed to proved); median: of f_y - max f_j,",
    "over them: divided by them and by ||X||_F / n, larger is better.",
  ];
  if (!found.complexity) lines.push(printable(`No R_A: ${found.why ?? "the network is no chain"}.`));
  else {
    const layers = textTable(["layer", "shape", "||A||_2", "||A^T||_2,1", "ratio"]);
    for (const [i, { shape, norm, group }] of found.complexity.layers.entries()) {
      layers.push([
        String(i + 1),
        `${shape[0]}x${shape[1]}`,
        showAtMost(norm),
        showAtMost(group),
        showNumber(group / norm),
      ]);
    }
    lines.push(layers.toString());
  }
  return lines.join("\n");
}
