import { describe, expect, it } from "vitest";
import { functionOf, randomNetwork } from "../../../test/functions.ts";
import type { Node } from "../../graph/graph.ts";
import type { Network } from "../../graph/network.ts";
import { div, maximum, minimum, mul } from "../../ops/arith.ts";
import { softplus } from "../../ops/pointwise.ts";
import { maxPool } from "../../ops/pool.ts";
import { reduceMax, reduceMin } from "../../ops/reduce.ts";
import { logSoftmax, logSumExp, softmax } from "../../ops/softmax.ts";
import { maxMin } from "../../ops/sort.ts";
import { random } from "../../tensor/random.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { asFunction } from "../fixed.ts";
import { fusedFlow } from "../patterns/fuse.ts";
import { subjectOf } from "../subject.ts";
import { simplerFlow } from "./simpler.ts";

const image = (f: (x: Node) => Node): Network => functionOf([2, 3, 4], f);

const cases: Readonly<Record<string, Network>> = {
  "larger of two": image((x) => maximum(x, mul(x, -0.5))),
  "smaller of two": image((x) => minimum(x, mul(x, -0.5))),
  square: image((x) => mul(x, x)),
  quotient: image((x) => div(x, softplus(x))),
  "largest over axes": image((x) => reduceMax(x, [1, 3])),
  "smallest over an axis": image((x) => reduceMin(x, [2])),
  "softmax of the last axis": image((x) => softmax(x, -1)),
  "softmax of an inner axis": image((x) => softmax(x, 2)),
  "logarithm of a softmax": image((x) => logSoftmax(x, 1)),
  "log-sum-exp": image((x) => logSumExp(x, [1, 3])),
  "overlapping pools with pads": image((x) => maxPool(x, { kernel: [2, 3], strides: [1, 2], pads: [1, 1, 0, 1] })),
  "dilated pools": image((x) => maxPool(x, { kernel: [2, 2], dilations: [1, 2] })),
  "sorted pairs": image((x) => maxMin(x, 1)),
};

describe("simplerFlow()", () => {
  it.each(Object.entries(cases))("computes what the network computes: %s", (_, network) => same(network, 5));

  it("computes what random networks compute", () => {
    for (let seed = 0; seed < 40; seed++) {
      same(randomNetwork(random(seed), (["dense", "image", "chain", "steep"] as const)[seed % 4], 4), seed);
    }
  });
});

function same(network: Network, seed: number): void {
  const { x, y } = subjectOf(network).at(2, "float64");
  const flow = fusedFlow(x, y);
  const { flow: simpler } = simplerFlow(flow);
  for (const node of simpler.varying) {
    const mask = node.inputs.map((i) => simpler.varies.has(i));
    expect(node.op.parts?.(node, mask) ?? null).toBeNull();
  }
  const r = random(seed).fork("points");
  for (let k = 0; k < 5; k++) {
    const at = Float64Array.from({ length: sizeOf(x.shape) }, () => 2 * r.normal());
    const want = asFunction(y, x)(at);
    asFunction(
      simpler.output,
      x,
    )(at).forEach((v, i) => {
      expect(Math.abs(v - want[i])).toBeLessThan(1e-9 * (1 + Math.abs(want[i])));
    });
  }
}
