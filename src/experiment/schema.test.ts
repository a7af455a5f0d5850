/** @file The published schema says what the check does: both judge the same specs, right and wrong. */
import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { methodNames } from "../train/methods.ts";
import { measureOf, parseComparison } from "./comparison.ts";
import { specSchema } from "./schema.ts";

type Schema = Readonly<Record<string, unknown>>;

/** The words of JSON Schema that ours uses; any other is refused, so that none is passed over. */
function fits(schema: Schema, value: unknown): boolean {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  const entries = isObject ? Object.entries(value as object) : [];
  const properties = (schema.properties ?? {}) as Record<string, Schema>;
  const patterns = Object.entries((schema.patternProperties ?? {}) as Record<string, Schema>);
  const matching = (name: string) => patterns.filter(([p]) => new RegExp(p).test(name)).map(([, s]) => s);
  const words: Record<string, () => boolean> = {
    $schema: () => true,
    title: () => true,
    description: () => true,
    type: () =>
      schema.type === "object"
        ? isObject
        : schema.type === "array"
          ? Array.isArray(value)
          : schema.type === "integer"
            ? Number.isInteger(value)
            : typeof value === schema.type,
    const: () => value === schema.const,
    enum: () => (schema.enum as unknown[]).includes(value),
    minimum: () => !(typeof value === "number" && value < (schema.minimum as number)),
    exclusiveMinimum: () => !(typeof value === "number" && value <= (schema.exclusiveMinimum as number)),
    maximum: () => !(typeof value === "number" && value > (schema.maximum as number)),
    pattern: () => typeof value !== "string" || new RegExp(schema.pattern as string).test(value),
    required: () => !isObject || (schema.required as string[]).every((name) => Object.hasOwn(value as object, name)),
    properties: () => entries.every(([name, v]) => !Object.hasOwn(properties, name) || fits(properties[name], v)),
    patternProperties: () => entries.every(([name, v]) => matching(name).every((s) => fits(s, v))),
    additionalProperties: () =>
      entries.every(([name, v]) => {
        if (Object.hasOwn(properties, name) || matching(name).length > 0) return true;
        return typeof schema.additionalProperties === "object"
          ? fits(schema.additionalProperties as Schema, v)
          : schema.additionalProperties !== false;
      }),
    items: () => !Array.isArray(value) || value.every((v) => fits(schema.items as Schema, v)),
    maxItems: () => !Array.isArray(value) || value.length <= (schema.maxItems as number),
    exclusiveMaximum: () => typeof value !== "number" || value < (schema.exclusiveMaximum as number),
    anyOf: () => (schema.anyOf as Schema[]).some((s) => fits(s, value)),
    minItems: () => !Array.isArray(value) || value.length >= (schema.minItems as number),
    uniqueItems: () => !Array.isArray(value) || new Set(value).size === value.length,
    oneOf: () => (schema.oneOf as Schema[]).filter((s) => fits(s, value)).length === 1,
    if: () => fits((fits(schema.if as Schema, value) ? schema.then : schema.else) as Schema, value),
    // biome-ignore lint/suspicious/noThenProperty: a word of JSON Schema
    then: () => true,
    else: () => true,
  };
  return Object.keys(schema).every((word) => {
    if (!words[word]) throw new Error(`schema: the test does not know "${word}"`);
    return words[word]();
  });
}

const accepted = (value: unknown): boolean => {
  try {
    parseComparison(value);
    return true;
  } catch {
    return false;
  }
};

/** One thing right most of the time, else wrong in some way. */
const mostly = (right: unknown[], wrong: unknown[]) =>
  fc.oneof({ weight: 12, arbitrary: fc.constantFrom(...right) }, { weight: 1, arbitrary: fc.constantFrom(...wrong) });

const settings: Readonly<Record<string, unknown[]>> = {
  decay: [0, 1, -1, "much"],
  goal: [0.9, 0, 2],
  penalty: ["square", "cube"],
  worst: [1, 0, 1.5],
  strange: [1],
};

