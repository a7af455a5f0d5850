/** @file What is asked of every layer that is 1-Lipschitz by construction. */
import { describe, expect, it } from "vitest";
import { nodeEngine } from "../../src/engine/node.ts";
import { evaluate } from "../../src/engine/reference.ts";
import { grad, vjp } from "../../src/graph/gradient.ts";
import { dependents, type Node, topological } from "../../src/graph/graph.ts";
import { constant, input, inputsOf } from "../../src/graph/leaf.ts";
import { substitute } from "../../src/graph/rewrite.ts";
import { aolConv, aolDense } from "../../src/layers/aol.ts";
import { type Bounded, nothing, settled } from "../../src/layers/bounded.ts";
import { evalRun, type Mode } from "../../src/layers/layer.ts";
import { orthogonalDense } from "../../src/layers/orthogonal.ts";
import { orthogonalConv } from "../../src/layers/orthogonalConv.ts";
import { sandwichDense, sandwichLast } from "../../src/layers/sandwich.ts";
import { sandwichConv } from "../../src/layers/sandwichConv.ts";
import { residualDense } from "../../src/layers/sll.ts";
import { residualConv } from "../../src/layers/sllConv.ts";
import { type Matrix, matrix } from "../../src/linalg/matrix.ts";
import { mul, reshape, sum } from "../../src/ops/index.ts";
import { retype } from "../../src/ops/retype.ts";
import { mapNamed, type Named } from "../../src/tensor/named.ts";
import { normalTensor, type Random, random } from "../../src/tensor/random.ts";
import { type Shape, sizeOf } from "../../src/tensor/shape.ts";
import { cast, type Tensor, tensor, toFloat64 } from "../../src/tensor/tensor.ts";
import { norm, steepest } from "../contract/steepest.ts";

interface Row {
  readonly name: string;
  readonly layer: Bounded;
  readonly sample: Shape;
}

const rows: readonly Row[] = [
  { name: "sandwich, relu", layer: sandwichDense(4, "relu"), sample: [3] },
  { name: "sandwich, tanh", layer: sandwichDense(3, "tanh"), sample: [4] },
  { name: "orthogonal, wider", layer: orthogonalDense(4, "relu"), sample: [3] },
  { name: "orthogonal, narrower", layer: orthogonalDense(2, "tanh"), sample: [4] },
  { name: "orthogonal, maxMin", layer: orthogonalDense(4, "maxMin"), sample: [5] },
  { name: "orthogonal, householder", layer: orthogonalDense(4, "householder"), sample: [5] },
  {
    name: "orthogonal, convolution, householder",
    layer: orthogonalConv(2, { kernel: 3 }, "householder"),
    sample: [1, 2, 3],
  },
  { name: "aol, householder", layer: aolDense(4, "householder"), sample: [3] },
  { name: "aol", layer: aolDense(4, "relu"), sample: [3] },
  {
    name: "aol, convolution",
    layer: aolConv(2, { kernel: 3, stride: 2, padding: 1 }, "relu"),
    sample: [1, 4, 4],
  },
  { name: "sll", layer: residualDense("sll", 4, "relu"), sample: [3] },
  { name: "sll, narrower", layer: residualDense("sll", 2, "tanh"), sample: [4] },
  { name: "cpl", layer: residualDense("cpl", 3, "relu"), sample: [3] },
  {
    name: "sll, convolution",
    layer: residualConv("sll", 2, { kernel: 3 }, "relu"),
    sample: [1, 2, 3],
  },
  {
    name: "sll, convolution with a stride, even kernel, fewer channels",
    layer: residualConv("sll", 2, { kernel: 2, stride: 2 }, "tanh"),
    sample: [1, 2, 4],
  },
  { name: "cpl, convolution", layer: residualConv("cpl", 2, { kernel: 3 }, "relu"), sample: [1, 2, 3] },
  { name: "sandwich, convolution", layer: sandwichConv(2, { kernel: 3 }, "relu"), sample: [1, 2, 3] },
  {
    name: "sandwich, stride",
    layer: sandwichConv(3, { kernel: 3, stride: 2 }, "tanh"),
    sample: [1, 2, 4],
  },
  { name: "orthogonal, convolution", layer: orthogonalConv(2, { kernel: 3 }, "relu"), sample: [1, 2, 3] },
  {
    name: "orthogonal, stride",
    layer: orthogonalConv(3, { kernel: 3, stride: 2 }, "tanh"),
    sample: [1, 2, 4],
  },
  { name: "end of a sandwich", layer: sandwichLast(2), sample: [5] },
];

