/** @file A network as the target of a training: its graph on a batch, with its numbers as constants. */
import type { Task } from "../data/dataset.ts";
import type { Node } from "../graph/graph.ts";
import { constant } from "../graph/leaf.ts";
import type { Network } from "../graph/network.ts";
import { evalRun } from "../layers/layer.ts";
import type { ModelSource } from "../onnx/file.ts";
import { concat, reshape, sliceAxis } from "../ops/movement.ts";
import { UsageError } from "../tensor/errors.ts";
import { mapNamed } from "../tensor/named.ts";
import { random } from "../tensor/random.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import { retrofit } from "./retrofit.ts";
import type { Target } from "./sobolev.ts";

/**
 * The first output of a network as a function of a batch: [batch, ...sample] -> [batch, outputs]. A network of one sample at a time is built once a sample. Throws UsageError where
 * it has several inputs.
 */
export function targetOf(network: Network): Target {
  const [port, ...others] = network.inputs;
  if (!port || others.length > 0)
    throw new UsageError(`${network.name}: a teacher must have one input, got ${network.inputs.length}`);
  const [rows, ...sample] = port.shape;
  const onRows = (x: Node): Node => {
    const fed = reshape(x, [x.shape[0], ...sample.map((d, i) => (typeof d === "number" ? d : x.shape[i + 1]))]);
    return reshape(network.build([fed])[0], [x.shape[0], -1]);
  };
  if (typeof rows === "string") return onRows;
  if (rows !== 1)
    throw new UsageError(`${network.name}: a teacher must take one sample, or any number of them, got ${rows}`);
  return (x) =>
    concat(
      Array.from({ length: x.shape[0] }, (_, i) => onRows(sliceAxis(x, 0, i, i + 1))),
      0,
    );
}

/**
 * The network of a file as a target; its samples go through side by side where its graph lets them, whatever batch the file says. A classifier is its logits, in front of a softmax or a
 * sigmoid. Throws as `retrofit` does.
 */
export function teacherOf(
  source: ModelSource,
  { sample, task }: { readonly sample: Shape; readonly task: Task },
): Target {
  const layer = retrofit(source, { sha256: "", sample, task });
  const weights = mapNamed(layer.init(random(0), sample).params, (value) => constant(value));
  return (x) => {
    if (sizeOf(x.shape.slice(1)) !== sizeOf(sample))
      throw new UsageError(
        `${layer.name}: samples must have ${sizeOf(sample)} numbers, got ${sizeOf(x.shape.slice(1))}`,
      );
    return layer.forward(x, weights, evalRun);
  };
}
