/** @file Train a small network by one method, and show after every epoch what it decides, what is proved of it, and how far each point is safe. */
import {
  adversarialTraining,
  certify,
  clip,
  crossEntropy,
  type Dataset,
  digits,
  lbdn,
  lcnn,
  lipschitz,
  lmt,
  logitsOf,
  type Method,
  mlp,
  multiMargin,
  type Network,
  networkAt,
  piecewiseLinear,
  plain,
  random,
  type Split,
  splitDataset,
  train,
  twoMoons,
  weightDecay,
  writeNetwork,
} from "lipschitz";
import { type Desk, dataOf } from "../desk.ts";
import type { DecisionMap, TrainAsk, TrainState } from "../protocol.ts";
import type { JobOf } from "../worker.ts";

export const trainJob: JobOf<"train"> = async (desk, ask, { signal, say }) => {
  const data = await dataFor(desk, ask);
  const inputs = data.train.shape.reduce((n, d) => n * d, 1);
  const hidden = inputs > 16 ? [64, 64] : [32, 32];
  const model = mlp([inputs, ...hidden, data.train.classes]);
  const method = methods[ask.method];
  if (!method) throw new Error(`there is no method ${ask.method}; there are ${Object.keys(methods).join(", ")}`);
  const { loss = crossEntropy, rate = 3e-3, made } = method();
  const batch = Math.min(64, data.train.count);
  const options = {
    engine: desk.engine,
    data,
    model,
    method: made,
    loss,
    batch,
    epochs: ask.epochs,
    seed: ask.seed,
    signal,
  };
  let state: TrainState | undefined;
  for await (const event of train({
    ...options,
    schedule: piecewiseLinear([
      [0, rate / 10],
      [0.3, rate],
      [1, rate / 20],
    ]),
  })) {
    if (event.kind === "epoch") {
      const network = await networkAt(options, event.checkpoint);
      state = await stateOf(desk, network, data, event.epoch, event.trainLoss, event.testAccuracy, signal);
      say(state);
    }
    if (event.kind === "end" && state) return { model: writeNetwork(event.network), state };
  }
  throw new Error("the training ended without a network");
};

// --- internal ---

interface Choice {
  readonly made: Method;
  readonly loss?: typeof crossEntropy;
  readonly rate?: number;
}

const methods: Readonly<Record<string, () => Choice>> = {
  plain: () => ({ made: plain() }),
  "weight-decay": () => ({ made: weightDecay({ decay: 0.5 }) }),
  clip: () => ({ made: clip({ weight: 0.05 }) }),
  lmt: () => ({ made: lmt({ c: 0.2 }) }),
  lbdn: () => ({ made: lbdn({ gamma: 2 }), loss: multiMargin(0.5), rate: 1e-2 }),
  lcnn: () => ({ made: lcnn() }),
  adversarial: () => ({ made: adversarialTraining({ radius: 0.1 }) }),
};

async function dataFor(desk: Desk, { data, seed }: TrainAsk): Promise<Split> {
  if (data === "digits") return digits();
  if (data === "two-moons") return twoMoons(seed, { samples: 600 });
  return splitDataset(dataOf(desk), 0.8, random(seed));
}

async function stateOf(
  { engine }: Desk,
  network: Network,
  { test }: Split,
  epoch: number,
  loss: number,
  accuracy: number | null,
  signal: AbortSignal,
): Promise<TrainState> {
  const { upper } = await lipschitz(network, { engine, methods: ["autolip", "eclipse-fast"], signal });
  const plane = test.shape.length === 1 && test.shape[0] === 2;
  return {
    epoch,
    loss,
    accuracy,
    upper: upper?.proved ? upper.value : null,
    map: plane ? await mapOf(engine, network, test, signal) : null,
  };
}

/** Cells along each side. */
const cells = 56;

async function mapOf(
  engine: Desk["engine"],
  network: Network,
  data: Dataset,
  signal: AbortSignal,
): Promise<DecisionMap> {
  const side = (axis: number): readonly [number, number] => {
    const values = Array.from({ length: data.count }, (_, k) => data.x[2 * k + axis]);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return [low - 0.15 * (high - low), high + 0.15 * (high - low)];
  };
  const [x, y] = [side(0), side(1)];
  const at = ([low, high]: readonly [number, number], k: number) => low + ((k + 0.5) / cells) * (high - low);
  const grid = Float32Array.from({ length: 2 * cells * cells }, (_, i) => {
    const cell = i >> 1;
    return i % 2 === 0 ? at(x, cell % cells) : at(y, Math.trunc(cell / cells));
  });
  const squares = { ...data, x: grid, count: cells * cells, labels: new Int32Array(cells * cells) };
  const { data: logits, classes: outputs } = await logitsOf(network, engine, squares);
  const classes = Array.from({ length: cells * cells }, (_, k) => {
    const row = logits.subarray(k * outputs, (k + 1) * outputs);
    return row.indexOf(row.reduce((most, v) => Math.max(most, v), Number.NEGATIVE_INFINITY));
  });
  const { samples } = await certify(network, { engine, data, norm: 2, signal });
  const points = samples.map((s, k) => ({
    x: data.x[2 * k],
    y: data.x[2 * k + 1],
    label: data.labels[k],
    radius: s.predicted === s.label ? s.radius : 0,
  }));
  return { x, y, cells, classes, points };
}
