/** @file `lipschitz gain` as a user meets it: the table, units from a file, the check, one object of JSON, one clear line for bad input. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { Gains } from "../../src/bounds/gain/gains.ts";
import { constant, input } from "../../src/graph/leaf.ts";
import { writeModel } from "../../src/onnx/write.ts";
import { matmul } from "../../src/ops/matmul.ts";
import { relu } from "../../src/ops/pointwise.ts";
import { tensor } from "../../src/tensor/tensor.ts";

const program = new URL("../../dist/cli/main.js", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "lipschitz-gain-"));
afterAll(() => rmSync(folder, { recursive: true }));

const put = (name: string, content: string | Uint8Array): string => {
  writeFileSync(join(folder, name), content);
  return name;
};

/** relu(x) of two inputs, then y0 = 2 a - b and y1 = 3 b. */
const after = constant(tensor(Float32Array.of(2, 0, -1, 3), [2, 2]));
const model = put("model.onnx", writeModel({ y: matmul(relu(input("x", [1, 2])), after) }));

function gain(...words: string[]) {
  const said = spawnSync(process.execPath, [program, "gain", ...words], { encoding: "utf8", cwd: folder });
  return { status: said.status, stdout: said.stdout, stderr: said.stderr };
}

describe("lipschitz gain", () => {
  it("prints the matrix, the signs and the steepest state by name", () => {
    const { status, stdout, stderr } = gain(model, "--box=-1,1", "--inputs", "level,flow", "--outputs", "valve,pump");
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/│ valve │ \+ 1\.999 to 2\.001 │ - 0\.9999 to 1\.001 │/);
    expect(stdout).toMatch(/│ pump {2}│ 0 {16}│ \+ 2\.999 to 3\.001 {2}│/);
    expect(stdout).toMatch(/between 3\.\d+ \(witnessed\) and 3\.\d+ \(proved\)/);
    expect(stdout).toContain("valve rises with level, falls with flow.");
    expect(stdout).toContain("pump rises with flow, does not depend on level.");
    expect(stdout).toMatch(/Steepest found at level = .*, flow = /);
    expect(stdout).toMatch(/Closed within 1 %/);
  });

  it("speaks in the units of a file, in JSON", () => {
    const units = put("in.csv", "name;unit;low;high;mean;std;scale\nlevel;m;0;4;2;2;\nflow;l/s;5;5;5;1;2\n");
    const outputs = put("out.csv", "name,unit,std\nvalve,%,10\npump,%,100\n");
    const { status, stdout } = gain(model, "--units", units, "--output-units", outputs, "--input-scale", "4", "--json");
    expect(status).toBe(0);
    const found = JSON.parse(stdout) as Gains & { readonly checked: object };
    expect(found.slopes.map(({ input, output, upper }) => [output, input, Number(upper.toFixed(9))])).toEqual([
      ["valve", "level", 10],
      ["pump", "level", 0],
    ]);
    // A change of 4 m counts as one.
    expect(found.whole.upper).toBeCloseTo(40, 9);
    expect(found.inputs.map(({ fixed }) => fixed)).toEqual([false, true]);
    expect(found.checked).not.toBe(false);
  });

  it("ends with code 3 above --max", () => {
    const quick = ["--box=-1,1", "--no-check", "--quiet"];
    expect(gain(model, ...quick, "--max", "4").status).toBe(0);
    const { status, stderr } = gain(model, ...quick, "--max", "3");
    expect(status).toBe(3);
    expect(stderr).toMatch(/^lipschitz: --max 3: the proved gain is 3\.\d+\n$/);
  });

  it.each([
    [[], /gain: needs a box: --box LO:HI,\.\.\., or low and high of every input in --units; x0 has none/],
    [["--box=0:1"], /--box: must be 2 pairs LO:HI/],
    [["--box=0,1", "--inputs", "a"], /--inputs: must be 2 names by commas, got "a"/],
    [["--box=0,1", "--inputs", "a,a"], /names of inputs must differ, got "a" twice/],
    [["--box=0,1", "--input-scale", "0"], /--input-scale: must be a number above 0, got "0"/],
    [["--box=0,1", "--output-scale", "1,2,3"], /--output-scale: must be one number, or 2 by commas/],
    [["--box=0,1", "--gap", "0"], /--gap: must be a number above 0/],
    [["--units", "bad.csv"], /bad\.csv: unknown column "lo"; known: name, unit, mean, std, scale, low, high/],
    [["--units", "short.csv"], /--units: the network has 2 inputs, short\.csv has 1 lines under its header/],
    [["--units", "word.csv"], /word\.csv: line 3: high must be a number, got "far"/],
    [["--units", "none.csv"], /none\.csv/],
  ] as const)("says what is wrong with %j", (words, line) => {
    put("bad.csv", "name,lo\na,0\nb,1\n");
    put("short.csv", "name,low,high\na,0,1\n");
    put("word.csv", "name,low,high\na,0,1\nb,0,far\n");
    const { status, stdout, stderr } = gain(model, ...words);
    expect([status === 1 || status === 2, stdout]).toEqual([true, ""]);
    expect(stderr).toMatch(line);
    expect(stderr.trim().split("\n")).toHaveLength(1);
  });
});
