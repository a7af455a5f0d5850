import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { functionOf, randomNetwork, weight } from "../../../test/functions.ts";
import { realised } from "../../../test/realise.ts";
import { nodeEngine } from "../../engine/node.ts";
import { type Flow, flowOf } from "../../graph/behaviour.ts";
import type { Node } from "../../graph/graph.ts";
import { spectralNorm } from "../../linalg/norm.ts";
import { add } from "../../ops/arith.ts";
import { conv, convTranspose } from "../../ops/conv.ts";
import { matmul } from "../../ops/matmul.ts";
import { concat, flatten, sliceAxis, transpose } from "../../ops/movement.ts";
import { leakyRelu, relu } from "../../ops/pointwise.ts";
import { averagePool, globalAveragePool, maxPool } from "../../ops/pool.ts";
import { maxMin } from "../../ops/sort.ts";
import { type Random, random } from "../../tensor/random.ts";
import type { Shape } from "../../tensor/shape.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { jacobian } from "../lowerBounds/jacobian.ts";
import { denseOf, linearMap } from "../norm/affine.ts";
import { nodeNorms } from "../norm/node.ts";
import { fusedFlow } from "../patterns/fuse.ts";
import { subjectOf } from "../subject.ts";
import { denseCuts } from "./cuts.ts";
import { type GridOptions, gridCuts } from "./gridCuts.ts";
import { quadraticBound } from "./lipsdp.ts";
import type { Program } from "./program.ts";

const engine = nodeEngine();
const seeds = fc.nat({ max: 2 ** 31 });

const drawn = (like: Node, r: Random, shape: Shape, size = 1): Node =>
  weight(
    like,
    Array.from({ length: sizeOf(shape) }, () => (size * r.normal()) / Math.sqrt(sizeOf(shape.slice(1)))),
    shape,
  );

function programOf(flow: Flow, options: GridOptions = {}): Program {
  const program = gridCuts(flow, nodeNorms(flow), options);
  if (typeof program === "string") throw new Error(program);
  return program;
}

/** A network of one sample: the flow of its recognised graph. */
function flowFor(sample: Shape, f: (x: Node, r: Random) => Node, seed: number): Flow {
  const subject = subjectOf(functionOf(sample, (x) => f(x, random(seed))));
  const { x, y } = subject.at(1, "float64");
  return fusedFlow(x, y);
}

const linear: readonly (readonly [string, (x: Node, r: Random) => Node])[] = [
  ["zeros around", (x, r) => conv(x, drawn(x, r, [3, 2, 3, 3]), { pads: [1, 1, 1, 1] })],
  ["strides", (x, r) => conv(x, drawn(x, r, [3, 2, 3, 3]), { pads: [1, 0, 1, 1], strides: [2, 2] })],
  [
    "groups and dilations",
    (x, r) => conv(x, drawn(x, r, [4, 1, 2, 2]), { groups: 2, dilations: [2, 1], pads: [1, 0, 1, 1] }),
  ],
  ["a transposed convolution", (x, r) => convTranspose(x, drawn(x, r, [2, 3, 3, 3]), { pads: [1, 1, 1, 1] })],
  ["a mean", (x) => averagePool(x, { kernel: [2, 2], strides: [2, 2] })],
  [
    "a shortcut and slices",
    (x, r) => {
      const y = conv(x, drawn(x, r, [2, 2, 3, 3]), { pads: [1, 1, 1, 1] });
      return concat([add(x, y), sliceAxis(x, 1, 1, 2)], 1);
    },
  ],
  ["part of the image", (x) => sliceAxis(sliceAxis(x, 2, 1, 5), 3, 0, 4)],
];

const dense: readonly (readonly [string, (x: Node, r: Random) => Node])[] = [
  [
    "all places",
    (x, r) =>
      matmul(flatten(conv(x, drawn(x, r, [3, 2, 3, 3]), { pads: [1, 1, 1, 1] })), transpose(drawn(x, r, [4, 108]))),
  ],
  [
    "channels last",
    (x, r) =>
      matmul(flatten(transpose(conv(x, drawn(x, r, [3, 2, 1, 1])), [0, 2, 3, 1])), transpose(drawn(x, r, [4, 108]))),
  ],
  [
    "means of channels",
    (x, r) => flatten(globalAveragePool(conv(x, drawn(x, r, [3, 2, 3, 3]), { pads: [1, 1, 1, 1], strides: [2, 2] }))),
  ],
];

