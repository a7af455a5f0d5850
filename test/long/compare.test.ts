/** @file A comparison as a user runs it: killed at any moment and run again, it ends in the same table. */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";

const program = new URL("../../dist/cli/main.js", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "lipschitz-compare-"));
const spec = join(folder, "spec.json");

const samples = { train: 600, test: 90 };

writeFileSync(
  spec,
  JSON.stringify({
    name: "small",
    seeds: [1, 2],
    common: { data: "two-moons", model: { kind: "mlp", widths: [8] }, epochs: 30, batch: 20, radii: [0.1], samples },
    runs: [{ method: { name: "plain" } }, { label: "flat", method: { name: "clip", weight: 0.3 } }],
    paper: { source: "nobody", values: { flat: { upper: 3, "certified 0.1": 0.5 } } },
  }),
);

const words = (out: string) => [program, "run", spec, "--out", join(folder, out)];

/** What must not depend on when it was killed: everything but times. */
function numbers(out: string): unknown {
  const { runs, best } = JSON.parse(readFileSync(join(folder, out, "record.json"), "utf8"));
  return JSON.parse(JSON.stringify({ runs, best }, (key, value) => (key === "seconds" ? undefined : value)));
}

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("lipschitz run", () => {
  it("compares, writes complete folders, and says the paper's numbers beside ours", () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, words("whole"), { encoding: "utf8", cwd: folder });
    // A slow machine gets lines of progress.
    expect(stderr.replace(/^\[ *\d+ s\] .*\n/gm, "")).toBe("");
    expect(status).toBe(0);
    expect(stdout).toMatch(/^plain .*\n +±/m);
    expect(stdout).toMatch(/flat +upper .* 3\.00\nflat +certified 0\.1 .* 0\.500\npaper: nobody\./);
    const report = readFileSync(join(folder, "whole", "report.html"), "utf8");
    for (const word of ["2 methods on two-moons", 'id="run-2"', "Map of the decisions"]) expect(report).toContain(word);
    for (const run of ["plain/seed-1", "plain/seed-2", "flat/seed-1", "flat/seed-2"]) {
      const files = readdirSync(join(folder, "whole", run));
      expect(files).toEqual(expect.arrayContaining(["checkpoint.json", "model.onnx", "record.json"]));
      expect(files.filter((f) => f.endsWith(".part") || f === "measured.bin")).toEqual([]);
    }
  });

  it("uses as many samples as the spec says, of which the certificate speaks", () => {
    const own = join(folder, "whole", "plain", "seed-1");
    const { data } = JSON.parse(readFileSync(join(own, "record.json"), "utf8"));
    expect(data.samples).toEqual(samples);
    const files = [join(own, "certificate.json"), join(own, "model.onnx")];
    const words = [program, "verify", ...files, "--data", "two-moons", "--seed", "1"];
    expect(spawnSync(process.execPath, words, { encoding: "utf8" }).stdout).toContain("The certificate holds;");
    const attack = [program, "attack", files[1], ...words.slice(4), "--certificate", files[0], "--attack", "fgsm"];
    const attacked = spawnSync(process.execPath, attack, { encoding: "utf8" });
    expect(attacked.stdout).toContain("certificate: no decision changed inside its certified radius");
  });

  it("ends in the same numbers when it was killed on the way", async () => {
    const moments = [0, 1].map(() => 300 + 2200 * Math.random());
    for (const wait of moments) {
      const child = spawn(process.execPath, words("killed"), { cwd: folder, stdio: "ignore", detached: true });
      const ended = new Promise((resolve) => child.on("exit", resolve));
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, wait))]);
      // With the processes of its runs.
      if (child.exitCode === null) process.kill(-Number(child.pid), "SIGKILL");
      await ended;
    }
    const { status } = spawnSync(process.execPath, words("killed"), { encoding: "utf8", cwd: folder });
    expect(status).toBe(0);
    expect(numbers("killed"), `killed after ${moments.join(" and ")} ms`).toEqual(numbers("whole"));
  });

  it("does again what was damaged, and nothing else", () => {
    const model = join(folder, "whole", "flat", "seed-1", "model.onnx");
    const other = join(folder, "whole", "plain", "seed-1", "record.json");
    const [good, kept] = [readFileSync(model), readFileSync(other, "utf8")];
    writeFileSync(model, good.subarray(0, 100));
    expect(spawnSync(process.execPath, words("whole"), { cwd: folder }).status).toBe(0);
    expect(readFileSync(model).equals(good)).toBe(true);
    expect(readFileSync(other, "utf8")).toBe(kept);
  });

  it.each([
    ['{"method": {"name": "plain"}, "epoch": 3}', 1, /\$\.epoch: must be left out/],
    ["{", 1, /is not JSON/],
  ])("refuses %s with one line", (text, code, message) => {
    const bad = join(folder, "bad.json");
    writeFileSync(bad, text);
    const { status, stderr } = spawnSync(process.execPath, [program, "run", bad], { encoding: "utf8", cwd: folder });
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(status).toBe(code);
  });
});
