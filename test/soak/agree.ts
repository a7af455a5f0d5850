/** @file The file as the runtime runs it against the graph that was read from it: every output at several inputs, to the rounding that the graph explains. */
import * as ort from "onnxruntime-node";
import type { Node } from "../../src/graph/graph.ts";
import { input } from "../../src/graph/leaf.ts";
import type { Network } from "../../src/graph/network.ts";
import { ShapeError } from "../../src/tensor/errors.ts";
import type { Random } from "../../src/tensor/random.ts";
import { product } from "./builder.ts";
import { enclose, float32 } from "./rounding.ts";

/** A session on a model's bytes, as anybody would open it, but for the threads; or without the runtime's own rewriting of it. */
export function openSession(bytes: Uint8Array, optimised = true): Promise<ort.InferenceSession> {
  return ort.InferenceSession.create(bytes, {
    graphOptimizationLevel: optimised ? "all" : "disabled",
    executionProviders: ["cpu"],
    logSeverityLevel: 4,
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  });
}

/** The outputs of a model for one input, in the order of the file. */
export async function runModel(
  session: ort.InferenceSession,
  x: Float32Array,
  shape: readonly number[],
): Promise<Float64Array[]> {
  const results = await session.run({ x: new ort.Tensor("float32", x, shape) });
  return session.outputNames.map((name) => Float64Array.from(results[name].data as Float32Array, Number));
}

/** Inputs where networks are different: zeros, ones, small, large and huge numbers, and numbers at which functions have kinks. */
export function inputsFor(r: Random, size: number): Float32Array[] {
  const drawn = (scale: number) => Float32Array.from({ length: size }, () => scale * r.normal());
  const kinks = () =>
    Float32Array.from({ length: size }, () => [0, 0.5, -0.5, 1, -1, 2, 3, -3, 0.25, -2][r.integer(10)]);
  return [
    drawn(1),
    new Float32Array(size),
    kinks(),
    drawn(0.1),
    drawn(10),
    new Float32Array(size).fill(r.integer(3) - 1),
    kinks(),
    drawn(1000),
  ];
}

export interface Agreement {
  /** Numbers that were compared, and those of which nothing is known: at jumps, poles, overflows. */
  readonly compared: number;
  readonly open: number;
  /** The runtime opens the file and cannot run it: its words. */
  readonly fails?: string;
  /** What differs. */
  readonly differs?: string;
}

/** Compare a model with what was read from it, one input at a time, and where the batch is free several at once. */
export async function agreement(session: ort.InferenceSession, network: Network, r: Random): Promise<Agreement> {
  const [port] = network.inputs;
  const free = typeof port.shape[0] === "string";
  const sample = port.shape.map((d) => (typeof d === "number" ? d : 1));
  const points = inputsFor(r, product(sample));
  let [compared, open] = [0, 0];
  const batches = free ? [[points[0]], [points[2]], points] : points.map((p) => [p]);
  const built = new Map<number, { readonly x: Node; readonly outputs: readonly Node[] } | null>();
  for (const batch of batches) {
    const n = batch.length;
    const shape = free ? [n, ...sample.slice(1)] : sample;
    let graph = built.get(n);
    if (graph === undefined) {
      const x = input(port.name, shape, "float32");
      graph = buildOrNull(network, x);
      built.set(n, graph);
    }
    if (graph === null && n > 1) continue;
    const flat = Float32Array.from(batch.flatMap((p) => [...p]));
    let results: Float64Array[];
    try {
      results = await runModel(session, flat, shape);
    } catch (cause) {
      // A model may say that its batch is free, and take one only.
      if (n > 1) continue;
      return { compared, open, fails: String(cause).replaceAll(/\s+/g, " ").slice(0, 200) };
    }
    if (graph === null) return { compared, open, differs: `the runtime takes it, the graph does not` };
    const mine = enclose(graph.outputs, new Map([[graph.x, Float64Array.from(flat)]]), float32);
    for (const [k, { value, error, sound }] of mine.entries()) {
      const theirs = results[k];
      if (theirs.length !== value.length) {
        return { compared, open, differs: `output ${k} has ${theirs.length} numbers, the graph ${value.length}` };
      }
      for (let i = 0; i < value.length; i++) {
        if (unknown(theirs[i], value[i], error[i], sound)) open++;
        else if (Math.abs(theirs[i] - value[i]) <= 2 * error[i]) compared++;
        else {
          const at = flat.length <= 12 ? ` at [${flat.join(",")}]` : "";
          return {
            compared,
            open,
            differs: `output ${k}[${i}] of a batch of ${n}${at}: runtime ${theirs[i]}, graph ${value[i]} within ${error[i]}`,
          };
        }
      }
    }
  }
  return { compared, open };
}

// --- internal ---

/** At jumps, poles and overflows nothing is known; behind them a runtime may have no number. */
const unknown = (theirs: number, value: number, error: number, sound: boolean): boolean =>
  !(error < Number.POSITIVE_INFINITY) || Number.isNaN(value) || (!Number.isFinite(theirs) && !sound);

function buildOrNull(network: Network, x: Node) {
  try {
    return { x, outputs: network.build([x]) };
  } catch (cause) {
    if (cause instanceof ShapeError) return null;
    throw cause;
  }
}
