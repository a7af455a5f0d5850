/** @file `lipschitz explain` as a user meets it: the table, the page of pictures, the explanations as an array, one clear line for bad input. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { parseNpy } from "../../src/data/npy.ts";

const program = new URL("../../dist/cli/main.js", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "lipschitz-explain-"));
afterAll(() => rmSync(folder, { recursive: true }));
for (const name of ["scans", "scans.onnx", "iris.csv", "iris.onnx", "policy.onnx"])
  cpSync(new URL(`../../examples/${name}`, import.meta.url).pathname, join(folder, name), { recursive: true });

function explain(...words: string[]) {
  const said = spawnSync(process.execPath, [program, "explain", ...words], { encoding: "utf8", cwd: folder });
  return { status: said.status, stdout: said.stdout, stderr: said.stderr };
}

describe("lipschitz explain", () => {
  it("shows images with their explanations, and says where nothing is proved", () => {
    const scans = ["scans.onnx", "--data", "scans", "--resize", "14x14", "--color", "grey", "--samples", "3"];
    const { status, stdout, stderr } = explain(...scans, "--report", "page.html", "--values", "values.npy");
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/gradient-input │ 0\.05 +│ - +│ 0\.\d+°/);
    expect(stdout).toMatch(/Nothing is proved of how explanations turn: .*node/);
    const page = readFileSync(join(folder, "page.html"), "utf8");
    expect(page.match(/<img /g)?.length).toBe(15);
    expect(page).not.toMatch(/https?:|<script/);
    const { shape } = parseNpy("values.npy", readFileSync(join(folder, "values.npy")));
    expect(shape).toEqual([3, 4, 1, 14, 14]);
  });

  it("gives one object with what is proved", () => {
    const { status, stdout } = explain("iris.onnx", "--data", "iris.csv", "--samples", "2", "--radii", "0.1", "--json");
    const { samples, curvature, methods, of } = JSON.parse(stdout);
    expect([status, samples.length, of, methods.length]).toEqual([0, 2, "margin", 4]);
    for (const { explanations } of samples) {
      for (const { stability, values } of explanations) {
        expect(values).toBeUndefined();
        const [{ change, degrees, seen }] = stability;
        if (curvature !== null) expect(seen.change).toBeLessThanOrEqual(change);
        expect(seen.degrees).toBeLessThanOrEqual(degrees);
      }
    }
  });

  it.each([
    [["iris.onnx"], "missing --data D"],
    [["iris.onnx", "--data", "iris.csv", "--method", "lime"], 'unknown "lime"; known: saliency'],
    [["iris.onnx", "--data", "iris.csv", "--radii", "0"], "--radii: must be a number above 0"],
    [["iris.onnx", "--data", "iris.csv", "--deviation=-1"], "--deviation: must be a number >= 0"],
    [["policy.onnx", "--data", "square-wave"], "is a regression"],
  ] as const)("%#: refuses with one line", (words, message) => {
    const { status, stderr } = explain(...words);
    expect(stderr).toContain(message);
    expect(stderr.trim().split("\n").length).toBe(1);
    expect(status).toBe(1);
  });
});
