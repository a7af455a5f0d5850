import { describe, expect, it } from "vitest";
import { affine, functionOf, randomNetwork, weight } from "../../../test/functions.ts";
import { nodeEngine } from "../../engine/node.ts";
import { evaluate } from "../../engine/reference.ts";
import { flowOf } from "../../graph/behaviour.ts";
import { input } from "../../graph/leaf.ts";
import type { Network } from "../../graph/network.ts";
import { add } from "../../ops/arith.ts";
import { reshape } from "../../ops/movement.ts";
import { batchNorm } from "../../ops/normalize.ts";
import { relu, tanh } from "../../ops/pointwise.ts";
import { maxPool } from "../../ops/pool.ts";
import { softmax } from "../../ops/softmax.ts";
import { random } from "../../tensor/random.ts";
import { tensor, toFloat64 } from "../../tensor/tensor.ts";
import { provedUpper } from "../bound.ts";
import type { Chain } from "../chain.ts";
import { lipschitz } from "../index.ts";
import { subjectOf } from "../subject.ts";
import { suffixOf, type WrittenChain } from "./written.ts";

const engine = nodeEngine({ threads: 1 });

function suffixOfNetwork(network: Network): {
  tail: WrittenChain | string;
  whole: (x: Float64Array) => Float64Array;
  size: number;
} {
  const subject = subjectOf(network);
  const { x, y } = subject.at(1, "float64");
  const tail = suffixOf(flowOf(x, y));
  const whole = (values: Float64Array) => toFloat64(evaluate({ y }, { x: tensor(values, x.shape, "float64") }).y);
  return { tail, whole, size: subject.size };
}

/** The chain at a point. */
function run({ affine, activations }: Chain, x: Float64Array): Float64Array {
  let state = x;
  affine.forEach(({ weight, bias }, i) => {
    const z = bias.map((b, r) => {
      let sum = b;
      for (let c = 0; c < weight.cols; c++) sum += weight.data[r * weight.cols + c] * state[c];
      return sum;
    });
    state = activations[i]?.apply(z) ?? z;
  });
  return state;
}

describe("suffixOf()", () => {
  it.each(["dense", "image"] as const)("is the network itself on random networks: %s", (kind) => {
    let whole = 0;
    for (let seed = 0; seed < 60; seed++) {
      const made = suffixOfNetwork(randomNetwork(random(seed), kind));
      if (typeof made.tail === "string" || made.tail.from.inputs.length > 0) continue;
      whole++;
      const source = random(seed + 1000);
      const x = Float64Array.from({ length: made.size }, () => source.normal());
      const [ours, judge] = [run(made.tail.chain, x), made.whole(x)];
      judge.forEach((v, i) => {
        expect(ours[i]).toBeCloseTo(v, 9);
      });
    }
    // Pooling and the like leave some networks without a chain from the input on, but never most of the dense ones.
    expect(whole).toBeGreaterThan(kind === "dense" ? 30 : 5);
  });

  it("carries what a shortcut needs beside the activations", () => {
    const { tail } = suffixOfNetwork(
      functionOf([2], (x) => {
        const h = relu(
          affine(x, [
            [1, -2],
            [3, 1],
            [0, 1],
          ]),
        );
        return affine(
          add(
            tanh(
              affine(h, [
                [1, 0, 1],
                [0, 1, 0],
                [2, 0, 0],
              ]),
            ),
            h,
          ),
          [[1, 1, 1]],
        );
      }),
    );
    if (typeof tail === "string") throw new Error(tail);
    expect(tail.chain.affine.map(({ weight }) => [weight.rows, weight.cols])).toEqual([
      [3, 2],
      [6, 3],
      [1, 6],
    ]);
    expect(Array.from(tail.chain.activations[1].low)).toEqual([0, 0, 0, 1, 1, 1]);
  });

  it("begins behind the last node that is not element by element", () => {
    const { tail } = suffixOfNetwork(
      functionOf([1, 2, 2], (x) => {
        const pooled = maxPool(x, { kernel: [2, 1], strides: [2, 1] });
        return affine(
          relu(
            affine(reshape(pooled, [x.shape[0], 2]), [
              [1, 2],
              [3, 4],
            ]),
          ),
          [[1, 1]],
        );
      }),
    );
    if (typeof tail === "string") throw new Error(tail);
    expect(tail.from.op.name).toBe("MaxPool");
    expect(tail.chain.affine).toHaveLength(2);
    expect(tail.exact).toBe(true);
    expect(tail.slack(2)).toBe(0);
  });

  it("is exact only where its offsets are constants of the model", () => {
    const after = suffixOfNetwork(functionOf([2], (x) => relu(add(affine(x, [[1, 2]]), 0.1)))).tail;
    const before = suffixOfNetwork(functionOf([2], (x) => relu(affine(add(x, 0.1), [[1, 2]])))).tail;
    const twice = suffixOfNetwork(functionOf([2], (x) => relu(add(add(affine(x, [[1, 2]]), 0.1), 0.2)))).tail;
    const exact = [after, before, twice].map((tail) => typeof tail !== "string" && tail.exact);
    expect(exact).toEqual([true, false, false]);
  });

  it("says why there is none", () => {
    expect(suffixOfNetwork(functionOf([3], (x) => softmax(x))).tail).toMatch(
      /Softmax is neither affine nor element by element/,
    );
    const { y } = { y: input("x", [1, 2], "float64") };
    expect(typeof suffixOf(flowOf(input("other", [1, 2], "float64"), y))).toBe("string");
  });
});

