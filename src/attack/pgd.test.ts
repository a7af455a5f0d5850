import { describe, expect, it } from "vitest";
import { affine, functionOf } from "../../test/functions.ts";
import { turnByTurn } from "../../test/plainEngine.ts";
import type { Dataset } from "../data/dataset.ts";
import type { Engine } from "../engine/engine.ts";
import { nodeEngine } from "../engine/node.ts";
import { tanh } from "../ops/pointwise.ts";
import { normalTensor, random } from "../tensor/random.ts";
import { distance } from "./ball.ts";
import { type AscentOptions, ascender } from "./pgd.ts";
import { targetOf } from "./target.ts";

const engine = nodeEngine({ threads: 1 });
const norms = [2, "inf"] as const;
const [size, count] = [20, 30];
const x = normalTensor(random(1), [count, size]).data as Float32Array;
const data: Dataset = {
  ...{ name: "points", task: "classification", x, shape: [size], count, classes: 3 },
  labels: new Int32Array(count),
  targets: new Float32Array(0),
};
const W = normalTensor(random(2), [3 * size]).data;
const rows = [0, 1, 2].map((k) => Array.from({ length: size }, (_, i) => Number(W[k * size + i])));
const network = functionOf([size], (node) => tanh(affine(node, rows)));

/** Where ascents of every radius end, more rows than fit in one run. */
async function ends(options: Partial<AscentOptions>, radii: Float64Array, by: Engine = engine) {
  // 8 rows at a time: four runs, the last with rows to spare.
  const target = targetOf(network, by, data, 8);
  const own = await target.decide(x);
  const climber = await ascender(target, {
    ...{ norm: 2, range: null, loss: "margin", steps: 12, step: 0.3, patience: null, momentum: 0 },
    ...options,
  });
  const found = await climber.run({ center: x, start: x, own, radius: radii }, random(3));
  const changed = (await target.decide(found)).map((d, i) => (d === own[i] ? 0 : 1));
  await climber.dispose();
  await target.dispose();
  return { found, changed, lengths: radii.map((_, i) => distance(row(x, i), row(found, i), options.norm ?? 2)) };
}

const row = (values: Float32Array, i: number) => values.subarray(i * size, (i + 1) * size);

describe("ascender()", () => {
  it.each(norms)(
    "ends in every row's own ball, in float64, and on its border where it goes on climbing: l%s",
    async (norm) => {
      const radii = Float64Array.from({ length: count }, (_, i) => 10 ** (-4 + (i % 4)));
      for (const momentum of [0, 0.8]) {
        const { lengths, changed } = await ends({ norm, momentum, steps: 20 }, radii);
        lengths.forEach((length, i) => {
          // A point is as near to the border as float32 has its coordinates.
          const slack = norm === "inf" ? 2.4e-7 : 2.4e-7 * Math.sqrt(size);
          expect(length).toBeLessThanOrEqual(radii[i] + slack);
          if (!changed[i]) expect(length).toBeGreaterThan(radii[i] * 0.98 - slack);
        });
      }
    },
  );

  it("stops where the decision has changed, and changes more in larger balls", async () => {
    const counts = [];
    for (const radius of [0.1, 0.4, 1.6]) {
      const { changed, lengths } = await ends({}, new Float64Array(count).fill(radius));
      counts.push(changed.reduce((a, b) => a + b, 0));
      if (radius === 1.6) expect(Math.min(...lengths)).toBeLessThan(1.5);
    }
    expect(counts).toEqual([...counts].sort((a, b) => a - b));
    expect(counts[2]).toBeGreaterThan(counts[0] + 10);
  });

  it.each([
    ["to the end", { steps: 24 }, [10, 10, 4]],
    ["as patience lasts", { steps: 24, patience: 7 }, [7, 7, 7, 3]],
    ["with momentum", { steps: 5, momentum: 0.8, norm: "inf" }, [5]],
  ] as const)("goes step by step where it goes many at once, %s", async (_, options, turns) => {
    const radii = new Float64Array(count).fill(0.1);
    const counts: number[] = [];
    const watched: Engine = {
      ...engine,
      async iterate(iteration) {
        const program = turnByTurn(iteration, await engine.compile(iteration.outputs));
        return {
          ...program,
          run(feeds, own) {
            counts.push(own);
            return program.run(feeds, own);
          },
        };
      },
    };
    const [together, single] = [await ends(options, radii), await ends(options, radii, watched)];
    expect(single.found).toEqual(together.found);
    expect(together.changed).toContain(0);
    expect(counts.slice(0, turns.length)).toEqual(turns);
  });

  it("halves steps that do not help", async () => {
    // Steps of twice the radius jump from side to side; halved ones settle.
    const radii = new Float64Array(count).fill(0.05);
    const [plain, halved] = [
      await ends({ step: 2, steps: 24 }, radii),
      await ends({ step: 2, steps: 24, patience: 2 }, radii),
    ];
    const target = targetOf(network, engine, data, 8);
    const own = await target.decide(x);
    const margin = async (points: Float32Array) => {
      const z = await target.outputs(points, "float32");
      return Array.from(own, (y, i) => {
        const scores = [...z.subarray(3 * i, 3 * i + 3)];
        return scores[y] - Math.max(...scores.filter((_, j) => j !== y));
      }).reduce((a, b) => a + b, 0);
    };
    expect(await margin(halved.found)).toBeLessThanOrEqual((await margin(plain.found)) + 1e-6);
    await target.dispose();
  });
});
