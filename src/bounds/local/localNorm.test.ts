import { describe, expect, it } from "vitest";
import { affine, functionOf, weight } from "../../../test/functions.ts";
import { nodeEngine } from "../../engine/node.ts";
import type { Node } from "../../graph/graph.ts";
import { constant } from "../../graph/leaf.ts";
import { add, div, greater, log, mul, pow, sub, where } from "../../ops/arith.ts";
import { sum } from "../../ops/broadcast.ts";
import { conv } from "../../ops/conv.ts";
import { inverse } from "../../ops/inverse.ts";
import { matmul } from "../../ops/matmul.ts";
import { reshape, transpose } from "../../ops/movement.ts";
import { instanceNorm, layerNorm } from "../../ops/normalize.ts";
import { abs, exp, floor, reciprocal, sigmoid, sign, sin, softplus, sqrt, tanh } from "../../ops/pointwise.ts";
import { softmax } from "../../ops/softmax.ts";
import { type Random, random } from "../../tensor/random.ts";
import { autoLip } from "../autoLip.ts";
import type { Norm } from "../bound.ts";
import type { Domain } from "../domain.ts";
import { lipschitz } from "../index.ts";
import { jacobian } from "../lowerBounds/jacobian.ts";
import { subjectOf } from "../subject.ts";

const engine = nodeEngine({ threads: 1 });

const box = (low: readonly number[], high: readonly number[]): Domain => ({ kind: "box", low, high });
const on = async (domain: Domain, f: (x: Node) => Node, size = 1, norm: Norm = 2) =>
  (await autoLip(subjectOf(functionOf([size], f)), norm, { domain })).bound;

