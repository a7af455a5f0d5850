/** @file The programs under examples/, run as a user runs them: against the built package, by its own name. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const programs = readdirSync(`${root}examples`).filter((file) => /^\d\d-.*\.ts$/.test(file));

/** What a program must have printed; the numbers of a match go to `holds`. */
interface Expected {
  readonly pattern: RegExp;
  readonly times: number;
  holds?(numbers: readonly number[]): boolean;
}

const number = "(-?[\\d.]+(?:e[+-]?\\d+)?)";
const line = (pattern: string, times: number, holds?: Expected["holds"]): Expected => ({
  pattern: new RegExp(`^${pattern.replaceAll("#", number)}$`, "gm"),
  times,
  ...(holds ? { holds } : {}),
});
const ordered = (...n: readonly number[]) => n.every((value, i) => i === 0 || n[i - 1] <= value);

const expected: Readonly<Record<string, readonly Expected[]>> = {
  "01-bound-a-pytorch-export.ts": [
    line("# <= L <= # \\(proved by \\w+\\)", 1, ([low, high]) => low > 1 && ordered(low, high, 12)),
    line("/\\d/Gemm: norm #, # % of the logarithm", 3, ([, share]) => ordered(0, share, 100)),
  ],
  "02-train-with-a-budget.ts": [
    line("epoch 3: test accuracy #", 1, ([accuracy]) => accuracy > 0.85),
    line("asked for at most 2, seen #, proved #", 1, ([seen, proved]) => ordered(1, seen, proved, 2)),
  ],
  "03-certify-and-verify.ts": [
    line("certified at #: #", 2, ([, accuracy]) => accuracy > 0.3),
    line("holds: .*", 10),
    line("altered: refused", 1),
  ],
  "04-attack.ts": [
    line("#: # certified <= truth <= # left by attacks", 3, ([, certified, robust]) => ordered(certified, robust)),
    line("attacks within a proved radius: 0", 1),
  ],
  "05-add-an-op.ts": [
    line("epoch 3: test accuracy #", 1, ([accuracy]) => accuracy > 0.8),
    line("# <= L <= # \\(proved by \\w+\\)", 1, ([low, high]) => low > 1 && ordered(low, high)),
  ],
  "06-add-a-method.ts": [
    line(
      "(?:plain|squeeze): accuracy #, constant at most #",
      2,
      ([accuracy, constant]) => accuracy > 0.8 && constant > 1,
    ),
    line("plain: .* at most #\nsqueeze: .* at most #", 1, ([plain, squeezed]) => squeezed < plain),
  ],
  "07-gain-on-a-box.ts": [
    line("global, l(?:2|inf): gain between # \\(seen\\) and # \\(proved by [\\w-]+\\)", 2, (n) => ordered(...n)),
    line("box, l(?:2|inf): gain between # \\(seen\\) and # \\(proved by [\\w-]+\\)", 2, (n) => ordered(...n)),
    line("global, l2: .* and # [^]*\nbox, l2: .* and # .*", 1, ([everywhere, inBox]) => inBox < everywhere),
  ],
  "08-curvature.ts": [
    line("(?:standard|lcnn): normalised curvature # in the mean", 2, ([mean]) => mean > 0),
    line("(?:standard|lcnn): Hessian up to # seen, nowhere above # \\(proved\\)", 2, ([seen, proved]) =>
      ordered(0, seen, proved),
    ),
  ],
  "09-add-a-bound.ts": [line("# <= # <= #", 1, (n) => ordered(1, ...n))],
  "10-add-a-figure.ts": [
    line(
      "a page without scripts: true, bars: #, 30 samples, # in the mean",
      1,
      ([bars, mean]) => bars > 1 && mean > 0.1,
    ),
  ],
  "11-distil-a-controller.ts": [
    line("constant of the student: at most #", 1, ([constant]) => ordered(0.5, constant, 3)),
    line("actions differ by # \\(found\\) to # \\(proved\\)", 1, ([low, high]) => ordered(0, low, high, 0.2)),
    line("slopes by # \\(seen\\) to # \\(proved\\)", 1, ([low, high]) => ordered(0, low, high, 1)),
  ],
};

describe("examples/", () => {
  it("are eleven programs, and a test knows each", () => {
    expect(programs).toEqual(Object.keys(expected));
    expect(programs).toHaveLength(11);
  });

  it.each(programs)("%s is under 30 lines, says how to run it, and prints what it promises", (file) => {
    const text = readFileSync(`${root}examples/${file}`, "utf8");
    expect(text.trimEnd().split("\n").length).toBeLessThan(30);
    expect(text).toContain(`// Run: npx tsx examples/${file}\n`);
    const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", "tsx", `examples/${file}`], {
      encoding: "utf8",
      cwd: root,
    });
    expect(stderr).toBe("");
    expect(status).toBe(0);
    for (const { pattern, times, holds } of expected[file]) {
      const matches = [...stdout.matchAll(pattern)];
      expect(matches.length, `${pattern} in\n${stdout}`).toBe(times);
      for (const [whole, ...numbers] of matches) expect(holds?.(numbers.map(Number)) ?? true, whole).toBe(true);
    }
  });
});
