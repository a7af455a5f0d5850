/** @file A sample of numbers in a few: mean, its standard error, quantiles. A mean alone hides that curvature has a long tail. */

export interface Summary {
  readonly count: number;
  readonly mean: number;
  /** Of the mean: the deviation of the numbers over sqrt(count); null for a single number. */
  readonly standardError: number | null;
  readonly min: number;
  readonly q25: number;
  readonly median: number;
  readonly q75: number;
  readonly q95: number;
  readonly max: number;
}

/** Summarise at least one number. Quantiles are interpolated between neighbours; numbers that are none make everything NaN. */
export function summarise(values: readonly number[]): Summary {
  const sorted = [...values].sort((a, b) => a - b);
  const count = sorted.length;
  const mean = values.reduce((sum, v) => sum + v, 0) / count;
  const squares = values.reduce((sum, v) => sum + (v - mean) ** 2, 0);
  const at = (q: number): number => {
    if (Number.isNaN(mean)) return Number.NaN;
    const place = q * (count - 1);
    const below = Math.floor(place);
    const [a, b] = [sorted[below], sorted[Math.min(below + 1, count - 1)]];
    return a === b ? a : a + (place - below) * (b - a);
  };
  return {
    count,
    mean,
    standardError: count > 1 ? Math.sqrt(squares / (count - 1) / count) : null,
    min: at(0),
    q25: at(0.25),
    median: at(0.5),
    q75: at(0.75),
    q95: at(0.95),
    max: at(1),
  };
}
