/** @file What the studies share: means over seeds, tables, and their results written beside them. */
import { writeFile } from "node:fs/promises";
import { arch, cpus } from "node:os";
import { tool } from "../../src/experiment/tool.ts";

export interface Spread {
  readonly mean: number;
  /** Half the distance from the smallest to the largest. */
  readonly half: number;
}

export function spread(values: readonly number[]): Spread {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return { mean, half: (Math.max(...values) - Math.min(...values)) / 2 };
}

/** "84.81 (0.35)": the mean, and half the range of the seeds. */
export function showSpread({ mean, half }: Spread): string {
  if (mean !== 0 && Math.abs(mean) < 0.01)
    return half === 0 ? mean.toExponential(1) : `${mean.toExponential(1)} (${half.toExponential(1)})`;
  const digits = Math.abs(mean) >= 100 ? 1 : Math.abs(mean) >= 1 ? 2 : 3;
  return half === 0 ? mean.toFixed(digits) : `${mean.toFixed(digits)} (${half.toFixed(digits)})`;
}

/** A table in Markdown. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** Write bench/studies/<name>.md, and what it rests on into bench/studies/results/<name>.json. */
export async function writeStudy(name: string, results: object, text: readonly string[]): Promise<void> {
  const machine = { cpu: cpus()[0].model, cores: cpus().length, arch: arch(), node: process.version };
  const json = { study: name, tool: { name: tool.name, version: tool.version }, machine, ...results };
  await writeFile(new URL(`results/${name}.json`, import.meta.url), `${JSON.stringify(json, null, 2)}\n`);
  await writeFile(new URL(`${name}.md`, import.meta.url), `${text.join("\n")}\n`);
}
