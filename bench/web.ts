/**
 * @file The page and the library in Chromium beside Node, as ratios and counts: `npm run site && npx tsx bench/web.ts [> bench/web.md]`. One thread each.
 * Where ../shared is there, mnist_fc_256x2 is measured, too.
 */
import { existsSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { chromium } from "playwright";
import { nodeEngine } from "../src/engine/node.ts";
import { systemChromium } from "../test/chromium.ts";
import { type Measured, measured } from "./webSteps.ts";

const root = fileURLToPath(new URL("../", import.meta.url));
const executablePath = systemChromium();
if (!executablePath) throw new Error("web: no Chromium at /usr/bin/chromium or where $CHROMIUM says");

const shared = join(root, "../shared/data/onnx/mnist/mnist_fc_256x2.onnx");
const files = [join(root, "examples/policy.onnx"), ...(existsSync(shared) ? [shared] : [])];
const nameOf = (file: string) => file.replace(/^.*\//, "");

const { outputFiles } = await build({
  stdin: {
    contents: `
      import * as ort from "/runtime/ort.wasm.min.mjs";
      import { webEngine } from "../src/engine/web.ts";
      import { measured, rounds } from "./webSteps.ts";
      const engine = webEngine(ort, { threads: 1 });
      await engine.warm();
      export const run = (models) => measured(engine, models);
      export async function grown(model) {
        let grows = 0;
        const { grow } = WebAssembly.Memory.prototype;
        WebAssembly.Memory.prototype.grow = function (pages) { grows++; return grow.call(this, pages); };
        await rounds(engine, model, 5);
        const before = grows;
        await rounds(engine, model, 40);
        return grows - before;
      }`,
    resolveDir: join(root, "bench"),
    loader: "ts",
  },
  bundle: true,
  format: "esm",
  platform: "browser",
  external: ["/runtime/*"],
  write: false,
});
const [script] = outputFiles;

const types: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".css": "text/css",
  ".wasm": "application/wasm",
};
const server = createServer(async (request, response) => {
  const path = new URL(request.url ?? "/", "http://host").pathname;
  const made = { "/bench.html": "<!doctype html><title>bench</title>", "/bench.js": script.text }[path];
  const file = path.startsWith("/runtime/")
    ? join(root, "node_modules/onnxruntime-web/dist", path.slice("/runtime/".length))
    : join(root, "web/dist", path === "/" ? "index.html" : path);
  const bytes = made ?? (await readFile(file).catch(() => null));
  if (bytes) response.writeHead(200, { "content-type": types[extname(path)] ?? "text/html" }).end(bytes);
  else response.writeHead(404).end();
});
await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });

interface BenchWindow {
  readonly bench: {
    run(models: Readonly<Record<string, Uint8Array>>): Promise<Measured>;
    grown(model: Uint8Array): Promise<number>;
  };
}

/** Milliseconds in the page: to a warm runtime, and from a model that is dropped to one side and to both; and the longest that a timer of the page was late until the end. */
async function dropped(file: string) {
  const page = await browser.newPage();
  const began = performance.now();
  await page.goto(`${url}/`);
  await page.locator(".status", { hasText: "Ready" }).waitFor();
  const warm = performance.now() - began;
  await page.evaluate(() => {
    const seen = window as unknown as { start: number; one: number; both: number; late: number };
    const verdict = document.querySelector("#bound .verdict") as Element;
    const picker = document.querySelector("#model input[type=file]") as Element;
    let last = performance.now();
    Object.assign(seen, { late: 0 });
    setInterval(() => {
      seen.late = Math.max(seen.late, performance.now() - last - 10);
      last = performance.now();
    }, 10);
    picker.addEventListener("change", () => Object.assign(seen, { start: performance.now() }), { capture: true });
    new MutationObserver(() => {
      const words = verdict.textContent ?? "";
      if (words.includes("proved to be at most")) seen.one ??= performance.now() - seen.start;
      if (words.includes("a pair of inputs shows")) seen.both ??= performance.now() - seen.start;
    }).observe(verdict, { childList: true, characterData: true, subtree: true });
  });
  await page.locator("#model input[type=file]").setInputFiles(file);
  await page.locator("#bound button:not([disabled])", { hasText: "Go on" }).waitFor({ timeout: 300_000 });
  const { one, both, late } = await page.evaluate(() => {
    const seen = window as unknown as { one: number; both: number; late: number };
    return { one: seen.one, both: seen.both, late: seen.late };
  });
  await page.close();
  return { warm, one, both, late };
}

const rows = [];
for (const file of files) rows.push({ name: nameOf(file), ...(await dropped(file)) });

const page = await browser.newPage();
await page.goto(`${url}/bench.html`);
const models = Object.fromEntries(files.map((file) => [nameOf(file), [...readFileSync(file)]]));
await page.addScriptTag({ type: "module", content: 'import * as bench from "/bench.js"; window.bench = bench;' });
await page.waitForFunction(() => "bench" in window);
const inBrowser = await page.evaluate((given) => {
  const bytes = Object.entries(given).map(([name, own]) => [name, Uint8Array.from(own)] as const);
  return (window as unknown as BenchWindow).bench.run(Object.fromEntries(bytes));
}, models);
const grows = await page.evaluate(
  (bytes) => (window as unknown as BenchWindow).bench.grown(Uint8Array.from(bytes)),
  models["policy.onnx"],
);
await browser.close();
server.close();

const inNode = await measured(
  nodeEngine({ threads: 1 }),
  Object.fromEntries(files.map((file) => [nameOf(file), readFileSync(file)])),
);
const ms = (v: number) => Math.round(v);
console.log(`# The browser beside Node

Chromium ${browser.version()} and Node ${process.version}, one thread each, on the same machine: \`npm run site && npx tsx bench/web.ts\`. Milliseconds hang on the machine and on what else it does; ratios less.

| dropped on the page | warm after | upper bound after | both sides after | a timer of the page was late by at most |
|---|---:|---:|---:|---:|
${rows.map(({ name, warm, one, both, late }) => `| ${name} | ${ms(warm)} ms | ${ms(one)} ms | ${ms(both)} ms | ${ms(late)} ms |`).join("\n")}

| step of plain training, batch 128 | browser | Node | ratio |
|---|---:|---:|---:|
${Object.entries(inBrowser.steps)
  .map(
    ([name, v]) =>
      `| ${name} | ${v.toFixed(2)} ms | ${inNode.steps[name].toFixed(2)} ms | ${(v / inNode.steps[name]).toFixed(1)} |`,
  )
  .join("\n")}

| bracket in l2, counted work | browser | Node | differ by |
|---|---:|---:|---:|
${Object.entries(inBrowser.brackets)
  .map(
    ([name, own]) =>
      `| ${name} | ${own.map((v) => v.toPrecision(8)).join(" to ")} | ${inNode.brackets[name].map((v) => v.toPrecision(8)).join(" to ")} | ${Math.max(...own.map((v, k) => Math.abs(v / inNode.brackets[name][k] - 1))).toExponential(1)} |`,
  )
  .join("\n")}

Forty rounds of loading a model, running it and disposing of it, after five: the runtime's memory grew ${grows} times.`);
