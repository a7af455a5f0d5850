/** @file The package as a stranger gets it: packed, installed into an empty project outside of the repository, imported, run and bundled there. */
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const entries = [
  "lipschitz",
  "lipschitz/ops",
  "lipschitz/node",
  "lipschitz/web",
  "lipschitz/verify",
  "lipschitz/report",
];

describe("the package", () => {
  const home = mkdtempSync(join(tmpdir(), "lipschitz-package-"));
  const app = join(home, "app");
  const own = join(app, "node_modules/lipschitz");
  const run = (file: string, ...words: string[]) =>
    spawnSync(file, words, { cwd: app, encoding: "utf8", shell: process.platform === "win32" });
  const lipschitz = (...words: string[]) => run(process.execPath, join(own, "dist/cli/main.js"), ...words);

  beforeAll(() => {
    mkdirSync(app);
    writeFileSync(join(app, "package.json"), JSON.stringify({ name: "app", private: true, type: "module" }));
    const packed = spawnSync("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", home], {
      cwd: root,
      encoding: "utf8",
      shell: process.platform === "win32",
    });
    if (packed.status !== 0) throw new Error(`npm pack: ${packed.stderr}`);
    const tarball = readdirSync(home).find((name) => name.endsWith(".tgz"));
    // From the registry, and from what this machine has of it already.
    const installed = run("npm", "install", `../${tarball}`, "--prefer-offline", "--no-audit", "--no-fund");
    if (installed.status !== 0) throw new Error(`npm install: ${installed.stderr}`);
    cpSync(join(root, "examples/policy.onnx"), join(app, "policy.onnx"));
  });
  afterAll(() => rmSync(home, { recursive: true, force: true }));

  it("installs from the registry alone: no package of it runs a script or holds a runtime", () => {
    const manifests = readdirSync(join(app, "node_modules"), { recursive: true, encoding: "utf8" })
      .filter((file) =>
        /(^|[\\/])node_modules[\\/](@[^\\/]+[\\/])?[^\\/]+[\\/]package\.json$/.test(`node_modules/${file}`),
      )
      .map((file) => JSON.parse(readFileSync(join(app, "node_modules", file), "utf8")));
    expect(manifests.length).toBeGreaterThan(20);
    const scripted = manifests.filter(
      ({ scripts = {} }) => scripts.preinstall ?? scripts.install ?? scripts.postinstall,
    );
    expect(scripted.map(({ name }) => name)).toEqual([]);
    expect(manifests.some(({ name }) => ["onnxruntime-node", "onnxruntime-web", "bullmq"].includes(name))).toBe(false);
    // Megabytes of all files.
    expect(sizeOf(join(app, "node_modules")) / 1e6).toBeLessThan(32);
  });

  it("holds no tests, and the licences and sources that it speaks of", () => {
    const files = readdirSync(own, { recursive: true, encoding: "utf8" }).map((file) => file.replaceAll("\\", "/"));
    expect(files.filter((file) => /\.test\.|^(test|bench|web|docs)\//.test(file))).toEqual([]);
    for (const file of ["LICENSE", "THIRD-PARTY.md", "README.md", "CHANGELOG.md", "src/data/NOTICE.md"])
      expect(files).toContain(file);
    const maps = files.filter((file) => file.endsWith(".map"));
    expect(maps.length).toBeGreaterThan(500);
    const lost = maps.flatMap((file) =>
      (JSON.parse(readFileSync(join(own, file), "utf8")).sources as string[])
        .map((source) => join(dirname(file), source))
        .filter((source) => !existsSync(join(own, source)) && !source.endsWith("digitsPack.ts")),
    );
    expect(lost).toEqual([]);
  });

  it.each([
    ["bundler", "esnext"],
    ["node16", "node16"],
    ["nodenext", "nodenext"],
  ])("has types under moduleResolution %s", (resolution, module) => {
    const typed = entries.filter((entry) => entry !== "lipschitz/report");
    const names = typed.map(
      (entry, k) => `import * as entry${k} from "${entry}";\nexport const keys${k}: string[] = Object.keys(entry${k});`,
    );
    const use = `import { type Bracket, lipschitz, readOnnx } from "lipschitz";
import { nodeEngine } from "lipschitz/node";
export const bracket: Promise<Bracket> = readOnnx("policy.onnx").then((n) => lipschitz(n, { engine: nodeEngine() }));
// @ts-expect-error a network is no engine
export const wrong = lipschitz({}, {});
`;
    writeFileSync(join(app, "main.ts"), `${names.join("\n")}\n${use}`);
    const check = (...words: string[]) =>
      run(process.execPath, join(root, "node_modules/typescript/bin/tsc"), ...settings, ...words);
    const settings = ["--strict", "--noEmit", "--target", "es2023", "--lib", "es2023,dom", "--types", ""];
    settings.push("--module", module, "--moduleResolution", resolution);
    expect(check("main.ts")).toMatchObject({ stdout: "", status: 0 });
    // The declarations of the plotting library name d3, which brings none of its own.
    writeFileSync(join(app, "report.ts"), 'export { openPen, renderReport } from "lipschitz/report";\n');
    expect(check("--skipLibCheck", "report.ts")).toMatchObject({ stdout: "", status: 0 });
  });

  it("imports every entry, verifies and says how to get a runtime without one", () => {
    const imports = entries.map((entry) => `await import("${entry}");`).join("");
    expect(run(process.execPath, "--input-type=module", "-e", imports)).toMatchObject({ status: 0, stderr: "" });
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    expect(lipschitz("--version").stdout).toBe(`${version}\n`);
    const { status, stderr } = lipschitz("bound", "policy.onnx");
    expect(stderr.trimEnd()).toBe(
      "lipschitz: nodeEngine: the package onnxruntime-node is not installed; install it: npm install onnxruntime-node --ignore-scripts",
    );
    expect(status).toBe(1);
  });

  it("bundles for a browser", async () => {
    const { warnings, outputFiles } = await build({
      stdin: {
        contents: entries
          .filter((entry) => entry !== "lipschitz/node")
          .map((entry, k) => `export * as e${k} from "${entry}";`)
          .join("\n"),
        resolveDir: app,
      },
      bundle: true,
      format: "esm",
      platform: "browser",
      splitting: true,
      outdir: "out",
      write: false,
      logLevel: "silent",
    });
    expect(warnings).toEqual([]);
    expect(outputFiles.length).toBeGreaterThan(1);
    expect(existsSync(join(app, "node_modules/lipschitz/src/index.ts"))).toBe(true);
  });

  it("brackets with the runtime beside it", () => {
    // Its own package, as here: its binaries are 290 MB.
    symlinkSync(join(root, "node_modules/onnxruntime-node"), join(app, "node_modules/onnxruntime-node"), "junction");
    const { status, stdout } = lipschitz("bound", "policy.onnx", "--json");
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ norm: "2", upper: { proved: true } });
  });
});

// --- internal ---

const sizeOf = (folder: string): number =>
  readdirSync(folder, { withFileTypes: true }).reduce((sum, entry) => {
    const path = join(folder, entry.name);
    return sum + (entry.isDirectory() ? sizeOf(path) : entry.isFile() ? statSync(path).size : 0);
  }, 0);
