/** @file The part of the library that is for browsers: the engine on onnxruntime-web. */

export type { Runtime } from "./engine/session.ts";
export { type WebEngine, type WebEngineOptions, webEngine } from "./engine/web.ts";
