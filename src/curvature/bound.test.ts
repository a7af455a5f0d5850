import { describe, expect, it } from "vitest";
import { affine, functionOf, randomNetwork, weight } from "../../test/functions.ts";
import type { Domain } from "../bounds/domain.ts";
import { asFunction } from "../bounds/fixed.ts";
import type { Dataset } from "../data/dataset.ts";
import { nodeEngine } from "../engine/node.ts";
import { evaluate } from "../engine/reference.ts";
import { vjp } from "../graph/gradient.ts";
import type { Node } from "../graph/graph.ts";
import { filledLike, input } from "../graph/leaf.ts";
import type { Network } from "../graph/network.ts";
import { symmetricEigen } from "../linalg/eigh.ts";
import { matrix } from "../linalg/matrix.ts";
import { add, div, mul, sub } from "../ops/arith.ts";
import { conv } from "../ops/conv.ts";
import { flatten, reshape } from "../ops/movement.ts";
import { erf, gelu, relu, sigmoid, silu, sin, softplus, tanh } from "../ops/pointwise.ts";
import { logSoftmax, softmax } from "../ops/softmax.ts";
import { normalTensor, type Random, random } from "../tensor/random.ts";
import { sizeOf } from "../tensor/shape.ts";
import { tensor } from "../tensor/tensor.ts";
import { curvatureBound } from "./bound.ts";
import { curvature } from "./measure.ts";

const engine = nodeEngine({ threads: 1 });
const smooth: readonly ((x: Node) => Node)[] = [
  tanh,
  sigmoid,
  softplus,
  silu,
  sin,
  (x) => gelu(x, "none"),
  (x) => gelu(x, "tanh"),
  (x) => mul(softplus(mul(x, 4)), 0.25),
];

const rowsOf = (r: Random, n: number, m: number, deviation: number) =>
  Array.from({ length: n }, (_, k) => Array.from(normalTensor(r.fork(k), [m], deviation).data as Float32Array));

/** A random smooth network of 1 to 3 hidden layers, some with a shortcut, a branch or a softmax at the end. */
function smoothNetwork(seed: number): Network {
  const r = random(seed);
  const depth = 1 + r.fork("depth").integer(3);
  const inputs = 2 + r.fork("inputs").integer(5);
  const widths = Array.from({ length: depth }, (_, l) => 2 + r.fork(`width ${l}`).integer(6));
  const scale = 0.5 + 1.5 * r.fork("scale").uniform();
  const kind = r.fork("kind").integer(6);
  return functionOf([inputs], (x) => {
    let y = x;
    widths.forEach((n, l) => {
      const own = r.fork(`layer ${l}`);
      const z = affine(
        y,
        rowsOf(own, n, y.shape[1], scale / Math.sqrt(y.shape[1])),
        Array.from({ length: n }, () => own.normal()),
      );
      const act = smooth[own.integer(smooth.length)];
      y = kind === 1 && z.shape[1] === y.shape[1] ? add(y, act(z)) : act(z);
      if (kind === 2) y = mul(add(y, act(mul(z, 2))), 0.5);
    });
    const out = affine(y, rowsOf(r.fork("out"), 3, y.shape[1], 1));
    return kind === 3 ? softmax(out, 1) : kind === 4 ? logSoftmax(out, 1) : out;
  });
}

function points(size: number, count: number, seed: number, spread = 1): Dataset {
  const x = normalTensor(random(seed), [count, size], spread).data as Float32Array;
  const labels = Int32Array.from({ length: count }, (_, i) => i % 3);
  const common = { name: "points", task: "classification", targets: new Float32Array(0) } as const;
  return { ...common, x, shape: [size], count, labels, classes: 3 };
}

const sizeOfInput = (network: Network): number => sizeOf(network.inputs[0].shape.slice(1).map(Number));

