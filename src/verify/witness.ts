/** @file What a certificate gives the checker to find a constant again. */

/** The p-norm of the affine map from a tensor is at most `norm`. */
export interface NormClaim {
  readonly tensor: string;
  readonly norm: number;
}

/** The affine maps that end in a tensor, one for every source. */
export interface AffineWitness {
  readonly to: string;
  readonly from: readonly NormClaim[];
}

/** From a tensor to the output the constant is at most `constant` in l2: multipliers of the activations behind it show it. */
export interface ChainWitness {
  readonly from: string;
  readonly constant: number;
  readonly activations: readonly { readonly tensor: string; readonly multipliers: readonly number[] }[];
}

/** A residual block by its tensors: the sum that ends it, what that is added to, and what its activation makes. */
export interface BlockPlace {
  readonly to: string;
  readonly from: string;
  readonly activation: string;
}

/** Multipliers of the activation show in l2 that a block lengthens next to nothing. */
export interface BlockWitness extends BlockPlace {
  /** One for each number of the activation, or one for each channel. */
  readonly multipliers: readonly number[];
  /** Not below that of V D, see block.ts. */
  readonly norm: number;
}

/** All that a second program needs. */
export interface Witness {
  readonly blocks: readonly BlockWitness[];
  readonly affine: readonly AffineWitness[];
  readonly chain: ChainWitness | null;
}
