/**
 * @file The results that the README shows, from the record of a comparison: `npx tsx scripts/results.ts RECORD.json`, after
 * `lipschitz compare --seeds 3`. They are kept in bench/studies/results/digits.json; a test holds the README to them.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { resultsOf, withResults } from "../bench/results.ts";

const [file] = process.argv.slice(2);
if (!file) throw new Error("usage: npx tsx scripts/results.ts RECORD.json");
const results = resultsOf(JSON.parse(readFileSync(file, "utf8")));
const kept = new URL("../bench/studies/results/digits.json", import.meta.url);
const readme = new URL("../README.md", import.meta.url);
writeFileSync(kept, `${JSON.stringify(results, null, 2)}\n`);
writeFileSync(readme, withResults(readFileSync(readme, "utf8"), results));