/** The Hessian norms of u . f at some points, by unit vectors and the reference rules. */
function hessianNorms(network: Network, u: readonly number[], at: readonly Float64Array[]): number[] {
  const n = sizeOfInput(network);
  const x = input("x", [n, n], "float64");
  const [y] = network.build([x]);
  const cotangent = input("u", y.shape, "float64");
  const v = input("v", x.shape, "float64");
  const [g] = vjp([y], [cotangent], [x]);
  const [h] = g ? vjp([g], [v], [x]) : [null];
  if (!h) return at.map(() => 0);
  const eye = Float64Array.from({ length: n * n }, (_, k) => (k % (n + 1) === 0 ? 1 : 0));
  return at.map((point) => {
    const fed = {
      x: tensor(
        Float64Array.from({ length: n * n }, (_, k) => point[k % n]),
        [n, n],
        "float64",
      ),
      u: tensor(
        Float64Array.from({ length: n * u.length }, (_, k) => u[k % u.length]),
        [n, u.length],
        "float64",
      ),
      v: tensor(eye, [n, n], "float64"),
    };
    const { values } = symmetricEigen(matrix(n, n, evaluate({ h }, fed).h.data as Float64Array));
    return Math.max(Math.abs(values[0]), Math.abs(values[n - 1]));
  });
}

const pairsOfThree = [
  [1, 0],
  [2, 0],
  [2, 1],
] as const;

