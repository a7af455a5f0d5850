/** @file Chains that a softmax or a pool follows: the bounds of chains hold for the whole, and are less than those of norms. */
import { describe, expect, it } from "vitest";
import { affine, functionOf } from "../../../test/functions.ts";
import { nodeEngine } from "../../engine/node.ts";
import type { Node } from "../../graph/graph.ts";
import { mul } from "../../ops/arith.ts";
import { reshape } from "../../ops/movement.ts";
import { relu } from "../../ops/pointwise.ts";
import { maxPool } from "../../ops/pool.ts";
import { softmax } from "../../ops/softmax.ts";
import { random } from "../../tensor/random.ts";
import { autoLip } from "../autoLip.ts";
import { type LipschitzOptions, lipschitz } from "../index.ts";
import { subjectOf } from "../subject.ts";
import { chainsOf } from "./question.ts";

const engine = nodeEngine({ threads: 1 });
const box = { kind: "box", low: [-1, -1, -1], high: [1, 1, 1] } as const;

const rows = (n: number, m: number) => {
  const r = random(m);
  return Array.from({ length: n }, () => Array.from({ length: m }, () => r.normal()));
};
const chain = (x: Node) => affine(relu(affine(relu(affine(x, rows(8, 3))), rows(6, 8))), rows(4, 6));
const network = (end: (y: Node) => Node) => functionOf([3], (x) => end(chain(x)));
const pooled = (y: Node) => maxPool(reshape(y, [y.shape[0], 1, 4]), { kernel: [2], strides: [1], pads: [0, 0] });

const upper = async (end: (y: Node) => Node, options: Omit<LipschitzOptions, "engine">) => {
  const bracket = await lipschitz(network(end), { engine, seconds: 20, ...options });
  return { value: bracket.upper?.value as number, lower: bracket.lower?.value ?? 0, bounds: bracket.bounds };
};

describe("chainsOf()", () => {
  it.each([
    ["a softmax", (y: Node) => softmax(y, 1), 2, 0.5],
    [
      "two of them, and what moves numbers",
      (y: Node) => softmax(reshape(softmax(y, 1), [y.shape[0], 2, 2]), 2),
      2,
      0.25,
    ],
    // Pixels in the middle are in two windows.
    ["a pool with overlap", pooled, 2, Math.SQRT2],
    ["a pool with overlap in l-inf", pooled, "inf", 1],
  ] as const)("multiplies the chain's bound by the constant of %s", async (_, end, norm, factor) => {
    for (const domain of [{ kind: "global" }, box] as const) {
      for (const method of domain.kind === "global" && norm === 2 ? ["lipsdp", "seqlip"] : ["lipsdp", "recurjac"]) {
        const alone = await upper((y) => y, { norm, domain, methods: [method] });
        const whole = await upper(end, { norm, domain, methods: [method] });
        // The quadratic walk may see more than the product.
        expect(whole.value / (alone.value * factor)).toBeLessThan(1 + 1e-4);
        if (method !== "lipsdp") expect(whole.value / (alone.value * factor)).toBeCloseTo(1, 6);
        const walk = await upper(end, { norm, domain, methods: ["autolip", "jacobian"], seconds: 0.5 });
        if (method === "lipsdp") expect(whole.value).toBeLessThan(walk.value);
        expect(walk.lower).toBeLessThanOrEqual(whole.value);
      }
    }
  });

  it("ends before what follows, where that has a constant and there is a chain before it", async () => {
    const of = async (end: (y: Node) => Node) => {
      const { propagation } = await autoLip(subjectOf(network(end)), 2);
      return (await chainsOf(propagation, 2, { kind: "global" })).longest;
    };
    const layers = async (end: (y: Node) => Node) => {
      const found = await of(end);
      return typeof found === "string" ? found : found.chain.activations.length;
    };
    expect(await layers((y) => mul(y, softmax(y, 1)))).toMatch(/neither affine/);
    expect(await layers((y) => softmax(y, 1))).toBe(2);
  });

  it("leaves branch and bound to whole networks", async () => {
    const { bounds } = await upper((y) => softmax(y, 1), { methods: ["branch"] });
    expect(bounds).toMatchObject([{ method: "branch", status: "not a chain", proved: false }]);
  });
});
