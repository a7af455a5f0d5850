/** @file Layers one after another, and around a shortcut. */
import type { Node } from "../graph/graph.ts";
import { add } from "../ops/arith.ts";
import { ShapeError } from "../tensor/errors.ts";
import { type Named, under, within } from "../tensor/named.ts";
import { sameShape, showShape } from "../tensor/shape.ts";
import type { Layer, Variables } from "./layer.ts";

/** The composition of layers, first to last. Names of variables start with the layer's place: "0/weight". */
export function sequential(layers: readonly Layer[], name = "sequential"): Layer {
  return {
    name,
    shape: (input) => layers.reduce((shape, layer) => layer.shape(shape), input),
    init(random, input) {
      let shape = input;
      const parts = layers.map((layer, i) => {
        const variables = layer.init(random.fork(i), shape);
        shape = layer.shape(shape);
        return placed(String(i), variables);
      });
      return merged(parts);
    },
    weights(variables, mode) {
      const parts = layers.map((layer, i) => layer.weights(within(String(i), variables), mode));
      if (mode === "eval") absorb(layers, parts);
      return Object.assign({}, ...parts.map((w, i) => under(String(i), w)));
    },
    forward: (x, weights, run) =>
      layers.reduce((y, layer, i) => layer.forward(y, within(String(i), weights), run.child(String(i))), x),
  };
}

/** x + inner(x), or shortcut(x) + inner(x) where the shapes differ. */
export function residual(inner: Layer, shortcut?: Layer): Layer {
  return {
    name: "residual",
    shape(input) {
      const [a, b] = [inner.shape(input), shortcut?.shape(input) ?? input];
      if (!sameShape(a, b)) {
        throw new ShapeError(
          `residual: both branches must end in one shape, got ${showShape(a)} and ${showShape(b)}; give a shortcut`,
        );
      }
      return a;
    },
    init: (random, input) =>
      merged([
        placed("inner", inner.init(random.fork("inner"), input)),
        ...(shortcut ? [placed("shortcut", shortcut.init(random.fork("shortcut"), input))] : []),
      ]),
    weights: (variables, mode) => ({
      ...under("inner", inner.weights(within("inner", variables), mode)),
      ...(shortcut ? under("shortcut", shortcut.weights(within("shortcut", variables), mode)) : {}),
    }),
    forward(x, weights, run) {
      const y = inner.forward(x, within("inner", weights), run.child("inner"));
      return add(shortcut ? shortcut.forward(x, within("shortcut", weights), run.child("shortcut")) : x, y);
    },
  };
}

// --- internal ---

/** Let every layer that can take in the affine map behind it do so, in place. */
function absorb(layers: readonly Layer[], weights: Named<Node>[]): void {
  layers.forEach((layer, i) => {
    const next = layers[i + 1];
    if (!(layer.scaled && next?.affine)) return;
    const { factor, offset } = next.affine(weights[i + 1]);
    weights[i] = layer.scaled(weights[i], factor, offset);
    weights[i + 1] = {};
  });
}

const placed = (name: string, { params, state }: Variables): Variables => ({
  params: under(name, params),
  state: under(name, state),
});

const merged = (parts: readonly Variables[]): Variables => ({
  params: Object.assign({}, ...parts.map((p) => p.params)),
  state: Object.assign({}, ...parts.map((p) => p.state)),
});
