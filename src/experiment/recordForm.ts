/** @file The form of record.json and samples.json, as far as a report, a comparison or a resumed run reads them. */
import { SpecError } from "../tensor/errors.ts";
import {
  aCount,
  aNumber,
  aNumberOrNull,
  anything,
  aTruth,
  aWord,
  type Form,
  listOf,
  objectOf,
  oneOf,
  orNothing,
  orNull,
} from "./form.ts";

const norm = oneOf("1", "2", "inf", 1, 2);

const bracket = objectOf({
  norm: oneOf("1", "2", "inf"),
  domain: aWord,
  lower: orNull(objectOf({ value: aNumber, method: aWord, witness: orNull(anything) })),
  upper: orNull(objectOf({ value: aNumber, method: aWord, proved: aTruth })),
  noConstant: orNothing(objectOf({ node: aWord, why: aWord })),
  bounds: listOf(
    objectOf({
      method: aWord,
      side: oneOf("upper", "lower", "estimate"),
      proved: aTruth,
      value: aNumberOrNull,
      seconds: aNumber,
      status: aWord,
    }),
  ),
  layers: listOf(
    objectOf({
      node: aWord,
      op: aWord,
      shape: listOf(aCount),
      upper: aNumberOrNull,
      lower: aNumberOrNull,
      shareOfLog: aNumberOrNull,
    }),
  ),
});

const radiusAccuracy = objectOf({ radius: aNumber, accuracy: aNumber });

const attacked = objectOf({
  protocol: objectOf({
    norm: oneOf("1", "2", "inf"),
    radii: listOf(aNumber),
    range: orNull(anything),
    seed: aCount,
    attacks: listOf(objectOf({ name: aWord })),
  }),
  samples: aCount,
  accuracy: aNumber,
  robust: listOf(radiusAccuracy),
  medianDistance: aNumberOrNull,
  alarm: listOf(
    objectOf({
      index: aCount,
      norm: aWord,
      radius: aNumberOrNull,
      distance: aNumber,
      attack: orNull(aWord),
      kind: oneOf("proof", "rounding"),
    }),
  ),
});

const summary = objectOf(
  Object.fromEntries(
    ["mean", "standardError", "min", "q25", "median", "q75", "q95", "max"].map((name) => [name, aNumberOrNull]),
  ),
);

const curvature = objectOf({
  of: aWord,
  method: aWord,
  samples: aCount,
  curvature: summary,
  hessian: summary,
  gradient: summary,
  smoothness: objectOf({ kind: aWord, kinks: listOf(aWord), jumps: listOf(aWord) }),
});

/** One run. */
export const runForm: Form = objectOf({
  tool: objectOf({ name: aWord, version: aWord }),
  spec: objectOf({}),
  data: objectOf({
    name: aWord,
    sha256: objectOf({ train: aWord, test: aWord }),
    samples: objectOf({ train: aCount, test: aCount }),
    notes: orNothing(listOf(aWord)),
  }),
  engine: aWord,
  model: objectOf({
    file: aWord,
    sha256: aWord,
    opset: aCount,
    parameters: aCount,
    exportCheck: objectOf({ samples: aCount, largestDifference: aNumberOrNull }),
  }),
  epochs: listOf(
    objectOf({
      epoch: aCount,
      epochs: aCount,
      trainLoss: aNumberOrNull,
      trainAccuracy: aNumberOrNull,
      testLoss: aNumberOrNull,
      testAccuracy: aNumberOrNull,
      seconds: aNumber,
    }),
  ),
  effort: orNothing(objectOf({ multiplyAdds: aNumber, attacked: aCount, curved: aCount, rounds: aCount })),
  seconds: objectOf({ train: aNumber, bound: aNumber, certify: aNumber, attack: aNumber, curvature: aNumber }),
  accuracy: aNumberOrNull,
  testLoss: aNumberOrNull,
  norm,
  bracket,
  claim: orNothing(orNull(objectOf({ constant: aNumber, proved: aNumberOrNull, holds: aTruth }))),
  certified: orNull(listOf(radiusAccuracy)),
  averageRadius: aNumberOrNull,
  attacked: orNull(attacked),
  curvature: orNull(curvature),
  machine: orNothing(objectOf({ platform: aWord, cpu: aWord, cores: aCount, runtime: aWord })),
});

/** Two numbers of a size that can be drawn. */
const pair: Form = (value, path) => {
  listOf(aNumber, 2)(value, path);
  const [low, high] = value as readonly number[];
  if (!(Math.abs(low) < 1e15 && Math.abs(high) < 1e15)) throw new SpecError(`${path}: must be numbers below 1e15`);
};

/** The samples beside a run. */
export const samplesForm: Form = objectOf({
  model: aWord,
  shape: listOf(aCount),
  range: orNull(pair),
  labels: listOf(aNumber),
  predicted: listOf(aNumber),
  radii: listOf(aNumberOrNull),
  by: orNothing(listOf(oneOf("constant", "curvature", "linear", "branching"))),
  ids: orNothing(listOf(aWord)),
  classNames: orNothing(listOf(aWord)),
  attacked: listOf(objectOf({ right: aTruth, distance: aNumberOrNull })),
  curvature: listOf(aNumberOrNull),
  weakest: listOf(
    objectOf({
      index: aCount,
      id: orNothing(aWord),
      label: aNumber,
      becomes: aNumber,
      radius: aNumberOrNull,
      distance: aNumber,
      x: listOf(aNumber),
      perturbation: listOf(aNumber),
    }),
  ),
  plane: orNull(
    objectOf({
      x: pair,
      y: pair,
      size: listOf(aCount, 2),
      margins: listOf(listOf(aNumberOrNull)),
      indices: listOf(aCount),
      points: listOf(pair),
    }),
  ),
  line: orNull(objectOf({ x: listOf(aNumber), targets: listOf(aNumber), outputs: listOf(aNumberOrNull) })),
});
