/** @file `npm run bench`: what the library costs, as ratios against PyTorch in the same run where a Python has it. */
import { nodeEngine } from "../src/engine/node.ts";
import { memoryOfStart } from "./memory.ts";
import { profile } from "./profile.ts";
import { findTorch, startTorch, type Torch } from "./pytorch.ts";
import { smooth } from "./smooth.ts";
import { spectral } from "./spectral.ts";
import { startup } from "./startup.ts";
import { batch, networks, stepProgram, stepper } from "./step.ts";

const rounds = 15;
const stepsARound = 50;
const threads = Number(process.env.BENCH_THREADS ?? 2);

const engine = nodeEngine({ threads });
const torch = await startTorch(threads);
console.log(`${engine.name}, ${threads} threads`);
if (torch) {
  const { version, matmulRate } = torch;
  const slow = matmulRate < 30 ? " (no fast BLAS: ratios of dense networks flatter us)" : "";
  console.log(`PyTorch ${version}, ${matmulRate.toFixed(0)} GFLOP/s in a dense product${slow}`);
} else {
  console.log("PyTorch: not compared, no Python with torch in $PYTHON, python3 or /usr/bin/python3");
}
for (const network of Object.keys(networks)) {
  await compareSteps(network, torch);
  await showProfile(network);
}
torch?.close();
await showSmooth();
showSpectral();
showStartup();
showMemory();

// --- internal ---

/** Turn and turn about, with a pause in between for the other's threads to go to sleep. */
async function compareSteps(network: string, other: Torch | null): Promise<void> {
  const own = await stepper(engine, network);
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = -1; round < rounds; round++) {
    await pause(200);
    const mine = await own.steps(stepsARound);
    await pause(200);
    const yours = await other?.steps(network, stepsARound);
    if (round < 0) continue; // warming up
    ours.push(mine);
    if (yours !== undefined) theirs.push(yours);
  }
  await own.close();
  const step = (seconds: number) => {
    const each = seconds / stepsARound;
    return `${Math.round(batch / each)} images/s, ${(1000 * each).toFixed(2)} ms a step`;
  };
  console.log(`\n${network}: ${step(median(ours))} (fastest round: ${step(Math.min(...ours))})`);
  if (theirs.length === 0) return;
  const ratio = median(ours.map((seconds, i) => theirs[i] / seconds));
  const best = Math.min(...theirs) / Math.min(...ours);
  console.log(`  PyTorch: ${step(median(theirs))} (fastest round: ${step(Math.min(...theirs))})`);
  // Other work on the machine slows PyTorch's barriers down more than it slows us: the fastest rounds are the fair ones.
  console.log(
    `  times as fast as PyTorch: ${best.toFixed(2)} by the fastest rounds, ${ratio.toFixed(2)} in the median round`,
  );
}

async function showProfile(network: string): Promise<void> {
  const shares = await profile(stepProgram(network));
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

function showSpectral(): void {
  console.log("\nspectral norm of 3x3 convolutions: a proved bound, against 500 power iterations in PyTorch");
  let [ours, theirs] = [0, 0];
  for (const [k, row] of spectral(findTorch(), threads).entries()) {
    const { inner, out, side, seconds, above } = row;
    const proved = `proved in ${seconds.toFixed(2)} s, at most ${(100 * (above - 1)).toFixed(1)} % above the norm`;
    const other = row.theirs
      ? `; PyTorch ${row.theirs.seconds.toFixed(2)} s for ${(100 * (1 - row.theirs.below)).toFixed(1)} % below our bound, ${(row.theirs.seconds / seconds).toFixed(1)} times our time`
      : "";
    console.log(`  ${inner}-${out} at ${side}x${side}: ${proved}${other}`);
    if (k === 0) continue;
    ours += seconds;
    theirs += row.theirs?.seconds ?? 0;
  }
  console.log(`  the last eight together: ${ours.toFixed(2)} s${theirs > 0 ? `, PyTorch ${theirs.toFixed(2)} s` : ""}`);
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

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((done) => setTimeout(done, milliseconds));
}
