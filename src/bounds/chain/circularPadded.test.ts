/** @file Convolutions with zeros around, as wrapped ones: against the network's own matrices, and against what the written-out chain proves by the same multipliers. */
import { describe, expect, it } from "vitest";
import { functionOf, weight } from "../../../test/functions.ts";
import { nodeEngine } from "../../engine/node.ts";
import { flowOf } from "../../graph/behaviour.ts";
import type { Node } from "../../graph/graph.ts";
import type { Network } from "../../graph/network.ts";
import { scaleUp, sqrtUp } from "../../linalg/rounding.ts";
import { add, div, mul } from "../../ops/arith.ts";
import { conv } from "../../ops/conv.ts";
import { matmul } from "../../ops/matmul.ts";
import { flatten, transpose } from "../../ops/movement.ts";
import { gelu, relu, sigmoid, tanh } from "../../ops/pointwise.ts";
import { averagePool, maxPool } from "../../ops/pool.ts";
import { normalTensor, type Random, random } from "../../tensor/random.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { budget } from "../budget.ts";
import { lipschitz } from "../index.ts";
import { nodeNorms } from "../norm/node.ts";
import { subjectOf } from "../subject.ts";
import type { CircularStage } from "./circular.ts";
import { type CircleAxis, gridsOf, paddedStages } from "./circularPadded.ts";
import { circularSearch, productStart } from "./circularSearch.ts";
import { provedBy } from "./circularTail.ts";
import { chainForm, multipliersOfForm } from "./form.ts";
import { settle } from "./proof.ts";
import { tailOf } from "./tail.ts";

const engine = nodeEngine({ threads: 1 });

const same = { pads: [1, 1, 1, 1] };

const meetsNone = (offset: number, { size, out, stride }: CircleAxis) =>
  Array.from({ length: out }, (_, j) => stride * j + offset).every((place) => place < 0 || place >= size);

const draw = (x: Node, r: Random, name: string, shape: readonly number[], deviation: number) =>
  weight(x, Array.from(normalTensor(r.fork(name), shape, deviation).data, Number), shape);

/** One to three convolutions of every geometry, activations, and dense layers. */
function randomConvnet(seed: number) {
  const r = random(seed);
  const pick = (name: string, low: number, high: number) => low + r.fork(name).integer(high - low + 1);
  const layers = Array.from({ length: pick("layers", 1, 3) }, (_, i) => {
    const n = (name: string, low: number, high: number) => pick(`${i} ${name}`, low, high);
    return {
      taps: [n("tall", 1, 5), n("broad", 1, 5)],
      stride: n("stride", 1, 3),
      pads: [n("top", 0, 2), n("left", 0, 2), n("bottom", 0, 2), n("right", 0, 2)],
      dilations: n("dilated", 0, 3) === 0 ? [2, 1] : [1, 1],
      groups: n("groups", 0, 3) === 0 ? 2 : 1,
      act: [relu, tanh, sigmoid][n("act", 0, 2)],
      scaled: n("scaled", 0, 3) === 0,
    };
  });
  const words: string[] = [];
  const network = functionOf([2, pick("height", 4, 9), pick("width", 4, 9)], (x) => {
    let y = x;
    words.length = 0;
    layers.forEach(({ taps, stride, pads, dilations, groups, act, scaled }, i) => {
      const [m, n] = y.shape.slice(2);
      const tall = Math.min(taps[0], Math.floor((m + pads[0] + pads[2] - 1) / dilations[0]) + 1);
      const broad = Math.min(taps[1], n + pads[1] + pads[3]);
      const channels = 2 * pick(`${i} channels`, 1, 2);
      const kernel = draw(
        x,
        r,
        `kernel ${i}`,
        [channels, y.shape[1] / groups, tall, broad],
        1 / Math.sqrt(tall * broad),
      );
      words.push(`${tall}x${broad}/${stride} pads ${pads} dilations ${dilations} groups ${groups}`);
      let z = conv(y, kernel, { strides: [stride, stride], pads, dilations, groups });
      if (scaled) z = mul(z, draw(x, r, `factors ${i}`, [channels, 1, 1], 1));
      y = act(add(z, draw(x, r, `bias ${i}`, [channels, 1, 1], 1)));
    });
    const flat = flatten(y);
    const first = matmul(flat, draw(x, r, "dense", [flat.shape[1], 3], 1 / Math.sqrt(flat.shape[1])));
    return pick("deep", 0, 1) === 1 ? matmul(relu(first), draw(x, r, "last", [3, 2], 1)) : first;
  });
  return { network, words: () => words.join("; "), scaled: layers.map(({ scaled }) => scaled) };
}

