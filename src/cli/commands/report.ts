/** @file lipschitz report: what train or compare found, or what is found of a model on samples, as one HTML file to read, to send and to print. */
import { join } from "node:path";
import { renderReport } from "../../report/report.ts";
import { sound } from "../alarm.ts";
import { command } from "../command.ts";
import { dataOptions } from "../data.ts";
import { CliError } from "../errors.ts";
import { checkOption, inputOptions } from "../network.ts";
import { normOption, preprocessingOptions, radiiOption, seedOption } from "../options.ts";
import { openFile, writeWhole } from "../output.ts";
import { reportNetwork } from "../reportNetwork.ts";
import { readRunFolder } from "../runFolder.ts";

/** What is said of samples and of a model in front of them; the record of a run has its own. */
const sampling = { ...dataOptions, ...inputOptions, ...preprocessingOptions } as const;

export const report = command({
  name: "report",
  description:
    "Draw one HTML file without scripts and without network: of a folder that train or compare wrote, or of a model, which is bracketed, certified and attacked on --data",
  example: "lipschitz report runs/digits --out digits.html",
  args: {
    source: { type: "positional", required: true, description: "A folder with record.json, or an .onnx file" },
    ...sampling,
    ...normOption,
    ...radiiOption,
    ...checkOption,
    ...seedOption,
    out: {
      type: "string",
      description: "The file to write. Default: report.html in the folder, NAME-report.html beside NAME.onnx",
      valueHint: "FILE",
    },
  },
  async run(args, { progress, signal, result }) {
    const { source } = args;
    if (source.endsWith(".onnx")) {
      const { data } = args;
      if (data === undefined)
        throw new CliError(`report: missing --data D, the samples on which ${source} is measured`);
      const path = args.out ?? source.replace(/\.onnx$/, "-report.html");
      const { alarm, ...summary } = await reportNetwork(source, path, { ...args, data }, { progress, signal });
      result({ ...summary, alarm }, () => written(path, summary.bytes));
      sound(source, alarm);
      return;
    }
    const strange = Object.keys(sampling).find((name) => args[name as keyof typeof args] !== undefined);
    if (strange !== undefined)
      throw new CliError(
        `--${strange}: is an option for an .onnx file; ${source} is the folder of a run, which has its data`,
      );
    const runs = await readRunFolder(source);
    const path = args.out ?? join(source, "report.html");
    await openFile(path);
    const text = await renderReport(runs);
    await writeWhole(path, text);
    const summary = { report: path, bytes: new TextEncoder().encode(text).length, runs: runs.length };
    result(summary, () => written(path, summary.bytes));
  },
});

// --- internal ---

const written = (path: string, bytes: number): string => `Written: ${path} (${(bytes / 1000).toFixed(0)} kB)`;
