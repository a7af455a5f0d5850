/** @file What the op contract measures with: rows as float64 functions, their Jacobians by three ways, searches for a counterexample. */
import { evaluate } from "../../src/engine/reference.ts";
import { vjp } from "../../src/graph/gradient.ts";
import { apply, type Node, topological } from "../../src/graph/graph.ts";
import { input, inputsOf, isConstant } from "../../src/graph/leaf.ts";
import { jvp } from "../../src/graph/tangent.ts";
import type { Named } from "../../src/tensor/named.ts";
import type { Random } from "../../src/tensor/random.ts";
import { sizeOf } from "../../src/tensor/shape.ts";
import { type DType, isFloat, type Tensor, tensor, toFloat64 } from "../../src/tensor/tensor.ts";
import type { InputSpec, OpCase } from "./opCases.ts";

/** A row built on named inputs. */
export interface Instance {
  readonly inputs: readonly Node[];
  readonly y: Node;
}

/** Build a row with its floats in `dtype`; inputs are named prefix0, prefix1, ... */
export function instance(row: OpCase, dtype: DType, prefix = "x"): Instance {
  const inputs = row.inputs.map((s, i) =>
    input(`${prefix}${i}`, s.shape, isFloat(s.dtype ?? "float32") ? dtype : (s.dtype as DType)),
  );
  return { inputs, y: row.build(inputs) };
}

/** Draw the inputs of a row, rounded to float32 so that both precisions see the same numbers. */
export function draw(row: OpCase, r: Random): Tensor[] {
  return row.inputs.map((spec) => tensor(drawInput(spec, r), spec.shape, spec.dtype ?? "float32"));
}

/** Values by the names of their inputs. */
export const feedsOf = (inputs: readonly Node[], values: readonly Tensor[]): Named<Tensor> =>
  Object.fromEntries(inputs.map((x, i) => [nameOf(x), values[i]]));

/** A function from vectors to vectors: some inputs of a graph, laid end to end, to its output. */
export interface VectorFunction {
  readonly size: number;
  readonly outputs: number;
  at(x: Float64Array): Float64Array;
  /** Columns: the derivative in every unit direction, by forward mode. */
  forward(x: Float64Array): Float64Array[];
  /** Rows: the gradient of every output, by reverse mode. */
  reverse(x: Float64Array): Float64Array[];
  /** The derivative in one direction, by forward mode. */
  along(x: Float64Array, direction: Float64Array): Float64Array;
}

/** `y` as a function of the float64 inputs `xs`, with `held` for all others. */
export function vectorFunction(y: Node, xs: readonly Node[], held: Named<Tensor>): VectorFunction {
  const sizes = xs.map((x) => sizeOf(x.shape));
  const size = sizes.reduce((a, b) => a + b, 0);
  const outputs = sizeOf(y.shape);
  const dxs = xs.map((x, i) => input(`tangent ${i}`, x.shape, "float64"));
  const dy = input("cotangent", y.shape, y.dtype);
  const [pushed] = jvp([y], xs, dxs);
  const pulledBack = isFloat(y.dtype) ? vjp([y], [dy], xs) : xs.map(() => null);
  const starts = sizes.map((_, i) => sizes.slice(0, i).reduce((a, b) => a + b, 0));
  const cut = (x: Float64Array) => sizes.map((n, i) => x.subarray(starts[i], starts[i] + n));
  const feed = (nodes: readonly Node[], x: Float64Array): Named<Tensor> =>
    Object.fromEntries(
      cut(x).map((part, i) => [nameOf(nodes[i]), tensor(Float64Array.from(part), nodes[i].shape, "float64")]),
    );
  const along = (x: Float64Array, direction: Float64Array) =>
    pushed ? runOnly(pushed, { ...held, ...feed(xs, x), ...feed(dxs, direction) }) : new Float64Array(outputs);
  return {
    size,
    outputs,
    at: (x) => runOnly(y, { ...held, ...feed(xs, x) }),
    along,
    forward: (x) => Array.from({ length: size }, (_, i) => along(x, unit(size, i))),
    reverse: (x) =>
      Array.from({ length: outputs }, (_, k) => {
        const feeds = { ...held, ...feed(xs, x), cotangent: tensor(unit(outputs, k), y.shape, y.dtype) };
        const row = new Float64Array(size);
        pulledBack.forEach((p, i) => {
          if (p) row.set(runOnly(p, feeds), starts[i]);
        });
        return row;
      }),
  };
}

