/**
 * @file `npm run soak [-- N SEED]`: N random models (default 100,000) from a first seed (default 0) are checked as test/long/models.test.ts checks a few, in two processes.
 * `npm run soak -- replay SEED` checks one, and prints it made small where it has a breach. An interrupted run writes what it has, and goes on from there when it is asked again at the same commit; the result is bench/soak.md and bench/soak.json.
 */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as ort from "onnxruntime-node";
import { count, emptyTally, minimal, type Tally, together } from "../test/soak/tally.ts";

const root = fileURLToPath(new URL("../", import.meta.url));
const folder = `${root}runs/soak/`;
const processes = 2;
const signals = ["SIGINT", "SIGTERM"] as const;
/** Models between two notes of how far a process is. */
const stretch = 100;

interface Progress {
  readonly next: number;
  readonly seconds: number;
  readonly tally: Tally;
}

interface Part {
  readonly models: number;
  readonly seed: number;
  readonly commit: string;
}

async function replay(seed: number): Promise<void> {
  console.log((await minimal(seed)) ?? `seed ${seed}: no breach`);
}

/** Every other seed. A breach is shown at once and counted; it does not end the run. */
async function part(index: number, { models, seed, commit }: Part): Promise<void> {
  const file = fileOf(index, { models, seed, commit });
  const before: Progress = existsSync(file)
    ? (JSON.parse(readFileSync(file, "utf8")) as Progress)
    : { next: seed + index, seconds: 0, tally: emptyTally() };
  const started = performance.now();
  const { tally } = before;
  const note = (next: number) => {
    const seconds = before.seconds + (performance.now() - started) / 1000;
    writeFileSync(`${file}.part`, JSON.stringify({ next, seconds, tally } satisfies Progress));
    renameSync(`${file}.part`, file);
  };
  let told = false;
  let shown = tally.breaches.length;
  for (const signal of signals) process.on(signal, () => (told = true));
  let at = before.next;
  for (; at < seed + models && !told; at += processes) {
    await count(tally, at);
    if (tally.breaches.length > shown) {
      shown = tally.breaches.length;
      console.log(await minimal(at));
    }
    if (tally.models % stretch === 0) {
      note(at + processes);
      if (tally.models % (10 * stretch) === 0) console.log(`process ${index}: ${tally.models} models`);
    }
  }
  note(at);
}

async function everything(models: number, seed: number): Promise<void> {
  if (!(Number.isInteger(models) && models > 0 && Number.isInteger(seed) && seed >= 0)) {
    throw new Error(`soak: how many models and the first seed must be whole numbers, got ${models} and ${seed}`);
  }
  mkdirSync(folder, { recursive: true });
  const commit = git("rev-parse", "HEAD");
  const asked: Part = { models, seed, commit };
  const codes = await Promise.all(
    Array.from({ length: processes }, (_, index) => {
      const child = spawn(
        process.execPath,
        [...process.execArgv, process.argv[1], "part", String(index), JSON.stringify(asked)],
        {
          stdio: "inherit",
        },
      );
      // They end with the model at hand, and what they have counted is written.
      for (const signal of signals) process.on(signal, () => child.kill(signal));
      return new Promise<number>((resolve) => child.on("exit", (code) => resolve(code ?? 1)));
    }),
  );
  const parts = codes.map((_, index) => JSON.parse(readFileSync(fileOf(index, asked), "utf8")) as Progress);
  const tally = parts.map((p) => p.tally).reduce(together);
  const seconds = Math.max(...parts.map((p) => p.seconds));
  if (codes.some((code) => code !== 0)) {
    console.log(`soak: stopped after ${tally.models} models`);
    process.exit(3);
  }
  write(tally, asked, seconds);
  if (tally.breaches.length > 0) {
    console.log(`soak: breaches at seeds ${tally.breaches.map((b) => b.seed).join(", ")}`);
    process.exit(3);
  }
}

