/** @file One training step as one graph: forward, backward, optimiser and state, compiled once and run per batch. */
import { grad } from "../graph/gradient.ts";
import type { Node } from "../graph/graph.ts";
import { input } from "../graph/leaf.ts";
import { evalRun, type Layer, type Run } from "../layers/layer.ts";
import { cast, equal } from "../ops/arith.ts";
import { argMax } from "../ops/index.ts";
import { mean } from "../ops/reduce.ts";
import { ShapeError, UsageError } from "../tensor/errors.ts";
import { mapNamed, type Named, under, within } from "../tensor/named.ts";
import { type Shape, sameShape, showShape } from "../tensor/shape.ts";
import type { Tensor, Type } from "../tensor/tensor.ts";
import type { Loss } from "./loss.ts";
import type { Method, Objective, Step } from "./method.ts";
import type { Optimizer } from "./optimizer.ts";

/** Everything that a step changes; flat names: "params/0/weight", "state/1/mean", "optimizer/...", "method/...". */
export type TrainState = Named<Tensor>;

export interface StepGraph {
  /** "next/<name>" for everything that changes, "loss", and "accuracy" for a classification. */
  readonly outputs: Named<Node>;
  /** Shapes of the noise that must be fed, by input name. */
  readonly noise: Named<Shape>;
}

export interface StepOptions {
  readonly model: Layer;
  readonly method: Method;
  readonly optimizer: Optimizer;
  readonly loss: Loss;
  readonly initial: TrainState;
  readonly batch: number;
  readonly sample: Shape;
  readonly target: number;
  readonly classification: boolean;
  /** Do the data have derivatives of their targets? Default: no. */
  readonly slopes?: boolean;
}

/** Build the graph of a step. Inputs: "x", "y", "slopes", "rate", "step", "epoch", every name of the state, and the noise. */
export function stepGraph(options: StepOptions): StepGraph {
  const { model, method, optimizer, initial, batch, sample, target } = options;
  const nodes = mapNamed(initial, (t, name) => input(name, t.shape, t.dtype));
  const params = within("params", nodes);
  const state = within("state", nodes);
  const x = input("x", [batch, ...sample]);
  const y = input("y", [batch, target]);
  const { run, updates, used, noise } = trainingRun();

  const weights = model.weights({ ...params, ...state }, "train");
  const objective = (method.objective ?? dataTerm)({
    x,
    y,
    ...(options.slopes && { slopes: input("slopes", [batch, target, ...sample]) }),
    forward: (batchOf) => model.forward(batchOf, weights, run),
    evaluated: (batchOf) =>
      model.forward(batchOf, model.weights({ ...params, ...state, ...Object.fromEntries(used) }, "eval"), evalRun),
    loss: options.loss,
    params,
    state: within("method", nodes),
    epoch: input("epoch", []),
    noise: (shape) => run.noise(shape),
  });

  const names = Object.keys(params);
  const gradients = grad(
    objective.loss,
    names.map((name) => params[name]),
  );
  const next = optimizer.update({
    params,
    gradients: Object.fromEntries(names.map((name, i) => [name, gradients[i]])),
    state: within("optimizer", nodes),
    loss: objective.loss,
    outputs: objective.outputs,
    rate: input("rate", []),
    step: input("step", []),
    decay: (name) => method.decay?.(name) ?? 0,
    pace: (name) => method.pace?.(name) ?? 1,
  });
  const changed = {
    ...under("params", next.params),
    ...under("optimizer", next.state),
    ...under("state", Object.fromEntries(updates)),
    ...under("method", objective.state ?? {}),
  };
  checkUpdates(method.name, changed, initial);
  return {
    outputs: {
      loss: objective.loss,
      ...(options.classification ? { accuracy: accuracy(objective.outputs, y) } : {}),
      ...under("next", changed),
    },
    noise: Object.fromEntries(noise),
  };
}

/** Every new value must take the place of one that `init` made, of its dtype and shape: it is fed back in the next step. */
export function checkUpdates(who: string, made: Named<Type>, initial: TrainState): void {
  for (const [name, now] of Object.entries(made)) {
    const before = initial[name];
    if (!before) throw new UsageError(`${who}: a step updates "${name}", which init did not make`);
    if (before.dtype !== now.dtype || !sameShape(before.shape, now.shape)) {
      const types = [before, now].map(({ dtype, shape }) => `${dtype}${showShape(shape)}`);
      throw new ShapeError(`${who}: "${name}" must stay ${types[0]} from step to step, got ${types[1]}`);
    }
  }
}

// --- internal ---

function dataTerm({ x, y, forward, loss }: Step): Objective {
  const outputs = forward(x);
  return { loss: loss(outputs, y), outputs };
}

/** The part of a batch whose largest output is the true class. */
function accuracy(outputs: Node, y: Node): Node {
  return mean(cast(equal(argMax(outputs, 1), argMax(y, 1)), "float32"));
}

/** A run that collects what layers ask for: noise as inputs, updates of state by name (the first of each counts). */
function trainingRun() {
  const updates = new Map<string, Node>();
  const used = new Map<string, Node>();
  const noise = new Map<string, Shape>();
  const at = (prefix: string): Run => ({
    mode: "train",
    noise(shape) {
      const name = `noise/${noise.size}`;
      noise.set(name, shape);
      return input(name, shape);
    },
    update(name, value, instead) {
      if (updates.has(prefix + name)) return;
      updates.set(prefix + name, value);
      if (instead) used.set(prefix + name, instead);
    },
    child: (name) => at(`${prefix}${name}/`),
  });
  return { run: at(""), updates, used, noise };
}
