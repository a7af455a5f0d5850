/** @file Train a small network by one method, as `lipschitz train` does, and show after every epoch what it decides, what is proved of it, and how far each point is safe. */
import {
  certify,
  type Dataset,
  defaultsFor,
  digits,
  lipschitz,
  logitsOf,
  type Network,
  networkAt,
  type RunSpec,
  random,
  run,
  type Split,
  splitDataset,
  take,
  trainingOf,
  twoMoons,
  writeNetwork,
} from "lipschitz";
import { type Desk, dataOf } from "../desk.ts";
import { type DecisionMap, mapSize, type TrainAsk, type TrainState } from "../protocol.ts";
import type { JobOf } from "../worker.ts";

export const trainJob: JobOf<"train"> = async (desk, ask, { signal, say }) => {
  const { engine } = desk;
  const data = await dataFor(desk, ask);
  const spec = specOf(ask, data);
  say({ kind: "spec", spec });
  const training = trainingOf(spec, engine, data);
  const onMeasure = (what: string, part: number) => say({ kind: "measuring", what, part });
  for await (const done of run(spec, { engine, data, signal, onMeasure })) {
    if (done.kind === "done") return { record: done.record, samples: done.samples };
    if (done.kind !== "train") continue;
    const { event } = done;
    if (event.kind === "end") say({ kind: "model", bytes: writeNetwork(event.network) });
    if (event.kind !== "epoch") continue;
    const network = await networkAt(training, event.checkpoint);
    const { epoch, trainLoss: loss, testAccuracy: accuracy } = event;
    say({ kind: "epoch", state: { epoch, loss, accuracy, ...(await stateOf(desk, network, data.test, signal)) } });
  }
  throw new Error("the training ended without a record");
};

// --- internal ---

/** As many digits as are certified and attacked by every method in seconds. */
const testedDigits = 200;

/** The settings that the command line has for a method, of a model that is small enough to watch. */
function specOf({ method, epochs, seed, data: from }: TrainAsk, { train }: Split): RunSpec {
  const inputs = train.shape.reduce((n, d) => n * d, 1);
  return {
    ...defaultsFor(method, train.task),
    data: from === "dropped" ? train.name : from,
    model: { kind: "mlp", widths: inputs > 16 ? [64, 64] : [32, 32] },
    batch: Math.min(64, train.count),
    epochs,
    seed,
    ...(from === "digits" && { samples: { test: testedDigits } }),
    ...(from === "dropped" && { reading: { test: testPart } }),
  };
}

const testPart = 0.2;

async function dataFor(desk: Desk, { data, seed }: TrainAsk): Promise<Split> {
  if (data === "digits") return digits();
  if (data === "two-moons") return twoMoons(seed);
  return splitDataset(dataOf(desk), 1 - testPart, random(seed).fork("split"));
}

async function stateOf(
  { engine }: Desk,
  network: Network,
  test: Dataset,
  signal: AbortSignal,
): Promise<Pick<TrainState, "upper" | "map">> {
  const { upper } = await lipschitz(network, { engine, methods: ["autolip", "eclipse-fast"], signal });
  const plane = test.shape.length === 1 && test.shape[0] === 2 && test.task === "classification";
  return { upper: upper?.proved ? upper.value : null, map: plane ? await mapOf(engine, network, test, signal) : null };
}

/** Cells along each side. */
const cells = 56;

/** So many points are drawn with the balls that are certified around them. */
const mostPoints = 120;

async function mapOf(
  engine: Desk["engine"],
  network: Network,
  whole: Dataset,
  signal: AbortSignal,
): Promise<DecisionMap> {
  const data = take(whole, Math.min(mostPoints, whole.count));
  const side = (axis: number): readonly [number, number] => {
    const values = Array.from({ length: whole.count }, (_, k) => whole.x[2 * k + axis]);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return [low - 0.15 * (high - low), high + 0.15 * (high - low)];
  };
  const [x, y] = alike(side(0), side(1));
  const at = ([low, high]: readonly [number, number], k: number) => low + ((k + 0.5) / cells) * (high - low);
  const grid = Float32Array.from({ length: 2 * cells * cells }, (_, i) => {
    const cell = i >> 1;
    return i % 2 === 0 ? at(x, cell % cells) : at(y, Math.trunc(cell / cells));
  });
  const squares = { ...whole, x: grid, count: cells * cells, labels: new Int32Array(cells * cells) };
  const { data: logits, classes: outputs } = await logitsOf(network, engine, squares);
  const classes = Array.from({ length: cells * cells }, (_, k) => {
    const row = logits.subarray(k * outputs, (k + 1) * outputs);
    return row.indexOf(row.reduce((most, v) => Math.max(most, v), Number.NEGATIVE_INFINITY));
  });
  const { samples } = await certify(network, { engine, data, norm: 2, local: "off", signal });
  const points = samples.map((s, k) => ({
    x: data.x[2 * k],
    y: data.x[2 * k + 1],
    label: data.labels[k],
    radius: s.predicted === s.label ? s.radius : 0,
  }));
  return { x, y, cells, classes, points };
}

/** Both ranges grown to the proportions of the drawing, so that balls are round. */
function alike(x: readonly [number, number], y: readonly [number, number]) {
  const unit = Math.max((x[1] - x[0]) / mapSize.width, (y[1] - y[0]) / mapSize.height);
  const grown = ([low, high]: readonly [number, number], length: number) => {
    const middle = (low + high) / 2;
    return [middle - (unit * length) / 2, middle + (unit * length) / 2] as const;
  };
  return [grown(x, mapSize.width), grown(y, mapSize.height)] as const;
}
