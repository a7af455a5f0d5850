/**
 * @file The linear walk on networks that nobody here made: images verified at given radii by the global constant, by the walk with its usual lines and tuned, and what
 * attacks leave. `npx tsx bench/linear.ts sdp NAME [IMAGES] | fc [IMAGES] | cifar NAME [IMAGES] | speed`, with ../shared/data beside the clone. One JSON line per row; bench/linear.md has them.
 */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { attack } from "../src/attack/attack.ts";
import { propagate } from "../src/bounds/autoLip.ts";
import type { Norm } from "../src/bounds/bound.ts";
import { budget } from "../src/bounds/budget.ts";
import { constantsOf } from "../src/bounds/linear/constants.ts";
import { planOf } from "../src/bounds/linear/plan.ts";
import type { Form } from "../src/bounds/linear/program.ts";
import { walkerOf } from "../src/bounds/linear/walker.ts";
import { marginsOf } from "../src/bounds/margin.ts";
import { classPairs } from "../src/bounds/quadratic/pairs.ts";
import { subjectOf } from "../src/bounds/subject.ts";
import type { Dataset } from "../src/data/dataset.ts";
import { parseNpy } from "../src/data/npy.ts";
import { nodeEngine } from "../src/engine/node.ts";
import type { Network } from "../src/graph/network.ts";
import { freeze } from "../src/models/freeze.ts";
import { mlp } from "../src/models/mlp.ts";
import { withPreprocessing } from "../src/models/preprocess.ts";
import { readOnnx } from "../src/onnx/file.ts";
import { random } from "../src/tensor/random.ts";
import { mnistImages, sharedData } from "../test/shared.ts";

const engine = nodeEngine();

interface Question {
  readonly name: string;
  readonly network: Network;
  readonly data: Dataset;
  readonly norm: Norm;
  /** As papers write them, in the units of the normalised input, and what one is in the units of the data. */
  readonly radii: readonly string[];
  readonly unit: number;
  readonly refine: boolean;
  readonly steps: number;
}

function numberOf(word: string): number {
  const [a, b = "1"] = word.split("/");
  return Number(a) / Number(b);
}

