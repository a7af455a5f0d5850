import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { affine, functionOf, randomNetwork } from "../../../test/functions.ts";
import { realised } from "../../../test/realise.ts";
import { hasShared } from "../../../test/shared.ts";
import { exactLipsdp, lipsdpNet } from "../../../test/slopeChains.ts";
import { nodeEngine } from "../../engine/node.ts";
import { flowOf } from "../../graph/behaviour.ts";
import type { Node } from "../../graph/graph.ts";
import { constant, input } from "../../graph/leaf.ts";
import { spectralNorm } from "../../linalg/norm.ts";
import { add, sub } from "../../ops/arith.ts";
import { matmul } from "../../ops/matmul.ts";
import { concat, reshape, sliceAxis, transpose } from "../../ops/movement.ts";
import { relu } from "../../ops/pointwise.ts";
import { softmax } from "../../ops/softmax.ts";
import { maxMin } from "../../ops/sort.ts";
import { type Random, random } from "../../tensor/random.ts";
import { tensor } from "../../tensor/tensor.ts";
import type { Chain } from "../chain.ts";
import { nodeNorms } from "../norm/node.ts";
import { fusedFlow } from "../patterns/fuse.ts";
import { subjectOf } from "../subject.ts";
import { denseCuts } from "./cuts.ts";
import { quadraticBound } from "./lipsdp.ts";
import type { Program } from "./program.ts";

const engine = nodeEngine();
const seeds = fc.nat({ max: 2 ** 31 });

function programFor(x: Node, y: Node): Program {
  const flow = fusedFlow(x, y);
  const program = denseCuts(flow, nodeNorms(flow));
  if (typeof program === "string") throw new Error(program);
  return program;
}

function chainProgram(chain: Chain): Program {
  const [{ weight: first }] = chain.affine;
  const x = input("x", [1, first.cols], "float64");
  const y = chain.affine.reduce<Node>((h, { weight: { rows, cols, data } }, i) => {
    const z = matmul(h, transpose(constant(tensor(data, [rows, cols], "float64"))));
    return i < chain.affine.length - 1 ? relu(z) : z;
  }, x);
  return programFor(x, y);
}

/** The largest norm over drawn slopes. */
function steepestOf(program: Program, r: Random, tries: number): number {
  let top = 0;
  for (let k = 0; k < tries; k++) top = Math.max(top, spectralNorm(realised(program, r)).lower);
  return top;
}

const residual = (r: Random, width: number, blocks: number, size: number) => {
  const rows = (a: number, b: number) =>
    Array.from({ length: a }, () => Array.from({ length: b }, () => (size * r.normal()) / Math.sqrt(b)));
  const weights = Array.from({ length: blocks }, () => [rows(width, width), rows(width, width)] as const);
  const last = rows(4, width);
  return functionOf([width], (x) => {
    const h = weights.reduce<Node>((h, [W, V]) => add(h, affine(relu(affine(h, W)), V)), x);
    return affine(h, last);
  });
};

