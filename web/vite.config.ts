/** @file Two builds: the page for a static host, and with `--mode file` the page as one HTML file that opens from the disk. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";
import { examples } from "./site/examples.ts";
import { licences } from "./site/licences.ts";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** What the served page may do: its own scripts and files, no word to anybody else. */
const served =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/** What the page as one file may do: the script that is in it, which starts the worker that is in it and reads the models that are in it. */
const fromDisk =
  "default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval' blob:; worker-src blob: data:; connect-src data: blob:; img-src data: blob:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

const contentPolicy = (content: string): Plugin => ({
  name: "content-policy",
  apply: "build",
  transformIndexHtml: () => [
    { tag: "meta", attrs: { "http-equiv": "Content-Security-Policy", content }, injectTo: "head-prepend" },
  ],
});

/** `import text from "file?packed"`: a file with gzip in base64, for `unpacked`. */
const packed: Plugin = {
  name: "packed",
  enforce: "pre",
  resolveId(id, importer) {
    if (!id.endsWith("?packed")) return null;
    return `\0${createRequire(importer ?? import.meta.url).resolve(id.replace("?packed", ""))}?packed`;
  },
  load(id) {
    if (!id.endsWith("?packed")) return null;
    const bytes = readFileSync(id.slice(1).replace("?packed", ""));
    return `export default ${JSON.stringify(gzipSync(bytes, { level: 9 }).toString("base64"))};`;
  },
};

/** Scripts and styles into the HTML: a module in a page from the disk may import no other file, one without imports runs. */
const oneFile = (notices: () => string): Plugin => ({
  name: "one-file",
  generateBundle: {
    // After Vite has put its own last words into the chunks.
    order: "post",
    handler(_, bundle) {
      const page = bundle["index.html"];
      if (page?.type !== "asset") throw new Error("the page is missing");
      let html = String(page.source);
      for (const [name, part] of Object.entries(bundle)) {
        if (part === page) continue;
        const text = part.type === "chunk" ? part.code : String(part.source);
        // A replacement as a function: the text is full of dollars. An end of a script within it would end it.
        if (part.type === "chunk") {
          const code = text.replaceAll("</script", "<\\/script");
          html = html
            .replace(new RegExp(`<script type="module"[^>]*src="./${name}"[^>]*></script>`), "")
            .replace("</body>", () => `<script type="module">${code}</script></body>`);
        } else {
          html = html.replace(
            new RegExp(`<link rel="stylesheet"[^>]*href="./${name}"[^>]*>`),
            () => `<style>${text}</style>`,
          );
        }
        delete bundle[name];
      }
      html += `<!--\n${notices().replaceAll("--", "- -")}\n-->\n`;
      page.fileName = "lipschitz.html";
      page.source = html;
    },
  },
});

/** The notices beside the served page. */
const noticeFile = (notices: () => string): Plugin => ({
  name: "notice-file",
  generateBundle: {
    order: "post",
    handler() {
      this.emitFile({ type: "asset", fileName: "licences.md", source: notices() });
    },
  },
});

/** What the service worker keeps at the first visit: the page, and every script, model and runtime of the site. */
const offlineList: Plugin = {
  name: "offline-list",
  generateBundle: {
    order: "post",
    handler(_, bundle) {
      const assets = Object.keys(bundle).filter((name) => name.startsWith("assets/"));
      this.emitFile({ type: "asset", fileName: "offline.json", source: JSON.stringify(["./", ...assets]) });
    },
  },
};

/** In the page as one file other modules stand where these do. */
const fileHost: Plugin = {
  name: "file-host",
  enforce: "pre",
  resolveId(id) {
    const found = id.match(/\/host\/(runtime|worker)\.ts$/);
    return found ? here(`src/host/${found[1]}.file.ts`) : null;
  },
};

export default defineConfig(({ mode }) => {
  const disk = mode === "file";
  const { plugin: collect, text } = licences();
  return {
    root: here("."),
    // Every address is relative, so that the page works from any folder of a static host.
    base: "./",
    define: { "import.meta.env.DISK": JSON.stringify(disk) },
    plugins: disk
      ? [fileHost, packed, contentPolicy(fromDisk), collect, oneFile(text)]
      : [contentPolicy(served), examples(), collect, noticeFile(text), offlineList],
    resolve: {
      // The runtime's bundled builds start their threads from the page's own script, which hangs for ever; the one file has one thread, and can load no second script.
      conditions: [...(disk ? [] : ["onnxruntime-web-use-extern-wasm"]), "import", "module", "browser", "default"],
    },
    optimizeDeps: { exclude: ["onnxruntime-web", "lipschitz"] },
    worker: disk
      ? {
          format: "iife",
          plugins: () => [fileHost, packed, collect],
          rolldownOptions: { output: { codeSplitting: false } },
        }
      : { format: "es", plugins: () => [examples(), collect] },
    publicDir: disk ? false : "public",
    build: {
      target: "es2022",
      chunkSizeWarningLimit: disk ? 20_000 : 1500,
      // The runtime's own reference to its WebAssembly is never followed: `runtime.file.ts` hands it in.
      assetsInlineLimit: (path) => disk && path.endsWith(".onnx"),
      emptyOutDir: !disk,
      modulePreload: !disk,
      rolldownOptions: disk
        ? { output: { codeSplitting: false } }
        : { input: { index: here("index.html"), docs: here("docs.html") } },
    },
    server: {
      headers: { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" },
    },
  };
});
