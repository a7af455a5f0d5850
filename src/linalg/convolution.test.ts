import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { random } from "../tensor/random.ts";
import { convolutionNorm, convolutionOperator, unroll } from "./convolution.ts";
import { compare, exact, plus } from "./exact.ts";
import { fourierBound } from "./fourier.ts";
import { type Matrix, matrix, multiply } from "./matrix.ts";
import { inducedNorm, spectralNorm } from "./norm.ts";
import { matrixOperator } from "./operator.ts";
import { axesOf, type Convolution } from "./stencil.ts";

interface Spec {
  readonly rank: 1 | 2;
  readonly outs: number;
  readonly ins: number;
  readonly groups: number;
  readonly taps: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly pads: readonly number[];
  readonly sizes: readonly number[];
  readonly seed: number;
}

/** A convolution with normal weights; `pads` are [begin, begin, end, end] and the lists are cut to the rank. */
function make(spec: Spec): Convolution {
  const { rank, groups } = spec;
  const kernelShape = spec.taps.slice(0, rank);
  const r = random(spec.seed);
  const length = kernelShape.reduce((a, b) => a * b, spec.outs * groups * spec.ins);
  return {
    kernel: Float64Array.from({ length }, () => r.normal()),
    outChannels: spec.outs * groups,
    inChannels: spec.ins,
    kernelShape,
    strides: spec.strides.slice(0, rank),
    dilations: spec.dilations.slice(0, rank),
    pads: [...spec.pads.slice(0, rank), ...spec.pads.slice(2, 2 + rank)],
    groups,
    input: spec.sizes.slice(0, rank),
  };
}

const pair = (min: number, max: number) => fc.tuple(fc.integer({ min, max }), fc.integer({ min, max }));
const spec: fc.Arbitrary<Spec> = fc
  .record({
    rank: fc.constantFrom<1 | 2>(1, 2),
    outs: fc.integer({ min: 1, max: 3 }),
    ins: fc.integer({ min: 1, max: 3 }),
    groups: fc.integer({ min: 1, max: 2 }),
    taps: pair(1, 5),
    strides: pair(1, 3),
    dilations: pair(1, 2),
    pads: fc.tuple(pair(0, 4), pair(0, 4)).map((both) => both.flat()),
    sizes: pair(1, 6),
    seed: fc.nat(),
  })
  .filter((s) =>
    [0, 1]
      .slice(0, s.rank)
      .every((a) => s.sizes[a] + s.pads[a] + s.pads[2 + a] >= s.dilations[a] * (s.taps[a] - 1) + 1),
  );

/** The definition, with padding written out. */
function direct(conv: Convolution, x: Float64Array): number[] {
  const two = conv.input.length === 2;
  const list = (v: readonly number[]) => (two ? [v[0], v[1]] : [1, v[0]]);
  const [h, w] = list(conv.input);
  const [kh, kw] = list(conv.kernelShape);
  const [sh, sw] = list(conv.strides);
  const [dh, dw] = list(conv.dilations);
  const [top, left, bottom, right] = two ? conv.pads : [0, conv.pads[0], 0, conv.pads[1]];
  const outH = Math.floor((h + top + bottom - dh * (kh - 1) - 1) / sh) + 1;
  const outW = Math.floor((w + left + right - dw * (kw - 1) - 1) / sw) + 1;
  const result: number[] = [];
  for (let o = 0; o < conv.outChannels; o++) {
    const group = Math.floor(o / (conv.outChannels / conv.groups));
    for (let y = 0; y < outH; y++) {
      for (let z = 0; z < outW; z++) {
        let sum = 0;
        for (let i = 0; i < conv.inChannels; i++) {
          for (let s = 0; s < kh; s++) {
            for (let t = 0; t < kw; t++) {
              const [row, col] = [y * sh + s * dh - top, z * sw + t * dw - left];
              if (row < 0 || row >= h || col < 0 || col >= w) continue;
              const weight = conv.kernel[((o * conv.inChannels + i) * kh + s) * kw + t];
              sum += weight * x[((group * conv.inChannels + i) * h + row) * w + col];
            }
          }
        }
        result.push(sum);
      }
    }
  }
  return result;
}

