/** @file What a network is made of, once read: steps that are affine maps, functions of one number, or choices of the largest. */

import { largestTensor, type Sparse } from "../algebra/sparse.ts";
import { must } from "../refusal.ts";
import type { Scalar } from "./pointwise.ts";
import type { Geometry } from "./windows.ts";

export interface Varying {
  readonly tensor: string;
  readonly shape: readonly number[];
}

/** The kernel of a convolution, which its matrix repeats. */
export interface Kernel {
  /** [outChannels, inChannels / groups, taps of a, taps of b] */
  readonly taps: Float64Array;
  readonly outChannels: number;
  readonly inChannels: number;
  readonly groups: number;
  readonly geometry: Geometry;
  readonly roundings: number;
}

/** A share of an affine map. */
export interface Part {
  readonly from: string;
  readonly matrix: Sparse;
  readonly kernel?: Kernel;
}

/** sum over parts of matrix x + bias. */
export interface Affine {
  readonly kind: "affine";
  readonly parts: readonly Part[];
  readonly bias: Float64Array;
  /** Not below what the bias was computed from; it errs by gamma of the roundings of the parts, at most. */
  readonly biasSize: Float64Array;
  readonly roundings: number;
  /** The larger or the smaller of two tensors, number by number: half their sum and half their distance, which is a part of it. */
  readonly extreme?: { readonly which: "Max" | "Min"; readonly of: readonly [string, string] };
  /** The tensor of which this is a sorting of disjoint pairs, so that no difference becomes longer in any norm. */
  readonly sorts?: string;
}

export interface Pointwise {
  readonly kind: "pointwise";
  readonly from: string;
  readonly scalar: Scalar;
}

/** Result i is the largest of members[start[i]] .. members[start[i + 1] - 1]. */
export interface Largest {
  readonly kind: "largest";
  readonly from: string;
  readonly start: Int32Array;
  readonly members: Int32Array;
  /** The most windows that a number is in. */
  readonly most: number;
}

export type Step = (Affine | Pointwise | Largest) & Varying;

export function count(shape: readonly number[]): number {
  const size = shape.reduce((n, d) => n * d, 1);
  // Before anything of that size is made.
  must(size <= largestTensor, () => `a tensor of shape [${shape}]: it is too large`);
  return size;
}

/** Does a step make as many numbers as its shape says, of as many as it reads? Whoever wrote an operator wrongly is found out here. */
export function fits(step: Step, sizeOf: (tensor: string) => number): boolean {
  const size = count(step.shape);
  switch (step.kind) {
    case "affine":
      return (
        step.bias.length === size &&
        step.biasSize.length === size &&
        step.parts.every(({ from, matrix }) => matrix.rows === size && matrix.cols === sizeOf(from))
      );
    case "pointwise":
      return sizeOf(step.from) === size;
    case "largest":
      return step.start.length === size + 1 && step.members.every((k) => k >= 0 && k < sizeOf(step.from));
    default:
      return step satisfies never;
  }
}

/** An affine step without a bias. */
export function linear(tensor: string, shape: readonly number[], from: string, matrix: Sparse): Affine & Varying {
  const bias = new Float64Array(count(shape));
  return {
    kind: "affine",
    tensor,
    shape,
    parts: [{ from, matrix }],
    bias,
    biasSize: bias,
    roundings: matrix.roundings,
  };
}

/** The tensors that a step reads. */
export const readsOf = (step: Step): readonly string[] =>
  step.kind === "affine" ? step.parts.map((part) => part.from) : [step.from];
