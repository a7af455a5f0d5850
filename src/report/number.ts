/** @file Numbers for reading. JSON has no infinity and shows null, so that both mean the same here. */

/** Four significant digits; a missing number is a dash, an unbounded one says so. */
export function showNumber(value: number | null | undefined): string {
  if (value === null || value === undefined) return "-";
  if (!Number.isFinite(value)) return "unbounded";
  if (value !== 0 && (Math.abs(value) >= 1e6 || Math.abs(value) < 1e-3)) return value.toExponential(2);
  return value.toPrecision(4);
}

export const showPercent = (part: number | null | undefined): string =>
  part === null || part === undefined ? "-" : `${(100 * part).toFixed(1)} %`;
