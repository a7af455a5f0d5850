/** @file Tests of decision.ts: the same decisions as the whole network, and radii as if the tail were not there. */
import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { certificateOf, engine } from "../../test/certificates.ts";
import { affine, functionOf } from "../../test/functions.ts";
import { hasShared, sharedData } from "../../test/shared.ts";
import { attack } from "../attack/attack.ts";
import { type Bracket, provedUpper } from "../bounds/bound.ts";
import { lipschitz } from "../bounds/index.ts";
import { certify, labelledBy } from "../certify/evaluate.ts";
import type { Unlabelled } from "../data/dataset.ts";
import { evaluate } from "../engine/reference.ts";
import { measure } from "../experiment/measure.ts";
import type { Node } from "../graph/graph.ts";
import { constant, input } from "../graph/leaf.ts";
import type { Network } from "../graph/network.ts";
import { writeNetwork } from "../onnx/network.ts";
import { parseOnnx } from "../onnx/read.ts";
import { argMax, gather } from "../ops/gather.ts";
import { reshape } from "../ops/movement.ts";
import { relu, sigmoid, tanh } from "../ops/pointwise.ts";
import { logSoftmax, softmax } from "../ops/softmax.ts";
import { random } from "../tensor/random.ts";
import { tensor } from "../tensor/tensor.ts";
import { verify } from "../verify/verify.ts";
import { decisionNetwork } from "./decision.ts";

const rows = (n: number, m: number, seed: number) => {
  const source = random(seed);
  return Array.from({ length: n }, () => Array.from({ length: m }, () => source.normal()));
};
const body = (x: Node, classes = 3): Node => affine(relu(affine(x, rows(6, 4, 1))), rows(classes, 6, 2));
const samples: Unlabelled = {
  name: "points",
  task: "none",
  x: Float32Array.from({ length: 80 }, (_, i) => 2 * Math.sin(0.7 * i)),
  shape: [4],
  count: 20,
};

/** Outputs for the samples, each run by plain loops. */
function outputsOf(network: Network): number[][] {
  const x = input("x", [20, 4], "float64");
  const built = Object.fromEntries(network.build([x]).map((y, i) => [String(i), y]));
  const values = evaluate(built, { x: tensor(Float64Array.from(samples.x), [20, 4], "float64") });
  return Object.values(values).map(({ data }) => Array.from(data as ArrayLike<number | bigint>, Number));
}

const free = functionOf([4], (x) => body(x));
const [logits] = outputsOf(free);

