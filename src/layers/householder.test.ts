/** @file The Householder activation against its definition, and what bounds know of it. */
import { describe, expect, it } from "vitest";
import { lipschitz } from "../bounds/index.ts";
import { nodeEngine } from "../engine/node.ts";
import { evaluate } from "../engine/reference.ts";
import { input } from "../graph/leaf.ts";
import { convnet } from "../models/convnet.ts";
import { freeze } from "../models/freeze.ts";
import { mlp } from "../models/mlp.ts";
import { writeNetwork } from "../onnx/network.ts";
import { parseOnnx } from "../onnx/read.ts";
import { maxMin } from "../ops/index.ts";
import { retype } from "../ops/retype.ts";
import { normalTensor, random } from "../tensor/random.ts";
import { cast, tensor, toFloat64 } from "../tensor/tensor.ts";
import { aol } from "./aol.ts";
import { inFamily } from "./family.ts";
import { householder } from "./householder.ts";
import { evalRun } from "./layer.ts";
import { orthogonal } from "./orthogonal.ts";

const engine = nodeEngine();

/** In float64 on samples [batch, channels, ...space]. */
function applied(angles: readonly number[], shape: readonly number[], x: Float64Array) {
  const layer = householder();
  const angle = input("angle", [angles.length]);
  const node = input("x", shape);
  const [y] = retype([layer.forward(node, layer.weights({ angle }, "train"), evalRun)], "float64");
  const feeds = {
    angle: tensor(Float64Array.from(angles), [angles.length], "float64"),
    x: tensor(x, shape, "float64"),
  };
  return toFloat64(evaluate({ y }, feeds).y);
}

describe("householder()", () => {
  it("mirrors what lies behind the line, and nothing else", () => {
    const r = random(1);
    for (let k = 0; k < 200; k++) {
      const [a, p, q] = [7 * r.normal(), r.normal(), r.normal()];
      const v = [Math.sin(a / 2), -Math.cos(a / 2)];
      const side = v[0] * p + v[1] * q;
      const want = side > 0 ? [p, q] : [p - 2 * side * v[0], q - 2 * side * v[1]];
      const got = applied([a], [1, 2], Float64Array.of(p, q));
      want.forEach((w, i) => {
        expect(Math.abs(got[i] - w)).toBeLessThan(1e-12);
      });
    }
  });

  it("is MaxMin at its first angles, on vectors and on images", () => {
    for (const shape of [
      [3, 4],
      [2, 4, 3, 2],
      [2, 4, 5],
    ]) {
      const x = cast(normalTensor(random(2), shape), "float64");
      const node = input("x", shape, "float64");
      const want = toFloat64(evaluate({ y: maxMin(node) }, { x }).y);
      applied([Math.PI / 2, Math.PI / 2], shape, toFloat64(x)).forEach((v, i) => {
        expect(Math.abs(v - want[i])).toBeLessThan(1e-7);
      });
    }
  });

  it("refuses an odd number of channels", () => {
    expect(() => householder().shape([3])).toThrow("householder: the number of channels must be even, got [3]");
  });

  it.each([
    ["orthogonal mlp", inFamily(mlp([6, 8, 4, 3], { activation: "householder" }), orthogonal({ gamma: 2 })), [6]],
    [
      "aol convnet",
      inFamily(convnet(3, { channels: [4, 6], hidden: 4, activation: "householder" }), aol({ gamma: 2 })),
      [1, 8, 8],
    ],
  ] as const)("keeps the prescribed constant, proved of the file: %s", async (_, model, sample) => {
    const { params, state } = model.init(random(3), sample);
    const turned = Object.entries(params).map(
      ([name, t]) => [name, name.endsWith("angle") ? normalTensor(random(4).fork(name), t.shape, 3) : t] as const,
    );
    const network = await freeze(engine, model, { params: Object.fromEntries(turned), state }, sample);
    const { upper } = await lipschitz(parseOnnx(writeNetwork(network)), { engine, methods: ["autolip"] });
    expect(upper?.value).toBeLessThan(2 * (1 + 1e-5));
  });
});
