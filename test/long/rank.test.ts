/** @file `lipschitz rank` as a user meets it: the table, the file for whoever labels, one clear line for bad input. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";

const program = new URL("../../dist/cli/main.js", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "lipschitz-rank-"));
afterAll(() => rmSync(folder, { recursive: true }));
for (const name of ["iris.csv", "iris.onnx"])
  cpSync(new URL(`../../examples/${name}`, import.meta.url).pathname, join(folder, name));
const table = readFileSync(join(folder, "iris.csv"), "utf8").split("\n");
writeFileSync(join(folder, "pool.csv"), table.map((line) => line.split(",").slice(0, 4).join(",")).join("\n"));

function rank(...words: string[]) {
  const said = spawnSync(process.execPath, [program, "rank", ...words], { encoding: "utf8", cwd: folder });
  return { status: said.status, stdout: said.stdout, stderr: said.stderr };
}

describe("lipschitz rank", () => {
  it("prints the nearest samples, and writes all of them for whoever labels", () => {
    const { status, stdout, stderr } = rank(
      ...["iris.onnx", "--data", "pool.csv", "--label", "none", "--top", "2", "--out", "ranks.csv"],
    );
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toContain("l2: distances proved from below and witnessed from above");
    expect(stdout.match(/│ row \d+/g)?.length).toBe(2);
    const lines = readFileSync(join(folder, "ranks.csv"), "utf8").trim().split("\n");
    expect(lines[0]).toBe("place,first,last,index,sample,decided,becomes,lower,upper");
    expect(lines.length).toBe(51);
    for (const line of lines.slice(1)) {
      const [place, first, last, , , , , lower, upper] = line.split(",").map(Number);
      expect(first).toBeLessThanOrEqual(place);
      expect(last).toBeGreaterThanOrEqual(place);
      expect(lower).toBeLessThanOrEqual(upper);
    }
  });

  it("gives one object, in l-inf too", () => {
    const { status, stdout } = rank("iris.onnx", "--data", "iris.csv", "--norm", "inf", "--local", "off", "--json");
    const { norm, proved, samples, data } = JSON.parse(stdout);
    expect([status, norm, samples.length, data.samples]).toEqual([0, "inf", 50, 50]);
    expect(proved).toBeGreaterThan(0.3);
    expect(samples[0].rank[0]).toBe(1);
  });

  it.each([
    [["iris.onnx"], 1, "missing --data D"],
    [["iris.onnx", "--data", "iris.csv", "--top", "0"], 1, "--top: must be a whole number >= 1"],
    [["iris.onnx", "--data", "iris.csv", "--norm", "1"], 1, "norm"],
    [["none.onnx", "--data", "iris.csv"], 2, "no such file"],
  ] as const)("%#: refuses with one line", (words, code, message) => {
    const { status, stderr } = rank(...words);
    expect(stderr).toContain(message);
    expect(stderr.trim().split("\n").length).toBe(1);
    expect(status).toBe(code);
  });
});
