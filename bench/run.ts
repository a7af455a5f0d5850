/** @file `npm run bench`: what the library costs, as ratios against PyTorch and JAX in the same run where a Python has them. */
import { nodeEngine } from "../src/engine/node.ts";
import { memoryOfStart } from "./memory.ts";
import { findTorch, type Peer, startPeers } from "./peers.ts";
import { profile } from "./profile.ts";
import { medianOf, ratio, takeTurns } from "./rounds.ts";
import { smooth } from "./smooth.ts";
import { showSpectral } from "./spectral.ts";
import { startup } from "./startup.ts";
import { stepProgram, stepper, tasks } from "./step.ts";

const rounds = 15;
const stepsARound = 50;
const threads = Number(process.env.BENCH_THREADS ?? 2);

const engine = nodeEngine({ threads });
const peers = await startPeers({ torch: "methods.py", jax: "methods_jax.py" }, threads);
console.log([`${engine.name}, ${threads} threads`, ...peers.map((p) => p.title)].join("; "));
for (const network of ["mlp", "convnet", "images"]) {
  await compareSteps(network, peers);
  await showProfile(network);
}
for (const peer of peers) peer.close();
await showSmooth();
showSpectral(findTorch(), ["one", "small"]);
showStartup();
showMemory();

// --- internal ---

async function compareSteps(network: string, peers: readonly Peer[]): Promise<void> {
  const own = await stepper(engine, tasks[network]);
  const { batch } = tasks[network];
  const { ours, ...theirs } = await takeTurns(rounds, {
    ours: () => own.steps(stepsARound),
    ...Object.fromEntries(
      peers.map((peer) => [peer.name, () => peer.ask(network, "plain", batch, stepsARound)] as const),
    ),
  });
  await own.close();
  const step = (seconds: number) => {
    const each = seconds / stepsARound;
    return `${Math.round(tasks[network].batch / each)} images/s, ${(1000 * each).toFixed(2)} ms a step`;
  };
  const both = (times: readonly number[]) => `${step(medianOf(times))} (fastest round: ${step(Math.min(...times))})`;
  console.log(`\n${network}: ${both(ours)}`);
  for (const [name, times] of Object.entries(theirs)) {
    console.log(`  ${name}: ${both(times)}`);
    console.log(`  times as fast as ${name}: ${ratio(times, ours)}`);
  }
}

async function showProfile(network: string): Promise<void> {
  const shares = await profile(stepProgram(tasks[network]));
  const total = shares.reduce((sum, s) => sum + s.milliseconds, 0);
  const rows = shares
    .slice(0, 8)
    .map((s) => `${s.operator} ${((100 * s.milliseconds) / total).toFixed(0)}% (${s.nodes})`);
  console.log(`  time in operators (nodes): ${rows.join(", ")}`);
}

async function showSmooth(): Promise<void> {
  console.log(
    "\nLCNN: a training step, as a multiple of the same network's step with a softplus of beta 1000 and with ReLU",
  );
  for (const { network, method, milliseconds, standard, relu } of await smooth(engine)) {
    const times = `${standard.toFixed(2)} of standard, ${relu.toFixed(2)} of ReLU`;
    console.log(`  ${network}, ${method}: ${milliseconds.toFixed(2)} ms, ${times}`);
  }
}

function showStartup(): void {
  const found = startup();
  console.log(
    found === null
      ? "\nstart: not measured, there is no dist/; npm run build first"
      : `\nstart: a fresh process has imported the library and read a ${found.megabytes.toFixed(1)} MB ONNX file after ${found.seconds.toFixed(2)} s`,
  );
}

function showMemory(): void {
  const found = memoryOfStart();
  if (found) console.log(`npm start: ${found.megabytes.toFixed(0)} MB at most, ${found.seconds.toFixed(1)} s`);
}