/** The stages before the last activation on images, the regions that they stand for, and the chain on the last grid. */
function partsOf(network: Network) {
  const { x, y } = subjectOf(network).at(1, "float64");
  const flow = flowOf(x, y);
  const norms = nodeNorms(flow);
  const acts = flow.varying.filter(
    ({ op, shape }) => ["Relu", "Tanh", "Sigmoid"].includes(op.name) && shape.length === 4,
  );
  const [to] = acts.slice(-1);
  const [whole, tail] = [tailOf(flow, norms), tailOf(flow, norms, to)];
  if (typeof whole === "string" || typeof tail === "string") throw new Error(`${whole} ${tail}`);
  expect([whole.from, tail.from]).toEqual([x, to]);
  const padded = paddedStages(flow, to, norms);
  // A kernel may meet nothing but zeros.
  if (whole.chain.affine.some(({ weight }) => weight.data.every((v) => v === 0))) return null;
  if (padded?.from !== x) throw new Error("not from the input on");
  const [first, ...rest] = tail.chain.affine;
  const chain = { ...tail.chain, affine: [{ ...first, weight: padded.spread(first.weight) }, ...rest] };
  const shapes = [x, ...acts].map(({ shape }) => shape.slice(1));
  return { padded, stages: padded.stages(), whole: whole.chain, chain, shapes };
}

/** The matrix of a stage between two images in the corners of its grids. */
function corner(
  { kernel, inputs, height, width, stride }: CircularStage,
  from: readonly number[],
  to: readonly number[],
) {
  const cols = sizeOf(from);
  const data = new Float64Array(sizeOf(to) * cols);
  for (let row = 0; row < sizeOf(to); row++) {
    const [d, y, x] = [Math.floor(row / (to[1] * to[2])), Math.floor(row / to[2]) % to[1], row % to[2]];
    for (let c = 0; c < inputs; c++) {
      for (let a = 0; a < height; a++) {
        for (let b = 0; b < width; b++) {
          const [i, j] = [(stride * y + a) % height, (stride * x + b) % width];
          const value = kernel[((d * inputs + c) * height + a) * width + b];
          if (i < from[1] && j < from[2]) data[row * cols + (c * from[1] + i) * from[2] + j] += value;
        }
      }
    }
  }
  return data;
}

