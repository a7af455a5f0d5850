/** @file Real networks nobody here wrote: each gets a bracket, or the reason why there is none. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { autoLip } from "../../src/bounds/autoLip.ts";
import { jacobian } from "../../src/bounds/lowerBounds/jacobian.ts";
import { subjectOf } from "../../src/bounds/subject.ts";
import { nodeEngine } from "../../src/engine/node.ts";
import { parseOnnx } from "../../src/onnx/read.ts";
import { UsageError } from "../../src/tensor/errors.ts";
import { hasShared, sharedData } from "../shared.ts";

const there = hasShared("onnx");
const engine = nodeEngine({ threads: 1 });

/** Without one floating-point input there is nothing to bound; a random network is not read at all. */
const refused = /concat_axis|multiInput_add|sub_var_test/;
const random = "layer-zoo_dropout_training_mode_true.onnx";
/** A product of two varying branches. */
const unbounded: readonly string[] = ["mnist/marabou_self-attention-mnist-pgd-medium.onnx"];

const files = there
  ? ["cifar", "control", "mnist", "ops"].flatMap((folder) =>
      readdirSync(`${sharedData}onnx/${folder}`)
        .filter((file) => file.endsWith(".onnx") && file !== random)
        .map((file) => `${folder}/${file}`),
    )
  : [];

describe.skipIf(!there)("bounds of real networks", () => {
  it.each(files)("%s", async (file) => {
    const network = parseOnnx(new Uint8Array(readFileSync(`${sharedData}onnx/${file}`)), { name: file });
    if (refused.test(file)) {
      expect(() => subjectOf(network)).toThrow(UsageError);
      return;
    }
    const subject = subjectOf(network);
    for (const norm of [2, "inf", 1] as const) {
      const { bound, propagation } = await autoLip(subject, norm, { seconds: 1 });
      if (unbounded.includes(file)) {
        expect(propagation.missing).toMatchObject({ why: "product of two varying branches", local: true });
        expect(bound).toMatchObject({ value: Number.POSITIVE_INFINITY, proved: false, status: "unbounded" });
        continue;
      }
      expect(bound.proved).toBe(true);
      if (norm !== 2) continue;
      const lower = await jacobian(subject, norm, { engine, points: 4, rounds: 2, seconds: 10 });
      expect(lower.value).toBeLessThanOrEqual(bound.value);
      expect(lower.value === 0).toBe(bound.value === 0);
    }
  });

  it.each(unbounded)("%s has a bracket in a ball and in a box", async (file) => {
    const network = parseOnnx(new Uint8Array(readFileSync(`${sharedData}onnx/${file}`)), { name: file });
    const subject = subjectOf(network);
    const center = new Float64Array(subject.size).fill(0.5);
    const found: number[] = [];
    for (const norm of [2, "inf", 1] as const) {
      for (const domain of [
        { kind: "ball", center, radius: 0.001, norm: 2 },
        { kind: "ball", center, radius: 0.01, norm: "inf" },
        { kind: "box", low: center.map((c) => c - 0.01), high: center.map((c) => c + 0.02) },
      ] as const) {
        const { bound } = await autoLip(subject, norm, { domain });
        expect(bound).toMatchObject({ proved: true, status: "done" });
        const lower = await jacobian(subject, norm, { engine, domain, points: 4, rounds: 2, seconds: 10 });
        expect(lower.value).toBeGreaterThan(0);
        expect(lower.value).toBeLessThanOrEqual(bound.value);
        found.push(bound.value);
      }
    }
    // A smaller domain is told from a larger one.
    expect(found[0]).toBeLessThan(found[1]);
    expect(found[1]).toBeLessThan(found[2]);
  });

  it("has all of them", () => {
    expect(files.length).toBeGreaterThanOrEqual(60);
    for (const file of unbounded) expect(files).toContain(file);
  });
});
