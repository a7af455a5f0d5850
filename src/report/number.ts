/** @file Numbers for reading. JSON has no infinity and shows null, so that both mean the same here. */
import type { Bound, Norm } from "../bounds/bound.ts";

/** Four significant digits; a missing number is a dash, an unbounded one says so. */
export function showNumber(value: number | null | undefined): string {
  if (value === null || value === undefined) return "-";
  if (!Number.isFinite(value)) return "unbounded";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-3) return value.toExponential(2);
  const text = value.toPrecision(4);
  return text.includes("e") ? String(Number(text)) : text;
}

/** Three significant digits, for a table that is short of room. */
export function showShort(value: number): string {
  if (!Number.isFinite(value)) return "none";
  if (value !== 0 && (Math.abs(value) >= 1e5 || Math.abs(value) < 1e-3)) return value.toExponential(1);
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** Never less than the number itself, for what is proved to be at most so much. */
export const showAtMost = (value: number | null | undefined, show: Show = showNumber): string =>
  outward(value, 1, show);

/** Never more than the number itself, for what is witnessed to be at least so much. */
export const showAtLeast = (value: number | null | undefined, show: Show = showNumber): string =>
  outward(value, -1, show);

/** A bound's value, rounded to the side on which what is proved or witnessed stays true; a dash where the method does not fit the network. */
export const showBound = ({
  side,
  proved,
  value,
  status,
}: Pick<Bound, "side" | "proved" | "value" | "status">): string =>
  status === "not a chain"
    ? "-"
    : side === "lower"
      ? showAtLeast(value)
      : side === "upper" && proved
        ? showAtMost(value)
        : showNumber(value);

export const showPercent = (part: number | null | undefined): string =>
  part === null || part === undefined ? "-" : `${(100 * part).toFixed(1)} %`;

/** Never more than the part itself, for what is proved of at least so many. */
export const showPercentAtLeast = (part: number | null | undefined): string => percentBy(part, -1);

/** Never less than the part itself, for what was found of at most so many. */
export const showPercentAtMost = (part: number | null | undefined): string => percentBy(part, 1);

/** From the smallest to the largest of some whole numbers. */
export function showRange(values: readonly number[]): string {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return low === high ? String(low) : `${low} to ${high}`;
}

/** A norm, by its name. */
export const showNorm = (norm: Norm | "1" | "2"): string => (norm === "inf" ? "l-inf" : `l${norm}`);

// --- internal ---

/** Per cent with one decimal, the next one where rounding went the wrong way by more than arithmetic does. */
function percentBy(part: number | null | undefined, way: 1 | -1): string {
  if (part === null || part === undefined) return showPercent(part);
  const shown = Number((100 * part).toFixed(1));
  const wrong = way * (100 * part - shown) > 1e-9;
  return `${(wrong ? shown + 0.1 * way : shown).toFixed(1)} %`;
}

type Show = (value: number) => string;

/** What is shown, or the next number that can be shown where rounding went the wrong way. */
function outward(value: number | null | undefined, way: 1 | -1, show: Show): string {
  if (typeof value !== "number" || !Number.isFinite(value)) return showNumber(value);
  const wrong = (text: string) => way * (Number(text) - value) < 0;
  let [shown, step] = [show(value), 1e-6 * Math.abs(value)];
  for (; wrong(shown); step *= 2) shown = show(value + way * step);
  return shown;
}
