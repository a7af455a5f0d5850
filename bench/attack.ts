/** @file PGD with 100 steps on 1,000 MNIST images, ours against the same written plainly in PyTorch and JAX. Run by itself: `npx tsx bench/attack.ts`. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { moved, pointInBall } from "../src/attack/ball.ts";
import { ascender } from "../src/attack/pgd.ts";
import { targetOf } from "../src/attack/target.ts";
import type { Dataset } from "../src/data/dataset.ts";
import { digits } from "../src/data/digits.ts";
import { writeNpy } from "../src/data/npy.ts";
import { nodeEngine } from "../src/engine/node.ts";
import { freeze } from "../src/models/freeze.ts";
import { random } from "../src/tensor/random.ts";
import { startPeers } from "./peers.ts";
import { ratio, takeTurns } from "./rounds.ts";
import { tasks } from "./step.ts";

const threads = Number(process.env.BENCH_THREADS ?? 2);
const rounds = Number(process.env.BENCH_ROUNDS ?? 3);
const steps = 100;
/** So small that no decision changes, and no sample is done before its last step. */
const radius = 1e-4;
/** Images at a time in a peer: what a user writes, and what we do. The faster one counts. */
const peerRows = [1000, 128];

const { test } = await digits();
const folder = mkdtempSync(join(tmpdir(), "lipschitz-bench-"));
const images = join(folder, "images.npy");
writeFileSync(images, writeNpy(test.x, [test.count, 1, 28, 28]));
const peers = await startPeers({ torch: "attack.py", jax: "attack_jax.py" }, threads, [images, radius, steps]);
console.log([`${threads} threads`, ...peers.map((p) => p.title)].join("; "));
for (const name of ["mlp", "fashion", "convnet"]) await compare(name);
for (const peer of peers) peer.close();
rmSync(folder, { recursive: true });

// --- internal ---

async function compare(name: string): Promise<void> {
  const mine = await ours(name);
  const theirs = peers.flatMap((peer) =>
    peerRows.map((rows) => [`${peer.name}, ${rows} images at a time`, () => peer.ask(name, rows)] as const),
  );
  const times = await takeTurns(rounds, { ours: mine.seconds, ...Object.fromEntries(theirs) });
  await mine.close();
  console.log(`\n${name}: PGD-${steps} on ${test.count} images`);
  for (const each in times) console.log(`  ${each}: ${Math.round(test.count / Math.min(...times[each]))} images/s`);
  for (const each of Object.keys(times).slice(1)) {
    console.log(`  times as fast as ${each}: ${ratio(times[each], times.ours)}`);
  }
}

async function ours(name: string) {
  const { model, sample: shape } = tasks[name];
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
