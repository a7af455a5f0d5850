import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

/** What the built page may do: its own scripts and files, no word to anybody else. */
const policy =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; img-src data: blob:; style-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'none'";

export default defineConfig({
  plugins: [
    {
      name: "content-policy",
      apply: "build",
      transformIndexHtml: () => [
        { tag: "meta", attrs: { "http-equiv": "Content-Security-Policy", content: policy }, injectTo: "head-prepend" },
      ],
    },
  ],
  root: fileURLToPath(new URL(".", import.meta.url)),
  // Every address is relative, so that the page works from any folder of a static host.
  base: "./",
  resolve: {
    // The runtime's bundled builds start their threads from the page's own script, which hangs for ever.
    conditions: ["onnxruntime-web-use-extern-wasm", "import", "module", "browser", "default"],
  },
  optimizeDeps: { exclude: ["onnxruntime-web", "lipschitz"] },
  worker: { format: "es" },
  build: { target: "es2022", chunkSizeWarningLimit: 1500, assetsInlineLimit: 0 },
  server: { headers: { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" } },
});