const step = 1e-5;

/** The layer from h to its own h, in float64, on inputs named as its parameters are. */
function built({ layer, sample }: Row, batch: number, mode: Mode) {
  const { params, state } = layer.init(random(1), sample);
  const variables = mapNamed({ ...params, ...state }, (t, name) => input(name, t.shape));
  const x = input("x", [batch, ...sample]);
  const { weights, pending } = layer.link(variables, nothing, mode);
  const h = settled(pending, layer.forward(x, weights, evalRun));
  return { params, variables, x, h: reshape(h, [batch, sizeOf(h.shape) / batch]) };
}

/** How many draws of the parameters are asked for the norm, of every row. */
const draws = 10_000;

/** Sizes of what was never trained. */
const sizes = [1, 1, 1e-8, 1e8, 1e-3, 30];

/** Parameters small, large, tiny and huge, one beside the other or within one tensor, row by row; rows of zeros, some or all; or few numbers and then zeros. */
function drawn(params: Named<Tensor>, r: Random): Named<Tensor> {
  return mapNamed(params, (t, name) => {
    const own = r.fork(name);
    const values = toFloat64(normalTensor(own, t.shape));
    const columns = t.shape.length > 1 ? sizeOf(t.shape.slice(1)) : 1;
    const mixed = own.integer(4) === 0;
    const one = sizes[own.integer(sizes.length)];
    for (let from = 0; from < values.length; from += columns) {
      const size = mixed ? sizes[own.integer(sizes.length)] : one;
      for (let k = from; k < from + columns; k++) values[k] *= size;
    }
    if (own.integer(4) === 0) values.fill(0, 0, columns * own.integer(1 + t.data.length / columns));
    if (own.integer(8) === 0) values.fill(0, 1 + own.integer(values.length));
    return tensor(values, t.shape, "float64");
  });
}

/** What a layer is around its activation: the derivatives of the activation's input, of the output past it, and of the output by it. */
function pieces(row: Row): { readonly params: Named<Tensor>; readonly outputs: Named<Node> } {
  const rows = sizeOf(row.layer.shape(row.sample));
  const { params, x, h } = built(row, rows, "train");
  const varying = dependents(topological([h]), [x]);
  const act = [...varying].find((node) => node.op.name === "Relu" || node.op.name === "Tanh");
  const cut = act && input("cut", act.shape);
  const [past] = act && cut ? substitute([h], new Map([[act, cut]])) : [h];
  const [P, C] = vjp([past], [constant(eye(rows, past.shape))], cut ? [x, cut] : [x]);
  const z = act?.inputs[0];
  const [B] = z ? vjp([z], [constant(eye(rows, z.shape))], [x]) : [null];
  const made = Object.entries({ P, C, B }).flatMap(([name, node]) => (node ? [[name, node] as const] : []));
  const typed = retype(
    made.map(([, node]) => reshape(node, [rows, sizeOf(node.shape) / rows])),
    "float64",
  );
  return { params, outputs: Object.fromEntries(made.map(([name], i) => [name, typed[i]])) };
}

/** The first rows of an identity, with rows of zeros below where there are too many. */
function eye(rows: number, shape: Shape): Tensor {
  const columns = sizeOf(shape) / rows;
  const data = new Float32Array(rows * columns);
  for (let k = 0; k < Math.min(rows, columns); k++) data[k * (columns + 1)] = 1;
  return tensor(data, shape);
}

