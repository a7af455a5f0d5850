/**
 * @file A program read from its output to its input: what it does to a covector. Slopes are those of two points, whatever they are, so that the
 * differences of a program are d_out = J d_in with J a product of its maps and diagonal (or symmetric) matrices of slopes; of the transposed program they are J^T.
 * The l1 constant of one is the l-inf constant of the other.
 */
import {
  type Action,
  identityPlaces,
  type Kernel,
  type Linear,
  type Places,
  type Program,
  programOf,
  type Term,
  type Variable,
} from "./program.ts";

/** The transpose of a program without a grid; null where it has one. */
export function transposed({ sides, input, output, steps }: Program): Program | null {
  if (sides.length > 0) return null;
  const actions: Action[] = [];
  const covectors = new Map<Variable, Variable>();
  const parts = new Map<Variable, Term[]>();
  const start: Variable = { channels: output.channels, name: "output" };
  const give = (to: Variable, term: Term) => parts.set(to, [...(parts.get(to) ?? []), term]);
  /** The sum of what readers gave to a variable; null where nobody reads it. */
  const covectorOf = (v: Variable): Variable | null => {
    const known = covectors.get(v);
    if (known) return known;
    const terms = parts.get(v);
    if (!terms) return null;
    const [only] = terms;
    const bare = terms.length === 1 && only.map.kind === "places" && isIdentity(only.map);
    const own: Variable = bare ? only.from : { channels: v.channels, name: v.name };
    if (!bare) actions.push({ kind: "affine", to: own, terms });
    covectors.set(v, own);
    return own;
  };
  give(output, { from: start, map: identityPlaces(start.channels) });
  for (const step of steps.toReversed()) {
    if (step.kind === "coarsen") return null;
    const own = covectorOf(step.to);
    if (!own) continue;
    if (step.kind === "affine") {
      for (const { from, map } of step.terms) give(from, { from: own, map: transposeOf(map) });
      continue;
    }
    const { from } = step;
    const to: Variable = { channels: from.channels, name: from.name };
    actions.push({ ...step, from: own, to });
    give(from, { from: to, map: identityPlaces(from.channels) });
  }
  const end = covectorOf(input);
  return end && programOf([], start, end, actions);
}

// --- internal ---

const isIdentity = ({ rows, cols, from, factors }: Places): boolean =>
  rows === cols && from.every((f, i) => f === i) && factors.every((f) => f === 1);

function transposeOf(map: Linear): Linear {
  const { rows, cols, error } = map;
  if (map.kind === "kernel") {
    const [{ weight }] = map.taps;
    const turned = new Float64Array(rows * cols);
    for (let r = 0; r < rows; r++) for (let c = 0; c < cols; c++) turned[c * rows + r] = weight[r * cols + c];
    return kernelOf(cols, rows, turned, error);
  }
  const from = new Int32Array(cols).fill(-1);
  const factors = new Float64Array(cols);
  const once = map.from.every((f, r) => {
    if (f < 0 || map.factors[r] === 0) return true;
    const free = from[f] < 0;
    from[f] = r;
    factors[f] = map.factors[r];
    return free;
  });
  if (once) return { kind: "places", rows: cols, cols: rows, from, factors, error };
  const weight = new Float64Array(rows * cols);
  map.from.forEach((f, r) => {
    if (f >= 0) weight[f * rows + r] = map.factors[r];
  });
  return kernelOf(cols, rows, weight, error);
}

const kernelOf = (rows: number, cols: number, weight: Float64Array, error: number): Kernel => ({
  kind: "kernel",
  rows,
  cols,
  taps: [{ shift: [], weight }],
  error,
});
