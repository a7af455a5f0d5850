import { describe, expect, it } from "vitest";
import { affine, functionOf, randomNetwork } from "../../test/functions.ts";
import type { Dataset } from "../data/dataset.ts";
import { nodeEngine } from "../engine/node.ts";
import type { Node } from "../graph/graph.ts";
import { constant } from "../graph/leaf.ts";
import type { Network } from "../graph/network.ts";
import { withPreprocessing } from "../models/preprocess.ts";
import { add, cast, greater, mul, sub } from "../ops/arith.ts";
import { sum } from "../ops/broadcast.ts";
import { concat, reshape } from "../ops/movement.ts";
import { relu, tanh } from "../ops/pointwise.ts";
import { softmax } from "../ops/softmax.ts";
import { UsageError } from "../tensor/errors.ts";
import { normalTensor, random } from "../tensor/random.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import { full } from "../tensor/tensor.ts";
import { attack } from "./attack.ts";
import { distance } from "./ball.ts";
import { attackNames, deepfool, describeProtocol, dlr, fgsm, pgd } from "./protocol.ts";

const engine = nodeEngine({ threads: 1 });
const norms = [2, "inf"] as const;

function dataset(
  shape: Shape,
  x: Float32Array,
  labels: readonly number[],
  classes: number,
  range?: Dataset["range"],
): Dataset {
  const count = x.length / sizeOf(shape);
  return {
    ...{ name: "points", task: "classification", targets: new Float32Array(0), x, shape, count, classes },
    labels: Int32Array.from({ length: count }, (_, i) => labels[i % labels.length]),
    ...(range ? { range } : {}),
  };
}

const normals = (seed: number, n: number, deviation = 1) =>
  normalTensor(random(seed), [n], deviation).data as Float32Array;

const table = (seed: number, rows: number, columns: number): number[][] => {
  const values = normals(seed, rows * columns);
  return Array.from({ length: rows }, (_, i) => [...values.subarray(i * columns, (i + 1) * columns)]);
};

/** Of a linear classifier, the exact distance to the nearest change of decision: least (z_y - z_j) / ||w_y - w_j||_q. */
function exact(rows: readonly (readonly number[])[], bias: readonly number[], x: ArrayLike<number>, norm: 2 | "inf") {
  const scores = rows.map((row, k) => row.reduce((s, w, i) => s + w * x[i], bias[k]));
  const own = scores.indexOf(Math.max(...scores));
  const others = rows.flatMap((row, k) => {
    if (k === own) return [];
    const d = row.map((w, i) => w - rows[own][i]);
    const dual = norm === 2 ? Math.hypot(...d) : d.reduce((s, v) => s + Math.abs(v), 0);
    return [(scores[own] - scores[k]) / dual];
  });
  return Math.min(...others);
}

