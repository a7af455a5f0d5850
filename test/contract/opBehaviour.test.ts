/**
 * @file The op contract, behaviour: what an op says of how it stretches space is never beaten by a search for a counterexample.
 * Asked of the outermost op of a row, for each of its inputs alone and for all together.
 */
import { describe, expect, it } from "vitest";
import type { Behaviour, LinearForm } from "../../src/graph/graph.ts";
import type { Named } from "../../src/tensor/named.ts";
import { type Random, random } from "../../src/tensor/random.ts";
import { sizeOf } from "../../src/tensor/shape.ts";
import { cast, isFloat, type Tensor } from "../../src/tensor/tensor.ts";
import { type OpCase, opCases } from "./opCases.ts";
import {
  difference,
  dot,
  draw,
  evaluateOne,
  feedsOf,
  type Instance,
  instance,
  join,
  moved,
  normals,
  normOf,
  norms,
  operatorNorm,
  outermost,
  unit,
  variations,
} from "./probe.ts";
import { asked, expectClose } from "./questions.ts";

type Pointwise = Extract<Behaviour, { kind: "pointwise" }>;
type Smooth = Extract<Behaviour, { kind: "smooth" }>;

interface Question {
  readonly row: OpCase;
  readonly name: string;
  readonly varies: readonly boolean[];
  readonly behaviour: Behaviour;
}

const questions: readonly Question[] = asked("behaviour", opCases).flatMap((row) => {
  const { y } = instance(row, "float64");
  return variations(y).map((varies) => ({
    row,
    varies,
    behaviour: y.op.behaviour(y, varies),
    name: `${row.name}, input ${varies.flatMap((v, i) => (v ? [i] : [])).join(" and ")}`,
  }));
});

const of = (kind: Behaviour["kind"]) => questions.filter((q) => q.behaviour.kind === kind);

describe("isometry", () => {
  it.each(of("isometry"))("$name keeps every distance", (q) => {
    const { f, start, r } = probe(q);
    for (let k = 0; k < 10; k++) {
      const d = normals(f.size, r, 10 ** (k / 3 - 1));
      const moves = difference(f.at(moved(start, d)), f.at(start));
      for (const p of norms) expect(normOf(moves, p) / normOf(d, p)).toBeCloseTo(1, 10);
    }
  });
});

describe("linear", () => {
  it.each(of("linear"))("$name is affine", (q) => {
    const { f, start, r } = probe(q);
    const [a, b] = [normals(f.size, r), normals(f.size, r, 3)];
    const move = (d: Float64Array) => difference(f.at(moved(start, d)), f.at(start));
    expectClose(move(moved(a, b, -2)), moved(move(a), move(b), -2), 1e-11);
  });

  it.each(of("linear"))("$name has the entries or the norms that it states", (q) => {
    const { f, start, r, made, feeds } = probe(q);
    const origin = f.at(start);
    const columns = Array.from({ length: f.size }, (_, j) => difference(f.at(moved(start, unit(f.size, j))), origin));
    const { of: form } = q.behaviour as Extract<Behaviour, { kind: "linear" }>;
    if (form.form === "bounded") {
      for (const p of norms)
        expect(operatorNorm(columns, p, r)).toBeLessThanOrEqual(form.norm[p] * (1 + 1e-12) + 1e-12);
    } else {
      const d = normals(f.size, r);
      const stated = statedImage(form, d, made, feeds, q);
      if (stated) expectClose(difference(f.at(moved(start, d)), origin), stated, 1e-11);
    }
  });
});

