/** @file The Householder activation: pairs of channels, each mirrored where it lies behind a line that is learnt. MaxMin is the line at 45 degrees. */
import type { Node } from "../graph/graph.ts";
import { add, mul, neg } from "../ops/arith.ts";
import { conv } from "../ops/conv.ts";
import { matmul } from "../ops/matmul.ts";
import { concat, reshape, transpose } from "../ops/movement.ts";
import { cos, relu, sin } from "../ops/pointwise.ts";
import { ShapeError } from "../tensor/errors.ts";
import { showShape } from "../tensor/shape.ts";
import { tensor } from "../tensor/tensor.ts";
import { identity } from "./cayley.ts";
import type { Layer } from "./layer.ts";

/**
 * Mirror pairs z of channels, of the first half with the second: [batch, channels, ...] -> the same.
 *
 *     y = z where v . z > 0, else (I - 2 v v^T) z;   that is  z + 2 v relu(-v . z),   v = (sin(a / 2), -cos(a / 2))
 *
 * The Jacobian is orthogonal and the map continuous, so that it keeps the length of every gradient and is 1-Lipschitz in l2. The angles
 * a, one for each pair, are learnt from pi / 2 on, where it is MaxMin. Written as a residual block, which bounds know as one.
 * Reference: Singla, Singla and Feizi 2022, section 4.
 */
export function householder(): Layer {
  return {
    name: "householder",
    shape(input) {
      if (input[0] % 2 !== 0) {
        throw new ShapeError(`householder: the number of channels must be even, got ${showShape(input)}`);
      }
      return input;
    },
    init: (_, [channels]) => ({
      params: { angle: tensor(new Float32Array(channels / 2).fill(Math.PI / 2), [channels / 2]) },
      state: {},
    }),
    weights({ angle }) {
      const v = [sin(mul(angle, 0.5)), neg(cos(mul(angle, 0.5)))];
      const parts = v.map((part) => mul(identity(angle.shape[0]), part));
      return { inner: neg(concat(parts, 0)), outer: mul(concat(parts, 1), 2) };
    },
    forward(x, { inner, outer }) {
      const map = (z: Node, weight: Node): Node => {
        if (x.shape.length === 2) return matmul(z, weight);
        const [size, channels] = weight.shape;
        return conv(z, reshape(transpose(weight), [channels, size, ...x.shape.slice(2).map(() => 1)]));
      };
      return add(x, map(relu(map(x, inner)), outer));
    },
  };
}
