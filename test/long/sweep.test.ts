/** @file A sweep as a user runs it: killed at any moment and run again, on a full disk, and refused in one line. */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";

const program = new URL("../../dist/cli/main.js", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "lipschitz-sweep-"));

writeFileSync(
  join(folder, "spec.json"),
  JSON.stringify({
    common: {
      data: "two-moons",
      model: { kind: "mlp", widths: [2] },
      epochs: 2,
      // No time at all: each search ends where it begins, the same on every machine.
      seconds: 1e-9,
      batch: 16,
      radii: [0.1],
      samples: { train: 64, test: 4 },
    },
    runs: [{ method: { name: "lbdn" } }],
  }),
);

const words = (out: string) => [program, "sweep", "spec.json", "--grid", "gamma=1,4", "--out", out];

const run = (...all: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, all, { encoding: "utf8", cwd: folder });
  // A slow machine gets lines of progress.
  return { status, stdout, stderr: stderr.replace(/^\[ *\d+ s\] .*\n/gm, "") };
};

/** The records as text, without times. */
const records = (out: string): string[] => {
  const place = join(folder, out, "jobs");
  const files = readdirSync(place).sort();
  return files.map((file) =>
    JSON.stringify(JSON.parse(readFileSync(join(place, file), "utf8")), (key, value) =>
      key === "seconds" ? undefined : value,
    ),
  );
};

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("lipschitz sweep", () => {
  it("ends in the same records, one for each job, when it was killed on the way", async () => {
    const whole = run(...words("whole"));
    expect([whole.status, whole.stderr]).toEqual([0, ""]);
    expect(whole.stdout).toMatch(/^lbdn gamma=1 .*\nlbdn gamma=4 /m);
    for (const wait of [0, 1].map(() => 400 + 2000 * Math.random())) {
      const child = spawn(process.execPath, words("killed"), { cwd: folder, stdio: "ignore", detached: true });
      const ended = new Promise((resolve) => child.on("exit", resolve));
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, wait))]);
      // With the processes of its pool.
      if (child.exitCode === null) process.kill(-Number(child.pid), "SIGKILL");
      await ended;
    }
    expect(run(...words("killed")).status).toBe(0);
    expect(records("killed")).toEqual(records("whole"));
    expect(records("whole")).toHaveLength(2);
  });

  it("does nothing again, but what is damaged, and shows all that is there", () => {
    const model = join(folder, "whole", "lbdn gamma=4", "seed-1", "model.onnx");
    const good = readFileSync(model);
    const [before] = [records("whole")];
    writeFileSync(model, good.subarray(0, 100));
    const { status, stdout } = run(...words("whole"), "--json");
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ jobs: 2, done: 2, failed: [], left: 0 });
    expect(readFileSync(model).equals(good)).toBe(true);
    expect(records("whole")).toEqual(before);
    expect(readFileSync(join(folder, "whole", "report.html"), "utf8")).toContain("2 methods on two-moons");
    expect(readFileSync(join(folder, "whole", "table.txt"), "utf8")).toContain("lbdn gamma=4");
    expect(run(program, "report", "whole", "--json").status).toBe(0);
  });

  it("stops with the reason where nothing can be written, as on a full disk, and counts no attempt", () => {
    // A file may have 4 kB: the first of the run that is larger cannot be written.
    const small = ["-c", `ulimit -f 4; exec "$@"`, "sh", process.execPath, ...words("full"), "--jobs", "1"];
    const { status, stderr } = spawnSync("bash", small, { encoding: "utf8", cwd: folder });
    expect(stderr).toMatch(/lbdn gamma=[14].seed-1.[\w.]+: cannot be written: /);
    expect(status).toBe(1);
    expect(readdirSync(join(folder, "full", "jobs"))).toEqual([]);
  });

  it.each([
    [["spec.json", "--out", "x", "--grid", "gamma=1,1"], 1, /--grid: must be NAME=VALUE/],
    [["spec.json", "--out", "x", "--grid", "speed=1"], 1, /unknown setting "speed"/],
    [["spec.json"], 1, /missing --out DIR/],
    [["nowhere.json", "--out", "x"], 2, /nowhere\.json: no such file/],
    [["spec.json", "--out", "x", "--workers", "0"], 1, /--workers: must be a whole number >= 1/],
  ])("refuses %j with one line", (rest, code, message) => {
    const { status, stderr } = run(program, "sweep", ...rest);
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(status).toBe(code);
  });
});