describe("pointwise", () => {
  it.each(of("pointwise"))("$name acts element by element", (q) => {
    const { f, start } = probe(q);
    f.forward(start).forEach((column, j) => {
      column.forEach((v, i) => {
        if (i !== j) expect(Math.abs(v)).toBe(0);
      });
    });
  });

  it.each(of("pointwise"))("$name has no slope outside what it states, and all but reaches both ends", (q) => {
    const { f, r } = probe(q);
    const { slope } = q.behaviour as Pointwise;
    for (const side of [1, -1]) {
      const found = climb(f.size, 1e-3, r, (x, h) => {
        const rise = difference(f.at(moved(x, h)), f.at(x));
        return rise.map((v, i) => (side * v) / h[i]);
      });
      const end = side === 1 ? slope[1] : -slope[0];
      expect(found).toBeLessThanOrEqual(end + 1e-10);
      expect(found).toBeGreaterThan(end - 1e-3);
    }
  });

  it.each(of("pointwise"))("$name has no slope on an interval outside what it states there", (q) => {
    const { f, r } = probe(q);
    const { slopeOn } = q.behaviour as Pointwise;
    let outside = Number.NEGATIVE_INFINITY;
    for (let k = 0; k < 400; k++) {
      const [middle, half] = [4 * r.normal(), 10 ** (3 * r.uniform() - 2)];
      const [low, high] = [middle - half, middle + half];
      const [least, most] = slopeOn(low, high);
      for (let n = 0; n < 4; n++) {
        // Steps of a hundredth of the interval, the first and last of them at its ends, or of all lengths.
        const h = new Float64Array(f.size).map(() => (n < 2 ? half / 50 : 2 * half * Math.max(1e-3, r.uniform())));
        const x = h.map((length) => low + (2 * half - length) * (n === 0 ? 0 : n === 1 ? 1 : r.uniform()));
        const rise = difference(f.at(moved(x, h)), f.at(x));
        const slopes = rise.map((v, i) => v / h[i]);
        outside = Math.max(outside, least - Math.min(...slopes), Math.max(...slopes) - most);
      }
    }
    expect(outside).toBeLessThanOrEqual(1e-9);
  });

  it.each(of("pointwise").filter((q) => Number.isFinite((q.behaviour as Pointwise).curvature)))(
    "$name bends no more than it states, and all but that much",
    (q) => {
      const { f, r } = probe(q);
      const { curvature } = q.behaviour as Pointwise;
      const found = climb(f.size, 1e-2, r, (x, h) => {
        const [before, here, after] = [f.at(moved(x, h, -1)), f.at(x), f.at(moved(x, h))];
        return here.map((v, i) => Math.abs(before[i] - 2 * v + after[i]) / h[i] ** 2);
      });
      expect(found).toBeLessThanOrEqual(curvature + 1e-9);
      // Beside a jump of the second derivative the step of the probe shows.
      expect(found).toBeGreaterThan(0.97 * curvature - 1e-2);
    },
  );
});

describe("smooth", () => {
  it.each(of("smooth"))("$name stretches no more than it states, in any norm", (q) => {
    const { f, r } = probe(q);
    const { lipschitz } = q.behaviour as Smooth;
    for (const p of norms) {
      const found = wander(f.size, r, 150, (x) => operatorNorm(f.forward(x), p, r));
      expect(found).toBeLessThanOrEqual(lipschitz[p] * (1 + 1e-10));
    }
    for (let k = 0; k < 100; k++) {
      const [x, d] = [normals(f.size, r, 3), normals(f.size, r, 10 ** (k / 50 - 1))];
      const moves = difference(f.at(moved(x, d)), f.at(x));
      for (const p of norms) expect(normOf(moves, p)).toBeLessThanOrEqual(lipschitz[p] * normOf(d, p) * (1 + 1e-10));
    }
  });

  it.each(of("smooth").filter((q) => Number.isFinite((q.behaviour as Smooth).curvature)))(
    "$name bends no more than it states",
    (q) => {
      const { f, r } = probe(q);
      const found = wander(2 * f.size, r, 1000, (both) => {
        const x = both.subarray(0, f.size);
        const u = both.slice(f.size);
        const length = normOf(u, "2");
        const v = u.map((a) => a / length);
        // The mean of the second derivative along v over a short way: never above its supremum.
        const turn = difference(f.along(moved(x, v, 1e-4), v), f.along(moved(x, v, -1e-4), v));
        return normOf(turn, "2") / 2e-4;
      });
      expect(found).toBeLessThanOrEqual((q.behaviour as Smooth).curvature * (1 + 1e-7));
    },
  );
});

describe("unbounded", () => {
  it.each(of("unbounded"))("$name says why", (q) => {
    expect((q.behaviour as Extract<Behaviour, { kind: "unbounded" }>).why).toMatch(/\w+ \w+/);
  });
});

// --- internal ---

/** The outermost op of a question's row at a drawn point. */
function probe({ row, varies, name }: Question) {
  const r = random(2).fork(name);
  const made = instance(row, "float64");
  const feeds = feedsOf(
    made.inputs,
    draw(row, r).map((t) => (isFloat(t.dtype) ? cast(t, "float64") : t)),
  );
  return { ...outermost(made, feeds, varies), r, made, feeds };
}

/** Per element, look for a point and a step (no shorter than `least`) where `measure` is largest; the largest of all elements. */
function climb(
  n: number,
  least: number,
  r: Random,
  measure: (x: Float64Array, h: Float64Array) => Float64Array,
): number {
  const x = new Float64Array(n);
  const h = new Float64Array(n).fill(1);
  const best = new Float64Array(n).fill(Number.NEGATIVE_INFINITY);
  for (let k = 0; k < 800; k++) {
    const anew = k % 4 === 0;
    const width = 2 ** -(k % 16);
    const tryX = anew ? normals(n, r, 8) : moved(x, normals(n, r, width));
    const tryH = h.map((v) => {
      const length = anew ? 10 ** (4 * r.uniform() - 3) : Math.abs(v) * Math.exp(r.normal());
      return Math.max(least, length) * (r.uniform() < 0.5 ? -1 : 1);
    });
    measure(tryX, tryH).forEach((v, i) => {
      if (!(v <= best[i])) [best[i], x[i], h[i]] = [v, tryX[i], tryH[i]];
    });
  }
  return Math.max(...best);
}

