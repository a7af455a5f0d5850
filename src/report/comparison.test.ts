/** @file The table of a comparison: its width, its marks, its words. */
import { describe, expect, it } from "vitest";
import type { Row } from "../experiment/comparison.ts";
import type { RunRecord } from "../experiment/record.ts";
import { comparedMethods, defaultsFor } from "../experiment/spec.ts";
import { renderComparison } from "./comparison.ts";

const recordOf = (name: (typeof comparedMethods)[number], accuracy: number, seconds = 1) => {
  const spec = defaultsFor(name);
  const record = {
    spec,
    norm: 2,
    accuracy,
    testLoss: 1 - accuracy,
    averageRadius: accuracy / 2,
    certified: spec.radii.map((radius) => ({ radius, accuracy: accuracy / 2 })),
    attacked: {
      samples: 500,
      protocol: { attacks: [{ name: "pgd" }] },
      robust: spec.radii.map((radius) => ({ radius, accuracy })),
    },
    bracket: { lower: { value: 123.4 }, upper: { value: 1234.5 } },
    curvature: { curvature: { mean: 12.34 } },
    seconds: { train: seconds },
  };
  return record as unknown as RunRecord;
};

describe("renderComparison()", () => {
  const rows: readonly Row[] = comparedMethods.map((name, i) => ({
    label: name,
    records: [recordOf(name, 0.9 + 0.01 * i, 1 + i), recordOf(name, 0.9 + 0.01 * i, 3 + i)],
  }));

  it("fits into 100 columns with every default method and radius", () => {
    const lines = renderComparison(rows).split("\n");
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(100);
    for (const name of comparedMethods) expect(lines.some((line) => line.startsWith(`${name} `))).toBe(true);
  });

  it("folds what is wider, with the methods in every part", () => {
    const radii = [0.05, 0.1, 0.2, 0.3, 0.5, 1];
    const wide = rows.map(({ label, records }) => ({
      label: `${label}, with a long label`,
      records: records.map((r) => ({
        ...r,
        spec: { ...r.spec, radii },
        certified: radii.map((radius) => ({ radius, accuracy: 0.5 })),
        attacked: r.attacked && { ...r.attacked, robust: radii.map((radius) => ({ radius, accuracy: 0.75 })) },
      })),
    }));
    const lines = renderComparison(wide).split("\n");
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(100);
    expect(lines.filter((line) => line.startsWith("plain, with"))).toHaveLength(2);
    expect(lines.filter((line) => / at 1( |$)/.test(line))).toHaveLength(1);
  });

  it("marks the best of a column, and gives times as multiples of plain's", () => {
    const text = renderComparison(rows);
    const lineOf = (name: string) => text.split("\n").find((line) => line.startsWith(name)) ?? "";
    expect(lineOf("plain")).toMatch(/ 90\.0 .* 1\.0x$/m);
    const last = comparedMethods[comparedMethods.length - 1];
    expect(lineOf(last)).toMatch(new RegExp(` ${(90 + comparedMethods.length - 1).toFixed(1)}\\*`));
    expect(lineOf("weight-decay")).toContain(" 1.5x");
    expect(text).toContain("Mean of 2 seeds; ±: half their range.");
  });

  it("stands a paper's numbers beside ours", () => {
    const text = renderComparison(rows, { source: "X 2020, table 1", values: { plain: { upper: 1000 } } });
    expect(text).toMatch(/plain +upper +1235 ±0\.00 +1000/);
    expect(text).toContain("paper: X 2020, table 1.");
  });

  it("of regressions compares test losses", () => {
    const record = { ...recordOf("plain", 0.5), accuracy: null, certified: null, attacked: null, curvature: null };
    const text = renderComparison([{ label: "plain", records: [record as unknown as RunRecord] }]);
    expect(text).toContain("test loss");
    expect(text).not.toContain("clean");
  });
});
