import { describe, expect, it } from "vitest";
import { functionOf, weight } from "../../../test/functions.ts";
import { flowOf, regionOf } from "../../graph/behaviour.ts";
import type { Node } from "../../graph/graph.ts";
import { convolutionNorm } from "../../linalg/convolution.ts";
import { inducedNorm } from "../../linalg/norm.ts";
import { add, mul, neg, sub } from "../../ops/arith.ts";
import { conv } from "../../ops/conv.ts";
import { flatten } from "../../ops/movement.ts";
import { relu } from "../../ops/pointwise.ts";
import { normalTensor, random } from "../../tensor/random.ts";
import { autoLip } from "../autoLip.ts";
import type { Norm } from "../bound.ts";
import { subjectOf } from "../subject.ts";
import { denseOf, linearMap } from "./affine.ts";
import { mergedNorm } from "./merge.ts";
import { nodeNorms } from "./node.ts";

const norms: readonly Norm[] = [1, 2, "inf"];
const draw = (seed: number, n: number) => Array.from(normalTensor(random(seed), [n], 0.3).data as Float32Array);
const kernel = (x: Node, seed: number, out: number, inner: number, ...taps: number[]) =>
  weight(x, draw(seed, out * inner * taps.reduce((a, b) => a * b, 1)), [out, inner, ...taps]);
const same = { pads: [1, 1, 1, 1] };

/** The region that ends in the output of f, with its only source. */
function regionFrom(sample: readonly number[], f: (x: Node) => Node) {
  const { x, y } = subjectOf(functionOf(sample, (x) => f(x))).at(1, "float64");
  // Subjects put their outputs in rows; the region of interest ends before that.
  let end = y;
  while (end.shape.length < x.shape.length) end = end.inputs[0];
  const flow = flowOf(x, end);
  return { flow, norms: nodeNorms(flow), region: regionOf(end, flow), source: x };
}

describe("mergedNorm()", () => {
  it.each<[string, readonly number[], (x: Node) => Node]>([
    ["a shortcut", [2, 5, 4], (x) => add(x, conv(x, kernel(x, 1, 2, 2, 3, 3), same))],
    ["a difference", [2, 5, 4], (x) => sub(conv(x, kernel(x, 2, 2, 2, 3, 3), same), x)],
    ["a sign", [2, 4, 4], (x) => add(neg(x), conv(neg(x), kernel(x, 3, 2, 2, 3, 3), same))],
    ["one axis", [3, 7], (x) => add(x, conv(x, kernel(x, 4, 3, 3, 3), { pads: [2, 0] }))],
    ["groups", [4, 3, 3], (x) => add(x, conv(x, kernel(x, 5, 4, 2, 3, 3), { ...same, groups: 2 }))],
    [
      "two kernels with strides",
      [2, 6, 6],
      (x) =>
        add(
          conv(x, kernel(x, 6, 3, 2, 3, 3), { ...same, strides: [2, 2] }),
          conv(x, kernel(x, 7, 3, 2, 1, 1), { strides: [2, 2] }),
        ),
    ],
    [
      "dilation and factors on both sides",
      [2, 6, 5],
      (x) => {
        const factors = (seed: number) => weight(x, draw(seed, 2), [2, 1, 1]);
        const y = conv(mul(x, factors(8)), kernel(x, 9, 2, 2, 3, 3), { pads: [2, 2, 2, 2], dilations: [2, 2] });
        return add(mul(add(mul(y, factors(10)), x), factors(11)), mul(x, 0.5));
      },
    ],
    ["factors alone", [3, 2, 2], (x) => sub(mul(x, weight(x, [1, -4, 2], [3, 1, 1])), x)],
  ])("is the norm of the matrix: %s", (_, sample, f) => {
    const { flow, norms: own, region, source } = regionFrom(sample, f);
    const map = linearMap(region, source);
    if (!map) throw new Error("no matrix");
    for (const norm of norms) {
      const exact = inducedNorm(denseOf(map), norm);
      const found = mergedNorm(flow, own, region, source, norm);
      expect(found).toBeGreaterThanOrEqual(exact.lower * (1 - 1e-13));
      expect(found).toBeLessThanOrEqual(exact.upper * (1 + 1e-6));
    }
  });

  it("leaves what is no single convolution", () => {
    const rest: readonly ((x: Node) => Node)[] = [
      // A second kernel sees the zeros around the first one's result.
      (x) => conv(conv(x, kernel(x, 1, 2, 2, 3, 3), same), kernel(x, 2, 2, 2, 3, 3), same),
      // Factors that differ within a channel.
      (x) => add(x, mul(conv(x, kernel(x, 1, 2, 2, 3, 3), same), weight(x, draw(3, 32), [2, 4, 4]))),
    ];
    for (const f of rest) {
      const { flow, norms: own, region, source } = regionFrom([2, 4, 4], f);
      expect(mergedNorm(flow, own, region, source, 2)).toBe(null);
    }
  });
});

describe("autoLip() of a shortcut", () => {
  it("that is too large to write out is that of the kernel and the identity together", async () => {
    const [channels, side] = [4, 32];
    const values = draw(20, channels * channels * 9).map((v) => v / 2);
    const network = functionOf([channels, side, side], (x) =>
      flatten(relu(add(x, conv(x, weight(x, values, [channels, channels, 3, 3]), same)))),
    );
    const plus = (identity: number) => {
      const data = Float64Array.from(Float32Array.from(values));
      for (let c = 0; c < channels; c++) data[(c * channels + c) * 9 + 4] += identity;
      const geometry = { strides: [1, 1], dilations: [1, 1], pads: [1, 1, 1, 1], groups: 1, input: [side, side] };
      const sizes = { outChannels: channels, inChannels: channels, kernelShape: [3, 3] };
      return convolutionNorm({ kernel: data, ...sizes, ...geometry }, 2);
    };
    const { bound } = await autoLip(subjectOf(network), 2);
    expect(bound.value).toBeCloseTo(plus(1).upper, 5);
    expect(bound.value).toBeLessThan(0.97 * (1 + plus(0).upper));
  });
});