describe("decisionNetwork()", () => {
  const classes = constant(tensor(BigInt64Array.of(7n, 8n, 9n), [3], "int64"));
  it.each<readonly [string, (x: Node) => Node]>([
    ["softmax", (x) => softmax(body(x))],
    ["log-softmax", (x) => logSoftmax(body(x))],
    ["sigmoids", (x) => sigmoid(body(x))],
    ["log of a softmax, seen twice", (x) => logSoftmax(softmax(body(x)))],
    ["a view of a softmax", (x) => reshape(softmax(body(x)), [x.shape[0], 3, 1])],
    ["a softmax of a view", (x) => softmax(reshape(body(x), [x.shape[0], 3, 1, 1]), 1)],
    ["a position", (x) => argMax(body(x), 1)],
    ["a position of a softmax", (x) => argMax(softmax(body(x)), 1, true)],
    ["the names of labels", (x) => gather(classes, argMax(softmax(body(x)), 1), 0)],
  ])("of %s is that of the logits", (_, f) => {
    expect(outputsOf(decisionNetwork(functionOf([4], f), [4]))).toEqual([logits]);
  });

  it("of a label and its probabilities, and of one output", () => {
    const both: Network = {
      ...free,
      outputs: ["label", "probabilities"],
      build([x]) {
        const p = softmax(body(x));
        return [argMax(p, 1), p];
      },
    };
    const decided = decisionNetwork(both, [4]);
    expect([decided.outputs, outputsOf(decided)]).toEqual([["logits"], [logits]]);
    const signs = functionOf([4], (x) => sigmoid(body(x, 1)));
    const [one] = outputsOf(functionOf([4], (x) => body(x, 1)));
    expect(outputsOf(decisionNetwork(signs, [4]))).toEqual([one.flatMap((f) => [0, f])]);
  });

  it("is the network itself where nothing follows the logits, or what follows mixes them with others", () => {
    for (const f of [
      (x: Node) => body(x),
      (x: Node) => tanh(body(x)),
      (x: Node) => softmax(body(x), 0),
      (x: Node) => reshape(softmax(reshape(body(x), [x.shape[0], 3, 1]), 2), [x.shape[0], 3]),
    ]) {
      const network = functionOf([4], f);
      expect(decisionNetwork(network, [4])).toBe(network);
    }
    // Four rows that are one sample: a softmax of each changes which number of all is the largest.
    const tokens = functionOf([4, 4], (x) => softmax(affine(x, rows(3, 4, 2))), 1);
    expect(decisionNetwork(tokens, [4, 4])).toBe(tokens);
  });

  it("is the network itself where one number is left: a softmax of it is 1, and its position 0", async () => {
    for (const f of [softmax, logSoftmax, (x: Node) => argMax(x, 1)]) {
      const network = functionOf([4], (x) => f(body(x, 1)));
      const decided = decisionNetwork(network, [4]);
      const one = outputsOf(network)[0];
      expect(outputsOf(decided)).toEqual(f === softmax || f === logSoftmax ? [one.flatMap((v) => [0, v])] : [one]);
    }
    const network = functionOf([4], (x) => softmax(body(x, 1)));
    const data = await labelledBy(network, engine, samples);
    const { samples: certified } = await certify(network, { engine, data });
    for (const { predicted } of certified) expect(predicted).toBe(1);
    await expect(certificateOf(writeNetwork(network), data)).rejects.toThrow("of one output it is 1");
  });

  it("decides as the whole network does, whatever the weights", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e6 }), fc.constantFrom(softmax, logSoftmax, sigmoid), (seed, tail) => {
        const f = (x: Node) => affine(tanh(affine(x, rows(5, 4, seed))), rows(3, 5, seed + 1));
        const whole = functionOf([4], (x) => tail(f(x)));
        const largest = (values: number[]) =>
          Array.from({ length: 20 }, (_, i) => {
            const row = values.slice(3 * i, 3 * i + 3);
            return row.indexOf(Math.max(...row));
          });
        expect(largest(outputsOf(decisionNetwork(whole, [4]))[0])).toEqual(largest(outputsOf(whole)[0]));
      }),
      { numRuns: 50 },
    );
  });
});

