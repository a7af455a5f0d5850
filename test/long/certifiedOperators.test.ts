/** @file Certificates of small networks with operators of every kind: each is accepted, holds at the points that the runtime is asked at, and is refused where its constant or a radius is a hundredth too good. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { random } from "../../src/tensor/random.ts";
import { type Tensor, tensor, toFloat64 } from "../../src/tensor/tensor.ts";
import type { Certificate } from "../../src/verify/certificate.ts";
import { marginsLeft } from "../../src/verify/proof/margins.ts";
import { runOn } from "../../src/verify/proof/run.ts";
import { walk } from "../../src/verify/proof/walk.ts";
import { roundingOf } from "../../src/verify/samples.ts";
import { runAtOnce } from "../../src/verify/task.ts";
import { readProgram, verify } from "../../src/verify/verify.ts";
import { certificateOf, engine, points } from "../certificates.ts";
import { claimed, recount } from "../forgeries.ts";
import { declaredAs, type ModelOf, modelOf, type NodeOf } from "../model.ts";

const ints = (...values: number[]): Tensor => tensor(BigInt64Array.from(values, BigInt), [values.length], "int64");
const source = random(7);
const drawn = (shape: readonly number[], scale = 0.7): Tensor =>
  tensor(
    Array.from({ length: shape.reduce((n, d) => n * d, 1) }, () => scale * source.normal()),
    shape,
  );

const image = [2, 4, 4];

/** What is between a convolution of an image and a linear map to three scores. */
const middles: Readonly<Record<string, { readonly nodes: readonly NodeOf[]; readonly tensors?: ModelOf["tensors"] }>> =
  {
    "a split and its parts turned round": {
      nodes: [
        { op: "Split", in: ["h", "sizes"], out: ["p", "q"], attributes: { axis: 1 } },
        { op: "Relu", in: ["p"], out: ["r"] },
        { op: "Concat", in: ["q", "r"], out: ["m"], attributes: { axis: 1 } },
      ],
      tensors: { sizes: ints(3, 1) },
    },
    "a transposed convolution": {
      nodes: [
        { op: "Relu", in: ["h"], out: ["r"] },
        {
          op: "ConvTranspose",
          in: ["r", "T", "t"],
          out: ["m"],
          attributes: { strides: [2, 2], output_padding: [1, 1] },
        },
      ],
      tensors: { T: drawn([4, 2, 3, 3]), t: drawn([2]) },
    },
    "a PReLU by channel": {
      nodes: [{ op: "PRelu", in: ["h", "slopes"], out: ["m"] }],
      tensors: { slopes: tensor([0.25, -0.5, 1.5, 0], [4, 1, 1]) },
    },
    "pads that mirror": {
      nodes: [
        { op: "Celu", in: ["h"], out: ["r"] },
        { op: "Pad", in: ["r", "pads"], out: ["m"], attributes: { mode: "reflect" } },
      ],
      tensors: { pads: ints(0, 0, 1, 1, 0, 0, 2, 0) },
    },
    "means, maxima and limits": {
      nodes: [
        { op: "Max", in: ["h", "limits"], out: ["l"] },
        { op: "ReduceMax", in: ["l"], out: ["r"], attributes: { axes: [2] } },
        { op: "ReduceMin", in: ["h"], out: ["s"], attributes: { axes: [-1] } },
        { op: "ReduceMean", in: ["l"], out: ["n"], attributes: { axes: [1] } },
        { op: "Mean", in: ["r", "n", "s"], out: ["m"] },
      ],
      tensors: { limits: tensor([0.1, -0.2, 0, 0.3], [4, 1, 1]) },
    },
    "Mish and a pool with a last window": {
      nodes: [
        { op: "Softplus", in: ["h"], out: ["s"] },
        { op: "Tanh", in: ["s"], out: ["t"] },
        { op: "Mul", in: ["h", "t"], out: ["r"] },
        {
          op: "AveragePool",
          in: ["r"],
          out: ["m"],
          attributes: { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 },
        },
      ],
    },
    "a sine and an equation of Einstein's": {
      nodes: [
        { op: "Sin", in: ["h"], out: ["r"] },
        { op: "Einsum", in: ["r", "E"], out: ["m"], attributes: { equation: "bcij,cjk->bik" } },
      ],
      tensors: { E: drawn([4, 4, 3]) },
    },
    "the largest of three tensors": {
      nodes: [
        { op: "Neg", in: ["h"], out: ["n"] },
        { op: "Tile", in: ["half", "repeats"], out: ["c"] },
        { op: "Slice", in: ["h", "from", "to", "axes", "steps"], out: ["v"] },
        { op: "Max", in: ["h", "c", "n", "v"], out: ["m"] },
      ],
      tensors: {
        half: tensor([0.5], [1, 1, 1, 1]),
        repeats: ints(1, 4, 4, 4),
        from: ints(-1),
        to: ints(-9),
        axes: ints(1),
        steps: ints(-1),
      },
    },
  };