describe("autoLip() on a domain", () => {
  it.each<[string, (x: Node) => Node, number, number, number]>([
    ["e^x on [0, 1]", exp, 0, 1, Math.E],
    ["ln x on [0.5, 4]", log, 0.5, 4, 2],
    ["the root on [0.25, 4]", sqrt, 0.25, 4, 1],
    ["1 / x on [-4, -0.5]", reciprocal, -4, -0.5, 4],
    ["the inverse of one number", (x) => reshape(inverse(reshape(x, [1, 1, 1])), [1, 1]), 0.5, 4, 4],
    ["x^2 as a power on [-1, 3]", (x) => pow(x, 2), -1, 3, 6],
    ["x^2 as a product on [-1, 3]", (x) => mul(x, x), -1, 3, 6],
    ["x^3 on [-2, 1]", (x) => pow(x, 3), -2, 1, 12],
    ["x^-1.5 on [1, 4]", (x) => pow(x, -1.5), 1, 4, 1.5],
    ["2 / x on [0.5, 4]", (x) => div(2, x), 0.5, 4, 8],
    ["tanh far out", tanh, 3, 5, 1 - Math.tanh(3) ** 2],
    ["tanh(x)^2 under a root", (x) => sqrt(add(mul(tanh(x), tanh(x)), 1)), 0, 0, 0],
    ["a condition that does not change", (x) => where(greater(x, -1), mul(x, 3), mul(x, 50)), 0, 1, 3],
    ["a sign that does not change", (x) => mul(sign(add(x, 2)), x), -1, 1, 1],
    ["a whole number that does not change", (x) => add(x, floor(x)), 0.25, 0.75, 1],
  ])("is exact for %s", async (_, f, low, high, expected) => {
    const { value, proved } = await on(box([low], [high]), f);
    expect(proved).toBe(true);
    expect(value).toBeGreaterThanOrEqual(expected * (1 - 1e-12));
    expect(value).toBeLessThanOrEqual(expected * (1 + 1e-9) + 1e-11);
  });

  it("is sup |b| L_a + sup |a| L_b for a product, and the same over b^2 for a quotient", async () => {
    const a = (x: Node) => affine(x, [[2, 0]], [1]);
    const b = (x: Node) => affine(x, [[0, 1]], [3]);
    const domain = box([-1, -1], [1, 1]);
    expect((await on(domain, (x) => mul(a(x), b(x)), 2)).value).toBeCloseTo(4 * 2 + 3 * 1, 9);
    expect((await on(domain, (x) => div(a(x), b(x)), 2)).value).toBeCloseTo(2 / 2 + (3 * 1) / 4, 9);
  });

  it("has nothing where a range meets a pole or a jump, and says where", async () => {
    const domain = box([-1], [1]);
    expect(await on(domain, (x) => div(1, x))).toMatchObject({
      proved: false,
      status: "unbounded",
      why: "Div 1: division by a varying branch, and here it may be 0",
    });
    expect((await on(domain, log)).why).toContain("grows without bound near 0");
    expect((await on(domain, (x) => where(greater(x, 0), x, 2))).why).toContain("a condition");
    expect((await on(domain, sign)).why).toBe("Sign 1: sign jumps at 0");
    expect((await on(box([0], [1e3]), (x) => exp(exp(x)))).proved).toBe(false);
    // The condition does not change here, and is not to blame.
    const chosen = await on(domain, (x) => log(where(greater(x, -2), x, 1)));
    expect(chosen.why).toMatch(/^Log 1: .* here its input reaches there$/);
  });

  it("uses the distance to the center where intervals add up", async () => {
    // The root of 64 times slopes of 4 leaves 32 of 64 to the sum of squares; intervals leave 0.
    const center = new Array<number>(64).fill(1);
    const f = (x: Node) => log(sum(mul(x, x), [1], true));
    const { value } = await on({ kind: "ball", center, radius: 1, norm: 2 }, f, 64);
    expect(value).toBeLessThan(1.01);
    expect(
      (
        await on(
          box(
            center.map(() => 0),
            center.map(() => 2),
          ),
          f,
          64,
        )
      ).proved,
    ).toBe(false);
  });

  it("is never above the bound of all of space", async () => {
    for (const f of [tanh, sin, sigmoid, (x: Node) => softmax(mul(x, 4), 1)]) {
      const everywhere = await autoLip(subjectOf(functionOf([3], f)), 2);
      const here = await on(box([-9, 0, 1], [9, 1, 1]), f, 3);
      expect(here.value).toBeLessThanOrEqual(everywhere.bound.value);
    }
    const apart = await on(box([4, -1], [6, 1]), (x) => softmax(x, 1), 2);
    expect(apart.value).toBeLessThan(0.1);
  });

  it("leaves ranges open when time is out, and stays proved or says nothing", async () => {
    const subject = subjectOf(functionOf([2], (x) => mul(tanh(x), tanh(x))));
    const domain = box([0, 0], [1, 1]);
    const { bound } = await autoLip(subject, 2, { domain, seconds: 0 });
    expect(bound.status).toBe("stopped");
    expect(bound.value).toBeGreaterThanOrEqual(2 * Math.tanh(0.65) * (1 - Math.tanh(0.65) ** 2));
  });
});

/** Blocks without a global constant, on [batch, 6]. */
const blocks: readonly ((x: Node, r: Random) => Node)[] = [
  (x, r) => mul(x, dense(x, r, 6)),
  (x, r) => div(dense(x, r, 6), add(abs(x), 0.2)),
  (x) => div(exp(x), sum(exp(x), [1], true)),
  (x, r) => layerNorm(x, table(x, r, [6]), table(x, r, [6]), -1, 1e-3),
  (x, r) => reshape(instanceNorm(reshape(x, [x.shape[0], 2, 3]), table(x, r, [2]), table(x, r, [2]), 0.1), x.shape),
  (x, r) => attention(reshape(x, [x.shape[0], 3, 2]), r),
  (x) => log(add(softplus(x), 0.1)),
  (x) => sqrt(add(mul(x, x), 0.05)),
  (x, r) => mul(sin(x), sigmoid(dense(x, r, 6))),
  (x) => pow(add(abs(x), 0.3), -1.5),
  (x) => mul(pow(x, 3), 0.2),
  // A kernel that varies, of a batch of one.
  (x, r) =>
    x.shape[0] === 1
      ? reshape(conv(reshape(x, [1, 1, 6]), reshape(dense(x, r, 3), [1, 1, 3]), { pads: [1, 1] }), x.shape)
      : x,
  (x, r) => tanh(dense(x, r, 6)),
  (x, r) => add(x, dense(x, r, 6)),
  (x) => where(greater(x, 0.5), x, mul(x, 2)),
];

