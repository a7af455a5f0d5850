/** @file lipschitz data: what data sets there are, and fetching those that are not embedded. */
import { type CommandDef, defineCommand } from "citty";
import { FETCH_NAMES, fetchDataset } from "../../data/fetch.ts";
import { command } from "../command.ts";
import { parseWord } from "../options.ts";

const fetchCommand = command({
  name: "fetch",
  description: "Download a data set into the cache folder (resumes, checks the sha256)",
  example: "lipschitz data fetch mnist",
  args: {
    name: { type: "positional", required: true, description: FETCH_NAMES.join(" | ") },
    "data-dir": {
      type: "string",
      description: "Folder to put it in. Default: the platform's cache folder",
      valueHint: "DIR",
    },
  },
  goOn: () => "what came is kept: the same command goes on from there",
  async run(args, { progress, signal, result }) {
    const name = parseWord("NAME", args.name, FETCH_NAMES);
    const bars = new Map<string, ReturnType<typeof progress.bar>>();
    const folder = await fetchDataset(name, {
      ...(args["data-dir"] === undefined ? {} : { folder: args["data-dir"] }),
      signal,
      onProgress({ file, received, total }) {
        const bar = bars.get(file) ?? progress.bar(file, total);
        bars.set(file, bar);
        bar.at(received, `${(received / 1e6).toFixed(1)} of ${(total / 1e6).toFixed(1)} MB`);
      },
    });
    result({ name, folder }, () => `${name} is in ${folder}`);
  },
});

export const data = defineCommand({
  meta: { name: "data", description: "Data sets: fetch" },
  subCommands: { fetch: fetchCommand as CommandDef },
});
