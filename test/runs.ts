/** @file Runs of single layers, for tests: what a layer asks for is kept, noise is drawn, variables are fed by name. */
import type { Node } from "../src/graph/graph.ts";
import { input } from "../src/graph/leaf.ts";
import { evalRun, type Layer, type Mode, type Run, type Variables } from "../src/layers/layer.ts";
import { mapNamed, type Named } from "../src/tensor/named.ts";
import { normalTensor, type Random, uniformTensor } from "../src/tensor/random.ts";
import type { Shape } from "../src/tensor/shape.ts";
import { type Tensor, toFloat64 } from "../src/tensor/tensor.ts";

export interface Built {
  /** The input node "x" and the nodes of the variables, by name. */
  readonly x: Node;
  readonly variables: Named<Node>;
  readonly y: Node;
  /** New values of state, by name, as the layer has asked for them. */
  readonly updates: Named<Node>;
  /** Everything to feed. */
  readonly feeds: Named<Tensor>;
}

/** Build a layer on a batch. */
export function build(layer: Layer, variables: Variables, batch: Tensor, mode: Mode, random: Random): Built {
  const values: Named<Tensor> = { ...variables.params, ...variables.state };
  const nodes = mapNamed(values, (t, name) => input(name, t.shape, t.dtype));
  const { run, updates, noise } = trainingRun(random);
  const x = input("x", batch.shape);
  const y = layer.forward(x, layer.weights(nodes, mode), mode === "train" ? run : evalRun);
  return { x, variables: nodes, y, updates, feeds: { ...values, ...noise, x: batch } };
}

/** Fresh variables, moved away from the zeros and ones that they start at, so that nothing falls out of a result unseen. */
export function movedVariables(layer: Layer, random: Random, sample: Shape): Variables {
  const { params, state } = layer.init(random.fork("init"), sample);
  const moved = (values: Named<Tensor>) =>
    mapNamed(values, (t, name) => {
      const by = toFloat64(normalTensor(random.fork(name), t.shape, 0.3));
      // Running variances stay above 0.
      const move = (v: number, d: number) => (name.endsWith("variance") ? v * Math.exp(d) : v + d);
      return { ...t, data: Float32Array.from(by, (d, i) => move(Number(t.data[i]), d)) };
    });
  return { params: moved(params), state: moved(state) };
}

/** Only the feeds that some graph reads. */
export const feedsFor = (feeds: Named<Tensor>, names: Iterable<string>): Named<Tensor> =>
  Object.fromEntries([...names].map((name) => [name, feeds[name]]));

// --- internal ---

function trainingRun(random: Random) {
  const updates: Record<string, Node> = {};
  const noise: Record<string, Tensor> = {};
  const at = (prefix: string): Run => ({
    mode: "train",
    noise(shape) {
      const name = `noise${Object.keys(noise).length}`;
      noise[name] = uniformTensor(random.fork(name), shape);
      return input(name, shape);
    },
    update(name, value) {
      updates[prefix + name] = value;
    },
    child: (name) => at(`${prefix}${name}/`),
  });
  return { run: at(""), updates, noise };
}
