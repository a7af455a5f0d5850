/** @file LipSDP on chains: above every pattern of slopes, below what knows less, at the optimum that solvers give, and caught where a slope is wrong. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hasShared } from "../../../test/shared.ts";
import {
  chainOf,
  exactNet,
  lipsdpNet,
  matrixOf,
  normalMatrix,
  patternNorm,
  randomChain,
} from "../../../test/slopeChains.ts";
import { nodeEngine } from "../../engine/node.ts";
import { spectralNorm } from "../../linalg/norm.ts";
import { random } from "../../tensor/random.ts";
import { combettesPesquet } from "../chain/combettesPesquet.ts";
import { frobenius, normProduct } from "../chain/frobenius.ts";
import type { Chain } from "../chain.ts";
import { type QuadraticOptions, quadraticBound } from "./lipsdp.ts";
import { objectiveOf, roomOf, unknownsOf } from "./objective.ts";
import { closedConstant, programOfChain } from "./ofChain.ts";
import { workOf } from "./work.ts";

const engine = nodeEngine({ threads: 1 });
const seeds = fc.nat({ max: 2 ** 31 });

function lipsdp(chain: Chain, options: Omit<QuadraticOptions, "engine"> = {}) {
  const program = programOfChain(chain);
  return quadraticBound(program, { engine, work: workOf(program), ...options });
}

const eclipseFast = (chain: Chain) => closedConstant(programOfChain(chain));

describe("quadraticBound() of a chain", () => {
  it("reaches the optimum that the authors' solver prints for their random network", async () => {
    expect(normProduct(lipsdpNet()).value).toBeCloseTo(43.305573718802584, 6);
    const { value, ending } = await lipsdp(lipsdpNet());
    expect(ending).toBe("converged");
    expect(value).toBeGreaterThan(36.4822);
    expect(value).toBeLessThan(36.4823);
  });

  it("lies above every activation pattern and below what knows less", async () => {
    await fc.assert(
      fc.asyncProperty(seeds, async (seed) => {
        const chain = randomChain(seed);
        const { value, ending } = await lipsdp(chain);
        const fast = await eclipseFast(chain);
        const cuts = combettesPesquet(chain).value;
        const product = normProduct(chain).value;
        expect(ending).toBe("converged");
        const lower = patternNorm(chain, random(seed), 30) * (1 - 1e-12);
        expect(lower).toBeLessThanOrEqual(value);
        expect(lower).toBeLessThanOrEqual(cuts);
        expect(value).toBeLessThanOrEqual(fast * (1 + 1e-6));
        expect(fast).toBeLessThanOrEqual(product * (1 + 1e-5));
        expect(cuts).toBeLessThanOrEqual(product);
        expect(product).toBeLessThanOrEqual(frobenius(chain).value * (1 + 1e-12));
      }),
      { numRuns: 20, seed: 1 },
    );
  });

  it("does not end near its start where slopes are symmetric about 0", async () => {
    const r = random(1);
    const chain = chainOf([normalMatrix(r, 16, 8), normalMatrix(r, 16, 16), normalMatrix(r, 3, 16)], [-1, 1]);
    const { value } = await lipsdp(chain);
    expect(value).toBeGreaterThanOrEqual(patternNorm(chain, random(2), 500));
    // The closed form is the product, and at the edge of what is feasible.
    expect(value).toBeLessThan(0.75 * normProduct(chain).value);
  });

  it("gives one output what it gives it among others, or less", async () => {
    // A descent on a single output may get stuck where signals that it does not see grow without end.
    for (const seed of [20, 22]) {
      const r = random(seed);
      const hidden = [normalMatrix(r, 20, 4), normalMatrix(r, 20, 20), normalMatrix(r, 20, 20)];
      const last = normalMatrix(r, 3, 20);
      const all = (await lipsdp(chainOf([...hidden, last]))).value;
      for (let row = 0; row < 3; row++) {
        const own = { rows: 1, cols: 20, data: last.data.slice(20 * row, 20 * row + 20) };
        expect((await lipsdp(chainOf([...hidden, own]))).value).toBeLessThan(all * (1 + 1e-3));
      }
    }
  });

  it("is caught by the activation patterns where a slope is wrong", async () => {
    let caught = 0;
    for (let seed = 0; seed < 12; seed++) {
      const r = random(seed);
      const weights = [normalMatrix(r, 6, 4), normalMatrix(r, 5, 6), normalMatrix(r, 3, 5)];
      const planted = (await lipsdp(chainOf(weights, [-0.05, 0.7]))).value;
      if (patternNorm(chainOf(weights, [-0.0998394, 1.0998394]), r, 200) > planted) caught++;
    }
    expect(caught).toBeGreaterThan(6);
  });

  it("is exact for one layer to a millionth, and for |x|", async () => {
    const W = normalMatrix(random(3), 5, 7);
    expect((await lipsdp(chainOf([W]))).value / spectralNorm(W).upper).toBeCloseTo(1, 6);
    const absolute = chainOf([matrixOf([[1], [-1]]), matrixOf([[1, 1]])]);
    const { value } = await lipsdp(absolute);
    expect(value).toBeGreaterThanOrEqual(1);
    expect(value).toBeLessThan(1 + 5e-5);
    expect(normProduct(absolute).value).toBeCloseTo(2, 9);
  });

  it("knows neurons that do not move, and those whose slope is known", async () => {
    const r = random(6);
    const [A, B] = [normalMatrix(r, 4, 3), normalMatrix(r, 2, 4)];
    expect((await lipsdp(chainOf([A, { ...B, data: B.data.map(() => 0) }]))).value).toBeLessThan(1e-100);
    expect((await lipsdp(chainOf([A, B], [0, 0]))).value).toBeLessThan(1e-100);
    const some = chainOf([A, B]);
    [some.activations[0].high[2], some.activations[0].low[1]] = [0, 1];
    expect(programOfChain(some).multipliers).toBe(2);
    const { value } = await lipsdp(some);
    expect(value).toBeGreaterThanOrEqual(patternNorm(some, r, 50));
    expect(value).toBeLessThan(0.99 * (await lipsdp(chainOf([A, B]))).value);
  });

  it("scales with the weights", async () => {
    const chain = randomChain(11);
    const { value } = await lipsdp(chain);
    const scaled = (factor: number): Chain => ({
      ...chain,
      affine: chain.affine.map(({ weight, bias }) => ({
        bias,
        weight: { ...weight, data: weight.data.map((x) => factor * x) },
      })),
    });
    const depth = chain.affine.length;
    for (const size of [4, 1 / 3, 1e-20, 1e20]) {
      expect((await lipsdp(scaled(size))).value / (value * size ** depth)).toBeCloseTo(1, 4);
    }
  });

  it("does not depend on the order of neurons, nor on the direction of the chain", async () => {
    const r = random(8);
    const [A, B, C] = [normalMatrix(r, 5, 4), normalMatrix(r, 6, 5), normalMatrix(r, 3, 6)];
    const { value } = await lipsdp(chainOf([A, B, C]));
    const order = Array.from(r.permutation(5));
    const rows = (W: typeof A) => matrixOf(order.map((i) => Array.from(W.data.slice(i * W.cols, (i + 1) * W.cols))));
    const turn = (W: typeof A) =>
      matrixOf(
        Array.from({ length: W.cols }, (_, j) => Array.from({ length: W.rows }, (__, i) => W.data[i * W.cols + j])),
      );
    const shuffled = chainOf([rows(A), turn(rows(turn(B))), C]);
    expect((await lipsdp(shuffled)).value / value).toBeCloseTo(1, 4);
    expect((await lipsdp(chainOf([turn(C), turn(B), turn(A)]))).value / value).toBeCloseTo(1, 3);
  });

  it("gives the same number and the same steps on a machine that is busy", async () => {
    const chain = randomChain(11);
    const run = async (onStep: (value: number) => void) => {
      const improved: number[] = [];
      const { value } = await lipsdp(chain, { onStep, onImprove: (v) => improved.push(v), steps: 80 });
      return [improved[0], value];
    };
    const calm = await run(() => {});
    let point = 0;
    const busy = await run(() => {
      const until = performance.now() + (point++ % 7);
      while (performance.now() < until);
    });
    expect(busy).toEqual(calm);
  });

  it("begins with multipliers that are known", async () => {
    const chain = randomChain(21);
    const first = await lipsdp(chain);
    const again = await lipsdp(chain, { steps: 1, stored: first.multipliers ?? undefined });
    expect(again.ending).toBe("steps");
    expect(again.value / first.value).toBeLessThan(1 + 1e-5);
  });

  it("stops in time with a proved bound and when told to", async () => {
    const chain = lipsdpNet();
    const { value, ending } = await lipsdp(chain, { seconds: 0.002 });
    expect(ending).toBe("time");
    expect(value).toBeGreaterThan(36.4822);
    await expect(lipsdp(chain, { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
    const abort = new AbortController();
    const running = lipsdp(chain, { signal: abort.signal, onStep: () => abort.abort() });
    await expect(running).rejects.toThrow("aborted");
  });

  it.skipIf(!hasShared("exact"))("lies above the constants that are known", async () => {
    for (const name of ["exlipbab_iris_relu_4-6-6-3", "exlipbab_wine_relu_11-12-12-1", "lipbab_iris_4-5-5-3"]) {
      const { chain, exact } = exactNet(name);
      const values = [
        (await lipsdp(chain)).value,
        await eclipseFast(chain),
        combettesPesquet(chain).value,
        frobenius(chain).value,
      ];
      for (const value of values) expect(value).toBeGreaterThanOrEqual(exact * (1 - 1e-9));
    }
  });
});

describe("closedConstant()", () => {
  it("does not fall into the trap of a lower slope above 0", async () => {
    const r = random(2);
    for (let k = 0; k < 10; k++) {
      const weights = [normalMatrix(r, 8, 8), normalMatrix(r, 8, 8), normalMatrix(r, 8, 8)];
      for (const slopes of [
        [0.5, 1],
        [0.1, 1],
        [-1, 1],
        [-0.5, 1.5],
      ] as const) {
        const chain = chainOf(weights, slopes);
        const known = await eclipseFast(chain);
        expect(known).toBeLessThanOrEqual(normProduct(chain).value * (1 + 1e-5));
        expect(known).toBeGreaterThanOrEqual(patternNorm(chain, r, 50));
      }
    }
  });
});

describe("stored multipliers", () => {
  it("at the edge of what is feasible are where a search begins, and no place where it ends", async () => {
    const r = random(12);
    const [A, B] = [normalMatrix(r, 16, 6), normalMatrix(r, 3, 16)];
    const chain = chainOf([A, B]);
    // M = 2 t I - A A^T is singular for t = |A|^2 / 2.
    const stored = new Float64Array(16).fill(spectralNorm(A).upper ** 2 / 2);
    const found = await lipsdp(chain, { stored });
    expect(found.ending).toBe("converged");
    expect(found.value).toBeLessThan((await lipsdp(chain)).value * (1 + 1e-3));
  });
});

describe("objectiveOf()", () => {
  it("has the gradient that differences show: balls and boxes, all outputs and the worst", async () => {
    const r = random(4);
    for (const slopes of [
      [0, 1],
      [-0.2, 1.3],
      [0.3, 1],
      [-1, 1],
    ] as const) {
      const program = programOfChain(
        chainOf([normalMatrix(r, 5, 4), normalMatrix(r, 6, 5), normalMatrix(r, 3, 6)], slopes),
      );
      for (const outputs of ["together", "each"] as const) {
        for (const inputs of ["alike", "scaled"] as const) {
          const objective = await objectiveOf(engine, program, { outputs, inputs });
          const { rooms, axes, count } = unknownsOf(program, { inputs });
          const theta = Float64Array.from({ length: count }, () => 0.5 * r.normal());
          const at = async (k: number, by: number) =>
            (
              await objective.at(
                theta.map((v, j) => (j === k ? v + by : v)),
                0,
                0.01,
              )
            )?.value ?? Number.NaN;
          const gradient = (await objective.at(theta, 0, 0.01))?.gradient ?? [];
          for (const k of [0, 4, 5, rooms, axes - 1, count - 1]) {
            const difference = ((await at(k, 1e-5)) - (await at(k, -1e-5))) / 2e-5;
            expect(gradient[k]).toBeCloseTo(difference, 6);
          }
          await objective.dispose();
        }
      }
    }
  });

  it("knows an infeasible point although both diagonals are positive there", async () => {
    // M = 2 t I - 1 1^T has a negative eigenvalue for t < 3/2, and t = 3 (c + softplus(p)) with c a little below 1/2.
    const program = programOfChain(chainOf([matrixOf([[1], [1], [1]]), matrixOf([[1, 1, 1]])]));
    const objective = await objectiveOf(engine, program);
    const near = await objective.at(Float64Array.of(0, 0, 0, roomOf("sector", 3 / 1.6, 3)), 0, 0);
    expect(near?.multipliers[0]).toBeCloseTo(1.6, 1);
    expect(await objective.at(Float64Array.of(0, 0, 0, -20), 0, 0)).toBeUndefined();
    await objective.dispose();
  });
});

describe("chain checks", () => {
  it("name the layer that does not fit", () => {
    const [A, B] = [normalMatrix(random(1), 3, 4), normalMatrix(random(2), 2, 5)];
    expect(() => programOfChain(chainOf([A, B]))).toThrow("map 1 must read what map 0 gives, got 5 and 3");
    const good = chainOf([A, normalMatrix(random(2), 2, 3)]);
    good.activations[0].low[1] = Number.NaN;
    expect(() => programOfChain(good)).toThrow("slopes must be finite and in order, got [NaN, 1]");
  });
});
