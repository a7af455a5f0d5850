import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { affine, functionOf, randomNetwork } from "../../test/functions.ts";
import { hasShared, sharedData } from "../../test/shared.ts";
import { nodeEngine } from "../engine/node.ts";
import { parseOnnx } from "../onnx/read.ts";
import { relu } from "../ops/pointwise.ts";
import { random } from "../tensor/random.ts";
import { type Domain, holds } from "./domain.ts";
import { lipschitz } from "./index.ts";
import { subjectOf } from "./subject.ts";

const engine = nodeEngine({ threads: 1 });

describe("a box with sides of length 0", () => {
  it("has the constant of the numbers that can move, in every norm", async () => {
    // Of 100 x0 + x1 only x1 moves.
    const network = functionOf([2], (x) => relu(affine(x, [[100, 1]])));
    const box: Domain = { kind: "box", low: [1, 0], high: [1, 1] };
    for (const norm of [1, 2, "inf"] as const) {
      const { lower, upper, domain } = await lipschitz(network, {
        engine,
        norm,
        domain: box,
        methods: "all",
        seconds: 0.2,
      });
      expect(upper?.value).toBeLessThan(1.001);
      expect(lower?.value).toBeGreaterThan(0.999);
      expect(domain).toBe("box");
      for (const end of [lower?.witness?.x, lower?.witness?.y])
        expect(holds(box, Float64Array.from(end ?? []))).toBe(true);
    }
  });

  it("has brackets in order on random networks, also on images and with samples", async () => {
    for (let seed = 0; seed < 6; seed++) {
      const network = randomNetwork(random(seed), seed % 2 === 0 ? "dense" : "image");
      const { size } = subjectOf(network);
      const low = Array.from({ length: size }, (_, k) => (k % 3 === 0 ? 0.5 : 0));
      const high = low.map((l) => (l === 0 ? 1 : l));
      const box: Domain = { kind: "box", low, high };
      const shape = network.inputs[0].shape.slice(1).map(Number);
      const data = { name: "points", x: new Float32Array(2 * size).fill(0.5), shape, count: 2 };
      const ask = { engine, data, seconds: 0.2, methods: ["autolip", "interval", "jacobian", "pairs"] };
      const [flat, full] = [
        await lipschitz(network, { ...ask, domain: box }),
        await lipschitz(network, { ...ask, domain: { kind: "box", low: low.map(() => 0), high: low.map(() => 1) } }),
      ];
      expect(flat.lower?.value).toBeLessThanOrEqual(flat.upper?.value as number);
      expect(flat.upper?.value).toBeLessThanOrEqual((full.upper?.value as number) * (1 + 1e-6));
      for (const end of [flat.lower?.witness?.x, flat.lower?.witness?.y]) {
        expect(holds(box, Float64Array.from(end ?? []))).toBe(true);
      }
    }
  });

  it("is one point where every side is: the constant is 0", async () => {
    const network = functionOf([2], (x) => relu(affine(x, [[100, 1]])));
    const point: Domain = { kind: "box", low: [1, 2], high: [1, 2] };
    const ball: Domain = { kind: "ball", center: [1, 2], radius: 0, norm: 2 };
    for (const domain of [point, ball]) {
      const { upper, lower } = await lipschitz(network, { engine, domain });
      expect(upper).toMatchObject({ value: 0, proved: true });
      expect(lower).toMatchObject({ value: 0, witness: null });
    }
  });

  it.skipIf(!hasShared("reports"))("box_fixed.onnx: 1, and not 100", async () => {
    const network = parseOnnx(new Uint8Array(readFileSync(`${sharedData}reports/box_fixed.onnx`)));
    const { size } = subjectOf(network);
    const low = Array.from({ length: size }, (_, k) => (k === 0 ? 0.5 : 0));
    const found = await lipschitz(network, {
      engine,
      domain: { kind: "box", low, high: low.map((l) => (l === 0 ? 1 : l)) },
    });
    expect(found.lower?.value).toBeLessThanOrEqual(found.upper?.value as number);
    expect(found.upper?.value).toBeLessThan(1.01);
  });
});
