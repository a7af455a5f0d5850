/**
 * @file Sobolev training after Czarnecki et al. 2017: test functions of the plane from few samples with values alone and with slopes, and a controller distilled into a small network, whose
 * distance from its teacher is proved on a box. Writes results/sobolev.json and sobolev.md beside itself.
 */
import { difference } from "../../src/bounds/values/difference.ts";
import { logitsOf } from "../../src/certify/evaluate.ts";
import { type Dataset, take } from "../../src/data/dataset.ts";
import { nodeEngine } from "../../src/engine/node.ts";
import { evaluate } from "../../src/engine/reference.ts";
import { taught } from "../../src/experiment/taught.ts";
import type { Node } from "../../src/graph/graph.ts";
import { input } from "../../src/graph/leaf.ts";
import type { Network } from "../../src/graph/network.ts";
import { mlp } from "../../src/models/mlp.ts";
import { modelAt } from "../../src/onnx/file.ts";
import { parseOnnx } from "../../src/onnx/read.ts";
import { add, div, mul, sub } from "../../src/ops/arith.ts";
import { sliceAxis } from "../../src/ops/movement.ts";
import { abs, cos, exp, sin, sqrt } from "../../src/ops/pointwise.ts";
import { random, uniformTensor } from "../../src/tensor/random.ts";
import { tensor, toFloat64 } from "../../src/tensor/tensor.ts";
import { lbdn } from "../../src/train/lbdn.ts";
import type { Method } from "../../src/train/method.ts";
import { adam } from "../../src/train/optimizer.ts";
import { cosine } from "../../src/train/schedule.ts";
import { sobolev, type Target } from "../../src/train/sobolev.ts";
import { teacherOf } from "../../src/train/teacher.ts";
import { trainNetwork } from "../../src/train/trainNetwork.ts";
import { showSpread, spread, table, writeStudy } from "./study.ts";

const engine = nodeEngine({ threads: 1 });
const seeds = [1, 2, 3];
const steps = 1000;
const withValues = [20, 50, 100, 500];
const withSlopes = [20, 50, 100];

const square = (z: Node) => mul(z, z);
/** The functions, on the boxes where they are usually looked at. */
const functions: Readonly<Record<string, { box: readonly (readonly [number, number])[]; f(a: Node, b: Node): Node }>> =
  {
    "Styblinski-Tang": {
      box: [
        [-5, 5],
        [-5, 5],
      ],
      f: (a, b) =>
        [a, b]
          .map((z) => mul(add(sub(square(square(z)), mul(square(z), 16)), mul(z, 5)), 0.5))
          .reduce((u, v) => add(u, v)),
    },
    Ackley: {
      box: [
        [-5, 5],
        [-5, 5],
      ],
      f: (a, b) =>
        sub(
          mul(exp(mul(sqrt(add(mul(add(square(a), square(b)), 0.5), 1e-6)), -0.2)), -20),
          exp(mul(add(cos(mul(a, 2 * Math.PI)), cos(mul(b, 2 * Math.PI))), 0.5)),
        ),
    },
    Beale: {
      box: [
        [-4.5, 4.5],
        [-4.5, 4.5],
      ],
      f: (a, b) => {
        const term = (c: number, power: Node) => square(add(sub(mul(a, power), a), c));
        return add(add(term(1.5, b), term(2.25, square(b))), term(2.625, mul(square(b), b)));
      },
    },
    Booth: {
      box: [
        [-10, 10],
        [-10, 10],
      ],
      f: (a, b) => add(square(sub(add(a, mul(b, 2)), 7)), square(sub(add(mul(a, 2), b), 5))),
    },
    Bukin: {
      box: [
        [-15, -5],
        [-3, 3],
      ],
      f: (a, b) => add(mul(sqrt(add(abs(sub(b, mul(square(a), 0.01))), 1e-3)), 100), mul(abs(add(a, 10)), 0.01)),
    },
    McCormick: {
      box: [
        [-1.5, 4],
        [-3, 4],
      ],
      f: (a, b) => add(add(sin(add(a, b)), square(sub(a, b))), add(sub(mul(b, 2.5), mul(a, 1.5)), 1)),
    },
    Rosenbrock: {
      box: [
        [-2, 2],
        [-1, 3],
      ],
      f: (a, b) => add(mul(square(sub(b, square(a))), 100), square(sub(1, a))),
    },
  };

