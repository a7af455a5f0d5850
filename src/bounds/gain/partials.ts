/** @file Between what all partial slopes of a network lie on a box of inputs: what branch and bound asks for every piece. */
import type { Range } from "../domain.ts";

/**
 * What holds on a piece. For any two points of it there is a matrix between `low` and `high` (outputs x inputs, row-major) that takes y - x to f(y) - f(x):
 * so entry (o, i) holds every difference quotient of output o along input i, and the derivative wherever there is one.
 */
export interface OnBox extends Range {
  /** How much cutting each input in two may narrow the bracket; null where that is not known. */
  readonly turns: Float64Array | null;
}

export interface Partials {
  on(box: Range): OnBox;
  /** The slopes at a point, as far as floating point goes: a guess, of either side at a kink. */
  at(x: Float64Array): Float64Array;
  /** A tighter enclosure, which takes far longer; left out where `on` is as tight as it gets. */
  readonly tight?: { on(box: Range): Range; readonly work: number };
  /** Multiply-adds of `on` and of `at`, roughly. */
  readonly work: number;
  readonly glance: number;
}