const fileOf = (index: number, { models, seed, commit }: Part): string =>
  `${folder}${commit.slice(0, 12)}-${models}-${seed}-${index}.json`;

const git = (...args: readonly string[]): string => execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim();

function write(tally: Tally, { models, seed, commit }: Part, seconds: number): void {
  const dirty =
    git("status", "--porcelain", "--untracked-files=no", "src", "test") === ""
      ? ""
      : ", with changes that are not committed";
  const sorted = (counts: Readonly<Record<string, number>>) => Object.entries(counts).sort((a, b) => b[1] - a[1]);
  const list = (counts: Readonly<Record<string, number>>, most: number) =>
    sorted(counts)
      .slice(0, most)
      .map(([why, n]) => `| ${why.replaceAll("|", "\\|")} | ${n} |`);
  const operators = Object.entries(tally.operators).sort(([a], [b]) => (a < b ? -1 : 1));
  const lines = [
    "# Soak",
    "",
    "Random models of every operator that is read, each run by ONNX Runtime as it is and compared with what was read, bounded, searched for pairs of points above a bound,",
    "asked for slopes and properties on boxes, and where it decides certified, verified and attacked (`test/soak`). Written by `npm run soak`.",
    "",
    "| | |",
    "|---|---:|",
    `| models | ${tally.models} |`,
    `| breaches | ${tally.breaches.length} |`,
    `| not opened by the runtime, or not run | ${tally.illegal + tally.fails} |`,
    `| refused by the library | ${tally.refused} |`,
    `| compared with the runtime | ${tally.checked} |`,
    `| outputs compared | ${tally.compared} |`,
    `| outputs at jumps, poles, overflows | ${tally.open} |`,
    `| models with a proved bound | ${tally.bounded} |`,
    `| proved upper bounds | ${tally.upperBounds} |`,
    `| witnessed lower bounds | ${tally.lowerBounds} |`,
    `| certified radii | ${tally.radii} |`,
    `| certificates that verify accepts | ${tally.verified} |`,
    `| partial slopes on boxes | ${tally.slopes} |`,
    `| properties proved; violated at a point | ${tally.held}; ${tally.violated} |`,
    "",
    `${tally.models < models ? `The first ${tally.models} of the seeds` : `Seeds`} ${seed} to ${seed + models - 1}, commit ${commit.slice(0, 12)}${dirty}, ${Math.round(seconds)} s in ${processes} processes (${(tally.models / seconds).toFixed(1)} models a second).`,
    "",
    "## By operator",
    "",
    "Models that hold it; of these read and compared; of these with a proved bound in the norm and on the domain that were drawn.",
    "",
    "| operator | models | compared | bounded |",
    "|---|---:|---:|---:|",
    ...operators.map(([op, own]) => `| ${op} | ${own.models} | ${own.checked} | ${own.bounded} |`),
    "",
    "## Refused, or not run",
    "",
    "| why | models |",
    "|---|---:|",
    ...list(tally.refusals, 40),
    "",
    "## Without a constant",
    "",
    "| why | models |",
    "|---|---:|",
    ...list(tally.noConstant, 30),
    "",
  ];
  writeFileSync(`${root}bench/soak.md`, lines.join("\n"));
  writeFileSync(
    `${root}bench/soak.json`,
    `${JSON.stringify({ commit, seed, seconds: Math.round(seconds), ...tally }, null, 1)}\n`,
  );
  console.log(
    `soak: ${tally.models} models, ${tally.breaches.length} breaches, ${Math.round(seconds)} s; bench/soak.md`,
  );
}

ort.env.logLevel = "fatal";
const [first = "100000", second = "0", third] = process.argv.slice(2);
if (first === "replay") await replay(Number(second));
else if (first === "part") await part(Number(second), JSON.parse(third) as Part);
else await everything(Number(first), Number(second));
// The runtime's threads would hold the process.
process.exit(0);
