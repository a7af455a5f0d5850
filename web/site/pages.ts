/** @file The pages of the site: Markdown of the repository as HTML, at the same paths, so that links between them stay as they are. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import MarkdownIt from "markdown-it";
import { exampleFiles } from "./examples.ts";

export const root = fileURLToPath(new URL("../../", import.meta.url));

export interface Page {
  /** From the root of the repository. */
  readonly source: string;
  /** From the root of the site. */
  readonly target: string;
  readonly title: string;
  readonly group: string;
  readonly html: string;
  readonly sections: readonly Section[];
  /** Paths that it links to which are no pages. */
  readonly files: readonly string[];
}

/** What is between two headings, for the search. */
export interface Section {
  readonly heading: string;
  readonly anchor: string;
  readonly text: string;
}

/** The name that a heading can be linked by, as the hosts of repositories make it. */
export const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, "")
    .replaceAll(" ", "-");

/** All pages, in the order of the contents. */
export function sitePages(): readonly Page[] {
  const markdown = (folder: string) =>
    readdirSync(join(root, folder), { encoding: "utf8" })
      .filter((name) => name.endsWith(".md"))
      .sort()
      .map((name) => posix.join(folder, name));
  const groups: readonly (readonly [string, readonly string[]])[] = [
    ["Begin", ["docs/README.md", "README.md"]],
    ["Commands", markdown("docs/commands")],
    ["Ideas", markdown("docs/ideas")],
    ["Methods", markdown("docs/methods")],
    ["Reference", [...markdown("docs").filter((file) => file !== "docs/README.md"), "FEATURES.md"]],
    ["Programs", exampleFiles()],
    ["Measurements", [...markdown("bench"), ...markdown("bench/studies")]],
    ["Project", ["CONTRIBUTING.md", "CHANGELOG.md", "src/data/NOTICE.md"]],
  ];
  return groups.flatMap(([group, sources]) => sources.map((source) => pageOf(source, group)));
}

/** Where a page of the repository is on the site. */
export const targetOf = (source: string): string =>
  source.replace(/(^|\/)README\.md$/, "$1index.html").replace(/\.(md|ts)$/, ".html");

// --- internal ---

/** The first page of the site is the tool itself. */
const placeOf = (source: string): string => (source === "README.md" ? "readme.html" : targetOf(source));

function pageOf(source: string, group: string): Page {
  const raw = readFileSync(join(root, source), "utf8");
  const text = source.endsWith(".ts") ? programText(source, raw) : raw;
  const files: string[] = [];
  const markdown = new MarkdownIt({ html: true, linkify: false });
  let programs = 0;
  const { rules } = markdown.renderer;
  rules.link_open = (tokens, at, options, _env, self) => {
    const token = tokens[at];
    const href = token.attrGet("href") ?? "";
    if (!/^(https?:|mailto:|#)/.test(href)) token.attrSet("href", linkOf(source, href, files));
    return self.renderToken(tokens, at, options);
  };
  rules.image = (tokens, at, options, env, self) => {
    const token = tokens[at];
    const from = token.attrGet("src") ?? "";
    if (!/^(https?:|data:)/.test(from)) token.attrSet("src", linkOf(source, from, files));
    token.attrSet("alt", self.renderInlineAsText(token.children ?? [], options, env));
    return self.renderToken(tokens, at, options);
  };
  rules.heading_open = (tokens, at, options, _env, self) => {
    tokens[at].attrSet("id", anchorOf(tokens[at + 1].content));
    return self.renderToken(tokens, at, options);
  };
  // What is wider than a phone scrolls by itself.
  rules.table_open = () => `<div class="scroll" role="group" aria-label="table" tabindex="0"><table>`;
  rules.table_close = () => "</table></div>";
  rules.fence = (tokens, at) => {
    const { content, info } = tokens[at];
    const code = `<pre tabindex="0"><code>${markdown.utils.escapeHtml(content)}</code></pre>`;
    if (info !== "ts run") return code;
    const id = `${source}#${programs++}`;
    // What needs files or processes runs in Node only.
    if (/from "node:/.test(content)) return code;
    return `<div class="program" data-program="${markdown.utils.escapeHtml(id)}">${code}</div>`;
  };
  const html = markdown.render(text);
  return {
    source,
    target: placeOf(source),
    title: text.match(/^# (.*)$/m)?.[1].replaceAll("`", "") ?? source,
    group,
    html,
    sections: sectionsOf(text),
    files,
  };
}

/** A program as a page: what its first comment says, and the program. */
function programText(source: string, code: string): string {
  const [first, ...rest] = code.split("\n");
  const name = posix.basename(source, ".ts").replaceAll("-", " ");
  return `# ${name}\n\n${first.replace(/^\/\/ /, "")}\n\n\`\`\`ts run\n${rest.join("\n").trimStart()}\`\`\`\n`;
}

/** A link between pages of the repository as one between pages of the site. */
function linkOf(source: string, href: string, files: string[]): string {
  const [path, anchor] = href.split("#");
  const wanted = posix.normalize(posix.join(dirname(source), path));
  const isFolder = statSync(join(root, wanted)).isDirectory();
  const to = isFolder
    ? posix.join(wanted, "index.html")
    : /\.md$/.test(wanted) || exampleFiles().includes(wanted)
      ? placeOf(wanted)
      : wanted;
  if (to === wanted || isFolder) files.push(wanted);
  const link = posix.relative(dirname(placeOf(source)), to);
  return anchor === undefined ? link : `${link}#${anchor}`;
}

function sectionsOf(text: string): Section[] {
  const parts = text.replace(/^```[\s\S]*?^```$/gm, "").split(/^#+ (.*)$/m);
  const sections: Section[] = [];
  for (let k = 1; k + 1 < parts.length; k += 2) {
    const heading = parts[k].replaceAll("`", "");
    sections.push({ heading, anchor: anchorOf(parts[k]), text: plain(parts[k + 1]) });
  }
  return sections;
}

const plain = (markdown: string): string =>
  markdown
    .replace(/\]\([^)]*\)/g, "]")
    .replace(/[`*[\]|]/g, " ")
    .replace(/\s+/g, " ")
    .trim();
