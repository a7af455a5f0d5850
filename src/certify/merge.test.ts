/** @file Tests of merge.ts, here and of attacks: a data set in slices says of every sample what the whole says. */
import { describe, expect, it } from "vitest";
import { affine, functionOf } from "../../test/functions.ts";
import { attack } from "../attack/attack.ts";
import { mergeAttacked } from "../attack/merge.ts";
import { type Dataset, subset } from "../data/dataset.ts";
import { twoMoons } from "../data/toy.ts";
import { nodeEngine } from "../engine/node.ts";
import { relu } from "../ops/pointwise.ts";
import { slicesOf } from "../sweep/slices.ts";
import { random } from "../tensor/random.ts";
import { certifier, certify } from "./evaluate.ts";
import { mergeCertifications } from "./merge.ts";

const engine = nodeEngine({ threads: 1 });
const source = random(5);
const rows = (out: number, inner: number) =>
  Array.from({ length: out }, () => Array.from({ length: inner }, () => source.normal()));
const [first, second] = [rows(6, 2), rows(2, 6)];
const network = functionOf([2], (x) => affine(relu(affine(x, first, [0, 0, 0, 0, 0, 0])), second, [0, 0]));
const { test } = twoMoons(1);
const data: Dataset = subset(
  test,
  Array.from({ length: 60 }, (_, i) => i),
);
const parts = slicesOf(data.count).map(({ from, to }) =>
  subset(
    data,
    Array.from({ length: to - from }, (_, i) => from + i),
  ),
);

describe("slices", () => {
  it("are all samples, each once, in order and of nearly equal size", () => {
    for (const count of [1, 15, 16, 17, 60, 300, 4096, 10_000]) {
      const slices = slicesOf(count);
      expect([slices[0].from, slices[slices.length - 1].to]).toEqual([0, count]);
      for (const [i, { from }] of slices.entries()) if (i > 0) expect(from).toBe(slices[i - 1].to);
      const sizes = slices.map(({ from, to }) => to - from);
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      expect(Math.max(...sizes)).toBeLessThanOrEqual(256);
    }
    expect(parts.length).toBeGreaterThan(2);
  });
});

describe("mergeCertifications()", () => {
  it("gives every sample the radius that it has by itself, and the whole its shares", async () => {
    const question = { engine, norm: 2 as const, radii: [0.05, 0.2], local: { work: 1e8 } };
    const whole = await certify(network, { ...question, data });
    const ask = await certifier(network, { ...question, data });
    const merged = mergeCertifications(
      await Promise.all(parts.map((part) => ask({ data: part, local: { work: 1e8 } }))),
    );
    expect(merged.samples.map((s) => [s.index, s.label, s.predicted])).toEqual(
      whole.samples.map((s) => [s.index, s.label, s.predicted]),
    );
    // Searches of a radius end within a hundredth.
    for (const [i, { radius }] of merged.samples.entries())
      expect(Math.abs(radius / whole.samples[i].radius - 1)).toBeLessThan(0.02);
    expect(merged.accuracy).toBe(whole.accuracy);
    expect(merged.averageRadius).toBeCloseTo(
      merged.samples.reduce((sum, s) => sum + (s.predicted === s.label ? s.radius : 0), 0) / 60,
      12,
    );
    expect(merged.constant).toEqual(whole.constant);
    expect(merged.allowance).toBe(whole.allowance);
    for (const [i, { radius, accuracy }] of merged.certified.entries()) {
      const share = merged.samples.filter((s) => s.predicted === s.label && s.radius >= radius).length / 60;
      expect([radius, accuracy]).toEqual([whole.certified[i].radius, share]);
    }
  });

  it("takes the weaker of two constants, and refuses parts of different norms", async () => {
    const one = await certify(network, { engine, data: parts[0], local: "off" });
    const other = { ...one, constant: { ...one.constant, value: 2 * one.constant.value, proved: false } };
    expect(mergeCertifications([one, other]).constant).toMatchObject({ value: 2 * one.constant.value, proved: false });
    expect(() => mergeCertifications([one, { ...one, norm: "inf" }])).toThrow(/must be in one norm/);
    expect(() => mergeCertifications([])).toThrow(/at least one part/);
  });
});

describe("mergeAttacked()", () => {
  it("says of the whole what its samples say", async () => {
    const asked = { engine, norm: 2 as const, radii: [0.1, 0.4], attacks: ["pgd", "deepfool"] as const };
    const whole = await attack(network, { ...asked, data, seed: 1 });
    const found = await Promise.all(parts.map((part, k) => attack(network, { ...asked, data: part, seed: 1 + k })));
    const merged = mergeAttacked(found, 1);
    expect(merged.samples.map((s) => [s.index, s.label, s.predicted])).toEqual(
      whole.samples.map((s) => [s.index, s.label, s.predicted]),
    );
    expect([merged.accuracy, merged.protocol]).toEqual([whole.accuracy, whole.protocol]);
    expect(merged.examples).toEqual(Float32Array.from(found.flatMap((part) => [...part.examples])));
    const one = mergeAttacked([whole], 1);
    expect(one).toEqual(whole);
    for (const [k, { robust }] of merged.attacks.entries()) {
      for (const { accuracy } of robust) expect(Math.round(60 * accuracy) / 60).toBeCloseTo(accuracy, 12);
      expect(robust[0].accuracy).toBeGreaterThanOrEqual(merged.robust[0].accuracy);
      expect(merged.attacks[k].name).toBe(whole.attacks[k].name);
    }
  });
});
