import { describe, expect, it } from "vitest";
import { affine, functionOf, weight } from "../../../test/functions.ts";
import { nodeEngine } from "../../engine/node.ts";
import { type Flow, flowOf } from "../../graph/behaviour.ts";
import type { Node } from "../../graph/graph.ts";
import { constant } from "../../graph/leaf.ts";
import { writeNetwork } from "../../onnx/network.ts";
import { parseOnnx } from "../../onnx/read.ts";
import { add, cast, div, greater, maximum, minimum, mul, neg, pow, sub, where } from "../../ops/arith.ts";
import { broadcastTo, sum } from "../../ops/broadcast.ts";
import { concat, reshape, sliceAxis, unsqueeze } from "../../ops/movement.ts";
import { clip, erf, hardSigmoid, relu, sigmoid, softplus, sqrt, tanh } from "../../ops/pointwise.ts";
import { averagePool } from "../../ops/pool.ts";
import { mean, reduceMax, reduceMin } from "../../ops/reduce.ts";
import { maxMin } from "../../ops/sort.ts";
import { random } from "../../tensor/random.ts";
import { autoLip } from "../autoLip.ts";
import type { Norm } from "../bound.ts";
import type { Range } from "../domain.ts";
import { asFunction, fixedValues } from "../fixed.ts";
import { lipschitz } from "../index.ts";
import { lengthOf as lengthIn } from "../length.ts";
import { nodeRange } from "../local/intervals.ts";
import { fixedRange } from "../local/rules.ts";
import { subjectOf } from "../subject.ts";
import { fusedFlow } from "./fuse.ts";

const engine = nodeEngine({ threads: 1 });
const norms: readonly Norm[] = [1, 2, "inf"];
const value = async (f: (x: Node) => Node, norm: Norm = 2, sample = [2]) =>
  (await autoLip(subjectOf(functionOf(sample, f)), norm)).bound.value;

/** The steepest difference quotient of a function of one number on a fine grid. */
function steepest(f: (x: number) => number): number {
  let top = 0;
  for (let x = -12; x < 12; x += 1e-3) top = Math.max(top, Math.abs(f(x + 1e-4) - f(x)) / 1e-4);
  return top;
}
const at = (f: (x: Node) => Node) => {
  const { x, y } = subjectOf(functionOf([1], f)).at(1, "float64");
  return (v: number) => asNumber(y, x, v);
};
const asNumber = (y: Node, x: Node, v: number) => asFunction(y, x)(Float64Array.of(v))[0];

const gates: readonly (readonly [string, (x: Node) => Node])[] = [
  ["silu", (x) => mul(x, sigmoid(x))],
  ["swish of another rate", (x) => mul(sigmoid(mul(x, 1.702)), x)],
  ["swish turned around, twice", (x) => mul(mul(x, -2), sigmoid(neg(x)))],
  ["gelu", (x) => mul(mul(x, 0.5), add(erf(div(x, Math.fround(Math.SQRT2))), 1))],
  ["gelu, the half last", (x) => mul(mul(x, add(erf(mul(x, Math.SQRT1_2)), 1)), 0.5)],
  ["gelu, the half inside", (x) => mul(x, add(mul(erf(div(x, Math.SQRT2)), 0.5), 0.5))],
  [
    "gelu by tanh",
    (x) => {
      const inner = mul(add(x, mul(pow(x, 3), Math.fround(0.044715))), Math.fround(Math.sqrt(2 / Math.PI)));
      return mul(mul(x, 0.5), add(tanh(inner), 1));
    },
  ],
  [
    "gelu by tanh, products",
    (x) => {
      const inner = mul(mul(x, Math.sqrt(2 / Math.PI)), add(mul(mul(x, x), 0.044715), 1));
      return mul(mul(0.5, x), add(1, tanh(inner)));
    },
  ],
  ["mish", (x) => mul(x, tanh(softplus(x)))],
  ["hard-swish", (x) => mul(x, hardSigmoid(x, 1 / 6, 0.5))],
  ["hard-swish by clip", (x) => div(mul(x, clip(add(x, 3), 0, 6)), 6)],
  ["hard-swish by relu and minimum", (x) => mul(x, div(minimum(relu(add(x, 3)), 6), 6))],
  ["hard-swish, asymmetric", (x) => mul(x, clip(sub(1, mul(x, 0.3)), -1, 3))],
];

