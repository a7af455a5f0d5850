/**
 * @file How far `gains` comes on controllers: `npx tsx bench/gain.ts [seconds] [part of a name]`. Times are of the processor, so that other work on the machine does not count; ACAS Xu has all
 * of them, the others a third. What was measured stands in bench/gain.md.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Clock } from "../src/bounds/budget.ts";
import { gains } from "../src/bounds/gain/gains.ts";
import { nodeEngine } from "../src/engine/node.ts";
import { readOnnx } from "../src/onnx/file.ts";

const seconds = Number(process.argv[2] ?? 60);
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const control = (file: string): string => here(`../../shared/data/onnx/control/${file}`);
const acas = control("ACASXU_run2a_1_1.onnx");

interface Case {
  readonly name: string;
  readonly file: string;
  readonly box: readonly (readonly [number, number])[];
  readonly seconds: number;
}

const sides = (n: number, low: number, high: number): readonly (readonly [number, number])[] =>
  Array.from({ length: n }, () => [low, high] as const);

const cases: readonly Case[] = [
  { name: "policy (3-8-8-2)", file: here("../examples/policy.onnx"), box: sides(3, -1, 1), seconds: seconds / 3 },
  { name: "reach_vdp (3-32-32-3)", file: control("reach_vdp.onnx"), box: sides(3, -1, 1), seconds: seconds / 3 },
  { name: "rl_cartpole (4-64-64-2)", file: control("rl_cartpole.onnx"), box: sides(4, -1, 1), seconds: seconds / 3 },
  {
    name: "ACAS Xu 1_1, box of property 1",
    file: acas,
    box: [
      [0.6, 0.6798577687],
      [-0.5, 0.5],
      [-0.5, 0.5],
      [0.45, 0.5],
      [-0.5, -0.45],
    ],
    seconds,
  },
  {
    name: "ACAS Xu 1_1, box of property 3",
    file: acas,
    box: [
      [-0.3035311561374687, -0.2985528118665035],
      [-0.009549296585513092, 0.009549296585513092],
      [0.4933803235848431, 0.5],
      [0.3, 0.5],
      [0.3, 0.5],
    ],
    seconds,
  },
  { name: "ACAS Xu 1_1, all inputs", file: acas, box: sides(5, -0.5, 0.5), seconds },
];

/** Time of the processor, all threads. */
const processor: Clock = {
  now: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
  spend() {},
};

const show = (value: number): string => (Number.isFinite(value) ? String(Number(value.toPrecision(4))) : "none");
const engine = nodeEngine({ threads: 1 });
console.log(
  "| network, box | witnessed gain | proved gain | ratio | widest slope ratio | boxes | processor | status |",
);
console.log("|---|---:|---:|---:|---:|---:|---:|---|");
for (const { name, file, box, seconds } of cases.filter((c) => c.name.includes(process.argv[3] ?? ""))) {
  const network = await readOnnx(readFileSync(file));
  const begun = processor.now();
  const domain = { kind: "box", low: box.map(([low]) => low), high: box.map(([, high]) => high) } as const;
  const { whole, slopes, pieces, status } = await gains(network, {
    engine,
    domain,
    seconds,
    clock: processor,
    pieces: 1e7,
  });
  const widest = slopes.reduce((top, { lower, upper }) => Math.max(top, upper / lower), 1);
  const took = `${((processor.now() - begun) / 1000).toFixed(1)} s`;
  const row = [
    name,
    show(whole.lower),
    show(whole.upper),
    show(whole.upper / whole.lower),
    show(widest),
    pieces,
    took,
    status,
  ];
  console.log(`| ${row.join(" | ")} |`);
}
