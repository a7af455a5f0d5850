/** @file Comparisons as plain data: what is read, what is refused, and how rows are compared. */
import { describe, expect, it } from "vitest";
import { bestBy, measureOf, measures, parseComparison, type Row, recommended, spreadOf } from "./comparison.ts";
import type { RunRecord } from "./record.ts";
import { defaultsFor } from "./spec.ts";

/** A record with the numbers that rows are compared by. */
const recordOf = (accuracy: number, radius: number, upper = 2) =>
  ({
    accuracy,
    testLoss: 1 - accuracy,
    averageRadius: radius,
    bracket: { lower: { value: 1 }, upper: { value: upper } },
  }) as unknown as RunRecord;

const rows: readonly Row[] = [
  { label: "a", records: [recordOf(1, 0.1), recordOf(0.5, 0.3)] },
  { label: "b", records: [recordOf(0.75, 0.4), recordOf(0.75, 0.6, 4)] },
];

describe("parseComparison()", () => {
  it("fills what a run does not say from common, then from the defaults of its method", () => {
    const spec = parseComparison({
      name: "two",
      seeds: [4, 5],
      common: { epochs: 3, radii: [0.2] },
      runs: [{ method: { name: "plain" } }, { label: "flat", method: { name: "clip", goal: 0.8 }, epochs: 7 }],
    });
    expect(spec.seeds).toEqual([4, 5]);
    expect(spec.runs.map((r) => [r.label, r.run.epochs, r.run.radii])).toEqual([
      ["plain", 3, [0.2]],
      ["flat", 7, [0.2]],
    ]);
    expect(spec.runs[1].run).toEqual({
      ...defaultsFor("clip"),
      method: { name: "clip", goal: 0.8 },
      epochs: 7,
      radii: [0.2],
      seed: 4,
    });
  });

  it("takes a single run", () => {
    const { runs, seeds } = parseComparison({ method: { name: "plain" }, seed: 9 });
    expect(runs).toEqual([{ label: "plain", run: { ...defaultsFor("plain"), seed: 9 } }]);
    expect(seeds).toEqual([9]);
  });

  it.each([
    [{}, /\$\.method: must be an object, got undefined/],
    [{ method: { name: "magic" } }, /\$\.method\.name: must be one of plain, .* got "magic"/],
    [{ method: { name: "plain" }, epoch: 3 }, /\$\.epoch: must be left out \(known: .*\), got 3/],
    [{ method: { name: "plain", decay: 1 } }, /\$\.method: method: unknown setting "decay"; known: none/],
    [{ method: { name: "plain" }, model: { kind: "mlp", width: [3] } }, /\$\.model\.width: must be left out/],
    [{ runs: [] }, /\$\.runs: must be a list of at least one run/],
    [{ runs: [{ method: { name: "plain" }, rate: 0 }] }, /\$\.runs\[0\]\.rate: must be a number above 0, got 0/],
    [{ runs: [{ method: { name: "plain" } }, { method: { name: "plain" } }] }, /runs of different labels, got "plain"/],
    [{ runs: [{ method: { name: "plain" }, label: "../up" }] }, /\$\.runs\[0\]\.label: must be words without slashes/],
    [{ runs: [{ method: { name: "plain" } }], seeds: [1, 1] }, /\$\.seeds: must be a list of different seeds/],
    [
      { runs: [{ method: { name: "plain" } }], paper: { source: "X", values: { lbdn: {} } } },
      /\$\.paper\.values: must be by the labels of runs \(plain\), got "lbdn"/,
    ],
    [
      { runs: [{ method: { name: "plain" } }], paper: { source: "X", values: { plain: { "certified 7": 1 } } } },
      /\$\.paper\.values\.plain: must be by measures \(accuracy, .*certified 0\.1, .*\), got "certified 7"/,
    ],
    [{ method: { name: "plain" }, samples: { train: 0 } }, /\$\.samples\.train: must be a whole number >= 1, got 0/],
  ])("refuses %j", (value, message) => {
    expect(() => parseComparison(value)).toThrow(message);
  });
});

describe("measureOf()", () => {
  it("finds measures by name, and at the radii that there are", () => {
    const at = (name: string) => measureOf(name, [0.3, 2]);
    expect(at("upper")).toBe(measures.upper);
    const record = { certified: [{}, { accuracy: 0.25 }], attacked: { robust: [{ accuracy: 0.5 }] } };
    expect(at("certified 2")?.of(record as unknown as RunRecord)).toBe(0.25);
    expect(at("attacked 0.3")?.of(record as unknown as RunRecord)).toBe(0.5);
    for (const name of ["certified", "certified 0.4", "attacked two", "toString"]) expect(at(name)).toBeUndefined();
  });
});

describe("rows", () => {
  it("have means and half ranges over their seeds", () => {
    expect(spreadOf(rows[0], measures.radius)).toEqual({ mean: 0.2, half: expect.closeTo(0.1, 12) });
    expect(spreadOf(rows[0], measures.tightness)).toEqual({ mean: 0.5, half: 0 });
    expect(spreadOf(rows[0], measures.curvature)).toBeNull();
  });

  it("are best by the measure's own direction, ties included, none where all are equal", () => {
    expect(bestBy(rows, measures.upper)).toEqual(["a"]);
    expect(bestBy(rows, measures.accuracy)).toEqual([]);
    const worse: Row = { label: "c", records: [recordOf(0.7, 0)] };
    expect(bestBy([...rows, worse], measures.accuracy)).toEqual(["a", "b"]);
    expect(bestBy(rows, measures.lower)).toEqual([]);
    expect(bestBy(rows.slice(0, 1), measures.accuracy)).toEqual([]);
    expect(recommended(rows).label).toBe("b");
  });
});
