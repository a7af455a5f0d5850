/** @file From a layer and its variables to a plain network: everything that does not depend on the input is evaluated once. */
import type { Engine } from "../engine/engine.ts";
import type { Node } from "../graph/graph.ts";
import { constant, input } from "../graph/leaf.ts";
import type { Network } from "../graph/network.ts";
import { evalRun, type Layer, type Variables } from "../layers/layer.ts";
import { retype } from "../ops/retype.ts";
import { ShapeError } from "../tensor/errors.ts";
import { mapNamed, type Named, under, within } from "../tensor/named.ts";
import { type Shape, sameShape, showShape } from "../tensor/shape.ts";
import { cast, type DType, isFloat, type Tensor } from "../tensor/tensor.ts";

/**
 * Make the network that `layer` is in evaluation, for samples of shape `sample`: input "input" [batch, ...sample] with a free
 * batch, output "output". Weights that are computed from parameters (batch-norm folded into the layer before it,
 * parameterisations) are computed in float64 and stored as float32. Throws ShapeError where `sample` does not fit.
 */
export async function freeze(engine: Engine, layer: Layer, variables: Variables, sample: Shape): Promise<Network> {
  const output = layer.shape(sample);
  const weights = await frozenWeights(engine, layer, variables);
  return {
    name: layer.name,
    inputs: [{ name: "input", shape: ["batch", ...sample], dtype: "float32" }],
    outputs: ["output"],
    metadata: layer.metadata?.(weights) ?? {},
    build([x]) {
      if (!sameShape(x.shape.slice(1), sample)) {
        throw new ShapeError(
          `${layer.name}: the input must be ${showShape(["batch", ...sample])}, got ${showShape(x.shape)}`,
        );
      }
      const constants = mapNamed(weights, (w) => constant(castFloat(w, x.dtype)));
      const y = layer.forward(x, constants, evalRun);
      if (!sameShape(y.shape.slice(1), output))
        throw new ShapeError(`${layer.name}: declared ${showShape(output)}, built ${showShape(y.shape)}`);
      return [y];
    },
  };
}

/** The weights that a layer uses in evaluation, as float32 tensors; one that is just a parameter keeps its bits. */
export async function frozenWeights(
  engine: Engine,
  layer: Layer,
  { params, state }: Variables,
): Promise<Named<Tensor>> {
  const variables: Named<Tensor> = { ...params, ...state };
  const leaves = mapNamed(variables, (t, name) => input(name, t.shape, t.dtype));
  const made = layer.weights(leaves, "eval");
  const names = new Map<Node, string>(Object.entries(leaves).map(([name, node]) => [node, name]));
  const kept: [string, Tensor][] = [];
  const computed: [string, Node][] = [];
  for (const [name, node] of Object.entries(made)) {
    const variable = names.get(node);
    if (variable === undefined) computed.push([name, node]);
    else kept.push([name, variables[variable]]);
  }
  if (computed.length === 0) return Object.fromEntries(kept);
  const nodes = retype(
    computed.map(([, node]) => node),
    "float64",
  );
  const program = await engine.compile(
    under("made", Object.fromEntries(computed.map(([name], i) => [name, nodes[i]]))),
  );
  try {
    const needed = Object.keys(program.inputs).map((name) => [name, castFloat(variables[name], "float64")] as const);
    const results = await program.run(Object.fromEntries(needed));
    const stored = mapNamed(within("made", results), (t) => castFloat(t, "float32"));
    return Object.fromEntries([...kept, ...Object.entries(stored)]);
  } finally {
    await program.dispose();
  }
}

// --- internal ---

const castFloat = (t: Tensor, dtype: DType): Tensor => (isFloat(t.dtype) ? cast(t, dtype) : t);