async function verified({ name, network, data, norm, radii, unit, refine, steps }: Question): Promise<void> {
  const subject = subjectOf(network);
  const plan = planOf(subject);
  const propagation = await propagate(plan.given, norm);
  const constantOf = await constantsOf(plan, norm, budget(), propagation);
  const chain = norm === 2 ? await classPairs(propagation, { engine, seconds: 3 }) : null;
  const walk = marginsOf(propagation, norm);
  const pair = (y: number, j: number) => Math.min(walk.pair(y, j), chain?.pair(y, j) ?? Number.POSITIVE_INFINITY);
  const started = performance.now();
  const samples = Math.min(data.count, 50);
  const walker = await walkerOf({ engine, plan, kind: norm, samples, constantOf });
  const made = (performance.now() - started) / 1000;
  const attacks =
    norm === 1
      ? null
      : await attack(network, {
          engine,
          data,
          norm,
          radii: radii.map((r) => unit * numberOf(r)),
          attacks: ["pgd"],
          seed: 1,
        });
  for (const radius of radii) {
    const r = unit * numberOf(radius);
    const counts = { right: 0, constant: 0, usual: 0, tuned: 0 };
    const seconds = { usual: 0, tuned: 0 };
    let asked = 0;
    for (let from = 0; from < data.count; from += samples) {
      const x = new Float64Array(samples * subject.size);
      x.set(data.x.subarray(from * subject.size, (from + samples) * subject.size));
      const centers = await walker.centers(x);
      const z = (centers.values.get(plan.varying.length - 1) as { readonly z: Float64Array }).z;
      const n = subject.outputs;
      const forms: Form[] = [];
      const right = new Set<number>();
      for (let s = 0; s < samples && from + s < data.count; s++) {
        const row = z.subarray(s * n, (s + 1) * n);
        const y = row.indexOf(Math.max(...row));
        if (y !== data.labels[from + s]) continue;
        right.add(s);
        for (let j = 0; j < n; j++)
          if (j !== y && row[y] - row[j] <= r * pair(y, j)) forms.push({ who: s, plus: y, minus: j });
      }
      const open = new Set(forms.map((f) => f.who));
      counts.right += right.size;
      counts.constant += right.size - open.size;
      asked += open.size;
      let clock = performance.now();
      const lap = () => {
        const now = performance.now();
        const took = (now - clock) / 1000;
        clock = now;
        return took;
      };
      const reach = new Float64Array(samples).fill(r);
      const live = Array.from({ length: samples }, (_, s) => open.has(s));
      const on = await walker.onSets(centers, reach, live, refine);
      const usual = await walker.lower(on, forms);
      const left = forms.filter((_, k) => !(usual.lower[k] > 0));
      seconds.usual += lap();
      counts.usual += right.size - new Set(left.map((f) => f.who)).size;
      const tuned = left.length > 0 ? await walker.tuned(on, centers, left, steps) : null;
      seconds.tuned += lap();
      counts.tuned +=
        right.size - new Set(left.filter((_, k) => !(tuned && tuned.lower[k] > 0)).map((f) => f.who)).size;
    }
    const attacked = attacks?.samples.filter(
      (s) => s.predicted === s.label && !(s.distance !== null && s.distance <= r),
    ).length;
    const each = (v: number) => Number((v / Math.max(1, asked)).toFixed(3));
    const row = { name, norm, radius, images: data.count, ...counts, attacked: attacked ?? null, asked };
    console.log(
      JSON.stringify({
        ...row,
        secondsEach: { usual: each(seconds.usual), tuned: each(seconds.tuned) },
        made: Number(made.toFixed(1)),
      }),
    );
  }
  await walker.dispose();
}

function classification(name: string, shape: readonly number[], x: Float32Array, labels: Int32Array): Dataset {
  return {
    name,
    task: "classification",
    classes: 10,
    shape,
    count: labels.length,
    x,
    labels,
    targets: new Float32Array(0),
  };
}

async function sdp(name: string, images: number): Promise<void> {
  const folder = `${sharedData}sdp-crown/`;
  const mnist = name.startsWith("mnist");
  const x = parseNpy("x", gunzipSync(readFileSync(`${folder}${mnist ? "mnist" : "cifar"}_x.npy.gz`)));
  const y = parseNpy("y", readFileSync(`${folder}${mnist ? "mnist" : "cifar"}_y.npy`));
  const shape = x.shape.slice(1);
  const size = shape.reduce((a, b) => a * b, 1);
  const network = withPreprocessing(
    await readOnnx(`${folder}${name}.onnx`),
    mnist ? { mean: [0.1307], std: [0.3081] } : { mean: [0.485, 0.456, 0.406], std: [0.225, 0.225, 0.225] },
  );
  const labels = Int32Array.from({ length: images }, (_, i) => Number(y.data[i]));
  const data = classification(
    name,
    shape,
    Float32Array.from({ length: images * size }, (_, i) => Number(x.data[i])),
    labels,
  );
  const radii = mnist ? ["0.3", "1", "2"] : ["24/255", "0.2", "0.5"];
  const refine = name === "mnist_mlp";
  await verified({ name, network, data, norm: 2, radii, unit: mnist ? 0.3081 : 0.225, refine, steps: 40 });
}

async function fc(images: number): Promise<void> {
  const network = await readOnnx(`${sharedData}onnx/mnist/mnist_fc_256x2.onnx`);
  const labels = gunzipSync(readFileSync(`${sharedData}mnist/t10k-labels-idx1-ubyte.gz`)).subarray(8, 8 + images);
  const x = Float32Array.from(mnistImages(images).flatMap((image) => Array.from(image, (v) => v / 255)));
  const data = classification("mnist", [1, 28, 28], x, Int32Array.from(labels));
  await verified({
    name: "mnist_fc_256x2",
    network,
    data,
    norm: "inf",
    radii: ["0.005", "0.01", "0.02", "0.05"],
    unit: 1,
    refine: true,
    steps: 40,
  });
  await verified({
    name: "mnist_fc_256x2",
    network,
    data,
    norm: 2,
    radii: ["0.1", "0.2", "0.3"],
    unit: 1,
    refine: true,
    steps: 40,
  });
}

