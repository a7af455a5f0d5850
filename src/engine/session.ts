/** @file What every engine on ONNX Runtime shares: graphs become sessions, tensors go in and out. Which build of the runtime it is, its caller knows. */
import type * as Ort from "onnxruntime-common";
import { type Node, topological } from "../graph/graph.ts";
import { inputsOf } from "../graph/leaf.ts";
import { writeModel } from "../onnx/write.ts";
import { EngineError } from "../tensor/errors.ts";
import { mapNamed, type Named } from "../tensor/named.ts";
import type { Tensor, TensorData, Type } from "../tensor/tensor.ts";
import type { Engine, Program } from "./engine.ts";
import { checkFeeds } from "./feeds.ts";

/** The part of onnxruntime-node and of onnxruntime-web that an engine uses. */
export type Runtime = Pick<typeof Ort, "InferenceSession" | "Tensor" | "env">;

export interface SessionEngineOptions {
  readonly runtime: Runtime;
  /** For records and messages. */
  readonly name: string;
  readonly session: Ort.InferenceSession.SessionOptions;
  /** The message of a session that did not open, from that of the runtime. */
  refusal(message: string): string;
  /** Start a piece of work of the runtime; one that cannot do two at once makes a queue of them. Default: at once. */
  turn?<T>(work: () => Promise<T>): Promise<T>;
}

/** An engine whose programs are sessions of a build of ONNX Runtime. */
export function sessionEngine({
  runtime,
  name,
  session: given,
  refusal,
  turn = (work) => work(),
}: SessionEngineOptions): Engine {
  const options: Ort.InferenceSession.SessionOptions = {
    graphOptimizationLevel: "all",
    // What goes wrong comes back as an error; ONNX Runtime need not print it as well.
    logSeverityLevel: 4,
    // It turns x sigmoid(x) into an operator that has no float64 kernel, and a program that was fine is refused.
    extra: { optimization: { disable_specified_optimizers: "QuickGeluFusion" } },
    ...given,
  };
  const open = async (model: Uint8Array, inputs?: Named<Type | null>): Promise<Program> => {
    let session: Ort.InferenceSession;
    try {
      session = await turn(() => runtime.InferenceSession.create(model, options));
    } catch (cause) {
      throw new EngineError(refusal(cause instanceof Error ? cause.message : String(cause)), { cause });
    }
    return program(session, inputs ?? Object.fromEntries(session.inputNames.map((input) => [input, null])));
  };

  const program = (session: Ort.InferenceSession, inputs: Named<Type | null>): Program => {
    let current: Ort.InferenceSession | undefined = session;
    return {
      inputs,
      outputs: session.outputNames,
      async run(feeds) {
        const live = current;
        if (!live) throw new EngineError("run: the program was disposed");
        checkFeeds(inputs, feeds);
        const results = await turn(() => live.run(mapNamed(feeds, toRuntime)));
        return mapNamed(results as Named<Ort.Tensor>, fromRuntime);
      },
      async dispose() {
        const last = current;
        current = undefined;
        if (last) await turn(() => last.release());
      },
    };
  };

  const toRuntime = ({ dtype, data, shape }: Tensor): Ort.Tensor =>
    new runtime.Tensor(dtype, data as Ort.Tensor["data"] & Float32Array, shape);

  return {
    name,
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

const dtypes: readonly string[] = ["float32", "float64", "int64", "int32", "bool"];

function fromRuntime({ type, dims, data }: Ort.Tensor): Tensor {
  if (!dtypes.includes(type))
    throw new EngineError(`run: an output has the type ${type}, which this library does not hold`);
  return { dtype: type as Tensor["dtype"], shape: dims, data: data as TensorData };
}