/** The network around it, its output declared. */
async function network(middle: (typeof middles)[string]): Promise<Uint8Array> {
  const front: NodeOf[] = [
    { op: "Conv", in: ["x", "K"], out: ["h"], attributes: { pads: [1, 1, 1, 1] } },
    ...middle.nodes,
    { op: "Flatten", in: ["m"], out: ["f"] },
  ];
  const tensors = { K: drawn([4, 2, 3, 3], 0.4), ...middle.tensors };
  const probe = await engine.load(modelOf({ inputs: { x: [1, ...image] }, nodes: front, tensors, outputs: ["f"] }));
  const { f } = await probe.run({ x: tensor(new Float32Array(32), [1, ...image]) });
  await probe.dispose();
  const tail: NodeOf = { op: "MatMul", in: ["f", "V"] };
  const bytes = modelOf({
    inputs: { x: [1, ...image] },
    nodes: [...front, tail],
    tensors: { ...tensors, V: drawn([f.shape[1], 3]) },
  });
  return declaredAs(bytes, [1, 3]);
}

const data = points(image, 6, 3);

describe.each(Object.entries(middles))("a certificate of a network with %s", (_, middle) => {
  it("is accepted, and is refused with a constant or a radius that is a hundredth too good", async () => {
    await tried(await network(middle), data);
  });
});

const read = (name: string) =>
  new Uint8Array(readFileSync(fileURLToPath(new URL(`../fixtures/sklearn/${name}`, import.meta.url))));

describe.each(["logistic.onnx", "mlp.onnx", "words.onnx"])("a certificate of scikit-learn's %s", (name) => {
  it("is accepted, and is refused with a constant or a radius that is a hundredth too good", async () => {
    const flowers = points([4], 8, 3);
    const spread = [4, 2, 5, 2];
    const x = flowers.x.map((v, i) => 1 + v * spread[i % 4]);
    await tried(read(name), { ...flowers, x }, "output_probability");
  });
});

/** Everything that is asked of a certificate; the runtime decides at random points within the radii as it says. */
async function tried(bytes: Uint8Array, given: typeof data, maps?: string): Promise<void> {
  const { text, certificate } = await certificateOf(bytes, given, { seconds: 0.1, local: "on" });
  const verdict = await verify(text, bytes, { data: given });
  expect(verdict.checks.filter((c) => !c.holds)).toEqual([]);
  expect(Math.max(...certificate.samples.map((s) => s.radius))).toBeGreaterThan(1e-3);
  const original = { text, bytes, data: given, certificate };

  // What the checker itself proves is the most that it may accept.
  const program = readProgram(bytes, {}, given.shape);
  const proof = runAtOnce(walk(program, 2, certificate.witness));
  const steeper = await claimed(original, (c) => {
    c.constant.value = 0.99 * proof.constant;
    delete c.constant.pairs;
  });
  await failing(steeper, "constant");
  const run = runAtOnce(runOn(program, given.x));
  const longest = Math.max(...certificate.samples.map((s) => s.radius));
  const margins = marginsLeft(program, proof, run, given.x, roundingOf(program, proof, run, 2 * longest));
  const far = await claimed(original, (c) => {
    for (const s of c.samples) {
      const others = Array.from({ length: program.outputs }, (_, j) => j).filter((j) => j !== s.predicted);
      const most = Math.min(...others.map((j) => margins.radius(s.index, s.predicted, j, 1e9)));
      s.radius = Math.max(s.radius, most * 1.01);
    }
    c.rounding = { float64: c.rounding.float64 * 4, float32: c.rounding.float32 * 4 };
    recount(c);
  });
  await failing(far, "samples");
  if (maps === undefined) await decided(bytes, certificate, given);
}

async function failing(forgery: Parameters<typeof claimed>[0], check: string): Promise<void> {
  const { outcome, checks } = await verify(forgery.text, forgery.bytes, { data: forgery.data });
  expect({ outcome, check: checks[checks.length - 1].what }).toEqual({ outcome: "does not hold", check });
}

async function decided(bytes: Uint8Array, { samples }: Certificate, given: typeof data): Promise<void> {
  const program = await engine.load(bytes);
  const size = given.x.length / given.count;
  const around = random(3);
  for (const { index, predicted, radius } of samples) {
    for (let k = 0; k < 8 && radius > 0; k++) {
      const way = Array.from({ length: size }, () => around.normal());
      const length = Math.hypot(...way);
      const x = Float32Array.from(way, (v, j) => given.x[size * index + j] + (0.999 * radius * v) / length);
      const row = toFloat64((await program.run({ x: tensor(x, [1, ...given.shape]) })).y);
      expect(row.indexOf(Math.max(...row))).toBe(predicted);
    }
  }
  await program.dispose();
}
