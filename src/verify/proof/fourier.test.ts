import { describe, expect, it } from "vitest";
import { matrix } from "../../linalg/matrix.ts";
import { spectralNorm } from "../../linalg/norm.ts";
import { random } from "../../tensor/random.ts";
import type { Sparse } from "../algebra/sparse.ts";
import { convolutionMatrix, geometry } from "../read/windows.ts";
import { runAtOnce } from "../task.ts";
import { provedSymbols, symbolsOf } from "./fourier.ts";
import { provedNorm } from "./norm.ts";

interface Case {
  readonly space: readonly [number, number];
  readonly kernel: readonly [number, number];
  readonly strides?: readonly [number, number];
  readonly pads?: readonly [number, number, number, number];
  readonly dilations?: readonly [number, number];
  readonly channels: readonly [number, number];
  readonly groups?: number;
}

const cases: readonly Case[] = [
  { space: [6, 6], kernel: [3, 3], pads: [1, 1, 1, 1], channels: [2, 3] },
  { space: [7, 5], kernel: [3, 2], pads: [0, 1, 2, 0], channels: [3, 2] },
  { space: [8, 8], kernel: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1], channels: [2, 4] },
  { space: [7, 9], kernel: [4, 3], strides: [3, 2], pads: [2, 0, 1, 3], channels: [2, 2] },
  { space: [9, 8], kernel: [2, 3], strides: [1, 2], dilations: [3, 2], pads: [2, 2, 1, 1], channels: [1, 2] },
  { space: [5, 6], kernel: [1, 1], strides: [2, 2], channels: [3, 3] },
  { space: [4, 4], kernel: [5, 5], pads: [2, 2, 2, 2], channels: [1, 2] },
  { space: [6, 6], kernel: [3, 3], pads: [1, 1, 1, 1], channels: [4, 6], groups: 2 },
];

function convolution(
  { space, kernel, strides, pads, dilations, channels: [into, out], groups = 1 }: Case,
  seed: number,
) {
  const source = random(seed);
  const windows = geometry(space, kernel, strides, pads, dilations);
  if (windows === null) throw new Error("the windows do not fit");
  const shape = [out, into / groups, ...kernel];
  const data = Float64Array.from({ length: shape.reduce((n, d) => n * d, 1) }, () => Math.fround(source.normal()));
  const { matrix: map } = convolutionMatrix(windows, { type: "float", shape, data }, [1, into, ...space], groups);
  const taken = { taps: data, outChannels: out, inChannels: into, groups, geometry: windows, roundings: 0 };
  return { map, symbols: symbolsOf(taken) };
}

function norm({ rows, cols, start, index, value }: Sparse) {
  const data = new Float64Array(rows * cols);
  for (let i = 0; i < rows; i++) for (let k = start[i]; k < start[i + 1]; k++) data[i * cols + index[k]] = value[k];
  return spectralNorm(matrix(rows, cols, data), { tolerance: 1e-10 });
}

const flat = ({ rows, cols }: Sparse) => ({ from: [cols], to: [rows] });

describe("provedSymbols()", () => {
  it.each(cases)(
    "proves nothing below the norm of the convolution, and what is above its symbols: $space $kernel",
    (c) => {
      for (const seed of [1, 2, 3]) {
        const { map, symbols } = convolution(c, seed);
        const proved = (s: number) =>
          runAtOnce(provedSymbols(symbols, s, (symbol, rest) => provedNorm(symbol, 2, rest, flat(symbol))));
        const { lower } = norm(map);
        const circular = Math.max(...[...symbols.matrices()].map((symbol) => norm(symbol).upper));
        expect(proved(lower * (1 - 1e-12))).toBe(false);
        expect(circular).toBeGreaterThanOrEqual(lower * (1 - 1e-12));
        expect(proved(circular * (1 + 1e-9))).toBe(true);
        expect(proved(circular * (1 - 1e-9))).toBe(false);
        // The circle is not much larger than the image.
        expect(circular).toBeLessThan(lower * 2);
      }
    },
  );
});
