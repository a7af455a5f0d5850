/** @file The licences of the packages in the bundles, those of the worker's bundle among them: a bundle is a copy, and copies keep their notices. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Plugin } from "vite";

export interface Licences {
  /** For every bundle that is shipped. */
  readonly plugin: Plugin;
  /** Of all packages so far, as Markdown. */
  text(): string;
}

export function licences(): Licences {
  const folders = new Set<string>();
  return {
    plugin: {
      name: "licences",
      generateBundle(_, bundle) {
        for (const part of Object.values(bundle)) {
          for (const id of part.type === "chunk" ? part.moduleIds : part.originalFileNames) {
            const folder = packageOf(id.replace(/^\0/, "").replace(/\?.*$/, ""));
            if (folder) folders.add(folder);
          }
        }
      },
    },
    text: () => ["# Packages in this page", ...[...new Set([...folders].map(notice))].sort()].join("\n\n"),
  };
}

// --- internal ---

/** The folder of the package that a file of node_modules belongs to. */
const packageOf = (file: string): string | undefined =>
  file.match(/^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+(?=[\\/])/)?.[0];

function notice(folder: string): string {
  const { name, version, license, author } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const own = readdirSync(folder).find((entry) => /^(licen[cs]e|copying|notice)/i.test(entry));
  // What a package does not bring is kept beside this file, where its repository has it.
  const file = own ? join(folder, own) : fileURLToPath(new URL(`notices/${name}.txt`, import.meta.url));
  const by = typeof author === "string" ? author : (author?.name ?? "its authors");
  const text = existsSync(file) ? readFileSync(file, "utf8").trim() : `By ${by}. The package brings no text.`;
  return `## ${name} ${version} (${license})\n\n${text}`;
}
