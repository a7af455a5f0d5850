/** @file Judges: the engine's numbers are those of plain loops, gradients those of differences, with and without weights of the inputs. */
import { describe, expect, it } from "vitest";
import { chainOf, normalMatrix } from "../../../test/slopeChains.ts";
import { nodeEngine } from "../../engine/node.ts";
import { random } from "../../tensor/random.ts";
import { budget } from "../budget.ts";
import { chainForm } from "./form.ts";
import { goDown, judgeOf, logarithms } from "./judge.ts";
import { movedInward } from "./proof.ts";
import { closedForm } from "./start.ts";
import { weigh } from "./weigh.ts";

const slopes = [
  [0, 1],
  [-0.2, 1.3],
  [0.3, 1],
  [-1, 1],
] as const;

/** A chain with so many inputs, weights for them, and multipliers that are feasible with these. */
function example(inputs: number, ends: readonly [number, number]) {
  const r = random(7);
  const chain = chainOf([normalMatrix(r, 12, inputs), normalMatrix(r, 9, 12), normalMatrix(r, 3, 9)], ends);
  const form = chainForm(chain, { output: "rows", input: "columns" });
  const q = Float64Array.from({ length: inputs }, () => Math.exp(r.normal()));
  const edge = form && closedForm(weigh(form, q).form, "norm");
  if (!form || !edge) throw new Error("no start");
  return { form, x: logarithms([q, ...movedInward(edge, 0.1)]) };
}

describe("judgeOf()", () => {
  it("gives the same on the engine and in plain loops, and the gradient of differences", async () => {
    const engine = nodeEngine();
    for (const ends of slopes) {
      // More inputs than neurons, and fewer.
      for (const inputs of [20, 5]) {
        const { form, x } = example(inputs, ends);
        for (const outputs of ["each", "together"] as const) {
          const options = { outputs, inputs: "weighed" } as const;
          const [plain, onEngine] = [await judgeOf(form, 5, options), await judgeOf(form, 5, { ...options, engine })];
          const [a, b] = [await plain.at(x), await onEngine.at(x)];
          if (!a || !b) throw new Error("infeasible");
          expect(b.value).toBeCloseTo(a.value, 9);
          a.gradient.forEach((g, k) => {
            expect(b.gradient[k]).toBeCloseTo(g, 7);
          });
          for (const k of [0, inputs - 1, inputs + 3, inputs + 15]) {
            const [up, down] = await Promise.all(
              [1e-5, -1e-5].map((e) => plain.at(x.map((v, j) => (j === k ? v + e : v)))),
            );
            expect(a.gradient[k]).toBeCloseTo(((up?.value ?? 0) - (down?.value ?? 0)) / 2e-5, 6);
          }
          // The inputs weigh too little for such multipliers.
          const outside = x.map((v, j) => (j < inputs ? v - 9 : v));
          expect(await plain.at(outside)).toBeUndefined();
          expect(await onEngine.at(outside)).toBeUndefined();
          await onEngine.dispose();
        }
      }
    }
  });
});

describe("goDown()", () => {
  it("ends lower, or says that it cannot begin", async () => {
    const { form, x } = example(5, [0, 1]);
    const judge = await judgeOf(form, 5, { outputs: "each", inputs: "weighed" });
    const end = await goDown(judge, x, budget(), 1e-4);
    const [before, after] = [await judge.at(x), await judge.at(end ?? x)];
    expect(after?.value).toBeLessThan((before?.value ?? 0) - 0.1);
    const outside = x.map((v, j) => (j < 5 ? v - 9 : v));
    expect(await goDown(judge, outside, budget(), 1e-4)).toBeUndefined();
    expect(await goDown(judge, x, budget({ seconds: -1 }), 1e-4)).toBe(x);
  });
});
