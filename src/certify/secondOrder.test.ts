import { describe, expect, it } from "vitest";
import { affine, functionOf } from "../../test/functions.ts";
import { attack } from "../attack/attack.ts";
import { propagate } from "../bounds/autoLip.ts";
import { subjectOf } from "../bounds/subject.ts";
import { hessians, layoutOf } from "../curvature/hessian.ts";
import type { Dataset } from "../data/dataset.ts";
import { nodeEngine } from "../engine/node.ts";
import { flowOf } from "../graph/behaviour.ts";
import { vjp } from "../graph/gradient.ts";
import type { Node } from "../graph/graph.ts";
import { filledLike, input } from "../graph/leaf.ts";
import type { Network } from "../graph/network.ts";
import { add, mul } from "../ops/arith.ts";
import { normalCdf } from "../ops/erf.ts";
import { elu, erf, gelu, relu, sigmoid, silu, sin, softplus, tanh } from "../ops/pointwise.ts";
import { softmax } from "../ops/softmax.ts";
import { normalTensor, type Random, random } from "../tensor/random.ts";
import { tensor } from "../tensor/tensor.ts";
import { accuracyOf, certify, logitsOf } from "./evaluate.ts";
import { gradientError } from "./gradientError.ts";
import { reachOfSecondOrder } from "./secondOrder.ts";

const engine = nodeEngine({ threads: 1 });
const smooth: readonly ((x: Node) => Node)[] = [
  tanh,
  sigmoid,
  softplus,
  silu,
  sin,
  (x) => gelu(x, "none"),
  (x) => gelu(x, "tanh"),
];

const rowsOf = (r: Random, n: number, m: number, deviation: number) =>
  Array.from({ length: n }, (_, k) => Array.from(normalTensor(r.fork(k), [m], deviation).data as Float32Array));

function smoothNetwork(seed: number, inputs: number): Network {
  const r = random(seed);
  const scale = 0.5 + r.fork("scale").uniform();
  const act = smooth[seed % smooth.length];
  return functionOf([inputs], (x) => {
    let y = act(affine(x, rowsOf(r.fork("a"), 6, inputs, scale), [0.1, -0.2, 0.3, 0, 0.5, -0.4]));
    if (seed % 3 > 0) y = act(affine(y, rowsOf(r.fork("b"), 6, 6, 0.5 * scale)));
    if (seed % 5 === 0) y = add(y, mul(act(y), 0.5));
    const out = affine(y, rowsOf(r.fork("c"), 3, 6, 1));
    return seed % 7 === 6 ? softmax(out, 1) : out;
  });
}

function points(size: number, values: ArrayLike<number>, classes = 3): Dataset {
  const count = values.length / size;
  const common = { name: "points", task: "classification", targets: new Float32Array(0) } as const;
  const labels = Int32Array.from({ length: count }, (_, i) => i % classes);
  return { ...common, x: Float32Array.from(values), shape: [size], count, labels, classes };
}

const normals = (seed: number, n: number) => normalTensor(random(seed), [n]).data as Float32Array;

/** Decisions in float64 at rows of numbers. */
async function decide(network: Network, size: number, values: readonly number[]): Promise<number[]> {
  const { data, classes } = await logitsOf(network, engine, points(size, values), { dtype: "float64" });
  return Array.from({ length: data.length / classes }, (_, i) => {
    const row = data.subarray(i * classes, (i + 1) * classes);
    return row.indexOf(Math.max(...row));
  });
}

describe("reachOfSecondOrder()", () => {
  it("is where the fastest fall that slope and curvature allow meets 0, from below", () => {
    const r = random(1);
    for (let k = 0; k < 500; k++) {
      const [margin, K, C] = [2 ** (6 * r.normal()), 2 ** (4 * r.normal()), 2 ** (6 * r.normal())];
      const G = K * r.uniform();
      const radius = reachOfSecondOrder(margin, G, C, K);
      // margin less the integral of min(G + C s, K) up to the radius.
      const t = Math.min(radius, (K - G) / C);
      const left = margin - G * t - (C * t * t) / 2 - K * (radius - t);
      expect(left / margin).toBeGreaterThan(-1e-12);
      expect(left / margin).toBeLessThan(1e-9);
      expect(radius).toBeGreaterThanOrEqual((margin / K) * (1 - 1e-12));
      expect(radius).toBeGreaterThanOrEqual(((Math.sqrt(G * G + 2 * C * margin) - G) / C) * (1 - 1e-4) - 1e-9 * radius);
    }
  });

  it("knows the ends: no margin, no slope, no curvature, nothing at all", () => {
    expect(reachOfSecondOrder(0, 1, 1, 2)).toBe(0);
    expect(reachOfSecondOrder(Number.NaN, 1, 1, 2)).toBe(0);
    expect(reachOfSecondOrder(1, 0, 0, 1)).toBe(Number.POSITIVE_INFINITY);
    expect(reachOfSecondOrder(1, 2, 0, 5)).toBeCloseTo(0.5, 12);
    expect(reachOfSecondOrder(1, 0, 2, 9)).toBeCloseTo(1, 12);
    expect(reachOfSecondOrder(1, Number.POSITIVE_INFINITY, 2, 9)).toBe(0);
    expect(reachOfSecondOrder(1, Number.NaN, 2, 9)).toBe(0);
  });
});

