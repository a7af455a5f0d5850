/** @file The engine that contracts are asked of: onnxruntime-node here, and onnxruntime-web where they run in a browser (testEngine.web.ts stands in for this file there). */
import { nodeEngine } from "../src/engine/node.ts";

export const testEngine = (options: { readonly threads?: number } = {}) => nodeEngine(options);
