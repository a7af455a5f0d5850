import { describe, expect, it } from "vitest";
import { affine, functionOf } from "../../../test/functions.ts";
import { nodeEngine } from "../../engine/node.ts";
import type { Node } from "../../graph/graph.ts";
import { leakyRelu, relu, sigmoid, silu, tanh } from "../../ops/pointwise.ts";
import { random } from "../../tensor/random.ts";
import type { Range } from "../domain.ts";
import { subjectOf } from "../subject.ts";
import { gains } from "./gains.ts";
import type { Partials } from "./partials.ts";
import { boxOf, type Part, pointIn } from "./regions.ts";
import { partialsOf } from "./subjectPartials.ts";

const engine = nodeEngine({ threads: 1 });

function dense(seed: number, widths: readonly number[], act: (x: Node) => Node) {
  const r = random(seed);
  return functionOf([widths[0]], (x) =>
    widths.slice(1).reduce((y, m, t) => {
      const n = widths[t];
      const W = Array.from({ length: m }, () => Array.from({ length: n }, () => (1.5 * r.normal()) / Math.sqrt(n)));
      return affine(
        t === 0 ? y : act(y),
        W,
        W.map(() => 0.3 * r.normal()),
      );
    }, x),
  );
}

/** Cut down to where all slopes are known. */
function regionsOf({ on, regions }: Partials, box: Range): { readonly part: Part; readonly slopes: Range }[] {
  if (!regions) throw new Error("an activation with one kink has regions");
  const found: { readonly part: Part; readonly slopes: Range }[] = [];
  const whole = on(box).neurons;
  if (!whole) throw new Error("ranges are finite");
  const visit = (part: Part | null): void => {
    const here = part ? boxOf(part.cell) : box;
    const { neurons, ...slopes } = on(here, part?.neurons ?? whole);
    if (!neurons) throw new Error("ranges are finite");
    const parts = regions.parts(here, neurons, part?.cell ?? null);
    if (parts === null && part) found.push({ part, slopes });
    else for (const next of parts ?? []) visit(next);
  };
  visit(null);
  return found;
}

describe("cuts along kinks", () => {
  it.each([
    ["relu", relu],
    ["leaky relu", (x: Node) => leakyRelu(x, 0.125)],
  ])("cover the box, and know the slopes of every part: %s", (_, act) => {
    for (let trial = 0; trial < 3; trial++) {
      const subject = subjectOf(dense(trial, [2, 6, 5, 2], act));
      const partials = partialsOf(subject, [0, 1]);
      const box = { low: Float64Array.of(-1, -0.5), high: Float64Array.of(1, 1.5) };
      const found = regionsOf(partials, box);
      expect(found.length).toBeGreaterThan(3);
      for (const { slopes } of found) {
        for (const [k, l] of slopes.low.entries()) expect(slopes.high[k] - l).toBeLessThan(1e-9);
      }
      const r = random(trial).fork("points");
      for (let k = 0; k < 300; k++) {
        const x = box.low.map((l, i) => l + r.uniform() * (box.high[i] - l));
        const J = partials.at(x);
        const holds = found.some(({ part, slopes }) => {
          const { low, high } = boxOf(part.cell);
          const inside = x.every((v, i) => v >= low[i] && v <= high[i]);
          return inside && J.every((v, i) => v >= slopes.low[i] - 1e-9 && v <= slopes.high[i] + 1e-9);
        });
        expect(holds, `${trial}: ${x}`).toBe(true);
      }
      // Each has a point of its own: no part was made that is not there.
      for (const { part, slopes } of found) {
        const x = pointIn(part.cell);
        if (!x) continue;
        for (const [i, v] of partials.at(x).entries()) expect(Math.abs(v - slopes.low[i])).toBeLessThan(1e-6);
      }
    }
  });

  it("are left out where an activation is smooth", () => {
    expect(partialsOf(subjectOf(dense(1, [2, 4, 2], tanh)), [0, 1]).regions).toBeUndefined();
  });

  it("close gains of networks with kinks on wide boxes, with one input that does not vary", async () => {
    const network = dense(7, [3, 10, 8, 2], relu);
    const domain = { kind: "box", low: [-2, 0.25, -2], high: [2, 0.25, 2] } as const;
    const found = await gains(network, { engine, domain });
    expect(found.status).toBe("done");
    expect(found.whole.upper / found.whole.lower).toBeLessThan(1.0101);
    const partials = partialsOf(subjectOf(network), [0, 2]);
    const r = random(3);
    let steepest = 0;
    for (let k = 0; k < 4000; k++) {
      const J = partials.at(Float64Array.of(4 * r.uniform() - 2, 0.25, 4 * r.uniform() - 2));
      steepest = Math.max(steepest, Math.hypot(J[0], J[2]));
    }
    expect(found.gains[0].upper).toBeGreaterThanOrEqual(steepest * (1 - 1e-9));
    expect(found.gains[0].upper).toBeLessThan(steepest * 1.2);
  });
});

describe("second derivatives", () => {
  it.each([
    ["tanh", tanh],
    ["sigmoid", sigmoid],
    ["silu", silu],
  ])("close gains with few boxes, and hold: %s", async (_, act) => {
    const network = dense(4, [2, 8, 8, 2], act);
    const found = await gains(network, { engine, domain: { kind: "box", low: [-1, -1], high: [1, 1] }, pieces: 4000 });
    expect(found.status).toBe("done");
    const partials = partialsOf(subjectOf(network), [0, 1]);
    const r = random(11);
    for (let k = 0; k < 200; k++) {
      const width = 10 ** (-3 * r.uniform());
      const low = Float64Array.of(-1, -1).map((l) => l + r.uniform() * (2 - width));
      const box = { low, high: low.map((v) => v + width) };
      const inside = partials.on(
        box,
        partials.on({ low: Float64Array.of(-1, -1), high: Float64Array.of(1, 1) }).neurons,
      );
      for (let point = 0; point < 5; point++) {
        const J = partials.at(low.map((l) => l + r.uniform() * width));
        J.forEach((v, i) => {
          expect(v).toBeGreaterThanOrEqual(inside.low[i] - 1e-12);
          expect(v).toBeLessThanOrEqual(inside.high[i] + 1e-12);
        });
      }
    }
  });
});
