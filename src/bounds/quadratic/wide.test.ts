import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { functionOf, randomNetwork, weight } from "../../../test/functions.ts";
import { realised } from "../../../test/realise.ts";
import { nodeEngine } from "../../engine/node.ts";
import { flowOf } from "../../graph/behaviour.ts";
import type { Node } from "../../graph/graph.ts";
import { spectralNorm } from "../../linalg/norm.ts";
import { add } from "../../ops/arith.ts";
import { conv } from "../../ops/conv.ts";
import { matmul } from "../../ops/matmul.ts";
import { flatten, transpose } from "../../ops/movement.ts";
import { relu } from "../../ops/pointwise.ts";
import { maxPool } from "../../ops/pool.ts";
import { type Random, random } from "../../tensor/random.ts";
import { type Shape, sizeOf } from "../../tensor/shape.ts";
import { nodeNorms } from "../norm/node.ts";
import { fusedFlow } from "../patterns/fuse.ts";
import { subjectOf } from "../subject.ts";
import { denseCuts } from "./cuts.ts";
import { gridCuts } from "./gridCuts.ts";
import type { Program } from "./program.ts";
import { matricesOf, provedWalk } from "./proof.ts";
import { given } from "./start.ts";
import { provedTop } from "./top.ts";
import { startRatios, wideWalk } from "./wide.ts";

const engine = nodeEngine();
const seeds = fc.nat({ max: 2 ** 31 });

const drawn = (like: Node, r: Random, shape: Shape, size = 1): Node =>
  weight(
    like,
    Array.from({ length: sizeOf(shape) }, () => (size * r.normal()) / Math.sqrt(sizeOf(shape.slice(1)))),
    shape,
  );

/** L of the same multipliers by factorisations. */
async function solved(program: Program, multipliers: Float64Array): Promise<number> {
  const cut = await provedWalk(program, given(multipliers, 1e-12));
  return cut ? Math.sqrt(provedTop(matricesOf(cut))) : Number.POSITIVE_INFINITY;
}

async function held(program: Program, seed: number): Promise<void> {
  const found = await wideWalk(program, { engine });
  if (!found) throw new Error("nothing is proved");
  const value = Math.sqrt(found.square);
  const own = await solved(program, found.multipliers);
  // A polynomial stands for an inverse.
  expect(value).toBeGreaterThanOrEqual(own * (1 - 1e-9));
  expect(value).toBeLessThanOrEqual(own * 1.3);
  const r = random(seed);
  for (let k = 0; k < 5; k++) expect(value).toBeGreaterThanOrEqual(spectralNorm(realised(program, r)).lower);
}

const block = (x: Node, r: Random): Node => {
  const y = relu(conv(x, drawn(x, r, [3, 2, 3, 3], 2), { pads: [1, 1, 1, 1], strides: [2, 2] }));
  const z = conv(y, drawn(x, r, [3, 3, 3, 3]), { pads: [1, 1, 1, 1] });
  const h = relu(add(z, conv(x, drawn(x, r, [3, 2, 1, 1]), { strides: [2, 2] })));
  const w = relu(conv(h, drawn(x, r, [3, 3, 3, 3]), { pads: [1, 1, 1, 1] }));
  return matmul(flatten(add(h, w)), transpose(drawn(x, r, [4, 27])));
};

const pooled = (x: Node, r: Random): Node => {
  const y = maxPool(relu(conv(x, drawn(x, r, [3, 2, 3, 3], 2), { pads: [1, 1, 1, 1] })), {
    kernel: [2, 2],
    strides: [2, 2],
  });
  return relu(conv(y, drawn(x, r, [2, 3, 3, 3]), { pads: [1, 1, 1, 1] }));
};

const gridProgram = (f: (x: Node, r: Random) => Node, seed: number): Program => {
  const { x, y } = subjectOf(functionOf([2, 6, 6], (x) => f(x, random(seed)))).at(1, "float64");
  const flow = fusedFlow(x, y);
  const program = gridCuts(flow, nodeNorms(flow));
  if (typeof program === "string") throw new Error(program);
  return program;
};

describe("wideWalk()", () => {
  it.each([
    ["a block with a stride, and one without", block],
    ["a tournament", pooled],
  ])("is a little above what factorisations prove of the same multipliers: %s", async (_, f) => {
    await held(gridProgram(f, 1), 1);
  });

  it("covers random networks of images and of vectors, never below what slopes make of them", async () => {
    let covered = 0;
    await fc.assert(
      fc.asyncProperty(seeds, async (seed) => {
        const kind = seed % 2 === 0 ? "image" : "dense";
        const { x, y } = subjectOf(randomNetwork(random(seed), kind)).at(1, "float64");
        const flow = fusedFlow(x, y);
        const gate = flow.varying.find((node) => kind === "dense" || node.shape.length === 4);
        if (!gate) return;
        const rest = kind === "dense" ? flow : flowOf(gate, flow.output);
        const program = kind === "dense" ? denseCuts(rest, nodeNorms(rest)) : gridCuts(rest, nodeNorms(rest));
        if (typeof program === "string") return;
        covered++;
        await held(program, seed);
      }),
      { numRuns: 20, seed: 1 },
    );
    expect(covered).toBeGreaterThan(7);
  });

  it("proves nothing of multipliers below half of what they must be", async () => {
    const program = gridProgram(block, 1);
    expect(await wideWalk(program, { engine, ratios: startRatios(program, 0.45) })).toBeNull();
  });

  it("notices a shortcut that is left out", async () => {
    const program = gridProgram(block, 1);
    const halved: Program = {
      ...program,
      steps: program.steps.map((step) =>
        step.kind === "affine" && step.terms.length === 2 ? { ...step, terms: step.terms.slice(1) } : step,
      ),
    };
    const [whole, less] = [await wideWalk(program, { engine }), await wideWalk(halved, { engine })];
    expect(less?.square).not.toBeCloseTo(whole?.square as number, 1);
  });
});
