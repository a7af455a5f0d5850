/** @file The directional derivatives of a subject, many runs at once in float32 on an engine, or one run in float64: what a search for steep places asks for. */
import type { Engine, Program } from "../../engine/engine.ts";
import { flowOf } from "../../graph/behaviour.ts";
import { vjp } from "../../graph/gradient.ts";
import type { Node } from "../../graph/graph.ts";
import { input } from "../../graph/leaf.ts";
import { jvp } from "../../graph/tangent.ts";
import { cast, type DType, tensor } from "../../tensor/tensor.ts";
import { asFunction } from "../fixed.ts";
import type { Subject } from "../subject.ts";
import { workOf } from "../work.ts";

/** Vectors of all runs one after the other. */
export interface Slopes {
  /** f(x). */
  value(x: Float64Array): Promise<Float64Array>;
  /** J(x) v. */
  push(x: Float64Array, v: Float64Array): Promise<Float64Array>;
  /** J(x)^T u. */
  pull(x: Float64Array, u: Float64Array): Promise<Float64Array>;
  /** The gradient of u . J(x) v in x; null where f is piecewise linear. */
  readonly climb: ((x: Float64Array, v: Float64Array, u: Float64Array) => Promise<Float64Array>) | null;
  dispose(): Promise<void>;
}

/** Work up to which one evaluation is left to the reference rules. */
const referenceWork = 2e7;

/** Derivatives of `count` runs at once on an engine; null if the outputs do not depend on the input. */
export async function slopesOn(engine: Engine, subject: Subject, count: number, dtype: DType): Promise<Slopes | null> {
  const graph = derivatives(subject, count, dtype);
  if (!graph) return null;
  const programs: Program[] = [];
  const compile = async (node: Node, ...names: readonly ("x" | "v" | "u")[]) => {
    const program = await engine.compile({ result: node });
    programs.push(program);
    return async (...values: readonly Float64Array[]) => {
      // A linear network's derivative does not ask where it is taken.
      const fed = names.flatMap((name, i) =>
        name in program.inputs ? [[name, cast(tensor(values[i], graph[name].shape, "float64"), dtype)] as const] : [],
      );
      const { result } = await program.run(Object.fromEntries(fed));
      return Float64Array.from(result.data as Float32Array);
    };
  };
  return {
    value: await compile(graph.y, "x"),
    push: await compile(graph.push, "x", "v"),
    pull: await compile(graph.pull, "x", "u"),
    climb: graph.climb ? await compile(graph.climb, "x", "v", "u") : null,
    async dispose() {
      for (const program of programs) await program.dispose();
    },
  };
}

/** Derivatives of one run in float64: by the reference rules where that is quick, on the engine where it is not. */
export async function preciseSlopes(engine: Engine, subject: Subject): Promise<Slopes | null> {
  const graph = derivatives(subject, 1, "float64");
  if (!graph) return null;
  const { x, v, u, y } = graph;
  const { varying, varies } = flowOf(x, y);
  if (varying.reduce((sum, node) => sum + workOf(node, varies), 0) > referenceWork) {
    return slopesOn(engine, subject, 1, "float64");
  }
  const value = asFunction(y, x);
  const push = asFunction(graph.push, x, v);
  const pull = asFunction(graph.pull, x, u);
  return {
    value: async (at) => value(at),
    push: async (at, along) => push(at, along),
    pull: async (at, from) => pull(at, from),
    climb: null,
    dispose: async () => {},
  };
}

// --- internal ---

function derivatives(subject: Subject, count: number, dtype: DType) {
  // The network's own input keeps its name; "x", "v" and "u" are those of the derivatives.
  const { x, y } = subject.at(count, dtype, "x");
  const v = input("v", x.shape, dtype);
  const u = input("u", y.shape, dtype);
  const [push] = jvp([y], [x], [v]);
  const [pull] = vjp([y], [u], [x]);
  if (!push || !pull) return null;
  const [climb] = vjp([push], [u], [x]);
  return { x, y, v, u, push, pull, climb };
}
