/** @file The directional derivatives of a subject, many runs at once in float32 on an engine, or one run in float64: what a search for steep places asks for. */
import type { Engine, Program } from "../../engine/engine.ts";
import { flowOf } from "../../graph/behaviour.ts";
import { vjp } from "../../graph/gradient.ts";
import { type Node, topological } from "../../graph/graph.ts";
import { input, isConstant } from "../../graph/leaf.ts";
import { jvp } from "../../graph/tangent.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { cast, type DType, tensor } from "../../tensor/tensor.ts";
import { type Budget, budget } from "../budget.ts";
import { asFunction } from "../fixed.ts";
import { once } from "../once.ts";
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

/** Numbers in all nodes of one run. */
export const runNumbers = once((subject: Subject): number => {
  const { x, y } = subject.at(1, "float32");
  return flowOf(x, y).varying.reduce((sum, node) => sum + sizeOf(node.shape), 0);
});

/** How many times as fast as plain loops an engine is on what takes long. */
export const engineSpeed = 5;

/** Multiply-adds of one run of a subject, roughly. */
export const runWork = once((subject: Subject): number => {
  const { x, y } = subject.at(1, "float32");
  const { varying, varies } = flowOf(x, y);
  return varying.reduce((sum, node) => sum + workOf(node, varies), 0);
});

/** Multiply-adds that take as long as a compilation: the weights are written for the runtime, and read by it. */
export const compileWork = once((subject: Subject): number => {
  const { y } = subject.at(1, "float32");
  const weights = topological([y]).reduce((sum, node) => sum + (isConstant(node) ? sizeOf(node.shape) : 0), 0);
  return compilation + 80 * weights;
});

/** Derivatives of `count` runs at once on an engine, each compiled when it is first asked for; null if the outputs do not depend on the input. */
export async function slopesOn(
  engine: Engine,
  subject: Subject,
  count: number,
  dtype: DType,
  clock: Pick<Budget, "spend"> = budget(),
): Promise<Slopes | null> {
  const graph = derivatives(subject, count, dtype);
  if (!graph) return null;
  const programs: Program[] = [];
  const work = (count * runWork(subject) * (dtype === "float64" ? 2 : 1)) / engineSpeed;
  /** A program that takes `times` as long as a run. */
  const compile = (times: number, node: Node, ...names: readonly ("x" | "v" | "u")[]) => {
    let made: Promise<Program> | undefined;
    const load = async () => {
      clock.spend(compilation);
      const program = await engine.compile({ result: node });
      programs.push(program);
      return program;
    };
    return async (...values: readonly Float64Array[]) => {
      made ??= load();
      const program = await made;
      clock.spend(call + times * work);
      // A linear network's derivative does not ask where it is taken.
      const fed = names.flatMap((name, i) =>
        name in program.inputs ? [[name, cast(tensor(values[i], graph[name].shape, "float64"), dtype)] as const] : [],
      );
      const { result } = await program.run(Object.fromEntries(fed));
      return Float64Array.from(result.data as Float32Array);
    };
  };
  return {
    value: compile(1, graph.y, "x"),
    push: compile(2, graph.push, "x", "v"),
    pull: compile(3, graph.pull, "x", "u"),
    climb: graph.climb ? compile(6, graph.climb, "x", "v", "u") : null,
    async dispose() {
      for (const program of programs) await program.dispose();
    },
  };
}

/** Derivatives of one run in float64: by the reference rules where that is quick, on the engine where it is not. */
export async function preciseSlopes(
  engine: Engine,
  subject: Subject,
  clock: Pick<Budget, "spend"> = budget(),
): Promise<Slopes | null> {
  const graph = derivatives(subject, 1, "float64");
  if (!graph) return null;
  const { x, v, u, y } = graph;
  const work = runWork(subject);
  if (work > referenceWork) return slopesOn(engine, subject, 1, "float64", clock);
  const value = asFunction(y, x);
  const push = asFunction(graph.push, x, v);
  const pull = asFunction(graph.pull, x, u);
  return {
    async value(at) {
      clock.spend(2 * work);
      return value(at);
    },
    async push(at, along) {
      clock.spend(4 * work);
      return push(at, along);
    },
    async pull(at, from) {
      clock.spend(6 * work);
      return pull(at, from);
    },
    climb: null,
    dispose: async () => {},
  };
}

// --- internal ---

/** Multiply-adds in plain loops that take as long as a call to an engine of next to no work, and as a compilation. */
const call = 2e5;
const compilation = 2e7;

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