describe("gridCuts()", () => {
  it.each([...linear, ...dense])("is no less than the matrix of the network itself: %s", async (_, f) => {
    const flow = flowFor([2, 6, 6], f, 3);
    const region = { output: flow.output, sources: [flow.input], nodes: flow.varying.slice(1) };
    const map = linearMap(region, flow.input);
    if (!map) throw new Error("no derivative");
    const exact = spectralNorm(denseOf(map)).lower;
    const { value } = await quadraticBound(programOf(flow), { engine });
    expect(value).toBeGreaterThanOrEqual(exact);
    // The grid is larger than the image.
    expect(value).toBeLessThan(1.35 * exact);
    // On the grid itself it is the norm.
    const onGrid = spectralNorm(realised(programOf(flow), random(0))).upper;
    expect(value).toBeGreaterThanOrEqual(onGrid * (1 - 1e-9));
    expect(value).toBeLessThan(onGrid * (1 + 1e-6));
  });

  const networks: readonly (readonly [string, (x: Node, r: Random) => Node])[] = [
    [
      "two convolutions",
      (x, r) => {
        const y = relu(conv(x, drawn(x, r, [3, 2, 3, 3], 2), { pads: [1, 1, 1, 1] }));
        return conv(y, drawn(x, r, [2, 3, 3, 3]), { pads: [1, 1, 1, 1] });
      },
    ],
    [
      "a block with a stride",
      (x, r) => {
        const y = relu(conv(x, drawn(x, r, [3, 2, 3, 3], 2), { pads: [1, 1, 1, 1], strides: [2, 2] }));
        const z = conv(y, drawn(x, r, [3, 3, 3, 3]), { pads: [1, 1, 1, 1] });
        return relu(add(z, conv(x, drawn(x, r, [3, 2, 1, 1]), { strides: [2, 2] })));
      },
    ],
    [
      "a block without an activation behind it",
      (x, r) => {
        const y = relu(conv(x, drawn(x, r, [2, 2, 3, 3], 2), { pads: [1, 1, 1, 1] }));
        const h = add(x, conv(y, drawn(x, r, [2, 2, 3, 3]), { pads: [1, 1, 1, 1] }));
        return conv(h, drawn(x, r, [2, 2, 3, 3]), { pads: [1, 1, 1, 1] });
      },
    ],
    [
      "a slope above 0",
      (x, r) => {
        const y = leakyRelu(conv(x, drawn(x, r, [3, 2, 3, 3], 2), { pads: [1, 1, 1, 1] }), 0.2);
        return conv(y, drawn(x, r, [2, 3, 3, 3]), { pads: [1, 1, 1, 1] });
      },
    ],
    [
      "pools of largest numbers",
      (x, r) => {
        const y = maxPool(relu(conv(x, drawn(x, r, [3, 2, 3, 3], 2), { pads: [1, 1, 1, 1] })), {
          kernel: [3, 3],
          strides: [2, 2],
        });
        return conv(y, drawn(x, r, [2, 3, 3, 3]), { pads: [1, 1, 1, 1] });
      },
    ],
    [
      "pools that overlap and have zeros around",
      (x, r) => {
        const y = maxPool(conv(x, drawn(x, r, [3, 2, 3, 3], 2), { pads: [1, 1, 1, 1] }), {
          kernel: [2, 2],
          strides: [1, 1],
          pads: [0, 0, 1, 1],
        });
        return matmul(flatten(y), transpose(drawn(x, r, [3, 108])));
      },
    ],
    [
      "means whose windows hold less at the border",
      (x, r) => {
        const y = averagePool(relu(conv(x, drawn(x, r, [3, 2, 3, 3], 2), { pads: [1, 1, 1, 1] })), {
          kernel: [3, 3],
          strides: [2, 2],
          pads: [1, 1, 1, 1],
        });
        return conv(y, drawn(x, r, [2, 3, 3, 3]), { pads: [1, 1, 1, 1] });
      },
    ],
    [
      "sorted channels",
      (x, r) =>
        conv(maxMin(conv(x, drawn(x, r, [4, 2, 3, 3]), { pads: [1, 1, 1, 1] })), drawn(x, r, [2, 4, 3, 3]), {
          pads: [1, 1, 1, 1],
        }),
    ],
    [
      "dense layers behind",
      (x, r) => {
        const y = relu(conv(x, drawn(x, r, [3, 2, 3, 3], 2), { pads: [1, 1, 1, 1], strides: [2, 2] }));
        const z = relu(matmul(flatten(y), transpose(drawn(x, r, [8, 27]))));
        return matmul(z, transpose(drawn(x, r, [3, 8])));
      },
    ],
  ];

  it.each(networks)("is above what is witnessed, near the program number by number: %s", async (name, f) => {
    for (const staged of name.startsWith("pools") ? [false, true] : [false]) {
      const [seed, sample] = [1, [2, 6, 6]];
      const network = functionOf(sample, (x) => f(x, random(seed)));
      const flow = flowFor(sample, f, seed);
      const program = programOf(flow, { staged });
      const { value } = await quadraticBound(program, { engine, steps: 60 });
      const lower = await jacobian(subjectOf(network), 2, { engine, seed: 1, domain: { kind: "global" }, rounds: 40 });
      expect(value).toBeGreaterThanOrEqual(lower.value);
      const r = random(seed);
      for (let k = 0; k < 6; k++) expect(value).toBeGreaterThanOrEqual(spectralNorm(realised(program, r)).lower);
      // A multiplier for each number instead of each channel, and no grid around.
      const byNumber = denseCuts(flow, nodeNorms(flow));
      if (typeof byNumber === "string") throw new Error(byNumber);
      const other = await quadraticBound(byNumber, { engine, steps: 60 });
      expect(value).toBeGreaterThanOrEqual(0.98 * other.value);
      // Multipliers by channel know less where the border of the image counts as much as here.
      expect(value).toBeLessThan(3.5 * other.value);
    }
  });

  it("covers random networks, never below what they are witnessed to do", async () => {
    let covered = 0;
    await fc.assert(
      fc.asyncProperty(seeds, async (seed) => {
        const subject = subjectOf(randomNetwork(random(seed), "image"));
        const { x, y } = subject.at(1, "float64");
        const flow = fusedFlow(x, y);
        const gate = flow.varying.find((node) => node.shape.length === 4);
        const program = gate && gridCuts(flowOf(gate, flow.output), nodeNorms(flow), { staged: seed % 2 === 1 });
        if (!program || typeof program === "string") return;
        covered++;
        const { value } = await quadraticBound(program, { engine, steps: 30 });
        const { value: lower } = await jacobian(subject, 2, {
          engine,
          seed: 1,
          domain: { kind: "global" },
          rounds: 10,
        });
        expect(value).toBeGreaterThanOrEqual(lower);
        expect(value).toBeGreaterThanOrEqual(spectralNorm(realised(program, random(seed))).lower);
      }),
      { numRuns: 12, seed: 1 },
    );
    expect(covered).toBeGreaterThan(3);
  });
});
