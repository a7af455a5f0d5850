/** @file The sides of a piece as half-spaces, and whether they share a point. */
import type { HalfSpace } from "../../linalg/farkas.ts";
import { type Feasibility, feasible } from "../../linalg/polyhedron.ts";
import { gamma, tiny, unit, up } from "../../linalg/rounding.ts";
import type { Chain } from "../chain.ts";
import type { Range } from "../domain.ts";
import type { Piece, Problem } from "./piece.ts";

/**
 * Is there a point in a piece? The pre-activation of a neuron with a side is a half-space of the input where no slope before it is open,
 * and of the pre-activations of a layer between. Both are asked: what depends on the neurons that are on through exact zeros
 * in one space would need an exact linear dependence in another, which no floating certificate has.
 */
export function occupied(problem: Problem, piece: Piece): Feasibility {
  const { box, found } = piece;
  const state = feasible(halfSpacesOf(problem, piece, 0), box.low, box.high);
  if (state.kind !== "unknown") return state;
  for (let from = 1; from < found.length; from++) {
    const rows = halfSpacesOf(problem, piece, from);
    if (rows.length === 0) continue;
    const { low, high } = found[from - 1];
    if (feasible(rows, low, high).kind === "empty") return { kind: "empty" };
  }
  return state;
}

// --- internal ---

/**
 * The half-spaces of the neurons with a side, in the input (`from` 0) or in the pre-activations of layer `from` - 1.
 * Errors follow the products: |fl(W M) - W M| <= gamma |W||M|, entry by entry.
 */
function halfSpacesOf({ chain, kinkedAtZero }: Problem, { sides, slopes }: Piece, from: number): HalfSpace[] {
  const result: HalfSpace[] = [];
  const n = chain.affine[from].weight.cols;
  // Column n is the offset.
  const width = n + 1;
  let M = new Float64Array(n * width);
  let E = new Float64Array(n * width);
  for (let k = 0; k < n; k++) M[k * width + k] = 1;
  if (from > 0 && !closeSlopes(chain, kinkedAtZero, slopes, from - 1, M, E)) return result;
  for (let i = from; i < chain.activations.length; i++) {
    const { weight, bias } = chain.affine[i];
    const next = new Float64Array(weight.rows * width);
    const error = new Float64Array(weight.rows * width);
    // M is diagonal at first: no sum has two terms.
    const g = i === from ? 0 : gamma(2 * weight.cols + 8);
    for (let j = 0; j < weight.rows; j++) {
      const row = j * width;
      for (let k = 0; k < weight.cols; k++) {
        const w = weight.data[j * weight.cols + k];
        if (w === 0) continue;
        for (let c = 0; c < width; c++) {
          const m = M[k * width + c];
          const rounding = Math.abs(m) === 1 ? g : Math.max(g, 2 * unit);
          next[row + c] += w * m;
          error[row + c] += Math.abs(w) * (E[k * width + c] + rounding * Math.abs(m));
        }
      }
      next[row + n] += bias[j];
      error[row + n] += g * Math.abs(bias[j]);
      for (let c = 0; c < width; c++) {
        if (error[row + c] > 0) error[row + c] = up(error[row + c] * (1 + 2 ** -40) + tiny);
      }
      const side = sides[i][j];
      if (side === 0) continue;
      result.push({
        normal: next.slice(row, row + n).map((v) => side * v),
        offset: side * next[row + n],
        normalError: error.slice(row, row + n),
        offsetError: error[row + n],
      });
    }
    [M, E] = [next, error];
    if (!closeSlopes(chain, kinkedAtZero, slopes, i, M, E)) return result;
  }
  return result;
}

/** M <- D M with the slopes of a layer; false where one is open, or a neuron has not its only kink at 0: it may be flat beyond another kink. */
function closeSlopes(
  { activations }: Chain,
  kinkedAtZero: Problem["kinkedAtZero"],
  slopes: readonly Range[],
  i: number,
  M: Float64Array,
  E: Float64Array,
): boolean {
  const { low, high } = slopes[i];
  const width = M.length / low.length;
  if (low.some((a, j) => a !== high[j] || !kinkedAtZero[i][j])) return false;
  if (activations[i].apply(new Float64Array(low.length)).some((v) => v !== 0)) return false;
  for (let j = 0; j < low.length; j++) {
    const d = low[j];
    // Slopes of 0, 1 and -1 do not round.
    const rounds = d !== 0 && Math.abs(d) !== 1;
    for (let k = j * width; k < (j + 1) * width; k++) {
      M[k] *= d;
      E[k] = E[k] * Math.abs(d) + (rounds ? (E[k] * Math.abs(d) + Math.abs(M[k])) * 2 ** -50 : 0);
    }
  }
  return true;
}
