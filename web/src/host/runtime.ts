/** @file Where the runtime of a page that a host serves finds its files: beside the page. In the page that is one file, `runtime.file.ts` stands here. */
import mjs from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import wasm from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import type * as Ort from "onnxruntime-web/wasm";

export async function prepare({ env }: typeof Ort): Promise<void> {
  env.wasm.wasmPaths = { wasm: new URL(wasm, import.meta.url).href, mjs: new URL(mjs, import.meta.url).href };
}
