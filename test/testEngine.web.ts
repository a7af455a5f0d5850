/** @file The engine that contracts are asked of in a browser. The page's server says where the runtime's files lie. */

import mjs from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import wasm from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import * as ort from "onnxruntime-web/wasm";
import { webEngine } from "../src/engine/web.ts";

ort.env.wasm.wasmPaths = { wasm, mjs };

export const testEngine = (options: { readonly threads?: number } = {}) => webEngine(ort, options);
