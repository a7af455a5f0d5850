/**
 * @file Sobolev training: match the derivatives of a target beside its values. The target is a function of the input as graph (a closed form, a teacher), or the data hold its
 * slopes. What a sample says of the target is then a plane and not a point, so that fewer are needed, and slopes are learnt that values alone leave open.
 */
import { vjp } from "../graph/gradient.ts";
import type { Node } from "../graph/graph.ts";
import { constant, filledLike } from "../graph/leaf.ts";
import { add, cast, div, greater, log, mul, sub } from "../ops/arith.ts";
import { broadcastTo, sum } from "../ops/broadcast.ts";
import { reshape } from "../ops/movement.ts";
import { cos, sqrt } from "../ops/pointwise.ts";
import { logSoftmax, softmax } from "../ops/softmax.ts";
import { ShapeError, UsageError } from "../tensor/errors.ts";
import { type Shape, sameShape, showShape, sizeOf } from "../tensor/shape.ts";
import { tensor, cast as toDtype } from "../tensor/tensor.ts";
import { crossEntropy, squaredError } from "./loss.ts";
import type { Method, Step } from "./method.ts";
import { checkWeights } from "./penalty.ts";

export const matchKinds = ["outputs", "log-probabilities"] as const;

/** A function of a batch as graph: [batch, ...sample] -> [batch, outputs]. */
export type Target = (x: Node) => Node;

export interface SobolevOptions {
  /** The function that is learnt; of a network, `targetOf`. Its values take the place of the data's. Default: targets and slopes of the data. */
  readonly target?: Target;
  /** The highest derivative that is matched: 0 (values alone), 1 (default) or 2, which slopes of data have not. */
  readonly order?: number;
  /** Weight of every derivative's term, >= 0. Default: 1. */
  readonly weight?: number;
  /** Random directions of a sample in a step that derivatives are compared along; 0 for all of every derivative (default). */
  readonly directions?: number;
  /**
   * What is compared with a target: outputs (default), whose values by half the squared error; or log-probabilities, of a classification, whose values by the cross-entropy.
   */
  readonly match?: (typeof matchKinds)[number];
}

/**
 * Minimise
 *
 *     loss(f, t) + weight sum_{j=1..order} 1/2 mean_k ||D^j f(x_k) - D^j t(x_k)||_F^2
 *
 * over the samples x_k, with t the target. With `directions`, D t is compared as w^T D t and D^2 t as v^T D^2 (w^T t) for random w of length sqrt(outputs) and v of length sqrt(inputs),
 * uniform on their spheres and drawn anew for every sample and step: the mean over them is the whole. Of a network of piecewise linear layers D^2 is 0, and order 2 is refused.
 * Reference: Czarnecki et al. 2017, sections 2 and 3 and figure 1.
 */
export function sobolev(options: SobolevOptions = {}): Method {
  const { target, order = 1, weight = 1, directions = 0, match = "outputs" } = options;
  checkWeights("sobolev", { weight });
  if (![0, 1, 2].includes(order)) throw new UsageError(`sobolev: order must be 0, 1 or 2, got ${order}`);
  if (!(Number.isInteger(directions) && directions >= 0))
    throw new UsageError(`sobolev: directions must be a whole number >= 0, got ${directions}`);
  return {
    name: "sobolev",
    init({ data }) {
      if (target === undefined && (order > 0 || match !== "outputs")) checkSlopes(order, match, data.slopes);
      return {};
    },
    objective(step) {
      const { x, y, slopes } = step;
      const outputs = step.forward(x);
      const soft = match === "log-probabilities";
      const told = target?.(x);
      if (told && !sameShape(told.shape, outputs.shape)) {
        const got = `${showShape(told.shape)} for ${showShape(outputs.shape)}`;
        throw new ShapeError(`sobolev: the target must give what the model gives, got ${got}`);
      }
      const data = !told
        ? step.loss(outputs, y)
        : soft
          ? crossEntropy(outputs, softmax(told, 1))
          : squaredError(outputs, told);
      if (order === 0 || weight === 0) return { loss: data, outputs };
      const seen = (z: Node) => (soft ? logSoftmax(z, 1) : z);
      const gap = told ? sub(seen(outputs), seen(told)) : outputs;
      if (order > 1) checkBends(outputs, x);
      const terms = pairsOf(step, gap.shape, order, directions).flatMap(({ w, v, share }) => {
        const [slope] = vjp([gap], [w], [x]);
        const first = sub(slope ?? filledLike(x, 0), told || !slopes ? 0 : along(slopes, w));
        const all = [mul(halfSquare(first), share)];
        for (const direction of v) {
          const [bend] = vjp([first], [direction], [x]);
          all.push(mul(halfSquare(bend ?? filledLike(x, 0)), share));
        }
        return all;
      });
      return { loss: terms.reduce((total, term) => add(total, mul(term, weight)), data), outputs };
    },
  };
}

