import { describe, expect, it } from "vitest";
import { affine, functionOf, randomNetwork } from "../../../test/functions.ts";
import { plainEngine } from "../../../test/plainEngine.ts";
import { hasShared, sharedData } from "../../../test/shared.ts";
import { asFunction } from "../../bounds/fixed.ts";
import { subjectOf } from "../../bounds/subject.ts";
import type { Engine } from "../../engine/engine.ts";
import { nodeEngine } from "../../engine/node.ts";
import type { Node } from "../../graph/graph.ts";
import { readOnnx } from "../../onnx/file.ts";
import { concat } from "../../ops/movement.ts";
import { abs, relu } from "../../ops/pointwise.ts";
import { random } from "../../tensor/random.ts";
import { checkProperty } from "./check.ts";
import type { Property } from "./vnnlib.ts";
import { parseVnnlib } from "./vnnlib.ts";

const engine = plainEngine;

/** One box and one condition row . y + offset <= 0. */
const property = (inputs: number, row: readonly number[], offset: number, size = 1): Property => ({
  inputs,
  outputs: row.length,
  cases: [
    {
      low: new Float64Array(inputs).fill(-size),
      high: new Float64Array(inputs).fill(size),
      within: { low: new Float64Array(inputs).fill(-size), high: new Float64Array(inputs).fill(size) },
      conditions: [{ row: Float64Array.from(row), offset }],
    },
  ],
});

