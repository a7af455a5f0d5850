/** @file lipschitz report RUN_DIR: what train or compare found, as one HTML file to read, to send and to print. */
import { join } from "node:path";
import { renderReport } from "../../report/report.ts";
import { command } from "../command.ts";
import { openFile, writeWhole } from "../output.ts";
import { readRunFolder } from "../runFolder.ts";

export const report = command({
  name: "report",
  description:
    "Draw the report of a folder that train or compare wrote: one HTML file without scripts and without network",
  example: "lipschitz report runs/digits --out digits.html",
  args: {
    run_dir: { type: "positional", required: true, description: "A folder with record.json" },
    out: { type: "string", description: "The file to write. Default: RUN_DIR/report.html", valueHint: "FILE" },
  },
  async run(args, { result }) {
    const runs = await readRunFolder(args.run_dir);
    const path = args.out ?? join(args.run_dir, "report.html");
    await openFile(path);
    const text = await renderReport(runs);
    await writeWhole(path, text);
    const summary = { report: path, bytes: new TextEncoder().encode(text).length, runs: runs.length };
    result(summary, () => `Written: ${path} (${(summary.bytes / 1000).toFixed(0)} kB)`);
  },
});
