/** @file Tests of sequential.ts. */
import { describe, expect, it } from "vitest";
import { build, movedVariables } from "../../test/runs.ts";
import { evaluate } from "../engine/reference.ts";
import { ShapeError } from "../tensor/errors.ts";
import { within } from "../tensor/named.ts";
import { normalTensor, random } from "../tensor/random.ts";
import { tensor } from "../tensor/tensor.ts";
import { activation } from "./activation.ts";
import { batchNorm } from "./batchNorm.ts";
import { conv } from "./conv.ts";
import { dense } from "./dense.ts";
import { noVariables } from "./layer.ts";
import { flatten } from "./pool.ts";
import { residual, sequential } from "./sequential.ts";

const r = random(2);

describe("sequential()", () => {
  it("is the composition, by hand", () => {
    const net = sequential([dense(2), activation("relu"), dense(1)]);
    const params = {
      "0/weight": tensor([1, -1, 2, 0], [2, 2]),
      "0/bias": tensor([0, 1]),
      "2/weight": tensor([3, 5], [2, 1]),
      "2/bias": tensor([-1]),
    };
    // x W = [1 + 2x2, -x1 + 1] for x = [1, 2]: [5, 0]; for [-1, 3]: [5, 2].
    const { y, feeds } = build(net, { params, state: {} }, tensor([1, 2, -1, 3], [2, 2]), "eval", r);
    expect([...evaluate({ y }, feeds).y.data]).toEqual([14, 24]);
  });

  it("names variables by place, and nests", () => {
    const net = sequential([
      conv(2, { kernel: 3 }),
      sequential([batchNorm(), activation("relu")]),
      flatten(),
      dense(3),
    ]);
    const { params, state } = net.init(r, [1, 5, 5]);
    expect(Object.keys(params)).toEqual(["0/weight", "0/bias", "1/0/scale", "1/0/shift", "3/weight", "3/bias"]);
    expect(Object.keys(state)).toEqual(["1/0/mean", "1/0/variance"]);
    expect(params["3/weight"].shape).toEqual([18, 3]);
    const built = build(net, { params, state }, normalTensor(r, [4, 1, 5, 5]), "train", r);
    expect(Object.keys(built.updates)).toEqual(["1/0/mean", "1/0/variance"]);
  });

  it("gives every layer its own numbers", () => {
    const { params } = sequential([dense(4), dense(4)]).init(r, [4]);
    expect(params["0/weight"]).not.toEqual(params["1/weight"]);
  });
});

describe("residual()", () => {
  const batch = normalTensor(r.fork("x"), [2, 3]);

  it("is x + inner(x), or shortcut(x) + inner(x)", () => {
    const inner = sequential([dense(3), activation("tanh")]);
    for (const shortcut of [undefined, dense(3)]) {
      const layer = residual(inner, shortcut);
      const variables = movedVariables(layer, r, [3]);
      const part = (name: string) => ({ params: within(name, variables.params), state: {} });
      const whole = build(layer, variables, batch, "eval", r);
      const a = build(inner, part("inner"), batch, "eval", r);
      const b = shortcut && build(shortcut, part("shortcut"), batch, "eval", r);
      const y = evaluate({ y: whole.y }, whole.feeds).y.data;
      const ya = evaluate({ y: a.y }, a.feeds).y.data;
      const yb = b ? evaluate({ y: b.y }, b.feeds).y.data : batch.data;
      y.forEach((v, i) => {
        expect(v).toBeCloseTo(Number(ya[i]) + Number(yb[i]), 12);
      });
    }
  });

  it("refuses branches of different shapes", () => {
    expect(() => residual(dense(4)).shape([3])).toThrow(
      "residual: both branches must end in one shape, got [4] and [3]; give a shortcut",
    );
    expect(() => residual(conv(2, { kernel: 3 }), conv(2, { kernel: 1 })).shape([1, 5, 5])).toThrow(ShapeError);
    expect(
      residual(conv(2, { kernel: 3, stride: 2, padding: 1 }), conv(2, { kernel: 1, stride: 2 })).shape([1, 5, 5]),
    ).toEqual([2, 3, 3]);
  });

  it("doubles its input around nothing", () => {
    const { y, feeds } = build(residual(sequential([])), noVariables, batch, "eval", r);
    expect([...evaluate({ y }, feeds).y.data]).toEqual([...batch.data].map((v) => 2 * Number(v)));
  });
});
