/** @file A step of LMT and of CLIP, as a multiple of the plain step and against the same written plainly in PyTorch and JAX. Run by itself: `npx tsx bench/methods.ts`. */
import { nodeEngine } from "../src/engine/node.ts";
import type { Named } from "../src/tensor/named.ts";
import { clip } from "../src/train/clip.ts";
import { lmt } from "../src/train/lmt.ts";
import type { Method } from "../src/train/method.ts";
import { plain } from "../src/train/plain.ts";
import { startPeers } from "./peers.ts";
import { ratio, takeTurns } from "./rounds.ts";
import { stepper, tasks } from "./step.ts";

const methods: Named<Method> = {
  plain: plain(),
  lmt: lmt({ ramp: 0 }),
  gloro: lmt({ ramp: 0, form: "gloro" }),
  gram: lmt({ ramp: 0, norms: "gram" }),
  // A quarter as many pairs as the batch has images.
  clip: clip({ weight: 0.1 }),
};
/** Those that methods.py and methods_jax.py have too. */
const common = ["plain", "lmt", "clip"];

const threads = Number(process.env.BENCH_THREADS ?? 2);
const rounds = Number(process.env.BENCH_ROUNDS ?? 15);
const stepsARound = 30;

const engine = nodeEngine({ threads });
const peers = await startPeers({ torch: "methods.py", jax: "methods_jax.py" }, threads);
console.log([`${engine.name}, ${threads} threads`, ...peers.map((p) => p.title)].join("; "));
for (const network of ["mlp", "fashion", "convnet"]) await compare(network);
for (const peer of peers) peer.close();

// --- internal ---

async function compare(network: string): Promise<void> {
  const contestants: Record<string, () => Promise<number>> = {};
  for (const name in methods) {
    const { steps } = await stepper(engine, { ...tasks[network], method: methods[name] });
    contestants[name] = () => steps(stepsARound);
  }
  const theirs = (peer: string, method: string) => `${peer} ${method}`;
  for (const peer of peers) {
    for (const method of common) {
      contestants[theirs(peer.name, method)] = () => peer.ask(network, method, tasks[network].batch, stepsARound);
    }
  }
  const times = await takeTurns(rounds, contestants);
  const best = (name: string) => `${name} ${((1000 * Math.min(...times[name])) / stepsARound).toFixed(2)} ms`;
  console.log(`\n${network}, batch ${tasks[network].batch}: ${Object.keys(times).map(best).join(", ")}`);
  for (const name of Object.keys(methods).slice(1)) {
    console.log(`  ${name}: times the plain step: ${ratio(times[name], times.plain)}`);
  }
  for (const { name: peer } of peers) {
    for (const method of common) {
      console.log(`  ${method}: times as fast as ${peer}: ${ratio(times[theirs(peer, method)], times[method])}`);
    }
  }
}
