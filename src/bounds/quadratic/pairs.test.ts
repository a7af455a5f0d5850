import { describe, expect, it } from "vitest";
import { affine, functionOf } from "../../../test/functions.ts";
import { nodeEngine } from "../../engine/node.ts";
import type { Node } from "../../graph/graph.ts";
import type { Network } from "../../graph/network.ts";
import { sub } from "../../ops/arith.ts";
import { reshape, sliceAxis } from "../../ops/movement.ts";
import { exp, relu } from "../../ops/pointwise.ts";
import { maxPool } from "../../ops/pool.ts";
import { maxMin } from "../../ops/sort.ts";
import { random } from "../../tensor/random.ts";
import { autoLip } from "../autoLip.ts";
import { lipschitz } from "../index.ts";
import { marginsOf } from "../margin.ts";
import { subjectOf } from "../subject.ts";
import { classPairs } from "./pairs.ts";

const engine = nodeEngine({ threads: 1 });
const r = random(5);
const rows = (n: number, m: number) =>
  Array.from({ length: n }, () => Array.from({ length: m }, () => r.normal() / Math.sqrt(m)));

const networks: readonly (readonly [string, (x: Node) => Node])[] = [
  [
    "relu",
    (
      ([A, B, C]) =>
      (x: Node) =>
        affine(relu(affine(relu(affine(x, A)), B)), C)
    )([rows(8, 4), rows(6, 8), rows(3, 6)]),
  ],
  [
    "maxMin",
    (
      ([A, B]) =>
      (x: Node) =>
        affine(maxMin(affine(x, A)), B)
    )([rows(6, 4), rows(3, 6)]),
  ],
  [
    "behind a pool",
    (
      ([A, B]) =>
      (x: Node) => {
        const pooled = maxPool(reshape(x, [x.shape[0], 1, 4]), { kernel: [2], strides: [1], pads: [0, 1] });
        return affine(relu(affine(reshape(pooled, [x.shape[0], 4]), A)), B);
      }
    )([rows(6, 4), rows(3, 6)]),
  ],
];

describe("classPairs()", () => {
  it.each(networks)("is above what is seen of every difference, and below the walk's: %s", async (_, f) => {
    const network: Network = functionOf([4], f);
    const { propagation } = await autoLip(subjectOf(network), 2);
    const found = await classPairs(propagation, { engine });
    if (!found) throw new Error("no walk");
    const walk = marginsOf(propagation, 2, found.bound);
    expect(found.bound.proved).toBe(true);
    let tighter = 0;
    for (let y = 0; y < 3; y++) {
      for (let j = 0; j < y; j++) {
        const apart = functionOf([4], (x) => sub(sliceAxis(f(x), 1, y, y + 1), sliceAxis(f(x), 1, j, j + 1)));
        const { lower } = await lipschitz(apart, { engine, methods: ["jacobian", "pairs"], seconds: 0.5 });
        expect(found.pair(y, j)).toBeGreaterThanOrEqual(lower?.value as number);
        expect(found.pair(y, j)).toBe(found.pair(j, y));
        if (found.pair(y, j) < walk.pair(y, j)) tighter++;
      }
    }
    expect(tighter).toBe(3);
    expect(found.pair(1, 1)).toBe(0);
  });

  it("is null where what is before the chain has no constant", async () => {
    const { propagation } = await autoLip(subjectOf(functionOf([4], (x) => affine(exp(x), rows(3, 4)))), 2);
    expect(await classPairs(propagation, { engine })).toBeNull();
  });
});