describe("checkProperty()", () => {
  it("proves what holds by cutting, and finds what does not", async () => {
    // |x| - 1/2 |x| is above -0.001 everywhere: one walk over the whole box does not see it.
    const network = functionOf([1], (x) => concat([abs(x), abs(x)], 1));
    const holds = await checkProperty(network, property(1, [1, -0.5], 0.001), { engine });
    expect(holds.status).toBe("holds");
    const found = await checkProperty(network, property(1, [1, -0.5], -0.001), { engine });
    expect(found.status).toBe("violated");
    if (found.status === "violated") {
      expect(Math.abs(found.point[0])).toBeLessThan(0.002);
      expect(found.outputs[0]).toBeCloseTo(Math.abs(found.point[0]), 6);
    }
  });

  it("ends where nothing is left to cut: a point that no float32 is, one edge that violates", async () => {
    const network = functionOf([1], (x) => relu(x));
    const between = (low: number, high: number): Property => ({
      ...{ inputs: 1, outputs: 1 },
      cases: [
        {
          ...{ low: Float64Array.of(low), high: Float64Array.of(high) },
          within: { low: Float64Array.of(low), high: Float64Array.of(high) },
          conditions: [{ row: Float64Array.of(1), offset: -0.1 }],
        },
      ],
    });
    // 0.1 violates y > 0.1 by nothing, and is no float32: neither proved nor shown.
    for (const high of [0.1, 1]) {
      expect(await checkProperty(network, between(0.1, high), { engine })).toMatchObject({ status: "unknown" });
    }
    expect((await checkProperty(network, between(0.125, 0.125), { engine })).status).toBe("holds");
    expect((await checkProperty(network, between(0.0625, 0.0625), { engine })).status).toBe("violated");
  });

  it("agrees with points of random networks", async () => {
    const seen = { holds: 0, violated: 0, unknown: 0 };
    const runtime = nodeEngine({ threads: 1 });
    for (let seed = 0; seed < 8; seed++) {
      const r = random(seed).fork("check");
      const network = randomNetwork(random(seed), seed % 2 === 0 ? "chain" : "dense", 4);
      const { x, y } = subjectOf(network).at(1, "float64");
      const f = asFunction(y, x);
      const inputs = subjectOf(network).size;
      const draw = () => Float64Array.from({ length: inputs }, () => 0.5 * (2 * r.uniform() - 1));
      const value = (z: Float64Array) => f(z)[0] - f(z)[1];
      let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
      for (let k = 0; k < 400; k++) {
        const v = value(draw());
        [least, most] = [Math.min(least, v), Math.max(most, v)];
      }
      // Below the least that is seen, or a little above.
      const wide = most - least;
      for (const offset of [-(least - 0.3 * wide), -(least + 0.05 * wide)]) {
        const checked = await checkProperty(network, property(inputs, [1, -1, 0], offset, 0.5), {
          engine: inputs > 16 ? runtime : engine,
          work: 5e6,
        });
        seen[checked.status]++;
        if (checked.status === "violated") {
          expect(value(Float64Array.from(checked.point)) + offset, `seed ${seed}`).toBeLessThan(1e-5);
          expect(checked.point.every((v) => Math.abs(v) <= 0.5)).toBe(true);
        }
        if (checked.status === "holds") expect(least + offset, `seed ${seed}`).toBeGreaterThan(0);
      }
    }
    expect(seen.holds).toBeGreaterThan(5);
    expect(seen.violated).toBeGreaterThan(5);
  });

  it("cuts neurons where there are many inputs", async () => {
    const r = random(3);
    const rows = (out: number, inner: number) =>
      Array.from({ length: out }, () => Array.from({ length: inner }, () => r.normal() / Math.sqrt(inner)));
    const layers = [rows(10, 20), rows(8, 10), rows(2, 8)];
    const network = functionOf([20], (x) => layers.reduce((y, W, k) => affine(k === 0 ? y : relu(y), W), x));
    const runtime = nodeEngine({ threads: 1 });
    const of = (offset: number) =>
      checkProperty(network, property(20, [1, -1], offset, 0.5), { engine: runtime, work: 1e9 });
    const { x, y } = subjectOf(network).at(1, "float64");
    const f = asFunction(y, x);
    let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (let k = 0; k < 2000; k++) {
      const z = f(Float64Array.from({ length: 20 }, () => Math.sign(r.normal()) / 2));
      [least, most] = [Math.min(least, z[0] - z[1]), Math.max(most, z[0] - z[1])];
    }
    const seen = { holds: 0, violated: 0, unknown: 0 };
    let parts = 0;
    for (const part of [0, 0.4]) {
      const offset = -least + part * (most - least);
      const found = await of(offset);
      seen[found.status]++;
      if (found.status !== "holds") continue;
      parts = Math.max(parts, found.boxes);
      expect(least + offset).toBeGreaterThan(0);
    }
    expect(seen.unknown).toBe(0);
    expect(seen.holds).toBeGreaterThan(0);
    expect(seen.violated).toBeGreaterThan(0);
    expect(parts).toBeGreaterThan(1);
  });

  it.each([3, 20])("begins nothing once the time is over: %i inputs", async (inputs) => {
    // A run takes a second, by a clock that knows nothing else; what is asked is not decided in that time.
    let runs = 0;
    const slow: Engine = {
      ...engine,
      async compile(outputs) {
        const program = await engine.compile(outputs);
        return {
          ...program,
          run(feeds) {
            runs++;
            return program.run(feeds);
          },
        };
      },
    };
    const network = randomNetwork(random(3), "chain", inputs);
    const { size, outputs } = subjectOf(network);
    const { x, y } = subjectOf(network).at(1, "float64");
    const row = Array.from({ length: outputs }, (_, j) => (j === 0 ? 1 : 0));
    // A little below the middle's value: neither is near.
    const offset = -asFunction(y, x)(new Float64Array(size))[0] + 1e-3;
    const asked = property(size, row, offset, 0.01);
    const clock = { now: () => 1000 * runs, spend() {} };
    for (const seconds of [4, 30]) {
      runs = 0;
      await checkProperty(network, asked, { engine: slow, clock, seconds });
      expect(runs).toBeLessThanOrEqual(seconds + 6);
    }
  });

  it("asks no more than an input of a case without conditions, but in float32", async () => {
    const network = functionOf([1], (x) => affine(x, [[1]]));
    const at = (low: number, high: number) => `(and (>= X_0 ${low}) (<= X_0 ${high}))`;
    const asked = async (cases: string) => {
      const text = `(declare-const X_0 Real)(declare-const Y_0 Real)(assert (or ${cases}))`;
      return (await checkProperty(network, parseVnnlib(text), { engine, work: 1e5 })).status;
    };
    // No float32 is 0.1.
    expect(await asked(at(0.1, 0.1))).toBe("unknown");
    expect(await asked(`${at(0.1, 0.1)} ${at(0.2, 0.7)}`)).toBe("violated");
    expect(await asked(at(0.2, 0.1))).toBe("holds");
  });

  it("sees all outputs of a network that has several", async () => {
    const one = functionOf([2], (x) => affine(x, [[1, 1]]));
    const network = {
      ...one,
      outputs: ["a", "b"],
      build: (inputs: readonly Node[]) => [abs(one.build(inputs)[0]), inputs[0]],
    };
    const status = async (row: readonly number[], offset: number) =>
      (await checkProperty(network, property(2, row, offset), { engine })).status;
    // |x0 + x1| <= 2, x1 <= 1.
    expect(await status([-1, 0, 0], 2.01)).toBe("holds");
    expect(await status([-1, 0, 0], 1.9)).toBe("violated");
    expect(await status([0, 0, -1], 1.01)).toBe("holds");
    expect(await status([0, 0, -1], 0.9)).toBe("violated");
  });

  it("knows when neither is found, and what does not fit", async () => {
    const network = randomNetwork(random(5), "dense", 4);
    const { size, outputs } = subjectOf(network);
    const hard = property(
      size,
      Array.from({ length: outputs }, (_, j) => (j === 0 ? 1 : 0)),
      1e3,
      1e3,
    );
    expect((await checkProperty(network, hard, { engine, work: 1 })).status).toMatch(/unknown|holds|violated/);
    await expect(checkProperty(network, property(size + 1, [1, 0], 0), { engine })).rejects.toThrow("the network has");
  });

  it("answers for ACAS Xu as the field does: property 4 of network 1-1 holds, a false one is violated", async () => {
    if (!hasShared("onnx")) return;
    const network = await readOnnx(`${sharedData}onnx/control/ACASXU_run2a_1_1.onnx`);
    const declared = [0, 1, 2, 3, 4].map((i) => `(declare-const X_${i} Real)(declare-const Y_${i} Real)`).join("\n");
    const sides = [
      [-0.303531156, -0.298552812],
      [-0.009549297, 0.009549297],
      [0, 0],
      [0.45, 0.5],
      [0.15, 0.166666667],
    ];
    const box = sides.map(([l, h], i) => `(assert (>= X_${i} ${l}))(assert (<= X_${i} ${h}))`).join("\n");
    const runtime = nodeEngine();
    // A part of the box of property 4: clear of conflict is never the smallest.
    const smallest = [1, 2, 3, 4].map((j) => `(assert (<= Y_0 Y_${j}))`).join("");
    const found = await checkProperty(network, parseVnnlib(`${declared}${box}${smallest}`), { engine: runtime });
    expect(found.status).toBe("holds");
    // What is so in the middle is violated there.
    const { x, y } = subjectOf(network).at(1, "float64");
    const middle = asFunction(y, x)(Float64Array.from(sides, ([l, h]) => (l + h) / 2));
    const [a, b] = middle[1] < middle[2] ? [1, 2] : [2, 1];
    const other = await checkProperty(network, parseVnnlib(`${declared}${box}(assert (<= Y_${a} Y_${b}))`), {
      engine: runtime,
    });
    expect(other.status).toBe("violated");
  });
});
