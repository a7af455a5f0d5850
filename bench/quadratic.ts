/**
 * @file `npx tsx bench/quadratic.ts [name ...] [--seconds n] [--steps n]`: what the quadratic walk proves of seeded residual networks and chains and of
 * the networks beside the repository, with seconds of the clock and of the processor, steps and memory, beside AutoLip.
 */
import { existsSync, readFileSync } from "node:fs";
import { autoLip } from "../src/bounds/autoLip.ts";
import { workClock } from "../src/bounds/budget.ts";
import { nodeNorms } from "../src/bounds/norm/node.ts";
import { fusedFlow } from "../src/bounds/patterns/fuse.ts";
import { quadraticBound } from "../src/bounds/quadratic/lipsdp.ts";
import { programFor } from "../src/bounds/quadratic/parts.ts";
import { wideBound } from "../src/bounds/quadratic/wideBound.ts";
import { type Subject, subjectOf } from "../src/bounds/subject.ts";
import { nodeEngine } from "../src/engine/node.ts";
import type { Node } from "../src/graph/graph.ts";
import { constant } from "../src/graph/leaf.ts";
import { parseOnnx } from "../src/onnx/read.ts";
import { add } from "../src/ops/arith.ts";
import { matmul } from "../src/ops/matmul.ts";
import { relu } from "../src/ops/pointwise.ts";
import { type Random, random } from "../src/tensor/random.ts";
import { tensor } from "../src/tensor/tensor.ts";
import { resnet18, vgg11, vgg16 } from "../test/imageModels.ts";

const draw = (r: Random, rows: number, cols: number, size: number): Float64Array =>
  Float64Array.from({ length: rows * cols }, () => (size * r.normal()) / Math.sqrt(rows));

const dense = (h: Node, weight: Float64Array, cols: number): Node =>
  matmul(h, constant(tensor(Float32Array.from(weight), [h.shape[1], cols], "float32")));

function network(width: number, build: (x: Node) => Node): Subject {
  return subjectOf({
    name: "bench",
    inputs: [{ name: "x", shape: [1, width], dtype: "float32" }],
    outputs: ["y"],
    metadata: {},
    build: ([x]) => [build(x)],
  });
}

/** h + V relu(W h), so many times, and ten outputs. */
function residual(blocks: number, width = 64): Subject {
  const r = random(1);
  const weights = Array.from({ length: blocks }, () => [draw(r, width, width, 0.5), draw(r, width, width, 0.5)]);
  const last = draw(r, width, 10, 0.5);
  return network(width, (x) => {
    const end = weights.reduce<Node>((h, [W, V]) => add(h, widened(relu(widened(h, W, width)), V, width)), x);
    return widened(end, last, 10);
  });
}

/** He-normal ReLU layers. */
function chain(widths: readonly number[]): Subject {
  const r = random(2);
  const weights = widths.slice(1).map((cols, i) => draw(r, widths[i], cols, Math.SQRT2));
  return network(widths[0], (x) =>
    weights.reduce<Node>((h, W, i) => {
      const z = widened(h, W, widths[i + 1]);
      return i < weights.length - 1 ? relu(z) : z;
    }, x),
  );
}

/** In the dtype of the graph that is being built. */
const widened = (h: Node, weight: Float64Array, cols: number): Node =>
  h.dtype === "float64"
    ? matmul(h, constant(tensor(Float64Array.from(Float32Array.from(weight)), [h.shape[1], cols], "float64")))
    : dense(h, weight, cols);

const shared = new URL("../../shared/data/onnx/", import.meta.url);
const file = (name: string) => (): Subject => subjectOf(parseOnnx(new Uint8Array(readFileSync(new URL(name, shared)))));