describe("gradientError()", () => {
  it("covers what float32 does to a gradient, once it is scaled to float32's rounding", async () => {
    let largest = 0;
    for (let seed = 0; seed < 21; seed++) {
      const network = smoothNetwork(seed, 4);
      const subject = subjectOf(network);
      const { x, y } = subject.at(1, "float64");
      const flow = flowOf(x, y);
      const bound = gradientError(await propagate(flow, 2), await propagate(flow, "inf"), 4, Math.SQRT2);
      const layout = layoutOf(subject, [4], 32);
      const at = Float64Array.from(normals(seed, 4 * layout.samples), (v) => Math.max(-4, Math.min(4, v)));
      const u = Float64Array.from({ length: 3 * layout.samples }, (_, k) => [1, -1, 0][k % 3]);
      const [single, double] = [
        await hessians(engine, subject, "linear", layout, "float32"),
        await hessians(engine, subject, "linear", layout, "float64"),
      ];
      const [a, b] = [await single.gradient(at, u), await double.gradient(at, u)];
      for (let s = 0; s < layout.samples; s++) {
        const apart = Math.hypot(...a.subarray(4 * s, 4 * s + 4).map((v, i) => v - b[4 * s + i]));
        expect(apart).toBeLessThanOrEqual(bound * 2 ** 29);
        largest = Math.max(largest, apart / (bound * 2 ** 29));
      }
      // Small enough to be of no weight beside a gradient.
      expect(bound).toBeLessThan(1e-6);
      await single.dispose();
      await double.dispose();
    }
    expect(largest).toBeGreaterThan(1e-5);
  });

  it("rests on derivatives of activations that are as accurate as it assumes", async () => {
    const s = (x: number) => {
      const e = Math.exp(-Math.abs(x));
      return (x < 0 ? e : 1) / (1 + e);
    };
    const density = (x: number) => Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);
    // Other forms than those of the graphs, each without cancellation.
    const derivatives: readonly [(x: Node) => Node, (x: number) => number][] = [
      [tanh, (x) => 4 * s(2 * x) * s(-2 * x)],
      [sigmoid, (x) => s(x) * s(-x)],
      [softplus, s],
      [silu, (x) => s(x) + x * s(x) * s(-x)],
      [sin, Math.cos],
      [elu, (x) => (x > 0 ? 1 : Math.exp(x))],
      [erf, (x) => (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x)],
      [(x) => gelu(x, "none"), (x) => normalCdf(x) + x * density(x)],
      [
        (x) => gelu(x, "tanh"),
        (x) => {
          const z = 2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3);
          return s(z) + x * s(z) * s(-z) * 2 * Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * x * x);
        },
      ],
    ];
    const n = 40001;
    const at = Float64Array.from({ length: n }, (_, k) => ((k - 20000) / 20000) ** 3 * 60);
    for (const [act, slope] of derivatives) {
      const x = input("x", [n], "float64");
      const [g] = vjp([act(x)], [filledLike(x, 1)], [x]);
      const program = await engine.compile({ g: g as Node });
      const found = (await program.run({ x: tensor(at, [n], "float64") })).g.data as Float64Array;
      let worst = 0;
      at.forEach((z, k) => {
        worst = Math.max(worst, Math.abs(found[k] - slope(z)) / (2 ** -53 * (1 + Math.abs(z))));
      });
      expect(worst, act.name).toBeLessThan(64);
      await program.dispose();
    }
  });
});

