/** @file The same questions to every method by name: does it keep its side beside all the others, does it scale, is it blind to the order of neurons, is it the same twice. A method that joins the list is asked too. */
import { describe, expect, it } from "vitest";
import type { Bound, Norm } from "../../src/bounds/bound.ts";
import { type BoundName, boundNames, lipschitz } from "../../src/bounds/index.ts";
import { applies } from "../../src/bounds/methods.ts";
import { nodeEngine } from "../../src/engine/node.ts";
import type { Node } from "../../src/graph/graph.ts";
import type { Network } from "../../src/graph/network.ts";
import { mul } from "../../src/ops/arith.ts";
import { abs, leakyRelu, relu, sigmoid, tanh } from "../../src/ops/pointwise.ts";
import { type Random, random } from "../../src/tensor/random.ts";
import { affine, functionOf, randomNetwork } from "../functions.ts";

const engine = nodeEngine({ threads: 1 });
const norms: readonly Norm[] = [1, 2, "inf"];
const global = { kind: "global" } as const;

type Rows = readonly (readonly number[])[];

function rows(r: Random, out: number, inner: number): Rows {
  return Array.from({ length: out }, () => Array.from({ length: inner }, () => r.normal() / Math.sqrt(inner)));
}

/** A dense chain of two hidden layers. */
const chain = (weights: readonly Rows[], act: (x: Node) => Node): Network =>
  functionOf([weights[0][0].length], (x) =>
    weights.reduce((y, W, k) => (k === 0 ? affine(y, W) : affine(act(y), W)), x),
  );

const drawn = (seed: number): readonly Rows[] => {
  const r = random(seed);
  return [rows(r, 4, 3), rows(r, 5, 4), rows(r, 2, 5)];
};

const ask = async (network: Network, name: BoundName, norm: Norm): Promise<Bound> => {
  const { bounds } = await lipschitz(network, { engine, norm, methods: [name], seed: 1 });
  return bounds[0];
};

const transposed = (W: Rows): Rows => W[0].map((_, j) => W.map((row) => row[j]));
const permuted = (W: Rows, order: readonly number[]): Rows => order.map((i) => W[i]);
const columns = (W: Rows, order: readonly number[]): Rows => W.map((row) => order.map((j) => row[j]));

/** Bounds that are the same from the other end: of the transposed chain, in the dual norm. */
const symmetric: readonly BoundName[] = ["frobenius", "autolip", "combettes-pesquet", "lipsdp", "interval"];
/** Bounds that are found by chance, so that a symmetry leads them elsewhere. */
const searches: readonly BoundName[] = ["jacobian", "pairs", "annealing", "greedy-seqlip"];

describe("all methods together", () => {
  it.each([
    ["relu", relu],
    ["leaky relu", (x: Node) => leakyRelu(x, 0.1)],
    ["abs", abs],
    ["tanh", tanh],
    ["sigmoid of twice", (x: Node) => sigmoid(mul(x, 2))],
  ] as const)("keep their sides on chains: %s", async (_, act) => {
    for (const norm of norms) {
      const { bounds } = await lipschitz(chain(drawn(7), act), { engine, norm, methods: "all", seconds: 0.3 });
      keepSides(bounds);
    }
  });

  it.each(["dense", "image"] as const)("keep their sides on random networks: %s", async (kind) => {
    for (let seed = 1000; seed < 1006; seed++) {
      const norm = norms[seed % 3];
      const { bounds } = await lipschitz(randomNetwork(random(seed), kind), {
        engine,
        norm,
        methods: "all",
        seconds: 0.1,
      });
      keepSides(bounds);
    }
  });
});

describe.each(boundNames)("%s", (name) => {
  const own = norms.filter((norm) => applies(name, norm, global));

  it("answers for the l2 norm of a chain, alone", async () => {
    const bound = await ask(chain(drawn(1), relu), name, 2);
    expect(bound.method).toBe(name);
    expect(bound.value).toBeGreaterThan(0);
    expect(bound.value).toBeLessThan(Number.POSITIVE_INFINITY);
    expect(bound.proved).toBe(bound.side === "upper");
  });

  it("is the same for the same seed", async () => {
    const network = chain(drawn(2), relu);
    for (const norm of own) {
      const [a, b] = [await ask(network, name, norm), await ask(network, name, norm)];
      expect({ ...b, seconds: 0 }).toEqual({ ...a, seconds: 0 });
    }
  });

  it("scales with the last layer", async () => {
    const [A, B, C] = drawn(3);
    const scaled = C.map((row) => row.map((v) => 4 * v));
    for (const norm of own) {
      const [one, four] = [
        await ask(chain([A, B, C], relu), name, norm),
        await ask(chain([A, B, scaled], relu), name, norm),
      ];
      expect(four.value / one.value).toBeCloseTo(4, searches.includes(name) ? 2 : 5);
    }
  });

  if (!searches.includes(name))
    it("does not see the order of neurons, inputs and outputs", async () => {
      const [A, B, C] = drawn(4);
      const [i, h, k, o] = [
        [2, 0, 1],
        [3, 1, 0, 2],
        [4, 2, 0, 1, 3],
        [1, 0],
      ];
      const moved = [columns(permuted(A, h), i), columns(permuted(B, k), h), columns(permuted(C, o), k)];
      for (const norm of own) {
        const [plain, other] = [
          await ask(chain([A, B, C], relu), name, norm),
          await ask(chain(moved, relu), name, norm),
        ];
        expect(other.value / plain.value).toBeCloseTo(1, 3);
      }
    });

  if (symmetric.includes(name))
    it("is the same from the other end, in the dual norm", async () => {
      const [A, B, C] = drawn(5);
      for (const norm of own) {
        const dual = norm === 2 ? 2 : norm === 1 ? "inf" : 1;
        const plain = await ask(chain([A, B, C], relu), name, norm);
        const other = await ask(chain([transposed(C), transposed(B), transposed(A)], relu), name, dual);
        expect(other.value / plain.value).toBeCloseTo(1, 3);
      }
    });
});

function keepSides(bounds: readonly Bound[]): void {
  const lower = bounds.filter((b) => b.side === "lower");
  const upper = bounds.filter((b) => b.side === "upper" && b.proved);
  expect(lower.length).toBeGreaterThan(0);
  expect(upper.length).toBeGreaterThan(0);
  for (const low of lower) {
    for (const high of upper) {
      expect(low.value, `${low.method} against ${high.method}`).toBeLessThanOrEqual(high.value);
    }
  }
}
