/** @file A training step of sandwich networks against the authors' method written plainly in PyTorch (sandwich.py), turn by turn in one run. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { nodeEngine } from "../src/engine/node.ts";
import { inFamily, ofFamily } from "../src/layers/family.ts";
import type { Layer } from "../src/layers/layer.ts";
import { flatten } from "../src/layers/pool.ts";
import { sandwich } from "../src/layers/sandwich.ts";
import { mlp } from "../src/models/mlp.ts";
import { under } from "../src/tensor/named.ts";
import { random, uniformTensor } from "../src/tensor/random.ts";
import { scalar, type Tensor, tensor } from "../src/tensor/tensor.ts";
import { multiMargin } from "../src/train/loss.ts";
import { adam } from "../src/train/optimizer.ts";
import { stepGraph } from "../src/train/step.ts";
import { findTorch } from "./pytorch.ts";

/** The small network of Wang and Manchester 2023 for 32 x 32 images, w = 1. */
const kwl = ofFamily((family) => {
  const unit = { activation: "relu" } as const;
  const conv = (channels: number, stride: number) => family.conv(channels, { kernel: 3, stride, padding: 1 }, unit);
  const parts = [...conv(32, 1), ...conv(32, 2), ...conv(64, 1), ...conv(64, 2), flatten()];
  const dense = [...family.dense(512, unit), ...family.dense(512, unit), ...family.last(10, "relu")];
  return family.whole([...parts, ...dense], "kwl");
});

const cases = [
  { name: "dense", model: mlp([784, 190, 190, 128, 10]), sample: [784], batch: 256, steps: 10, rounds: 5 },
  { name: "conv", model: kwl, sample: [3, 32, 32], batch: 64, steps: 1, rounds: 3 },
  { name: "conv", model: kwl, sample: [3, 32, 32], batch: 256, steps: 1, rounds: 3 },
];
const threads = Number(process.env.THREADS ?? 2);
const engine = nodeEngine({ threads });
const asked = process.argv.slice(2);
const torch = startTorch();
await torch.next();
for (const { name, model, sample, batch, steps, rounds } of cases) {
  if (asked.length > 0 && !asked.includes(`${name}-${batch}`)) continue;
  const ours = await stepper(inFamily(model, sandwich({ gamma: 1 })), sample, batch);
  const [a, b]: number[][] = [[], []];
  await ours(1);
  await torch.steps(name, batch, 1);
  for (let k = 0; k < rounds; k++) {
    a.push((1000 * (await ours(steps))) / steps);
    b.push((1000 * (await torch.steps(name, batch, steps))) / steps);
  }
  const least = (x: number[]) => Math.min(...x);
  console.log(
    `${name}, batch ${batch}: ours ${least(a).toFixed(1)} ms a step, PyTorch ${least(b).toFixed(1)} ms; ratio ${(least(b) / least(a)).toFixed(2)} (best of ${rounds} rounds each)`,
  );
}
torch.close();

// --- internal ---

async function stepper(model: Layer, sample: readonly number[], batch: number) {
  const r = random(0);
  const { params, state } = model.init(r.fork("init"), sample);
  const optimizer = adam();
  const initial = {
    ...under("params", params),
    ...under("state", state),
    ...under("optimizer", optimizer.init(params)),
  };
  const { outputs } = stepGraph({
    model,
    method: { name: "lbdn" },
    optimizer,
    loss: multiMargin(0.5),
    initial,
    batch,
    sample,
    target: 10,
    classification: false,
  });
  const program = await engine.compile(outputs);
  const y = Float32Array.from({ length: batch * 10 }, (_, i) => (Math.floor(i / 10) % 10 === i % 10 ? 1 : 0));
  const all: Record<string, Tensor> = {
    ...initial,
    x: uniformTensor(r.fork("x"), [batch, ...sample]),
    y: tensor(y, [batch, 10]),
    rate: scalar(1e-3),
    step: scalar(1),
    epoch: scalar(0),
  };
  return async (count: number) => {
    const start = performance.now();
    for (let i = 0; i < count; i++) {
      const feeds = Object.fromEntries(Object.keys(program.inputs).map((name) => [name, all[name]]));
      const results = await program.run(feeds);
      for (const name in results) if (name.startsWith("next/")) all[name.slice(5)] = results[name];
    }
    return (performance.now() - start) / 1000;
  };
}

function startTorch() {
  const python = findTorch();
  if (!python) throw new Error("no python with torch");
  const child = spawn(python, [fileURLToPath(new URL("sandwich.py", import.meta.url)), String(threads)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => (await lines.next()).value as string;
  return {
    next,
    async steps(name: string, batch: number, count: number) {
      child.stdin.write(`${name} ${batch} ${count}\n`);
      return Number(await next());
    },
    close: () => child.stdin.end(),
  };
}