const networks: Readonly<Record<string, () => Subject>> = {
  "residual-4": () => residual(4),
  "residual-8": () => residual(8),
  "residual-14": () => residual(14),
  "residual-20": () => residual(20),
  "chain-256x4": () => chain([784, 256, 256, 256, 256, 10]),
  "chain-256x6": () => chain([784, 256, 256, 256, 256, 256, 256, 10]),
  "chain-200x9": () => chain([784, ...new Array<number>(9).fill(200), 10]),
  mnist_fc_256x2: file("mnist/mnist_fc_256x2.onnx"),
  resnet_2b: file("cifar/resnet_2b.onnx"),
  oval_cifar_deep_kw: file("cifar/oval_cifar_deep_kw.onnx"),
  "zoo_mnist-8": file("mnist/zoo_mnist-8.onnx"),
  verivital_avgpool: file("mnist/verivital_convnet_avgpool.onnx"),
  verivital_maxpool: file("mnist/verivital_convnet_maxpool.onnx"),
  collins_rul: file("control/collins_rul_small_window_20.onnx"),
  marabou_cifar10_small: file("cifar/marabou_cifar10_small.onnx"),
};

/** What is too large for a search: `--seconds` by the work that a second is counted as, whatever the clock says. */
const large: Readonly<Record<string, () => Subject>> = {
  "resnet18-32": () => subjectOf(parseOnnx(resnet18({ side: 32 }))),
  "vgg11-32": () => subjectOf(parseOnnx(vgg11({ side: 32 }))),
  "vgg16-32": () => subjectOf(parseOnnx(vgg16({ side: 32 }))),
  "resnet18-224": () => subjectOf(parseOnnx(resnet18({ side: 224 }))),
};

async function measureLarge(name: string, seconds: number): Promise<void> {
  const { x, y } = large[name]().at(1, "float64");
  const flow = fusedFlow(x, y);
  const [began, processor] = [performance.now(), process.cpuUsage().user];
  const own = await wideBound({ flow, norms: nodeNorms(flow) }, { engine: nodeEngine(), seconds, clock: workClock() });
  const cells = [
    own ? own.value.toPrecision(6) : "nothing",
    own?.numbers.length ?? "",
    ((performance.now() - began) / 1000).toFixed(1),
    ((process.cpuUsage().user - processor) / 1e6).toFixed(1),
    Math.round(process.memoryUsage().rss / 1e6),
  ];
  console.log(`| ${name} | ${cells.join(" | ")} |`);
}

const words = process.argv.slice(2);
const option = (name: string) => {
  const at = words.indexOf(name);
  return at < 0 ? undefined : Number(words.splice(at, 2)[1]);
};
const [seconds, steps] = [option("--seconds"), option("--steps")];
const names = words.length > 0 ? words : Object.keys(networks);
console.log("| network | AutoLip | proved | steps | seconds | processor | MB |\n|---|---:|---:|---:|---:|---:|---:|");
for (const name of names) {
  if (large[name]) {
    await measureLarge(name, seconds ?? 60);
    continue;
  }
  if (!networks[name])
    throw new Error(`bench/quadratic: unknown network "${name}"; known: ${Object.keys({ ...networks, ...large })}`);
  if (name.includes("_") && !existsSync(shared)) {
    console.log(`skipped ${name}: there is no ../shared/data/onnx`);
    continue;
  }
  const { bound, propagation } = await autoLip(networks[name](), 2, {});
  const found = programFor(propagation, 2);
  if (!found) {
    console.log(`| ${name} | ${bound.value.toPrecision(4)} | no program | | | | |`);
    continue;
  }
  const [began, processor] = [performance.now(), process.cpuUsage().user];
  const own = await quadraticBound(found.program, {
    engine: nodeEngine(),
    ...(seconds === undefined ? {} : { seconds }),
    ...(steps === undefined ? {} : { steps }),
  });
  const cells = [
    bound.value.toPrecision(4),
    `${(own.value * found.before).toPrecision(6)}${own.ending === "converged" ? "" : ` (${own.ending})`}`,
    own.steps,
    ((performance.now() - began) / 1000).toFixed(1),
    ((process.cpuUsage().user - processor) / 1e6).toFixed(1),
    Math.round(process.memoryUsage().rss / 1e6),
  ];
  console.log(`| ${name} | ${cells.join(" | ")} |`);
}
