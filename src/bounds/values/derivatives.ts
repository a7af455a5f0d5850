/**
 * @file The partial derivatives of a smooth network on a box, by the values of the graph that its gradients are: lines follow what the partials have in common with the input, where interval
 * Jacobians forget it.
 */
import { flowOf } from "../../graph/behaviour.ts";
import { vjp } from "../../graph/gradient.ts";
import type { Behaviour, Node } from "../../graph/graph.ts";
import { constant, filledLike } from "../../graph/leaf.ts";
import type { Network } from "../../graph/network.ts";
import { matrix } from "../../linalg/matrix.ts";
import { up } from "../../linalg/rounding.ts";
import { broadcastTo } from "../../ops/broadcast.ts";
import { concat } from "../../ops/movement.ts";
import { cast, tensor } from "../../tensor/tensor.ts";
import type { Norm } from "../bound.ts";
import type { Range } from "../domain.ts";
import { intervalNorm } from "../local/interval.ts";
import { subjectOf } from "../subject.ts";
import { type Extreme, type ExtremesOptions, extremes } from "./extremes.ts";

export interface Derivatives {
  /** [output][input]: the smallest and the largest d output / d input on the box. */
  readonly partials: readonly (readonly { readonly smallest: Extreme; readonly largest: Extreme }[])[];
  /** A bound of the norm of every Jacobian on the box: proved. */
  readonly constant: number;
  readonly pieces: number;
  readonly seconds: number;
  readonly status: "done" | "stopped";
}

/** Is every op a function with a bounded second derivative, or a product of such? Then difference quotients on a box lie between derivatives there. */
export function isSmooth(network: Network): boolean {
  const { x, y } = subjectOf(network).at(1, "float64");
  const { varying, varies } = flowOf(x, y);
  return varying.every(
    (node) =>
      node === x ||
      bends(
        node.op.behaviour(
          node,
          node.inputs.map((i) => varies.has(i)),
        ),
      ),
  );
}

/**
 * Bracket every partial derivative of a smooth network of [batch, inputs] -> [batch, outputs] on a box (`extremes` of its Jacobian). Throws UsageError as `extremes` does, where the walk does not
 * know the derivative of an op.
 */
export async function derivatives(
  network: Network,
  { norm = 2, ...options }: Omit<ExtremesOptions, "measure"> & { readonly norm?: Norm },
): Promise<Derivatives> {
  const { size, outputs } = subjectOf(network);
  const found = await extremes(jacobianOf(network, outputs), {
    ...options,
    measure: ({ low, high }: Range) => {
      const mid = low.map((l, k) => l / 2 + high[k] / 2);
      const radius = mid.map((m, k) => up(Math.max(up(high[k] - m), up(m - low[k]))));
      return intervalNorm({ mid: matrix(outputs, size, mid), radius }, norm);
    },
  });
  return {
    partials: Array.from({ length: outputs }, (_, o) => found.outputs.slice(o * size, (o + 1) * size)),
    constant: found.measured ?? Number.POSITIVE_INFINITY,
    pieces: found.pieces,
    seconds: found.seconds,
    status: found.status,
  };
}

// --- internal ---

function bends(behaviour: Behaviour): boolean {
  switch (behaviour.kind) {
    case "isometry":
    case "linear":
      return true;
    case "pointwise":
    case "smooth":
      return behaviour.curvature < Number.POSITIVE_INFINITY;
    case "unbounded":
      return behaviour.local?.kind === "product";
    default:
      return behaviour satisfies never;
  }
}

/** x -> all partial derivatives, output by output. */
function jacobianOf(network: Network, outputs: number): Network {
  return {
    ...network,
    name: `the derivatives of ${network.name}`,
    outputs: ["jacobian"],
    build: ([x]) => {
      const [y] = network.build([x]);
      const rows = Array.from({ length: outputs }, (_, o): Node => {
        const unit = tensor(
          Float64Array.from({ length: outputs }, (__, i) => (i === o ? 1 : 0)),
          [1, outputs],
          "float64",
        );
        return vjp([y], [broadcastTo(constant(cast(unit, y.dtype)), y.shape)], [x])[0] ?? filledLike(x, 0);
      });
      return [concat(rows, 1)];
    },
  };
}
