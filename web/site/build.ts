/** @file The pages of the site around what Vite has built: rendered into the layout docs.html, with the index of the search, the files that pages link to, and the models that programs read. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import MiniSearch from "minisearch";
import { searchOptions } from "../src/docs/searchOptions.ts";
import { type Page, root, sitePages } from "./pages.ts";

const dist = fileURLToPath(new URL("../dist/", import.meta.url));
const layoutFile = join(dist, "docs.html");
const layout = readFileSync(layoutFile, "utf8");
rmSync(layoutFile);

const pages = sitePages();
for (const page of pages) write(page.target, laidOut(page));

const index = new MiniSearch(searchOptions);
index.addAll(
  pages.flatMap(({ target, title, sections }) =>
    [...new Map(sections.map((s) => [s.anchor, s])).values()].map(({ heading, anchor, text }) => ({
      id: `${target}#${anchor}`,
      title,
      heading,
      text,
    })),
  ),
);
write("search.json", JSON.stringify(index));

for (const file of new Set(pages.flatMap(({ files }) => files))) {
  if (statSync(join(root, file)).isDirectory()) listing(file);
  else copy(file, file);
}

// The models that the first page of docs/ makes, by its own commands.
copy("examples/policy.onnx", "files/policy.onnx");
const folder = mkdtempSync(join(tmpdir(), "lipschitz-site-"));
try {
  const words = "train plain --data iris --widths 16 --epochs 40 --batch 16 --quiet --out".split(" ");
  const { status, stderr } = spawnSync(process.execPath, [join(root, "dist/cli/main.js"), ...words, folder], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`the model of the pages cannot be made: ${stderr}`);
  write("files/runs/iris/model.onnx", readFileSync(join(folder, "model.onnx")));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(`${pages.length} pages, ${index.documentCount} sections to search in`);

// --- internal ---

function write(target: string, content: string | Uint8Array): void {
  mkdirSync(dirname(join(dist, target)), { recursive: true });
  writeFileSync(join(dist, target), content);
}

function copy(from: string, to: string): void {
  mkdirSync(dirname(join(dist, to)), { recursive: true });
  cpSync(join(root, from), join(dist, to));
}

function laidOut({ target, title, html }: Pick<Page, "target" | "title" | "html">): string {
  const up = posix.relative(dirname(target), ".") || ".";
  const link = (to: string) => posix.relative(dirname(target), to);
  const home = `<a href="${link("index.html")}">lipschitz</a> · <a href="${link("docs/index.html")}">documentation</a> · <a href="${link("api/index.html")}">library</a>`;
  const parts: Readonly<Record<string, string>> = {
    title: `${title} - lipschitz`,
    home,
    contents: contents(target, link),
    content: html,
  };
  return layout
    .replaceAll('"./assets/', `"${up}/assets/`)
    .replace(/<!--(title|home|contents|content)-->/g, (_, name: string) => parts[name]);
}

function contents(current: string, link: (to: string) => string): string {
  const groups = [...new Set(pages.map(({ group }) => group))];
  return groups
    .map((group) => {
      const own = pages.filter((page) => page.group === group);
      const items = own.map(
        ({ target, title }) =>
          `<li><a href="${link(target)}"${target === current ? ' aria-current="page"' : ""}>${title.replaceAll("<", "&lt;")}</a></li>`,
      );
      const open = own.some(({ target }) => target === current) || group === "Begin" ? " open" : "";
      return `<details${open}><summary>${group}</summary><ul>${items.join("")}</ul></details>`;
    })
    .join("");
}

/** A folder that a page links to: its files, those that are pages as pages. */
function listing(path: string): void {
  const target = posix.join(path, "index.html");
  if (pages.some((page) => page.target === target)) return;
  const entries = readdirSync(join(root, path), { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => posix.join(path, name))
    .sort();
  const items = entries.map((file) => {
    const page = pages.find(({ source }) => source === file);
    if (!page) copy(file, file);
    return `<li><a href="${posix.relative(path, page?.target ?? file)}">${posix.basename(file)}</a></li>`;
  });
  write(target, laidOut({ target, title: path, html: `<h1>${path}</h1><ul>${items.join("")}</ul>` }));
}
