/** @file A program of cuts with slopes drawn at random, as the matrix that it then is: place by place, in plain loops. What a bound of the program must not be below. */
import type { Program, Step, Sum, Term, Variable } from "../src/bounds/quadratic/program.ts";
import { type Matrix, matrix } from "../src/linalg/matrix.ts";
import type { Random } from "../src/tensor/random.ts";

/** The matrix from the input to the output, numbers of a variable channel by channel, at slopes of 0 and 1 (and some in between). */
export function realised(program: Program, r: Random): Matrix {
  let sides = program.sides;
  const size = () => sides.reduce((n, m) => n * m, 1);
  const cols = program.input.channels * size();
  const values = new Map<Variable, Float64Array[]>();
  values.set(
    program.input,
    Array.from({ length: cols }, (_, i) => Float64Array.from({ length: cols }, (_, j) => (i === j ? 1 : 0))),
  );
  for (const step of program.steps) {
    switch (step.kind) {
      case "affine":
        values.set(step.to, summed(step, values, sides, cols));
        break;
      case "sector": {
        // Numbers of one multiplier move together: a projection would do, one slope for all is one.
        const slopes = new Map<string, number>();
        const places = size();
        const groups = new Set(step.share).size < step.share.length;
        const slope = (i: number) => {
          const key = groups ? String(step.share[Math.floor(i / places)]) : String(i);
          const drawn = r.integer(3) === 0 ? r.uniform() : r.integer(2);
          const own = slopes.get(key) ?? drawn;
          slopes.set(key, own);
          return own;
        };
        values.set(
          step.to,
          of(values, step.from).map((row, i) => {
            const s = slope(i);
            return row.map((x) => s * x);
          }),
        );
        break;
      }
      case "gain": {
        // One row of what it reads, at the full gain.
        const from = of(values, step.from);
        const made = Array.from({ length: step.to.channels * size() }, () => new Float64Array(cols));
        made[r.integer(made.length)] = from[r.integer(from.length)].map((x) => step.constant * x);
        values.set(step.to, made);
        break;
      }
      case "coarsen": {
        subsample(step, values, sides, cols);
        sides = step.sides;
        break;
      }
      default:
        step satisfies never;
    }
  }
  const rows = of(values, program.output);
  return matrix(
    rows.length,
    cols,
    rows.flatMap((row) => Array.from(row)),
  );
}

// --- internal ---

/** What is alive after a passage to a coarser grid: every so many places of it. */
function subsample(
  step: Step & { readonly kind: "coarsen" },
  values: Map<Variable, Float64Array[]>,
  sides: readonly number[],
  cols: number,
): void {
  const all = new Map(values);
  for (const sum of step.made) all.set(sum.to, summed(sum, values, sides, cols));
  const steps = sides.map((m, i) => m / (step.sides[i] ?? 1));
  const fine = sides.reduce((n, m) => n * m, 1);
  for (const v of step.live) {
    const rows = of(all, v);
    const kept: Float64Array[] = [];
    for (let c = 0; c < v.channels; c++) {
      for (let p = 0; p < fine; p++) {
        if (coordinates(p, sides).every((x, i) => x % steps[i] === 0)) kept.push(rows[c * fine + p]);
      }
    }
    values.set(v, kept);
  }
}

function of(values: ReadonlyMap<Variable, Float64Array[]>, v: Variable): Float64Array[] {
  const found = values.get(v);
  if (!found) throw new TypeError(`realised: ${v.name} was not made`);
  return found;
}

function coordinates(place: number, sides: readonly number[]): number[] {
  const at = new Array<number>(sides.length);
  let rest = place;
  for (let i = sides.length - 1; i >= 0; i--) {
    at[i] = rest % sides[i];
    rest = Math.floor(rest / sides[i]);
  }
  return at;
}

function summed(
  { to, terms }: Sum,
  values: ReadonlyMap<Variable, Float64Array[]>,
  sides: readonly number[],
  cols: number,
): Float64Array[] {
  const size = sides.reduce((n, m) => n * m, 1);
  const made = Array.from({ length: to.channels * size }, () => new Float64Array(cols));
  for (const term of terms) add(term, of(values, term.from), sides, size, made);
  return made;
}

function add({ map }: Term, from: readonly Float64Array[], sides: readonly number[], size: number, to: Float64Array[]) {
  const plus = (row: number, other: number, factor: number) => {
    if (factor !== 0) for (let k = 0; k < to[row].length; k++) to[row][k] += factor * from[other][k];
  };
  const moved = (p: number, shift: readonly number[] | undefined) =>
    coordinates(p, sides)
      .map((x, i) => (((x + (shift?.[i] ?? 0)) % sides[i]) + sides[i]) % sides[i])
      .reduce((k, x, i) => k * sides[i] + x, 0);
  for (let p = 0; p < size; p++) {
    if (map.kind === "places") {
      const q = moved(p, map.shift);
      for (let r = 0; r < map.rows; r++)
        if (map.from[r] >= 0) plus(r * size + p, map.from[r] * size + q, map.factors[r]);
      continue;
    }
    for (const { shift, weight } of map.taps) {
      const q = moved(p, shift);
      for (let r = 0; r < map.rows; r++) {
        for (let c = 0; c < map.cols; c++) plus(r * size + p, c * size + q, weight[r * map.cols + c]);
      }
    }
  }
}

/** The program as rows in (x, z_1, z_2, ...), for a solver: bench/sdp.py says what it makes of them. */
export interface Written {
  readonly inputs: number;
  readonly size: number;
  readonly output: readonly (readonly number[])[];
  readonly sectors: readonly {
    readonly v: readonly (readonly number[])[];
    readonly z: number;
    readonly share: readonly number[];
  }[];
}

/** Write a program out place by place, the outputs of its activations as numbers of their own. It must have no gains. */
export function written(program: Program): Written {
  const places = (sides: readonly number[]) => sides.reduce((n, m) => n * m, 1);
  let sides = program.sides;
  const inputs = program.input.channels * places(sides);
  let size = inputs;
  for (const step of program.steps) {
    if (step.kind === "coarsen") sides = step.sides;
    if (step.kind === "sector") size += step.to.channels * places(sides);
  }
  sides = program.sides;
  const unit = (at: number) => Float64Array.from({ length: size }, (_, k) => (k === at ? 1 : 0));
  const values = new Map<Variable, Float64Array[]>([
    [program.input, Array.from({ length: inputs }, (_, i) => unit(i))],
  ]);
  const sectors: Written["sectors"][number][] = [];
  let next = inputs;
  for (const step of program.steps) {
    switch (step.kind) {
      case "affine":
        values.set(step.to, summed(step, values, sides, size));
        break;
      case "sector": {
        const v = of(values, step.from).map((row) => Array.from(row));
        const count = places(sides);
        const share = v.map((_, i) => step.share[Math.floor(i / count)]);
        sectors.push({ v, z: next, share });
        values.set(
          step.to,
          v.map(() => unit(next++)),
        );
        break;
      }
      case "gain":
        throw new TypeError("written: a gain is no activation");
      case "coarsen":
        subsample(step, values, sides, size);
        sides = step.sides;
        break;
      default:
        step satisfies never;
    }
  }
  return { inputs, size, output: of(values, program.output).map((row) => Array.from(row)), sectors };
}
