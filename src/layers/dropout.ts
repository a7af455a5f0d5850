/** @file Dropout: noise in training, nothing in evaluation. */
import { cast, greaterOrEqual, mul } from "../ops/arith.ts";
import { UsageError } from "../tensor/errors.ts";
import { fixed, type Layer } from "./layer.ts";

/** Set each number to 0 with probability `rate` and scale the others by 1 / (1 - rate). Reference: Srivastava et al. 2014. */
export function dropout(rate: number): Layer {
  if (!(rate >= 0 && rate < 1)) throw new UsageError(`dropout: rate must be in [0, 1), got ${rate}`);
  return fixed("dropout", {
    shape: (input) => input,
    forward(x, run) {
      if (run.mode === "eval" || rate === 0) return x;
      return mul(mul(x, cast(greaterOrEqual(run.noise(x.shape), rate), x.dtype)), 1 / (1 - rate));
    },
  });
}
