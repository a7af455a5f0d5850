/** @file Wrapped convolutions, frequency by frequency, against the same network written out, and against attempts to cheat. */
import { describe, expect, it } from "vitest";
import { nodeEngine } from "../../engine/node.ts";
import { flowOf } from "../../graph/behaviour.ts";
import { constant } from "../../graph/leaf.ts";
import type { Network } from "../../graph/network.ts";
import { inFamily } from "../../layers/family.ts";
import { orthogonal } from "../../layers/orthogonal.ts";
import { sandwich } from "../../layers/sandwich.ts";
import { spectralNorm } from "../../linalg/norm.ts";
import { convnet } from "../../models/convnet.ts";
import { freeze } from "../../models/freeze.ts";
import { conv } from "../../ops/conv.ts";
import { relu } from "../../ops/pointwise.ts";
import { mapNamed } from "../../tensor/named.ts";
import { normalTensor, random } from "../../tensor/random.ts";
import { budget } from "../budget.ts";
import { lipschitz } from "../index.ts";
import { nodeNorms } from "../norm/node.ts";
import { subjectOf } from "../subject.ts";
import { circularNorm, circularProof } from "./circular.ts";
import { circularJudge } from "./circularGraph.ts";
import { circularSearch, normStart } from "./circularSearch.ts";
import { circularStages, provedBy, reducedChain } from "./circularTail.ts";
import { uniformMultipliers } from "./circularUniform.ts";
import { chainForm, multipliersOfForm } from "./form.ts";
import { chainValue } from "./gradient.ts";
import { lipsdp } from "./lipsdp.ts";
import { storedLists, storedStarts } from "./stored.ts";
import { tailOf } from "./tail.ts";

const engine = nodeEngine();

async function network(activation: "relu" | "tanh", sample: readonly number[]): Promise<Network> {
  const model = inFamily(convnet(4, { channels: [3, 4], hidden: 6, activation }), sandwich({ gamma: 3 }));
  return freeze(engine, model, model.init(random(2), sample), sample);
}

function flowOfNetwork(own: Network) {
  const { x, y } = subjectOf(own).at(1, "float64");
  const flow = flowOf(x, y);
  return { flow, norms: nodeNorms(flow) };
}

describe("circularNorm()", () => {
  it.each([
    [1, [4, 6]],
    [2, [4, 6]],
    [3, [6, 3]],
  ] as const)("is the norm of the matrix written out (stride %i)", (stride, [height, width]) => {
    const [channels, inputs] = [3, 2];
    const taps = height * width;
    const kernel = Float64Array.from(normalTensor(random(stride), [channels * inputs * taps]).data, Number);
    const [m, n] = [height / stride, width / stride];
    const data = new Float64Array(channels * m * n * inputs * taps);
    for (let row = 0; row < channels * m * n; row++) {
      const [d, y, x] = [Math.floor(row / (m * n)), Math.floor(row / n) % m, row % n];
      for (let k = 0; k < inputs * taps; k++) {
        const [c, a, b] = [Math.floor(k / taps), Math.floor(k / width) % height, k % width];
        const [i, j] = [(stride * y + a) % height, (stride * x + b) % width];
        data[row * inputs * taps + (c * height + i) * width + j] += kernel[(d * inputs + c) * taps + a * width + b];
      }
    }
    const { lower } = spectralNorm({ rows: channels * m * n, cols: inputs * taps, data });
    const found = circularNorm({ kernel, channels, inputs, height, width, stride });
    expect(found).toBeGreaterThanOrEqual(lower);
    expect(found).toBeLessThan(lower * (1 + 1e-8));
  });

  it.each(["relu", "maxMin", "householder"] as const)(
    "lets autolip prove gamma of orthogonal convolutions (%s)",
    async (activation) => {
      const model = inFamily(convnet(4, { channels: [4, 6], hidden: 6, activation }), orthogonal({ gamma: 3 }));
      const own = await freeze(engine, model, model.init(random(2), [2, 8, 8]), [2, 8, 8]);
      const { upper } = await lipschitz(own, { engine, methods: ["autolip"] });
      expect(upper?.value).toBeLessThan(3 * (1 + 1e-5));
    },
  );
});

/** The stages before the dense layers of a network, and the chain of these. */
function halves(own: Network) {
  const { flow, norms } = flowOfNetwork(own);
  const tail = tailOf(flow, norms);
  if (typeof tail === "string") throw new Error(tail);
  const second = flow.varying.filter(({ op }) => op.name === "Relu" || op.name === "Tanh")[1];
  const stages = circularStages(flow, second, norms);
  if (!stages) throw new Error("no stages");
  const behind = { affine: tail.chain.affine.slice(2), activations: tail.chain.activations.slice(2) };
  return { whole: tail.chain, stages, behind };
}

