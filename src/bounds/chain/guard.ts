/** @file What keeps a descent away from the edge of what is feasible, where it would get stuck: a little of every last signal counts as an output too. */
import type { ChainForm } from "./form.ts";

/**
 * The form with `size` times the identity below its output map, on the scale of that map's longest row. Its constant is no bound of the form's
 * own, only what the search goes down on: where one output is all that counts, signals that it does not see may grow without end.
 */
export function guarded(form: ChainForm, size: number): ChainForm {
  const W = form.weights[form.weights.length - 1];
  const { rows, cols } = W;
  let longest = 0;
  for (let r = 0; r < rows; r++) {
    let sum = 0;
    for (let j = 0; j < cols; j++) sum += W.data[r * cols + j] ** 2;
    longest = Math.max(longest, sum);
  }
  const data = new Float64Array((rows + cols) * cols);
  data.set(W.data);
  for (let j = 0; j < cols; j++) data[(rows + j) * cols + j] = size * Math.sqrt(longest / cols);
  return { ...form, weights: [...form.weights.slice(0, -1), { rows: rows + cols, cols, data }] };
}
