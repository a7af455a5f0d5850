/**
 * @file Networks whose constant is at most a given gamma for all values of their parameters. A layer may leave a linear map over that
 * comes after its activation: the next layer takes it into its own weights, so that the network stays an ordinary chain.
 */
import type { Node } from "../graph/graph.ts";
import { constant } from "../graph/leaf.ts";
import { div, maximum, mul } from "../ops/arith.ts";
import { sum } from "../ops/broadcast.ts";
import { matmul } from "../ops/matmul.ts";
import { reshape, transpose } from "../ops/movement.ts";
import { exp, sqrt } from "../ops/pointwise.ts";
import { UsageError } from "../tensor/errors.ts";
import { type Named, under, within } from "../tensor/named.ts";
import type { Random } from "../tensor/random.ts";
import type { Shape } from "../tensor/shape.ts";
import { scalar, type Tensor, toFloat64 } from "../tensor/tensor.ts";
import { type Activation, activation } from "./activation.ts";
import type { ConvOptions } from "./conv.ts";
import { dense } from "./dense.ts";
import type { Family, Unit } from "./family.ts";
import { glorotUniform } from "./initializer.ts";
import { evalRun, type Layer, type Mode, type Variables } from "./layer.ts";
import { sequential } from "./sequential.ts";
import { adjoint, type Complex, circular, type Grid } from "./symbols.ts";

/** The key in a model's metadata under which it states its constant in l2. */
export const gammaKey = "lipschitz.gamma";

/** What is still to be done with the signal z before a layer: h = factor * z, or h = z map (rows), or a circular convolution of images. */
export type Pending =
  | { readonly kind: "scale"; readonly factor: Node | null }
  | { readonly kind: "matrix"; readonly map: Node }
  | { readonly kind: "symbol"; readonly symbol: Complex; readonly grid: Grid };

/** A layer with activation that is 1-Lipschitz from h to its own h. */
export interface Bounded extends Layer {
  /** Plain weights that take in what is pending, and what is pending behind them. */
  readonly link: Link;
  /** The multipliers of its neurons: the weight "psi" squared, or one for all. None where it does not come with multipliers. */
  readonly multiplier?: "psi" | "one";
}
export type Link = (
  variables: Named<Node>,
  pending: Pending,
  mode: Mode,
) => { readonly weights: Named<Node>; readonly pending: Pending };

/** Nothing is pending. */
export const nothing: Pending = { kind: "scale", factor: null };

/** weight [in, out] with what is pending done before it. */
export function taken(pending: Pending, weight: Node): Node {
  switch (pending.kind) {
    case "scale":
      return pending.factor === null ? weight : mul(weight, pending.factor);
    case "matrix":
      return matmul(pending.map, weight);
    case "symbol": {
      // <w, R z> = <R^T w, z> for the columns w of the weight, each an image.
      const { symbol, grid } = pending;
      const [size, outputs] = weight.shape;
      const images = reshape(transpose(weight), [outputs, symbol.re.shape[1], ...grid]);
      return transpose(reshape(circular(images, adjoint(symbol), grid), [outputs, size]));
    }
  }
}

/** What is pending, done to a signal: [batch, width] -> [batch, next width]. */
export function settled(pending: Pending, z: Node): Node {
  switch (pending.kind) {
    case "scale":
      return pending.factor === null ? z : mul(z, pending.factor);
    case "matrix":
      return matmul(z, pending.map);
    case "symbol":
      return circular(z, pending.symbol, pending.grid);
  }
}

/** The scale that is pending, null for none. Layers that keep their width are never behind one that leaves a map over. */
export function pendingScale(pending: Pending): Node | null {
  if (pending.kind === "scale") return pending.factor;
  throw new UsageError(
    `bounded: a residual layer must not follow one that leaves a map over (${pending.kind}); build all layers of one family`,
  );
}

/**
 * The two maps of a residual layer behind a pending scale c, which stays pending: h + V s(c h U + b) / c in the place of c h + V s(c h U + b).
 * So the layer trains as if the scale came before it.
 */
export function conjugated(pending: Pending, inner: Node, outer: Node): Named<Node> {
  const scale = pendingScale(pending);
  return scale === null ? { inner, outer } : { inner: mul(inner, scale), outer: div(outer, scale) };
}

/** A layer whose weights are those of its link. */
export function linked(layer: Omit<Bounded, "weights">): Bounded {
  return { ...layer, weights: (variables, mode) => layer.link(variables, nothing, mode).weights };
}

