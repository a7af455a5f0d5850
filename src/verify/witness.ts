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

/** All that a second program needs. */
export interface Witness {
  readonly affine: readonly AffineWitness[];
  readonly chain: ChainWitness | null;
}
