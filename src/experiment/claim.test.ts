/** @file The promise of a model against what is proved of it, and what the command line says where they part. */
import { describe, expect, it } from "vitest";
import type { Bound, Bracket } from "../bounds/bound.ts";
import { kept } from "../cli/alarm.ts";
import { CliError } from "../cli/errors.ts";
import { claimLine } from "../report/text.ts";
import { claimOf } from "./claim.ts";

const bracketOf = (value: number, change: Partial<Bracket> = {}): Bracket => {
  const bound: Bound = { method: "autolip", side: "upper", proved: true, value, seconds: 0, status: "done" };
  return { norm: "2", domain: "global", lower: null, upper: bound, bounds: [bound], layers: [], ...change };
};
const model = (gamma: string) => ({ metadata: { "lipschitz.gamma": gamma } });

describe("claimOf()", () => {
  it("holds up to rounding, and no further", () => {
    expect(claimOf(model("2"), bracketOf(2.000001))).toMatchObject({ constant: 2, proved: 2.000001, holds: true });
    expect(claimOf(model("2"), bracketOf(2.0001))).toMatchObject({ holds: false });
    const unproved = bracketOf(Number.POSITIVE_INFINITY);
    expect(claimOf(model("2"), unproved)).toMatchObject({ proved: null, holds: false });
  });

  it("is none of a model that promises nothing, or nothing in this norm", () => {
    expect(claimOf({ metadata: {} }, bracketOf(1))).toBeNull();
    expect(claimOf(model("two"), bracketOf(1))).toBeNull();
    expect(claimOf(model("2"), bracketOf(1, { norm: "1" }))).toBeNull();
  });

  it("ends a command with code 3 where it does not hold", () => {
    const broken = claimOf(model("2"), bracketOf(2.5));
    if (!broken) throw new Error("no claim");
    const line = "ALARM: lbdn: its constant of 2.000 is not proved of the written network: 2.500 is all that is";
    expect(claimLine("lbdn", broken)).toBe(line);
    try {
      kept("lbdn", broken);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(CliError);
      expect((error as CliError).code).toBe(3);
      expect((error as CliError).message).toBe(line);
    }
    kept("lbdn", claimOf(model("3"), bracketOf(2.5)));
    kept("plain", null);
  });
});
