/** @file Random models of every operator: the file as ONNX Runtime runs it is the network that is bounded, no pair of points stretches more than is proved, no witness shows less than is said, and no certified radius is refuted. More of them: `npm run soak`. */
import { describe, expect, it } from "vitest";
import * as microsoft from "../../src/onnx/microsoft.ts";
import * as operators from "../../src/onnx/operators.ts";
import { drawn, generate } from "../soak/generate.ts";
import { count, emptyTally, minimal, type Tally } from "../soak/tally.ts";

const models = 2000;
/** So many at a time, so that a run shows how far it is. */
const stretch = 250;
const tally: Tally = emptyTally();

describe("random models", () => {
  it.each(Array.from({ length: models / stretch }, (_, k) => k * stretch))(
    "keep every promise: from seed %i",
    async (from) => {
      for (let seed = from; seed < from + stretch; seed++) await count(tally, seed);
      const [first] = tally.breaches.splice(0);
      if (first) expect.fail(`${await minimal(first.seed)}\nagain by: npm run soak -- replay ${first.seed}`);
    },
  );

  it("are read, compared and bounded, operator by operator", () => {
    expect(tally.models).toBe(models);
    expect(tally.illegal + tally.fails).toBeLessThan(0.05 * models);
    expect(tally.refused).toBeLessThan(0.1 * models);
    expect(tally.open).toBeLessThan(0.1 * tally.compared);
    expect(tally.compared).toBeGreaterThan(40 * models);
    expect(tally.bounded).toBeGreaterThan(0.5 * models);
    expect(tally.lowerBounds).toBeGreaterThan(0.3 * models);
    expect(tally.radii).toBeGreaterThan(0.3 * models);
    expect(tally.verified).toBeGreaterThan(0.015 * models);
    const names = [...Object.keys(operators), ...Object.keys(microsoft).map((name) => `com.microsoft.${name}`)];
    for (const name of names) {
      const own = tally.operators[name] ?? { models: 0, checked: 0, bounded: 0 };
      expect(own.checked, `${name} is compared`).toBeGreaterThanOrEqual(Math.max(5, 0.6 * own.models));
      expect(own.bounded, `${name} is bounded`).toBeGreaterThanOrEqual(jumps.includes(name) ? 0 : 3);
    }
  });

  it("are the same for the same seed", () => {
    for (const seed of [0, 7, 31]) expect(generate(seed)).toEqual(generate(seed));
    expect(generate(3)).not.toEqual(generate(4));
  });

  it("have an operator each in turn", () => {
    const names = Object.keys(drawn);
    const placed = names
      .map((_, seed) => generate(seed))
      .filter((g) => g.placed)
      .map((g) => g.featured);
    expect(new Set(placed).size).toBeGreaterThan(0.95 * names.length);
  });
});

// --- internal ---

/** What has no constant where it varies: it is bounded only where nothing depends on it. */
const jumps = [
  "And",
  "ArgMax",
  "ArgMin",
  "Ceil",
  "Equal",
  "Floor",
  "Greater",
  "GreaterOrEqual",
  "Less",
  "LessOrEqual",
  "Not",
  "Or",
  "Sign",
  "Xor",
];