describe("circularJudge()", () => {
  it("gives what the chain of the network written out gives, and its gradient", async () => {
    for (const sample of [
      [2, 8, 8],
      [1, 12, 4],
    ]) {
      const { whole, stages, behind } = halves(await network("relu", sample));
      const judge = await circularJudge(engine, stages, behind, 7);
      const form = chainForm(whole);
      if (!judge || !form) throw new Error("no judge");
      const r = random(3);
      const sizes = [...stages.map(({ channels }) => channels), ...behind.activations.map(({ low }) => low.length)];
      // Half of what proves gamma, and less.
      const lists = sizes.map((n) => Float64Array.from({ length: n }, () => (1 / 3) * Math.exp(-r.uniform())));
      // A number of a channel is that of all its pixels.
      const spread = whole.activations.map(({ low }, i) =>
        Float64Array.from(low, (_, j) => lists[i][Math.floor((j * sizes[i]) / low.length)]),
      );
      const want = chainValue(form, multipliersOfForm(form, spread), 7);
      const got = await judge.at(Float64Array.from(lists.flatMap((l) => Array.from(l, Math.log))));
      if (!want || !got) throw new Error("not feasible");
      expect(Math.abs(got.value - (want.value + 2 * form.exponent * Math.LN2))).toBeLessThan(1e-8);
      const gradient = want.gradient.flatMap((g, i) => {
        const pixels = g.length / sizes[i];
        return Array.from({ length: sizes[i] }, (_, c) =>
          g.subarray(c * pixels, (c + 1) * pixels).reduce((a, b) => a + b, 0),
        );
      });
      gradient.forEach((g, k) => {
        expect(Math.abs(got.gradient[k] - g)).toBeLessThan(1e-7);
      });
      expect(await judge.at(got.gradient.map(() => 5))).toBeUndefined();
      await judge.dispose();
    }
  });
});

describe("uniformMultipliers()", () => {
  it("comes without multipliers to what the stored ones prove", async () => {
    const own = await network("relu", [2, 8, 8]);
    const { stages, behind } = halves(own);
    const judge = await circularJudge(engine, stages, behind, 13);
    if (!judge) throw new Error("no judge");
    const found = await uniformMultipliers(judge, stages, behind, 100, budget());
    const proof = found && provedBy(stages, behind, found.multipliers);
    if (!proof) throw new Error("no proof");
    expect(proof.value).toBeLessThan(3 * 1.01);
    const { lower } = await lipschitz(own, { engine, methods: ["jacobian"], seconds: 0.3 });
    expect(proof.value).toBeGreaterThanOrEqual(lower?.value as number);
    expect(await uniformMultipliers(judge, stages, behind, Number.POSITIVE_INFINITY, budget())).toBeNull();
    await judge.dispose();
  });
});

describe("circularSearch()", () => {
  /** As training leaves them: no number is right for all neurons. */
  async function moved(channels: readonly [number, number], sample: readonly number[]): Promise<Network> {
    const model = inFamily(convnet(4, { channels, hidden: 6, activation: "tanh" }), sandwich({ gamma: 3 }));
    const { params, state } = model.init(random(2), sample);
    const r = random(4);
    const drawn = mapNamed(params, (t, name) =>
      name.endsWith("logPsi") ? normalTensor(r.fork(name), t.shape, 0.7) : t,
    );
    return freeze(engine, model, { params: drawn, state }, sample);
  }

  it("comes below gamma without stored multipliers, from the product of norms, and no number for all does", async () => {
    const own = await moved([3, 4], [2, 8, 8]);
    const { stages, behind } = halves(own);
    const judge = await circularJudge(engine, stages, behind, 13);
    const guess = judge && (await uniformMultipliers(judge, stages, behind, 100, budget()));
    await judge?.dispose();
    expect(guess?.value ?? 100).toBeGreaterThan(3 * 1.5);
    const { bound, multipliers } = await lipsdp(behind);
    const start = normStart(stages, multipliers);
    expect(start.before * bound.value).toBeGreaterThan(3 * 1.5);
    expect(provedBy(stages, behind, start.multipliers)?.value).toBeLessThan(start.before * bound.value * (1 + 1e-3));
    const found = await circularSearch(engine, stages, behind, start.multipliers, budget());
    expect(found?.ended).toBe(true);
    const proof = found && provedBy(stages, behind, found.multipliers);
    expect(proof?.value).toBeLessThan(3);
    const { lower } = await lipschitz(own, { engine, methods: ["jacobian"], seconds: 0.3 });
    expect(proof?.value).toBeGreaterThan(lower?.value as number);
  }, 60_000);

  it("is what lipsdp asks where images are too large to write out", async () => {
    const own = { ...(await moved([6, 4], [1, 28, 28])), metadata: {} };
    const { upper } = await lipschitz(own, { engine, methods: ["lipsdp"], seconds: 10 });
    const { upper: norms } = await lipschitz(own, { engine, methods: ["autolip"] });
    expect(upper?.proved).toBe(true);
    expect(upper?.value).toBeLessThan(0.5 * (norms?.value as number));
    const { lower } = await lipschitz(own, { engine, methods: ["jacobian"], seconds: 0.3 });
    expect(upper?.value).toBeGreaterThan(lower?.value as number);
  });
});

