/** @file Products of what varies with a constant matrix: on either side, in batches, or by an equation of Einstein's. */
import { largestTensor, sparse } from "../algebra/sparse.ts";
import { type Arguments, affine, check, isVarying, type Made, type Operators } from "./arguments.ts";
import type { Constant } from "./constant.ts";
import { broadcastNumbers, broadcastShape, placeOf, stridesOf } from "./places.ts";
import { count, linear, type Varying } from "./step.ts";

export const products: Operators = {
  Gemm: {
    attributes: ["alpha", "beta", "transA", "transB"],
    inputs: [2, 3],
    read(a) {
      const [x, W] = [a.varying(0), a.constant(1)];
      const [turnedA, turnedB] = [a.flag("transA", 0), a.flag("transB", 0)];
      check(a, W.shape.length === 2 && x.shape.length === 2, "it must be a product of two matrices");
      const [m, inner] = turnedA ? [x.shape[1], x.shape[0]] : x.shape;
      const [k, n] = turnedB ? [W.shape[1], W.shape[0]] : W.shape;
      check(a, inner === k, `a row must have ${k} numbers`);
      const [alpha, beta] = [a.number("alpha", 1), a.number("beta", 1)];
      check(a, isMild(alpha) && (isMild(beta) || beta === 0), "alpha and beta must be near 1");
      const weight = (t: number, j: number) => W.data[turnedB ? j * k + t : t * n + j];
      const matrix = sparse(
        m * n,
        m * k,
        (r, put) => {
          const [i, j] = [Math.floor(r / n), r % n];
          for (let t = 0; t < k; t++) put(turnedA ? t * m + i : i * k + t, alpha * weight(t, j));
        },
        alpha === 1 ? 0 : 1,
      );
      const bias = new Float64Array(m * n);
      if (a.has(2)) {
        const C = a.constant(2);
        broadcastNumbers(a, C.shape, [m, n]).forEach((from, r) => {
          bias[r] = beta * C.data[from];
        });
      }
      return affine(a, [m, n], x.tensor, matrix, bias, beta === 1 ? 0 : 1);
    },
  },
  MatMul: {
    attributes: [],
    inputs: [2, 2],
    read(a) {
      const [A, B] = [a.any(0), a.any(1)];
      check(
        a,
        isVarying(A) !== isVarying(B),
        "one of its factors must depend on the data, and the other one be constant",
      );
      check(a, A.shape.length >= 1 && B.shape.length >= 1, "its factors must have axes");
      // A vector is a row on the left and a column on the right, and the axis that it got goes again.
      const left = A.shape.length === 1 ? [1, ...A.shape] : A.shape;
      const right = B.shape.length === 1 ? [...B.shape, 1] : B.shape;
      const [m, k] = left.slice(-2);
      const [inner, n] = right.slice(-2);
      check(a, inner === k, `a row of [${A.shape}] and a column of [${B.shape}] must have one length`);
      const [before, behind] = [left.slice(0, -2), right.slice(0, -2)];
      const batch = broadcastShape(a, before, behind);
      const [leftOf, rightOf] = [broadcastNumbers(a, before, batch), broadcastNumbers(a, behind, batch)];
      const shape = [...batch, ...(A.shape.length === 1 ? [] : [m]), ...(B.shape.length === 1 ? [] : [n])];
      const rows = count([...batch, m, n]);
      const x = isVarying(A) ? A : (B as Varying);
      const W = isVarying(A) ? a.constant(1) : a.constant(0);
      const matrix = sparse(rows, count(x.shape), (r, put) => {
        const [b, i, j] = [Math.floor(r / (m * n)), Math.floor(r / n) % m, r % n];
        const [p, q] = [(leftOf[b] * m + i) * k, rightOf[b] * k * n + j];
        for (let t = 0; t < k; t++) {
          if (x === A) put(p + t, W.data[q + t * n]);
          else put(q + t * n, W.data[p + t]);
        }
      });
      return linear(a.out, shape, x.tensor, matrix);
    },
  },
  Einsum: {
    attributes: ["equation"],
    inputs: [1, 2],
    read: (a) => contraction(a),
  },
};