// --- internal ---

/** A covector of the outputs, [batch, outputs], what its term counts, and the directions of the input, [batch, ...sample], that its slope is differentiated along. */
interface Pair {
  readonly w: Node;
  readonly share: number;
  readonly v: readonly Node[];
}

/** Passes that one step may take for all of a derivative. */
const most = 256;

function pairsOf({ x, noise }: Step, [batch, outputs]: Shape, order: number, directions: number): readonly Pair[] {
  const inputs = sizeOf(x.shape) / batch;
  const drawn = (shape: Shape, length: number) => onSphere(noise, shape, length);
  if (directions > 0) {
    return Array.from({ length: directions }, () => ({
      w: drawn([batch, outputs], outputs),
      share: 1 / directions,
      v: order < 2 ? [] : [drawn(x.shape, inputs)],
    }));
  }
  const passes = order < 2 ? outputs : outputs * inputs;
  if (passes > most) {
    const rule = `all of a derivative must not take more than ${most} passes`;
    throw new UsageError(`sobolev: ${rule}, got ${passes}; say directions, a few random ones in each step`);
  }
  const unit = (shape: Shape, size: number, k: number) => {
    const one = tensor(
      Float32Array.from({ length: size }, (_, i) => (i === k ? 1 : 0)),
      [1, ...shape.slice(1)],
    );
    return broadcastTo(constant(toDtype(one, x.dtype)), shape);
  };
  const v = order < 2 ? [] : Array.from({ length: inputs }, (_, i) => unit(x.shape, inputs, i));
  return Array.from({ length: outputs }, (_, o) => ({ w: unit([batch, outputs], outputs, o), share: 1, v }));
}

/** Uniform on the sphere of radius sqrt(size), one vector for each sample: normal numbers (Box and Muller 1958) brought to that length. */
function onSphere(noise: Step["noise"], shape: Shape, size: number): Node {
  const radius = sqrt(mul(log(sub(1, noise(shape))), -2));
  const normal = mul(radius, cos(mul(noise(shape), 2 * Math.PI)));
  if (size === 1) return sub(mul(cast(greater(normal, 0), normal.dtype), 2), 1);
  const axes = shape.slice(1).map((_, i) => i + 1);
  return mul(div(normal, sqrt(add(sum(mul(normal, normal), axes, true), 1e-20))), Math.sqrt(size));
}

/** w^T of slopes [batch, outputs, ...sample]: [batch, ...sample]. */
function along(slopes: Node, w: Node): Node {
  const [batch, outputs, ...sample] = slopes.shape;
  return sum(mul(slopes, reshape(w, [batch, outputs, ...sample.map(() => 1)])), [1]);
}

/** Is there anything of the model that a second derivative could train? */
function checkBends(outputs: Node, x: Node): void {
  const [slope] = vjp([outputs], [filledLike(outputs, 1)], [x]);
  const [bend] = slope ? vjp([slope], [filledLike(x, 1)], [x]) : [null];
  if (bend) return;
  const why = "order 2 needs a model with second derivatives, and this one is piecewise linear (ReLU)";
  throw new UsageError(`sobolev: ${why}; take order 1, or another activation (tanh, softplus)`);
}

/** Half the mean over the batch of ||d_k||^2. */
const halfSquare = (d: Node): Node => mul(sum(mul(d, d)), 0.5 / d.shape[0]);

function checkSlopes(order: number, match: SobolevOptions["match"], slopes: Float32Array | undefined): void {
  if (match !== "outputs") throw new UsageError(`sobolev: match ${match} needs a target (--teacher), got none`);
  if (slopes === undefined) {
    throw new UsageError(
      "sobolev: needs derivatives to match: a target (--teacher net.onnx), or data with slopes (--slopes COLUMNS), got neither",
    );
  }
  if (order > 1)
    throw new UsageError(`sobolev: slopes of data are first derivatives, got order ${order}; take order 1`);
}
