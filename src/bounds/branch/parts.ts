/** @file Where to cut a piece: the choice decides how fast branch and bound is, never whether it is right. */
import { multiply } from "../../linalg/matrix.ts";
import type { Range } from "../domain.ts";
import type { Piece, Problem, Sides } from "./piece.ts";

/**
 * The parts of a piece: at the neuron whose open slope can move the Jacobian most, (b - a) ||d out / d a_j|| ||d z_j / d x||,
 * or where that neuron has not its only kink at 0, through the side of the box along which the open neurons turn most.
 */
export function partsOf(
  { chain, kinkedAtZero }: Problem,
  { box, sides, slopes, jacobians }: Piece,
): readonly { readonly box: Range; readonly sides: Sides }[] {
  const n = box.low.length;
  const turns = new Float64Array(n);
  let best = { score: 0, layer: -1, neuron: -1 };
  let smooth = 0;
  let Z = chain.affine[0].weight;
  for (let i = 0; i < slopes.length; i++) {
    if (i > 0) Z = multiply(chain.affine[i].weight, Z);
    const behind = columnSizes(jacobians[i + 1]);
    const { low, high } = slopes[i];
    const scaled = Z.data.slice();
    for (let j = 0; j < Z.rows; j++) {
      const row = Z.data.subarray(j * n, (j + 1) * n);
      const width = high[j] - low[j];
      // A neuron in front of which all is closed at 0 still has a slope to close.
      const score = width * behind[j] * (Math.hypot(...row) + 1e-12);
      const cuttable = kinkedAtZero[i][j] && sides[i][j] === 0;
      if (cuttable && score > best.score) best = { score, layer: i, neuron: j };
      if (!cuttable && width > 0) smooth = Math.max(smooth, score);
      const middle = (low[j] + high[j]) / 2;
      for (let k = 0; k < n; k++) {
        turns[k] += width * behind[j] * Math.abs(row[k]);
        scaled[j * n + k] *= middle;
      }
    }
    Z = { ...Z, data: scaled };
  }
  if (best.layer >= 0 && (best.score >= smooth || box.low[0] === Number.NEGATIVE_INFINITY)) {
    return [1, -1].map((side) => {
      const changed = sides.map((s) => s.slice());
      changed[best.layer][best.neuron] = side;
      return { box, sides: changed };
    });
  }
  if (smooth === 0 || box.low[0] === Number.NEGATIVE_INFINITY) return [];
  let side = 0;
  for (let k = 1; k < n; k++) {
    const gain = (at: number) => (box.high[at] - box.low[at]) * turns[at];
    if (gain(k) > gain(side)) side = k;
  }
  const middle = box.low[side] + (box.high[side] - box.low[side]) / 2;
  if (!(middle > box.low[side] && middle < box.high[side])) return [];
  const [left, right] = [box.high.slice(), box.low.slice()];
  left[side] = middle;
  right[side] = middle;
  return [
    { box: { low: box.low, high: left }, sides },
    { box: { low: right, high: box.high }, sides },
  ];
}

// --- internal ---

/** Per column, the length of the largest absolute entries. */
function columnSizes({ mid, radius }: Piece["jacobians"][number]): Float64Array {
  const sums = new Float64Array(mid.cols);
  mid.data.forEach((m, k) => {
    sums[k % mid.cols] += (Math.abs(m) + radius[k]) ** 2;
  });
  return sums.map(Math.sqrt);
}