/** The matrix of a convolution that wraps around, on sides N = stride M >= size + padding of one end, N >= stride out. */
function circular(conv: Convolution): Matrix {
  const [a, b] = axesOf(conv);
  const [Ma, Mb] = [a, b].map((axis) =>
    Math.max(Math.ceil((axis.size + Math.max(axis.begin, axis.end)) / axis.stride), axis.out),
  );
  const [Na, Nb] = [a.stride * Ma, b.stride * Mb];
  const cols = conv.inChannels * conv.groups * Na * Nb;
  const data = new Float64Array(conv.outChannels * Ma * Mb * cols);
  const perGroup = conv.outChannels / conv.groups;
  const wrap = (x: number, n: number) => ((x % n) + n) % n;
  conv.kernel.forEach((weight, k) => {
    const t = k % b.taps;
    const s = Math.floor(k / b.taps) % a.taps;
    const i = Math.floor(k / (a.taps * b.taps)) % conv.inChannels;
    const o = Math.floor(k / (a.taps * b.taps * conv.inChannels));
    const channel = Math.floor(o / perGroup) * conv.inChannels + i;
    for (let y = 0; y < Ma; y++) {
      for (let x = 0; x < Mb; x++) {
        const from =
          wrap(a.stride * y + a.dilation * s - a.begin, Na) * Nb + wrap(b.stride * x + b.dilation * t - b.begin, Nb);
        data[((o * Ma + y) * Mb + x) * cols + channel * Na * Nb + from] += weight;
      }
    }
  });
  return { rows: conv.outChannels * Ma * Mb, cols, data };
}

const close = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  expect(a.length).toBe(b.length);
  for (let i = 0; i < a.length; i++) expect(Math.abs(a[i] - b[i])).toBeLessThan(1e-11);
};

describe("unroll() and convolutionOperator()", () => {
  it("are the definition, and the operator's adjoint is the transpose", () => {
    fc.assert(
      fc.property(spec, (s) => {
        const conv = make(s);
        const W = unroll(conv);
        const operator = convolutionOperator(conv);
        const r = random(s.seed).fork("vectors");
        const x = Float64Array.from({ length: W.cols }, () => r.normal());
        const y = Float64Array.from({ length: W.rows }, () => r.normal());
        const expected = direct(conv, x);
        close(multiply(W, matrix(W.cols, 1, x)).data, expected);
        close(operator.apply(x), expected);
        close(operator.adjoint(y), matrixOperator(W).adjoint(y));
        const absolute = spectralNorm({ ...W, data: W.data.map(Math.abs) });
        expect(operator.absolute).toBeGreaterThanOrEqual(absolute.lower);
      }),
      { numRuns: 300 },
    );
  });
});