describe("what ends in a softmax", () => {
  const shared = hasShared("reports");

  it.skipIf(!shared)("has the radii, certificates and attacks of what does not (../shared/data/reports)", async () => {
    const results = [];
    for (const name of ["t_free", "t_softmax", "t_logsoftmax"]) {
      const bytes = readFileSync(`${sharedData}reports/${name}.onnx`);
      const data = await labelledBy(parseOnnx(bytes), engine, samples);
      const { certification, certificate, text } = await certificateOf(bytes, data);
      expect(await verify(text, bytes, { data })).toMatchObject({ holds: true });
      const { samples: attacked } = await attack(parseOnnx(bytes), { engine, data, attacks: ["deepfool"] });
      results.push([
        certification.samples.map((s) => s.radius),
        certificate.samples.map((s) => s.radius),
        attacked.map((s) => s.distance),
      ]);
    }
    // Searches for multipliers end by the clock.
    const near = results[0].map((list) => list.map((v) => expect.closeTo(Number(v), 2)));
    expect(results[1]).toEqual(near);
    expect(results[2]).toEqual(near);
    expect(results[0].flat().every((v) => Number(v) > 0)).toBe(true);
  });

  it.skipIf(!shared)(
    "with one logit is certified, attacked and verified by the sign (../shared/data/reports)",
    async () => {
      const bytes = readFileSync(`${sharedData}reports/t_one_logit.onnx`);
      const network = parseOnnx(bytes);
      const data = await labelledBy(network, engine, samples);
      expect(new Set(data.labels)).toEqual(new Set([0, 1]));
      const { certification, text } = await certificateOf(bytes, data);
      expect(await verify(text, bytes, { data })).toMatchObject({ holds: true });
      const { samples: attacked } = await attack(network, { engine, data, attacks: ["deepfool"] });
      certification.samples.forEach(({ radius }, i) => {
        expect(radius).toBeGreaterThan(0);
        expect(radius).toBeLessThanOrEqual(attacked[i].confirmed ?? Number.POSITIVE_INFINITY);
      });
    },
  );

  it("one linear logit: the radius is |f| / L exactly", async () => {
    const network = functionOf([4], (x) => sigmoid(affine(x, [[3, 0, 4, 0]], [1])));
    const data = await labelledBy(network, engine, samples);
    const { samples: certified } = await certify(network, { engine, data });
    certified.forEach(({ radius, predicted }, i) => {
      const f = 3 * samples.x[4 * i] + 4 * samples.x[4 * i + 2] + 1;
      expect(predicted).toBe(f > 0 ? 1 : 0);
      expect(radius).toBeLessThanOrEqual(Math.abs(f) / 5);
      expect(radius).toBeGreaterThan((Math.abs(f) / 5) * (1 - 1e-6) - 1e-9);
    });
  });

  it("is not verified where the softmax is not over all outputs of a sample", async () => {
    const right = functionOf([4], (x) => softmax(body(x)));
    const wrong = functionOf([4], (x) => softmax(body(x), 0), 1);
    const data = await labelledBy(right, engine, samples);
    const bytes = writeNetwork(right);
    const { text } = await certificateOf(bytes, data);
    expect(await verify(text, bytes, { data })).toMatchObject({ holds: true });
    await expect(certificateOf(writeNetwork(wrong), data)).rejects.toThrow("it must be over all outputs, got axis 0");
  });

  it("puts logits in the order of labels that are classes in another order", () => {
    const labels = constant(tensor(BigInt64Array.of(2n, 0n, 1n), [3], "int64"));
    const named = functionOf([4], (x) => gather(labels, argMax(body(x), 1)));
    const [values] = outputsOf(decisionNetwork(named, [4]));
    // Label 0 is the second number, 1 the third, 2 the first.
    expect(values).toEqual(logits.map((_, i) => logits[3 * Math.floor(i / 3) + [1, 2, 0][i % 3]]));
  });

  it("refuses a constant of outputs that do not decide, and several outputs that none of which is a label", async () => {
    const data = await labelledBy(free, engine, samples);
    const soft = functionOf([4], (x) => softmax(body(x)));
    const { bounds } = await lipschitz(soft, { engine, methods: ["autolip"] });
    const upper = provedUpper({ bounds, domain: "global" } as Bracket);
    await expect(certify(soft, { engine, data, upper })).rejects.toThrow(/none of the logits that decide/);
    const own = await lipschitz(free, { engine, methods: ["autolip"] });
    const { samples: as } = await certify(free, { engine, data, local: "off", upper: provedUpper(own) });
    const { samples: behind } = await certify(soft, { engine, data, local: "off" });
    as.forEach(({ radius }, i) => {
      expect(behind[i].radius).toBeCloseTo(radius, 9);
    });
    const two: Network = {
      ...free,
      outputs: ["logits", "features"],
      build: (inputs) => [...free.build(inputs), inputs[0]],
    };
    await expect(certify(two, { engine, data })).rejects.toThrow(
      /a decision needs one output, got "logits", "features"/,
    );
  });

  it("is what a measurement certifies: no radius by the constant of a softmax", async () => {
    const soft = functionOf([2], (x) => softmax(x));
    const points: Unlabelled = { name: "points", task: "none", x: Float32Array.of(3, 1, 0, 4), shape: [2], count: 2 };
    const data = await labelledBy(soft, engine, points);
    for (const norm of [1, 2, "inf"] as const) {
      const steps = measure(soft, { norm, radii: [], seed: 1 }, { engine, data, before: { sha256: "" } });
      let step = await steps.next();
      while (!step.done) step = await steps.next();
      const radii = step.value.certify.value?.samples.map(({ radius }) => radius) ?? [];
      // The difference of the two numbers, over the largest that a change of length 1 makes of it.
      const each = { 1: 1, 2: Math.SQRT2, inf: 2 }[norm];
      expect(radii[0]).toBeLessThanOrEqual(2 / each);
      expect(radii[1]).toBeLessThanOrEqual(4 / each);
      expect(radii[0]).toBeGreaterThan(1.99 / each);
    }
  });
});
