/** @file Tests of preprocess.ts. */
import { describe, expect, it } from "vitest";
import { UsageError } from "../tensor/errors.ts";
import { checkPreprocessing, normalizing, parsePreprocessing, preprocessingWords } from "./preprocess.ts";

describe("parsePreprocessing()", () => {
  it("reads the words of the command line", () => {
    const words = { scale: "255", mean: "0.49, 0.48,0.45", std: "0.25", layout: "nhwc" };
    expect(parsePreprocessing(words)).toEqual({ scale: 255, mean: [0.49, 0.48, 0.45], std: [0.25], layout: "nhwc" });
    expect(parsePreprocessing({})).toEqual({});
  });

  it.each([
    [{ scale: "" }, '--scale: must be a number, got ""'],
    [{ scale: "0" }, "preprocessing: scale must be finite and not 0, got 0"],
    [{ mean: "1,,2" }, '--mean: must be a number, got ""'],
    [{ std: "0.5,0" }, "preprocessing: std must be positive numbers, got [0.5,0]"],
    [{ layout: "NHWC" }, '--layout: must be nchw or nhwc, got "NHWC"'],
  ])("refuses %j", (words, message) => {
    expect(() => parsePreprocessing(words)).toThrow(new UsageError(message));
  });
});

describe("checkPreprocessing()", () => {
  it("takes one number, or one per channel", () => {
    const grey = { mean: [0.1], std: [0.3], scale: 255 };
    const colour = { mean: [0.1, 0.2, 0.3], layout: "nhwc" } as const;
    expect(checkPreprocessing(grey, [3, 32, 32])).toBe(grey);
    expect(checkPreprocessing(colour, [3, 32, 32])).toBe(colour);
    expect(() => checkPreprocessing({ mean: [1, 2] }, [3, 32, 32])).toThrow(
      "preprocessing: mean must hold 1 or 3 numbers for samples [3,32,32], got 2",
    );
  });

  it("takes a scale for each feature", () => {
    expect(parsePreprocessing({ scale: "1,2" })).toEqual({ scale: [1, 2] });
    const own = { scale: [1, 2] };
    expect(checkPreprocessing(own, [2])).toBe(own);
    expect(() => checkPreprocessing(own, [3])).toThrow("scale must hold 1 or 3 numbers for samples [3], got 2");
    expect(() => checkPreprocessing({ scale: [1, 0, 1] }, [3])).toThrow("scale must be finite and not 0");
    const all = { scale: [1, 2], mean: [0.5], std: [2, 3], layout: "nchw" } as const;
    expect(parsePreprocessing(preprocessingWords(all))).toEqual(all);
  });

  it("refuses nhwc for vectors, and a std that is not positive", () => {
    expect(() => checkPreprocessing({ layout: "nhwc" }, [4])).toThrow(
      "preprocessing: layout nhwc needs samples [channels,height,width], got [4]",
    );
    expect(() => checkPreprocessing({ std: [-1] }, [4])).toThrow(UsageError);
    expect(() => checkPreprocessing({ mean: [Number.NaN] }, [4])).toThrow(UsageError);
  });
});

describe("normalizing()", () => {
  it("brings every feature, or channel, to mean 0 and deviation 1; one that never changes only to 0", () => {
    const vectors = { x: Float32Array.of(1, 5, 10, 3, 5, 30), shape: [3], count: 2 };
    expect(normalizing(vectors)).toEqual({ mean: [2, 5, 20], std: [1, 1, 10] });
    const images = { x: Float32Array.of(0, 1, 4, 4, 1, 2, 8, 0), shape: [2, 1, 2], count: 2 };
    const { mean, std } = normalizing(images);
    expect(mean).toEqual([1, 4]);
    expect(std).toEqual([Math.fround(Math.sqrt(0.5)), Math.fround(Math.sqrt(8))]);
  });
});