describe.each(rows)("bounded contract: $name", (row) => {
  it("is 1-Lipschitz whatever its parameters are, at the worst slopes", async () => {
    const { params, outputs } = pieces(row);
    const program = await nodeEngine({ threads: 1 }).compile(outputs);
    let largest = 0;
    let steep = 0;
    for (let k = 0; k < draws; k++) {
      const r = random(k);
      const feeds: Record<string, Tensor> = { ...drawn(params, r.fork("params")) };
      if (program.inputs.x) feeds.x = repeated(normalTensor(r.fork("x"), row.sample), program.inputs.x.shape);
      for (const name of Object.keys(feeds)) if (!(name in program.inputs)) delete feeds[name];
      const found = await program.run(feeds);
      const of = (name: string) => (found[name] ? matrixOf(found[name]) : null);
      const [P, C, B] = [of("P"), of("C"), of("B")];
      const size = norm(steepest({ P, around: C && B && { C, B: firstRows(B, C.cols) } }, r.fork("slopes")));
      if (size > 0.9) steep++;
      largest = Math.max(largest, Number.isNaN(size) ? Number.POSITIVE_INFINITY : size);
    }
    await program.dispose();
    expect(largest).toBeLessThanOrEqual(1 + 1e-6);
    // The constant is no idle one: weights larger by 1e-5 would be seen, and many draws come near it.
    expect(largest).toBeGreaterThan(1 - 1e-6);
    expect(steep).toBeGreaterThan(draws / 200);
  });

  it("has the gradient that differences of the loss have", () => {
    const { params, variables, x, h } = built(row, 2, "train");
    const r = random(5);
    const weighted = sum(mul(h, constant(normalTensor(r.fork("dy"), h.shape))));
    const names = Object.keys(params);
    const [loss, ...gradients] = retype(
      [weighted, ...grad(weighted, [...names.map((n) => variables[n]), x])],
      "float64",
    );
    const at: Record<string, Tensor> = mapNamed(params, (t, name) =>
      moved(t, normalTensor(r.fork(name), t.shape, 0.3), 1),
    );
    const point: Named<Tensor> = { ...at, x: cast(normalTensor(r.fork("x"), x.shape), "float64") };
    const along = mapNamed(point, (t, name) => normalTensor(r.fork(`along ${name}`), t.shape));
    [...names, "x"].forEach((name, i) => {
      const g = toFloat64(evaluate({ g: gradients[i] }, only(point, gradients[i])).g);
      const one = (s: number) =>
        Number(evaluate({ loss }, only({ ...point, [name]: moved(point[name], along[name], s) }, loss)).loss.data[0]);
      const got = g.reduce((total, v, k) => total + v * Number(along[name].data[k]), 0);
      const want = (one(step) - one(-step)) / (2 * step);
      expect(Math.abs(got - want)).toBeLessThan(1e-6 * (1 + Math.abs(want)));
    });
  });
});

// --- internal ---

const matrixOf = (t: Tensor): Matrix => matrix(t.shape[0], t.shape[1], toFloat64(t));

/** One sample as often as a batch holds. */
function repeated({ data }: Tensor, shape: Shape): Tensor {
  const values = Float64Array.from({ length: sizeOf(shape) }, (_, i) => Number(data[i % data.length]));
  return tensor(values, shape, "float64");
}

const firstRows = ({ cols, data }: Matrix, rows: number): Matrix => ({
  rows,
  cols,
  data: data.subarray(0, rows * cols),
});

/** t + s d, in float64. */
function moved(t: Tensor, d: Tensor, s: number): Tensor {
  const by = toFloat64(d);
  return tensor(
    toFloat64(t).map((v, i) => v + s * by[i]),
    t.shape,
    "float64",
  );
}

/** The feeds that a graph reads. */
function only(feeds: Named<Tensor>, node: Node): Named<Tensor> {
  const needed = inputsOf(topological([node]));
  return Object.fromEntries(Object.entries(feeds).filter(([name]) => needed.has(name)));
}