/** The outermost op of a row alone, as a function of those of its inputs that `varies` marks, with their values at a drawn point. */
export function outermost(made: Instance, feeds: Named<Tensor>, varies: readonly boolean[]) {
  const { y } = made;
  const values = y.inputs.map((i) => evaluateOne(i, feeds));
  const fresh = y.inputs.map((i, k) => (isConstant(i) ? i : input(`operand ${k}`, i.shape, i.dtype)));
  const held = Object.fromEntries(
    fresh.flatMap((f, k) =>
      varies[k] || isConstant(f) ? [] : [[`operand ${k}`, tensor(values[k], f.shape, f.dtype)]],
    ),
  );
  const moving = fresh.filter((_, k) => varies[k]);
  const start = join(values.filter((_, k) => varies[k]));
  return { f: vectorFunction(apply(y.op, fresh, y.attrs), moving, held), start };
}

/** Which sets of inputs of the outermost op can vary: each alone, and all together. */
export function variations(y: Node): boolean[][] {
  const able = y.inputs.map((i) => isFloat(i.dtype) && !isConstant(i));
  const alone = able.flatMap((a, k) => (a ? [able.map((_, j) => j === k)] : []));
  return alone.length > 1 ? [...alone, able] : alone;
}

export const evaluateOne = (y: Node, feeds: Named<Tensor>): Float64Array => runOnly(y, feeds);

export function join(parts: readonly Float64Array[]): Float64Array {
  return Float64Array.from(parts.flatMap((p) => [...p]));
}

// --- vectors ---

export const unit = (n: number, at: number): Float64Array =>
  Float64Array.from({ length: n }, (_, i) => (i === at ? 1 : 0));
export const normals = (n: number, r: Random, scale = 1): Float64Array =>
  Float64Array.from({ length: n }, () => scale * r.normal());
/** x + t d. */
export const moved = (x: Float64Array, d: Float64Array, t = 1): Float64Array => x.map((v, i) => v + t * d[i]);
export const difference = (a: Float64Array, b: Float64Array): Float64Array => a.map((v, i) => v - b[i]);
export const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, v, i) => sum + v * b[i], 0);

export const norms = ["1", "2", "inf"] as const;
export type NormName = (typeof norms)[number];

export function normOf(x: Float64Array, p: NormName): number {
  if (p === "1") return x.reduce((sum, v) => sum + Math.abs(v), 0);
  return p === "2" ? Math.sqrt(dot(x, x)) : x.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
}

/** The operator norm of a matrix given by columns; for 2 by power iteration: a lower bound, close at these sizes. */
export function operatorNorm(columns: readonly Float64Array[], p: NormName, r: Random): number {
  const rows = columns[0].length;
  if (p === "1") return Math.max(...columns.map((c) => normOf(c, "1")));
  if (p === "inf") {
    return Math.max(...Array.from({ length: rows }, (_, i) => columns.reduce((sum, c) => sum + Math.abs(c[i]), 0)));
  }
  let v = normals(columns.length, r);
  let found = 0;
  for (let k = 0; k < 100; k++) {
    const length = normOf(v, "2");
    if (length === 0) return 0;
    v = v.map((a) => a / length);
    const image = new Float64Array(rows);
    columns.forEach((c, j) => {
      for (let i = 0; i < rows; i++) image[i] += c[i] * v[j];
    });
    found = normOf(image, "2");
    v = Float64Array.from(columns, (c) => dot(c, image));
  }
  return found;
}

// --- internal ---

function runOnly(y: Node, feeds: Named<Tensor>): Float64Array {
  const needed = Object.fromEntries(Object.entries(feeds).filter(([name]) => namesIn(y).has(name)));
  return toFloat64(evaluate({ y }, needed).y);
}

const known = new WeakMap<Node, Set<string>>();

/** Names of the inputs that a node needs: an engine refuses to be fed others. */
function namesIn(y: Node): Set<string> {
  const have = known.get(y);
  if (have) return have;
  const names = new Set(inputsOf(topological([y])).keys());
  known.set(y, names);
  return names;
}

const nameOf = (node: Node): string => [...namesIn(node)][0];

function drawInput({ shape, dtype = "float32", low = -2, high = 2 }: InputSpec, r: Random): number[] {
  return Array.from({ length: sizeOf(shape) }, () => {
    if (dtype === "bool") return r.integer(2);
    return isFloat(dtype) ? Math.fround(low + (high - low) * r.uniform()) : low + r.integer(high - low + 1);
  });
}