describe("paddedStages()", () => {
  it("are the network's own convolutions in the corners of grids that go on from one another", () => {
    let count = 0;
    for (let seed = 0; seed < 100; seed++) {
      const { network, words, scaled } = randomConvnet(seed);
      const parts = partsOf(network);
      if (!parts) continue;
      count++;
      const { stages, whole, shapes, padded, chain } = parts;
      stages.forEach((stage, i) => {
        const [from, to] = [shapes[i], shapes[i + 1]];
        const next = stages[i + 1];
        if (next) expect([next.height, next.width].map((n) => n * stage.stride)).toEqual([stage.height, stage.width]);
        expect(from[1] <= stage.height && to[1] * stage.stride <= stage.height, words()).toBe(true);
        const made = corner(stage, from, to);
        const { data } = whole.affine[i].weight;
        const off = made.reduce((most, v, k) => Math.max(most, Math.abs(v - data[k])), 0);
        expect(off, words()).toBeLessThanOrEqual(stage.error === undefined ? 0 : stage.error);
        // Factors make products of what is in the file.
        expect((stage.error ?? 0) > 0).toBe(scaled[i]);
        expect(stage.error ?? 0).toBeLessThan(1e-10);
      });
      // The map behind reads the same corner.
      const [channels, m, n] = shapes[shapes.length - 1];
      const { height, width, stride } = stages[stages.length - 1];
      const [rows, columns] = [height / stride, width / stride];
      expect(padded.used).toBe((m * n) / (rows * columns));
      const map = whole.affine[stages.length].weight;
      const { weight } = chain.affine[0];
      expect(weight.cols).toBe(channels * rows * columns);
      weight.data.forEach((v, k) => {
        const [r, c] = [Math.floor(k / weight.cols), Math.floor((k % weight.cols) / (rows * columns))];
        const [y, x] = [Math.floor(k / columns) % rows, k % columns];
        expect(v).toBe(y < m && x < n ? map.data[r * map.cols + (c * m + y) * n + x] : 0);
      });
    }
    expect(count).toBeGreaterThan(80);
  });

  it("take the smallest circles on which taps that differ do not mix", () => {
    /** The matrix of a convolution on a circle with one number for each tap, in the corner; null where it does not fit. */
    const onCircle = ({ offsets, size, out, stride }: CircleAxis, grid: number) => {
      const data = new Float64Array(out * size);
      for (let j = 0; j < out; j++) {
        offsets.forEach((o, k) => {
          const at = (((stride * j + o) % grid) + grid) % grid;
          if (at < size) data[j * size + at] += 1 + k;
        });
      }
      return grid < size || grid < stride * out ? null : Array.from(data);
    };
    const r = random(5);
    for (let n = 0; n < 300; n++) {
      const size = 1 + r.integer(8);
      const [taps, stride, begin] = [1 + r.integer(5), 1 + r.integer(3), r.integer(3)];
      const out = Math.floor((size + begin + r.integer(3) - taps) / stride) + 1;
      if (out < 1) continue;
      const offsets = Array.from({ length: taps }, (_, t) => t - begin);
      const axis = { offsets: offsets.filter((o) => o < size && o + stride * (out - 1) >= 0), size, out, stride };
      const [grid, end] = gridsOf([axis]);
      expect(grid).toBe(end * stride);
      const real = onCircle(axis, 1000 * stride);
      expect(onCircle(axis, grid)).toEqual(real);
      if (axis.offsets.some((o) => meetsNone(o, axis))) continue;
      for (let less = grid - stride; less > 0; less -= stride) expect(onCircle(axis, less)).not.toEqual(real);
    }
  });

  it("leave what is no such convolution, and begin behind it", () => {
    const from = (f: (x: Node) => Node) => {
      const { x, y } = subjectOf(functionOf([2, 6, 6], f)).at(1, "float64");
      const flow = flowOf(x, y);
      const to = flow.varying.findLast(({ shape }) => shape.length === 4) as Node;
      const found = paddedStages(flow, to, nodeNorms(flow));
      return found && `${found.from.op.name} ${found.stages().length}`;
    };
    const r = random(1);
    const k = (x: Node, name = "k") => draw(x, r, name, [2, 2, 3, 3], 1);
    expect(from((x) => flatten(relu(conv(x, k(x)))))).toBe("Input 1");
    expect(from((x) => flatten(relu(conv(div(x, 255), k(x)))))).toBe("Input 1");
    expect(from((x) => flatten(relu(conv(transpose(x, [0, 1, 3, 2]), k(x)))))).toBe("Transpose 1");
    expect(from((x) => flatten(relu(conv(maxPool(relu(conv(x, k(x))), { kernel: [2, 2] }), k(x), same))))).toBe(
      "MaxPool 1",
    );
    expect(from((x) => flatten(relu(add(x, conv(x, k(x), same)))))).toBe("Input 1");
    expect(from((x) => flatten(gelu(conv(x, k(x)), "none")))).toBeNull();
    expect(from((x) => flatten(conv(x, k(x))))).toBeNull();
    expect(from((x) => flatten(relu(conv(x, k(x), { strides: [1, 2] }))))).toBeNull();
    const twice = (x: Node) => add(relu(conv(x, k(x, "a"), same)), tanh(conv(x, k(x, "b"), same)));
    expect(from((x) => flatten(relu(conv(twice(x), k(x)))))).toBeNull();
  });
});

