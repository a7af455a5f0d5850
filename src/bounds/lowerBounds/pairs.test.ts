import { describe, expect, it } from "vitest";
import { affine, functionOf, randomNetwork } from "../../../test/functions.ts";
import { nodeEngine } from "../../engine/node.ts";
import { evaluate } from "../../engine/reference.ts";
import type { Network } from "../../graph/network.ts";
import { matrix } from "../../linalg/matrix.ts";
import { inducedNorm } from "../../linalg/norm.ts";
import { add, mul, sub } from "../../ops/arith.ts";
import { clip, relu, sigmoid } from "../../ops/pointwise.ts";
import { random } from "../../tensor/random.ts";
import { tensor } from "../../tensor/tensor.ts";
import { autoLip } from "../autoLip.ts";
import type { LowerBound, Norm } from "../bound.ts";
import { lengthOf } from "../length.ts";
import { subjectOf } from "../subject.ts";
import { annealing } from "./annealing.ts";
import { jacobian } from "./jacobian.ts";
import { pairs } from "./pairs.ts";
import type { LowerOptions } from "./search.ts";

const engine = nodeEngine({ threads: 1 });
const norms: readonly Norm[] = [1, 2, "inf"];
const methods = { jacobian, pairs, annealing };

const search = (network: Network, name: keyof typeof methods, norm: Norm = 2, options: Partial<LowerOptions> = {}) =>
  methods[name](subjectOf(network), norm, { engine, points: 8, rounds: 20, seconds: 20, ...options });

/** The quotient at a witness, by the reference evaluator. */
function shown(network: Network, { witness }: LowerBound, norm: Norm): number {
  if (!witness) throw new Error("no witness");
  const { x, y } = subjectOf(network).at(1, "float64");
  const at = (v: readonly number[]) => evaluate({ y }, { x: tensor(v, x.shape, "float64") }).y.data as Float64Array;
  const [a, b] = [at(witness.x), at(witness.y)];
  return (
    lengthOf(
      b.map((c, i) => c - a[i]),
      norm,
    ) /
    lengthOf(
      witness.y.map((c, i) => c - witness.x[i]),
      norm,
    )
  );
}

describe.each(["pairs", "annealing"] as const)("%s()", (name) => {
  it("gives a witness that shows the value, below what is proved, in every norm", async () => {
    for (const kind of ["dense", "image"] as const) {
      for (const norm of norms) {
        const network = randomNetwork(random(12), kind);
        const found = await search(network, name, norm);
        expect(found.value).toBeGreaterThan(0);
        expect(shown(network, found, norm)).toBeGreaterThan(found.value * (1 - 1e-9));
        expect(found.value).toBeLessThanOrEqual((await autoLip(subjectOf(network), norm)).bound.value);
      }
    }
  });

  it("finds the norm of a linear network", async () => {
    const rows = [
      [1, -2, 0.5],
      [0, 3, 1],
    ];
    const network = functionOf([3], (x) => affine(x, rows));
    for (const norm of norms) {
      const exact = inducedNorm(matrix(2, 3, rows.flat()), norm);
      const { value } = await search(network, name, norm);
      expect(value).toBeLessThanOrEqual(exact.upper);
      expect(value).toBeGreaterThan(exact.lower * (1 - 1e-6));
    }
  });

  it("is the same for the same seed", async () => {
    const network = randomNetwork(random(3), "dense");
    const [a, b] = [await search(network, name, 2, { seed: 5 }), await search(network, name, 2, { seed: 5 })];
    expect(b.witness).toEqual(a.witness);
  });

  it("says when time ran out, and has a first value to show", async () => {
    const network = randomNetwork(random(1), "dense");
    const first: LowerBound[] = [];
    const found = await search(network, name, 2, { seconds: 0, onFirst: (bound) => first.push(bound) });
    expect(found.status).toBe("stopped");
    expect(first).toHaveLength(1);
    expect(first[0].value).toBeGreaterThan(0);
    expect(shown(network, first[0], 2)).toBeGreaterThan(first[0].value * (1 - 1e-9));
  });
});

describe("pairs()", () => {
  // A step of height 1 and slope 100 at 3 e1: no gradient leads there, but a pair can lie across it, or a start in the units of the first layer.
  const ramp = functionOf([2], (x) => clip(sub(mul(affine(x, [[1, 0]]), 100), 300), 0, 1));

  it("sees a cliff between two points where both are flat", async () => {
    const { value } = await search(ramp, "pairs", 2, { points: 16, rounds: 40 });
    expect(value).toBeLessThanOrEqual(100);
    expect(value).toBeGreaterThan(99);
  });

  it("starts from a witness and is not worse", async () => {
    const network = functionOf([3], (x) => add(sigmoid(mul(x, 4)), relu(x)));
    const known = await search(network, "jacobian");
    const found = await search(network, "pairs", 2, { start: known.witness, rounds: 1, points: 1 });
    expect(found.value).toBeGreaterThanOrEqual(known.value * (1 - 1e-9));
  });
});
