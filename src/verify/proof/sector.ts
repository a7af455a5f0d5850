/**
 * @file One quadratic form over a tensor and all activations behind it, which is >= 0 whatever two inputs are compared.
 *
 *     |x|^2 - |y|^2 / L^2 - sum over neurons of lambda (-z^2 + 2 mu z u - pi u^2) >= 0,   mu = (a + b) / 2, pi = a b,
 *
 * u the neuron's argument and z its value, as differences between two inputs, slopes in [a, b]. Each bracket is >= 0, so that the form
 * being positive semidefinite gives |y| <= L |x|. Layers may skip others: u reads whatever it reads.
 * Reference: Fazlyab, Robey, Hassani, Morari, Pappas 2019.
 */
import { type Skyline, skyline } from "../algebra/definite.ts";
import { addUp, gamma, sqrtUp, sumUp, timesUp } from "../algebra/rounding.ts";
import { type Sparse, sparse } from "../algebra/sparse.ts";
import { absoluteNorm, longestRow } from "../algebra/sparseNorm.ts";
import type { Task } from "../task.ts";
import { gram } from "./norm.ts";
import { type Entry, outputRow, type Parts, roundingsOf, rowOf, type Variables, variablesOf } from "./variables.ts";

export interface Form {
  readonly S: Skyline;
  /** What S may err by in the spectral norm. */
  readonly error: number;
  readonly variables: Variables;
}

/** The scaled form, without its last term where `constant` is null; null itself where a neuron without a multiplier is read. */
export function* formOf(parts: Parts, constant: number | null): Task<Form | null> {
  const { from, layers } = parts;
  const variables = variablesOf(parts);
  if (variables === null) return null;
  const { n, eliminated, scale } = variables;
  const S = skyline(new Int32Array(n));
  const size = new Float64Array(S.data.length);
  const add = (p: number, q: number, value: number, bound: number) => {
    const k = p >= q ? S.offset[p] + q : S.offset[q] + p;
    S.data[k] += value;
    size[k] += bound;
  };
  let additions = 8;
  const square = (row: readonly Entry[], factor: number) => {
    additions++;
    row.forEach((p, a) => {
      for (let b = 0; b <= a; b++) {
        const q = row[b];
        add(p.variable, q.variable, factor * p.value * q.value, Math.abs(factor) * p.size * q.size);
      }
    });
  };
  if (!eliminated) for (let k = 0; k < (variables.of.get(from) as Int32Array).length; k++) add(k, k, 1, 1);
  for (const { tensor, size: width, lambda, low, high, argument } of layers) {
    const own = variables.of.get(tensor) as Int32Array;
    for (let j = 0; j < width; j++) {
      if (j % 16 === 15) yield;
      const z = own[j];
      if (z < 0) continue;
      const row = rowOf(variables, from, argument, j);
      if (row === null) return null;
      add(z, z, lambda[j] * scale[z] * scale[z], lambda[j] * scale[z] * scale[z]);
      const factor = lambda[j] * scale[z];
      for (const { variable, value, size: s } of row) {
        add(z, variable, -factor * ((low + high) / 2) * value, factor * ((Math.abs(low) + Math.abs(high)) / 2) * s);
      }
      if (low !== 0 && high !== 0) square(row, lambda[j] * (low * high));
    }
  }
  for (let r = 0; constant !== null && r < parts.outputs; r++) {
    const row = outputRow(parts, variables, r);
    if (row === null) return null;
    square(row, -1 / (constant * constant));
  }
  const roundings = roundingsOf(parts);
  const whole = eliminated ? yield* eliminate(parts, variables, roundings, add) : 0;
  return {
    S,
    variables,
    error: addUp(whole, timesUp(gamma(additions + 2 * roundings + 12), symmetricLength(S, size))),
  };
}

// --- internal ---

/** |x|^2 - 2 z^T C x >= -|C^T z|^2: take C C^T off the form. What that errs by. */
function* eliminate(
  { from, layers }: Parts,
  { n, of, scale }: Variables,
  roundings: number,
  add: (p: number, q: number, value: number, bound: number) => void,
): Task<number> {
  const rows = new Array<{ readonly matrix: Sparse; readonly row: number; readonly factor: number } | undefined>(n);
  let width = 0;
  for (const { tensor, lambda, low, high, argument } of layers) {
    const matrix = argument.get(from);
    if (!matrix) continue;
    width = matrix.cols;
    (of.get(tensor) as Int32Array).forEach((z, row) => {
      if (z >= 0) rows[z] = { matrix, row, factor: lambda[row] * scale[z] * ((low + high) / 2) };
    });
  }
  const scaledRows = (what: "value" | "size"): Sparse =>
    sparse(n, width, (z, put) => {
      const own = rows[z];
      if (!own) return;
      const { start, index } = own.matrix;
      const factor = what === "value" ? own.factor : Math.abs(own.factor);
      for (let k = start[own.row]; k < start[own.row + 1]; k++) {
        const v = own.matrix[what][k];
        put(index[k], factor * (what === "value" ? v : Math.abs(v)));
      }
    });
  const C = scaledRows("value");
  const { S: G } = yield* gram(C);
  for (let i = 0; i < n; i++) {
    for (let j = G.first[i]; j <= i; j++) {
      const v = G.data[G.offset[i] + j - G.first[i]];
      if (v !== 0) add(i, j, -v, Math.abs(v));
    }
  }
  const sizes = scaledRows("size");
  const length = timesUp(absoluteNorm(sizes, 1), absoluteNorm(sizes, "inf"));
  return timesUp(gamma(longestRow(C) + 2 * roundings + 16), length);
}

/** An upper bound of the Frobenius norm of a symmetric matrix of numbers >= 0. */
function symmetricLength({ n, offset }: Skyline, size: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      const v = size[offset[i] + j];
      sum += (i === j ? 1 : 2) * v * v;
    }
  }
  return sqrtUp(sumUp(sum, 2 * size.length + 4));
}
