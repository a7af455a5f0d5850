import { describe, expect, it } from "vitest";
import { affine, functionOf, randomNetwork } from "../../test/functions.ts";
import { propagate } from "../bounds/autoLip.ts";
import { fusedFlow } from "../bounds/patterns/fuse.ts";
import { subjectOf } from "../bounds/subject.ts";
import { nodeEngine } from "../engine/node.ts";
import { evaluate } from "../engine/reference.ts";
import type { Node } from "../graph/graph.ts";
import { constant } from "../graph/leaf.ts";
import type { Network } from "../graph/network.ts";
import { add, minimum, mul, sub } from "../ops/arith.ts";
import { erfNumber } from "../ops/erf.ts";
import { clip, erf, relu, sigmoid } from "../ops/pointwise.ts";
import { random } from "../tensor/random.ts";
import { tensor } from "../tensor/tensor.ts";
import { logitError } from "./rounding.ts";

const engine = nodeEngine({ threads: 1 });

async function errorOf(network: Network, inputSize: number): Promise<number> {
  const { x, y } = subjectOf(network).at(1, "float64");
  return logitError(await propagate(fusedFlow(x, y), "inf"), inputSize);
}

describe("logitError()", () => {
  it("covers a cancellation that rounding spoils", async () => {
    // (x + 2^40) - 2^40 loses 40 bits of x.
    const big = 2 ** 40;
    const network = functionOf([1], (x) => affine(affine(x, [[1]], [big]), [[1]], [-big]));
    const { y } = subjectOf(network).at(1, "float64");
    const value = 0.1;
    const got = evaluate({ y }, { x: tensor([value], [1, 1], "float64") }).y.data[0];
    const error = Math.abs(Number(got) - value);
    expect(error).toBeGreaterThan(1e-6);
    expect(await errorOf(network, 1)).toBeGreaterThan(error);
  });

  const big = 2 ** 40;
  const near = (x: Node) => sub(add(x, constant(big, x.dtype)), constant(big, x.dtype));
  const far = (x: Node) => sub(add(mul(x, constant(big, x.dtype)), x), mul(x, constant(big, x.dtype)));
  it.each<[string, (x: Node) => Node, (v: number) => number]>([
    ["the line of a gate", (x) => mul(near(x), sigmoid(x)), (v) => v / (1 + Math.exp(-v))],
    ["its argument", (x) => mul(x, sigmoid(near(x))), (v) => v / (1 + Math.exp(-v))],
    ["the gate", (x) => mul(x, near(sigmoid(x))), (v) => v / (1 + Math.exp(-v))],
    ["a GELU's gate", (x) => mul(x, near(add(erf(x), 1))), (v) => v * (1 + erfNumber(v))],
    ["a ramp", (x) => mul(x, clip(near(x), 0, 1)), (v) => v * v],
    ["the factor of a ramp", (x) => mul(x, near(clip(x, 0, 1))), (v) => v * v],
    [
      "both sides of a kink",
      (x) => sub(add(mul(relu(x), constant(big, x.dtype)), x), mul(relu(x), constant(big, x.dtype))),
      (v) => v,
    ],
    ["one side of a kink", (x) => add(relu(x), mul(minimum(far(x), 0), 0.5)), (v) => v / (v < 0 ? 2 : 1)],
  ])("covers a cancellation within a composition: %s", async (_, f, exact) => {
    const network = functionOf([1], f);
    const { y } = subjectOf(network).at(1, "float64");
    let lost = 0;
    const bound = await errorOf(network, 1);
    for (const value of [-0.7, -0.3, 0.1, 0.3, 0.7]) {
      const got = evaluate({ y }, { x: tensor([value], [1, 1], "float64") }).y.data[0];
      const error = Math.abs(Number(got) - exact(value));
      lost = Math.max(lost, error);
      expect(bound).toBeGreaterThan(error);
    }
    expect(lost).toBeGreaterThan(1e-6);
  });

  it("is above the difference of two evaluations, and small", async () => {
    for (let seed = 0; seed < 10; seed++) {
      const network = randomNetwork(random(seed), "dense");
      const { x, y } = subjectOf(network).at(1, "float64");
      const feeds = {
        x: tensor(
          x.shape.flatMap((d) => (d === 1 ? [] : Array.from({ length: d }, (_, i) => 1 - i / d))),
          x.shape,
          "float64",
        ),
      };
      const program = await engine.compile({ y });
      const [a, b] = [(await program.run(feeds)).y.data, evaluate({ y }, feeds).y.data];
      await program.dispose();
      const bound = await errorOf(network, 1);
      expect(bound).toBeLessThan(1e-9);
      for (let i = 0; i < a.length; i++) expect(Math.abs(Number(a[i]) - Number(b[i]))).toBeLessThanOrEqual(2 * bound);
    }
  });

  it("grows with the size of the inputs", async () => {
    const network = functionOf([2], (x) => affine(x, [[1, 2]]));
    expect((await errorOf(network, 2e6)) / (await errorOf(network, 1e6))).toBeCloseTo(2, 6);
  });
});
