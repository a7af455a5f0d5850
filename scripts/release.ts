/** @file Is this tree what may be published? Run by `npm publish` before it packs: a release is a tag of a clean tree, in the changelog, from the repository that package.json names. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

const { name, version, repository } = JSON.parse(readFileSync("package.json", "utf8"));

const git = (...words: string[]): string => {
  const { status, stdout, stderr } = spawnSync("git", words, { encoding: "utf8" });
  if (status !== 0) throw new Error(`git ${words.join(" ")}: ${stderr}`);
  return stdout.trim();
};

/** Without what hosts write in several ways. */
const address = (url: string) =>
  url
    .replace(/^git\+/, "")
    .replace(/\.git$/, "")
    .replace(/^git@([^:]+):/, "https://$1/");

const rules: readonly (readonly [holds: boolean, rule: string])[] = [
  [git("status", "--porcelain") === "", "the tree must be clean"],
  [git("tag", "--points-at", "HEAD").split("\n").includes(`v${version}`), `the tag v${version} must be at this commit`],
  [
    new RegExp(`^## \\[${version.replaceAll(".", "\\.")}\\] - \\d{4}-\\d{2}-\\d{2}$`, "m").test(
      readFileSync("CHANGELOG.md", "utf8"),
    ),
    `CHANGELOG.md must have a section "## [${version}] - DATE"`,
  ],
  [
    address(git("config", "--get", "remote.origin.url")) === address(repository.url),
    `the remote "origin" must be ${address(repository.url)}, which package.json names: provenance is refused otherwise`,
  ],
];
const broken = rules.filter(([holds]) => !holds);
for (const [, rule] of broken) console.error(`${name} ${version}: ${rule}`);
process.exitCode = broken.length > 0 ? 1 : 0;