/** A function of [-1, 1]^2 with mean 0 and deviation 1 there. */
function scaled(name: string): Target {
  const { box, f } = functions[name];
  const raw: Target = (x) => {
    const [a, b] = box.map(([low, high], i) => add(mul(sliceAxis(x, 1, i, i + 1), (high - low) / 2), (low + high) / 2));
    return f(a, b);
  };
  const side = 64;
  const grid = Float64Array.from({ length: 2 * side * side }, (_, k) => {
    const i = k % 2 === 0 ? (k >> 1) % side : Math.floor((k >> 1) / side);
    return -1 + (2 * (i + 0.5)) / side;
  });
  const y = evaluate(
    { y: raw(input("x", [side * side, 2], "float64")) },
    { x: tensor(grid, [side * side, 2], "float64") },
  );
  const values = toFloat64(y.y);
  const mean = values.reduce((s, v) => s + v, 0) / values.length;
  const deviation = Math.sqrt(values.reduce((s, v) => s + (v - mean) ** 2, 0) / values.length);
  return (x) => div(sub(raw(x), mean), deviation);
}

const pointsOf = (count: number, size: number, seed: number, half = 1) => ({
  name: "points",
  task: "none" as const,
  x: uniformTensor(random(seed), [count, size], -half, half).data as Float32Array,
  shape: [size],
  count,
});

/** Root mean square of the error at test points, in deviations of the function. */
async function errorOf(method: Method, train: Dataset, test: Dataset, seed: number): Promise<number> {
  const batch = Math.min(train.count, 100);
  const { network } = await trainNetwork({
    engine,
    // An epoch is a few steps: what is tested after each is one point.
    data: { train, test: take(test, 1) },
    model: mlp([2, 64, 64, 1], { activation: "tanh" }),
    method,
    optimizer: adam(),
    schedule: cosine(5e-3),
    epochs: Math.ceil(steps / Math.floor(train.count / batch)),
    batch,
    seed,
  });
  return distance(network, test);
}

/** Root of the mean squared length of output - target. */
async function distance(network: Network, test: Dataset): Promise<number> {
  const { data } = await logitsOf(network, engine, test);
  return Math.sqrt(data.reduce((sum, v, i) => sum + (v - test.targets[i]) ** 2, 0) / test.count);
}

interface Fit {
  readonly name: string;
  readonly samples: number;
  readonly method: "values" | "slopes";
  readonly errors: readonly number[];
}

const fits: Fit[] = [];
for (const name of Object.keys(functions)) {
  const target = scaled(name);
  const test = await taught(pointsOf(1000, 2, 99), target, engine);
  const runs = [
    ...withValues.map((samples) => ({ samples, method: "values" as const })),
    ...withSlopes.map((samples) => ({ samples, method: "slopes" as const })),
  ];
  for (const { samples, method } of runs) {
    const errors: number[] = [];
    for (const seed of seeds) {
      const train = await taught(pointsOf(samples, 2, seed), target, engine);
      errors.push(await errorOf(sobolev({ target, order: method === "values" ? 0 : 1 }), train, test, seed));
    }
    fits.push({ name, samples, method, errors });
    console.log(name, method, samples, errors);
  }
}
const meanOf = (name: string, method: Fit["method"], samples: number) =>
  spread(fits.find((f) => f.name === name && f.method === method && f.samples === samples)?.errors ?? []);
/** Of the numbers that were tried, the smallest with which values alone are as good as slopes with so many. */
const equal = (name: string, samples: number): string => {
  const goal = meanOf(name, "slopes", samples).mean;
  const enough = withValues.find((n) => meanOf(name, "values", n).mean <= goal);
  return enough === undefined ? `more than ${withValues[withValues.length - 1]}` : String(enough);
};