describe("circularProof()", () => {
  it.each([
    ["relu", [2, 8, 8]],
    ["tanh", [1, 12, 4]],
  ] as const)("proves gamma of a written network, as the network written out does (%s)", async (activation, sample) => {
    const own = await network(activation, sample);
    const { flow, norms } = flowOfNetwork(own);
    // The chain of the whole network, with every convolution as a matrix.
    const tail = tailOf(flow, norms);
    if (typeof tail === "string") throw new Error(tail);
    expect(tail.from).toBe(flow.input);
    const starts = storedStarts(tail.chain, own.metadata);
    const out = await lipsdp(tail.chain, { seconds: 1e-3, starts });
    const second = flow.varying.filter((node) => node.op.name === (activation === "relu" ? "Relu" : "Tanh"))[1];
    const stages = circularStages(flow, second, norms);
    if (!stages) throw new Error("no stages");
    expect(stages.map((s) => [s.inputs, s.channels, s.height, s.width, s.stride])).toEqual([
      [sample[0], 3, sample[1], sample[2], 2],
      [3, 4, sample[1] / 2, sample[2] / 2, 2],
    ]);
    const behind = { affine: tail.chain.affine.slice(2), activations: tail.chain.activations.slice(2) };
    const lists = storedLists(own.metadata) ?? [];
    const reduced = reducedChain(stages, behind, lists);
    if (!reduced) throw new Error("no proof");
    const { bound } = await lipsdp(reduced.chain, { seconds: 1e-3, starts: storedStarts(reduced.chain, own.metadata) });
    const value = reduced.before * bound.value;
    expect(value).toBeLessThan(3 * (1 + 1e-3));
    expect(out.bound.value).toBeLessThan(3 * (1 + 1e-3));
    const { lower } = await lipschitz(own, { engine, methods: ["jacobian", "pairs"], seconds: 0.3 });
    expect(value).toBeGreaterThan(lower?.value as number);
  });

  it("proves nothing by multipliers that do not fit the weights", async () => {
    const own = await network("relu", [2, 8, 8]);
    const { flow, norms } = flowOfNetwork(own);
    const second = flow.varying.filter((node) => node.op.name === "Relu")[1];
    const stages = circularStages(flow, second, norms) ?? [];
    const W = { rows: 2, cols: 4 * 4, data: new Float64Array(32).map((_, i) => Math.sin(i)) };
    const lambda = (value: number) =>
      stages.map(({ channels }) => new Float64Array(channels).fill(value * (2 / 3) * (1 - 1e-4)));
    expect(circularProof(stages, lambda(1), W)).toBeDefined();
    const larger = stages.map((s) => ({ ...s, kernel: s.kernel.map((x) => 2 * x) }));
    expect(circularProof(larger, lambda(1), W)).toBeUndefined();
    expect(circularProof(stages, lambda(100), W)).toBeUndefined();
    expect(circularProof(stages, lambda(-1), W)).toBeUndefined();
    expect(circularProof(stages, lambda(1), { ...W, rows: 1, cols: 32 })).toBeUndefined();
  });

  it("pays for what a kernel that was computed may be off", async () => {
    const { stages } = halves(await network("relu", [2, 8, 8]));
    const W = { rows: 2, cols: 4 * 4, data: new Float64Array(32).map((_, i) => Math.sin(i)) };
    const lambda = stages.map(({ channels }) => new Float64Array(channels).fill((2 / 3) * (1 - 1e-4)));
    const off = stages.map((stage) => ({ ...stage, error: 1e-4 }));
    const [exact, loose] = [stages, off].map((own) => circularProof(own, lambda, W)?.length as number);
    expect(exact).toBeLessThan(1 + 1e-6);
    // Each layer adds max(Lambda) |E| a a' to the square.
    expect(loose).toBeGreaterThan(1 + 2e-5);
    expect(circularNorm(off[0])).toBeGreaterThan(circularNorm(stages[0]) + 1e-4);
  });

  it("sees no wrapped convolution where zeros stand around the image, or the kernel is smaller", () => {
    const stagesOf = (pads: readonly number[], kernel: number) => {
      const K = constant(normalTensor(random(1), [2, 1, kernel, kernel]));
      const own: Network = {
        name: "",
        inputs: [{ name: "x", shape: [1, 1, 4, 4], dtype: "float32" }],
        outputs: ["y"],
        metadata: {},
        build: ([x]) => [relu(conv(x, K, { pads }))],
      };
      const { x, y } = subjectOf(own).at(1, "float32");
      const flow = flowOf(x, y);
      const last = flow.varying.find((node) => node.op.name === "Relu");
      return last ? circularStages(flow, last, nodeNorms(flow)) : "none";
    };
    expect(stagesOf([1, 1, 1, 1], 3)).toBeNull();
    expect(stagesOf([0, 0, 3, 3], 4)).toBeNull();
  });
});
