/** @file A training step of sandwich networks against the authors' method written plainly in PyTorch and, the dense one, in JAX (sandwich.py, sandwich_jax.py), turn by turn in one run. */
import { nodeEngine } from "../src/engine/node.ts";
import { ofFamily } from "../src/layers/family.ts";
import { flatten } from "../src/layers/pool.ts";
import { sandwich } from "../src/layers/sandwich.ts";
import { mlp } from "../src/models/mlp.ts";
import { multiMargin } from "../src/train/loss.ts";
import type { Method } from "../src/train/method.ts";
import { adam } from "../src/train/optimizer.ts";
import { plain } from "../src/train/plain.ts";
import { startPeers } from "./peers.ts";
import { ratio, takeTurns } from "./rounds.ts";
import { stepper, type Task } from "./step.ts";

/** The small network of Wang and Manchester 2023 for 32 x 32 images, w = 1. */
const kwl = ofFamily((family) => {
  const unit = { activation: "relu" } as const;
  const conv = (channels: number, stride: number) => family.conv(channels, { kernel: 3, stride, padding: 1 }, unit);
  const parts = [...conv(32, 1), ...conv(32, 2), ...conv(64, 1), ...conv(64, 2), flatten()];
  const dense = [...family.dense(512, unit), ...family.dense(512, unit), ...family.last(10, "relu")];
  return family.whole([...parts, ...dense], "kwl");
});

const cases: readonly {
  readonly name: string;
  readonly task: Task;
  readonly steps: number;
  readonly rounds: number;
}[] = [
  { name: "dense", task: { model: mlp([784, 190, 190, 128, 10]), sample: [784], batch: 256 }, steps: 10, rounds: 5 },
  { name: "conv", task: { model: kwl, sample: [3, 32, 32], batch: 64 }, steps: 1, rounds: 3 },
  { name: "conv", task: { model: kwl, sample: [3, 32, 32], batch: 256 }, steps: 1, rounds: 3 },
];
const method: Method = { ...plain(), family: sandwich({ gamma: 1 }) };
const threads = Number(process.env.BENCH_THREADS ?? 2);
const engine = nodeEngine({ threads });
const asked = process.argv.slice(2);
const peers = await startPeers({ torch: "sandwich.py", jax: "sandwich_jax.py" }, threads);
console.log([`${engine.name}, ${threads} threads`, ...peers.map((p) => p.title)].join("; "));
for (const { name, task, steps, rounds } of cases) {
  const { batch } = task;
  if (asked.length > 0 && !asked.includes(`${name}-${batch}`)) continue;
  const own = await stepper(engine, { ...task, method, optimizer: adam(), loss: multiMargin(0.5) });
  const { ours, ...theirs } = await takeTurns(rounds, {
    ours: () => own.steps(steps),
    ...Object.fromEntries(peers.map((peer) => [peer.name, () => peer.ask(name, batch, steps)] as const)),
  });
  await own.close();
  const least = (times: readonly number[]) => `${((1000 * Math.min(...times)) / steps).toFixed(1)} ms a step`;
  console.log(`${name}, batch ${batch}: ours ${least(ours)}`);
  for (const [peer, times] of Object.entries(theirs)) {
    if (times.some(Number.isNaN)) continue;
    console.log(`  ${peer}: ${least(times)}; times as fast as ${peer}: ${ratio(times, ours)}`);
  }
}
for (const peer of peers) peer.close();
