/** @file The reference rules as an engine: for searches on thousands of networks so small that compiling them for a real one would take longer than all runs. */
import { asFunction } from "../src/bounds/fixed.ts";
import type { Engine, IteratedProgram, Iteration, Program } from "../src/engine/engine.ts";
import { checkFeeds, stackedTypes, usedFeeds } from "../src/engine/feeds.ts";
import { topological } from "../src/graph/graph.ts";
import { isInput } from "../src/graph/leaf.ts";
import { EngineError } from "../src/tensor/errors.ts";
import { mapNamed, type Named } from "../src/tensor/named.ts";
import { sizeOf } from "../src/tensor/shape.ts";
import { type Tensor, type Type, tensor, toFloat64 } from "../src/tensor/tensor.ts";

export const plainEngine: Engine = {
  name: "plain",
  async compile(outputs) {
    const inputs = topological(Object.values(outputs)).filter(isInput);
    const run = mapNamed(outputs, (node) => asFunction(node, ...inputs));
    return {
      inputs: Object.fromEntries(inputs.map((x) => [x.attrs.name, x])),
      outputs: Object.keys(outputs),
      halves: new Set(),
      async run(feeds) {
        const fed = inputs.map((x) => toFloat64(feeds[x.attrs.name]));
        return mapNamed(run, (f, name) => tensor(f(...fed), outputs[name].shape, "float64"));
      },
      dispose: async () => {},
    };
  },
  async iterate(iteration) {
    return turnByTurn(iteration, await plainEngine.compile(iteration.outputs));
  },
  async load() {
    throw new EngineError("plain: reads no models");
  },
};

/** An iteration as what it stands for: one run of a program after another, with what is carried fed back. */
export function turnByTurn(
  { outputs, carried, each }: Iteration,
  program: Pick<Program, "inputs" | "run" | "dispose">,
): IteratedProgram {
  const inputs: Named<Type> = {
    ...(program.inputs as Named<Type>),
    ...mapNamed(carried, (output) => outputs[output]),
  };
  return {
    inputs,
    async run(feeds, turns) {
      checkFeeds(stackedTypes(inputs, each, turns), feeds);
      const state: Record<string, Tensor> = { ...feeds };
      const made: Named<Tensor>[] = [];
      for (let turn = 0; turn < turns; turn++) {
        for (const name of each) if (name in inputs) state[name] = turnOf(feeds[name], turn);
        const results = await program.run(usedFeeds(program.inputs, state));
        made.push(results);
        for (const [name, output] of Object.entries(carried)) state[name] = results[output];
      }
      const last = new Set(Object.values(carried));
      return mapNamed(outputs, (_, name) =>
        last.has(name) ? made[turns - 1][name] : stacked(made.map((r) => r[name])),
      );
    },
    dispose: () => program.dispose(),
  };
}

const turnOf = ({ dtype, shape: [, ...shape], data }: Tensor, turn: number): Tensor => {
  const size = sizeOf(shape);
  return { dtype, shape, data: data.slice(turn * size, (turn + 1) * size) };
};

function stacked(parts: readonly Tensor[]): Tensor {
  const [{ dtype, shape }] = parts;
  const values = parts.flatMap((t) => Array.from(t.data as Float64Array));
  return tensor(values, [parts.length, ...shape], dtype);
}
