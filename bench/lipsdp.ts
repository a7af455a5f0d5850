/**
 * @file What lipsdp costs by width and depth, on the engine: `npx tsx bench/lipsdp.ts [seconds a net]`. Times are of the
 * processor, on one thread: other work on the machine does not count. What was measured stands in bench/lipsdp.md.
 */

import { normProduct } from "../src/bounds/chain/frobenius.ts";
import type { Chain } from "../src/bounds/chain.ts";
import { quadraticBound } from "../src/bounds/quadratic/lipsdp.ts";
import { objectiveOf, unknownsOf } from "../src/bounds/quadratic/objective.ts";
import { programOfChain } from "../src/bounds/quadratic/ofChain.ts";
import { workOf } from "../src/bounds/quadratic/work.ts";
import { nodeEngine } from "../src/engine/node.ts";
import { random } from "../src/tensor/random.ts";

const seconds = Number(process.argv[2] ?? 20);
const engine = nodeEngine({ threads: 1 });
const sizes = [
  ...[64, 128, 256, 512, 1024].map((width) => ({ width, hidden: 2 })),
  ...[1, 2, 4, 8, 15].map((hidden) => ({ width: 64, hidden })),
];
const head = [
  "width",
  "layers",
  "gradient",
  "product",
  "bound",
  "status",
  "steps",
  "to 5 %",
  "to 2 %",
  "to 0.1 %",
  "all",
];
console.log(`| ${head.join(" | ")} |\n|${head.map(() => "---:|").join("")}`);
for (const { width, hidden } of sizes) {
  const chain = network(width, hidden);
  const program = programOfChain(chain);
  const objective = await objectiveOf(engine, program);
  const theta = new Float64Array(unknownsOf(program, {}).count);
  const gradient = await fastest(() => objective.at(theta, 2, 0));
  await objective.dispose();
  const since = processor();
  const curve: { readonly at: number; readonly value: number }[] = [];
  const bound = await quadraticBound(program, {
    seconds,
    engine,
    work: workOf(program),
    onStep: (value) => curve.push({ at: since(), value }),
  });
  const whole = since();
  const reached = [1.05, 1.02, 1.001].map((q) => curve.find(({ value }) => value <= q * bound.value)?.at);
  const cells = [
    width,
    hidden + 1,
    `${(1000 * gradient).toFixed(1)} ms`,
    normProduct(chain).value.toPrecision(4),
    bound.value.toPrecision(4),
    bound.ending,
    curve.length,
    ...[...reached, whole].map((t) => (t === undefined ? "-" : `${t.toFixed(2)} s`)),
  ];
  console.log(`| ${cells.join(" | ")} |`);
}

// --- internal ---

/** He-normal weights, 10 outputs, ReLU. */
function network(width: number, hidden: number): Chain {
  const r = random(1);
  const layer = (rows: number) => ({
    weight: {
      rows,
      cols: width,
      data: Float64Array.from({ length: rows * width }, () => r.normal() * Math.sqrt(2 / width)),
    },
    bias: new Float64Array(rows),
  });
  return {
    affine: [...Array.from({ length: hidden }, () => layer(width)), layer(10)],
    activations: Array.from({ length: hidden }, () => ({
      low: new Float64Array(width),
      high: new Float64Array(width).fill(1),
      slopeOn: () => [0, 1] as const,
      apply: (z: Float64Array) => z.map((x) => Math.max(x, 0)),
    })),
  };
}

async function fastest(run: () => Promise<unknown>): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 8; round++) {
    const since = processor();
    await run();
    best = Math.min(best, since());
  }
  return best;
}

/** Seconds of the processor from now on. */
function processor(): () => number {
  const start = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(start);
    return (user + system) / 1e6;
  };
}
