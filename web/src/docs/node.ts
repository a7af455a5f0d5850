/** @file `lipschitz/node` for the programs of the pages: the engine of the browser. */
import { type WebEngine, webEngine } from "lipschitz/web";
import * as ort from "onnxruntime-web/wasm";
import { prepare } from "../host/runtime.ts";

await prepare(ort);
const engine = webEngine(ort);

export const nodeEngine = (): WebEngine => engine;
