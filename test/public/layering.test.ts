/** @file The shape of the source: who may import whom, read from the imports themselves. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { tool } from "../../src/experiment/tool.ts";
import { foldersOf } from "../pages.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** A folder imports only from itself and from those before it, in the order of the table in docs/map.md. Files at the top of src import anything. */
const order = foldersOf(readFileSync(join(root, "docs/map.md"), "utf8"));

/** Where the library meets the file system, threads and processes; everything else runs in a browser. */
const needsNode = /^(engine\/node|data\/files|data\/fetch|node)\.ts$|^data\/files\/|^(sweep|cli)\//;

/** Types of ONNX Runtime, which both of its packages share; the module itself is handed in. */
const namesRuntime = /^engine\/session\.ts$/;

/** The one list whose names are the table. */
const mayExportAll = /^onnx\/operators\.ts$/;

interface Import {
  readonly from: string;
  /** A file of src, or the name of a package. */
  readonly to: string;
  readonly relative: boolean;
}

const files = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
  .map((file) => file.replaceAll("\\", "/"))
  .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
  .sort();

const source = new Map(files.map((file) => [file, withoutComments(readFileSync(join(root, "src", file), "utf8"))]));
const imports = files.flatMap((file) => importsOf(file));

describe("layering", () => {
  it("reads the whole source", () => {
    expect(files).toContain("tensor/tensor.ts");
    expect(imports.length).toBeGreaterThan(files.length);
    expect(imports).toContainEqual({ from: "train/loop.ts", to: "data/batches.ts", relative: true });
    expect(imports).toContainEqual({ from: "engine/node.ts", to: "node:module", relative: false });
    // A dynamic import counts.
    expect(imports).toContainEqual({ from: "data/digits.ts", to: "data/digitsPack.ts", relative: true });
  });

  it("knows every folder, and every import leads to a file", () => {
    expect([...new Set(files.filter((file) => file.includes("/")).map(folderOf))].sort()).toEqual([...order].sort());
    const missing = imports.filter((i) => i.relative && !source.has(i.to) && !i.to.startsWith(".."));
    expect(missing.map(show)).toEqual([]);
  });

  it("imports only from folders above", () => {
    const below = imports.filter(
      (i) =>
        i.relative &&
        i.from.includes("/") &&
        (!i.to.includes("/") || order.indexOf(folderOf(i.to)) > order.indexOf(folderOf(i.from))),
    );
    expect(below.map(show)).toEqual([]);
  });

  it("checks certificates by code of its own: no runtime, no package, nothing of what made them", () => {
    const foreign = imports.filter((i) => i.from.startsWith("verify/") && !i.to.startsWith("verify/"));
    expect(foreign.map(show)).toEqual([]);
    expect(imports.some((i) => i.from.startsWith("verify/"))).toBe(true);
  });

  it("needs Node only where it must", () => {
    const strange = imports.filter((i) => /^node:/.test(i.to) && !needsNode.test(i.from));
    expect(strange.map(show)).toEqual([]);
  });

  it("loads no runtime but for Node", () => {
    const runtimes = imports.filter((i) => /^onnxruntime/.test(i.to) && !needsNode.test(i.from));
    expect(runtimes.filter((i) => !namesRuntime.test(i.from)).map(show)).toEqual([]);
    const session = source.get("engine/session.ts") ?? "";
    expect(session.match(/import.*onnxruntime.*/g)).toEqual(['import type * as Ort from "onnxruntime-common";']);
  });

  it("reaches the parts that need Node only from their own", () => {
    const leaks = imports.filter((i) => i.relative && needsNode.test(i.to) && !needsNode.test(i.from));
    expect(leaks.map(show)).toEqual([]);
  });

  it("has no cycles of files", () => {
    expect(cycle()).toEqual([]);
  });

  it("has no default exports, no star exports, and the endings of files in its imports", () => {
    const offences = [...source].flatMap(([file, text]) => [
      ...(/\bexport\s+default\b|\bas\s+default\b/.test(text) ? [`${file}: default export`] : []),
      ...(/\bexport\s*\*/.test(text) && !mayExportAll.test(file) ? [`${file}: star export`] : []),
    ]);
    const bare = imports.filter((i) => i.relative && !/\.(ts|json)$/.test(i.to)).map(show);
    expect([...offences, ...bare]).toEqual([]);
  });

  it("imports only packages that it depends on", () => {
    const { dependencies, peerDependencies } = packageJson();
    const known = { ...dependencies, ...peerDependencies };
    const used = imports.filter((i) => !i.relative && !i.to.startsWith("node:"));
    const names = used.map((i) => ({ ...i, to: i.to.match(/^(@[^/]+\/)?[^/]+/)?.[0] ?? i.to }));
    expect(names.filter((i) => !(i.to in known)).map(show)).toEqual([]);
  });
});

describe("the tool's version", () => {
  it("is the package's", () => {
    const { name, version } = packageJson();
    expect({ name: tool.name, version: tool.version }).toEqual({ name, version });
  });
});

// --- internal ---

function packageJson(): {
  name: string;
  version: string;
  dependencies: Record<string, string>;
  peerDependencies: Record<string, string>;
} {
  return JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
}

function folderOf(file: string): string {
  return file.slice(0, file.indexOf("/"));
}

function show({ from, to }: Import): string {
  return `${from} -> ${to}`;
}

/** Without comments, so that an example in one is no import. Strings with // in them lose their ends, which no import has. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
}

function importsOf(file: string): Import[] {
  const text = source.get(file) ?? "";
  const found = text.matchAll(/\bfrom\s*["']([^"']+)["']|\bimport\s*\(?\s*["']([^"']+)["']/g);
  return [...found].map((match) => {
    const name = match[1] ?? match[2];
    const isRelative = name.startsWith(".");
    const path = relative("src", join("src", dirname(file), name)).replaceAll("\\", "/");
    return { from: file, to: isRelative ? path : name, relative: isRelative };
  });
}

/** The files of one cycle, or none: depth first, with the path so far. */
function cycle(): string[] {
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): string[] => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return [];
    path.push(file);
    for (const { from, to, relative: own } of imports) {
      const found = own && from === file ? visit(to) : [];
      if (found.length > 0) return found;
    }
    path.pop();
    done.add(file);
    return [];
  };
  for (const file of files) {
    const found = visit(file);
    if (found.length > 0) return found;
  }
  return [];
}
