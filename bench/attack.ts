/** @file PGD with 100 steps on 1,000 MNIST images, ours against the same written plainly in PyTorch. Run by itself: `npx tsx bench/attack.ts`. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { moved, pointInBall } from "../src/attack/ball.ts";
import { ascender } from "../src/attack/pgd.ts";
import { targetOf } from "../src/attack/target.ts";
import type { Dataset } from "../src/data/dataset.ts";
import { digits } from "../src/data/digits.ts";
import { writeNpy } from "../src/data/npy.ts";
import { nodeEngine } from "../src/engine/node.ts";
import type { Layer } from "../src/layers/layer.ts";
import { convnet } from "../src/models/convnet.ts";
import { freeze } from "../src/models/freeze.ts";
import { mlp } from "../src/models/mlp.ts";
import type { Named } from "../src/tensor/named.ts";
import { random } from "../src/tensor/random.ts";
import { findTorch } from "./pytorch.ts";

/** The same networks stand in attack.py. */
const networks: Named<Layer> = {
  mlp: mlp([784, 128, 64, 10]),
  convnet: convnet(10, { channels: [16, 32], hidden: 100 }),
};

const threads = Number(process.env.BENCH_THREADS ?? 2);
const rounds = Number(process.env.BENCH_ROUNDS ?? 3);
const steps = 100;
/** So small that no decision changes, and no sample is done before its last step. */
const radius = 1e-4;
/** Images at a time in PyTorch: what a user writes, and what we do. The faster one counts. */
const torchRows = [1000, 128];

const { test } = await digits();
const torch = await startTorch(test);
for (const name of Object.keys(networks)) await compare(name);
torch?.close();

// --- internal ---

async function compare(name: string): Promise<void> {
  const mine = await ours(name);
  const times: number[] = [];
  const theirs = torchRows.map((): number[] => []);
  for (let round = -1; round < rounds; round++) {
    await pause(200);
    const seconds = await mine.seconds();
    if (round >= 0) times.push(seconds);
    for (const [k, rows] of torchRows.entries()) {
      await pause(200);
      const other = await torch?.seconds(name, rows);
      if (round >= 0 && other !== undefined) theirs[k].push(other);
    }
  }
  await mine.close();
  const speed = (seconds: number) => `${Math.round(test.count / seconds)} images/s`;
  console.log(`\n${name}: PGD-${steps} on ${test.count} images: ${speed(Math.min(...times))}`);
  if (theirs[0].length === 0) return;
  const best = theirs.map((list) => Math.min(...list));
  torchRows.forEach((rows, k) => {
    console.log(`  PyTorch, ${rows} images at a time: ${speed(best[k])}`);
  });
  const fastest = Math.min(...best) / Math.min(...times);
  console.log(`  times as fast as PyTorch's faster one, by the fastest rounds: ${fastest.toFixed(2)}`);
}

async function ours(name: string) {
  const model = networks[name];
  const sample = [1, 28, 28];
  const shape = name === "mlp" ? [784] : sample;
  const engine = nodeEngine({ threads });
  const network = await freeze(engine, model, model.init(random(0), shape), shape);
  const data: Dataset = { ...test, shape };
  const target = targetOf(network, engine, data);
  const own = await target.decide(data.x);
  const climber = await ascender(target, {
    ...{ norm: 2, range: [0, 1], loss: "cross-entropy", steps, step: 0.025, patience: null, momentum: 0 },
  });
  return {
    async seconds() {
      const source = random(1);
      const begin = performance.now();
      const start = new Float32Array(data.x.length);
      for (let i = 0; i < data.count; i++) {
        const x = data.x.subarray(784 * i, 784 * (i + 1));
        start.set(moved(x, pointInBall(source, { norm: 2, radius }, 784), 1, [0, 1]), 784 * i);
      }
      const rows = { center: data.x, start, own, radius: new Float64Array(data.count).fill(radius) };
      await climber.run(rows, source);
      return (performance.now() - begin) / 1000;
    },
    async close() {
      await climber.dispose();
      await target.dispose();
    },
  };
}

async function startTorch(data: Dataset) {
  const python = findTorch();
  if (!python) {
    console.log("PyTorch: not compared, no Python with torch in $PYTHON, python3 or /usr/bin/python3");
    return null;
  }
  const folder = mkdtempSync(join(tmpdir(), "lipschitz-bench-"));
  const images = join(folder, "images.npy");
  writeFileSync(images, writeNpy(data.x, [data.count, 1, 28, 28]));
  const script = fileURLToPath(new URL("attack.py", import.meta.url));
  const child = spawn(python, [script, String(threads), images, String(radius), String(steps)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error("attack.py ended early");
    return value;
  };
  console.log(`PyTorch ${(await next()).split(" ")[1]}, ${threads} threads`);
  return {
    async seconds(network: string, rows: number) {
      child.stdin.write(`${network} ${rows}\n`);
      return Number(await next());
    },
    close() {
      child.stdin.end();
      rmSync(folder, { recursive: true });
    },
  };
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((done) => setTimeout(done, milliseconds));
}
