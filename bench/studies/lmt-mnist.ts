/**
 * @file Lipschitz-margin training of the convolutional network of Tsuzuku et al. 2018, section 6.1, on MNIST, and GloRo in the same frame:
 * certified accuracy at 0.3 and 1.58. Writes results/lmt-mnist.json; `tsx bench/studies/lmt-mnist.ts [epochs] [samples] [data folder]`.
 */
import { writeFileSync } from "node:fs";
import { take } from "../../src/data/dataset.ts";
import { loadDataset } from "../../src/data/files.ts";
import { nodeEngine } from "../../src/engine/node.ts";
import { activation } from "../../src/layers/activation.ts";
import { conv } from "../../src/layers/conv.ts";
import { dense } from "../../src/layers/dense.ts";
import { flatten } from "../../src/layers/pool.ts";
import { sequential } from "../../src/layers/sequential.ts";
import { type LmtOptions, lmt } from "../../src/train/lmt.ts";
import { train } from "../../src/train/loop.ts";
import { cosine } from "../../src/train/schedule.ts";
import { type Measured, measure, percent } from "./certified.ts";

const epochs = Number(process.argv[2] ?? 20);
const samples = Number(process.argv[3] ?? 60000);
const settings: readonly LmtOptions[] = [{ c: 0 }, { c: 1 }, { c: 0.3, form: "gloro" }, { c: 1.58, form: "gloro" }];
const radii = [0.1, 0.3, 0.5, 1, 1.58];
const file = new URL("results/lmt-mnist.json", import.meta.url);

interface Row extends Measured {
  readonly setting: LmtOptions;
  readonly trainSeconds: number;
}

/** Convolutions 4 x 4 with stride 2, 16 and 32 channels, then 100 and 10. */
const model = () =>
  sequential([
    conv(16, { kernel: 4, stride: 2, padding: 1 }),
    activation("relu"),
    conv(32, { kernel: 4, stride: 2, padding: 1 }),
    activation("relu"),
    flatten(),
    dense(100),
    activation("relu"),
    dense(10),
  ]);

const engine = nodeEngine();
const whole = await loadDataset("mnist", process.argv[4] ? { dataDir: process.argv[4] } : {});
const rows: Row[] = [];
for (const setting of settings) {
  rows.push(await row(setting));
  const sizes = [samples, whole.test.count];
  writeFileSync(file, `${JSON.stringify({ data: "mnist", samples: sizes, epochs, radii, rows }, null, 1)}\n`);
}
show();

// --- internal ---

async function row(setting: LmtOptions): Promise<Row> {
  let seconds = 0;
  for await (const event of train({
    engine,
    data: { train: take(whole.train, samples), test: take(whole.test, 1000) },
    model: model(),
    method: lmt({ ...setting, ramp: epochs / 5 }),
    schedule: cosine(2e-3),
    epochs,
    batch: 100,
    seed: 1,
  })) {
    if (event.kind === "epoch") {
      seconds += event.seconds;
      console.log(event.epoch, event.trainLoss.toFixed(3), event.testAccuracy, event.seconds.toFixed(1));
    }
    if (event.kind === "end") {
      const found = await measure(event.network, { engine, data: whole.test, radii, seconds: null, attacked: 500 });
      console.log(JSON.stringify(setting), seconds.toFixed(1), JSON.stringify(found));
      return { setting, trainSeconds: seconds, ...found };
    }
  }
  throw new Error("training ended without a network");
}

function show(): void {
  console.log(
    `| c | form | norms | clean | L | ${radii.map((r) => `cert@${r}`).join(" | ")} | robust@0.3 | robust@1.58 | violations |`,
  );
  console.log(`|---|---|---|---|---|${radii.map(() => "---|").join("")}---|---|---|`);
  for (const r of rows) {
    const robust = (k: number) => percent([r.attacked.robust[k].accuracy]);
    const cells = [
      r.setting.c,
      r.setting.form ?? "pairs",
      r.setting.norms ?? "power",
      percent([r.accuracy]),
      r.product.toFixed(1),
      ...r.certified.map((c) => percent([c.product])),
      robust(1),
      robust(4),
      r.attacked.violations,
    ];
    console.log(`| ${cells.join(" | ")} |`);
  }
}
