/** @file Where a run stands between two epochs. It is a value: the loop yields it, whoever wants to keep it writes it. */
import type { Dataset } from "../data/dataset.ts";
import type { Layer } from "../layers/layer.ts";
import { UsageError } from "../tensor/errors.ts";
import { under } from "../tensor/named.ts";
import type { Random } from "../tensor/random.ts";
import { sameShape } from "../tensor/shape.ts";
import type { Method } from "./method.ts";
import type { Optimizer } from "./optimizer.ts";
import type { TrainState } from "./step.ts";

/** All that is needed to go on. */
export interface Checkpoint {
  /** Epochs and steps that are done. */
  readonly epoch: number;
  readonly step: number;
  readonly state: TrainState;
}

/** The state that a run starts with. */
export function freshState(
  model: Layer,
  method: Method,
  optimizer: Optimizer,
  random: Random,
  data: Dataset,
  batch: number,
): TrainState {
  const { params, state } = model.init(random, data.shape);
  const beginning = { model, params, modelState: state, data, batch, random: random.fork("method") };
  return {
    ...under("params", params),
    ...under("state", state),
    ...under("optimizer", optimizer.init(params)),
    ...under("method", method.init?.(beginning) ?? {}),
  };
}

/** The state that a run starts with, but for parameters and states of layers, which are those of an earlier one; all of it without one. */
export function startedFrom(earlier: TrainState | undefined, initial: TrainState): TrainState {
  if (earlier === undefined) return initial;
  return Object.fromEntries(
    Object.entries(initial).map(([name, value]) => [name, /^(params|state)\//.test(name) ? earlier[name] : value]),
  );
}

/** Check that a checkpoint stands at the end of one of a run's epochs and has the variables that the run would start with; throws UsageError. */
export function checkResume(
  { epoch, step, state }: Checkpoint,
  initial: TrainState,
  epochs: number,
  perEpoch: number,
): void {
  const strange = Object.keys({ ...initial, ...state }).find((name) => {
    const [a, b] = [initial[name], state[name]];
    return !(a && b && a.dtype === b.dtype && sameShape(a.shape, b.shape));
  });
  if (strange !== undefined) {
    throw new UsageError(
      `train: the checkpoint is of another model, method or optimiser: "${strange}" differs; resume with the options it was made with`,
    );
  }
  if (step !== epoch * perEpoch) {
    throw new UsageError(
      `train: the checkpoint is of other data or another batch: ${epoch} epochs take ${epoch * perEpoch} steps, got ${step}; resume with the options it was made with`,
    );
  }
  if (epoch > epochs) {
    throw new UsageError(`train: epochs must not be fewer than the checkpoint's ${epoch}, got ${epochs}`);
  }
}
