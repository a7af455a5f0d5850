/** @file Perturbations that are tried on an explanation, and how much it turned under the worst of them. */
import { lengthOf } from "../bounds/length.ts";
import type { Random } from "../tensor/random.ts";
import type { Batch, Points } from "./points.ts";

/** How much an explanation changed. */
export interface Turn {
  /** In l2. */
  readonly change: number;
  readonly degrees: number;
  /** The part of the top inputs that were still top ones. */
  readonly kept: number;
}

/** Random perturbations of a length, and the one that turns the gradient most, by a few steps of e <- H(x + e)(g(x + e) - g(x)). */
export async function perturbations(
  { programs }: Points,
  { first, x, u }: Batch,
  radius: number,
  source: Random,
): Promise<Float64Array[]> {
  const { samples, size } = programs.layout;
  const drawn = Array.from({ length: 4 }, (_, k) => {
    const e = new Float64Array(samples * size);
    for (let s = 0; s < samples; s++) {
      const stream = source.fork(`${first + s} ${k} ${radius}`);
      const own = e.subarray(s * size, (s + 1) * size);
      for (let i = 0; i < size; i++) own[i] = stream.normal();
      toLength(own, radius);
    }
    return e;
  });
  const base = await programs.gradient(x, u);
  let e = drawn[0];
  for (let step = 0; step < 6; step++) {
    const at = x.map((v, i) => v + e[i]);
    const difference = (await programs.gradient(at, u)).map((g, i) => g - base[i]);
    const climbing = await programs.product(at, u, difference);
    const next = e.slice();
    for (let s = 0; s < samples; s++) {
      const own = climbing.subarray(s * size, (s + 1) * size);
      // Where nothing bends there is nowhere to climb: the perturbation stays.
      if (lengthOf(own, 2) > 0) next.set(own, s * size);
      toLength(next.subarray(s * size, (s + 1) * size), radius);
    }
    e = next;
  }
  return [...drawn, e];
}

/** The most that some explanations differ from one, and the least part of its `count` largest numbers that are among theirs. */
export function worstOf(values: Float64Array, moved: readonly Float64Array[], count: number): Turn {
  const length = lengthOf(values, 2);
  const top = topOf(values, count);
  let [change, degrees, kept] = [0, 0, 1];
  for (const other of moved) {
    const difference = lengthOf(
      other.map((v, i) => v - values[i]),
      2,
    );
    const [own, there] = [length, lengthOf(other, 2)];
    // By the chord between both directions: a cosine says little of a small angle.
    const chord = lengthOf(
      other.map((v, i) => v / there - values[i] / own),
      2,
    );
    const angle = own > 0 && there > 0 ? (2 * Math.asin(Math.min(1, chord / 2)) * 180) / Math.PI : 0;
    const now = topOf(other, count);
    change = Math.max(change, difference);
    degrees = Math.max(degrees, angle);
    kept = Math.min(kept, [...top].filter((i) => now.has(i)).length / count);
  }
  return { change, degrees, kept };
}

// --- internal ---

/** To a length, not above it. */
function toLength(v: Float64Array, length: number): void {
  const scale = (length * (1 - 2 ** -45)) / Math.max(lengthOf(v, 2), Number.MIN_VALUE);
  for (let i = 0; i < v.length; i++) v[i] *= scale;
}

/** Where the numbers of largest size stand. */
const topOf = (values: Float64Array, count: number): ReadonlySet<number> =>
  new Set(
    Array.from(values.keys())
      .sort((a, b) => Math.abs(values[b]) - Math.abs(values[a]))
      .slice(0, count),
  );
