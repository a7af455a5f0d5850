/** @file Between what all partial slopes of a network lie on a box of inputs: what branch and bound asks for every piece. */
import type { Range } from "../domain.ts";
import type { Neurons } from "./neurons.ts";
import type { Cell, Part } from "./regions.ts";

/**
 * What holds on a piece. For any two points of it there is a matrix between `low` and `high` (outputs x inputs, row-major) that takes y - x to f(y) - f(x):
 * so entry (o, i) holds every difference quotient of output o along input i, and the derivative wherever there is one.
 */
export interface OnBox extends Range {
  /** How much cutting each input in two may narrow the bracket; null where that is not known. */
  readonly turns: Float64Array | null;
  /** What boxes within it begin with; null where every box is looked at alone. */
  readonly neurons: Neurons | null;
}

export interface Partials {
  /** `around` is of a box that holds this one. */
  on(box: Range, around?: Neurons | null): OnBox;
  /** The slopes at a point, as far as floating point goes: a guess, of either side at a kink. */
  at(x: Float64Array): Float64Array;
  /** A tighter enclosure, which takes far longer; left out where `on` is as tight as it gets. */
  readonly tight?: { on(box: Range, around?: Neurons | null): Range; readonly work: number };
  /** Cuts along the kinks; left out where an activation has none, or more than one. */
  readonly regions?: Regions;
  /** Multiply-adds of `on` and of `at`, roughly. */
  readonly work: number;
  readonly glance: number;
}

export interface Regions {
  /** All of them. */
  readonly neurons: number;
  /** Neurons that have more than one slope on a box, as far as is known. */
  open(neurons: Neurons): number;
  /** Cut a box, or a part of one, along the kinks of some neurons: null where all slopes are known, nothing where it is empty. */
  parts(box: Range, neurons: Neurons, cell: Cell | null): readonly Part[] | null;
  /** Multiply-adds of one part, roughly. */
  readonly work: number;
}
