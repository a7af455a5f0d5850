/** @file What the worker holds between jobs: the engine, the model and the data. */
import type { Dataset, Network } from "lipschitz";
import { type WebEngine, webEngine } from "lipschitz/web";
import * as ort from "onnxruntime-web/wasm";
import { prepare } from "./host/runtime.ts";

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
  /** The first of the samples as attacks have left them. */
  examples?: Float32Array | undefined;
}

export async function openDesk(): Promise<Desk> {
  await prepare(ort);
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
