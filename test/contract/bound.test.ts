/** @file What is asked of every bound: upper is never below lower, on any network; and the asking itself notices a wrong one. */
import { describe, expect, it } from "vitest";
import { autoLip } from "../../src/bounds/autoLip.ts";
import type { Norm } from "../../src/bounds/bound.ts";
import { budget } from "../../src/bounds/budget.ts";
import { lipschitz } from "../../src/bounds/index.ts";
import { attaining } from "../../src/bounds/length.ts";
import { power } from "../../src/bounds/lowerBounds/ascent.ts";
import { preciseSlopes } from "../../src/bounds/lowerBounds/slopes.ts";
import { judge } from "../../src/bounds/lowerBounds/witness.ts";
import { subjectOf } from "../../src/bounds/subject.ts";
import { nodeEngine } from "../../src/engine/node.ts";
import { apply, type Behaviour, type Node, type Op } from "../../src/graph/graph.ts";
import type { Network } from "../../src/graph/network.ts";
import { mul } from "../../src/ops/arith.ts";
import { relu } from "../../src/ops/pointwise.ts";
import { UsageError } from "../../src/tensor/errors.ts";
import { random } from "../../src/tensor/random.ts";
import { affine, functionOf } from "../functions.ts";

const engine = nodeEngine({ threads: 1 });
const norms: readonly Norm[] = [1, 2, "inf"];

/** Lower over upper, by few evaluations and without an engine. */
async function tightness(network: Network, norm: Norm, seed: number): Promise<number> {
  const subject = subjectOf(network);
  const slopes = await preciseSlopes(engine, subject);
  if (!slopes) throw new Error("a random network must depend on its input");
  const source = random(seed);
  const search = { subject, norm, domain: { kind: "global" } as const, slopes, clock: budget(), source };
  const draw = (n: number) => Float64Array.from({ length: n }, () => source.normal());
  const starts = Array.from({ length: 3 }, () => draw(subject.size));
  const found = [];
  for (const x of starts)
    found.push(
      ...(await power(
        search,
        [{ x, unit: new Float64Array(subject.size).fill(1) }],
        [attaining(draw(subject.size), norm)],
        3,
      )),
    );
  const last = await judge(engine, search, "direction");
  const lower = await last.glance(found.sort((a, b) => b.value - a.value));
  const { value } = (await autoLip(subject, norm)).bound;
  expect(value).toBeLessThan(Number.POSITIVE_INFINITY);
  return lower.value / value;
}

describe("bounds", () => {
  it.each<[string, Behaviour]>([
    ["an isometry that doubles", { kind: "isometry" }],
    ["a slope of at most 1.9", { kind: "pointwise", slope: [0, 1.9], slopeOn: () => [0, 1.9], curvature: 0 }],
    ["norms of at most 1.9", { kind: "linear", of: { form: "bounded", norm: { 1: 1.9, 2: 1.9, inf: 1.9 } } }],
  ])("are caught with a planted error: %s", async (_, claimed) => {
    const network = functionOf([3], (x) => doubled(relu(doubled(x, claimed)), claimed));
    for (const norm of norms) expect(await tightness(network, norm, 0)).toBeGreaterThan(1.05);
  });
});

describe("lipschitz()", () => {
  const rows = [
    [1, 2],
    [3, 4],
  ];
  const network = functionOf([2], (x) => affine(relu(affine(x, rows)), rows));

  it("gives a bracket whose sides are the best of the bounds", async () => {
    const bracket = await lipschitz(network, { engine, seed: 1 });
    expect(bracket).toMatchObject({ norm: "2", domain: "global", upper: { method: "lipsdp", proved: true } });
    expect(bracket.bounds.map((b) => b.method)).toEqual(["autolip", "eclipse-fast", "lipsdp", "jacobian", "pairs"]);
    expect(bracket.lower?.value).toBeLessThanOrEqual(bracket.upper?.value as number);
    expect(bracket.layers).toHaveLength(2);
    expect(JSON.parse(JSON.stringify(bracket))).toEqual(bracket);
  });

  it("takes a norm as a word and only the methods asked for", async () => {
    const bracket = await lipschitz(network, { engine, norm: "1", methods: ["autolip"] });
    expect(bracket).toMatchObject({ norm: "1", lower: null });
    expect(bracket.upper?.value).toBeCloseTo(36, 9);
  });

  it("says where there is no constant", async () => {
    const bracket = await lipschitz(
      functionOf([2], (x) => mul(x, x)),
      { engine },
    );
    expect(bracket.upper).toBe(null);
    expect(bracket.noConstant).toEqual({ node: "Mul 1", why: "product of two varying branches", local: true });
    expect(bracket.lower?.value).toBeGreaterThan(1);
  });

  it("refuses what it cannot bound", async () => {
    await expect(lipschitz(network, { engine, methods: ["magic"] })).rejects.toThrow(
      'unknown method "magic"; known: frobenius, autolip',
    );
    const two = { ...network, inputs: [...network.inputs, ...network.inputs] };
    await expect(lipschitz(two, { engine })).rejects.toThrow(UsageError);
    await expect(lipschitz(two, { engine })).rejects.toThrow("exactly one floating-point input");
    const open = { ...network, inputs: [{ ...network.inputs[0], shape: ["batch", "length"] }] };
    await expect(lipschitz(open, { engine })).rejects.toThrow('the size "length" is free');
  });
});

/** 2 x, with a claim about it. */
function doubled(x: Node, claimed: Behaviour): Node {
  const op: Op<null> = {
    name: "Doubled",
    infer: ([t]) => ({ dtype: t.dtype, shape: t.shape }),
    vjp: (_, dy) => [mul(dy, 2)],
    behaviour: () => claimed,
    evaluate: (_, [v]) => v.map((c) => 2 * c),
    onnx: (y, build) => build.value(mul(y.inputs[0], 2)),
  };
  return apply(op, [x], null);
}