/** Look for a point where `measure` is largest: fresh starts at several scales, then ever smaller steps. */
function wander(n: number, r: Random, steps: number, measure: (x: Float64Array) => number): number {
  let at = new Float64Array(n);
  let best = Number.NEGATIVE_INFINITY;
  for (let k = 0; k < steps; k++) {
    const x = k % 5 === 0 ? normals(n, r, 2 ** ((k / 5) % 6) / 2) : moved(at, normals(n, r, 2 ** -(k % 9)));
    const found = measure(x);
    if (!(found <= best)) [best, at] = [found, Float64Array.from(x)];
  }
  return best;
}

/** What a stated form makes of a displacement; null for a form that states no entries. */
function statedImage(form: LinearForm, d: Float64Array, made: Instance, feeds: Named<Tensor>, q: Question) {
  const operand = made.y.inputs[q.varies.indexOf(true)];
  switch (form.form) {
    case "diagonal": {
      const factors = evaluateOne(form.factors, feeds);
      return d.map((v, i) => (form.inverse ? v / factors[i] : v * factors[i]));
    }
    case "matrix":
      return form.side === "right"
        ? product(d, evaluateOne(form.weight, feeds), form.weight.shape[0])
        : leftProduct(d, operand.shape.slice(-2), evaluateOne(form.weight, feeds));
    case "convolution":
      return convolved(form, d, evaluateOne(form.kernel, feeds));
    case "bounded":
    case "other":
      return null;
    default:
      return form satisfies never;
  }
}

/** [rows, inner] @ [inner, columns]. */
function product(a: Float64Array, b: Float64Array, inner: number): Float64Array {
  const [rows, columns] = [a.length / inner, b.length / inner];
  return Float64Array.from({ length: rows * columns }, (_, at) => {
    const [i, j] = [Math.floor(at / columns), at % columns];
    return Array.from({ length: inner }, (_, k) => a[i * inner + k] * b[k * columns + j]).reduce((s, v) => s + v, 0);
  });
}

/** W @ x for every matrix x [rows, columns] of a batch. */
function leftProduct(d: Float64Array, [rows, columns]: readonly number[], w: Float64Array): Float64Array {
  const each = Array.from({ length: d.length / (rows * columns) }, (_, n) =>
    product(w, d.slice(n * rows * columns, (n + 1) * rows * columns), rows),
  );
  return join(each);
}

/** The convolution that a form states, from its definition; the adjoint as what pairs with every unit vector. */
function convolved(form: Extract<LinearForm, { form: "convolution" }>, d: Float64Array, w: Float64Array) {
  const [out, inner, ...kernel] = form.kernel.shape;
  const space = sizeOf(form.input);
  const channels = inner * form.groups;
  const reach = kernel.map(
    (k, i) => form.input[i] + form.pads[i] + form.pads[i + kernel.length] - form.dilations[i] * (k - 1),
  );
  const windows = reach.map((size, i) => Math.floor((size - 1) / form.strides[i]) + 1);
  const forward = (x: Float64Array) => {
    const y = new Float64Array((x.length / (channels * space)) * out * sizeOf(windows));
    y.forEach((_, at) => {
      const [p, no] = [indexIn(windows, at % sizeOf(windows)), Math.floor(at / sizeOf(windows))];
      const [o, n] = [no % out, Math.floor(no / out)];
      const first = Math.floor(o / (out / form.groups)) * inner;
      for (let t = 0; t < inner * sizeOf(kernel); t++) {
        const [k, c] = [indexIn(kernel, t % sizeOf(kernel)), Math.floor(t / sizeOf(kernel))];
        const place = p.map((v, i) => v * form.strides[i] + k[i] * form.dilations[i] - form.pads[i]);
        if (place.some((v, i) => v < 0 || v >= form.input[i])) continue;
        const flat = place.reduce((s, v, i) => s * form.input[i] + v, 0);
        y[at] += x[(n * channels + first + c) * space + flat] * w[o * inner * sizeOf(kernel) + t];
      }
    });
    return y;
  };
  if (form.direction === "forward") return forward(d);
  const size = (d.length / (out * sizeOf(windows))) * channels * space;
  return Float64Array.from({ length: size }, (_, j) => dot(forward(unit(size, j)), d));
}

function indexIn(shape: readonly number[], flat: number): number[] {
  const index: number[] = [];
  let rest = flat;
  for (const d of shape.toReversed()) {
    index.unshift(rest % d);
    rest = Math.floor(rest / d);
  }
  return index;
}