const method = fc
  .record({
    name: mostly([...methodNames], ["magic", 3]),
    extra: fc.option(fc.constantFrom(...Object.entries(settings).flatMap(([k, vs]) => vs.map((v) => [k, v] as const)))),
  })
  .map(({ name, extra }) => ({ name, ...(extra ? { [extra[0]]: extra[1] } : {}) }));

const run = fc.record(
  {
    method,
    data: mostly(["digits"], [3]),
    model: mostly(
      [{ kind: "mlp" }, { kind: "mlp", widths: [4], activation: "tanh" }],
      [{}, { kind: "mlp", widths: [0] }, 1],
    ),
    epochs: mostly([1, 20], [0, 1.5, "2"]),
    rate: mostly([1e-3], [0, null]),
    schedule: mostly(["cosine"], ["sine"]),
    norm: mostly([1, 2, "inf"], [3]),
    radii: mostly([[], [0.1, 1]], [[-1], 0.1]),
    samples: mostly([{}, { train: 100 }, { train: 9, test: 9 }], [{ train: 0 }, { validation: 3 }, 100]),
    reading: mostly(
      [
        {},
        { test: 0.2, task: "regression", label: ["a", "b"], crop: [2, 3] },
        { label: "none", resize: 9 },
        { resize: [4, 5] },
      ],
      [{ test: 1 }, { label: [] }, { crop: 3 }, { resize: [1] }, { colour: "grey" }, [], { labels: 1 }],
    ),
    preprocessing: mostly(
      ["normalize", {}, { scale: 255, mean: [0.1, 0.2], std: [1] }, { scale: [1, 2] }],
      ["standardise", { std: [0] }, { mean: [] }, { mean: 1 }, { layout: "nchw" }, { scale: "1" }],
    ),
    seconds: mostly([1], [0, "1"]),
    label: mostly(["one", "two, three"], ["a/b", 1]),
  },
  { requiredKeys: ["method"] },
);

describe("specSchema()", () => {
  it("is the file that is published", () => {
    const file = readFileSync(new URL("../../spec.schema.json", import.meta.url), "utf8");
    expect(JSON.parse(file)).toEqual(JSON.parse(JSON.stringify(specSchema())));
  });

  it("and the check accept every study", () => {
    const folder = new URL("../../bench/studies/", import.meta.url);
    const studies = readdirSync(folder).filter((file) => file.endsWith(".json"));
    expect(studies).toContain("lbdn-square-wave.json");
    for (const file of studies) {
      const value: unknown = JSON.parse(readFileSync(new URL(file, folder), "utf8"));
      expect(fits(specSchema(), value), file).toBe(true);
      const { name, paper, runs } = parseComparison(value);
      expect(`${name}.json`).toBe(file);
      // What a paper prints can be found in what we measure.
      for (const { label, run } of runs)
        for (const measure of Object.keys(paper?.values[label] ?? {}))
          expect(measureOf(measure, run.radii)).toBeDefined();
    }
  });

  it("judges a run as the check does", () => {
    const schema = specSchema();
    let right = 0;
    fc.assert(
      fc.property(run, ({ label: _, ...value }) => {
        right += accepted(value) ? 1 : 0;
        expect(fits(schema, value), JSON.stringify(value)).toBe(accepted(value));
      }),
      { numRuns: 1500, seed: 1 },
    );
    expect(right).toBeGreaterThan(100);
  });

  it("judges a comparison as the check does", () => {
    const schema = specSchema();
    const seeds = mostly([[1], [1, 2]], [[], [1, 1], [-1], 1]);
    const comparison = fc.record(
      { seeds, runs: fc.array(run, { maxLength: 1 }), name: mostly(["x"], ["a/b"]) },
      { requiredKeys: ["runs"] },
    );
    fc.assert(
      fc.property(comparison, (value) => {
        expect(fits(schema, value), JSON.stringify(value)).toBe(accepted(value));
      }),
      { numRuns: 500, seed: 2 },
    );
  });
});
