/** @file Frequencies of a periodic grid: one of each pair of opposite ones, since of real kernels the other is its conjugate. */
import { type Roots, rootsOfUnity } from "../../linalg/roots.ts";

export interface Grid {
  readonly sides: readonly number[];
  /** A frequency of every pair, in whole turns over each side. */
  readonly frequencies: readonly (readonly number[])[];
  /** How many frequencies each stands for: 1 or 2. */
  readonly weights: readonly number[];
  /** Places, and frequencies. */
  readonly size: number;
  /** Where a frequency stands in the list, itself or by its conjugate. */
  find(frequency: readonly number[]): { readonly at: number; readonly conjugate: boolean };
  readonly roots: Roots;
}

export function gridOf(sides: readonly number[]): Grid {
  const size = sides.reduce((n, m) => n * m, 1);
  const frequencies: (readonly number[])[] = [];
  const weights: number[] = [];
  const place = new Map<number, { readonly at: number; readonly conjugate: boolean }>();
  const key = (w: readonly number[]) => w.reduce((k, u, i) => k * sides[i] + u, 0);
  for (let k = 0; k < size; k++) {
    if (place.has(k)) continue;
    const w = new Array<number>(sides.length);
    for (let i = sides.length - 1, rest = k; i >= 0; i--) {
      w[i] = rest % sides[i];
      rest = Math.floor(rest / sides[i]);
    }
    const mirror = key(w.map((u, i) => (sides[i] - u) % sides[i]));
    const at = frequencies.push(w) - 1;
    weights.push(mirror === k ? 1 : 2);
    place.set(mirror, { at, conjugate: true });
    place.set(k, { at, conjugate: false });
  }
  return {
    sides,
    frequencies,
    weights,
    size,
    find: (w) => place.get(key(w)) as { at: number; conjugate: boolean },
    roots: rootsOfUnity(size),
  };
}

/** The place among the roots of exp(2 pi i <frequency, shift / sides>). */
export function turnOf({ sides, size }: Grid, frequency: readonly number[], shift: readonly number[]): number {
  let turn = 0;
  for (let i = 0; i < sides.length; i++) {
    const m = sides[i];
    const steps = (((frequency[i] * (shift[i] % m)) % m) + m) % m;
    turn = (turn + steps * (size / m)) % size;
  }
  return turn;
}

/** For each frequency of a coarser grid, the frequencies of the finer one that fall onto it: how often each of the list does, itself and by its conjugate. */
export function aliases(
  fine: Grid,
  coarse: Grid,
): readonly (readonly { readonly at: number; readonly own: number; readonly conjugate: number }[])[] {
  // A dense tensor has one place: all axes are gone.
  const sides = fine.sides.map((_, i) => coarse.sides[i] ?? 1);
  const steps = fine.sides.map((m, i) => m / sides[i]);
  const count = steps.reduce((n, s) => n * s, 1);
  return coarse.frequencies.map((w) => {
    const found = new Map<number, { own: number; conjugate: number }>();
    for (let k = 0; k < count; k++) {
      let rest = k;
      const alias = steps.map((s, i) => {
        const a = rest % s;
        rest = Math.floor(rest / s);
        return (w[i] ?? 0) + a * sides[i];
      });
      const { at, conjugate } = fine.find(alias);
      const entry = found.get(at) ?? { own: 0, conjugate: 0 };
      found.set(at, entry);
      entry[conjugate ? "conjugate" : "own"]++;
    }
    return [...found].map(([at, n]) => ({ at, ...n }));
  });
}
