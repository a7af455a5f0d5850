/** @file What attacks found on slices of a data set as what they found on the whole. */
import { UsageError } from "../tensor/errors.ts";
import { type Attacked, robustAccuracy } from "./attack.ts";

/** One result from those of slices, in the order of their samples, each counted from 0; `seed` is what the slices' own seeds were made of. */
export function mergeAttacked(parts: readonly Attacked[], seed: number): Attacked {
  const [first] = parts;
  if (!first) throw new UsageError("mergeAttacked: needs at least one part, got none");
  const samples = parts.flatMap((part) => part.samples).map((sample, index) => ({ ...sample, index }));
  const right = samples.map(({ label, predicted }) => label === predicted);
  const distances = samples.map(({ distance }) => distance ?? Number.POSITIVE_INFINITY);
  const share = (of: (part: Attacked) => number) =>
    parts.reduce((sum, part) => sum + Math.round(of(part) * part.samples.length), 0) / samples.length;
  const sorted = distances.filter((_, i) => right[i]).sort((a, b) => a - b);
  const median = sorted[sorted.length >> 1] ?? Number.POSITIVE_INFINITY;
  const examples = new Float32Array(parts.reduce((n, part) => n + part.examples.length, 0));
  let at = 0;
  for (const part of parts) {
    examples.set(part.examples, at);
    at += part.examples.length;
  }
  return {
    norm: first.norm,
    protocol: { ...first.protocol, seed },
    accuracy: right.filter(Boolean).length / samples.length,
    robust: robustAccuracy(right, distances, first.protocol.radii),
    attacks: first.attacks.map(({ name, robust }, k) => ({
      name,
      robust: robust.map(({ radius }, r) => ({
        radius,
        accuracy: share((part) => part.attacks[k].robust[r].accuracy),
      })),
    })),
    medianDistance: Number.isFinite(median) ? median : null,
    samples,
    examples,
  };
}
