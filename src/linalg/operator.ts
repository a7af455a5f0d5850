/** @file A linear map by what it does to vectors, with what is needed to bound the rounding of doing it. A convolution need not be a matrix to be measured. */
import { frobeniusUp } from "./enclosure.ts";
import { bandsOf, type Matrix } from "./matrix.ts";

export interface LinearOperator {
  readonly rows: number;
  readonly cols: number;
  /** W x. */
  apply(x: Float64Array): Float64Array;
  /** W^T y. */
  adjoint(y: Float64Array): Float64Array;
  /** The most products in one sum of `apply`. */
  readonly terms: number;
  /** An upper bound of the spectral norm of |W|, the map with absolute entries: apply errs by at most gamma_terms absolute ||x||. */
  readonly absolute: number;
}

/** A matrix as an operator; its entries must be of moderate size (see `normalised`). */
export function matrixOperator(W: Matrix): LinearOperator {
  const { rows, cols, data } = W;
  const { low, high } = bandsOf(W);
  return {
    rows,
    cols,
    apply(x) {
      const y = new Float64Array(rows);
      for (let i = 0; i < rows; i++) {
        let sum = 0;
        for (let j = low[i]; j < high[i]; j++) sum += data[i * cols + j] * x[j];
        y[i] = sum;
      }
      return y;
    },
    adjoint(y) {
      const x = new Float64Array(cols);
      for (let i = 0; i < rows; i++) {
        const factor = y[i];
        for (let j = low[i]; j < high[i]; j++) x[j] += factor * data[i * cols + j];
      }
      return x;
    },
    terms: cols,
    absolute: frobeniusUp(data),
  };
}
