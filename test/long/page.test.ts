/** @file The web page as a person uses it: built, served from a sub-folder of a static host, in a real browser. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { dirname, extname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type Browser, chromium, type Page } from "playwright";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lipschitz } from "../../src/bounds/index.ts";
import { nodeEngine } from "../../src/engine/node.ts";
import { readOnnx } from "../../src/onnx/file.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { systemChromium } from "../chromium.ts";
import { modelOf } from "../model.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const executablePath = systemChromium();

const types: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
};

/** A static host without headers of its own, with the page under /some/folder/. */
async function serve(): Promise<{ readonly server: Server; readonly url: string }> {
  const server = createServer(async (request, response) => {
    const path = new URL(request.url ?? "/", "http://host").pathname.replace(/^\/some\/folder\//, "") || "index.html";
    try {
      const bytes = await readFile(join(root, "web/dist", path));
      response.writeHead(200, { "content-type": types[extname(path)] ?? "application/octet-stream" }).end(bytes);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/some/folder/` };
}

const unknownOperator = modelOf({ inputs: { x: ["batch", 3] }, nodes: [{ op: "Frobnicate", in: ["x"] }] });

const bomb = modelOf({
  inputs: { x: ["batch", 1] },
  nodes: [
    { op: "ConstantOfShape", in: ["shape"], out: ["huge"], attributes: { value: tensor([1], [1]) } },
    { op: "MatMul", in: ["x", "huge"] },
  ],
  tensors: { shape: tensor([1, 5e8], [2], "int64") },
});

const verdictOf = (page: Page, section: string) => page.locator(`#${section} .verdict`);

/** What axe-core objects to. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8"));
  return page.evaluate(async () => {
    const { axe } = window as unknown as {
      axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> };
    };
    return (await axe.run()).violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.html}`));
  });
}

describe.skipIf(!executablePath)("the page", () => {
  let browser: Browser;
  let page: Page;
  let host: Awaited<ReturnType<typeof serve>>;
  const complaints: string[] = [];

  beforeAll(async () => {
    // Vite builds for production only where the environment does not say that this is a test.
    const { NODE_ENV: _, ...env } = process.env;
    const { status, stderr } = spawnSync("npm", ["run", "build", "-w", "web"], { cwd: root, env, encoding: "utf8" });
    if (status !== 0) throw new Error(`the page does not build: ${stderr}`);
    host = await serve();
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
    page = await browser.newPage({ viewport: { width: 1200, height: 900 } });
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) complaints.push(message.text());
    });
    await page.goto(host.url);
    await page.locator(".status", { hasText: "Ready" }).waitFor({ timeout: 60_000 });
  });

  afterAll(async () => {
    await browser?.close();
    host?.server.close();
    rmSync(join(root, "web/dist"), { recursive: true, force: true });
  });

  it("brackets a dropped model, both sides, and never holds the page up", async () => {
    // The longest that the page's own timer was late, while the worker works, and when it began.
    await page.evaluate(() => {
      const timer = window as unknown as { longest: number; started: number };
      let last = performance.now();
      Object.assign(timer, { longest: 0, started: last });
      setInterval(() => {
        const now = performance.now();
        timer.longest = Math.max(timer.longest, now - last);
        last = now;
      }, 10);
    });
    await page.locator("#model input[type=file]").setInputFiles(join(root, "examples/policy.onnx"));
    await expect
      .poll(() => verdictOf(page, "bound").textContent(), { timeout: 60_000 })
      .toMatch(/proved to be at most/);
    await expect
      .poll(() => verdictOf(page, "bound").textContent(), { timeout: 60_000 })
      .toMatch(/a pair of inputs shows/);
    await expect
      .poll(() => page.locator("#bound button").first().textContent(), { timeout: 60_000 })
      .toBe("Bracket the constant");
    // The work is counted, so that it is the same as in Node; arithmetic of the runtimes differs in last digits.
    const inNode = await lipschitz(await readOnnx(join(root, "examples/policy.onnx")), {
      engine: nodeEngine(),
      norm: "2",
    });
    const shown = (side: string) => verdictOf(page, "bound").getAttribute(`data-${side}`).then(Number);
    for (const side of ["lower", "upper"] as const) {
      expect(Math.abs((await shown(side)) / (inNode[side]?.value ?? 0) - 1)).toBeLessThan(5e-5);
    }
    expect(await page.locator("#bound .graph svg .node").count()).toBeGreaterThan(3);
    expect(await page.locator("#bound code").textContent()).toBe("npx lipschitz bound policy.onnx --norm 2");
    const part = await page.evaluate(() => {
      const { longest, started } = window as unknown as { longest: number; started: number };
      return longest / (performance.now() - started);
    });
    // Nearly all of it, if the worker's work were on the page.
    expect(part).toBeLessThan(0.6);
  });

  it("judges a required gain on a box by the slider", async () => {
    // A small box, on which little work is enough.
    for (const [k, end] of ["0.5", "0.6", "0.5", "0.6", "0.5", "0.6"].entries()) {
      await page.locator("#box .ranges input").nth(k).fill(end);
    }
    await page.locator("#box .action:not([hidden]) button").click();
    await expect.poll(() => verdictOf(page, "box").textContent(), { timeout: 60_000 }).toMatch(/on the box is proved/);
    // Output by input, and of each output; and the worst state that was found.
    expect(await page.locator("#box tbody tr").count()).toBe(2 * 3 + 2);
    expect(await page.locator("#box .figure").textContent()).toMatch(/Worst state found: x0 0\.5/);
    const slider = page.locator("#box input[type=range]");
    await slider.fill("3");
    expect(await page.locator("#box .keeps").getAttribute("data-verdict")).toBe("yes");
    await slider.fill("-3");
    expect(await page.locator("#box .keeps").getAttribute("data-verdict")).toBe("no");
  });

  it("goes on from what is known, and saves what was found as one file", async () => {
    const known = await verdictOf(page, "bound").textContent();
    await page.locator("#bound button", { hasText: "Go on" }).click();
    await page.locator("#bound button", { hasText: "Stop" }).click();
    await page.locator("#bound button", { hasText: "Go on" }).waitFor();
    expect(await verdictOf(page, "bound").textContent()).toBe(known);
    const saving = page.waitForEvent("download");
    await page.locator("#report button").click();
    const text = readFileSync(await (await saving).path(), "utf8");
    expect(text).toContain(`<p class="verdict">${known}</p>`);
    expect(text).toContain("npx lipschitz gain policy.onnx --box=0.5:0.6,0.5:0.6,0.5:0.6 --norm 2");
    expect(text.match(/<svg[^>]* class="plot"/g)?.length).toBe(2);
    expect(text).not.toMatch(/<script|https?:(?!\/\/www\.w3\.org)/);
  });

  it("certifies and attacks samples, makes a certificate, verifies it, and refuses a forged one", async () => {
    await page.locator("#model button", { hasText: "digits-lmt.onnx" }).click();
    await page.locator("#model dd", { hasText: "digits-lmt.onnx" }).waitFor();
    await page.locator("#samples button", { hasText: "digits" }).click();
    await page.locator("#samples .quiet", { hasText: "1000 samples" }).waitFor();
    await page.locator("#samples input[name=samples]").fill("100");
    await page.locator("#samples .action button").click();
    await expect.poll(() => verdictOf(page, "samples").textContent(), { timeout: 120_000 }).toMatch(/Accuracy 9\d/);
    expect(await page.locator("#samples .weakest .card").count()).toBeGreaterThan(3);
    // One sample, moved along the attack on it: within its radius the decision stays.
    await page.locator("#samples summary", { hasText: "One sample" }).click();
    await page.locator("#samples select[name=towards]").selectOption("attack");
    await page.locator("#samples input[name=distance]").fill("0.1");
    await expect
      .poll(() => page.locator("#samples details > p").textContent())
      .toMatch(/decided 0; moved by the length 0\.1000, 0\. .* no change of this length can change the decision/);
    await page.locator("#samples input[name=distance]").fill("3");
    await expect
      .poll(() => page.locator("#samples details > p").textContent())
      .toMatch(/decided 0; moved by the length 3\.000, [1-9]\. .* nothing is promised/);
    await page.locator("#certificate input[type=number]").fill("100");
    const saving = page.waitForEvent("download", { timeout: 120_000 });
    await page.locator("#certificate button", { hasText: "Make a certificate" }).click();
    const text = readFileSync(await (await saving).path(), "utf8");
    const check = (json: string) =>
      page.locator("#certificate input[type=file]").setInputFiles({
        name: "certificate.json",
        mimeType: "application/json",
        buffer: Buffer.from(json),
      });
    await check(text);
    await expect
      .poll(() => verdictOf(page, "certificate").textContent(), { timeout: 120_000 })
      .toBe("The certificate holds.");
    const forged = JSON.parse(text);
    forged.samples[0].radius *= 1.01;
    await check(JSON.stringify(forged));
    await expect
      .poll(() => verdictOf(page, "certificate").textContent(), { timeout: 120_000 })
      .toBe("The certificate does not hold.");
  });

  it("says what is wrong with a file that is no model, and stays alive", async () => {
    const drop = (name: string, bytes: number[]) =>
      page.locator("#model input[type=file]").setInputFiles({
        name,
        mimeType: "application/octet-stream",
        buffer: Buffer.from(bytes),
      });
    await drop("noise.onnx", [1, 2, 3, 250, 251]);
    await expect.poll(() => page.locator("#model .error").textContent()).toMatch(/noise\.onnx/);
    // Nodes that are not known, all of them; and a file of a hundred bytes that asks for 2 GB.
    await drop("strange.onnx", [...unknownOperator]);
    await expect
      .poll(() => page.locator("#model .error").textContent())
      .toMatch(/unsupported model: 1 node .*Frobnicate/s);
    await drop("bomb.onnx", [...bomb]);
    await expect.poll(() => page.locator("#model .error").textContent()).toMatch(/bomb\.onnx: .*memory/s);
    // 1 GB, of which nothing is read.
    await page.locator("#model input[type=file]").evaluate((field: HTMLInputElement) => {
      const file = new File([], "large.onnx");
      Object.defineProperty(file, "size", { value: 1e9 });
      Object.defineProperty(field, "files", { value: [file], configurable: true });
      field.dispatchEvent(new Event("change"));
      Reflect.deleteProperty(field, "files");
    });
    await expect.poll(() => page.locator("#model .error").textContent()).toMatch(/large\.onnx: 1000 MB are more than/);
    await page.locator("#model input[type=file]").setInputFiles(join(root, "examples/policy.onnx"));
    await page.locator("#model dd", { hasText: "policy.onnx" }).waitFor();
    expect(await page.locator("#model .error").textContent()).toBe("");
  });

  it("trains two moons by three methods side by side", async () => {
    await page.locator("#train input[name=epochs]").fill("3");
    await page.locator("#train button", { hasText: "Train side by side" }).click();
    for (const method of ["plain", "lmt", "lbdn"]) {
      const card = page.locator(`#train article[aria-label=${method}]`);
      await card.locator("p", { hasText: "measured: constant at most" }).waitFor({ timeout: 120_000 });
      expect(await card.locator(".state").textContent()).toMatch(/epoch 3: accuracy .*constant at most/);
      expect(await card.locator("button", { hasText: "Save the ONNX" }).count()).toBe(1);
      expect(await card.locator("code").textContent()).toMatch(
        new RegExp(`^npx lipschitz train ${method} --data two-moons`),
      );
    }
    const saving = page.waitForEvent("download");
    await page.locator("#train button", { hasText: "Save the comparison" }).click();
    expect(readFileSync(await (await saving).path(), "utf8")).toContain("Of 3 methods on two-moons");
  });

  it("replays every trap by the library", async () => {
    for (const card of await page.locator("#traps article").all()) {
      await card.locator("button").click();
      await expect
        .poll(() => card.locator(".trap-result").textContent(), { timeout: 60_000 })
        .toMatch(/false|too large|must not depend/);
    }
  });

  it("is usable on a phone and by who cannot see it", async () => {
    expect(await violations(page)).toEqual([]);
    await page.setViewportSize({ width: 390, height: 800 });
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth)).toBe(true);
    await page.setViewportSize({ width: 1200, height: 900 });
  });

  it("works without the network after the first visit", async () => {
    // The first visit has put what the page needs into the cache of the service worker.
    await page.evaluate(async () => void (await navigator.serviceWorker.ready));
    await page.context().setOffline(true);
    await page.reload();
    await page.locator(".status", { hasText: "Ready" }).waitFor({ timeout: 60_000 });
    await page.locator("#model button", { hasText: "policy.onnx" }).click();
    await expect
      .poll(() => verdictOf(page, "bound").textContent(), { timeout: 60_000 })
      .toMatch(/proved to be at most/);
    await page.context().setOffline(false);
  });

  it("is documented beside it: pages, a search, programs that run", async () => {
    await page.goto(`${host.url}docs/ideas/bracket.html`);
    await page.locator("[data-program] button").click();
    await expect
      .poll(() => page.locator(".printed").textContent(), { timeout: 60_000 })
      .toMatch(/jacobian: lower 2\.8\d/);
    await page.locator("#search").fill("certifi");
    await page.locator("#found a", { hasText: "Certified radius" }).first().waitFor();
    expect(await violations(page)).toEqual([]);
    await page.setViewportSize({ width: 390, height: 800 });
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
  });

  it("has pages without a link that leads nowhere", () => {
    const dist = join(root, "web/dist");
    const written = readdirSync(dist, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".html"));
    const broken = written
      .filter((file) => !["index.html", "lipschitz.html"].includes(file))
      .flatMap((file) =>
        [...readFileSync(join(dist, file), "utf8").matchAll(/ (?:href|src)="(?!https?:|data:|#)([^"#]+)/g)]
          .map(([, to]) => join(dirname(file), to))
          // The reference of the library is made by `npm run site` alone.
          .filter((to) => to !== join("api", "index.html") && !existsSync(join(dist, to)))
          .map((to) => `${file}: ${to}`),
      );
    expect(written.length).toBeGreaterThan(50);
    expect(broken).toEqual([]);
  });

  it("keeps the notices of the packages in it, those of the worker among them", () => {
    for (const file of ["licences.md", "lipschitz.html"]) {
      const text = readFileSync(join(root, "web/dist", file), "utf8");
      for (const name of ["onnxruntime-web", "@observablehq/plot", "@bufbuild/protobuf", "pure-rand"]) {
        expect(text).toMatch(new RegExp(`^## ${name} [\\d.]+ \\(.*\\)\n\n.{8}`, "m"));
      }
    }
  });

  it("opens from the disk as one file", async () => {
    await page.goto(pathToFileURL(join(root, "web/dist/lipschitz.html")).href);
    await page.locator(".status", { hasText: "Ready" }).waitFor({ timeout: 60_000 });
    await page.locator("#model button", { hasText: "policy.onnx" }).click();
    await expect
      .poll(() => verdictOf(page, "bound").textContent(), { timeout: 60_000 })
      .toMatch(/a pair of inputs shows/);
    await page.locator("#bound .figure svg").first().waitFor();
  });

  it("starts the worker again when there is no memory", async () => {
    await page.locator("#model button", { hasText: "digits-lmt.onnx" }).click();
    await page.locator("#model dd", { hasText: "digits-lmt.onnx" }).waitFor();
    await page.locator("#samples button", { hasText: "digits" }).click();
    await page.locator("#samples .quiet", { hasText: "1000 samples" }).waitFor();
    await page.workers()[0].evaluate(() => {
      WebAssembly.Memory.prototype.grow = () => {
        throw new RangeError("WebAssembly.Memory.grow(): Unable to grow instance memory");
      };
    });
    await page.locator("#samples .action button").click();
    await page.locator(".status", { hasText: "not enough memory" }).waitFor({ timeout: 60_000 });
    await page.locator("#model button", { hasText: "policy.onnx" }).click();
    await expect
      .poll(() => verdictOf(page, "bound").textContent(), { timeout: 60_000 })
      .toMatch(/proved to be at most/);
  });

  it("has complained of nothing", () => {
    expect(complaints).toEqual([]);
  });
});