describe("the bounds of a chain, through lipschitz()", () => {
  it("keep their sides and their order on random networks", async () => {
    for (let seed = 0; seed < 12; seed++) {
      const network = randomNetwork(random(seed), seed % 2 === 0 ? "dense" : "image");
      const { bounds, lower } = await lipschitz(network, { engine, methods: "all", seconds: 0.3, seed });
      const value = (name: string) => bounds.find((b) => b.method === name && b.side !== "lower")?.value ?? Number.NaN;
      for (const b of bounds) {
        if (b.side === "upper") expect(b.value, `${b.method}, seed ${seed}`).toBeGreaterThanOrEqual(lower?.value ?? 0);
        if (b.side === "upper" && Number.isFinite(b.value)) expect(b.proved).toBe(true);
      }
      // Slack of rounding apart, what knows the activations is never worse than what only multiplies norms.
      if (Number.isFinite(value("lipsdp")))
        expect(value("lipsdp")).toBeLessThanOrEqual(value("frobenius") * (1 + 1e-9));
    }
  });

  it("is at most that of the walk, where the walk knows more of a shortcut than the chain that carries it", async () => {
    let capped = 0;
    for (let seed = 2000; seed < 2060; seed++) {
      const methods = ["autolip", "seqlip", "eclipse-fast", "lipsdp"];
      const { bounds } = await lipschitz(randomNetwork(random(seed), "dense"), { engine, methods, seconds: 0.02 });
      const [walk, ...others] = bounds.map(({ value }) => value);
      for (const value of others.filter(Number.isFinite)) {
        expect(value).toBeLessThanOrEqual(walk);
        if (value === walk) capped++;
      }
    }
    expect(capped).toBeGreaterThan(0);
  });

  it("branch only where the chain is the network itself", async () => {
    const pooled = functionOf([1, 2, 2], (x) => {
      const top = maxPool(x, { kernel: [2, 1], strides: [2, 1] });
      return relu(affine(reshape(top, [x.shape[0], 2]), [[1, 2]]));
    });
    const { bounds, lower } = await lipschitz(pooled, { engine, methods: ["branch"] });
    expect(bounds).toMatchObject([{ side: "upper", proved: false, status: "not a chain" }]);
    expect(lower).toBeNull();
    const moved = functionOf([2], (x) => relu(affine(add(x, 0.1), [[1, 2]])));
    expect((await lipschitz(moved, { engine, methods: ["branch"] })).upper).toBeNull();
  });

  it("know a domain although matrices and offsets carry rounding: batch-norm behind a matrix", async () => {
    const r = random(3);
    const draw = (n: number) => Array.from({ length: n }, () => r.normal());
    const [rows, last] = [[draw(3), draw(3), draw(3), draw(3)], [draw(4)]];
    const stats = [draw(4), draw(4), draw(4), draw(4).map((v) => v * v)];
    const network = functionOf([3], (x) => {
      const [scale, shift, mean, variance] = stats.map((v) => weight(x, v, [4]));
      return affine(relu(batchNorm(affine(x, rows), scale, shift, mean, variance)), last);
    });
    const { tail } = suffixOfNetwork(network);
    expect((tail as WrittenChain).exact).toBe(false);
    expect((tail as WrittenChain).shifts[0]).toBeGreaterThan(0);
    expect((tail as WrittenChain).shifts[0]).toBeLessThan(1e-11);
    const domain = { kind: "ball", center: [0.2, -0.1, 0.4], radius: 1e-3, norm: 2 } as const;
    const { bounds, lower } = await lipschitz(network, { engine, domain, seconds: 0.3 });
    for (const name of ["lipsdp", "interval", "recurjac"]) {
      const bound = bounds.find((b) => b.method === name);
      expect(bound).toMatchObject({ proved: true, side: "upper" });
      expect(lower?.value).toBeLessThanOrEqual(bound?.value as number);
      // No kink is near: the slope is one and the same.
      expect(bound?.value).toBeCloseTo(lower?.value as number, 3);
    }
  });

  it("take no derivative for a slope of a flat domain", async () => {
    const network = functionOf([2], (x) => relu(affine(x, [[1, 2]])));
    const on = (low: number[], high: number[]) =>
      lipschitz(network, { engine, methods: ["branch"], domain: { kind: "box", low, high } });
    expect((await on([0, 0], [1, 1])).lower?.value).toBeCloseTo(Math.sqrt(5), 9);
    // Along the first axis alone the constant is 1.
    expect((await on([0, 1], [1, 1])).lower).toBeNull();
  });

  it("certify only with what holds everywhere", async () => {
    const network = functionOf([2], (x) => relu(affine(x, [[1, 2]])));
    const domain = { kind: "box", low: [0, 0], high: [1, 1] } as const;
    const local = await lipschitz(network, { engine, domain });
    expect(local.upper?.proved).toBe(true);
    expect(provedUpper(local)).toBeUndefined();
    expect(provedUpper(await lipschitz(network, { engine }))?.proved).toBe(true);
  });
});
