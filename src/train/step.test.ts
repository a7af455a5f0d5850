/** @file Tests of step.ts: the gradients of whole models against finite differences, and what a step does to its state. */

import { describe, expect, it } from "vitest";
import type { Dataset } from "../data/dataset.ts";
import { evaluate } from "../engine/reference.ts";
import { type Node, topological } from "../graph/graph.ts";
import { inputsOf } from "../graph/leaf.ts";
import { activation } from "../layers/activation.ts";
import { batchNorm } from "../layers/batchNorm.ts";
import { dense } from "../layers/dense.ts";
import { dropout } from "../layers/dropout.ts";
import type { Layer } from "../layers/layer.ts";
import { sequential } from "../layers/sequential.ts";
import { convnet } from "../models/convnet.ts";
import { mlp } from "../models/mlp.ts";
import { resnet } from "../models/resnet.ts";
import { add, mul } from "../ops/arith.ts";
import { retype } from "../ops/retype.ts";
import { mapNamed, type Named } from "../tensor/named.ts";
import { normalTensor, random, uniformTensor } from "../tensor/random.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import { cast, full, scalar, type Tensor, tensor, toFloat64, zeros } from "../tensor/tensor.ts";
import { freshState } from "./checkpoint.ts";
import { crossEntropy } from "./loss.ts";
import type { Method } from "./method.ts";
import { type Optimizer, sgd } from "./optimizer.ts";
import { plain } from "./plain.ts";
import { stepGraph } from "./step.ts";

interface Setting {
  readonly model: Layer;
  readonly sample: Shape;
  readonly method?: Method;
  readonly optimizer?: Optimizer;
}

const classes = 3;
const batch = 4;

/** Two samples, for the state that methods begin with. */
const dataOf = (shape: Shape): Dataset => ({
  name: "zeros",
  task: "classification",
  x: new Float32Array(2 * sizeOf(shape)),
  shape,
  count: 2,
  labels: Int32Array.of(0, 1),
  targets: new Float32Array(),
  classes,
});

/** A step in float64: its outputs and everything to feed. */
function stepOf({ model, sample, method = plain(), optimizer = sgd() }: Setting) {
  const r = random(11);
  const initial = freshState(model, method, optimizer, r.fork("init"), dataOf(sample), batch);
  const graph = stepGraph({
    model,
    method,
    optimizer,
    loss: crossEntropy,
    initial,
    batch,
    sample,
    target: classes,
    classification: true,
  });
  const names = Object.keys(graph.outputs);
  const nodes = retype(Object.values(graph.outputs), "float64");
  const outputs = Object.fromEntries(names.map((name, i) => [name, nodes[i]]));
  const labels = [0, 2, 1, 2];
  const feeds: Named<Tensor> = mapNamed(
    {
      ...initial,
      ...mapNamed(graph.noise, (shape, name) => uniformTensor(r.fork(name), shape)),
      x: normalTensor(r.fork("x"), [batch, ...sample]),
      y: tensor(
        labels.flatMap((label) => [0, 1, 2].map((c) => (c === label ? 1 : 0))),
        [batch, classes],
      ),
      rate: scalar(1),
      step: scalar(1),
    },
    (t) => cast(t, "float64"),
  );
  const run = (wanted: Named<Node>, changed: Named<Tensor> = {}) => {
    const all = { ...feeds, ...changed };
    const needed = inputsOf(topological(Object.values(wanted)));
    return evaluate(wanted, Object.fromEntries([...needed.keys()].map((name) => [name, all[name]])));
  };
  return { initial, outputs, feeds, run, graph };
}

