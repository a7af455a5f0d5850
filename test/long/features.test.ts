/** @file FEATURES.md and README.md say what the code does. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { withResults } from "../../bench/results.ts";
import { boundNames } from "../../src/bounds/index.ts";
import * as microsoft from "../../src/onnx/microsoft.ts";
import * as ml from "../../src/onnx/ml.ts";
import * as operators from "../../src/onnx/operators.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const read = (file: string): string => readFileSync(`${root}${file}`, "utf8");

/** The text between a heading and the next one of its level. */
const section = (text: string, heading: string): string => text.split(`## ${heading}`)[1].split("\n## ")[0];

describe("FEATURES.md", () => {
  const features = read("FEATURES.md");

  it("lists the ONNX operators that are read, each once", () => {
    const rows = section(features, "ONNX operators read")
      .split("\n")
      .filter((line) => line.startsWith("| "));
    const listed = rows.slice(1).flatMap((row) =>
      row
        .split("|")[2]
        .split(",")
        .map((word) => word.trim()),
    );
    const known = [...Object.keys(operators), ...Object.keys(microsoft), ...Object.keys(ml)];
    expect([...listed].sort()).toEqual([...known].sort());
  });

  it("lists every bound", () => {
    const bounds = section(features, "Bounds");
    for (const name of boundNames) expect(bounds).toContain(`\`${name}\``);
  });
});

describe("README.md", () => {
  const readme = read("README.md");

  it("holds a program that runs", () => {
    const program = readme.match(/```js\n([\s\S]*?)```/)?.[1] ?? "";
    // Inside the package, its own name resolves to its own build.
    const path = `${root}dist/readme-example.mjs`;
    writeFileSync(path, program);
    const { status, stdout, stderr } = spawnSync(process.execPath, [path], { encoding: "utf8", cwd: root });
    rmSync(path);
    expect(stderr).toBe("");
    expect(status).toBe(0);
    const [, lower, upper] = stdout.match(/([\d.]+) <= L <= ([\d.]+)/) ?? [];
    expect(Number(lower)).toBeGreaterThan(0);
    expect(Number(lower)).toBeLessThanOrEqual(Number(upper));
  });

  it("shows the results that are kept", () => {
    expect(withResults(readme, JSON.parse(read("bench/studies/results/digits.json")))).toBe(readme);
  });

  it("names only what is there", () => {
    for (const [, file] of readme.matchAll(/\]\(([\w./-]+)\)/g)) expect(existsSync(`${root}${file}`), file).toBe(true);
  });
});
