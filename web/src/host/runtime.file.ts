/** @file The runtime of the page that is one file: nothing can be fetched from the disk, so that its WebAssembly is a part of the script. */
import wasm from "onnxruntime-web/ort-wasm-simd-threaded.wasm?packed";
import type * as Ort from "onnxruntime-web/wasm";
import { unpacked } from "./packed.ts";

export async function prepare({ env }: typeof Ort): Promise<void> {
  env.wasm.wasmBinary = await unpacked(wasm);
}
