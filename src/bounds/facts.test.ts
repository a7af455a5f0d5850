/** @file Bounds ask ops what they are, not what they are called. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const source = fileURLToPath(new URL("../", import.meta.url));
const files = ["bounds", "curvature"].flatMap((folder) =>
  readdirSync(source + folder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
    .map((file) => `${folder}/${file}`),
);

describe("src/bounds and src/curvature", () => {
  it("decide nothing by the name of an op: what they need is a fact that it declares", () => {
    expect(files.length).toBeGreaterThan(80);
    const named = files.filter((file) =>
      /\bop\.name\b|\bname\b[^=\n]*\}\s*=\s*\w+\.op\b|op:\s*\{[^}]*\bname\b/.test(readFileSync(source + file, "utf8")),
    );
    expect(named).toEqual([]);
  });
});
