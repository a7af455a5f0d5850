/** @file A network as a chain of dense affine maps with activations between them: what the bounds that know more than norms work on. */
import type { Matrix } from "../linalg/matrix.ts";

/** z = W x + b; W has a row per output. */
export interface AffineLayer {
  readonly weight: Matrix;
  readonly bias: Float64Array;
}

/** What is known of the activations of one hidden layer, neuron by neuron. */
export interface ActivationLayer {
  /** Every difference quotient of neuron j lies in [low[j], high[j]]. */
  readonly low: Float64Array;
  readonly high: Float64Array;
  /** The range of difference quotients of neuron j between points of [from, to], rounded outward. */
  slopeOn(neuron: number, from: number, to: number): readonly [number, number];
  /** Between what the second derivative of neuron j is on [from, to], rounded outward; left out where some neuron has kinks, or that is not known. */
  curvatureOn?(neuron: number, from: number, to: number): readonly [number, number];
  /** The activations of a whole layer, to within `error` (relative, of each). */
  apply(z: Float64Array): Float64Array;
}

/** affine[0], activations[0], affine[1], ..., affine[L - 1]: one activation layer fewer than affine ones. */
export interface Chain {
  readonly affine: readonly AffineLayer[];
  readonly activations: readonly ActivationLayer[];
}
