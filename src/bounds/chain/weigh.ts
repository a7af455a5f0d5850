/** @file Weights of the inputs: the constant of a chain where |q^(1/2) x| stands for |x|. In plain loops; `program.ts` is the same on the engine. */
import { cholesky } from "../../linalg/cholesky.ts";
import { type Matrix, multiply, rowGram, transpose } from "../../linalg/matrix.ts";
import type { ChainForm } from "./form.ts";
import { type ChainValue, chainValue, inverseRows, type Outputs } from "./gradient.ts";
import type { Multipliers } from "./matrix.ts";

/** Weights q of the inputs and multipliers of a form. */
export interface WeighedPoint {
  readonly q: Float64Array;
  readonly multipliers: Multipliers;
}

/** The form as a function of q^(1/2) x. */
export interface Weighed {
  readonly form: ChainForm;
  /** W_1 q^(-1/2). */
  readonly V: Matrix;
  /** V = C K with K K^T = 1, where that makes C the smaller one: it stands for V in the form, and the values are the same. */
  readonly C?: Matrix;
}

export function weigh(form: ChainForm, q: Float64Array): Weighed {
  const [first, ...rest] = form.weights;
  const V = { ...first, data: first.data.map((w, k) => w / Math.sqrt(q[k % first.cols])) };
  const C = V.cols > V.rows ? cholesky(rowGram(V)) : undefined;
  return { form: { ...form, weights: [C ?? V, ...rest] }, V, ...(C && { C }) };
}

/** `chainValue` plus ln (sum q), and its gradient in ln q, then in ln Lambda; nothing where the multipliers are infeasible. */
export function weighedValue(
  whole: ChainForm,
  { q, multipliers }: WeighedPoint,
  doublings: number,
  outputs: Outputs,
): ChainValue | undefined {
  const { form, V, C } = weigh(whole, q);
  const made = chainValue(form, multipliers, doublings, { outputs });
  if (made === undefined) return undefined;
  const { value, gradient, directions } = made;
  const y = C ? multiply(inverseRows(C, multiply(directions, transpose(C))), V) : directions;
  const sum = q.reduce((a, b) => a + b, 0);
  const inputs = q.map((v) => v / sum);
  y.data.forEach((v, k) => {
    inputs[k % y.cols] -= v * v;
  });
  return { value: value + Math.log(sum), gradient: [inputs, ...gradient] };
}