/** An activation that may have parameters of its own, as a layer holds it: under "act" among its variables and weights. */
export function actOf(name: Activation) {
  const act = activation(name);
  return {
    /** The variables of a layer, whose output has a shape, with those of the activation. */
    beside({ params, state }: Variables, random: Random, output: Shape): Variables {
      return { params: { ...params, ...under("act", act.init(random.fork("act"), output).params) }, state };
    },
    weights: (variables: Named<Node>, mode: Mode) => under("act", act.weights(within("act", variables), mode)),
    forward: (x: Node, weights: Named<Node>) => act.forward(x, within("act", weights), evalRun),
  };
}

/** The constant of a whole network. */
export interface GammaOptions {
  /** The constant, or its first value where it is learnt. Default: 1. */
  readonly gamma?: number;
  /** Whether log gamma is learnt with the weights. Default: fixed. */
  readonly bound?: "fixed" | "learnt";
}

/** What may be said of a family of bounded layers. */
export interface FamilyOptions extends GammaOptions {
  /**
   * "bounded" (default): the last map has norm 1, and gamma is the constant of all outputs as one vector. "normalized": the weights
   * of each output have length 1, so that each output by itself has constant gamma and a difference gamma |w_y - w_j|, for margins.
   */
  readonly last?: "bounded" | "normalized";
}

/** How the layers of a family are made. */
export interface BoundedLayers {
  readonly name: string;
  dense(width: number, activation: Activation): Bounded;
  /** None where the family has no convolutions. */
  conv?(channels: number, options: ConvOptions, activation: Activation): Bounded;
  /** Linear. */
  last(outputs: number): Bounded;
}

/** The family of layers that are 1-Lipschitz each: sqrt(gamma) stands at the first map and at the last. */
export function boundedFamily(layers: BoundedLayers, options: FamilyOptions): Family {
  const { gamma = 1, bound = "fixed", last = "bounded" } = options;
  const { name } = layers;
  if (!(gamma > 0 && Number.isFinite(gamma))) throw new UsageError(`${name}: gamma must be above 0, got ${gamma}`);
  const checked = ({ batchNorm, activation }: Unit): Activation => {
    if (batchNorm)
      throw new UsageError(`${name}: there must be no batch-norm, whose constant is not bounded; leave it out`);
    return activation;
  };
  const alone = (what: string) =>
    new UsageError(`${name}: ${what} has no constant of 1; use a model without it (mlp, convnet)`);
  return {
    name,
    dense: (width, unit) => [layers.dense(width, checked(unit))],
    conv(channels, conv, unit) {
      if (!layers.conv) throw new UsageError(`${name}: there are no convolutions of this kind; use mlp`);
      return [layers.conv(channels, conv, checked(unit))];
    },
    last: (outputs) => [last === "normalized" ? normalizedLast(outputs) : layers.last(outputs)],
    activation(word) {
      if (!isContraction(word)) throw alone(word);
      return activation(word);
    },
    residual() {
      throw alone("a sum of two branches");
    },
    whole: (parts, whole) => bounded(parts, whole, gamma, bound),
  };
}

/** Activations by what their slopes are, as far as the layers here have to know. */
const slopes: { readonly [A in Activation]?: "homogeneous" | "monotone" | "contraction" } = {
  identity: "homogeneous",
  relu: "homogeneous",
  leakyRelu: "homogeneous",
  elu: "monotone",
  sigmoid: "monotone",
  tanh: "monotone",
  softplus: "monotone",
  hardSigmoid: "monotone",
  softRelu: "monotone",
  maxMin: "contraction",
  householder: "contraction",
};

/** Are all slopes in [0, 1]? */
export const isMonotone = (word: Activation): boolean => slopes[word] === "homogeneous" || slopes[word] === "monotone";

/** Is s(c x) = c s(x) for all c > 0? */
export const isHomogeneous = (word: Activation): boolean => slopes[word] === "homogeneous";

/** Is s 1-Lipschitz in l2? */
export const isContraction = (word: Activation): boolean => slopes[word] !== undefined;

/** Check an activation by one of the rules above. */
export function checkActivation(who: string, word: Activation, rule: (word: Activation) => boolean): void {
  if (rule(word)) return;
  const known = (Object.keys(slopes) as Activation[]).filter(rule);
  throw new UsageError(
    `${who}: the activation must have slopes in [0, 1], got "${word}"; use one of ${known.join(", ")}`,
  );
}