describe("stepGraph()", () => {
  const settings: readonly [string, Setting][] = [
    ["an mlp with a smooth activation", { model: mlp([5, 6, 3], { activation: "gelu" }), sample: [5] }],
    ["an mlp with relu", { model: mlp([5, 8, 6, 3]), sample: [5] }],
    [
      "a convnet with pooling and batch-norm",
      { model: convnet(3, { channels: [2, 3], hidden: 5, shrink: "pool", batchNorm: true }), sample: [1, 8, 8] },
    ],
    [
      "a convnet with strides",
      { model: convnet(3, { channels: [2, 3], hidden: 5, activation: "silu" }), sample: [1, 7, 6] },
    ],
    ["a resnet", { model: resnet(3, { channels: [2, 3], activation: "tanh" }), sample: [2, 6, 6] }],
    [
      "batch-norm and dropout of vectors",
      { model: sequential([dense(6), batchNorm(), activation("elu"), dropout(0.3), dense(3)]), sample: [4] },
    ],
  ];

  it.each(settings)("descends along the gradient, by finite differences: %s", (_, setting) => {
    const { outputs, feeds, run } = stepOf(setting);
    const r = random(5);
    const { loss, ...rest } = outputs;
    const next = run(rest);
    let nonzero = 0;
    for (const name of Object.keys(feeds).filter((n) => n.startsWith("params/"))) {
      const values = toFloat64(feeds[name]);
      // At rate 1 plain descent moves by the gradient.
      const gradient = values.map((v, i) => v - Number(next[`next/${name}`].data[i]));
      const tries = values.length <= 6 ? values.keys() : Array.from({ length: 6 }, () => r.integer(values.length));
      for (const i of tries) {
        const h = 1e-5;
        const at = (d: number) => {
          const moved = { ...feeds[name], data: values.with(i, values[i] + d) };
          return Number(run({ loss }, { [name]: moved }).loss.data[0]);
        };
        const want = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
        expect(Math.abs(gradient[i] - want)).toBeLessThan(1e-8 * (1 + Math.abs(want)));
        if (Math.abs(want) > 1e-4) nonzero++;
      }
    }
    expect(nonzero).toBeGreaterThan(5);
  });

  it("says the loss and accuracy of the batch before the step", () => {
    const { outputs, run } = stepOf({ model: mlp([2, 3]), sample: [2] });
    // Outputs are x I + [0, 0, 5]: class 2 wins everywhere.
    const results = run(
      { loss: outputs.loss, accuracy: outputs.accuracy },
      { "params/1/weight": zeros([2, 3], "float64"), "params/1/bias": tensor([0, 0, 5], [3], "float64") },
    );
    const [likely, unlikely] = [Math.log(1 + 2 * Math.exp(-5)), 5 + Math.log(1 + 2 * Math.exp(-5))];
    expect(Number(results.loss.data[0])).toBeCloseTo((2 * likely + 2 * unlikely) / 4, 12);
    expect(results.accuracy.data[0]).toBe(0.5);
  });

  it("asks for its own noise at every use, and updates state by the first forward pass only", () => {
    const model = sequential([batchNorm(), dropout(0.5), dense(3), dropout(0.5)]);
    const twice: Method = {
      name: "twice",
      objective({ x, y, forward, loss }) {
        const outputs = forward(x);
        return { loss: add(loss(outputs, y), loss(forward(mul(x, 100)), y)), outputs };
      },
    };
    const { graph, run, outputs } = stepOf({ model, sample: [4], method: twice });
    expect(Object.values(graph.noise)).toEqual([
      [4, 4],
      [4, 3],
      [4, 4],
      [4, 3],
    ]);
    const once = stepOf({ model, sample: [4] });
    const wanted = "next/state/0/mean";
    expect(run({ m: outputs[wanted] })).toEqual(once.run({ m: once.outputs[wanted] }));
  });

  it("carries a method's state and applies its decay", () => {
    const counting: Method = {
      name: "counting",
      init: () => ({ count: zeros([]), still: full([2], 7) }),
      objective({ x, y, forward, loss, state }) {
        const outputs = forward(x);
        return { loss: loss(outputs, y), outputs, state: { count: add(state.count, 1) } };
      },
      decay: (name) => (name.endsWith("weight") ? 0.5 : 0),
    };
    const { outputs, run, initial } = stepOf({ model: mlp([2, 3]), sample: [2], method: counting });
    expect(Object.keys(outputs)).not.toContain("next/method/still");
    expect(run({ c: outputs["next/method/count"] }, { "method/count": scalar(4, "float64") }).c.data[0]).toBe(5);
    const free = stepOf({ model: mlp([2, 3]), sample: [2] });
    const [a, b] = [run(outputs), free.run(free.outputs)];
    const weight = toFloat64(initial["params/1/weight"]);
    weight.forEach((w, i) => {
      const name = "next/params/1/weight";
      expect(Number(a[name].data[i]) - Number(b[name].data[i])).toBeCloseTo(-0.5 * w, 12);
    });
    expect(a["next/params/1/bias"]).toEqual(b["next/params/1/bias"]);
  });

  it("refuses updates of what init did not make, or of another shape", () => {
    const withState = (made: (outputs: Node) => Named<Node>): Method => ({
      name: "bad",
      init: () => ({ s: zeros([2]) }),
      objective({ x, y, forward, loss }) {
        const outputs = forward(x);
        return { loss: loss(outputs, y), outputs, state: made(outputs) };
      },
    });
    const setting = { model: mlp([2, 3]), sample: [2] };
    expect(() => stepOf({ ...setting, method: withState((x) => ({ t: x })) })).toThrow(
      'bad: a step updates "method/t", which init did not make',
    );
    expect(() => stepOf({ ...setting, method: withState((x) => ({ s: x })) })).toThrow(
      'bad: "method/s" must stay float32[2] from step to step, got float32[4,3]',
    );
  });
});