describe("attack()", () => {
  it.each(norms)("finds the smallest perturbation of a linear classifier: l%s", async (norm) => {
    const [size, classes, count] = [6, 5, 40];
    const rows = table(1, classes, size);
    const bias = [...normals(2, classes)];
    const network = functionOf([size], (x) => affine(x, rows, bias));
    const data = dataset([size], normals(3, count * size), [0], classes);
    const { samples } = await attack(network, { engine, data, norm, attacks: ["deepfool"] });
    samples.forEach(({ index, distance: found, confirmed }) => {
      const least = exact(rows, bias, data.x.subarray(index * size, (index + 1) * size), norm);
      for (const length of [found, confirmed]) {
        expect(length).toBeGreaterThan(least * (1 - 1e-5));
        expect(length).toBeLessThan(least * (1 + 1e-3));
      }
    });
  });

  it.each(norms)("finds it by ascent too, where there are two classes: l%s", async (norm) => {
    const rows = table(4, 2, 8);
    const network = functionOf([8], (x) => affine(x, rows));
    const data = dataset([8], normals(5, 80), [0, 1], 2);
    const least = Array.from({ length: 10 }, (_, i) => exact(rows, [0, 0], data.x.subarray(8 * i, 8 * i + 8), norm));
    const radii = [0.1, 0.3, 0.6, 1, 2];
    for (const spec of [fgsm(), pgd(), pgd({ loss: "margin", start: "sample" }), pgd({ momentum: 0.75 }), dlr()]) {
      const { samples, robust } = await attack(network, { engine, data, norm, radii, attacks: [spec] });
      // The steepest way is the shortest here; a random start only has to end in the right balls.
      samples.forEach(({ distance: found }, i) => {
        if (spec.start === "sample" && least[i] < 2) expect(found).toBeLessThan(least[i] * (1 + 1e-3));
        if (found !== null) expect(found).toBeGreaterThan(least[i] * (1 - 1e-5));
      });
      const right = samples.map((s) => s.predicted === s.label);
      expect(robust.map((r) => r.accuracy)).toEqual(
        radii.map((r) => least.filter((d, i) => right[i] && d > r).length / least.length),
      );
    }
  });

  it.each(norms)("comes as near as a grid of all points does on a small network: l%s", async (norm) => {
    const [first, second] = [table(6, 8, 2), table(7, 3, 8)];
    const network = functionOf([2], (x) => affine(relu(affine(x, first, [...normals(8, 8)])), second));
    const data = dataset([2], normals(9, 24), [0, 1, 2], 3);
    const { samples } = await attack(network, { engine, data, norm, radii: [0.2, 1] });
    const step = 0.01;
    const side = 301;
    const grid = new Float32Array(2 * side * side);
    for (const { index, predicted, distance: found } of samples) {
      const [cx, cy] = data.x.subarray(2 * index, 2 * index + 2);
      for (let i = 0; i < side * side; i++) {
        grid[2 * i] = cx + step * ((i % side) - 150);
        grid[2 * i + 1] = cy + step * (Math.floor(i / side) - 150);
      }
      const all = await decisions(network, dataset([2], grid, [0], 3));
      let nearest = Number.POSITIVE_INFINITY;
      all.forEach((decision, i) => {
        if (decision !== predicted) {
          nearest = Math.min(nearest, distance([cx, cy], grid.subarray(2 * i, 2 * i + 2), norm));
        }
      });
      if (Number.isFinite(nearest)) expect(found ?? 9).toBeLessThan(nearest * 1.02 + 1e-6);
    }
  });

  it("stays in the ball and in the range, and says what the network decides there", async () => {
    for (let seed = 0; seed < 6; seed++) {
      const network = randomNetwork(random(seed), seed % 2 ? "image" : "dense");
      const [, ...shape] = network.inputs[0].shape.map(Number);
      const size = sizeOf(shape);
      const x = normals(seed, 12 * size).map((v) => Math.min(1, Math.max(0, 0.5 + 0.3 * v)));
      const data = dataset(shape, x, [0, 1, 2], 3, [0, 1]);
      for (const norm of norms) {
        for (const spec of [fgsm(), pgd({ steps: 10 }), dlr({ steps: 7, restarts: 2 })]) {
          const radius = 0.25;
          const { samples, examples } = await attack(network, { engine, data, norm, radii: [radius], attacks: [spec] });
          const there = await decisions(network, { ...data, x: examples });
          samples.forEach((s, i) => {
            const [a, b] = [x, examples].map((v) => v.subarray(i * size, (i + 1) * size));
            expect(Math.min(...b)).toBeGreaterThanOrEqual(0);
            expect(Math.max(...b)).toBeLessThanOrEqual(1);
            expect(distance(a, b, norm)).toBe(s.distance ?? 0);
            expect(s.distance ?? 0).toBeLessThanOrEqual(radius);
            expect(there[i]).toBe(s.becomes ?? s.predicted);
            expect(s.becomes).not.toBe(s.predicted);
          });
        }
      }
    }
  });

  it("reaches a boundary past coordinates that stand at the end of the range", async () => {
    // All but the last of these coordinates would leave [0, 1] on the steepest way.
    const network = functionOf([5], (x) =>
      affine(
        x,
        [
          [0, 0, 0, 0, 0],
          [-3, -3, -3, 3, 1],
        ],
        [0, -0.5],
      ),
    );
    const data = dataset([5], Float32Array.of(0, 0, 0, 1, 0), [0], 2, [0, 1]);
    const down = { ...data, x: Float32Array.of(0, 0, 0, 0, 0) };
    for (const norm of norms) {
      const ask = async (points: Dataset) =>
        (await attack(network, { engine, data: points, norm, attacks: ["deepfool"] })).samples[0];
      // Class 1 from the start; back to class 0 by the fourth coordinate and the three at 0, as far as the norm has it.
      expect((await ask(data)).distance).toBeCloseTo(norm === 2 ? 2.5 / 6 : 2.5 / 12, 3);
      expect((await ask(down)).distance).toBeCloseTo(norm === 2 ? 0.5 / Math.sqrt(10) : 0.5 / 4, 3);
    }
  });

  it("goes on where gradients are masked", async () => {
    const rows = table(10, 3, 4);
    const linear = (x: Node) => affine(x, rows);
    const data = dataset([4], normals(11, 80), [0], 3);
    const masked: readonly [string, Network][] = [
      // Cross-entropies that are 0 in float32, probabilities that are 1, and scores whose squares are 0.
      ["large scores", functionOf([4], (x) => mul(linear(x), 1e4))],
      ["a softmax at the end", functionOf([4], (x) => softmax(mul(linear(x), 30), 1))],
      ["small scores", functionOf([4], (x) => mul(linear(x), 1e-24))],
    ];
    for (const [what, network] of masked) {
      for (const name of ["fgsm", "pgd", "dlr", "deepfool"] as const) {
        const { samples } = await attack(network, { engine, data, radii: [4], attacks: [name] });
        const changed = samples.filter((s) => s.distance !== null).length;
        expect(changed, `${name}, ${what}`).toBeGreaterThan(17);
      }
    }
  });

  it("leaves a plateau, where every gradient is 0, at random", async () => {
    // Class 1 from 0.5 on, with a gradient of exactly 0 below 0.4.
    const network = functionOf([2], (x) => {
      const rise = relu(sub(reshape(sum(x, [1]), [x.shape[0], 1]), 0.4));
      return concat([mul(add(rise, 0), -1), sub(rise, 0.2)], 1);
    });
    const data = dataset([2], new Float32Array(40), [0], 2);
    const from = async (spec: ReturnType<typeof pgd>) => {
      const { samples } = await attack(network, { engine, data, radii: [1], attacks: [spec] });
      return samples.filter((s) => s.distance !== null).length;
    };
    // The steps that have no gradient to follow lead half of the samples the right way.
    expect(await from(pgd({ start: "sample" }))).toBeGreaterThan(5);
    expect(await from(pgd({ restarts: 8 }))).toBe(20);
  });

  it("counts what is wrong before any attack as not robust, and attacks the decision all the same", async () => {
    const network = functionOf([2], (x) => x);
    const data = dataset([2], Float32Array.of(1, 0, 3, 0, 5, 0), [0, 1, 0], 2);
    const { accuracy, robust, samples, medianDistance } = await attack(network, {
      engine,
      data,
      norm: "inf",
      radii: [0, 0.4, 1, 3],
    });
    expect(accuracy).toBeCloseTo(2 / 3, 12);
    expect(robust.map((r) => Math.round(3 * r.accuracy))).toEqual([2, 2, 1, 0]);
    samples.forEach((s, i) => {
      expect(s.distance).toBeCloseTo([0.5, 1.5, 2.5][i], 3);
      expect([s.predicted, s.becomes]).toEqual([0, 1]);
    });
    expect(medianDistance).toBeCloseTo(2.5, 3);
  });

  it("does not count a tie that the decision survives", async () => {
    // Equal scores everywhere: the first class decides, and no perturbation changes that.
    const network = functionOf([1], (x) => concat([x, x], 1));
    const data = dataset([1], Float32Array.of(1, -2), [0], 2);
    const { samples } = await attack(network, { engine, data, radii: [0.5] });
    expect(samples.map((s) => [s.predicted, s.distance])).toEqual([
      [0, null],
      [0, null],
    ]);
  });

  it("finds nothing in a constant network or in a ball of radius 0", async () => {
    const constantly = functionOf([2], (x) => affine(mul(x, 0), table(15, 2, 2), [1, 0]));
    const ignoring = functionOf([2], (x) => affine(constant(full([x.shape[0], 1], 1, x.dtype)), [[1], [2]]));
    const data = dataset([2], normals(12, 6), [0], 2);
    // What jumps has no gradient: there is no step.
    const flat = functionOf([2], (x) => affine(mul(cast(greater(x, 100), x.dtype), 1), table(15, 2, 2), [1, 0]));
    for (const network of [constantly, ignoring, flat]) {
      const { samples } = await attack(network, { engine, data, radii: [1] });
      expect(samples.every((s) => s.distance === null && s.confirmed === null)).toBe(true);
    }
    const identity = functionOf([2], (x) => x);
    const { robust, accuracy } = await attack(identity, { engine, data, radii: [0], attacks: ["fgsm", "pgd", "dlr"] });
    expect(robust).toEqual([{ radius: 0, accuracy }]);
  });

  it("measures in the units of the data, and takes a batch that is fixed", async () => {
    const rows = [
      [3, 0],
      [0, 4],
    ];
    const network = functionOf([2], (x) => affine(tanh(x), rows));
    const scaled = withPreprocessing(network, { scale: 8, mean: [1, 1], std: [0.5, 0.5] });
    const raw = dataset([2], Float32Array.of(0.6, 0, -0.2, 0.3), [0], 2);
    const data = { ...raw, x: raw.x.map((v) => (0.5 * v + 1) / 8) };
    const one = await attack(network, { engine, data: raw });
    const other = await attack(scaled, { engine, data });
    one.samples.forEach((s, i) => {
      expect(other.samples[i].distance).toBeCloseTo((s.distance as number) / 16, 4);
    });
    for (const batch of [1, 2]) {
      const fixed = await attack(
        functionOf([2], (x) => affine(tanh(x), rows), batch),
        { engine, data: raw },
      );
      fixed.samples.forEach((s, i) => {
        expect(s.distance).toBeCloseTo(one.samples[i].distance as number, 4);
      });
    }
  });

  it("is the same for the same seed, and plain data", async () => {
    const network = randomNetwork(random(3), "dense");
    const [, ...shape] = network.inputs[0].shape.map(Number);
    const data = dataset(shape, normals(13, 20 * sizeOf(shape)), [0, 1, 2], 3);
    const ask = async (seed: number) => {
      const { examples: _, ...rest } = await attack(network, { engine, data, radii: [0.1, 0.4], seed });
      return rest;
    };
    const a = await ask(5);
    expect(await ask(5)).toEqual(a);
    expect(JSON.parse(JSON.stringify(a))).toEqual(a);
    expect(a.robust[0].accuracy).toBeGreaterThanOrEqual(a.robust[1].accuracy);
    expect(a.robust[1].accuracy).toBeLessThan(a.accuracy);
    a.robust.forEach((r, k) => {
      for (const own of a.attacks) expect(own.robust[k].accuracy).toBeGreaterThanOrEqual(r.accuracy);
    });
  });

  it("refuses what makes no sense", async () => {
    const network = functionOf([2], (x) => x);
    const data = dataset([2], normals(14, 4), [0], 2);
    const ask = (options: object) => attack(network, { engine, data, ...options });
    await expect(ask({ radii: [-1] })).rejects.toThrow("radii must be finite and >= 0, got -1");
    await expect(ask({ norm: 1 })).rejects.toThrow("norm must be 2 or inf, got 1");
    await expect(ask({ attacks: [] })).rejects.toThrow("known: fgsm, pgd, dlr, deepfool, shrink");
    await expect(ask({ data: dataset([2], normals(14, 4), [0], 3) })).rejects.toThrow(UsageError);
    expect(() => pgd({ steps: 0 })).toThrow("pgd: steps must be a whole number >= 1, got 0");
    expect(() => deepfool({ overshoot: 0.5 })).toThrow("overshoot must be >= 1");
  });
});

