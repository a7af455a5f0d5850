/** @file Records that a person has edited or a disk has damaged: every field of a real record.json and samples.json dropped and altered, one at a time. A report is drawn, or one clear line says what is wrong. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readRunFolder } from "../../src/cli/runFolder.ts";
import { renderReport } from "../../src/report/report.ts";
import { ReadError, UsageError } from "../../src/tensor/errors.ts";

const program = new URL("../../dist/cli/main.js", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "lipschitz-records-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const lipschitz = (...words: string[]) =>
  spawnSync(process.execPath, [program, ...words], { encoding: "utf8", cwd: folder });

beforeAll(() => {
  const words = ["--data", "two-moons", "--widths", "4", "--epochs", "2", "--radii", "0.1", "--out", "run", "--quiet"];
  const { status, stderr } = lipschitz("train", "plain", ...words);
  expect([status, stderr]).toEqual([0, ""]);
});

type Path = readonly (string | number)[];

/** Every place in some JSON; of long lists the first two. */
function* places(value: unknown, path: Path = []): Generator<Path> {
  if (path.length > 0) yield path;
  if (Array.isArray(value)) for (const i of [0, 1]) if (i < value.length) yield* places(value[i], [...path, i]);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    for (const [key, member] of Object.entries(value)) yield* places(member, [...path, key]);
  }
}

const gone = Symbol("gone");
const others: readonly unknown[] = [gone, null, -1.5, 1e300, "x", "", [], [null], {}, true];

function changed(value: unknown, [first, ...rest]: Path, by: unknown): unknown {
  if (first === undefined) return by;
  const copy: Record<string | number, unknown> = Array.isArray(value)
    ? ([...value] as unknown as Record<number, unknown>)
    : { ...(value as Record<string, unknown>) };
  if (rest.length === 0 && by === gone) {
    if (Array.isArray(copy)) copy.splice(first as number, 1);
    else delete copy[first];
  } else copy[first] = changed(copy[first], rest, by);
  return copy;
}

async function outcome(): Promise<string> {
  try {
    const text = await renderReport(await readRunFolder(join(folder, "damaged")));
    return text.includes("</html>") ? "drawn" : "not whole";
  } catch (error) {
    const clear = (error instanceof ReadError || error instanceof UsageError) && !error.message.includes("\n");
    return clear ? "refused" : `threw ${String(error)}`;
  }
}

describe("a damaged record", () => {
  it.each(["record.json", "samples.json"])(
    "%s: is drawn or refused in one line, whatever is wrong",
    async (file) => {
      cpSync(join(folder, "run"), join(folder, "damaged"), { recursive: true });
      const path = join(folder, "damaged", file);
      const whole = JSON.parse(readFileSync(path, "utf8")) as unknown;
      expect(await outcome()).toBe("drawn");
      const counts = { drawn: 0, refused: 0 };
      const bad: string[] = [];
      for (const place of places(whole)) {
        for (const by of others) {
          writeFileSync(path, JSON.stringify(changed(whole, place, by)));
          const found = await outcome();
          if (found === "drawn" || found === "refused") counts[found]++;
          else bad.push(`${place.join(".")} = ${by === gone ? "gone" : JSON.stringify(by)}: ${found}`);
        }
      }
      expect(bad).toEqual([]);
      expect(counts.refused).toBeGreaterThan(counts.drawn);
    },
    600_000,
  );

  it("ends the command with code 2 and a line that names file and place", () => {
    cpSync(join(folder, "run"), join(folder, "broken"), { recursive: true });
    const path = join(folder, "broken", "record.json");
    const record = JSON.parse(readFileSync(path, "utf8"));
    writeFileSync(path, JSON.stringify(changed(record, ["bracket", "bounds", 0, "value"], "many")));
    const { status, stderr } = lipschitz("report", "broken");
    expect(status).toBe(2);
    expect(stderr).toBe(
      'lipschitz: broken/record.json: $.bracket.bounds[0].value: must be a number or null, got "many"; is it a record that train or compare wrote?\n',
    );
  });
});
