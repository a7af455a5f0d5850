/** @file One step of projected gradient ascent as graph, and several of them in a row for adversarial training. */
import { vjp } from "../graph/gradient.ts";
import type { Node } from "../graph/graph.ts";
import { constant, filledLike } from "../graph/leaf.ts";
import { add, div, greater, maximum, minimum, mul, type Operand, stopGradient, sub, where } from "../ops/arith.ts";
import { sum } from "../ops/broadcast.ts";
import { abs, clip, sign, sqrt } from "../ops/pointwise.ts";
import { UsageError } from "../tensor/errors.ts";
import type { AttackNorm, Range } from "./ball.ts";

export interface StepOptions {
  readonly norm: AttackNorm;
  /** Of the ball around `center`: a number, or [batch, 1, ...]. */
  readonly radius: Operand;
  /** Length of the step: a number, or [batch, 1, ...]. */
  readonly step: Operand;
  /** Clip to this range; the center must lie in it, so that clipping does not leave the ball. */
  readonly range?: Range | null;
  /** Direction to take where the gradient is 0, of the shape of x; unless given, such samples stay where they are. */
  readonly stuck?: Node;
}

/**
 * One step uphill, and back into the ball: x [batch, ...sample] with the gradient of what shall grow.
 *
 *     l2      x + s g / ||g||,    then  center + (x - center) min(1, r / ||x - center||)
 *     l-inf   x + s sign(g),      then  min(max(x, center - r), center + r)
 */
export function pgdStep(x: Node, center: Node, gradient: Node, options: StepOptions): Node {
  const { norm, radius, step, range = null } = options;
  const { direction, scale } = steepest(gradient, norm, options.stuck);
  if (norm === "inf") {
    // Where the sample does not change, both sides of the box are the same nodes in every step.
    const [low, high] = [sub(center, radius), add(center, radius)];
    const further = add(x, mul(direction, step));
    return clipped(minimum(maximum(further, low), high), range);
  }
  const perturbation = sub(add(x, mul(direction, mul(scale, step))), center);
  const length = lengths(perturbation);
  const shrink = minimum(
    div(typeof radius === "number" ? constant(radius, x.dtype) : radius, maximum(length, tiny)),
    1,
  );
  return clipped(add(center, mul(perturbation, shrink)), range);
}

export interface AdversarialOptions {
  readonly norm: AttackNorm;
  /** A number, or [batch, 1, ...]: a schedule may feed it. */
  readonly radius: Operand;
  /** >= 1. */
  readonly steps: number;
  /** Length of a step as a part of the radius. Default: 2.5 / steps; 1 for a single step. */
  readonly step?: number;
  readonly range?: Range | null;
  /** Where to start, within the ball, of the shape of x. Default: x itself. */
  readonly start?: Node;
  /** See StepOptions. */
  readonly stuck?: Node;
}

/**
 * The inputs near x that `steps` steps of projected gradient ascent on the loss lead to, for adversarial training; nothing flows
 * back through them.
 *
 *     const near = adversarial(x, y, forward, loss, { norm: 2, radius: 0.3, steps: 3 });
 *     const objective = loss(forward(near), y);
 *
 * Reference: Madry et al. 2018.
 */
export function adversarial(
  x: Node,
  y: Node,
  forward: (x: Node) => Node,
  loss: (outputs: Node, targets: Node) => Node,
  { norm, radius, steps, step, range, start, stuck }: AdversarialOptions,
): Node {
  if (!(Number.isInteger(steps) && steps >= 1)) throw new UsageError(`adversarial: steps must be >= 1, got ${steps}`);
  const part = step ?? (steps === 1 ? 1 : 2.5 / steps);
  const length = typeof radius === "number" ? radius * part : mul(radius, part);
  let near = start ?? x;
  for (let k = 0; k < steps; k++) {
    // A node of its own, so that the gradient is taken here and not further back.
    const at = stopGradient(near);
    const risk = loss(forward(at), y);
    const [gradient] = vjp([risk], [filledLike(risk, 1)], [at]);
    if (!gradient) return stopGradient(near);
    near = pgdStep(at, x, gradient, { norm, radius, step: length, range, ...(stuck ? { stuck } : {}) });
  }
  return stopGradient(near);
}

/** ||v|| of every sample in l2, [batch, 1, ...]. */
export const lengths = (v: Node): Node => sqrt(sum(mul(v, v), sampleAxes(v), true));

// --- internal ---

const tiny = 1e-30;

const sampleAxes = (x: Node): number[] => x.shape.slice(1).map((_, i) => i + 1);

const clipped = (x: Node, range: Range | null): Node => (range ? clip(x, range[0], range[1]) : x);

/** The steepest direction as direction * scale; what is not above 0, a NaN too, counts as no gradient. */
function steepest(g: Node, norm: AttackNorm, stuck?: Node): { direction: Node; scale: Node } {
  const one = constant(1, g.dtype);
  if (norm === "inf") {
    if (!stuck) return { direction: sign(g), scale: one };
    const some = greater(sum(abs(g), sampleAxes(g), true), 0);
    return { direction: sign(where(some, g, stuck)), scale: one };
  }
  const length = lengths(g);
  const some = greater(length, 0);
  const direction = stuck ? where(some, g, stuck) : g;
  return { direction, scale: div(1, where(some, length, 1)) };
}
