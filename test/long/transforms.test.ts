/** @file `--transform` as a user meets it: the attack with its report, ranges held against it, one clear line for bad input. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { commandLineIn } from "../commandLine.ts";

const folder = mkdtempSync(join(tmpdir(), "lipschitz-transforms-"));
afterAll(() => rmSync(folder, { recursive: true }));
for (const name of ["scans", "scans.onnx", "iris.csv", "iris.onnx"]) {
  cpSync(new URL(`../../examples/${name}`, import.meta.url).pathname, join(folder, name), { recursive: true });
}

const lipschitz = commandLineIn(folder);

const scans = ["scans.onnx", "--data", "scans", "--resize", "14x14", "--color", "grey", "--transform", "rotation"];

describe("--transform", () => {
  it("proves ranges, attacks within them in vain, and notices a planted one", () => {
    const proved = lipschitz("certify", ...scans, "--limit", "rotation=45", "--out", "ranges.json");
    expect([proved.status, proved.stderr]).toEqual([0, ""]);
    expect(proved.stdout).toMatch(/rotation {2}│ -45 to 45 degrees │/);
    const attack = ["attack", ...scans, "--limit", "rotation=45", "--certificate"];
    const held = lipschitz(...attack, "ranges.json", "--report", "turned.html");
    expect([held.status, held.stderr]).toEqual([0, ""]);
    expect(held.stdout).toContain("ranges: no decision changed inside of what is proved");
    const page = readFileSync(join(folder, "turned.html"), "utf8");
    expect(page).toContain("scans.onnx under rotation");
    expect(page.match(/<img /g)?.length).toBeGreaterThan(1);
    const ranges = JSON.parse(readFileSync(join(folder, "ranges.json"), "utf8"));
    for (const sample of ranges.samples) sample.ranges = [[-45, 45]];
    writeFileSync(join(folder, "planted.json"), JSON.stringify(ranges));
    const planted = lipschitz(...attack, "planted.json");
    expect(planted.status).toBe(3);
    expect(planted.stdout).toMatch(/ALARM: \d+ decisions changed inside of their proved ranges/);
    expect(planted.stderr).toMatch(/internal error: scans.onnx: sample \d+ changes at/);
  });

  it.each([
    [["attack", ...scans.slice(0, -1), "roll"], 1, 'unknown "roll"; known: rotation, translation'],
    [["attack", ...scans, "--limit", "dx=1"], 1, 'nothing to limit by "dx"; known: rotation'],
    [["attack", ...scans, "--limit", "rotation"], 1, "--limit: must be NAME=X"],
    [["attack", ...scans, "--norm", "inf"], 1, "--norm: says nothing of --transform"],
    [["attack", ...scans.slice(0, -2), "--tries", "3"], 1, "--tries: is an option of --transform"],
    [["certify", ...scans, "--seconds", "3"], 1, "--seconds: says nothing of --transform"],
    [["certify", ...scans.slice(0, -2), "--parts", "3"], 1, "--parts: is an option of --transform"],
    [["attack", ...scans, "--certificate", "iris.csv"], 2, "iris.csv: must be JSON"],
    [["certify", "iris.onnx", "--data", "iris.csv", "--transform", "rotation"], 1, "needs images"],
  ] as const)("%#: refuses with one line", (words, code, message) => {
    const { status, stderr } = lipschitz(...words);
    expect(stderr).toContain(message);
    expect(stderr.trim().split("\n").length).toBe(1);
    expect(status).toBe(code);
  });
});
