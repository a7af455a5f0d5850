/** @file Y in blocks, one for each pair of variables that are alive together, at many frequencies; where there is none it is 0, and of two that mirror each other one is kept. */
import { up } from "../../linalg/rounding.ts";
import type { Variable } from "./program.ts";
import { adjointOf, part, type Stack, scalarStack, stack } from "./stack.ts";

/** A block of Y at some frequencies; of a number, that times the identity. */
export type Block = Stack | number;

export type Blocks = Map<Variable, Map<Variable, Block>>;

/** Let a block be Y_ab. */
export function put(blocks: Blocks, a: Variable, b: Variable, block: Block): void {
  const row = blocks.get(a) ?? new Map<Variable, Block>();
  blocks.set(a, row.set(b, block));
}

/** Y_ab; null where it is 0. */
export function blockOf(blocks: Blocks, a: Variable, b: Variable): Block | null {
  const own = blocks.get(a)?.get(b);
  if (own !== undefined) return own;
  const other = blocks.get(b)?.get(a);
  if (other === undefined) return null;
  return typeof other === "number" ? other : adjointOf(other);
}

/** The blocks at some frequencies; the same numbers. */
export function sliced(blocks: Blocks, first: number, end: number): Blocks {
  const own: Blocks = new Map();
  for (const [a, row] of blocks) {
    for (const [b, block] of row) put(own, a, b, typeof block === "number" ? block : part(block, first, end));
  }
  return own;
}

/** Put blocks of some frequencies where they belong among all. */
export function gather(all: Blocks, now: Blocks, live: readonly Variable[], first: number, count: number): void {
  for (const a of live) {
    for (const [b, block] of now.get(a) ?? []) {
      if (!live.includes(b)) continue;
      if (typeof block === "number") {
        put(all, a, b, block);
        continue;
      }
      const { rows, cols, im } = block;
      if (block.count === count) {
        put(all, a, b, block);
        continue;
      }
      const to = (all.get(a)?.get(b) as Stack | undefined) ?? stack(count, rows, cols, im !== null);
      put(all, a, b, to);
      to.re.set(block.re, first * rows * cols);
      if (to.im && im) to.im.set(im, first * rows * cols);
    }
  }
}

/** A block written out. */
export const denseOf = (block: Block, n: number, count: number): Stack =>
  typeof block === "number" ? scalarStack(block, n, count, false) : block;

/** All diagonals, one after the other. */
export function diagonal(block: Block, count: number, n: number): Float64Array {
  if (typeof block === "number") return new Float64Array(count * n).fill(block);
  return Float64Array.from({ length: count * n }, (_, k) => block.re[Math.floor(k / n) * n * n + (k % n) * (n + 1)]);
}

/** Add to the diagonal of a block with itself what a function says of each entry, rounded up. */
export function inflate(blocks: Blocks, v: Variable, count: number, by: (own: number, i: number) => number): void {
  const row = blocks.get(v);
  const own = row?.get(v);
  if (own === undefined) return;
  const n = v.channels;
  if (typeof own === "number") {
    let most = 0;
    for (let k = 0; k < count * n; k++) most = Math.max(most, by(own, k));
    row?.set(v, up(own + up(most)));
    return;
  }
  for (let k = 0; k < count * n; k++) {
    const at = Math.floor(k / n) * n * n + (k % n) * (n + 1);
    own.re[at] = up(up(own.re[at]) + up(by(own.re[at], k)));
  }
}
