/**
 * @file Gauss-Newton: a step that solves the least-squares problem which the network is near its weights, by conjugate gradients on products with its Jacobian, inside the training step. For small
 * networks and full batches, that are to be fitted to the last digits.
 */

import { grad, vjp } from "../graph/gradient.ts";
import type { Node } from "../graph/graph.ts";
import { constant, filledLike } from "../graph/leaf.ts";
import { substitute } from "../graph/rewrite.ts";
import { jvp } from "../graph/tangent.ts";
import { add, and, cast, div, greater, less, maximum, minimum, mul, sub, where } from "../ops/arith.ts";
import { sum } from "../ops/broadcast.ts";
import { UsageError } from "../tensor/errors.ts";
import { mapNamed, type Named, under, within } from "../tensor/named.ts";
import { scalar } from "../tensor/tensor.ts";
import type { Optimizer } from "./optimizer.ts";

export interface GaussNewtonOptions {
  /** Steps of conjugate gradients in one training step, at most: each is a product with the Jacobian and one with its transpose. Default: 20. */
  readonly iterations?: number | undefined;
  /** The first damping mu. Default: 1e-2. */
  readonly damping?: number | undefined;
  /** Weight alpha of ||w - w0||^2 / 2 with w0 the weights at the start. Default: 0. */
  readonly tikhonov?: number | undefined;
  /**
   * The root mean square length of the error that targets have: alpha then follows the discrepancy rule, larger while the fit is closer than that and smaller else. Needs the squared error.
   * Default: alpha stays.
   */
  readonly noise?: number | undefined;
}

/**
 * Move by rate p, where p solves, by conjugate gradients from 0,
 *
 *     (J^T H J + (mu + alpha) I) p = -(g + alpha (w - w0)),
 *
 * with g the gradient of the loss, J the Jacobian of the outputs in the weights and H the Hessian of the loss in the outputs (1 / batch for the squared error, so that g = J^T r / batch). A move
 * that does not lower loss + alpha ||w - w0||^2 / 2 on its batch is not made. mu falls to a third where the loss fell by more than 3/4 of what the quadratic model promised, and rises
 * fourfold where by less than 1/4 (Levenberg and Marquardt). Weight decay is part of the loss; a method's paces have no say.
 * Reference: Levenberg 1944; Marquardt 1963; Schraudolph 2002 (products with J^T H J); Morozov 1966 (the discrepancy rule).
 */
export function gaussNewton(options: GaussNewtonOptions = {}): Optimizer {
  const { iterations = 20, damping = 1e-2, tikhonov = 0, noise } = options;
  if (!(Number.isInteger(iterations) && iterations >= 1))
    throw new UsageError(`gaussNewton: iterations must be a whole number >= 1, got ${iterations}`);
  checkAbove("damping", damping);
  if (!(tikhonov >= 0 && Number.isFinite(tikhonov)))
    throw new UsageError(`gaussNewton: tikhonov must be >= 0, got ${tikhonov}`);
  if (noise !== undefined) checkAbove("noise", noise);
  if (noise !== undefined && tikhonov === 0)
    throw new UsageError("gaussNewton: with noise, tikhonov must be above 0: it is what the discrepancy rule moves");
  const anchored = tikhonov > 0;
  return {
    name: "gauss-newton",
    init: (params) => ({
      damping: scalar(damping),
      ...(anchored && { tikhonov: scalar(tikhonov), ...under("start", params) }),
    }),
    update({ params, gradients, state, rate, decay, loss, outputs }) {
      const number = (value: number) => constant(value, loss.dtype);
      const alpha = anchored ? state.tikhonov : number(0);
      const start = within("start", state);
      const shift = (w: Node, name: string) => (anchored ? sub(w, start[name]) : filledLike(w, 0));
      const slope = mapNamed(params, (w, name) =>
        add(add(gradients[name], mul(w, decay(name))), mul(shift(w, name), alpha)),
      );
      const weight = mapNamed(params, (_, name) => add(add(state.damping, alpha), decay(name)));
      const curve = products(loss, outputs, params);
      const solved = conjugateGradients(
        (v) => {
          const bent = curve(v);
          return mapNamed(v, (own, name) => add(bent[name], mul(own, weight[name])));
        },
        mapNamed(slope, (g) => mul(g, -1)),
        iterations,
      );
      const moved = mapNamed(params, (w, name) => add(w, mul(solved.x[name], rate)));
      // The functional that the move is to lower, on this batch.
      const penalty = (at: Named<Node>) =>
        Object.entries(at).reduce((total, [name, w]) => {
          const [d, c] = [shift(w, name), decay(name)];
          const own = add(mul(dot(d, d), mul(alpha, 0.5)), mul(dot(w, w), 0.5 * c));
          return add(total, own);
        }, number(0));
      const names = Object.keys(params);
      const [there] = substitute([loss], new Map(names.map((name) => [params[name], moved[name]])));
      const fell = sub(add(loss, penalty(params)), add(there, penalty(moved)));
      // Of the model without the damping: A p = b - residual, and the damping's part of p^T A p is taken off.
      const p = solved.x;
      const applied = mapNamed(p, (own, name) =>
        sub(sub(mul(slope[name], -1), solved.residual[name]), mul(own, state.damping)),
      );
      const promised = sub(mul(dots(slope, p), -1), mul(dots(p, applied), 0.5));
      const better = greater(fell, 0);
      const good = greater(fell, mul(promised, 0.75));
      const poor = less(fell, mul(promised, 0.25));
      const factor = where(and(better, good), number(1 / 3), where(poor, number(4), number(1)));
      return {
        params: mapNamed(params, (w, name) => where(better, moved[name], w)),
        state: {
          damping: minimum(maximum(mul(state.damping, factor), 1e-12), 1e8),
          ...(noise !== undefined && {
            tikhonov: minimum(
              maximum(mul(alpha, where(greater(mul(loss, 2), noise * noise), number(0.7), number(1 / 0.7))), 1e-12),
              1e8,
            ),
          }),
        },
      };
    },
  };
}

