/**
 * @file Products of many complex matrices at once, by the engine in float64: each entry is a sum of products in some order, whichever the engine takes, and
 * that is all that is assumed of it.
 */
import type { Engine, Program } from "../../engine/engine.ts";
import type { Node } from "../../graph/graph.ts";
import { input } from "../../graph/leaf.ts";
import { add, sub } from "../../ops/arith.ts";
import { matmul } from "../../ops/matmul.ts";
import { transpose } from "../../ops/movement.ts";
import { tensor, toFloat64 } from "../../tensor/tensor.ts";
import { type Stack, stack } from "./stack.ts";

export interface Products {
  /**
   * A B of each pair, or A B^*. A coordinate of an entry errs by no more than 8 gamma_(cols + 8) sum over k of |A_ik| |B_kj|: of complex matrices three real products are
   * taken, of real parts, of imaginary ones and of the sums of both, and |a| + |b| <= 2^(1/2) |a + ib|.
   */
  times(A: Stack, B: Stack, adjoint?: "adjoint"): Promise<Stack>;
  /** The sum over taps, each times its column of turns: [count, taps] and [taps, rows, cols] to [count, rows, cols], a sum of as many products in some order. */
  sums(turns: Stack, taps: Float64Array, rows: number, cols: number): Promise<Stack>;
  /** Nearly the largest eigenvalue of each Hermitian matrix, of which none should be far from 1: usually a little less. */
  growth(A: Stack): Promise<Float64Array>;
  dispose(): Promise<void>;
}

export function productsOn(engine: Engine): Products {
  let compiled = new Map<string, Promise<Program>>();
  const programOf = (key: string, outputs: () => Record<string, Node>): Promise<Program> => {
    const known = compiled.get(key) ?? engine.compile(outputs());
    compiled.set(key, known);
    return known;
  };
  const run = async (program: Program, stacks: Readonly<Record<string, Stack>>) => {
    const feeds = Object.entries(stacks).flatMap(([name, { count, rows, cols, re, im }]) => [
      [name, tensor(re, [count, rows, cols], "float64")] as const,
      ...(im ? [[`${name}i`, tensor(im, [count, rows, cols], "float64")] as const] : []),
    ]);
    return program.run(Object.fromEntries(feeds));
  };
  return {
    async times(A, B, adjoint) {
      const [rows, cols] = [A.rows, adjoint ? B.rows : B.cols];
      const complex = A.im !== null || B.im !== null;
      const key = `${A.count} ${A.rows} ${A.cols} ${B.rows} ${B.cols} ${A.im !== null} ${B.im !== null} ${adjoint}`;
      const program = await programOf(key, () => productOf(A, B, adjoint !== undefined));
      const results = await run(program, { a: A, b: B });
      return {
        count: A.count,
        rows,
        cols,
        re: toFloat64(results.re),
        im: complex ? toFloat64(results.im) : null,
      };
    },
    async sums(turns, taps, rows, cols) {
      const { rows: count, cols: number } = turns;
      const weights: Stack = { count: 1, rows: number, cols: rows * cols, re: taps, im: null };
      const key = `sums ${count} ${number} ${rows} ${cols}`;
      const program = await programOf(key, () => productOf(turns, weights, false));
      const results = await run(program, { a: turns, b: weights });
      return { count, rows, cols, re: toFloat64(results.re), im: toFloat64(results.im) };
    },
    async growth(A) {
      const { count, rows } = A;
      const key = `growth ${count} ${rows} ${A.im !== null}`;
      const program = await programOf(key, () => growing(A));
      const start = stack(count, rows, starts, A.im !== null);
      start.re.forEach((_, k) => {
        start.re[k] = (((k * 7919) % 101) - 50) / 50 + 0.013;
      });
      const results = await run(program, { a: A, x: start });
      const squares = (name: string) => {
        const sums = new Float64Array(count * starts);
        for (const [part, im] of [
          [results[name], false],
          [results[`${name}i`], true],
        ] as const) {
          if (im && A.im === null) continue;
          const data = toFloat64(part);
          for (let k = 0; k < data.length; k++) {
            sums[Math.floor(k / (rows * starts)) * starts + (k % starts)] += data[k] ** 2;
          }
        }
        return sums;
      };
      const [before, after] = [squares("before"), squares("after")];
      const found = new Float64Array(count);
      for (let k = 0; k < before.length; k++) {
        const own = Math.floor(k / starts);
        if (before[k] > 0) found[own] = Math.max(found[own], Math.sqrt(after[k] / before[k]));
      }
      return found;
    },
    async dispose() {
      const all = [...compiled.values()];
      compiled = new Map();
      for (const program of all) await (await program).dispose();
    },
  };
}

// --- internal ---

/** Vectors from which a power iteration starts. */
const starts = 4;

const inputs = (name: string, { count, rows, cols, im }: Stack) => ({
  re: input(name, [count, rows, cols], "float64"),
  im: im ? input(`${name}i`, [count, rows, cols], "float64") : null,
});

interface Pair {
  readonly re: Node;
  readonly im: Node | null;
}

function productOf(A: Stack, B: Stack, adjoint: boolean): Record<string, Node> {
  const a = inputs("a", A);
  const given = inputs("b", B);
  const turned = (x: Node) => transpose(x, [0, 2, 1]);
  const b = adjoint ? { re: turned(given.re), im: given.im && turned(given.im) } : given;
  const { re, im } = multiplied(a, b, adjoint ? -1 : 1);
  return im ? { re, im } : { re };
}

/** The product, where the imaginary part of b counts with a sign. */
function multiplied(a: Pair, b: Pair, sign: 1 | -1): Pair {
  const re = matmul(a.re, b.re);
  if (!a.im && !b.im) return { re, im: null };
  const signed = (x: Node) => (sign === 1 ? x : sub(0, x));
  if (!a.im) return { re, im: signed(matmul(a.re, b.im as Node)) };
  if (!b.im) return { re, im: matmul(a.im, b.re) };
  const im = matmul(a.im, b.im);
  const both = matmul(add(a.re, a.im), sign === 1 ? add(b.re, b.im) : sub(b.re, b.im));
  return sign === 1 ? { re: sub(re, im), im: sub(sub(both, re), im) } : { re: add(re, im), im: add(sub(both, re), im) };
}

function growing(A: Stack): Record<string, Node> {
  const a = inputs("a", A);
  let x: Pair = inputs("x", { ...A, cols: starts });
  let before = x;
  for (let step = 0; step < 10; step++) {
    before = x;
    x = multiplied(a, x, 1);
  }
  const named = (name: string, { re, im }: Pair) => ({ [name]: re, ...(im ? { [`${name}i`]: im } : {}) });
  return { ...named("before", before), ...named("after", x) };
}
