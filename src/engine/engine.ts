/** @file What an engine is: it compiles named outputs once and runs them many times. Every implementation answers alike. */
import type { Node } from "../graph/graph.ts";
import type { Iteration } from "../onnx/iterate.ts";
import { UsageError } from "../tensor/errors.ts";
import type { Named } from "../tensor/named.ts";
import type { Tensor, Type } from "../tensor/tensor.ts";

/** Where a program runs. */
export type Provider = "cpu" | "webgpu" | "cuda";

export interface Engine {
  /** For records and messages: "onnxruntime-node 1.30.0 cpu". */
  readonly name: string;
  /** Compile a graph; throws EngineError where an op has no kernel for its dtype. */
  compile(outputs: Named<Node>): Promise<Program>;
  /** Compile a graph that is run turn after turn in one run, its state staying in the runtime; throws as `compile` does, and UsageError or ShapeError where turns do not fit each other. */
  iterate(iteration: Iteration): Promise<IteratedProgram>;
  /**
   * Load the bytes of any ONNX model as they are, unread by this library. Halves and integers of fewer than 32 bits, which tensors here do not have, are fed and given
   * as float32 and int32.
   */
  load(model: Uint8Array): Promise<Program>;
}

export type { Iteration };

/** Give the engine back, or throw `UsageError` where a caller without types has passed none. */
export function needEngine(who: string, engine: Engine | undefined): Engine {
  if (typeof engine?.compile === "function") return engine;
  const remedy = 'pass engine: nodeEngine() of "lipschitz/node", or webEngine(...) of "lipschitz/web"';
  throw new UsageError(
    `${who}: needs an engine to run the network, got ${engine === null ? "null" : typeof engine}; ${remedy}`,
  );
}

/** A compiled graph. Runs may be started while others are under way; they queue. */
export interface Program {
  /** What `run` must be fed, by name (dtype and shape are unknown for a loaded model with free dimensions). */
  readonly inputs: Named<Type | null>;
  readonly outputs: readonly string[];
  /** Names among them that the runtime holds as halves: what is computed there is rounded to 11 bits. None in a compiled graph. */
  readonly halves: ReadonlySet<string>;
  /**
   * Feed every input and compute the outputs. Results own their memory and may be fed back as they are: a training step's
   * state goes round without a copy on this side.
   */
  run(feeds: Named<Tensor>): Promise<Named<Tensor>>;
  /** Free the memory; may be called more than once, and after it `run` throws EngineError. */
  dispose(): Promise<void>;
}

/** A compiled iteration. Runs queue, and memory is freed, as in a program. */
export interface IteratedProgram {
  /** What a turn takes. Feeds of the iteration's `each` have the turns as a further axis in front. */
  readonly inputs: Named<Type>;
  /** The carried outputs as the last turn leaves them, and every other output of every turn, stacked: [turns, ...]. As many turns as one likes, at least 1. */
  run(feeds: Named<Tensor>, turns: number): Promise<Named<Tensor>>;
  dispose(): Promise<void>;
}
