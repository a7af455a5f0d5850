/** @file The library as a web page takes it in: it bundles without a flag or a warning, asks for nothing of Node, and is small. */
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** What a page that runs `code` loads at once, minified: no chunk that is loaded when it is needed. */
async function bundled(code: string) {
  const { outputFiles, warnings, metafile } = await build({
    // Inside the package, its own name resolves to its own build.
    stdin: { contents: code, resolveDir: root },
    bundle: true,
    minify: true,
    splitting: true,
    format: "esm",
    platform: "browser",
    outdir: "out",
    write: false,
    metafile: true,
    logLevel: "silent",
  });
  const outside = Object.values(metafile.outputs).flatMap((o) =>
    o.imports.filter((i) => i.external).map((i) => i.path),
  );
  // linkedom, which stands in for a document where there is none, tries for it and does without.
  const needed = outside.filter((path) => path !== "canvas");
  const atOnce = new Set<string>();
  const follow = (chunk: string): void => {
    if (atOnce.has(chunk)) return;
    atOnce.add(chunk);
    for (const { path, kind, external } of metafile.outputs[chunk].imports) {
      if (kind === "import-statement" && !external) follow(path);
    }
  };
  for (const chunk of Object.keys(metafile.outputs)) if (/stdin\.js$/.test(chunk)) follow(chunk);
  const loaded = outputFiles.filter((f) => [...atOnce].some((chunk) => f.path.endsWith(`/${chunk}`)));
  const gzip = loaded.reduce((sum, f) => sum + gzipSync(f.contents).length, 0);
  return { warnings: warnings.map((w) => w.text), outside: needed, gzip };
}

describe("bundles for a browser", () => {
  // Bytes with gzip, and what each entry may have at most.
  it.each([
    ['export { lipschitz, readOnnx } from "lipschitz"', 120_000],
    ['export { verify } from "lipschitz/verify"', 28_000],
    ['export { webEngine } from "lipschitz/web"', 60_000],
    ['export * from "lipschitz"', 360_000],
  ])("%s: no warning, nothing of Node, at most %i bytes", async (code, most) => {
    const { warnings, outside, gzip } = await bundled(code);
    expect(warnings).toEqual([]);
    expect(outside).toEqual([]);
    expect(gzip).toBeLessThanOrEqual(most);
  });
});
