/** @file How far two networks are apart, as text: values and slopes output by output, and the constant of the difference. */
import type { Difference } from "../bounds/values/difference.ts";
import { printable } from "../tensor/printable.ts";
import { showAtLeast, showAtMost, showNorm, showNumber } from "./number.ts";
import { textTable } from "./textTable.ts";

/** What the numbers are of. */
export interface DifferenceNames {
  readonly first: string;
  readonly second: string;
}

/** Two tables, of values and of slopes; of many inputs the largest slopes. */
export function renderDifference(found: Difference, { first, second }: DifferenceNames): string {
  const { values, slopes, largest, constant, norm, pieces, seconds, status, by } = found;
  const apart = textTable(["output", "smallest", "largest"]);
  for (const [o, own] of values.outputs.slice(0, mostRows).entries())
    apart.push([
      `y${o}`,
      `${showAtLeast(own.smallest.proved)} (${showAtMost(own.smallest.found)})`,
      `${showAtMost(own.largest.proved)} (${showAtLeast(own.largest.found)})`,
    ]);
  const steep = textTable(["output", "input", "range, proved", "largest"]);
  const order = slopes.toSorted((a, b) => b.upper - a.upper);
  const shown = slopes.length <= mostRows ? slopes : order.slice(0, mostRows);
  for (const { output, input, range, lower, upper } of shown) {
    const [low, high] = range;
    const between = `${showAtLeast(low)} to ${showAtMost(high)}`;
    steep.push([`y${output}`, `x${input}`, between, `${showAtLeast(lower)} to ${showAtMost(upper)}`]);
  }
  const left = slopes.length - shown.length;
  const how = by === "derivatives" ? "derivatives, by lines" : "interval Jacobians";
  return [
    printable(`${first} - ${second} on the box, proved (found)`),
    apart.toString(),
    `No output differs by more than ${showAtMost(largest.upper)} (proved); one does by ${showAtLeast(largest.lower)} at ${largest.point.map((v, i) => `x${i} = ${showNumber(v)}`).join(", ")}`,
    `Slopes of the difference, found to proved (${how})`,
    steep.toString(),
    ...(left > 0 ? [`... ${left} more slopes: --json has all`] : []),
    `Lipschitz constant of the difference, ${showNorm(norm)}: between ${showAtLeast(constant.lower)} (witnessed) and ${showAtMost(constant.upper)} (proved)`,
    `${status === "done" ? "Closed" : "Stopped before all was closed"}: ${pieces} boxes in ${seconds.toFixed(2)} s.`,
  ].join("\n");
}

// --- internal ---

const mostRows = 24;
