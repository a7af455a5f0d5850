import { describe, expect, it } from "vitest";
import { affine, functionOf } from "../../test/functions.ts";
import { attack } from "../attack/attack.ts";
import { certify } from "../certify/evaluate.ts";
import type { Dataset } from "../data/dataset.ts";
import { nodeEngine } from "../engine/node.ts";
import { normalTensor, random } from "../tensor/random.ts";
import { sampleRecord } from "./samples.ts";

const engine = nodeEngine({ threads: 1 });
const rows = [
  [3, 0],
  [0, 4],
];
/** f = (3 x + 1, 4 y): class 0 below the line 4 y = 3 x + 1. */
const network = functionOf([2], (x) => affine(x, rows, [1, 0]));

function points(count: number): Dataset {
  const x = normalTensor(random(5), [2 * count]).data as Float32Array;
  const labels = Int32Array.from({ length: count }, (_, i) => (3 * x[2 * i] + 1 >= 4 * x[2 * i + 1] ? 0 : 1));
  // The last is labelled wrong.
  labels[count - 1] = 1 - labels[count - 1];
  return {
    name: "points",
    task: "classification",
    x,
    shape: [2],
    count,
    labels,
    targets: new Float32Array(0),
    classes: 2,
  };
}

async function recordOf(data: Dataset) {
  const certification = await certify(network, { engine, data });
  const attacked = await attack(network, { engine, data, radii: [0.5], attacks: ["deepfool"] });
  const record = await sampleRecord(network, {
    engine,
    data,
    model: "hash",
    certification,
    attacked,
    curvature: [1 / 3],
  });
  return { record, certification, attacked };
}

describe("sampleRecord()", () => {
  it("keeps the radii of all samples and the distances of those that were attacked", async () => {
    const { record, certification, attacked } = await recordOf(points(20));
    expect(record.radii).toEqual(certification.samples.map((s) => s.radius));
    expect(record.by).toEqual(certification.samples.map((s) => s.by));
    expect(record.attacked.map((a) => a.distance)).toEqual(attacked.samples.map((s) => s.distance));
    expect(record.curvature).toEqual([0.33333]);
    expect(record.attacked.map((a) => a.right)).toEqual([...Array(19).fill(true), false]);
  });

  it("has the weakest right samples first, with perturbations that change the decision", async () => {
    const data = points(20);
    const { record } = await recordOf(data);
    expect(record.weakest).toHaveLength(8);
    const distances = record.weakest.map((w) => w.distance);
    expect(distances).toEqual([...distances].sort((a, b) => a - b));
    for (const { index, label, becomes, x, perturbation, distance, radius } of record.weakest) {
      expect(index).not.toBe(19);
      expect(x[0]).toBeCloseTo(data.x[2 * index], 3);
      expect(Math.hypot(...perturbation)).toBeCloseTo(distance, 2);
      expect(radius).toBeLessThanOrEqual(distance);
      expect(becomes).toBe(1 - label);
      // On the other side of the line, as far as the digits kept say.
      const margin = 3 * (x[0] + perturbation[0]) + 1 - 4 * (x[1] + perturbation[1]);
      expect(label === 0 ? margin : -margin).toBeLessThan(0.02);
    }
  });

  it("maps the plane: margins at the centres of the cells", async () => {
    const { plane } = (await recordOf(points(20))).record;
    if (!plane) throw new Error("no map");
    const { x, y, size, margins, points: drawn } = plane;
    expect(drawn).toHaveLength(20);
    expect(margins.map((m) => m.length)).toEqual([size[0] * size[1], size[0] * size[1]]);
    for (const [i, j] of [
      [0, 0],
      [size[0] - 1, 2],
      [3, size[1] - 1],
    ]) {
      const at = [x[0] + ((i + 0.5) * (x[1] - x[0])) / size[0], y[0] + ((j + 0.5) * (y[1] - y[0])) / size[1]];
      const margin = 3 * at[0] + 1 - 4 * at[1];
      expect(margins[0][j * size[0] + i]).toBeCloseTo(margin, 2);
      expect(margins[1][j * size[0] + i]).toBeCloseTo(-margin, 2);
    }
  });

  it("draws a function of one number in the order of its input", async () => {
    const line = functionOf([1], (x) => affine(x, [[2]], [1]));
    const data: Dataset = {
      ...points(1),
      task: "regression",
      x: Float32Array.from([2, -1, 0]),
      shape: [1],
      count: 3,
      labels: new Int32Array(0),
      targets: Float32Array.from([5, 6, 7]),
      classes: 1,
    };
    const record = await sampleRecord(line, {
      engine,
      data,
      model: "hash",
      certification: null,
      attacked: null,
      curvature: [],
    });
    expect(record.line).toEqual({ x: [-1, 0, 2], targets: [6, 7, 5], outputs: [-1, 1, 5] });
    expect(record.plane).toBeNull();
  });
});