describe("radii of second order", () => {
  it("are never less than those of first order, and often more", async () => {
    let gained = 0;
    for (let seed = 0; seed < 21; seed++) {
      const network = smoothNetwork(seed, 4);
      const data = points(4, normals(seed + 50, 80));
      const [best, first] = [
        await certify(network, { engine, local: "off", data }),
        await certify(network, { engine, local: "off", data, order: "first" }),
      ];
      expect(first.curvature).toBeUndefined();
      best.samples.forEach((s, i) => {
        expect(s.radius).toBeGreaterThanOrEqual(first.samples[i].radius);
        expect(s.by === "curvature").toBe(s.radius > first.samples[i].radius);
        expect(first.samples[i].by).toBe("constant");
      });
      if (best.curvature) expect(best.curvature.value).toBeGreaterThan(0);
      const of = (samples: typeof best.samples) => samples.reduce((sum, s) => sum + s.radius, 0);
      if (of(best.samples) > 1.2 * of(first.samples)) gained++;
    }
    expect(gained).toBeGreaterThan(8);
  });

  it("do not reach the nearest change of decision that a dense search of the plane finds", async () => {
    let [closest, second] = [0, 0];
    const rays = 120;
    for (let seed = 0; seed < 14; seed++) {
      const network = smoothNetwork(seed, 2);
      const data = points(2, normals(seed + 100, 12));
      const { samples } = await certify(network, { engine, local: "off", data });
      const lengths = [0.25, 0.5, 0.8, 0.95, 0.999999, 1.25, 1.6, 2, 3, 5];
      const moved: number[] = [];
      for (const { index, radius } of samples) {
        for (let k = 0; k < rays; k++) {
          const angle = (2 * Math.PI * k) / rays;
          for (const part of lengths) {
            // Data are float32, so that a point may land a little beside its place: 0.999999 leaves room.
            moved.push(data.x[2 * index] + part * radius * Math.cos(angle));
            moved.push(data.x[2 * index + 1] + part * radius * Math.sin(angle));
          }
        }
      }
      const found = await decide(network, 2, moved);
      samples.forEach(({ predicted, by }, i) => {
        for (let k = 0; k < rays * lengths.length; k++) {
          const same = found[i * rays * lengths.length + k] === predicted;
          const part = lengths[k % lengths.length];
          if (part < 1) expect(same, `seed ${seed}, sample ${i}`).toBe(true);
          else if (!same) {
            if (by === "curvature") second++;
            closest = Math.max(closest, 1 / part);
          }
        }
      });
    }
    // Radii of nothing would pass too: some are all but the true distance, and of second order.
    expect(closest).toBeGreaterThan(0.7);
    expect(second).toBeGreaterThan(50);
  });

  it("are never reached by an attack", async () => {
    let [nearest, seen] = [0, 0];
    for (let seed = 0; seed < 14; seed++) {
      const network = smoothNetwork(seed, 5);
      const data = points(5, normals(seed + 200, 100));
      const { samples } = await certify(network, { engine, local: "off", data });
      const found = await attack(network, { engine, data, radii: [0.1, 0.5, 1], attacks: ["pgd", "deepfool"] });
      samples.forEach(({ radius, by }, i) => {
        const { confirmed } = found.samples[i];
        if (confirmed === null) return;
        expect(radius, `seed ${seed}, sample ${i}`).toBeLessThan(confirmed);
        if (by === "curvature") nearest = Math.max(nearest, radius / confirmed);
        seen++;
      });
    }
    expect(seen).toBeGreaterThan(150);
    expect(nearest).toBeGreaterThan(0.7);
  });

  it("are exact for an affine network, and left out where there are kinks or other norms", async () => {
    const rows = [
      [3, 0],
      [0, 4],
    ];
    const data = points(2, [2, 1, 0.1, 2], 2);
    const linear = await certify(
      functionOf([2], (x) => affine(x, rows)),
      { engine, data },
    );
    expect(linear.samples[0].radius).toBeCloseTo(2 / 5, 9);
    const kinked = await certify(
      functionOf([2], (x) => affine(relu(affine(x, rows)), rows)),
      { engine, data },
    );
    expect(kinked.curvature).toBeUndefined();
    const curved = functionOf([2], (x) => affine(tanh(affine(x, rows)), rows));
    expect((await certify(curved, { engine, local: "off", data })).curvature?.method).toBe("chain");
    for (const norm of ["1", "inf"] as const) {
      expect((await certify(curved, { engine, local: "off", data, norm })).curvature).toBeUndefined();
    }
    expect(await accuracyOf(curved, engine, data)).toBeLessThanOrEqual(1);
  });
});