describe("convolutionNorm()", () => {
  it("encloses the norms of the matrix in l1, l2 and l-inf", () => {
    fc.assert(
      fc.property(spec, (s) => {
        const conv = make(s);
        const W = unroll(conv);
        for (const p of [1, "inf"] as const) {
          const truth = inducedNorm(W, p);
          const { lower, upper } = convolutionNorm(conv, p);
          expect(upper).toBeGreaterThanOrEqual(truth.lower);
          expect(lower).toBeLessThanOrEqual(truth.upper);
          expect(upper - lower).toBeLessThanOrEqual(1e-13 * upper);
        }
        const truth = spectralNorm(W);
        const fourier = convolutionNorm(conv, 2, { unrollLimit: 0 });
        expect(fourier.upper).toBeGreaterThanOrEqual(truth.lower);
        expect(fourier.lower).toBeLessThanOrEqual(truth.upper);
        const unrolled = convolutionNorm(conv, 2);
        expect(unrolled.upper).toBeGreaterThanOrEqual(truth.lower);
        expect(unrolled.upper).toBeLessThanOrEqual(truth.upper * (1 + 1e-8));
        expect(unrolled.lower).toBeLessThanOrEqual(truth.upper);
        expect(unrolled.lower).toBeGreaterThanOrEqual(truth.lower * (1 - 1e-8));
      }),
      { numRuns: 300 },
    );
  });

  it("is above the matrix for every stride, dilation, padding and rank of a grid", () => {
    let seed = 0;
    for (const rank of [1, 2] as const) {
      for (const stride of [1, 2, 3]) {
        for (const dilation of [1, 2]) {
          for (const groups of [1, 2]) {
            for (const pads of [
              [0, 0, 0, 0],
              [1, 1, 1, 1],
              [2, 0, 1, 3],
              [0, 4, 0, 0],
            ]) {
              const conv = make({
                rank,
                outs: 2,
                ins: 2,
                groups,
                taps: [3, 2],
                strides: [stride, 4 - stride],
                dilations: [dilation, 1],
                pads,
                sizes: [7, 6],
                seed: seed++,
              });
              const truth = spectralNorm(unroll(conv));
              expect(fourierBound(conv).upper).toBeGreaterThanOrEqual(truth.lower);
            }
          }
        }
      }
    }
  });

  it("is exactly the norm of the circular map on the least grid that embeds it", () => {
    fc.assert(
      fc.property(spec, (s) => {
        const conv = make(s);
        const truth = spectralNorm(circular(conv));
        const { upper } = fourierBound(conv);
        expect(upper).toBeGreaterThanOrEqual(truth.lower);
        expect(upper).toBeLessThanOrEqual(truth.upper * (1 + 1e-8));
        const rough = fourierBound(conv, 1e-2).upper;
        expect(rough).toBeGreaterThanOrEqual(truth.lower);
        expect(rough).toBeLessThanOrEqual(truth.upper * (1 + 1.01e-2));
      }),
      { numRuns: 100 },
    );
  });

  it("is close to the matrix at stride 1 on 16 x 16, with a close lower bound", () => {
    for (const taps of [3, 5]) {
      const pad = (taps - 1) / 2;
      const conv = make({
        rank: 2,
        outs: 3,
        ins: 2,
        groups: 1,
        taps: [taps, taps],
        strides: [1, 1],
        dilations: [1, 1],
        pads: [pad, pad, pad, pad],
        sizes: [16, 16],
        seed: taps,
      });
      const truth = spectralNorm(unroll(conv));
      const { lower, upper, method } = convolutionNorm(conv, 2, { lowerIterations: 10, unrollLimit: 0 });
      expect(method).toBe("fourier");
      expect(upper / truth.upper).toBeLessThan(1.05);
      expect(lower / truth.upper).toBeGreaterThan(0.97);
    }
  });

  it("is exact where the circular map is: kernels of one tap", () => {
    for (const stride of [1, 2]) {
      const conv = make({
        rank: 2,
        outs: 4,
        ins: 3,
        groups: 1,
        taps: [1, 1],
        strides: [stride, stride],
        dilations: [1, 1],
        pads: [0, 0, 0, 0],
        sizes: [6, 6],
        seed: 4,
      });
      const truth = spectralNorm(matrix(4, 3, conv.kernel));
      expect(fourierBound(conv).upper / truth.upper).toBeCloseTo(1, 7);
    }
  });

  it("does not take the kernel's size for the grid", () => {
    // The symbol of [1, -2, 1] is 2 cos - 2: 3 in size at most on a grid of three, 4 on a fine one; the matrix has norm near 4.
    const conv: Convolution = {
      kernel: Float64Array.of(1, -2, 1),
      outChannels: 1,
      inChannels: 1,
      kernelShape: [3],
      strides: [1],
      dilations: [1],
      pads: [1, 1],
      groups: 1,
      input: [40],
    };
    const { lower, upper } = convolutionNorm(conv, 2, { unrollLimit: 0, lowerIterations: 10 });
    expect(upper).toBeGreaterThan(3.99);
    expect(upper).toBeLessThan(4 + 1e-8);
    expect(lower).toBeGreaterThan(3.9);
  });

  it("holds for causal and anticausal padding, where a grid of the image's size wraps around", () => {
    for (const pads of [
      [0, 2],
      [2, 0],
      [0, 4],
      [4, 0],
      [1, 3],
    ]) {
      for (const size of [1, 2, 3, 4]) {
        const conv: Convolution = {
          kernel: Float64Array.of(1, -2, 1),
          outChannels: 1,
          inChannels: 1,
          kernelShape: [3],
          strides: [1],
          dilations: [1],
          pads,
          groups: 1,
          input: [size],
        };
        expect(fourierBound(conv).upper).toBeGreaterThanOrEqual(spectralNorm(unroll(conv)).lower);
      }
    }
  });

  it("does not trust the estimates that sort the frequencies", () => {
    // Frequency 0 has the symbol I, found at once; frequency pi has one value 1.05 among 63 of 0.95, which short iterations miss.
    const c = 64;
    const kernel = new Float64Array(2 * c * c);
    for (let i = 0; i < c; i++) {
      const other = i === 0 ? 1.05 : 0.95;
      kernel[2 * i * (c + 1)] = (1 + other) / 2;
      kernel[2 * i * (c + 1) + 1] = (1 - other) / 2;
    }
    const conv: Convolution = {
      kernel,
      outChannels: c,
      inChannels: c,
      kernelShape: [2],
      strides: [1],
      dilations: [1],
      pads: [0, 1],
      groups: 1,
      input: [31],
    };
    const single = { ...conv, kernel: kernel.slice(0, 2), outChannels: 1, inChannels: 1 };
    expect(fourierBound(conv).upper).toBeGreaterThanOrEqual(spectralNorm(unroll(single)).lower);
    expect(fourierBound(conv).upper).toBeLessThan(1.05 * (1 + 1e-8));
  });

  it("counts the rounding of long kernels", () => {
    // At frequency 0 the symbol is the exact sum of the taps.
    for (let seed = 1; seed <= 6; seed++) {
      const conv = make({
        rank: 1,
        outs: 1,
        ins: 1,
        groups: 1,
        taps: [900, 1],
        strides: [1, 1],
        dilations: [1, 1],
        pads: [0, 0, 0, 0],
        sizes: [900, 1],
        seed,
      });
      const kernel = conv.kernel.map(Math.abs);
      const sum = [...kernel].map(exact).reduce(plus);
      expect(compare(exact(fourierBound({ ...conv, kernel }).upper), sum)).toBeGreaterThanOrEqual(0);
    }
  });

  it("is never below a norm known exactly: ones add up at frequency 0", () => {
    for (const taps of [2, 3, 7, 10]) {
      for (const weight of [1, 0.1, 1 / 3, 1e-200, 1e200]) {
        const conv: Convolution = {
          kernel: new Float64Array(taps).fill(weight),
          outChannels: 1,
          inChannels: 1,
          kernelShape: [taps],
          strides: [taps],
          dilations: [1],
          pads: [0, 0],
          groups: 1,
          input: [5 * taps],
        };
        // Windows that do not overlap: each row has the norm weight sqrt(taps).
        const truth = weight * Math.sqrt(taps);
        const { upper } = fourierBound(conv);
        expect(upper).toBeGreaterThanOrEqual(truth * (1 - 1e-15));
        expect(upper).toBeLessThanOrEqual(truth * (1 + 1e-8));
      }
    }
  });

  it("passes the ends of the range on the right side", () => {
    const base = make({
      rank: 2,
      outs: 2,
      ins: 2,
      groups: 1,
      taps: [3, 3],
      strides: [1, 1],
      dilations: [1, 1],
      pads: [1, 1, 1, 1],
      sizes: [5, 5],
      seed: 1,
    });
    const zero = { ...base, kernel: new Float64Array(36) };
    for (const p of [1, 2, "inf"] as const) {
      expect(convolutionNorm(zero, p).upper).toBe(0);
      const huge = { ...base, kernel: new Float64Array(36).fill(1.7e308) };
      expect(convolutionNorm(huge, p).upper).toBe(Number.POSITIVE_INFINITY);
      expect(convolutionNorm(huge, p).lower).toBeLessThan(Number.POSITIVE_INFINITY);
    }
    expect(convolutionNorm({ ...base, kernel: new Float64Array(36).fill(1.7e308) }, 2, { unrollLimit: 0 }).upper).toBe(
      Number.POSITIVE_INFINITY,
    );
    const small = { ...base, kernel: base.kernel.map((x) => x * 1e-310) };
    const truth = spectralNorm(unroll(small));
    expect(convolutionNorm(small, 2, { unrollLimit: 0 }).upper).toBeGreaterThanOrEqual(truth.lower);
    // Between kernels of a group, zero ones do not hide the others.
    const half = { ...base, groups: 2, inChannels: 1, kernel: base.kernel.slice(0, 18).fill(0, 0, 9) };
    expect(fourierBound(half).upper).toBeGreaterThanOrEqual(spectralNorm(unroll(half)).lower);
  });

  it("refuses what is no convolution", () => {
    const base = make({
      rank: 2,
      outs: 2,
      ins: 2,
      groups: 1,
      taps: [3, 3],
      strides: [1, 1],
      dilations: [1, 1],
      pads: [0, 0, 0, 0],
      sizes: [5, 5],
      seed: 1,
    });
    const bad: readonly [Partial<Convolution>, string][] = [
      [
        { kernel: base.kernel.map((x, i) => (i === 3 ? Number.NaN : x)) },
        "entries must be finite, got NaN at position 3",
      ],
      [{ kernel: base.kernel.slice(1) }, "the kernel must have 36 entries, got 35"],
      [{ input: [2, 2] }, "the kernel must fit the padded input, got 3 on 2 + 0 + 0"],
      [{ strides: [1, 0] }, "stride must be a whole number from 1 on, got 0"],
      [{ pads: [0, 0, 0] }, "pads must have 4 numbers"],
      [{ pads: [0, 0, 0, -1] }, "pads must be a whole number from 0 on, got -1"],
      [{ groups: 3 }, "groups must divide outChannels, got 3 and 2"],
      [{ dilations: [1] }, "must name the same 1 or 2 axes"],
    ];
    for (const [change, message] of bad) {
      for (const p of [1, 2, "inf"] as const) {
        expect(() => convolutionNorm({ ...base, ...change }, p)).toThrow(
          `convolution: ${message}`.replace("convolution: must", "must"),
        );
      }
      expect(() => axesOf({ ...base, ...change })).toThrow("convolution:");
    }
  });
});
