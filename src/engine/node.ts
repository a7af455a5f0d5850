/** @file The engine for Node: onnxruntime-node. `run` blocks the thread for the length of one run; between runs the event loop turns. */
import { createRequire } from "node:module";
import { EngineError } from "../tensor/errors.ts";
import type { Engine, Provider } from "./engine.ts";
import { sessionEngine } from "./session.ts";

export interface NodeEngineOptions {
  /** Execution provider. Default: cpu. One that is not in this build of ONNX Runtime is an EngineError at once. */
  readonly provider?: Provider;
  /** Threads of one operator. Default: the number of cores. */
  readonly threads?: number;
}

/** An engine on onnxruntime-node, which is a package of its own: EngineError with the remedy where it is not installed. */
export function nodeEngine({ provider = "cpu", threads }: NodeEngineOptions = {}): Engine {
  const { runtime, version } = installed();
  const available = runtime.listSupportedBackends().map((b) => b.name);
  if (!available.includes(provider)) {
    throw new EngineError(
      `nodeEngine: execution provider "${provider}" is not in this build of onnxruntime-node, which has ${available.join(", ")}`,
    );
  }
  runtime.env.logLevel = "fatal";
  return sessionEngine({
    runtime,
    name: `onnxruntime-node ${version} ${provider}`,
    session: { executionProviders: [provider], ...(threads === undefined ? {} : { intraOpNumThreads: threads }) },
    refusal: (message) => refusal(provider, message),
  });
}

// --- internal ---

/** The runtime, loaded when the first engine is made: what needs none works without it. */
function installed(): { readonly runtime: typeof import("onnxruntime-node"); readonly version: string } {
  const require = createRequire(import.meta.url);
  try {
    return { runtime: require("onnxruntime-node"), version: require("onnxruntime-node/package.json").version };
  } catch (cause) {
    if ((cause as { readonly code?: string }).code !== "MODULE_NOT_FOUND") throw cause;
    const remedy = "npm install onnxruntime-node --ignore-scripts";
    throw new EngineError(`nodeEngine: the package onnxruntime-node is not installed; install it: ${remedy}`, {
      cause,
    });
  }
}

/** Whose fault it is that a session did not open: the machine's, which lacks what a provider needs, or the program's. */
function refusal(provider: Provider, message: string): string {
  const [line] = message.split("\n");
  if (/shared library|adapter|No such file|CUDA driver/i.test(message)) {
    const remedy =
      provider === "cuda"
        ? "install onnxruntime-node's CUDA libraries (onnxruntime-node-install=cuda12)"
        : "check the GPU driver";
    return `compile: execution provider "${provider}" does not start on this machine: ${line}; ${remedy}, or use cpu`;
  }
  return `compile: ${provider} refused the program: ${line}`;
}
