/** @file The programs of the pages as modules of the site: their own text, with the engine of the browser where they ask for that of Node. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Plugin } from "vite";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** The programs of examples/, by their paths from the root. */
export const exampleFiles = (): readonly string[] =>
  readdirSync(`${root}examples`)
    .filter((name) => /^\d\d-.*\.ts$/.test(name))
    .sort()
    .map((name) => `examples/${name}`);

/** `virtual:examples` is the table of all programs that a browser can run, by page and place on it. */
export function examples(): Plugin {
  const programs = new Map<string, string>();
  for (const page of readdirSync(`${root}docs`, { recursive: true, encoding: "utf8" }).filter((f) =>
    f.endsWith(".md"),
  )) {
    const blocks = readFileSync(`${root}docs/${page}`, "utf8").matchAll(/^```ts run[^\n]*\n([\s\S]*?)^```$/gm);
    for (const [k, [, code]] of [...blocks].entries()) {
      if (!/from "node:/.test(code)) programs.set(`docs/${page}#${k}`, code);
    }
  }
  const virtual = (id: string) => `\0example/${id}.ts`;
  const isExample = (importer = "") => importer.startsWith("\0example/") || importer.startsWith(`${root}examples/`);
  return {
    name: "examples",
    enforce: "pre",
    resolveId(id, importer) {
      if (id === "virtual:examples") return "\0examples";
      if (id.startsWith("virtual:example/")) return virtual(id.slice("virtual:example/".length));
      if (!isExample(importer)) return null;
      if (id === "lipschitz") return `${root}web/src/docs/lipschitz.ts`;
      if (id === "lipschitz/node") return `${root}web/src/docs/node.ts`;
      return id.startsWith("lipschitz/") ? this.resolve(id, `${root}web/src/docs/runner.ts`) : null;
    },
    load(id) {
      if (id === "\0examples") {
        const line = (key: string, from: string) => `${JSON.stringify(key)}: () => import(${JSON.stringify(from)}),`;
        const own = exampleFiles().map((file) => line(`${file}#0`, `${root}${file}`));
        const shown = [...programs.keys()].map((key) => line(key, `virtual:example/${key}`));
        return `export const examples = {${[...own, ...shown].join("\n")}};`;
      }
      // The package says that its modules do nothing when imported; a program does.
      if (isExample(id) && id.startsWith(root) && id.endsWith(".ts"))
        return { code: readFileSync(id, "utf8"), moduleSideEffects: true };
      if (!id.startsWith("\0example/")) return null;
      return programs.get(id.slice("\0example/".length, -".ts".length)) ?? null;
    },
  };
}
