/**
 * @file The engine for browsers: onnxruntime-web, as the caller has loaded it. `onnxruntime-web/wasm` is the build to hand in: it has float64, which
 * witnesses and certificates need, and is the smallest. `run` blocks the thread that it is on, so long work belongs in a worker.
 */
import { input } from "../graph/leaf.ts";
import { add } from "../ops/arith.ts";
import { EngineError } from "../tensor/errors.ts";
import { scalar } from "../tensor/tensor.ts";
import type { Engine } from "./engine.ts";
import { type Runtime, sessionEngine } from "./session.ts";

export interface WebEngineOptions {
  /** Where programs run. Default: cpu (WebAssembly). "webgpu" needs the default entry of onnxruntime-web. */
  readonly provider?: "cpu" | "webgpu";
  /** Threads of one operator. Default: 1, and in a page that is cross-origin isolated what the runtime takes by itself. */
  readonly threads?: number;
}

export interface WebEngine extends Engine {
  /** Load and start the runtime now rather than with the first program; throws EngineError where the build has no float64. */
  warm(): Promise<void>;
}

/**
 * An engine on a module of onnxruntime-web: `import * as ort from "onnxruntime-web/wasm"` and `webEngine(ort)`. Where its .wasm lies, `runtime.env.wasm.wasmPaths`
 * says before; this library names no address. Programs of one engine run one after the other, as the runtime asks.
 */
export function webEngine(runtime: Runtime, { provider = "cpu", threads }: WebEngineOptions = {}): WebEngine {
  if (typeof runtime?.InferenceSession?.create !== "function") {
    throw new EngineError(
      "webEngine: it must be given a module of onnxruntime-web, of which onnxruntime-web/wasm is meant",
    );
  }
  runtime.env.logLevel = "fatal";
  const isolated = globalThis.crossOriginIsolated === true;
  if (threads !== undefined || !isolated) runtime.env.wasm.numThreads = threads ?? 1;
  let last: Promise<unknown> = Promise.resolve();
  const engine = sessionEngine({
    runtime,
    name: `onnxruntime-web ${runtime.env.versions.web ?? runtime.env.versions.common} ${provider}`,
    session: { executionProviders: [provider === "cpu" ? "wasm" : provider] },
    refusal: (message) => refusal(provider, message),
    turn(work) {
      const mine = last.then(work);
      last = mine.catch(() => {});
      return mine;
    },
  });
  return {
    ...engine,
    async warm() {
      const x = input("x", [], "float64");
      const program = await engine.compile({ y: add(x, x) });
      await program.run({ x: scalar(1, "float64") });
      await program.dispose();
    },
  };
}

// --- internal ---

function refusal(provider: string, message: string): string {
  const [line] = message.split("\n");
  if (/no available backend|adapter|WebAssembly|fetch|wasm streaming/i.test(message)) {
    return `compile: onnxruntime-web does not start here: ${line}; env.wasm.wasmPaths must say where its .wasm lies, and the page's content policy must allow 'wasm-unsafe-eval'`;
  }
  if (/Could not find an implementation for/.test(message)) {
    return `compile: this build of onnxruntime-web lacks an operator: ${line}; hand in onnxruntime-web/wasm, which has float64`;
  }
  return `compile: ${provider} refused the program: ${line}`;
}
