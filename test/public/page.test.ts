/** @file The web page as a person uses it: built, served from a sub-folder of a static host, in a real browser. */
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, chromium, type Page } from "playwright";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemChromium } from "../chromium.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const executablePath = systemChromium();

const types: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".css": "text/css",
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

const verdictOf = (page: Page, section: string) => page.locator(`#${section} .verdict`);

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
      .poll(() => page.locator("#bound button").textContent(), { timeout: 60_000 })
      .toBe("Bracket the constant");
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

  it("certifies and attacks samples, makes a certificate, verifies it, and refuses a forged one", async () => {
    await page.locator("#model button", { hasText: "digits-lmt.onnx" }).click();
    await page.locator("#model dd", { hasText: "digits-lmt.onnx" }).waitFor();
    await page.locator("#samples button", { hasText: "digits" }).click();
    await page.locator("#samples .quiet", { hasText: "1000 samples" }).waitFor();
    await page.locator("#samples .action button").click();
    await expect.poll(() => verdictOf(page, "samples").textContent(), { timeout: 120_000 }).toMatch(/Accuracy 9\d/);
    expect(await page.locator("#samples .weakest .card").count()).toBeGreaterThan(3);
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
    await page.locator("#model input[type=file]").setInputFiles(join(root, "examples/policy.onnx"));
    await page.locator("#model dd", { hasText: "policy.onnx" }).waitFor();
    expect(await page.locator("#model .error").textContent()).toBe("");
  });

  it("trains two moons by three methods side by side", async () => {
    await page.locator("#train input[name=epochs]").fill("3");
    await page.locator("#train > div > button").click();
    for (const method of ["plain", "lmt", "lbdn"]) {
      const card = page.locator(`#train article[aria-label=${method}]`);
      await card.locator("button", { hasText: "Save the ONNX" }).waitFor({ timeout: 120_000 });
      expect(await card.locator("p").first().textContent()).toMatch(/epoch 3: accuracy .*constant at most/);
    }
  });

  it("is usable on a phone and by who cannot see it", async () => {
    const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
    await page.evaluate(axe);
    const violations = await page.evaluate(async () => {
      const { axe } = window as unknown as {
        axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> };
      };
      return (await axe.run()).violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.html}`));
    });
    expect(violations).toEqual([]);
    await page.setViewportSize({ width: 390, height: 800 });
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth)).toBe(true);
    await page.setViewportSize({ width: 1200, height: 900 });
  });

  it("works without the network after the first visit", async () => {
    // The second visit goes through the service worker, which keeps what it serves.
    await page.reload();
    await page.locator(".status", { hasText: "Ready" }).waitFor({ timeout: 60_000 });
    await page.locator("#model button", { hasText: "policy.onnx" }).click();
    await page.locator("#model dd", { hasText: "policy.onnx" }).waitFor();
    await page.context().setOffline(true);
    await page.reload();
    await page.locator(".status", { hasText: "Ready" }).waitFor({ timeout: 60_000 });
    await page.locator("#model button", { hasText: "policy.onnx" }).click();
    await expect
      .poll(() => verdictOf(page, "bound").textContent(), { timeout: 60_000 })
      .toMatch(/proved to be at most/);
    await page.context().setOffline(false);
  });

  it("has complained of nothing", () => {
    expect(complaints).toEqual([]);
  });
});
