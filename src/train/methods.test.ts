/** @file The table of methods, as plain data from outside meets it. */
import { describe, expect, it } from "vitest";
import { buildMethod, settingsOf } from "./methods.ts";

describe("buildMethod()", () => {
  it("refuses what a method does not take", () => {
    expect(() => buildMethod({ name: "none" as "plain" })).toThrow('method: unknown name "none"; known: plain');
    expect(() => buildMethod({ name: "plain", decay: 1 })).toThrow('method: unknown setting "decay"; known: none');
    expect(() => buildMethod({ name: "weight-decay", decay: -1 })).toThrow("decay: must be a number >= 0, got -1");
    expect(() => buildMethod({ name: "weight-decay", decay: "much" })).toThrow(
      'decay: must be a number >= 0, got "much"',
    );
  });

  it("builds with the settings", () => {
    expect(buildMethod({ name: "weight-decay", decay: 0.25 }).decay?.("0/weight")).toBe(0.25);
    expect(Object.keys(settingsOf("weight-decay"))).toEqual(["decay"]);
  });
});