const table = (like: Node, r: Random, shape: readonly number[]): Node =>
  weight(
    like,
    Array.from({ length: shape.reduce((n, d) => n * d, 1) }, () => r.normal()),
    shape,
  );
const dense = (x: Node, r: Random, width: number): Node =>
  add(mul(matmul(x, table(x, r, [6, width])), 0.5), table(x, r, [width]));

function attention(x: Node, r: Random): Node {
  const [q, k, v] = [0, 1, 2].map(() => matmul(x, table(x, r, [2, 2])));
  return reshape(matmul(softmax(matmul(q, transpose(k, [0, 2, 1])), -1), v), [x.shape[0], 6]);
}

describe("the local bound of random graphs", () => {
  it("is never below a search inside the domain", async () => {
    let proved = 0;
    for (let seed = 0; seed < 60; seed++) {
      const r = random(seed).fork("domain");
      const batch = seed % 5 === 0 ? 2 : 1;
      const network = functionOf(
        [6],
        (x) => {
          // Every build draws the same weights.
          const own = random(seed).fork("network");
          let y = x;
          let before = x;
          for (let k = 0; k < 1 + (seed % 3); k++) {
            const next = blocks[own.integer(blocks.length)](y, own);
            [before, y] = [y, own.uniform() < 0.3 ? sub(next, before) : next];
          }
          return y;
        },
        batch,
      );
      const subject = subjectOf(network);
      const radius = 10 ** (r.uniform() * 5 - 4);
      const center = Array.from({ length: subject.size }, () => r.normal());
      const flat = center.map((_, k) => (seed % 4 === 3 && k > 0 ? 0 : radius));
      const domain: Domain =
        seed % 3 === 0
          ? { kind: "ball", center, radius, norm: 2 }
          : seed % 3 === 1
            ? { kind: "ball", center, radius, norm: "inf" }
            : box(
                center.map((c, k) => c - flat[k]),
                center.map((c, k) => c + flat[k]),
              );
      const norm = ([2, 1, "inf"] as const)[(seed >> 2) % 3];
      const { bound } = await autoLip(subject, norm, { domain });
      const lower = await jacobian(subject, norm, { engine, domain, points: 8, rounds: 8, seconds: 0.5, seed });
      expect(lower.value, `seed ${seed}`).toBeLessThanOrEqual(bound.value);
      if (bound.proved) proved++;
    }
    expect(proved).toBeGreaterThan(45);
  });
});

describe("lipschitz() where there is no global constant", () => {
  it("says whether a box may help", async () => {
    const ask = async (f: (x: Node) => Node, domain?: Domain) =>
      lipschitz(functionOf([2], f), { engine, methods: ["autolip"], ...(domain && { domain }) });
    expect((await ask((x) => mul(x, exp(x)))).noConstant).toMatchObject({ local: true });
    expect((await ask((x) => mul(x, sign(x)))).noConstant).toMatchObject({ local: false });
    const here = await ask((x) => mul(x, exp(x)), box([0, 0], [1, 1]));
    expect(here.upper).toMatchObject({ method: "autolip", proved: true });
    expect(here.noConstant).toBe(undefined);
    const pole = await ask((x) => div(constant(1, x.dtype), x), box([-1, 1], [1, 2]));
    expect(pole).toMatchObject({ upper: null, noConstant: { node: "Div 1", local: true } });
  });
});
