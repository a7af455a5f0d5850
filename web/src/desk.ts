/** @file What the worker holds between jobs: the engine, the model and the data. */
import type { Dataset, Network } from "lipschitz";
import { type WebEngine, webEngine } from "lipschitz/web";
import mjs from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import wasm from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import * as ort from "onnxruntime-web/wasm";

export interface OpenModel {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly sha256: string;
  readonly network: Network;
}

export interface Desk {
  readonly engine: WebEngine;
  model?: OpenModel;
  data?: Dataset;
}

export function openDesk(): Desk {
  ort.env.wasm.wasmPaths = { wasm: new URL(wasm, import.meta.url).href, mjs: new URL(mjs, import.meta.url).href };
  return { engine: webEngine(ort) };
}

/** The model, or a plain word that there is none. */
export function modelOf({ model }: Desk): OpenModel {
  if (!model) throw new Error("no model is open: drop an .onnx file first, or take an example");
  return model;
}

export function dataOf({ data }: Desk): Dataset {
  if (!data) throw new Error("no samples are open: drop some first, or take an example");
  return data;
}
