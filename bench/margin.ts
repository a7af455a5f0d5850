/** @file A step of Lipschitz-margin training, as a multiple of the plain step and against the same written plainly in PyTorch. Run by itself: `npx tsx bench/margin.ts`. */
import { type Dataset, take } from "../src/data/dataset.ts";
import { digits } from "../src/data/digits.ts";
import type { Engine } from "../src/engine/engine.ts";
import { nodeEngine } from "../src/engine/node.ts";
import type { Layer } from "../src/layers/layer.ts";
import { convnet } from "../src/models/convnet.ts";
import { mlp } from "../src/models/mlp.ts";
import type { Named } from "../src/tensor/named.ts";
import { random, uniformTensor } from "../src/tensor/random.ts";
import { scalar, type Tensor, tensor } from "../src/tensor/tensor.ts";
import { freshState } from "../src/train/checkpoint.ts";
import { lmt } from "../src/train/lmt.ts";
import { crossEntropy } from "../src/train/loss.ts";
import type { Method } from "../src/train/method.ts";
import { sgd } from "../src/train/optimizer.ts";
import { plain } from "../src/train/plain.ts";
import { stepGraph } from "../src/train/step.ts";
import { startTorch } from "./pytorch.ts";
import { batch } from "./step.ts";

/** The same networks stand in margin.py. */
const networks: Named<Layer> = {
  mlp: mlp([784, 256, 256, 10]),
  fashion: mlp([784, 128, 64, 10]),
  convnet: convnet(10, { channels: [16, 32], hidden: 100 }),
};
const methods: Named<Method> = {
  plain: plain(),
  lmt: lmt({ ramp: 0 }),
  gloro: lmt({ ramp: 0, form: "gloro" }),
  gram: lmt({ ramp: 0, norms: "gram" }),
};

const threads = Number(process.env.BENCH_THREADS ?? 2);
const rounds = Number(process.env.BENCH_ROUNDS ?? 15);
const stepsARound = 30;

const engine = nodeEngine({ threads });
const torch = await startTorch(threads, "margin.py");
const { train } = await digits();
for (const network of Object.keys(networks)) await compare(network);
torch?.close();

// --- internal ---

async function compare(network: string): Promise<void> {
  const times: Record<string, number[]> = {};
  const ours = await Promise.all(
    Object.entries(methods).map(async ([name, method]) => ({ name, own: await stepper(engine, network, method) })),
  );
  for (let round = -1; round < rounds; round++) {
    const add = (name: string, seconds: number | undefined) => {
      if (seconds === undefined || round < 0) return;
      times[name] ??= [];
      times[name].push(seconds / stepsARound);
    };
    for (const { name, own } of ours) add(name, await own(stepsARound));
    // The other's threads go to sleep.
    await new Promise((done) => setTimeout(done, 200));
    for (const name of ["plain", "lmt"]) add(`PyTorch ${name}`, await torch?.steps(`${network}:${name}`, stepsARound));
    await new Promise((done) => setTimeout(done, 200));
  }
  const best = (name: string) => Math.min(...times[name]);
  const ratio = (a: string, b: string) => {
    const each = times[a].map((t, i) => t / times[b][i]).sort((p, q) => p - q);
    return `${(best(a) / best(b)).toFixed(2)} by the fastest rounds, ${each[each.length >> 1].toFixed(2)} in the median round`;
  };
  console.log(
    `\n${network}, batch ${batch}: ${Object.keys(times)
      .map((n) => `${n} ${(1000 * best(n)).toFixed(2)} ms`)
      .join(", ")}`,
  );
  for (const name of ["lmt", "gloro", "gram"]) console.log(`  ${name}: times the plain step: ${ratio(name, "plain")}`);
  if (torch) {
    console.log(`  PyTorch ${torch.version}, its lmt: times its plain step: ${ratio("PyTorch lmt", "PyTorch plain")}`);
    console.log(`  lmt: times as fast as PyTorch: ${ratio("PyTorch lmt", "lmt")}`);
  }
}

/** Seconds that so many steps take, the state fed back as the training loop does. */
async function stepper(on: Engine, network: string, method: Method): Promise<(count: number) => Promise<number>> {
  const r = random(0);
  const model = networks[network];
  const data: Dataset = take(train, batch);
  const optimizer = sgd();
  const initial = freshState(model, method, optimizer, r.fork("init"), data, batch);
  const { outputs } = stepGraph({
    ...{ model, method, optimizer, loss: crossEntropy, initial, batch },
    ...{ sample: data.shape, target: 10, classification: false },
  });
  const program = await on.compile(outputs);
  const y = Float32Array.from({ length: batch * 10 }, (_, i) => (Math.floor(i / 10) % 10 === i % 10 ? 1 : 0));
  const all: Record<string, Tensor> = {
    ...initial,
    x: uniformTensor(r.fork("x"), [batch, ...data.shape]),
    y: tensor(y, [batch, 10]),
    ...{ rate: scalar(0.01), step: scalar(1), epoch: scalar(1) },
  };
  const names = Object.keys(program.inputs);
  return async (count) => {
    const start = performance.now();
    for (let i = 0; i < count; i++) {
      const results = await program.run(Object.fromEntries(names.map((name) => [name, all[name]])));
      for (const name in results) if (name.startsWith("next/")) all[name.slice(5)] = results[name];
    }
    return (performance.now() - start) / 1000;
  };
}
