/** @file A step of LMT and of CLIP, as a multiple of the plain step and against the same written plainly in PyTorch. Run by itself: `npx tsx bench/methods.ts`. */
import { nodeEngine } from "../src/engine/node.ts";
import type { Named } from "../src/tensor/named.ts";
import { clip } from "../src/train/clip.ts";
import { lmt } from "../src/train/lmt.ts";
import type { Method } from "../src/train/method.ts";
import { plain } from "../src/train/plain.ts";
import { startTorch } from "./pytorch.ts";
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
/** Those that methods.py has too. */
const peers = ["plain", "lmt", "clip"];

const threads = Number(process.env.BENCH_THREADS ?? 2);
const rounds = Number(process.env.BENCH_ROUNDS ?? 15);
const stepsARound = 30;

const engine = nodeEngine({ threads });
const torch = await startTorch("methods.py", threads);
console.log(`${engine.name}, ${threads} threads${torch ? `; ${torch.name}` : ""}`);
for (const network of Object.keys(tasks)) await compare(network);
torch?.close();

// --- internal ---

async function compare(network: string): Promise<void> {
  const contestants: Record<string, () => Promise<number>> = {};
  for (const name in methods) {
    const { steps } = await stepper(engine, { ...tasks[network], method: methods[name] });
    contestants[name] = () => steps(stepsARound);
  }
  if (torch) for (const name of peers) contestants[theirs(name)] = () => torch.ask(network, name, stepsARound);
  const times = await takeTurns(rounds, contestants);
  const best = (name: string) => `${name} ${((1000 * Math.min(...times[name])) / stepsARound).toFixed(2)} ms`;
  console.log(`\n${network}, batch ${tasks[network].batch}: ${Object.keys(times).map(best).join(", ")}`);
  for (const name of Object.keys(methods).slice(1)) {
    console.log(`  ${name}: times the plain step: ${ratio(times[name], times.plain)}`);
  }
  if (!torch) return;
  for (const name of peers.slice(1)) {
    console.log(`  PyTorch's ${name}: times its plain step: ${ratio(times[theirs(name)], times[theirs("plain")])}`);
    console.log(`  ${name}: times as fast as PyTorch: ${ratio(times[theirs(name)], times[name])}`);
  }
}

function theirs(name: string): string {
  return `PyTorch ${name}`;
}
