import { describe, expect, it } from "vitest";
import { affine, functionOf, randomNetwork } from "../../test/functions.ts";
import { propagate } from "../bounds/autoLip.ts";
import { fusedFlow } from "../bounds/patterns/fuse.ts";
import { subjectOf } from "../bounds/subject.ts";
import { nodeEngine } from "../engine/node.ts";
import { evaluate } from "../engine/reference.ts";
import type { Network } from "../graph/network.ts";
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
