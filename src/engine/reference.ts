/** @file The judge: every op in float64 by plain loops, in one walk. Slow on purpose; what it says is what other engines are held to. */
import { type Node, topological } from "../graph/graph.ts";
import { inputsOf, isInput } from "../graph/leaf.ts";
import { mapNamed, type Named } from "../tensor/named.ts";
import { type Tensor, toFloat64 } from "../tensor/tensor.ts";
import { checkFeeds } from "./feeds.ts";

/** Evaluate named outputs in float64, whatever their dtype; a result has dtype float64 and the node's shape. */
export function evaluate(outputs: Named<Node>, feeds: Named<Tensor> = {}): Named<Tensor> {
  const order = topological(Object.values(outputs));
  checkFeeds(Object.fromEntries(inputsOf(order)), feeds);
  const values = new Map<Node, Float64Array>();
  for (const node of order) {
    const value = isInput(node)
      ? toFloat64(feeds[node.attrs.name])
      : node.op.evaluate(
          node,
          node.inputs.map((i) => values.get(i) as Float64Array),
        );
    values.set(node, value);
  }
  return mapNamed(outputs, (node) => ({ dtype: "float64", shape: node.shape, data: values.get(node) as Float64Array }));
}