/**
 * y = x W + b, [batch, in] -> [batch, outputs], every column of W of length 1: last layer normalisation.
 * Reference: Singla, Singla and Feizi 2022.
 */
export function normalizedLast(outputs: number): Bounded {
  const plain = dense(outputs, { initializer: glorotUniform });
  return linked({
    ...plain,
    name: "normalizedLast",
    link({ weight, bias }, pending) {
      const lengths = sqrt(maximum(sum(mul(weight, weight), [0], true), 1e-30));
      return { weights: { weight: taken(pending, div(weight, lengths)), bias }, pending: nothing };
    },
  });
}

// --- internal ---

/** Fixed layers that are 1-Lipschitz, with windows that do not overlap. */
const contractions = ["flatten", "maxPool", "averagePool", "globalAveragePool", "dropout"];

function bounded(parts: readonly Layer[], name: string, gamma: number, bound: "fixed" | "learnt"): Layer {
  const whole = sequential(parts, name);
  const isBounded = (layer: Layer): layer is Bounded => "link" in layer;
  const last = parts.findLastIndex(isBounded);
  const stranger = parts.find(
    (layer) => !isBounded(layer) && !contractions.includes(layer.name) && !isMonotone(layer.name as Activation),
  );
  if (stranger) throw new UsageError(`${name}: every layer must be 1-Lipschitz, got "${stranger.name}"`);
  return {
    ...whole,
    init(random, input) {
      const { params, state } = whole.init(random, input);
      return { params: bound === "learnt" ? { ...params, logGamma: scalar(Math.log(gamma)) } : params, state };
    },
    weights(variables, mode) {
      const value = variables.logGamma ? exp(variables.logGamma) : constant(roundedDown(gamma));
      const root = sqrt(value);
      let pending: Pending = { kind: "scale", factor: root };
      const made = parts.map((layer, i) => {
        const own = within(String(i), variables);
        if (!isBounded(layer)) {
          pending = passed(layer, pending);
          return under(String(i), layer.weights(own, mode));
        }
        const link = layer.link(own, pending, mode);
        pending = link.pending;
        const weights = i === last ? { ...link.weights, weight: mul(link.weights.weight, root) } : link.weights;
        return under(String(i), weights);
      });
      return Object.assign(variables.logGamma ? { gamma: value } : {}, ...made);
    },
    metadata: (weights) => notes(parts, weights, weights.gamma ? Number(weights.gamma.data[0]) : gamma),
  };
}

/** The largest float32 that is not above gamma. */
function roundedDown(gamma: number): number {
  const near = Math.fround(gamma);
  return near <= gamma ? near : Math.fround(near * (1 - 2 ** -24));
}

/** What is pending behind a layer without weights. */
function passed(layer: Layer, pending: Pending): Pending {
  if (pending.kind === "scale" || layer.name === "flatten" || layer.name === "dropout") return pending;
  throw new UsageError(
    `${layer.name}: must not follow a layer that leaves a linear map to the next one; shrink by strides`,
  );
}

/**
 * What the model says of itself: gamma, and the multipliers with which the inequality of LipSDP proves it, 2 psi^2 / gamma for the
 * neurons of each hidden layer (one number where all are alike; 2 / gamma also where every map has norm 1), on the scale where the block of
 * the input is the identity.
 * Reference: Wang and Manchester 2023, theorem 3.1, with the multipliers Psi^2 of its proof.
 */
function notes(parts: readonly Layer[], weights: Named<Tensor>, gamma: number): Named<string> {
  const layers = parts.flatMap((layer, i) => ("link" in layer ? [{ layer: layer as Bounded, i }] : [])).slice(0, -1);
  const own: Named<string> = parts.some(({ name }) => name === "normalizedLast") ? {} : { [gammaKey]: String(gamma) };
  if (!layers.every(({ layer }) => layer.multiplier)) return own;
  const multipliers = layers.map(({ layer, i }) => {
    const psi = layer.multiplier === "psi" ? within(String(i), weights).psi : scalar(1);
    return Array.from(toFloat64(psi), (v) => Number(((2 * v * v) / gamma).toPrecision(9)));
  });
  return { ...own, "lipschitz.multipliers": JSON.stringify(multipliers) };
}