const moved: readonly (readonly [string, number, (x: Node) => Node])[] = [
  ["an argument that is moved", 0.25, (x) => mul(x, sigmoid(add(x, 1)))],
  ["an argument that is moved down", 0.5, (x) => mul(sigmoid(sub(mul(x, 2), 2)), x)],
  ["a factor that is moved", 0.25, (x) => mul(add(x, 1), sigmoid(x))],
  ["a gate that is moved", 0, (x) => mul(x, add(sigmoid(x), 3))],
  ["a GELU that is moved", 0, (x) => mul(x, add(erf(x), 2))],
  ["a tanh alone", 0, (x) => mul(x, tanh(x))],
  [
    "a tanh GELU that is moved",
    0,
    (x) => mul(x, sub(tanh(mul(add(x, mul(pow(x, 3), 0.044715)), Math.sqrt(2 / Math.PI))), 3)),
  ],
  ["Mish that is moved", 1, (x) => mul(sub(x, 1), tanh(softplus(x)))],
  ["a ramp on a line that is moved", 1e-3, (x) => mul(sub(x, 1), clip(add(mul(x, 0.5), 0.25), 0, 1))],
];

describe("x g(x)", () => {
  it.each(gates)("has the slopes of the function that it is: %s", async (_, f) => {
    const exact = steepest(at(f));
    const found = await value(f);
    expect(found).toBeGreaterThanOrEqual(exact * (1 - 1e-7));
    expect(found).toBeLessThan(exact * (1 + 5e-4));
  });

  it.each(gates)("has slopes on an interval: %s", async (_, f) => {
    const source = random(3);
    const g = at(f);
    let proved = 0;
    for (let k = 0; k < 60; k++) {
      const low = 8 * source.uniform() - 5;
      const high = low + 0.01 + 3 * source.uniform() ** 3;
      const domain = { kind: "box", low: [low], high: [high] } as const;
      const { bounds } = await lipschitz(functionOf([1], f), { engine, domain, methods: ["interval"] });
      let top = 0;
      const step = (high - low) / 50;
      for (let x = low; x + step <= high; x += step) top = Math.max(top, Math.abs(g(x + step) - g(x)) / step);
      if (bounds[0].status === "done") proved++;
      expect(bounds[0].value).toBeGreaterThanOrEqual(top - 1e-10);
    }
    expect(proved).toBe(60);
  });

  it.each(moved)("is bounded wherever the line, the gate and its argument are: %s", async (_, slack, f) => {
    const exact = steepest(at(f));
    const found = await value(f);
    expect(found).toBeGreaterThanOrEqual(exact * (1 - 1e-7));
    expect(found).toBeLessThan(exact + slack + 5e-4);
    const source = random(4);
    const g = at(f);
    for (let k = 0; k < 30; k++) {
      const low = 8 * source.uniform() - 5;
      const high = low + 0.01 + 3 * source.uniform() ** 3;
      const domain = { kind: "box", low: [low], high: [high] } as const;
      const { bounds } = await lipschitz(functionOf([1], f), { engine, domain, methods: ["interval"] });
      const step = (high - low) / 50;
      let top = 0;
      for (let x = low; x + step <= high; x += step) top = Math.max(top, Math.abs(g(x + step) - g(x)) / step);
      expect(bounds[0].value).toBeGreaterThanOrEqual(top - 1e-10);
    }
  });

  it("keeps what doubles lose between constants that cancel", async () => {
    // In doubles both steps come out as nothing; in truth they are `off`.
    const lost = (off: number, start: number) => (x: Node) => {
      const at64 = (v: number) => constant(v, "float64");
      return sub(sub(add(cast(x, "float64"), at64(start)), at64(start)), at64(off));
    };
    const off = 2 ** -8;
    for (const start of [0, 1, 2 ** 40]) {
      const f = lost(off, start);
      expect(await value((x) => mul(cast(x, "float64"), sigmoid(f(x))))).toBeGreaterThan(1.0998 + off / 4);
    }
    // The float32 constants of a file: (s + p) a b - t, of which doubles keep no digit.
    const [p, a, b, t] = [27, 54, -36, 63].map((n, i) => Math.fround([2 ** 60, 1, 1, 2 ** 60][i] * (1 + n * 2 ** -23)));
    const tail = (y: Node) =>
      sub(mul(mul(add(y, weight(y, [p], [1])), weight(y, [a], [1])), weight(y, [b], [1])), weight(y, [t], [1]));
    // What the constants make in truth, in whole numbers: all are multiples of 2^-23.
    const whole = (v: number) => BigInt(v * 2 ** 23);
    const exact = Number(whole(p) * whole(a) * whole(b) - (whole(t) << 46n)) / 2 ** 69;
    expect(p * a * b - t).not.toBe(exact);
    expect(Math.abs(exact)).toBeGreaterThan(50);
    const one = [1];
    expect(await value((x) => mul(x, tail(sigmoid(x))), 2, one)).toBeGreaterThan(Math.abs(exact) - 1.2);
    expect(await value((x) => mul(tail(x), sigmoid(x)), 2, one)).toBeGreaterThan(Math.abs(exact) / 4 - 1.2);
  });

  it("is above what constants make in truth, whatever they make in doubles", async () => {
    const r = random(31);
    // Float32 numbers near powers of two: their sums and products are whole multiples of 2^-69, exactly.
    const near = (power: number) => Math.fround(2 ** power * (1 + Math.floor(200 * r.uniform() - 100) * 2 ** -23));
    const whole = (v: number) => BigInt(v * 2 ** 23);
    let lost = 0;
    for (let k = 0; k < 60; k++) {
      const power = Math.floor(70 * r.uniform());
      const [p, a, b] = [near(power), near(0), near(0)];
      const t = Math.fround(p * a * b);
      const offset = Number(whole(p) * whole(a) * whole(b) - (whole(t) << 46n)) / 2 ** 69;
      if (p * a * b - t !== offset) lost++;
      const moved = (y: Node) =>
        sub(mul(mul(add(y, weight(y, [p], [1])), weight(y, [a], [1])), weight(y, [b], [1])), weight(y, [t], [1]));
      const [top, least] = [1.0998393, 1 - 1e-4];
      const size = a * b;
      // x s(x): slope 1 far out, 0 on the other side; then the offset of the gate, of the line, of the argument.
      const gate = await value((x) => mul(x, moved(sigmoid(x))), 2, [1]);
      const ends = Math.max(Math.abs(size + offset), Math.abs(offset));
      expect(gate).toBeGreaterThanOrEqual(ends * least);
      const width = p * 2 ** -48 + 1e-6;
      expect(gate).toBeLessThanOrEqual(top * size + Math.abs(offset) * (1 + 1e-9) + width);
      const line = await value((x) => mul(moved(x), sigmoid(x)), 2, [1]);
      expect(line).toBeGreaterThanOrEqual(Math.abs(size / 2 + offset / 4) * least);
      expect(line).toBeLessThanOrEqual(top * size + Math.abs(offset) / 4 + width);
      const argument = await value((x) => mul(x, sigmoid(moved(x))), 2, [1]);
      expect(argument).toBeGreaterThanOrEqual(Math.max(1, (Math.abs(offset) / 4) * least - 0.3));
      expect(argument).toBeLessThanOrEqual(top + Math.abs(offset) / 4 + width);
    }
    expect(lost).toBeGreaterThan(10);
  });

  it("is not taken for one where a constant differs", async () => {
    const wrong: readonly ((x: Node) => Node)[] = [
      (x) => mul(x, x),
      (x) => mul(x, add(sigmoid(x), x)),
      (x) => mul(x, tanh(add(x, mul(pow(x, 3), 0.05)))),
      (x) => mul(x, add(tanh(add(x, mul(pow(x, 3), 0.05))), 1)),
      (x) => mul(x, relu(x)),
      (x) => mul(x, clip(mul(x, x), 0, 1)),
      (x) => mul(x, sigmoid(mul(x, weight(x, [1, 2], [2])))),
    ];
    for (const f of wrong) expect(await value(f)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("functions kinked at 0", () => {
  it.each<[string, number, (x: Node) => Node]>([
    ["PReLU", 1, (x) => add(maximum(x, 0), mul(minimum(x, 0), weight(x, [0.25, -0.5], [2])))],
    ["PReLU with a steep side", 3, (x) => add(relu(x), mul(minimum(x, 0), 3))],
    ["PReLU of two ReLUs", 1, (x) => sub(relu(x), mul(relu(neg(x)), 0.25))],
    ["leaky ReLU by a maximum", 1, (x) => maximum(x, mul(x, 0.1))],
    ["leaky ReLU by a choice", 1, (x) => where(greater(x, 0), x, mul(x, 0.1))],
    ["ReLU by a mask", 1, (x) => mul(x, cast(greater(x, 0), x.dtype))],
    ["|x| of two ReLUs", 1, (x) => add(relu(x), relu(neg(x)))],
  ])("have the larger of two slopes: %s", async (_, exact, f) => {
    for (const norm of norms) {
      expect(await value(f, norm)).toBeGreaterThanOrEqual(exact);
      expect(await value(f, norm)).toBeLessThan(exact * (1 + 1e-9));
    }
  });

  it("keep what doubles lose between factors that cancel", async () => {
    // t = (x (1 + e) (1 - e) - x) 2^60 = -x for e = 2^-30, and nothing in doubles.
    const t = (x: Node) => {
      const at = (v: number) => constant(v, x.dtype);
      return mul(sub(mul(mul(x, at(1 + 2 ** -30)), at(1 - 2 ** -30)), x), at(2 ** 60));
    };
    expect(await value((x) => add(relu(t(x)), mul(minimum(t(x), 0), 0.5)))).toBeGreaterThanOrEqual(1);
    expect(await value((x) => add(relu(t(x)), mul(minimum(t(x), 0), 3)))).toBeGreaterThanOrEqual(3);
  });

  it("are not taken for one where they jump or are moved", async () => {
    const jump = (x: Node) => where(greater(x, 0), add(x, 1), x);
    const late = (x: Node) => where(greater(x, 1), x, mul(x, 2));
    expect(await value(jump)).toBe(Number.POSITIVE_INFINITY);
    expect(await value(late)).toBe(Number.POSITIVE_INFINITY);
    expect(await value((x) => add(relu(sub(x, 1)), minimum(x, 0)))).toBeGreaterThan(1.5);
  });
});

const sorts: readonly (readonly [string, (x: Node) => Node])[] = [
  ["halves", (x) => maxMin(x)],
  [
    "neighbours, reduced and stacked",
    (x) => {
      const pairs = reshape(x, [x.shape[0], x.shape[1] / 2, 2]);
      const [high, low] = [reduceMax(pairs, [2]), reduceMin(pairs, [2])];
      return reshape(concat([unsqueeze(high, [2]), unsqueeze(low, [2])], 2), x.shape);
    },
  ],
  [
    "of a part, the rest moved",
    (x) => {
      const [a, b] = [sliceAxis(x, 1, 0, 1), sliceAxis(x, 1, 2, 3)];
      return concat([sliceAxis(x, 1, 3, x.shape[1]), minimum(b, a), sliceAxis(x, 1, 1, 2), maximum(a, b)], 1);
    },
  ],
];

describe("MaxMin", () => {
  it.each(sorts)("has the constant 1 in every norm: %s", async (_, f) => {
    for (const norm of norms) expect(await value(f, norm, [4])).toBe(1);
  });

  it("is not seen where a number is used twice or lost", async () => {
    const [a, b] = [(x: Node) => sliceAxis(x, 1, 0, 2), (x: Node) => sliceAxis(x, 1, 2, 4)];
    const twice = (x: Node) => concat([maximum(a(x), b(x)), maximum(a(x), b(x))], 1);
    const crossed = (x: Node) => concat([maximum(a(x), b(x)), minimum(a(x), a(x))], 1);
    expect(await value(twice, 2, [4])).toBeGreaterThan(1.4);
    expect(await value(crossed, 2, [4])).toBeGreaterThan(1.4);
  });

  it("is an activation of a chain: lipsdp sees through it", async () => {
    // |a - b| + (a + b) = 2 max(a, b): the network is 2 x whatever the sign of x, and the product of norms says sqrt(2) sqrt(2) 2.
    const network = functionOf([1], (x) => affine(maxMin(affine(x, [[1], [-1]])), [[1, -1]]));
    const { bounds } = await lipschitz(network, { engine, methods: ["frobenius", "lipsdp", "branch"] });
    const by = (name: string) => bounds.find((b) => b.method === name && b.side === "upper");
    expect(by("lipsdp")?.value).toBeGreaterThanOrEqual(2);
    expect(by("lipsdp")?.value).toBeLessThan(2 * (1 + 1e-6));
    expect(by("branch")?.value).toBeCloseTo(2, 9);
  });

  it("keeps all bounds on their sides in deep networks, and lipsdp below the product", async () => {
    const r = random(8);
    const rows = (n: number, m: number) =>
      Array.from({ length: n }, () => Array.from({ length: m }, () => r.normal() / Math.sqrt(m)));
    for (const [, sort] of sorts) {
      const [A, B, C] = [rows(6, 4), rows(6, 6), rows(3, 6)];
      const network = functionOf([4], (x) => {
        const z = sort(affine(x, A, [0.1, 0, 0, 0.3, 0, 0]));
        return affine(add(sort(affine(z, B)), z), C);
      });
      for (const norm of norms) {
        const { bounds } = await lipschitz(network, { engine, norm, methods: "all", seconds: 0.4 });
        const lower = Math.max(...bounds.filter((b) => b.side === "lower").map((b) => b.value));
        for (const b of bounds) if (b.side === "upper") expect(b.value).toBeGreaterThanOrEqual(lower);
      }
      const { bounds } = await lipschitz(network, { engine, methods: ["autolip", "lipsdp"] });
      const of = (name: string) => bounds.find((b) => b.method === name)?.value as number;
      expect(of("lipsdp")).toBeLessThan(0.98 * of("autolip"));
    }
  });

  it("is found again in a model that was written and read", async () => {
    const network = functionOf([4], (x) => affine(maxMin(mul(x, sigmoid(x))), [[1, 0, 0, 0]]));
    const read = parseOnnx(writeNetwork(network));
    const { bound } = await autoLip(subjectOf(read), 2);
    expect(bound.value).toBeLessThan(1.0999);
  });
});

const lengths: readonly (readonly [string, number, readonly number[], (x: Node) => Node])[] = [
  ["a length of all", 1, [3], (x) => sqrt(sum(mul(x, x), [1], true))],
  ["a length by a power, with something under the root", 1, [3], (x) => sqrt(add(sum(pow(x, 2), [1], true), 1e-6))],
  ["l2 pooling", 1, [1, 4, 4], (x) => mul(sqrt(averagePool(mul(x, x), { kernel: [2, 2], strides: [2, 2] })), 2)],
  ["l2 pooling of windows that overlap", 2, [1, 4, 4], (x) => mul(sqrt(averagePool(mul(x, x), { kernel: [2, 2] })), 2)],
  ["a mean of squares", Math.sqrt(1 / 3), [3], (x) => sqrt(mean(mul(x, x), [1], true))],
  ["weights inside", 3, [2], (x) => sqrt(sum(mul(mul(x, x), weight(x, [9, 4], [2])), [1], true))],
  ["a divisor inside", 0.5, [2], (x) => sqrt(div(sum(mul(x, x), [1], true), 4))],
];

describe("lengths", () => {
  it.each(lengths)("have a constant, at 0 too: %s", async (_, exact, sample, f) => {
    const found = await value(f, 2, [...sample]);
    expect(found).toBeGreaterThanOrEqual(exact);
    expect(found).toBeLessThan(exact * (1 + 1e-9));
    // In every norm above every quotient of pairs, small ones around 0 most of all.
    const source = random(9);
    const network = functionOf(sample, f);
    const { x, y } = subjectOf(network).at(1, "float64");
    const run = asFunction(y, x);
    const draw = (size: number) =>
      Float64Array.from({ length: sample.reduce((a, b) => a * b, 1) }, () => size * source.normal());
    for (const norm of norms) {
      const upper = await value(f, norm, [...sample]);
      expect(upper).toBeLessThan(Number.POSITIVE_INFINITY);
      for (let k = 0; k < 200; k++) {
        const [a, d] = [draw(10 ** (-4 * source.uniform())), draw(10 ** (-4 * source.uniform()))];
        const b = a.map((v, i) => v + d[i]);
        const [fa, fb] = [run(a), run(b)];
        expect(
          lengthIn(
            fa.map((v, i) => v - fb[i]),
            norm,
          ),
        ).toBeLessThanOrEqual(upper * lengthIn(d, norm) * (1 + 1e-9) + 1e-12);
      }
    }
  });

  it("are not seen where something under the root may be below 0, or is no square", async () => {
    const none: readonly ((x: Node) => Node)[] = [
      (x) => sqrt(sub(sum(mul(x, x), [1], true), 1e-6)),
      (x) => sqrt(sum(mul(mul(x, x), weight(x, [1, -1], [2])), [1], true)),
      (x) => sqrt(sum(mul(x, add(x, 1)), [1], true)),
      (x) => sqrt(sum(pow(x, 3), [1], true)),
      (x) => sqrt(relu(x)),
    ];
    for (const f of none) expect(await value(f)).toBe(Number.POSITIVE_INFINITY);
  });

  it("keep their ranges in a box", async () => {
    const f = (x: Node) => relu(sub(sqrt(sum(mul(x, x), [1], true)), 3));
    const at = (low: number[], high: number[]) =>
      lipschitz(functionOf([2], f), { engine, domain: { kind: "box", low, high }, methods: ["autolip"] });
    // Nothing is as long as 3 in there.
    expect((await at([0, 0], [1, 1])).upper?.value).toBe(0);
    expect((await at([2, 2], [4, 4])).upper?.value).toBeLessThan(1.0000001);
  });

  it("are never below what stands under the root: an RMS norm has a constant in a box", async () => {
    for (const c of [1e-6, 0.1]) {
      const f = (x: Node) => div(x, sqrt(add(mean(mul(x, x), [1], true), c)));
      for (const side of [0.1, 10, 1e3]) {
        const domain = { kind: "box", low: [-side, -side], high: [side, side] } as const;
        const { bound } = await autoLip(subjectOf(functionOf([2], f)), 2, { domain });
        // The steepest is 1 / sqrt(c), at 0; nothing is lost to rounding, only to the triangle.
        expect(bound.value).toBeGreaterThanOrEqual(1 / Math.sqrt(c));
        expect(bound.value).toBeLessThan(1 / Math.sqrt(c) + (1.0001 * Math.SQRT2 * side) / c);
      }
    }
  });
});

describe("a recognised node", () => {
  const all = [
    ...gates.map(([name, f]) => [name, [2], f] as const),
    ...moved.map(([name, , f]) => [name, [2], f] as const),
    ...sorts.map(([name, f]) => [name, [4], f] as const),
    ...lengths.map(([name, , sample, f]) => [name, sample, f] as const),
    ["a PReLU", [2], (x: Node) => sub(relu(x), mul(relu(neg(x)), 0.25))] as const,
  ];
  it.each(all)("lies where the ops that it stands for lie, and holds its values: %s", (_, sample, f) => {
    const r = random(12);
    const { x, y } = subjectOf(functionOf([...sample], f)).at(1, "float64");
    const [whole, ops] = [fusedFlow(x, y), flowOf(x, y)];
    expect(whole.varying.length).toBeLessThan(ops.varying.length);
    const run = asFunction(y, x);
    for (let k = 0; k < 60; k++) {
      const n = sample.reduce((a, b) => a * b, 1);
      const low = Float64Array.from({ length: n }, () => 4 * r.normal());
      const high = low.map((v) => v + 10 ** (4 * r.uniform() - 3));
      const [own, theirs] = [whole, ops].map((flow) => rangeOf(flow, { low, high }));
      for (let i = 0; i < own.low.length; i++) {
        expect(own.low[i]).toBeGreaterThanOrEqual(theirs.low[i]);
        expect(own.high[i]).toBeLessThanOrEqual(theirs.high[i]);
      }
      run(low.map((l, i) => l + r.uniform() * (high[i] - l))).forEach((v, i) => {
        expect(v).toBeGreaterThanOrEqual(own.low[i] - 1e-13 * (1 + Math.abs(v)));
        expect(v).toBeLessThanOrEqual(own.high[i] + 1e-13 * (1 + Math.abs(v)));
      });
    }
  });
});

/** The range of the output of a flow, op by op. */
function rangeOf({ input, output, varying, varies }: Flow, box: Range): Range {
  const fixed = fixedValues();
  const known = new Map([[input, box]]);
  for (const node of varying) {
    if (node === input) continue;
    const from = node.inputs.map((i) => known.get(i) ?? fixedRange(fixed(i)));
    known.set(
      node,
      nodeRange(
        node,
        from,
        node.inputs.map((i) => varies.has(i)),
      ),
    );
  }
  return known.get(output) as Range;
}

/** c / sqrt(mean c^2 + e), and c less its mean. */
const overSpread = (c: Node, axes: readonly number[], e: number) =>
  div(c, broadcastTo(sqrt(add(mean(mul(c, c), axes, true), e)), c.shape));
const centred = (x: Node, axes: readonly number[]) => sub(x, broadcastTo(mean(x, axes, true), x.shape));

/** The name, the l2 constant, the sample, and the network. */
const normalisations: readonly (readonly [string, number, readonly number[], (x: Node) => Node])[] = [
  ["of root mean squares", 10, [5], (x) => overSpread(x, [1], 0.01)],
  ["of a layer", 10, [5], (x) => overSpread(centred(x, [1]), [1], 0.01)],
  ["of every instance", 10, [2, 3, 2], (x) => overSpread(centred(x, [2, 3]), [2, 3], 0.01)],
  ["by a power and a sum", 2, [4], (x) => div(x, broadcastTo(sqrt(add(sum(pow(x, 2), [1], true), 0.25)), x.shape))],
  [
    "by a reciprocal",
    10,
    [5],
    (x) => mul(x, broadcastTo(div(1, sqrt(add(mean(mul(x, x), [1], true), 0.01))), x.shape)),
  ],
];

describe("normalisations", () => {
  it.each(normalisations)("have a constant everywhere: %s", async (_, exact, sample, f) => {
    const found = await value(f, 2, [...sample]);
    expect(found).toBeGreaterThanOrEqual(exact);
    expect(found).toBeLessThan(exact * (1 + 1e-8));
    // In every norm above every quotient of pairs, and near to some: the slope is largest near 0.
    const source = random(5);
    const { x, y } = subjectOf(functionOf(sample, f)).at(1, "float64");
    const run = asFunction(y, x);
    const n = sample.reduce((a, b) => a * b, 1);
    const draw = (size: number) => Float64Array.from({ length: n }, () => size * source.normal());
    for (const norm of norms) {
      const upper = await value(f, norm, [...sample]);
      let nearest = 0;
      for (let k = 0; k < 600; k++) {
        const [a, d] = [draw(10 ** (1 - 4 * source.uniform())), draw(1e-4)];
        const [fa, fb] = [run(a), run(a.map((v, i) => v + d[i]))];
        const rise = lengthIn(
          fa.map((v, i) => v - fb[i]),
          norm,
        );
        nearest = Math.max(nearest, rise / lengthIn(d, norm) / upper);
      }
      expect(nearest).toBeLessThan(1 + 1e-6);
      expect(nearest).toBeGreaterThan(0.3);
    }
  });

  it.each<[string, (x: Node) => Node]>([
    ["with nothing under the root", (x) => div(x, broadcastTo(sqrt(mean(mul(x, x), [1], true)), x.shape))],
    ["with less than nothing under the root", (x) => overSpread(x, [1], -1)],
    ["under the root of a product, which has no axes", (x) => div(x, sqrt(add(mul(x, x), 1)))],
    ["of something else", (x) => div(x, broadcastTo(sqrt(add(mean(mul(tanh(x), tanh(x)), [1], true), 1)), x.shape))],
    [
      "by the spread of other groups",
      (x) => {
        const r = reshape(x, [1, 2, 2]);
        const spread = sqrt(add(mean(mul(r, r), [2], true), 1));
        return reshape(div(r, broadcastTo(reshape(spread, [1, 1, 2]), r.shape)), x.shape);
      },
    ],
  ])("are no normalisation and have none: %s", async (_, f) => {
    expect(await value(f, 2, [4])).toBe(Number.POSITIVE_INFINITY);
  });

  it("keep their parts on a box, where those have smaller constants", async () => {
    const subject = subjectOf(functionOf([2], (x) => overSpread(x, [1], 1e-4)));
    const box = { kind: "box", low: [1, 1], high: [1.1, 1.1] } as const;
    const { bound } = await autoLip(subject, 2, { domain: box });
    expect(bound.value).toBeLessThan(10);
    expect((await autoLip(subject, 2)).bound.value).toBeCloseTo(100, 6);
  });
});
