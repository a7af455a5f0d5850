import { describe, expect, it } from "vitest";
import { bytesOf, certificateOf, engine, points } from "../../../test/certificates.ts";
import { claimed, recount, refused } from "../../../test/forgeries.ts";
import { certify } from "../../certify/evaluate.ts";
import { witnessOf } from "../../certify/witness.ts";
import { inFamily } from "../../layers/family.ts";
import { cpl, sll } from "../../layers/sll.ts";
import { convnet } from "../../models/convnet.ts";
import { mlp } from "../../models/mlp.ts";
import { resnet } from "../../models/resnet.ts";
import { parseOnnx } from "../../onnx/read.ts";
import { random } from "../../tensor/random.ts";
import { runAtOnce } from "../task.ts";
import { readProgram, verify } from "../verify.ts";
import { hessianBounds } from "./hessian.ts";
import { certifiedRadius, lossWithin } from "./radius.ts";
import { runOn, valuesAt } from "./run.ts";
import { slopesOf } from "./slope.ts";
import { walk } from "./walk.ts";

const shape = [1, 4, 4];
const models = [
  ["tanh mlp", mlp([16, 7, 5, 3], { activation: "tanh" })],
  ["softplus mlp", mlp([16, 9, 3], { activation: "softplus" })],
  ["silu convnet", convnet(3, { channels: [2], hidden: 4, activation: "silu" })],
  ["gelu resnet", resnet(3, { channels: [2], activation: "gelu" })],
  ["sigmoid mlp", mlp([16, 6, 6, 6, 3], { activation: "sigmoid" })],
  ["tanh sll mlp", inFamily(mlp([16, 7, 7, 5, 3], { activation: "tanh" }), sll({ gamma: 5 }))],
  ["softplus cpl convnet", inFamily(convnet(3, { channels: [2], hidden: 4, activation: "softplus" }), cpl())],
] as const;

describe.each(models)("of a %s", (_, model) => {
  it("the curvature is above every Hessian, the gradient above every slope, and near it", async () => {
    const data = points(shape, 3, 3);
    const program = readProgram(await bytesOf(model, shape), {}, shape);
    const { witness } = await witnessOf(program, { norm: 2, engine, seconds: 0.1 });
    const proof = runAtOnce(walk(program, 2, witness));
    const hessian = hessianBounds(program, proof);
    const slopes = slopesOf(program, proof, runAtOnce(runOn(program, data.x)).largest);
    const source = random(5);
    const gap = (x: ArrayLike<number>, y: number, j: number) => {
      const out = valuesAt(program, x).get(program.output) as Float64Array;
      return out[y] - out[j];
    };
    for (let i = 0; i < data.count; i++) {
      const x = Float64Array.from(data.x.subarray(16 * i, 16 * i + 16));
      const h = 1e-4;
      for (const [y, j] of [
        [0, 1],
        [2, 1],
      ] as const) {
        const moved = (k: number, step: number) => x.map((v, m) => (m === k ? v + step : v));
        const g = x.map((_, k) => (gap(moved(k, h), y, j) - gap(moved(k, -h), y, j)) / (2 * h));
        const length = Math.sqrt(g.reduce((sum, v) => sum + v * v, 0));
        const found = slopes(data.x.subarray(16 * i, 16 * i + 16)).length(y, j);
        expect(Math.abs(found - length)).toBeLessThan(1e-5 * (1 + length));
        for (let trial = 0; trial < 10; trial++) {
          const d = x.map(() => source.normal());
          const size = Math.sqrt(d.reduce((sum, v) => sum + v * v, 0));
          const at = (t: number) =>
            gap(
              x.map((v, k) => v + (t * d[k]) / size),
              y,
              j,
            );
          const second = Math.abs(at(1e-3) - 2 * at(0) + at(-1e-3)) / 1e-6;
          expect(second).toBeLessThan(hessian(y, j) * (1 + 1e-4) + 1e-6);
        }
      }
    }
    expect(hessian(0, 1)).toBe(hessian(1, 0));
    expect(hessian(0, 0)).toBe(0);
  });
});

describe("certificates of smooth networks", () => {
  it("have longer radii than constants give, which are checked", async () => {
    const data = points(shape, 10, 3);
    const bytes = await bytesOf(mlp([16, 9, 3], { activation: "softplus" }), shape);
    const made = await certificateOf(bytes, data);
    expect((await verify(made.text, bytes, { data })).holds).toBe(true);
    const first = await certify(parseOnnx(bytes), { engine, data, order: "first", local: "off", seconds: 0.1 });
    const sum = (samples: readonly { readonly radius: number }[]) => samples.reduce((n, s) => n + s.radius, 0);
    expect(sum(made.certificate.samples)).toBeGreaterThan(1.5 * sum(first.samples));
    // Each radius is near what the checker accepts of it, or that of the library.
    for (const i of [0, 4, 7]) {
      const forgery = await claimed({ text: made.text, bytes, data }, (c) => {
        c.samples[i].radius *= 2;
        c.rounding.float32 *= 2;
        recount(c);
      });
      await refused(forgery, "samples", /is too far/);
    }
  });

  it("have none of that where there is a kink", async () => {
    const program = readProgram(await bytesOf(mlp([16, 5, 3]), shape), {}, shape);
    const { witness } = await witnessOf(program, { norm: 2, engine, seconds: 0.1 });
    expect(hessianBounds(program, runAtOnce(walk(program, 2, witness)))(0, 1)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("lossWithin()", () => {
  it("is what the slope min(G + C s, K) adds up to, and no radius of certifiedRadius() loses the margin", () => {
    const source = random(3);
    for (let trial = 0; trial < 500; trial++) {
      const [G, C, K, radius] = [0, 1, 2, 3].map(() => source.uniform() * 10 ** (3 * source.uniform() - 1.5));
      const parts = 2000;
      let exact = 0;
      for (let p = 0; p < parts; p++) exact += (Math.min(G + (C * radius * (p + 0.5)) / parts, K) * radius) / parts;
      const loss = lossWithin(radius, G, C, K);
      expect(loss).toBeGreaterThan(exact * (1 - 1e-3));
      expect(loss).toBeLessThan(exact * (1 + 1e-3));
      const margin = source.uniform();
      const certified = certifiedRadius(margin, G, C, K);
      expect(lossWithin(certified, G, C, K)).toBeLessThanOrEqual(margin);
      expect(lossWithin(certified * (1 + 1e-9), G, C, K)).toBeGreaterThan(margin);
    }
    expect(certifiedRadius(0, 1, 1, 2)).toBe(0);
    expect(certifiedRadius(-1, 1, 1, 2)).toBe(0);
    expect(certifiedRadius(1, 0, 0, 0)).toBe(Number.POSITIVE_INFINITY);
    expect(lossWithin(3, Number.NaN, 1, 2)).toBeGreaterThanOrEqual(6);
  });
});
