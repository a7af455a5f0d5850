/**
 * @file Lipschitz-margin training of 784-128-64-10 on 20,000 images of Fashion-MNIST, 5 epochs, over c, form and norms, 3 seeds each:
 * accuracy, accuracy certified by products of norms and by lipsdp, attacks. Writes results/lmt-fashion.json; `tsx bench/studies/lmt-fashion.ts`.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { take } from "../../src/data/dataset.ts";
import { loadDataset } from "../../src/data/files.ts";
import { nodeEngine } from "../../src/engine/node.ts";
import { mlp } from "../../src/models/mlp.ts";
import { type LmtOptions, lmt } from "../../src/train/lmt.ts";
import { train } from "../../src/train/loop.ts";
import { constantRate } from "../../src/train/schedule.ts";
import { type Measured, mean, measure, percent } from "./certified.ts";

const settings: readonly LmtOptions[] = [
  { c: 0 },
  { c: 0.1 },
  { c: 0.3 },
  { c: 1 },
  { c: 1, form: "shared" },
  { c: 1, norms: "gram" },
  { c: 0.3, form: "gloro" },
];
const seeds = [1, 2, 3];
const radii = [0.1, 0.3, 0.5];
const file = new URL("results/lmt-fashion.json", import.meta.url);

interface Row extends Measured {
  readonly setting: LmtOptions;
  readonly seed: number;
  readonly trainSeconds: number;
}

const engine = nodeEngine();
const whole = await loadDataset("fashion-mnist");
const data = { train: take(whole.train, 20000), test: take(whole.test, 2000) };
const rows: Row[] = [];
// What a run that was cut short has measured is not measured again.
const before: readonly Row[] = process.argv.includes("--resume") ? JSON.parse(readFileSync(file, "utf8")).rows : [];
for (const seed of seeds) {
  for (const setting of settings) {
    const have = before.find((r) => r.seed === seed && JSON.stringify(r.setting) === JSON.stringify(setting));
    rows.push(have ?? (await row(setting, seed)));
    writeFileSync(file, `${JSON.stringify({ data: "fashion-mnist", samples: [20000, 2000], radii, rows }, null, 1)}\n`);
  }
}
show();

// --- internal ---

async function row(setting: LmtOptions, seed: number): Promise<Row> {
  let seconds = 0;
  for await (const event of train({
    engine,
    data,
    model: mlp([784, 128, 64, 10]),
    method: lmt({ ...setting, ramp: 1 }),
    schedule: constantRate(1e-3),
    epochs: 5,
    batch: 128,
    seed,
  })) {
    if (event.kind === "epoch") seconds += event.seconds;
    if (event.kind === "end") {
      const found = await measure(event.network, { engine, data: data.test, radii, seconds: 20, attacked: 500 });
      console.log(seed, JSON.stringify(setting), seconds.toFixed(1), JSON.stringify(found));
      return { setting, seed, trainSeconds: seconds, ...found };
    }
  }
  throw new Error("training ended without a network");
}

function show(): void {
  console.log(
    "| c | form | norms | clean | L product | L lipsdp | cert@0.1 | cert@0.3 | cert@0.5 | lipsdp pairs @0.1 | @0.3 | @0.5 | robust@0.3 | violations |",
  );
  console.log("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|");
  for (const setting of settings) {
    const own = rows.filter((r) => JSON.stringify(r.setting) === JSON.stringify(setting));
    const at = (k: number, what: "product" | "lipsdpPairs") => percent(own.map((r) => r.certified[k][what] ?? 0));
    const cells = [
      setting.c,
      setting.form ?? "pairs",
      setting.norms ?? "power",
      percent(own.map((r) => r.accuracy)),
      mean(own.map((r) => r.product)).toFixed(1),
      mean(own.map((r) => r.lipsdp ?? 0)).toFixed(1),
      ...[0, 1, 2].map((k) => at(k, "product")),
      ...[0, 1, 2].map((k) => at(k, "lipsdpPairs")),
      percent(own.map((r) => r.attacked.robust[1].accuracy)),
      own.reduce((n, r) => n + r.attacked.violations, 0),
    ];
    console.log(`| ${cells.join(" | ")} |`);
  }
}
