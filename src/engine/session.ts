/** @file What every engine on ONNX Runtime shares: graphs become sessions, tensors go in and out. Which build of the runtime it is, its caller knows. */
import type * as Ort from "onnxruntime-common";
import { type Node, topological } from "../graph/graph.ts";
import { inputsOf } from "../graph/leaf.ts";
import { counter, writeIteration } from "../onnx/iterate.ts";
import { writeModel } from "../onnx/write.ts";
import { EngineError } from "../tensor/errors.ts";
import { mapNamed, type Named } from "../tensor/named.ts";
import { type Tensor, type Type, tensor } from "../tensor/tensor.ts";
import type { Engine, Program } from "./engine.ts";
import { checkFeeds, stackedTypes } from "./feeds.ts";
import { narrowed, widened } from "./narrow.ts";

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

/** Rewritings that turn a program that was fine into one that is refused: x sigmoid(x) into an operator that has no float64 kernel; a Clip behind a Relu is taken with float32 bounds only. */
const refused = ["QuickGeluFusion", "FuseReluClip"];

/** Rewritings that put numbers of a float64 program into float32 attributes: a scalar beside a product becomes its alpha, so that x / 3 W is off by 2e-8. */
const rounding = ["MatMulScaleFusion"];

/** Operator set of programs. */
const opset = 21;

const without = (names: readonly string[]) => ({
  extra: { optimization: { disable_specified_optimizers: names.join(";") } },
});

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
    ...without(refused),
    ...given,
  };
  const exact: Ort.InferenceSession.SessionOptions = { ...options, ...without([...refused, ...rounding]) };
  const open = async (model: Uint8Array, inputs?: Named<Type | null>, own = options): Promise<Program> => {
    let session: Ort.InferenceSession;
    try {
      session = await turn(() => runtime.InferenceSession.create(model, own));
    } catch (cause) {
      throw new EngineError(refusal(cause instanceof Error ? cause.message : String(cause)), { cause });
    }
    return program(session, inputs ?? Object.fromEntries(session.inputNames.map((input) => [input, null])));
  };

  const program = (session: Ort.InferenceSession, inputs: Named<Type | null>): Program => {
    let current: Ort.InferenceSession | undefined = session;
    const declared = new Map(session.inputMetadata.map((m) => [m.name, m.isTensor ? m.type : undefined]));
    return {
      inputs,
      outputs: session.outputNames,
      halves: new Set(
        [...session.inputMetadata, ...session.outputMetadata].flatMap((m) =>
          m.isTensor && m.type === "float16" ? [m.name] : [],
        ),
      ),
      async run(feeds) {
        const live = current;
        if (!live) throw new EngineError("run: the program was disposed");
        checkFeeds(inputs, feeds);
        const results = await turn(() => live.run(mapNamed(feeds, (t, input) => toRuntime(t, declared.get(input)))));
        return mapNamed(results as Named<Ort.Tensor>, widened);
      },
      async dispose() {
        const last = current;
        current = undefined;
        if (last) await turn(() => last.release());
      },
    };
  };

  const toRuntime = (value: Tensor, declared?: string): Ort.Tensor => {
    const [type, data] = narrowed(value, declared);
    return new runtime.Tensor(type as "float32", data as Float32Array, value.shape);
  };

  const optionsFor = (outputs: Named<Node>) =>
    topological(Object.values(outputs)).some(({ dtype }) => dtype === "float64") ? exact : options;

  return {
    name,
    compile(outputs: Named<Node>) {
      const inputs = inputsOf(topological(Object.values(outputs)));
      return open(
        writeModel(outputs, { opset }),
        mapNamed(Object.fromEntries(inputs), ({ dtype, shape }) => ({ dtype, shape })),
        optionsFor(outputs),
      );
    },
    async iterate(iteration) {
      const { bytes, inputs, each } = writeIteration(iteration, opset);
      const program = await open(bytes, undefined, optionsFor(iteration.outputs));
      return {
        inputs,
        async run(feeds, turns) {
          checkFeeds(stackedTypes(inputs, each, turns), feeds);
          const counted = { [counter]: tensor(new BigInt64Array(turns), [turns], "int64") };
          return program.run(each.length > 0 ? feeds : { ...feeds, ...counted });
        },
        dispose: () => program.dispose(),
      };
    },
    load: (model) => open(model),
  };
}