describe("curvatureBound()", () => {
  it("is never below what is seen on 200 random networks: loss, outputs and margins", async () => {
    let [tight, chains] = [0, 0];
    for (let seed = 0; seed < 200; seed++) {
      const network = smoothNetwork(seed);
      const n = sizeOfInput(network);
      const bound = await curvatureBound(network);
      expect(bound.proved).toBe(true);
      if (bound.method === "chain") chains++;
      const source = random(seed).fork("points");
      const at = Array.from({ length: 6 }, (_, k) => Float64Array.from({ length: n }, () => k * 0.5 * source.normal()));
      for (const [y, j] of pairsOfThree) {
        const u = [0, 0, 0];
        u[y] = 1;
        u[j] = -1;
        for (const norm of hessianNorms(network, u, at)) {
          expect(norm, `seed ${seed}`).toBeLessThanOrEqual(bound.pairs?.[y][j] as number);
          tight = Math.max(tight, norm / (bound.pairs?.[y][j] as number));
        }
      }
      // Any unit vector of outputs.
      const w = Array.from({ length: 3 }, () => source.normal());
      const length = Math.hypot(...w);
      const found = hessianNorms(
        network,
        w.map((c) => c / length),
        at,
      );
      for (const norm of found) expect(norm, `seed ${seed}`).toBeLessThanOrEqual(bound.value);
      if (seed % 5 > 0) continue;
      for (const of of ["loss", "margin"] as const) {
        const { samples } = await curvature(network, { engine, data: points(n, 12, seed, 2), of });
        const most = of === "loss" ? bound.loss : Math.max(...(bound.pairs ?? []).flat());
        for (const s of samples) expect(s.hessian, `seed ${seed}`).toBeLessThanOrEqual(most);
      }
    }
    // Numbers that are far too large would pass as well.
    expect(tight).toBeGreaterThan(0.5);
    expect(chains).toBeGreaterThan(100);
  });

  it("is exact for one neuron, and for a quadratic form's worth of neurons", async () => {
    // tanh(3 x0 + 4 x1): the Hessian is act''(z) w w^T, at most 0.7698004 times 25.
    const one = await curvatureBound(functionOf([2], (x) => affine(tanh(affine(x, [[3, 4]])), [[1], [-1]])));
    expect(one.pairs?.[1][0]).toBeCloseTo(2 * 25 * 0.769800359, 5);
    expect(one.value).toBeCloseTo(Math.SQRT2 * 25 * 0.769800359, 5);
    // Neurons of different weight in orthogonal directions: the largest alone counts, which a product of norms does not see.
    const rows = [
      [10, 0],
      [0, 1],
    ];
    const two = await curvatureBound(functionOf([2], (x) => affine(tanh(affine(x, rows)), [[0.01, 1]])));
    expect(two.value).toBeCloseTo(0.769800359, 5);
    expect(two.method).toBe("chain");
  });

  const root = Math.sqrt(2 / Math.PI);
  it.each<[string, number | null, (x: Node) => Node]>([
    ["SiLU", 0.5, (x) => mul(x, sigmoid(x))],
    ["swish of the rate 1.702, the gate first", 1.702 / 2, (x) => mul(sigmoid(mul(x, 1.702)), x)],
    ["GELU", root, (x) => mul(mul(x, 0.5), add(erf(div(x, Math.SQRT2)), 1))],
    ["GELU by tanh", root, (x) => mul(mul(x, 0.5), add(tanh(mul(add(x, mul(mul(mul(x, x), x), 0.044715)), root)), 1))],
    ["Mish", null, (x) => mul(x, tanh(softplus(x)))],
    ["x tanh(x)", 2, (x) => mul(x, tanh(x))],
    ["SiLU with an argument that is moved", null, (x) => mul(x, sigmoid(add(x, 1)))],
    ["a line that is folded", 0, (x) => sub(x, mul(x, 0.5))],
  ])("sees a function made of several ops as one: %s", async (_, exact, f) => {
    const network = functionOf([2], (x) => affine(f(affine(x, [[3, 4]])), [[2]]));
    const { value, proved } = await curvatureBound(network);
    expect(proved).toBe(true);
    const z = input("z", [1, 1], "float64");
    const [slope] = vjp([f(z)], [filledLike(z, 1)], [z]);
    const [derivative] = slope ? vjp([slope], [filledLike(z, 1)], [z]) : [null];
    const second = derivative ? asFunction(derivative, z) : () => Float64Array.of(0);
    let seen = 0;
    for (let v = -8; v <= 8; v += 1e-3) seen = Math.max(seen, Math.abs(second(Float64Array.of(v))[0]));
    // ||w||^2 = 25, and the weight behind it is 2.
    expect(value).toBeGreaterThanOrEqual(50 * (exact ?? seen) * (1 - 1e-6));
    expect(value).toBeLessThanOrEqual(50 * (exact ?? seen + 0.1) * (1 + 2e-3) + 1e-12);
    if (exact !== null) expect(seen).toBeCloseTo(exact, 4);
  });

  it("is zero for an affine network, and infinite with a reason where a slope jumps or grows", async () => {
    const rows = [
      [1, 2],
      [3, 4],
    ];
    expect(await curvatureBound(functionOf([2], (x) => affine(x, rows)))).toMatchObject({ value: 0, proved: true });
    const kink = await curvatureBound(functionOf([2], (x) => affine(relu(affine(x, rows)), rows)));
    expect(kink).toMatchObject({ proved: false, missing: { node: "Relu", why: "its slope jumps" } });
    expect(kink.loss).toBe(Number.POSITIVE_INFINITY);
    const product = await curvatureBound(functionOf([2], (x) => mul(x, x)));
    expect(product.missing).toMatchObject({ why: "product of two varying branches" });
    // What nothing reaches bends nothing.
    const dead = functionOf([2], (x) => add(affine(tanh(x), rows), mul(affine(relu(x), rows), 0)));
    expect((await curvatureBound(dead)).proved).toBe(true);
  });

  it("of the loss is a quarter of the squared slopes for a linear model", async () => {
    // f0 - f1 = 2 x0: the softmax's variance at p = 1/2 is reached at x = 0.
    const network = functionOf([1], (x) => affine(x, [[1], [-1]]));
    const { loss } = await curvatureBound(network);
    expect(loss).toBeCloseTo(1, 9);
    const data: Dataset = {
      ...points(1, 3, 1),
      x: Float32Array.of(0, 1, 2),
      classes: 2,
      labels: Int32Array.of(0, 1, 0),
    };
    expect((await curvature(network, { engine, data })).hessian.max).toBeCloseTo(1, 9);
  });

  it("holds on convolutions, images and what is not a chain", async () => {
    const kernel = Array.from(normalTensor(random(1), [27]).data as Float32Array);
    const network = functionOf([1, 4, 4], (x) => {
      const y = tanh(conv(x, weight(x, kernel, [3, 1, 3, 3]), { pads: [1, 1, 1, 1] }));
      const flat = reshape(flatten(y), [x.shape[0], 48]);
      return affine(softplus(affine(flat, rowsOf(random(2), 5, 48, 0.2))), rowsOf(random(3), 3, 5, 1));
    });
    const bound = await curvatureBound(network);
    const at = Array.from({ length: 5 }, (_, k) => normalTensor(random(4 + k), [16]).data as Float32Array);
    for (const [y, j] of pairsOfThree) {
      const { samples } = await curvature(network, {
        engine,
        of: "margin",
        data: { ...points(16, 5, 1), shape: [1, 4, 4], x: Float32Array.from(at.flatMap((a) => Array.from(a))) },
      });
      for (const s of samples) expect(s.hessian).toBeLessThanOrEqual(Math.max(...(bound.pairs ?? []).flat()));
      expect(bound.pairs?.[y][j]).toBeGreaterThan(0);
    }
  });

  it("on a ball is no more than everywhere, and holds there", async () => {
    let smaller = 0;
    for (let seed = 0; seed < 60; seed++) {
      const r = random(seed);
      const rows = [rowsOf(r.fork("a"), 6, 3, 1), rowsOf(r.fork("b"), 5, 6, 0.8), rowsOf(r.fork("c"), 3, 5, 1)];
      const act = smooth[seed % smooth.length];
      const network = functionOf([3], (x) => affine(act(affine(act(affine(x, rows[0])), rows[1])), rows[2]));
      const whole = await curvatureBound(network);
      const center = Array.from({ length: 3 }, () => 2 * r.normal());
      const domain: Domain = { kind: "ball", center, radius: 0.3, norm: 2 };
      const ball = await curvatureBound(network, { domain });
      expect(ball.value).toBeLessThanOrEqual(whole.value * (1 + 1e-5));
      if (seed % smooth.length < 7) expect(ball.domain).toBe("ball l2 0.3");
      if (ball.value < 0.9 * whole.value) smaller++;
      const at = Array.from({ length: 10 }, () => {
        const d = Float64Array.from({ length: 3 }, () => r.normal());
        const length = Math.hypot(...d) / (0.3 * r.uniform());
        return d.map((c, i) => center[i] + c / length);
      });
      for (const [y, j] of pairsOfThree) {
        const u = [0, 0, 0];
        u[y] = 1;
        u[j] = -1;
        for (const norm of hessianNorms(network, u, at)) {
          expect(norm, `seed ${seed}`).toBeLessThanOrEqual(ball.pairs?.[y][j] as number);
        }
      }
    }
    expect(smaller).toBeGreaterThan(20);
  });

  it("never invents a bound for random networks with kinks", async () => {
    for (let seed = 0; seed < 30; seed++) {
      const network = randomNetwork(random(seed), seed % 2 === 0 ? "dense" : "image");
      const bound = await curvatureBound(network);
      expect(bound.proved).toBe(Number.isFinite(bound.value));
      if (bound.proved) {
        const n = sizeOfInput(network);
        const source = random(seed).fork("points");
        const at = Array.from({ length: 4 }, () => Float64Array.from({ length: n }, () => source.normal()));
        const found = hessianNorms(network, [0, 1, 0], at);
        for (const norm of found) expect(norm, `seed ${seed}`).toBeLessThanOrEqual(bound.value);
      } else expect(bound.missing).toBeDefined();
    }
  });

  it("bounds the loss of a single output as that of its sign", async () => {
    const found = await curvatureBound(functionOf([2], (x) => affine(x, [[3, 4]])));
    // log(1 + e^-f) has a second derivative of at most 1/4, and f a slope of 5.
    expect(found.loss).toBeGreaterThanOrEqual(25 / 4);
    expect(found.loss).toBeLessThan((25 / 4) * (1 + 1e-9));
  });
});
