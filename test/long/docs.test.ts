/** @file The pages under docs/ hold: their examples run, print what they show, their links lead somewhere, and no option, folder or method is missing. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { computedError } from "../../src/bounds/fixed.ts";
import { boundNames } from "../../src/bounds/index.ts";
import { valueError } from "../../src/bounds/local/ranges.ts";
import { rootError } from "../../src/linalg/roots.ts";
import { methodNames } from "../../src/train/methods.ts";
import { errorOf } from "../../src/verify/read/pointwise.ts";
import { desk, program, shownOf } from "../pageRun.ts";
import { agrees, blocksOf, firstPage, foldersOf, headingsOf, linksOf, pages, pageText, root } from "../pages.ts";

const place = desk();

/** Run a page, and hold every block to what the page says of it. */
async function check(page: string): Promise<void> {
  for (const done of await place.run(page)) {
    const { block, status, stderr } = done;
    expect(status, `${block.text}${stderr}`).toBe(block.exit);
    // Refusals speak on stderr; nothing else does.
    if (block.exit === 0) expect(stderr, block.text).toBe("");
    if (block.output === null || agrees(block.output, shownOf(done))) continue;
    expect(shownOf(done), `${page} shows something else than is printed; npm run docs\n${block.text}`).toBe(
      block.output.text,
    );
  }
}

beforeAll(() => check(firstPage));
afterAll(() => place.clear());

describe("the examples of docs/", () => {
  const withExamples = pages.filter((page) => page !== firstPage && blocksOf(pageText(page)).length > 0);

  it.concurrent.each(withExamples)("%s", (page) => check(page));

  it("README.md", () => check("README.md"));

  it("are on every page of a command, a method or an idea", () => {
    const without = pages.filter((page) => dirname(page) !== "docs" && !withExamples.includes(page));
    expect(without).toEqual([]);
  });
});

