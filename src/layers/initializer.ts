/** @file How weights start. */
import { normalTensor, type Random, uniformTensor } from "../tensor/random.ts";
import type { Shape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Draw a tensor of a shape for a layer with `fanIn` inputs and `fanOut` outputs per unit. */
export type Initializer = (random: Random, shape: Shape, fanIn: number, fanOut: number) => Tensor;

/** N(0, 2 / fanIn), for ReLU-like activations. Reference: He et al. 2015, eq. 10. */
export const heNormal: Initializer = (random, shape, fanIn) => normalTensor(random, shape, Math.sqrt(2 / fanIn));

/** U(-a, a) with a = sqrt(6 / (fanIn + fanOut)), for sigmoid and tanh. Reference: Glorot and Bengio 2010, eq. 16. */
export const glorotUniform: Initializer = (random, shape, fanIn, fanOut) => {
  const limit = Math.sqrt(6 / (fanIn + fanOut));
  return uniformTensor(random, shape, -limit, limit);
};
