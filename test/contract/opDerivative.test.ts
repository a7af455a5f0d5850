/** @file The op contract, derivatives: shape rule, reverse mode, forward mode and higher orders, against function values alone. */
import { describe, expect, it } from "vitest";
import { grad, vjp } from "../../src/graph/gradient.ts";
import { constant } from "../../src/graph/leaf.ts";
import { add, mul, sum } from "../../src/ops/index.ts";
import { random } from "../../src/tensor/random.ts";
import { sizeOf } from "../../src/tensor/shape.ts";
import { cast, isFloat, tensor } from "../../src/tensor/tensor.ts";
import { type OpCase, opCases } from "./opCases.ts";
import {
  difference,
  draw,
  evaluateOne,
  feedsOf,
  instance,
  join,
  moved,
  normals,
  unit,
  vectorFunction,
} from "./probe.ts";
import { asked, expectClose } from "./questions.ts";

const step = 1e-5;

/** A row at a drawn point as a function of its floating-point inputs. */
function atPoint(row: OpCase, seed: string) {
  const r = random(1).fork(row.name).fork(seed);
  const made = instance(row, "float64");
  const values = draw(row, r).map((t) => (isFloat(t.dtype) ? cast(t, "float64") : t));
  const moving = made.inputs.filter((i) => isFloat(i.dtype));
  const held = feedsOf(
    made.inputs.filter((i) => !isFloat(i.dtype)),
    values.filter((t) => !isFloat(t.dtype)),
  );
  const x = join(values.filter((t) => isFloat(t.dtype)).map((t) => Float64Array.from(t.data, Number)));
  return { ...made, r, moving, held, x, feeds: feedsOf(made.inputs, values) };
}

describe("shape", () => {
  it.each(asked("shape", opCases))("$name has as many values as its shape says", (row) => {
    const { y, feeds } = atPoint(row, "shape");
    expect(evaluateOne(y, feeds)).toHaveLength(sizeOf(y.shape));
  });
});

describe("derivatives", () => {
  it.each(asked("derivatives", opCases))("$name: reverse mode, forward mode and differences agree", (row) => {
    const { y, moving, held, x, r } = atPoint(row, "derivatives");
    const f = vectorFunction(y, moving, held);
    const columns = f.forward(x);
    const rows = f.reverse(x);
    const scale = Math.max(1, ...columns.map((c) => c.reduce((m, v) => Math.max(m, Math.abs(v)), 0)));
    columns.forEach((column, j) => {
      // Entry by entry, <jvp e_j, e_k> = <e_j, vjp e_k>.
      expectClose(
        column,
        Float64Array.from(rows, (row) => row[j]),
        1e-12 * scale,
      );
      const slope = difference(f.at(moved(x, unit(f.size, j), step)), f.at(moved(x, unit(f.size, j), -step)));
      expectClose(
        column,
        slope.map((v) => v / (2 * step)),
        1e-6 * scale,
      );
    });
    if (f.size > 0) {
      const direction = normals(f.size, r);
      const sum = new Float64Array(f.outputs);
      columns.forEach((c, j) => {
        c.forEach((v, k) => {
          sum[k] += direction[j] * v;
        });
      });
      expectClose(f.along(x, direction), sum, 1e-12 * scale * f.size);
    }
  });
});

describe("higher derivatives", () => {
  it.each(asked("higher derivatives", opCases))("$name: gradients of gradients are their differences", (row) => {
    const { y, moving, held, x, r } = atPoint(row, "higher");
    if (!isFloat(y.dtype) || moving.length === 0) return;
    // g0 = d<y, dy>/dx; then twice: g_(k+1) = d<g_k, w>/dx, which is the difference of g_k along w, for Hessians are symmetric.
    const dy = constant(tensor(normals(sizeOf(y.shape), r), y.shape, "float64"));
    let now = vjp([y], [dy], moving);
    for (let order = 2; order <= 3; order++) {
      const w = normals(x.length, r, 0.5);
      let at = 0;
      let pairing = constant(0, "float64");
      const before = now;
      before.forEach((g, i) => {
        const { shape } = moving[i];
        const part = w.slice(at, at + sizeOf(shape));
        at += sizeOf(shape);
        if (g) pairing = add(pairing, sum(mul(g, constant(tensor(part, shape, "float64")))));
      });
      const after = grad(pairing, moving);
      const values = (gs: typeof now, point: Float64Array) =>
        join(
          gs.map((g, i) => (g ? vectorFunction(g, moving, held).at(point) : new Float64Array(sizeOf(moving[i].shape)))),
        );
      const slope = difference(values(before, moved(x, w, step)), values(before, moved(x, w, -step)));
      const got = values(after, x);
      const scale = Math.max(
        1,
        got.reduce((m, v) => Math.max(m, Math.abs(v)), 0),
      );
      expectClose(
        got,
        slope.map((v) => v / (2 * step)),
        1e-6 * scale,
      );
      now = after;
    }
  });
});