// --- internal ---

/** A factor in front of a sum, which does not change by much what can overflow or be lost. */
const isMild = (v: number): boolean => Math.abs(v) >= 2 ** -10 && Math.abs(v) <= 2 ** 10;

/**
 * A sum over the letters that the result does not have, of a tensor alone or times a constant. Every letter is once in a term, and a letter that is summed
 * over is one of what varies; what goes beyond that is refused.
 */
function contraction(a: Arguments): Made {
  const equation = a.word("equation", "").replaceAll(" ", "");
  const parts = /^([A-Za-z]+(?:,[A-Za-z]+)?)->([A-Za-z]*)$/.exec(equation);
  check(a, parts !== null, `its equation must be letters, with a result, got "${equation}"`);
  const terms = parts[1].split(",");
  const result = parts[2];
  check(a, terms.length === a.operands.length, "its equation must have a term for every tensor");
  check(
    a,
    [...terms, result].every((t) => new Set(t).size === t.length),
    "a letter must be in a term once",
  );
  const operands = terms.map((_, i) => a.any(i));
  const which = operands.findIndex((o) => isVarying(o));
  check(
    a,
    which >= 0 && operands.filter((o) => isVarying(o)).length === 1,
    "one of its tensors must depend on the data",
  );
  const x = a.varying(which);
  const W: Constant | null = operands.length === 2 ? a.constant(1 - which) : null;
  const lengths = new Map<string, number>();
  terms.forEach((term, i) => {
    check(a, term.length === operands[i].shape.length, `"${term}" must name the axes of [${operands[i].shape}]`);
    [...term].forEach((letter, axis) => {
      const d = operands[i].shape[axis];
      check(a, (lengths.get(letter) ?? d) === d, `the axes ${letter} must have one length`);
      lengths.set(letter, d);
    });
  });
  const own = terms[which];
  check(
    a,
    [...result].every((l) => lengths.has(l)),
    "its result must have letters of its terms",
  );
  const rest = W === null ? "" : terms[1 - which];
  check(
    a,
    [...rest].every((l) => own.includes(l) || result.includes(l)),
    "what is summed over must vary",
  );
  const summed = [...own].filter((l) => !result.includes(l));
  const shape = [...result].map((l) => lengths.get(l) as number);
  const inner = summed.map((l) => lengths.get(l) as number);
  check(a, count(shape) * count(inner) <= 64 * largestTensor, "it must not read that much");
  const strides = (term: string, of: readonly number[], letters: readonly string[]) => {
    const own = stridesOf(of);
    return letters.map((l) => (term.includes(l) ? own[term.indexOf(l)] : 0));
  };
  const offset = (place: readonly number[], by: readonly number[]) => place.reduce((at, p, i) => at + p * by[i], 0);
  const places = Array.from({ length: count(inner) }, (_, k) => placeOf(k, inner));
  const inX = { outer: strides(own, x.shape, [...result]), inner: strides(own, x.shape, summed) };
  const inW = W && { outer: strides(rest, W.shape, [...result]), inner: strides(rest, W.shape, summed) };
  const ofX = places.map((p) => offset(p, inX.inner));
  const ofW = inW && places.map((p) => offset(p, inW.inner));
  const matrix = sparse(count(shape), count(x.shape), (row, put) => {
    const place = placeOf(row, shape);
    const [atX, atW] = [offset(place, inX.outer), inW ? offset(place, inW.outer) : 0];
    for (let k = 0; k < places.length; k++) put(atX + ofX[k], W && ofW ? W.data[atW + ofW[k]] : 1);
  });
  return linear(a.out, shape, x.tensor, matrix);
}
