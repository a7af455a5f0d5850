/** @file Fully connected layer. */
import { add, mul } from "../ops/arith.ts";
import { matmul } from "../ops/matmul.ts";
import { reshape } from "../ops/movement.ts";
import { ShapeError } from "../tensor/errors.ts";
import { type Shape, showShape } from "../tensor/shape.ts";
import { zeros } from "../tensor/tensor.ts";
import { heNormal, type Initializer } from "./initializer.ts";
import { checkCount, type Layer } from "./layer.ts";

export interface DenseOptions {
  readonly bias?: boolean;
  readonly initializer?: Initializer;
}

/**
 * Map vectors by a matrix: y = x W + b, [batch, in] -> [batch, width], with weight W [in, width] and bias b [width].
 * The first weights are drawn by `initializer` (default: He's); the first biases are 0.
 */
export function dense(width: number, { bias = true, initializer = heNormal }: DenseOptions = {}): Layer {
  checkCount("dense", "width", width);
  return {
    name: "dense",
    shape(input) {
      checkVector("dense", input);
      return [width];
    },
    init(random, [size]) {
      const weight = initializer(random, [size, width], size, width);
      return { params: { weight, ...(bias && { bias: zeros([width]) }) }, state: {} };
    },
    weights: (variables) => variables,
    forward(x, w) {
      const y = matmul(x, w.weight);
      return w.bias ? add(y, w.bias) : y;
    },
    scaled: (w, factor, offset) => ({
      weight: mul(w.weight, reshape(factor, [1, width])),
      bias: w.bias ? add(mul(w.bias, factor), offset) : offset,
    }),
  };
}

/** Check that samples are vectors. */
export function checkVector(who: string, input: Shape): void {
  if (input.length !== 1)
    throw new ShapeError(`${who}: a sample must be a vector, got ${showShape(input)}; flatten it first`);
}