// --- internal ---

/** v -> J^T H J v: forward through the network, through the gradient of the loss in its outputs, and back. */
function products(loss: Node, outputs: Node, params: Named<Node>): (v: Named<Node>) => Named<Node> {
  const names = Object.keys(params);
  const all = names.map((name) => params[name]);
  const [slope] = grad(loss, [outputs]);
  return (v) => {
    const [moved] = jvp(
      [outputs],
      all,
      names.map((name) => v[name]),
    );
    const [turned] = moved ? jvp([slope], [outputs], [moved]) : [null];
    const pulled = turned ? vjp([outputs], [turned], all) : all.map(() => null);
    return Object.fromEntries(names.map((name, i) => [name, pulled[i] ?? filledLike(all[i], 0)]));
  };
}

/** x with A x = b, from 0, in at most so many steps; it stands still once the residual is a millionth of b. A must be symmetric and positive definite. */
function conjugateGradients(
  apply: (v: Named<Node>) => Named<Node>,
  b: Named<Node>,
  steps: number,
): { readonly x: Named<Node>; readonly residual: Named<Node> } {
  let x = mapNamed(b, (own): Node => filledLike(own, 0));
  let residual = b;
  let direction = b;
  let square = dots(b, b);
  const enough = mul(square, 1e-12);
  for (let k = 0; k < steps; k++) {
    const turned = apply(direction);
    const active = cast(greater(square, enough), square.dtype);
    const length = mul(div(square, maximum(dots(direction, turned), tiny)), active);
    x = mapNamed(x, (own, name) => add(own, mul(direction[name], length)));
    residual = mapNamed(residual, (own, name) => sub(own, mul(turned[name], length)));
    const next = dots(residual, residual);
    const part = mul(div(next, maximum(square, tiny)), active);
    direction = mapNamed(direction, (own, name) => add(residual[name], mul(own, part)));
    square = next;
  }
  return { x, residual };
}

/** Keeps quotients finite where everything is 0. */
const tiny = 1e-35;

const dot = (a: Node, b: Node): Node => sum(mul(a, b));

const dots = (a: Named<Node>, b: Named<Node>): Node =>
  Object.keys(a)
    .map((name) => dot(a[name], b[name]))
    .reduce((total, own) => add(total, own));

function checkAbove(what: string, value: number): void {
  if (!(value > 0 && Number.isFinite(value)))
    throw new UsageError(`gaussNewton: ${what} must be above 0, got ${value}`);
}
