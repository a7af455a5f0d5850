/** @file All that makes nodes, by family: the table of contents of this folder. Files of this folder import each other, never this list. */
export {
  add,
  and,
  cast,
  div,
  equal,
  greater,
  greaterOrEqual,
  less,
  lessOrEqual,
  log,
  maximum,
  minimum,
  mul,
  neg,
  not,
  type Operand,
  or,
  pow,
  stopGradient,
  sub,
  where,
} from "./arith.ts";
export { bilinear } from "./bilinear.ts";
export { broadcastTo, sum } from "./broadcast.ts";
export { centeredSoftplus } from "./centeredSoftplus.ts";
export { conv, convTranspose } from "./conv.ts";
export { argMax, gather, oneHot } from "./gather.ts";
export { inverse } from "./inverse.ts";
export { gemm, matmul } from "./matmul.ts";
export { concat, flatten, pad, reshape, slice, sliceAxis, split, squeeze, transpose, unsqueeze } from "./movement.ts";
export { batchNorm, instanceNorm, layerNorm } from "./normalize.ts";
export {
  type Approximation,
  abs,
  clip,
  cos,
  elu,
  erf,
  exp,
  floor,
  gelu,
  hardSigmoid,
  hardSwish,
  leakyRelu,
  reciprocal,
  relu,
  sigmoid,
  sign,
  silu,
  sin,
  softplus,
  softsign,
  sqrt,
  tanh,
} from "./pointwise.ts";
export { averagePool, globalAveragePool, globalMaxPool, maxPool } from "./pool.ts";
export { mean, reduceMax, reduceMin } from "./reduce.ts";
export { retype } from "./retype.ts";
export { type Half, roundTo } from "./rounding.ts";
export { logSoftmax, logSumExp, softmax } from "./softmax.ts";
export { maxMin } from "./sort.ts";
