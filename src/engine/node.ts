/** @file The engine for Node: onnxruntime-node. `run` blocks the thread for the length of one run; between runs the event loop turns. */
import { createRequire } from "node:module";
import * as ort from "onnxruntime-node";
import type { Node } from "../graph/graph.ts";
import { topological } from "../graph/graph.ts";
import { inputsOf } from "../graph/leaf.ts";
import { writeModel } from "../onnx/write.ts";
import { EngineError } from "../tensor/errors.ts";
import { mapNamed, type Named } from "../tensor/named.ts";
import type { Tensor, TensorData, Type } from "../tensor/tensor.ts";
import type { Engine, Program, Provider } from "./engine.ts";
import { checkFeeds } from "./feeds.ts";

export interface NodeEngineOptions {
  /** Execution provider; cpu unless told. One that is not in this build of ONNX Runtime is an EngineError at once. */
  readonly provider?: Provider;
  /** Threads of one operator; the number of cores unless told. */
  readonly threads?: number;
}

/** An engine on onnxruntime-node. */
export function nodeEngine({ provider = "cpu", threads }: NodeEngineOptions = {}): Engine {
  const available = ort.listSupportedBackends().map((b) => b.name);
  if (!available.includes(provider)) {
    throw new EngineError(
      `nodeEngine: execution provider "${provider}" is not in this build of onnxruntime-node, which has ${available.join(", ")}`,
    );
  }
  // What goes wrong comes back as an error; ONNX Runtime need not print it as well.
  ort.env.logLevel = "fatal";
  const options: ort.InferenceSession.SessionOptions = {
    executionProviders: [provider],
    graphOptimizationLevel: "all",
    logSeverityLevel: 4,
    // It turns x sigmoid(x) into an operator that has no float64 kernel, and a program that was fine is refused.
    extra: { optimization: { disable_specified_optimizers: "QuickGeluFusion" } },
    ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
  };
  const open = async (model: Uint8Array, inputs?: Named<Type | null>): Promise<Program> => {
    let session: ort.InferenceSession;
    try {
      session = await ort.InferenceSession.create(model, options);
    } catch (cause) {
      throw new EngineError(refusal(provider, messageOf(cause)), { cause });
    }
    return program(session, inputs ?? Object.fromEntries(session.inputNames.map((name) => [name, null])));
  };
  return {
    name: `onnxruntime-node ${version()} ${provider}`,
    compile(outputs: Named<Node>) {
      const inputs = inputsOf(topological(Object.values(outputs)));
      return open(
        writeModel(outputs, { opset: 21 }),
        mapNamed(Object.fromEntries(inputs), ({ dtype, shape }) => ({ dtype, shape })),
      );
    },
    load: (model) => open(model),
  };
}

// --- internal ---

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

function program(session: ort.InferenceSession, inputs: Named<Type | null>): Program {
  let open: ort.InferenceSession | undefined = session;
  return {
    inputs,
    outputs: session.outputNames,
    async run(feeds) {
      if (!open) throw new EngineError("run: the program was disposed");
      checkFeeds(inputs, feeds);
      const results = await open.run(mapNamed(feeds, toOrt));
      return mapNamed(results as Named<ort.Tensor>, fromOrt);
    },
    async dispose() {
      const last = open;
      open = undefined;
      await last?.release();
    },
  };
}

function toOrt({ dtype, data, shape }: Tensor): ort.Tensor {
  return new ort.Tensor(dtype, data as ort.Tensor["data"] & Float32Array, shape);
}

function fromOrt(t: ort.Tensor): Tensor {
  const dtypes: readonly string[] = ["float32", "float64", "int64", "int32", "bool"];
  if (!dtypes.includes(t.type))
    throw new EngineError(`run: an output has the type ${t.type}, which this library does not hold`);
  return { dtype: t.type as Tensor["dtype"], shape: t.dims, data: t.data as TensorData };
}

function version(): string {
  return (createRequire(import.meta.url)("onnxruntime-node/package.json") as { version: string }).version;
}

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
