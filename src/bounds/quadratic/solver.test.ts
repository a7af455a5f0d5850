/** @file The quadratic walk against a solver of semidefinite programs, on structures that are small enough for one. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { affine, functionOf, weight } from "../../../test/functions.ts";
import { written } from "../../../test/realise.ts";
import { nodeEngine } from "../../engine/node.ts";
import type { Node } from "../../graph/graph.ts";
import { add } from "../../ops/arith.ts";
import { conv } from "../../ops/conv.ts";
import { matmul } from "../../ops/matmul.ts";
import { concat, flatten, sliceAxis, transpose } from "../../ops/movement.ts";
import { leakyRelu, relu, tanh } from "../../ops/pointwise.ts";
import { averagePool, maxPool } from "../../ops/pool.ts";
import { maxMin } from "../../ops/sort.ts";
import { type Random, random } from "../../tensor/random.ts";
import { type Shape, sizeOf } from "../../tensor/shape.ts";
import { nodeNorms } from "../norm/node.ts";
import { fusedFlow } from "../patterns/fuse.ts";
import { subjectOf } from "../subject.ts";
import { denseCuts } from "./cuts.ts";
import { gridCuts } from "./gridCuts.ts";
import { quadraticBound } from "./lipsdp.ts";

/** A Python with cvxpy and Clarabel; LIPSCHITZ_PYTHON names another than the one of the path. */
const python = process.env.LIPSCHITZ_PYTHON ?? "python3";
const there = spawnSync(python, ["-c", "import cvxpy, clarabel"]).status === 0;
if (!there) console.log(`skipped: ${python} has no cvxpy and clarabel (pip install cvxpy clarabel)`);

const script = fileURLToPath(new URL("../../../bench/sdp.py", import.meta.url));

const rows = (r: Random, n: number, m: number) =>
  Array.from({ length: n }, () => Array.from({ length: m }, () => r.normal() / Math.sqrt(m)));

const drawn = (like: Node, r: Random, shape: Shape): Node =>
  weight(
    like,
    Array.from({ length: sizeOf(shape) }, () => r.normal() / Math.sqrt(sizeOf(shape.slice(1)))),
    shape,
  );

const block = (h: Node, r: Random, width: number): Node =>
  add(h, affine(relu(affine(h, rows(r, width, width))), rows(r, width, width)));

const structures: readonly (readonly [string, Shape, (x: Node, r: Random) => Node])[] = [
  ["a chain", [4], (x, r) => affine(relu(affine(tanh(affine(x, rows(r, 6, 4))), rows(r, 5, 6))), rows(r, 3, 5))],
  ["blocks with shortcuts", [5], (x, r) => affine(block(block(block(x, r, 5), r, 5), r, 5), rows(r, 3, 5))],
  [
    "branches side by side",
    [4],
    (x, r) => {
      const a = relu(affine(x, rows(r, 4, 4)));
      const b = leakyRelu(affine(concat([a, x], 1), rows(r, 5, 8)), 0.2);
      return affine(concat([sliceAxis(b, 1, 1, 4), a], 1), rows(r, 2, 7));
    },
  ],
  [
    "sorted pairs",
    [4],
    (x, r) => affine(maxMin(affine(maxMin(affine(x, rows(r, 6, 4))), rows(r, 4, 6))), rows(r, 2, 4)),
  ],
  [
    "convolutions with a stride and a shortcut",
    [1, 4, 4],
    (x, r) => {
      const y = relu(conv(x, drawn(x, r, [2, 1, 2, 2]), { strides: [2, 2] }));
      const z = add(conv(y, drawn(x, r, [2, 2, 1, 1])), conv(x, drawn(x, r, [2, 1, 2, 2]), { strides: [2, 2] }));
      return matmul(flatten(relu(z)), transpose(drawn(x, r, [3, 8])));
    },
  ],
  [
    "a pool of largest numbers and one of means",
    [1, 4, 4],
    (x, r) => {
      const y = maxPool(conv(x, drawn(x, r, [1, 1, 1, 1])), { kernel: [2, 2], strides: [2, 2] });
      const z = averagePool(relu(conv(y, drawn(x, r, [2, 1, 1, 1]))), { kernel: [2, 2] });
      return matmul(flatten(z), transpose(drawn(x, r, [2, 2])));
    },
  ],
];

describe("a solver of semidefinite programs", () => {
  it.skipIf(!there).each(structures)(
    "comes to the same number: %s",
    async (_, sample, f) => {
      const { x, y } = subjectOf(functionOf(sample, (x) => f(x, random(3)))).at(1, "float64");
      const flow = fusedFlow(x, y);
      const program = (sample.length > 1 ? gridCuts : denseCuts)(flow, nodeNorms(flow));
      if (typeof program === "string") throw new Error(program);
      const { stdout, stderr } = spawnSync(python, [script], {
        input: JSON.stringify(written(program)),
        encoding: "utf8",
        maxBuffer: 2 ** 28,
      });
      const optimum = Number(stdout);
      if (!(optimum > 0)) throw new Error(stderr);
      const { value, ending } = await quadraticBound(program, { engine: nodeEngine() });
      expect(ending).toBe("converged");
      expect(value).toBeGreaterThan(optimum * (1 - 1e-5));
      expect(value).toBeLessThan(optimum * (1 + 1e-4));
    },
    120_000,
  );
});
