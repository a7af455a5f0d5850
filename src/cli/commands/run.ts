/** @file lipschitz run SPEC: a run or a comparison as a JSON file says it, with a paper's numbers beside ours where it names them. */
import { join } from "node:path";
import { parseComparison } from "../../experiment/comparison.ts";
import { command } from "../command.ts";
import { dataOptions } from "../data.ts";
import { CliError } from "../errors.ts";
import { readJson } from "../files.ts";
import { showComparison } from "../showComparison.ts";

export const run = command({
  name: "run",
  description:
    "Carry out what a spec says: one run, or a comparison of several. Its JSON Schema is lipschitz/spec.schema.json",
  example: "lipschitz run bench/studies/lbdn-square-wave.json --out runs/square-wave",
  args: {
    spec: { type: "positional", required: false, description: "A JSON file" },
    "data-dir": dataOptions["data-dir"],
    out: { type: "string", description: "Folder for models and records. Default: runs/<name>", valueHint: "DIR" },
  },
  goOn: () => "what is done is kept: the same command goes on from there",
  async run({ spec: path, out, "data-dir": dataDir }, surroundings) {
    if (path === undefined) throw new CliError("run: missing SPEC, a JSON file");
    const spec = parseComparison(await readJson(path));
    await showComparison(spec, out ?? join("runs", spec.name), { ...surroundings, dataDir });
  },
});
