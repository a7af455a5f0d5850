import { describe, expect, it } from "vitest";
import { affine, functionOf, randomNetwork } from "../../../test/functions.ts";
import { nodeEngine } from "../../engine/node.ts";
import { mul } from "../../ops/arith.ts";
import { relu } from "../../ops/pointwise.ts";
import { random } from "../../tensor/random.ts";
import { type Domain, holds } from "../domain.ts";
import { lipschitz } from "../index.ts";
import { subjectOf } from "../subject.ts";
import { annealing } from "./annealing.ts";
import { jacobian } from "./jacobian.ts";
import { pairs } from "./pairs.ts";

const engine = nodeEngine({ threads: 1 });
const searches = { jacobian, pairs, annealing };
const small = { engine, points: 8, rounds: 8, seconds: 20 };

const domainsOf = (size: number): readonly Domain[] => [
  { kind: "ball", center: new Array<number>(size).fill(0.3), radius: 0.1, norm: 2 },
  { kind: "ball", center: new Array<number>(size).fill(-1), radius: 2, norm: "inf" },
  { kind: "ball", center: new Array<number>(size).fill(1e6), radius: 1e-3, norm: 2 },
  { kind: "box", low: new Array<number>(size).fill(0), high: Array.from({ length: size }, (_, k) => k) },
];

describe.each(Object.entries(searches))("%s() on a domain", (_, search) => {
  it("keeps both ends of its witness inside", async () => {
    for (let seed = 0; seed < 4; seed++) {
      const subject = subjectOf(randomNetwork(random(seed), "dense"));
      for (const domain of domainsOf(subject.size)) {
        for (const norm of [1, 2, "inf"] as const) {
          const { witness } = await search(subject, norm, { ...small, domain, seed });
          if (!witness) continue;
          expect(holds(domain, Float64Array.from(witness.x))).toBe(true);
          expect(holds(domain, Float64Array.from(witness.y))).toBe(true);
        }
      }
    }
  });

  it("finds what is steep there, and not what is steep elsewhere", async () => {
    const square = subjectOf(functionOf([1], (x) => mul(x, x)));
    const box: Domain = { kind: "box", low: [0], high: [2] };
    const { value } = await search(square, 2, { ...small, domain: box });
    expect(value).toBeGreaterThan(3.5);
    expect(value).toBeLessThanOrEqual(4);
  });

  it("moves only in the directions of a flat box", async () => {
    const plane = subjectOf(functionOf([2], (x) => relu(affine(x, [[1, 2]]))));
    const box: Domain = { kind: "box", low: [0, 1], high: [1, 1] };
    const { value } = await search(plane, 2, { ...small, domain: box });
    expect(value).toBeLessThanOrEqual(1);
    expect(value).toBeGreaterThan(0.99);
    const point: Domain = { kind: "box", low: [0, 1], high: [0, 1] };
    expect(await search(plane, 2, { ...small, domain: point })).toMatchObject({ value: 0, witness: null });
  });
});

describe("lipschitz() on a domain", () => {
  it("has lower bounds below its proved upper ones", async () => {
    for (let seed = 20; seed < 24; seed++) {
      const network = randomNetwork(random(seed), "dense");
      for (const domain of domainsOf(subjectOf(network).size)) {
        const { bounds } = await lipschitz(network, { engine, domain, methods: "all", seconds: 0.2 });
        const lower = Math.max(...bounds.filter((b) => b.side === "lower").map((b) => b.value));
        for (const b of bounds) if (b.side === "upper" && b.proved) expect(lower).toBeLessThanOrEqual(b.value);
      }
    }
  });
});
