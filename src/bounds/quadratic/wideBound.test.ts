import { describe, expect, it } from "vitest";
import { functionOf, weight } from "../../../test/functions.ts";
import { nodeEngine } from "../../engine/node.ts";
import type { Node } from "../../graph/graph.ts";
import { add } from "../../ops/arith.ts";
import { conv } from "../../ops/conv.ts";
import { matmul } from "../../ops/matmul.ts";
import { flatten, transpose } from "../../ops/movement.ts";
import { relu } from "../../ops/pointwise.ts";
import { globalAveragePool, maxPool } from "../../ops/pool.ts";
import { random } from "../../tensor/random.ts";
import { type Shape, sizeOf } from "../../tensor/shape.ts";
import { autoLip } from "../autoLip.ts";
import { workClock } from "../budget.ts";
import { jacobian } from "../lowerBounds/jacobian.ts";
import { subjectOf } from "../subject.ts";
import { segmentsOf } from "./segments.ts";
import { thinned } from "./tune.ts";
import { wideBound } from "./wideBound.ts";
import { workOf } from "./work.ts";

const engine = nodeEngine();

/** Two blocks with a stride between them, a pool of largest numbers, and means of channels. */
const network = functionOf([2, 8, 8], (x) => {
  const r = random(7);
  const drawn = (shape: Shape) =>
    weight(
      x,
      Array.from({ length: sizeOf(shape) }, () => r.normal() * Math.sqrt(2 / sizeOf(shape.slice(1)))),
      shape,
    );
  const convolved = (h: Node, from: number, to: number, stride: number) =>
    conv(h, drawn([to, from, 3, 3]), { pads: [1, 1, 1, 1], strides: [stride, stride] });
  let h = maxPool(relu(convolved(x, 2, 4, 1)), { kernel: [2, 2], strides: [2, 2] });
  h = relu(add(h, convolved(relu(convolved(h, 4, 4, 1)), 4, 4, 1)));
  const inner = convolved(relu(convolved(h, 4, 6, 2)), 6, 6, 1);
  h = relu(add(conv(h, drawn([6, 4, 1, 1]), { strides: [2, 2] }), inner));
  return matmul(flatten(globalAveragePool(h)), transpose(drawn([3, 6])));
});

describe("wideBound()", async () => {
  const subject = subjectOf(network);
  const { propagation, bound: product } = await autoLip(subject, 2);
  const lower = await jacobian(subject, 2, { engine, seed: 1, domain: { kind: "global" }, rounds: 20 });

  it("walks the whole where there is time, and is far below the product of norms", async () => {
    const found = await wideBound(propagation, { engine, seconds: 0.03, norms: subject.norms, clock: workClock() });
    expect(found?.numbers).toEqual([]);
    expect(found?.value).toBeGreaterThan(lower.value);
    expect(found?.value).toBeLessThan(0.5 * product.value);
  });

  it("cuts around pools and in the middle where there is not, and says where", async () => {
    const whole = segmentsOf(propagation.flow, propagation.norms, 1e9);
    expect(whole).toHaveLength(1);
    const few = segmentsOf(propagation.flow, propagation.norms, whole[0].work / 8);
    expect(few.reduce((sum, { work }) => sum + work, 0)).toBeLessThanOrEqual(whole[0].work / 8);
    expect(few.length).toBeGreaterThan(2);
    // One after the other, from the input to the output.
    expect(few[0].from).toBe(propagation.flow.input);
    for (let k = 1; k < few.length; k++) expect(few[k].from).toBe(few[k - 1].to);
    expect(few[few.length - 1].to).toBe(propagation.flow.output);
    const found = await wideBound(propagation, {
      engine,
      seconds: whole[0].work / 8 / 4.8e9,
      norms: subject.norms,
      clock: workClock(),
    });
    expect(found?.numbers.length).toBeGreaterThan(1);
    expect(found?.value).toBeGreaterThan(lower.value);
    expect(found?.value).toBeLessThan(1.3 * product.value);
  });

  it("thins a program to a part of its frequencies", () => {
    const [{ program }] = segmentsOf(propagation.flow, propagation.norms, 1e9);
    if (!program) throw new Error("no program");
    const thin = thinned(program);
    expect(workOf(thin)).toBeLessThan(workOf(program));
    expect(thin.sides.every((side, i) => program.sides[i] % side === 0)).toBe(true);
  });
});