describe("provedBy()", () => {
  it("proves of padded convolutions no less than of the network written out, by the same multipliers", () => {
    let [count, apart] = [0, 0];
    for (let seed = 200; seed < 240; seed++) {
      const { network, words } = randomConvnet(seed);
      const parts = partsOf(network);
      if (!parts) continue;
      const { stages, chain, whole, shapes } = parts;
      const form = chainForm(whole);
      if (!form) continue;
      const r = random(seed);
      // Somewhat less than what norms allow, each by its own part.
      const multipliers = productStart(stages, chain).multipliers.map((list) =>
        list.map((l) => l * (0.3 + 0.6 * r.uniform())),
      );
      const spread = multipliers.map((list, i) => {
        const pixels = i < stages.length ? sizeOf(shapes[i + 1].slice(1)) : 1;
        return Float64Array.from({ length: list.length * pixels }, (_, k) => list[Math.floor(k / pixels)]);
      });
      const [ours, own] = [provedBy(stages, chain, multipliers), settle(form, multipliersOfForm(form, spread))];
      if (!ours || !own) throw new Error(`no proof: ${words()}`);
      const value = scaleUp(sqrtUp(own.r), form.exponent);
      expect(ours.value, words()).toBeGreaterThan(value * (1 - 1e-6));
      if (ours.value > value * (1 + 1e-3)) apart++;
      count++;
    }
    expect(count).toBeGreaterThan(20);
    // They see more than the network: a bound that were always the same would be suspicious.
    expect(apart).toBeGreaterThan(5);
  });
});

describe("lipschitz()", () => {
  it("lets lipsdp see through convolutions that are too large to write out", async () => {
    const r = random(3);
    const network = functionOf([1, 24, 24], (x) => {
      const y = relu(conv(x, draw(x, r, "a", [6, 1, 4, 4], 0.3), { strides: [2, 2], pads: [1, 1, 1, 1] }));
      const z = relu(conv(y, draw(x, r, "b", [8, 6, 3, 3], 0.15), same));
      const flat = flatten(averagePool(z, { kernel: [2, 2], strides: [2, 2] }));
      return matmul(flat, draw(x, r, "c", [flat.shape[1], 4], 0.1));
    });
    const { upper } = await lipschitz(network, { engine, methods: ["lipsdp"], seconds: 30 });
    const { upper: norms } = await lipschitz(network, { engine, methods: ["autolip"] });
    const { lower } = await lipschitz(network, { engine, methods: ["jacobian", "pairs"], seconds: 0.3 });
    expect(upper?.proved).toBe(true);
    expect(upper?.value).toBeLessThan(0.75 * (norms?.value as number));
    expect(upper?.value).toBeGreaterThan(lower?.value as number);
  });

  it("is above every witness of random convolutional networks, however it comes to be", async () => {
    for (let seed = 300; seed < 314; seed++) {
      const { network, words } = randomConvnet(seed);
      const parts = partsOf(network);
      if (!parts) continue;
      const found = await circularSearch(
        engine,
        parts.stages,
        parts.chain,
        productStart(parts.stages, parts.chain).multipliers,
        budget({ seconds: 0.1 }),
      );
      const proof = found && provedBy(parts.stages, parts.chain, found.multipliers);
      if (!proof) throw new Error(`no proof: ${words()}`);
      const { lower } = await lipschitz(network, { engine, methods: ["jacobian"], seconds: 0.05 });
      expect(proof.value, words()).toBeGreaterThanOrEqual(lower?.value as number);
    }
  });
});
