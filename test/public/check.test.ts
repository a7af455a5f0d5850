/** @file `lipschitz check` as a user meets it: the file is held against the runtime before anything is said to hold of it. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { subjectOf } from "../../src/bounds/subject.ts";
import { parseOnnx } from "../../src/onnx/read.ts";
import { hasShared, sharedData } from "../shared.ts";

const program = new URL("../../dist/cli/main.js", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "lipschitz-check-"));
afterAll(() => rmSync(folder, { recursive: true }));

function check(...words: string[]) {
  const said = spawnSync(process.execPath, [program, "check", ...words], { encoding: "utf8", cwd: folder });
  return { status: said.status, stdout: said.stdout, stderr: said.stderr };
}

/** Inputs in [-1, 1]; the first output must not be 1e6. */
function propertyOf(inputs: number, outputs: number): string {
  const path = join(folder, `${inputs}-${outputs}.vnnlib`);
  const names = (letter: string, n: number) => Array.from({ length: n }, (_, i) => `${letter}_${i}`);
  const lines = [
    ...[...names("X", inputs), ...names("Y", outputs)].map((name) => `(declare-const ${name} Real)`),
    ...names("X", inputs).map((name) => `(assert (and (>= ${name} -1) (<= ${name} 1)))`),
    "(assert (>= Y_0 1e6))",
  ];
  writeFileSync(path, lines.join("\n"));
  return path;
}

describe.skipIf(!hasShared("reports"))("lipschitz check", () => {
  const model = `${sharedData}reports/k_qweights.onnx`;
  const sizes = () => subjectOf(parseOnnx(new Uint8Array(readFileSync(model))));

  it("says nothing of a file that the runtime runs as another network", () => {
    const { size, outputs } = sizes();
    const { status, stdout, stderr } = check(model, propertyOf(size, outputs));
    expect([status, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("weights in few bits");
  });

  it("says that it was not held against the runtime where that was left out", () => {
    const { size, outputs } = sizes();
    const { status, stdout } = check(model, propertyOf(size, outputs), "--no-check", "--json");
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ status: "holds", checked: false });
  });

  it("names the sizes where a property is of another network", () => {
    const { size, outputs } = sizes();
    const { status, stderr } = check(model, propertyOf(size + 1, outputs), "--no-check");
    expect(status).toBe(1);
    expect(stderr).toContain(`the property speaks of ${size + 1} inputs`);
  });
});