/** Networks of the field's benchmarks on the CIFAR-10 images of the SDP-CROWN set. */
const cifarNetworks = {
  resnet_2b: { mean: [0.4914, 0.4822, 0.4465], std: [0.2471, 0.2435, 0.2616] },
  oval_cifar_deep_kw: { mean: [0.485, 0.456, 0.406], std: [0.225, 0.225, 0.225] },
} as const;

async function cifar(name: keyof typeof cifarNetworks, images: number): Promise<void> {
  const folder = `${sharedData}sdp-crown/`;
  const x = parseNpy("x", gunzipSync(readFileSync(`${folder}cifar_x.npy.gz`)));
  const y = parseNpy("y", readFileSync(`${folder}cifar_y.npy`));
  const size = 3 * 32 * 32;
  const network = withPreprocessing(await readOnnx(`${sharedData}onnx/cifar/${name}.onnx`), cifarNetworks[name]);
  const data = classification(
    name,
    [3, 32, 32],
    Float32Array.from({ length: images * size }, (_, i) => Number(x.data[i])),
    Int32Array.from({ length: images }, (_, i) => Number(y.data[i])),
  );
  await verified({ name, network, data, norm: "inf", radii: ["1/255", "2/255"], unit: 1, refine: true, steps: 20 });
}

/** Images a second of the plain walk, all nine other classes, at a radius where a tenth of the neurons are open. */
async function speed(): Promise<void> {
  const count = 1000;
  const model = mlp([784, 128, 64, 10]);
  const network = await freeze(engine, model, model.init(random(1), [784]), [784]);
  const subject = subjectOf(network);
  const plan = planOf(subject);
  const x = Float64Array.from(mnistImages(count).flatMap((image) => Array.from(image, (v) => v / 255)));
  for (const norm of [2, "inf"] as const) {
    const walker = await walkerOf({
      engine,
      plan,
      kind: norm,
      samples: 250,
      constantOf: await constantsOf(plan, norm),
    });
    for (const refine of [false, true]) {
      let best = Number.POSITIVE_INFINITY;
      for (let round = 0; round < 5; round++) {
        const start = performance.now();
        for (let from = 0; from < count; from += 250) {
          const centers = await walker.centers(x.slice(from * 784, (from + 250) * 784));
          const on = await walker.onSets(
            centers,
            new Float64Array(250).fill(norm === 2 ? 0.1 : 0.005),
            Array(250).fill(true),
            refine,
          );
          const forms = Array.from({ length: 9 * 250 }, (_, k) => ({
            who: Math.floor(k / 9),
            plus: 0,
            minus: 1 + (k % 9),
          }));
          await walker.lower(on, forms);
        }
        best = Math.min(best, (performance.now() - start) / 1000);
      }
      console.log(
        JSON.stringify({
          name: "784-128-64-10",
          norm,
          ranges: refine ? "walk" : "constants",
          imagesPerSecond: Math.round(count / best),
        }),
      );
    }
    await walker.dispose();
  }
}

const [what, name = "mnist_mlp", images = "200"] = process.argv.slice(2);
if (what === "sdp") await sdp(name, Number(images));
else if (what === "fc") await fc(Number(name === "mnist_mlp" ? 200 : name));
else if (what === "cifar") await cifar(name === "resnet_2b" ? name : "oval_cifar_deep_kw", Number(images));
else if (what === "speed") await speed();
else console.log("usage: npx tsx bench/linear.ts sdp NAME [IMAGES] | fc [IMAGES] | cifar NAME [IMAGES] | speed");