describe("docs/", () => {
  it("has a page for every command, with every option", () => {
    const help = (...words: string[]) =>
      spawnSync(process.execPath, [program, ...words, "--help"], { encoding: "utf8" }).stdout;
    const [, list] = help().match(/USAGE lipschitz\s+([\w|-]+)/) ?? [];
    const commands = list.split("|");
    expect(commands.length).toBeGreaterThan(8);
    for (const command of commands) {
      const text = pageText(`docs/commands/${command}.md`);
      const methods =
        command === "train"
          ? pages
              .filter((p) => p.startsWith("docs/methods/"))
              .map(pageText)
              .join()
          : "";
      // A method's own options are in the help of the method.
      const shown =
        command === "data"
          ? help("data", "fetch")
          : command === "train"
            ? methodNames.map((method) => help("train", method)).join()
            : help(command);
      const options = [...shown.matchAll(/^ +--([\w-]+)/gm)];
      expect(options.length).toBeGreaterThan(1);
      // How data are read stands on their page.
      const data = text.includes("](data.md)") ? pageText("docs/commands/data.md") : "";
      const missing = options.map(([, name]) => name).filter((n) => !`${text}${methods}${data}`.includes(`--${n}`));
      // What all commands share stands on the first page.
      expect(
        missing.filter((name) => !["json", "quiet"].includes(name)),
        command,
      ).toEqual([]);
    }
  });

  it("has the defaults of methods on the command line that the command has", () => {
    for (const [name, row] of Object.entries({
      "lmt.md": /`c` \| `--c` .* ([\d.]+) in `train`/,
      "lbdn.md": /`gamma` \| `--gamma` .* ([\d.]+) in `train`/,
      "clip.md": /^\| `goal` \|.* ([\d.]+) \|$/m,
    })) {
      const [, shown] = pageText(`docs/methods/${name}`).match(row) ?? [];
      const [method] = name.split(".");
      const [, setting] = row.source.match(/`(\w+)`/) ?? [];
      const { stdout } = spawnSync(process.execPath, [program, "train", method, "--help"], { encoding: "utf8" });
      expect(stdout.replace(/\s+/g, " "), name).toMatch(
        new RegExp(`--${setting}=\\S+ (?:(?! --).)*\\. Default: ${shown}(?![\\d.])`),
      );
    }
  });

  it("names every method and every bound", () => {
    const all = (folder: string) =>
      pages
        .filter((p) => p.startsWith(folder))
        .map(pageText)
        .join();
    for (const name of methodNames) expect(all("docs/methods/")).toContain(`\`${name}\``);
    for (const name of boundNames) expect(pageText("docs/ideas/bounds.md")).toContain(`\`${name}\``);
  });

  it("has a map of src/ that names every folder", () => {
    const map = pageText("docs/map.md");
    const folders = readdirSync(join(root, "src"), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    expect([...foldersOf(map)].sort()).toEqual(folders.map(({ name }) => name).sort());
  });

  it.each(["docs/map.md", "docs/glossary.md"])("names files in %s that are there", (page) => {
    const files = [...pageText(page).matchAll(/`((?:src|test)\/[\w/.]+)`/g)].map(([, file]) => file);
    expect(files.length).toBeGreaterThan(8);
    expect(files.filter((file) => !existsSync(join(root, file)))).toEqual([]);
  });

  it("has a glossary with a meaning and a file of the source in every row", () => {
    const [, , ...rows] = pageText("docs/glossary.md").match(/^\|.*\|$/gm) ?? [];
    expect(rows.length).toBeGreaterThanOrEqual(40);
    const cells = rows.map((row) =>
      row
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
    expect(
      cells.filter(([word, meaning, , file]) => !(word && meaning && /^`src\/[\w/.]+`$/.test(file ?? ""))),
    ).toEqual([]);
    expect(cells.map(([word]) => word).filter((word, i, all) => all.indexOf(word) !== i)).toEqual([]);
  });

  it("shows no figure of a method that its studies do not show", () => {
    const numbersOf = (text: string) => text.match(/\d+(?:\.\d+)?/g) ?? [];
    let compared = 0;
    for (const page of pages.filter((p) => p.startsWith("docs/methods/"))) {
      const [, figures] = pageText(page).split(/^## Figures$/m);
      if (figures === undefined) continue;
      const studies = linksOf(figures).filter(({ file }) => file.includes("bench/studies/"));
      const known = new Set(studies.flatMap(({ file }) => numbersOf(pageText(join(dirname(page), file)))));
      const table = figures.split("\n").filter((line) => /^\|.*\d/.test(line));
      const shown = table.flatMap((line) => numbersOf(line.replace(/`[^`]*`/g, "")));
      expect(
        shown.filter((number) => !known.has(number)),
        page,
      ).toEqual([]);
      compared += shown.length;
    }
    expect(compared).toBeGreaterThan(60);
  });

  it("says of errors that are granted what the code grants", () => {
    const text = pageText("docs/proved.md");
    for (const [what, granted] of [
      ["granted a relative error of\n  2^", computedError],
      ["values of activations are granted a relative error of 2^", valueError],
      ["err by less than 2^", errorOf.elementary[64]],
      ["its activations err by less than 2^", errorOf.elementary[32]],
    ] as const) {
      expect(text).toContain(`${what}${Math.log2(granted)}`);
    }
    expect(errorOf.few[32]).toBe(errorOf.elementary[32]);
    expect(rootError).toBe(8 * 2 ** -53);
  });

  const linking = [...pages, "README.md", "CONTRIBUTING.md", "FEATURES.md", "CHANGELOG.md"];
  it.each(linking)("%s links to what is there", (page) => {
    const broken = linksOf(pageText(page)).filter(({ file, heading }) => {
      const target = file === "" ? page : join(dirname(page), file).replaceAll("\\", "/");
      if (!existsSync(join(root, target))) return true;
      return heading !== null && !headingsOf(pageText(target)).includes(heading);
    });
    expect(broken).toEqual([]);
  });

  it("is reached from its first page", () => {
    const linked = linksOf(pageText(firstPage)).map(({ file }) => `docs/${file}`);
    expect(pages.filter((page) => page !== firstPage && !linked.includes(page))).toEqual([]);
  });
});
