/** @file Real networks nobody here wrote: each is read, computes what ONNX Runtime computed from the file itself, and survives being written. */
import { readFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import type { Program } from "../../src/engine/engine.ts";
import { nodeEngine } from "../../src/engine/node.ts";
import { input } from "../../src/graph/leaf.ts";
import type { Network } from "../../src/graph/network.ts";
import { parseOnnx } from "../../src/onnx/read.ts";
import { writeModel } from "../../src/onnx/write.ts";
import { UnsupportedOperatorError } from "../../src/tensor/errors.ts";
import { mapNamed, type Named } from "../../src/tensor/named.ts";
import { type Shape, sizeOf } from "../../src/tensor/shape.ts";
import { cast, type DType, type Tensor, tensor, toFloat64 } from "../../src/tensor/tensor.ts";
import { cifarImages, hasShared, mnistImages, sharedData } from "../shared.ts";

interface Case {
  readonly output?: readonly number[];
  readonly outputs?: Named<{ readonly dims: Shape; readonly head: readonly number[]; readonly sum: number }>;
}

const there = hasShared("onnx");
/** For each file: what ONNX Runtime made of it. */
const oracle: Named<{ readonly preprocessing: string | null; readonly cases: readonly Case[] }> = there
  ? JSON.parse(readFileSync(`${sharedData}onnx/oracle.json`, "utf8"))
  : {};
const engine = nodeEngine({ threads: 1 });

/** Not read, and rightly so: what it computes is random. */
const refused = "ops/layer-zoo_dropout_training_mode_true.onnx";

/** Networks with a free batch. (ops/fc2 says so too, but flattens its batch away.) */
const batched = [
  "mnist/marabou_mnist5x20_leaky_relu.onnx",
  "cifar/marabou_cifar10_small.onnx",
  "control/collins_rul_small_window_20.onnx",
  "ops/fc_2-2-3.onnx",
  "ops/fc_2-2sigmoids-3.onnx",
  "ops/test_dropout.onnx",
];

describe.skipIf(!there)("readOnnx() on real networks", () => {
  const equal: string[] = [];

  it.each(Object.keys(oracle).filter((path) => path !== refused))("%s", async (path) => {
    const network = parseOnnx(readFileSync(`${sharedData}onnx/${path}`), { name: path });
    const { preprocessing, cases } = oracle[path];
    const feeds = cases.map((_, k) => feedsOf(network, k, preprocessing));
    const outputs = outputsOf(network);
    const first = await runAll(await engine.compile(outputs), feeds);
    cases.forEach((c, k) => {
      agree(first[k], c, network.outputs);
    });
    for (const opset of [9, 17, 22, 26]) {
      const bytes = writeModel(outputs, { opset });
      const again = await runAll(await engine.compile(outputsOf(parseOnnx(bytes))), feeds);
      const loaded = await runAll(await engine.load(bytes), feeds);
      for (const other of [again, loaded]) {
        other.forEach((values, k) => {
          for (const name of network.outputs) close(toFloat64(values[name]), toFloat64(first[k][name]), 1e-5);
        });
      }
    }
    // In float64 too, from feeds that are wider only in type.
    const wide = outputsOf(network, "float64");
    const wideFeeds = feeds.map((feed) => mapNamed(feed, (t) => cast(t, "float64")));
    (await runAll(await engine.compile(wide), wideFeeds)).forEach((values, k) => {
      agree(values, cases[k], network.outputs);
    });
    equal.push(path);
  });

  it.each(batched)("%s on any batch, built on it or written with it free", async (path) => {
    const network = parseOnnx(readFileSync(`${sharedData}onnx/${path}`), { name: path });
    const feeds = [feedsOf(network, 0, null, 5)];
    const [built] = await runAll(await engine.compile(outputsOf(network, "float32", 5)), feeds);
    const [free] = await runAll(await engine.load(writeModel(outputsOf(network), { batch: "batch" })), feeds);
    const again = parseOnnx(writeModel(outputsOf(network), { batch: "batch" }));
    expect(again.inputs.map((p) => p.shape[0])).toEqual(["batch"]);
    const [read] = await runAll(await engine.compile(outputsOf(again, "float32", 5)), feeds);
    for (const name of network.outputs) {
      expect(built[name].shape[0]).toBe(5);
      for (const other of [free, read]) close(toFloat64(other[name]), toFloat64(built[name]), 1e-5);
    }
  });

  it("refuses a network whose output is random", () => {
    const bytes = readFileSync(`${sharedData}onnx/${refused}`);
    expect(() => parseOnnx(bytes, { name: refused })).toThrow(UnsupportedOperatorError);
    expect(() => parseOnnx(bytes, { name: refused })).toThrow(/training mode.*random.*export the model for inference/);
  });

  afterAll(() => {
    expect(Object.keys(oracle).length).toBe(66);
    expect(equal.length).toBe(65);
  });
});

// --- internal ---

function outputsOf(network: Network, dtype: DType = "float32", batch = 1) {
  const nodes = network.build(
    network.inputs.map((p) =>
      input(
        p.name,
        p.shape.map((d) => (typeof d === "number" ? d : batch)),
        dtype,
      ),
    ),
  );
  return Object.fromEntries(network.outputs.map((name, i) => [name, nodes[i]]));
}

async function runAll(program: Program, feeds: readonly Named<Tensor>[]): Promise<Named<Tensor>[]> {
  const results: Named<Tensor>[] = [];
  for (const feed of feeds) {
    results.push(await program.run(Object.fromEntries(Object.keys(program.inputs).map((name) => [name, feed[name]]))));
  }
  await program.dispose();
  return results;
}

/** Case k: test image k, or numbers that a formula gives. */
function feedsOf(network: Network, k: number, preprocessing: string | null, batch = 1): Named<Tensor> {
  return Object.fromEntries(
    network.inputs.map((port, which) => {
      const shape = port.shape.map((d) => (typeof d === "number" ? d : batch));
      const values = preprocessing
        ? image(k, preprocessing, sizeOf(shape))
        : Array.from({ length: sizeOf(shape) }, (_, i) => 0.5 * Math.sin(0.37 * (i + 1) + k + 7 * which));
      return [port.name, tensor(values, shape)];
    }),
  );
}

function image(k: number, preprocessing: string, size: number): number[] {
  if (size === 784) {
    const bytes = mnistImages(k + 1)[k];
    return Array.from(bytes, (v) => (preprocessing === "u8" ? v : v / 255));
  }
  const bytes = cifarImages(k + 1)[k];
  if (preprocessing.includes("NHWC")) return Array.from(bytes, (v) => v / 255);
  const [mean, deviation] = [...preprocessing.matchAll(/\[([\d.,]+)\]/g)].map((m) => m[1].split(",").map(Number));
  const scale = deviation ?? new Array<number>(3).fill(Number(/\/(\.\d+)/.exec(preprocessing)?.[1]));
  return Array.from({ length: size }, (_, i) => {
    const channel = Math.floor(i / 1024);
    return (bytes[3 * (i % 1024) + channel] / 255 - mean[channel]) / scale[channel];
  });
}

function agree(got: Named<Tensor>, want: Case, names: readonly string[]): void {
  if (want.output) close(toFloat64(got[names[0]]), want.output, 1e-4);
  for (const [name, { dims, head, sum }] of Object.entries(want.outputs ?? {})) {
    expect(got[name].shape).toEqual(dims);
    const values = toFloat64(got[name]);
    close(values.subarray(0, head.length), head, 1e-4);
    const size = values.reduce((total, v) => total + Math.abs(v), 0);
    expect(Math.abs(values.reduce((a, b) => a + b, 0) - sum)).toBeLessThanOrEqual(1e-4 * size);
  }
  expect(want.output ?? want.outputs).toBeDefined();
}

/** Within a fraction of the largest of the wanted numbers. */
function close(got: ArrayLike<number>, want: ArrayLike<number>, tolerance: number): void {
  expect(got.length).toBe(want.length);
  const largest = Math.max(...Array.from(want, Math.abs));
  const worst = Math.max(0, ...Array.from(got, (v, i) => Math.abs(v - want[i])));
  expect(worst).toBeLessThanOrEqual(tolerance * largest);
}
