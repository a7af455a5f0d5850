/** @file The operators of ONNX Runtime's own domain, com.microsoft, that are read. The exported names are the table. */
import { mul } from "../ops/arith.ts";
import { inverse } from "../ops/inverse.ts";
import { matmul } from "../ops/matmul.ts";
import { transpose } from "../ops/movement.ts";
import { gelu } from "../ops/pointwise.ts";
import type { Operator } from "./call.ts";

export const Inverse: Operator = (c) => [inverse(c.input(0))];
export const Gelu: Operator = (c) => [gelu(c.input(0))];

/** alpha A' B', where a prime is an optional transpose of the last two axes. */
export const FusedMatMul: Operator = (c) => {
  const side = (i: number, name: string) => (c.attributes.int(name, 0) !== 0 ? transpose(c.input(i)) : c.input(i));
  return [mul(matmul(side(0, "transA"), side(1, "transB")), c.attributes.float("alpha", 1))];
};