describe("describeProtocol()", () => {
  it("says everything that is set", async () => {
    const network = functionOf([2], (x) => x);
    const data = dataset([2], normals(14, 4), [0], 2, [-9, 9]);
    const { protocol } = await attack(network, {
      engine,
      data,
      norm: "inf",
      radii: [0.3, 0.1],
      attacks: [
        fgsm(),
        pgd({ steps: 17, step: 0.35, restarts: 3, momentum: 0.7 }),
        dlr({ patience: null }),
        "deepfool",
        "shrink",
      ],
      seed: 4,
    });
    expect(protocol.attacks.map((a) => a.name)).toEqual(attackNames);
    const lines = describeProtocol(protocol);
    const [, pgdLine] = lines;
    for (const words of [
      "cross-entropy",
      "3 runs",
      "17 steps of 0.35 x radius",
      "momentum 0.7",
      "uniform point",
      "sign",
    ]) {
      expect(pgdLine).toContain(words);
    }
    for (const words of ["linf", "radii 0.1, 0.3", "clipped to [-9, 9]", "seed 4"]) expect(lines[5]).toContain(words);
    expect(JSON.parse(JSON.stringify(protocol))).toEqual(protocol);
    // A setting that changes the data changes the words.
    const changed = describeProtocol({ ...protocol, attacks: [pgd({ steps: 17, step: 0.35, restarts: 3 })] });
    expect(changed[0]).not.toBe(pgdLine);
  });
});

async function decisions(network: Network, data: Dataset): Promise<number[]> {
  const { samples } = await attack(network, { engine, data, attacks: ["fgsm"] });
  return samples.map((s) => s.predicted);
}
