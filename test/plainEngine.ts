/** @file The reference rules as an engine: for searches on thousands of networks so small that compiling them for a real one would take longer than all runs. */
import { asFunction } from "../src/bounds/fixed.ts";
import type { Engine } from "../src/engine/engine.ts";
import { topological } from "../src/graph/graph.ts";
import { isInput } from "../src/graph/leaf.ts";
import { EngineError } from "../src/tensor/errors.ts";
import { mapNamed } from "../src/tensor/named.ts";
import { tensor, toFloat64 } from "../src/tensor/tensor.ts";

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
  async load() {
    throw new EngineError("plain: reads no models");
  },
};
