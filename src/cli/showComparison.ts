/** @file A comparison carried out and shown: what `compare` and `run` have in common. */
import { join } from "node:path";
import type { ComparisonSpec } from "../experiment/comparison.ts";
import { renderComparison } from "../report/comparison.ts";
import { runLines } from "../report/data.ts";
import { renderReport } from "../report/report.ts";
import { alarmLines, claimLines } from "../report/text.ts";
import { kept, sound } from "./alarm.ts";
import type { Surroundings } from "./command.ts";
import { writeWhole } from "./output.ts";
import { runComparison } from "./runComparison.ts";
import { readRunFolder } from "./runFolder.ts";

/** Carry out a comparison into a folder, print its table, and sound the alarm where an attack refuted a certificate. */
export async function showComparison(
  spec: ComparisonSpec,
  folder: string,
  { dataDir, progress, signal, result }: Surroundings & { readonly dataDir: string | undefined },
): Promise<void> {
  const { rows, best, record } = await runComparison(spec, {
    folder,
    progress,
    signal,
    ...(dataDir !== undefined && { dataDir }),
  });
  await writeWhole(join(folder, "report.html"), await renderReport(await readRunFolder(folder)));
  const each = join(folder, "<method>", ...(spec.seeds.length > 1 ? ["seed-<n>"] : []));
  const decides = best.records[0].accuracy !== null;
  const why = decides ? "largest average certified radius" : "smallest test loss";
  const files = decides ? "model.onnx, record.json and certificate.json" : "model.onnx and record.json";
  result(record, () =>
    [
      renderComparison(rows, spec.paper),
      ...runLines(record.runs),
      ...alarmLines(record.runs),
      ...claimLines(rows),
      `Written to ${folder}: report.html, record.json and model.onnx (${best.label}: the ${why}),`,
      `and in ${each} ${files} of every run.`,
    ].join("\n"),
  );
  for (const run of record.runs) kept(run.spec.method.name, run.claim);
  for (const run of record.runs) sound(run.spec.method.name, run.attacked?.alarm ?? []);
}