describe("quadraticBound()", () => {
  it("reaches the optimum that solvers of semidefinite programs give", async () => {
    const random = await quadraticBound(chainProgram(lipsdpNet()), { engine });
    expect(random.ending).toBe("converged");
    expect(random.value).toBeGreaterThan(36.4822);
    expect(random.value).toBeLessThan(36.4823);
    if (!hasShared("exact")) return;
    for (const name of ["sdp_relu_2-10-30-20-2", "sdp_relu_10-50-50-10"]) {
      const { chain, optimum } = exactLipsdp(name);
      const { value } = await quadraticBound(chainProgram(chain), { engine });
      // The optimum is known to a relative 1e-6.
      expect(value).toBeGreaterThan(optimum * (1 - 1e-6));
      expect(value).toBeLessThan(optimum * (1 + 1e-4));
    }
  });

  it("of a map without activations is its norm", async () => {
    await fc.assert(
      fc.asyncProperty(seeds, async (seed) => {
        const r = random(seed);
        const rows = (a: number, b: number) =>
          Array.from({ length: a }, () => Array.from({ length: b }, () => r.normal()));
        const [A, B, C] = [rows(5, 4), rows(4, 5), rows(3, 9)];
        const x = input("x", [1, 4], "float64");
        const u = affine(x, A);
        const joined = concat([sub(affine(u, B), x), u], 1);
        const program = programFor(x, affine(joined, C));
        const exact = spectralNorm(realised(program, r)).upper;
        const { value } = await quadraticBound(program, { engine });
        expect(value).toBeGreaterThanOrEqual(exact * (1 - 1e-9));
        expect(value).toBeLessThanOrEqual(exact * (1 + 1e-6));
      }),
      { numRuns: 20, seed: 1 },
    );
  });

  it("is never below a network with drawn slopes", async () => {
    let covered = 0;
    await fc.assert(
      fc.asyncProperty(seeds, async (seed) => {
        const r = random(seed);
        const { x, y } = subjectOf(randomNetwork(r, "dense")).at(1, "float64");
        const flow = fusedFlow(x, y);
        const program = denseCuts(flow, nodeNorms(flow));
        if (typeof program === "string") return;
        covered++;
        const { value } = await quadraticBound(program, { engine, steps: 40 });
        expect(value).toBeLessThan(Number.POSITIVE_INFINITY);
        expect(value).toBeGreaterThanOrEqual(steepestOf(program, r, 20));
      }),
      { numRuns: 30, seed: 1 },
    );
    expect(covered).toBeGreaterThan(15);
  });

  it("carries what goes around a block: far below the product of norms, above what is witnessed", async () => {
    const { x, y } = subjectOf(residual(random(3), 16, 6, 0.5)).at(1, "float64");
    const program = programFor(x, y);
    const { value } = await quadraticBound(program, { engine });
    const lower = steepestOf(program, random(4), 50);
    expect(value).toBeGreaterThan(lower);
    expect(value).toBeLessThan(3 * lower);
  });

  it("notices what is left out: the shortcut of a block, a part of a slope, a term", async () => {
    const r = random(5);
    const { x, y } = subjectOf(residual(r, 6, 2, 0.4)).at(1, "float64");
    const program = programFor(x, y);
    const lower = steepestOf(program, r, 200);
    const changed = (edit: (step: Program["steps"][number]) => Program["steps"][number]): Program => ({
      ...program,
      steps: program.steps.map(edit),
    });
    const withoutShortcut = changed((step) =>
      step.kind === "affine" && step.terms.length === 2 ? { ...step, terms: step.terms.slice(1) } : step,
    );
    const half = changed((step) =>
      step.kind === "affine" && step.to === program.output
        ? {
            ...step,
            terms: step.terms.map(({ from, map }) => ({
              from,
              map:
                map.kind === "kernel"
                  ? { ...map, taps: map.taps.map((t) => ({ ...t, weight: t.weight.map((w) => 0.5 * w) })) }
                  : map,
            })),
          }
        : step,
    );
    const value = async (p: Program) => (await quadraticBound(p, { engine })).value;
    expect(await value(program)).toBeGreaterThanOrEqual(lower);
    expect(await value(withoutShortcut)).toBeLessThan(lower);
    expect(await value(half)).toBeLessThan(lower);
  });

  it("takes no part of a node that goes around the start of its flow", () => {
    const x = input("x", [1, 6], "float64");
    const start = reshape(relu(x), [2, 3]);
    const flow = flowOf(start, softmax(start, 1));
    const program = denseCuts(flow, nodeNorms(flow));
    expect(typeof program === "string" ? program : program.steps.map(({ kind }) => kind)).toContain("gain");
  });

  it("sees that a MaxMin moves nothing apart", async () => {
    const x = input("x", [1, 4], "float64");
    const program = programFor(x, add(maxMin(x), 0));
    expect((await quadraticBound(program, { engine })).value).toBeCloseTo(1, 4);
    const half = sliceAxis(maxMin(x), 1, 0, 2);
    expect((await quadraticBound(programFor(x, half), { engine })).value).toBeCloseTo(1, 4);
  });
});
