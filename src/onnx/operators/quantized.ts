/** @file Weights that are stored in few bits: (w - zero) scale, computed when the model is read. What is computed in few bits is no function with a constant. */
import type { Node } from "../../graph/graph.ts";
import { cast, mul, sub } from "../../ops/arith.ts";
import { broadcastTo } from "../../ops/broadcast.ts";
import { reshape } from "../../ops/movement.ts";
import { ReadError } from "../../tensor/errors.ts";
import { checkAxis } from "../../tensor/shape.ts";
import { type Operator, Refusal } from "../call.ts";

/** One scale for all, one for each place along an axis, or one for each block of places along it. */
export const DequantizeLinear: Operator = (c) => {
  const [x, scale] = [c.input(0), c.input(1)];
  const axis = c.attributes.int("axis", 1);
  const block = c.opset >= 21 ? c.attributes.int("block_size", 0) : 0;
  const to = c.opset >= 23 ? c.attributes.int("output_dtype", 0) : 0;
  if (to !== 0 && to !== c.types[1]) throw new Refusal("an output_dtype that is not the type of the scale is not read");
  if (!c.value(0)) {
    throw new Refusal("it widens what was rounded to few bits: quantised weights are read, not quantised activations");
  }
  const spread = (v: Node) => spreadOver(v, x, axis, block);
  const zero = c.optional(2);
  const wide = cast(x, scale.dtype);
  return [mul(zero ? sub(wide, spread(cast(zero, scale.dtype))) : wide, spread(scale))];
};

// --- internal ---

function spreadOver(v: Node, x: Node, axis: number, block: number): Node {
  if (v.shape.length === 0 || (v.shape.length === 1 && v.shape[0] === 1)) return reshape(v, []);
  const at = checkAxis("DequantizeLinear", axis, x.shape.length);
  if (block === 0) {
    if (v.shape.length !== 1 || v.shape[0] !== x.shape[at])
      throw new ReadError(`it needs one scale for each of ${x.shape[at]} places, got [${v.shape}]`);
    return reshape(
      v,
      x.shape.map((d, i) => (i === at ? d : 1)),
    );
  }
  if (v.shape.some((d, i) => d * (i === at ? block : 1) !== x.shape[i]))
    throw new ReadError(`blocks of ${block} along axis ${at} do not fit [${x.shape}], got [${v.shape}]`);
  const [before, after] = [v.shape.slice(0, at), v.shape.slice(at + 1)];
  const apart = reshape(v, [...before, v.shape[at], 1, ...after]);
  return reshape(broadcastTo(apart, [...before, v.shape[at], block, ...after]), x.shape);
}
