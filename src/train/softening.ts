/** @file What low-curvature layers are in a network that is there: a softened ReLU with a beta of its own for each ReLU, and a cap for each batch-norm. */
import type { Node } from "../graph/graph.ts";
import { constant } from "../graph/leaf.ts";
import { centeredSoftplus } from "../layers/centeredSoftplus.ts";
import type { Softening } from "../layers/family.ts";
import type { Run } from "../layers/layer.ts";
import type { Parameters } from "../onnx/parameters.ts";
import type { ModelProto } from "../onnx/proto.ts";
import type { Reading } from "../onnx/read.ts";
import { relusOf, softenReLUs } from "../onnx/soften.ts";
import { div, minimum, mul } from "../ops/arith.ts";
import { abs, exp } from "../ops/pointwise.ts";
import { reduceMax } from "../ops/reduce.ts";
import { UsageError } from "../tensor/errors.ts";
import { type Named, under, within } from "../tensor/named.ts";
import { random } from "../tensor/random.ts";
import { scalar, type Tensor, tensor, toFloat64 } from "../tensor/tensor.ts";

/** What is added to the parameters of a network, and done with them. */
export interface Softened {
  readonly params: Named<Tensor>;
  /** The weights from the variables: capped scales in the place of those that are trained, and what the activations use. */
  weights(variables: Named<Node>): Named<Node>;
  /** What stands for each ReLU, by its name. */
  activations(weights: Named<Node>, run: Run): ReadonlyMap<string, (x: Node) => Node>;
  /** Put the activations of evaluation weights into a model. */
  write(weights: Named<Tensor>): (model: ModelProto) => void;
}

/**
 * Soften a network. Every batch-norm whose scale is trained is shrunk, all channels alike, where one stretches by more than a gamma = e^logGamma that is learnt and starts at
 * what it stretches by: as in `lipschitzBatchNorm`, with the scales of the file. Throws UsageError where there is no ReLU.
 * Reference: Srinivas et al. 2022, section 4.1.
 */
export function softening(
  reading: Reading,
  { roles }: Parameters,
  { beta, kind, caps }: Softening,
  who: string,
): Softened {
  const activation = centeredSoftplus({ beta, kind });
  const relus = relusOf(reading);
  const name = reading.network.name;
  if (relus.length === 0)
    throw new UsageError(`${name}: must have a Relu or LeakyRelu that ${who} layers soften, got none`);
  const norms = caps ? capsOf(reading, (scale) => roles.has(scale)) : [];
  const own = activation.init(random(0), [1]).params;
  const logGammas = norms.map(({ scale, deviations }) => {
    const stretch = toFloat64(reading.tensors.get(scale) as Tensor).map((s, i) => Math.abs(s) / deviations[i]);
    return [`${scale}/logGamma`, scalar(Math.log(stretch.reduce((a, b) => Math.max(a, b))))] as const;
  });
  return {
    params: {
      ...Object.assign({}, ...relus.map((relu) => under(`${relu}/soft`, own))),
      ...Object.fromEntries(logGammas),
    },
    weights(variables) {
      const capped = norms.map(({ scale, deviations }) => {
        const s = variables[`${scale}/number`];
        const stretch = reduceMax(div(abs(s), constant(tensor(deviations, s.shape, "float32"), s.dtype)));
        return [`${scale}/number`, mul(s, minimum(div(exp(variables[`${scale}/logGamma`]), stretch), 1))] as const;
      });
      const softer = relus.map((relu) =>
        under(`${relu}/soft`, activation.weights(within(`${relu}/soft`, variables), "eval")),
      );
      return { ...variables, ...Object.fromEntries(capped), ...Object.assign({}, ...softer) };
    },
    activations: (weights, run) =>
      new Map(relus.map((relu) => [relu, (x: Node) => activation.forward(x, within(`${relu}/soft`, weights), run)])),
    write: (weights) => (model) =>
      softenReLUs(
        model,
        new Map(relus.map((relu) => [relu, kind === "fixed" ? beta : numberOf(weights[`${relu}/soft/beta`])])),
      ),
  };
}

// --- internal ---

const numberOf = (t: Tensor): number => toFloat64(t)[0];

interface Norm {
  /** The initialiser of its scale. */
  readonly scale: string;
  /** sqrt(variance + epsilon) by channel. */
  readonly deviations: Float64Array;
}

/** Batch-norms whose scale is trained and whose variance is in the file; a scale that several read has the first's. */
function capsOf({ steps, tensors }: Reading, isTrained: (name: string) => boolean): readonly Norm[] {
  const found = new Map<string, Norm>();
  for (const step of steps) {
    const [, scale, , , variance] = step.inputs;
    const stored = tensors.get(variance);
    if (step.operator !== "BatchNormalization" || !isTrained(scale) || !stored || found.has(scale)) continue;
    const epsilon = step.attributes().float("epsilon", 1e-5);
    found.set(scale, { scale, deviations: toFloat64(stored).map((v) => Math.sqrt(v + epsilon)) });
  }
  // A norm whose scales are all 0 has nothing to cap.
  return [...found.values()].filter(({ scale }) => toFloat64(tensors.get(scale) as Tensor).some((s) => s !== 0));
}
