/** @file What is asked of every layer that is 1-Lipschitz by construction. */
import { describe, expect, it } from "vitest";
import { nodeEngine } from "../../src/engine/node.ts";
import { evaluate } from "../../src/engine/reference.ts";
import { grad, vjp } from "../../src/graph/gradient.ts";
import { type Node, topological } from "../../src/graph/graph.ts";
import { constant, input, inputsOf } from "../../src/graph/leaf.ts";
import { aolConv, aolDense } from "../../src/layers/aol.ts";
import { type Bounded, nothing, settled } from "../../src/layers/bounded.ts";
import { evalRun, type Mode } from "../../src/layers/layer.ts";
import { orthogonalDense } from "../../src/layers/orthogonal.ts";
import { orthogonalConv } from "../../src/layers/orthogonalConv.ts";
import { sandwichDense, sandwichLast } from "../../src/layers/sandwich.ts";
import { sandwichConv } from "../../src/layers/sandwichConv.ts";
import { residualDense } from "../../src/layers/sll.ts";
import { residualConv } from "../../src/layers/sllConv.ts";
import { matrix } from "../../src/linalg/matrix.ts";
import { singularValues } from "../../src/linalg/svd.ts";
import { mul, reshape, sum } from "../../src/ops/index.ts";
import { retype } from "../../src/ops/retype.ts";
import { mapNamed, type Named } from "../../src/tensor/named.ts";
import { normalTensor, type Random, random } from "../../src/tensor/random.ts";
import { type Shape, sizeOf } from "../../src/tensor/shape.ts";
import { cast, type Tensor, tensor, toFloat64 } from "../../src/tensor/tensor.ts";

interface Row {
  readonly name: string;
  readonly layer: Bounded;
  readonly sample: Shape;
  /** Draws of the parameters for the norm. */
  readonly draws: number;
  /** A norm that some draws reach; 0.9 unless told. */
  readonly reached?: number;
}

const rows: readonly Row[] = [
  { name: "sandwich, relu", layer: sandwichDense(4, "relu"), sample: [3], draws: 10_000 },
  { name: "sandwich, tanh", layer: sandwichDense(3, "tanh"), sample: [4], draws: 10_000 },
  { name: "orthogonal, wider", layer: orthogonalDense(4, "relu"), sample: [3], draws: 10_000 },
  { name: "orthogonal, narrower", layer: orthogonalDense(2, "tanh"), sample: [4], draws: 10_000 },
  { name: "orthogonal, maxMin", layer: orthogonalDense(4, "maxMin"), sample: [5], draws: 3000 },
  { name: "orthogonal, householder", layer: orthogonalDense(4, "householder"), sample: [5], draws: 3000 },
  {
    name: "orthogonal, convolution, householder",
    layer: orthogonalConv(2, { kernel: 3 }, "householder"),
    sample: [1, 3, 4],
    draws: 1000,
  },
  { name: "aol, householder", layer: aolDense(4, "householder"), sample: [3], draws: 3000 },
  { name: "aol", layer: aolDense(4, "relu"), sample: [3], draws: 10_000 },
  {
    name: "aol, convolution",
    layer: aolConv(2, { kernel: 3, stride: 2, padding: 1 }, "relu"),
    sample: [1, 4, 4],
    draws: 2000,
    reached: 0.3,
  },
  { name: "sll", layer: residualDense("sll", 4, "relu"), sample: [3], draws: 10_000 },
  { name: "sll, narrower", layer: residualDense("sll", 2, "tanh"), sample: [4], draws: 10_000 },
  { name: "cpl", layer: residualDense("cpl", 3, "relu"), sample: [3], draws: 10_000 },
  {
    name: "sll, convolution",
    layer: residualConv("sll", 2, { kernel: 3 }, "relu"),
    sample: [1, 4, 3],
    draws: 3000,
  },
  {
    name: "sll, convolution with a stride, even kernel, fewer channels",
    layer: residualConv("sll", 2, { kernel: 2, stride: 2 }, "tanh"),
    sample: [1, 4, 6],
    draws: 3000,
  },
  { name: "cpl, convolution", layer: residualConv("cpl", 2, { kernel: 3 }, "relu"), sample: [1, 3, 4], draws: 3000 },
  { name: "sandwich, convolution", layer: sandwichConv(2, { kernel: 3 }, "relu"), sample: [1, 3, 4], draws: 3000 },
  {
    name: "sandwich, stride",
    layer: sandwichConv(3, { kernel: 3, stride: 2 }, "tanh"),
    sample: [1, 4, 4],
    draws: 3000,
  },
  { name: "orthogonal, convolution", layer: orthogonalConv(2, { kernel: 3 }, "relu"), sample: [1, 3, 4], draws: 3000 },
  {
    name: "orthogonal, stride",
    layer: orthogonalConv(3, { kernel: 3, stride: 2 }, "tanh"),
    sample: [1, 4, 4],
    draws: 3000,
  },
  { name: "end of a sandwich", layer: sandwichLast(2), sample: [5], draws: 10_000 },
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

/** Parameters that were never trained: small, large, tiny, huge, with rows of zeros. */
function drawn(params: Named<Tensor>, r: Random): Named<Tensor> {
  const sizes = [1, 1, 1e-8, 1e8, 1e-3, 30];
  return mapNamed(params, (t, name) => {
    const own = r.fork(name);
    const size = sizes[own.integer(sizes.length)];
    const values = toFloat64(normalTensor(own, t.shape, size));
    const columns = t.shape.length > 1 ? sizeOf(t.shape.slice(1)) : 1;
    if (own.integer(4) === 0) values.fill(0, 0, columns * own.integer(1 + t.data.length / columns));
    return tensor(values, t.shape, "float64");
  });
}

describe.each(rows)("bounded contract: $name", (row) => {
  it("is 1-Lipschitz whatever its parameters are", async () => {
    const { layer, sample, draws, reached = 0.9 } = row;
    const outputs = sizeOf(layer.shape(sample));
    const size = sizeOf(sample);
    const { params, x, h } = built(row, outputs, "train");
    const eye = Float32Array.from({ length: outputs ** 2 }, (_, k) => (k % (outputs + 1) === 0 ? 1 : 0));
    const [slope] = vjp([h], [constant(tensor(eye, [outputs, outputs]))], [x]);
    const [jacobian] = retype([reshape(slope ?? x, [outputs, size])], "float64");
    const program = await nodeEngine().compile({ jacobian });
    let largest = 0;
    let steep = 0;
    for (let k = 0; k < draws; k++) {
      const r = random(k);
      const point = toFloat64(normalTensor(r.fork("x"), [size]));
      const feeds: Record<string, Tensor> = { ...drawn(params, r.fork("params")) };
      feeds.x = tensor(
        Float64Array.from({ length: outputs * size }, (_, i) => point[i % size]),
        x.shape,
        "float64",
      );
      for (const name of Object.keys(feeds)) if (!(name in program.inputs)) delete feeds[name];
      const J = toFloat64((await program.run(feeds)).jacobian);
      const [norm] = singularValues(matrix(outputs, size, J));
      if (norm > reached) steep++;
      largest = Math.max(largest, norm);
    }
    await program.dispose();
    expect(largest).toBeLessThanOrEqual(1 + 1e-6);
    // The constant is no idle one.
    expect(steep).toBeGreaterThan(draws / 50);
  }, 60_000);

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