const teachers = [
  { name: "policy.onnx (3-8-8-2, tanh)", url: new URL("../../examples/policy.onnx", import.meta.url), pieces: 1200 },
  {
    name: "reach_vdp.onnx (3-32-32-3, ReLU)",
    url: new URL("../../../shared/data/onnx/control/reach_vdp.onnx", import.meta.url),
    pieces: 300,
  },
];
/** Half a side of the box of states. */
const side = 0.5;
const distilled = [];
for (const { name, url, pieces } of teachers) {
  const source = await modelAt(url);
  const teacher = parseOnnx(source.bytes);
  const target = teacherOf(source, { sample: [3], task: "regression" });
  const [train, test] = [
    await taught(pointsOf(200, 3, 1, side), target, engine),
    await taught(pointsOf(1000, 3, 2, side), target, engine),
  ];
  const bounded: Method = {
    ...sobolev({ target }),
    name: "slopes, constant at most 3 by its layers",
    family: lbdn({ gamma: 3 }).family,
  };
  const methods: readonly (readonly [string, Method])[] = [
    ["values", sobolev({ target, order: 0 })],
    ["slopes", sobolev({ target })],
    [bounded.name, bounded],
  ];
  for (const [label, method] of methods) {
    const { network } = await trainNetwork({
      engine,
      data: { train, test: take(test, 1) },
      model: mlp([3, 12, 12, train.classes], { activation: "tanh" }),
      method,
      optimizer: adam(),
      schedule: cosine(1e-2),
      epochs: 1500,
      batch: 100,
      seed: 1,
    });
    const found = await difference(network, teacher, {
      engine,
      domain: { kind: "box", low: [-side, -side, -side], high: [side, side, side] },
      gap: 0.2,
      pieces,
    });
    const row = {
      teacher: name,
      method: label,
      error: await distance(network, test),
      largest: found.largest,
      constant: { upper: found.constant.upper, lower: found.constant.lower },
      slope: {
        upper: Math.max(...found.slopes.map((s) => s.upper)),
        lower: Math.max(...found.slopes.map((s) => s.lower)),
      },
      by: found.by,
      pieces: found.pieces,
      seconds: found.seconds,
      status: found.status,
    };
    console.log(JSON.stringify(row));
    distilled.push(row);
  }
}

const names = Object.keys(functions);
const digits = (v: number) => v.toPrecision(3);
await writeStudy("sobolev", { seeds, steps, fits, distilled }, [
  "# Sobolev training",
  "",
  "`npx tsx bench/studies/sobolev.ts`",
  "",
  "The paper's claim (Czarnecki et al. 2017, abstract): target derivatives beside target values improve the quality of predictors, the data-efficiency and the generalisation. Its seven test",
  "functions of the plane are those below (named by programs that repeat it); its table of errors was not found, so that ours stand alone.",
  "",
  "## Seven functions of the plane",
  "",
  `Each on its usual box, brought to [-1, 1]^2, mean 0 and deviation 1. 2-64-64-1, tanh, ${steps} steps of Adam (5e-3, cosine), batch min(n, 100). Error: root mean square at 1,000 other points, in`,
  `deviations of the function; mean (half range) of ${seeds.length} seeds. Last column: with how many samples values alone are as good as slopes with 50.`,
  "",
  table(
    [
      "function",
      ...[20, 50, 100].flatMap((n) => [`values, ${n}`, `slopes, ${n}`]),
      "values, 500",
      "samples for the error of 50 slopes",
    ],
    names.map((name) => [
      name,
      ...[20, 50, 100].flatMap((n) => [showSpread(meanOf(name, "values", n)), showSpread(meanOf(name, "slopes", n))]),
      showSpread(meanOf(name, "values", 500)),
      equal(name, 50),
    ]),
  ),
  "",
  "A sample with slopes says three numbers of the function, one of values says one: what is above a factor of 3 in the last column is more than their count.",
  "All have the same steps, and those, not the samples, hold values back at 500. Ackley's waves and Bukin's kink are too fine for so few points: there slopes say nothing of the neighbourhood, and",
  "learning them costs.",
  "",
  "## A controller, distilled",
  "",
  "200 states of [-0.5, 0.5]^3, a student 3-12-12-k (tanh), 3,000 steps. Error: at 1,000 other states, root of the mean squared length. The other columns hold for every state of the box and are proved by",
  "branch and bound on the graph student - teacher (found to proved): the largest difference of an action, the largest of a partial slope, and the Lipschitz constant of the difference in l2.",
  "",
  table(
    [
      "teacher",
      "student learns",
      "error",
      "largest difference",
      "largest slope of it",
      "constant of it",
      "boxes",
      "seconds",
    ],
    distilled.map((row) => [
      row.teacher,
      row.method,
      digits(row.error),
      `${digits(row.largest.lower)} to ${digits(row.largest.upper)}`,
      `${digits(row.slope.lower)} to ${digits(row.slope.upper)}`,
      `${digits(row.constant.lower)} to ${digits(row.constant.upper)}`,
      `${row.pieces}${row.status === "done" ? "" : ", stopped"}`,
      row.seconds.toFixed(0),
    ]),
  ),
  "",
  "Smooth networks are bounded by lines through the graph of their derivatives, networks with kinks by interval Jacobians: slopes of ReLUs jump, and a smooth student is half a jump away at each.",
]);
