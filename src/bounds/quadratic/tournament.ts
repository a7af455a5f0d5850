/** @file The largest of several copies of an image as rounds of pairs, max(a, b) = b + relu(a - b): what a max pool is to the quadratic walk. */
import { type Builder, type Value, whole } from "./cuts.ts";
import type { Places, Variable } from "./program.ts";

/**
 * The largest of `count` copies of `n` channels, which `stacked` holds one behind the other. What a window reads outside the image never wins there: that is a slope of 0 or
 * 1. A window that reaches out of the image may choose what is there.
 */
export function tournament(build: Builder, stacked: Variable, count: number, n: number, name: string): Value {
  let value: Value = whole(stacked);
  for (let left = count; left > 1; left = Math.ceil(left / 2)) {
    const pairs = Math.floor(left / 2);
    const rows = pairs * n;
    const pick = (first: (pair: number) => number, factor: number): Places => ({
      kind: "places",
      rows,
      cols: left * n,
      from: Int32Array.from({ length: rows }, (_, i) => first(Math.floor(i / n)) * n + (i % n)),
      factors: new Float64Array(rows).fill(factor),
      error: 0,
    });
    const v = build.affine(name, rows, [
      { value, map: pick((p) => 2 * p, 1) },
      { value, map: pick((p) => 2 * p + 1, -1) },
    ]);
    const z = build.sector(v, name);
    const next = Math.ceil(left / 2) * n;
    const own = Int32Array.from({ length: next }, (_, i) => {
      const p = Math.floor(i / n);
      return Math.min(2 * p + 1, left - 1) * n + (i % n);
    });
    const gates = Int32Array.from({ length: next }, (_, i) => (i < rows ? i : -1));
    const ones = new Float64Array(next).fill(1);
    const to = build.affine(name, next, [
      { value, map: { kind: "places", rows: next, cols: left * n, from: own, factors: ones, error: 0 } },
      { value: whole(z), map: { kind: "places", rows: next, cols: rows, from: gates, factors: ones, error: 0 } },
    ]);
    value = whole(to);
  }
  return value;
}
