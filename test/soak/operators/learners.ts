/** @file Operators of the domain ai.onnx.ml as they are drawn: scalings, linear models and SVMs, places and labels. */
import type { Value as Attribute } from "../../model.ts";
import type { Builder, Drawn, Emit } from "../builder.ts";

const domain = "ai.onnx.ml";

const floats = (g: Builder, n: number): Attribute => ({ floats: g.floats(n) });

const scaler: Emit = (g, x) => {
  const n = x.shape[1];
  const size = g.chance(0.5) ? n : 1;
  const own = () => floats(g, size);
  return g.add("Scaler", [x], { offset: own(), scale: own() }, x.shape, "float", domain);
};

const normalizer: Emit = (g, x) => {
  const source = g.chance(0.3) ? g.add("Softmax", [x], g.opset < 13 ? { axis: 1 } : {}, x.shape) : x;
  return g.add("Normalizer", [source], { norm: g.pick(["L1", "L2", "MAX", undefined]) }, x.shape, "float", domain);
};

const transforms = (g: Builder) => g.pick(["NONE", "LOGISTIC", "SOFTMAX", undefined]);

const classifier: Emit = (g, x) => {
  const [rows, features] = x.shape;
  const classes = g.integer(2, 4);
  const labels = Array.from({ length: classes }, (_, i) => (g.chance(0.5) ? i : 10 - 3 * i));
  const attributes = {
    coefficients: floats(g, classes * features),
    intercepts: floats(g, classes),
    classlabels_ints: labels,
    multi_class: g.pick([0, 1, undefined]),
    post_transform: transforms(g),
  };
  const shapes = [[rows], [rows, classes]];
  const [label, scores] = g.addMany("LinearClassifier", [x], attributes, shapes, { kinds: ["int64"], domain });
  return g.chance(0.1) ? label : scores;
};

const regressor: Emit = (g, x) => {
  const [rows, features] = x.shape;
  const targets = g.integer(1, 3);
  const attributes = {
    coefficients: floats(g, targets * features),
    intercepts: g.chance(0.8) ? floats(g, targets) : undefined,
    targets: targets > 1 || g.chance(0.5) ? targets : undefined,
  };
  return g.add("LinearRegressor", [x], attributes, [rows, targets], "float", domain);
};

/** A kernel and its numbers, small enough that no power overflows. */
const kernel = (g: Builder): Record<string, Attribute | undefined> => ({
  kernel_type: g.pick(["LINEAR", "RBF", "POLY", "SIGMOID"]),
  kernel_params: { floats: [g.pick([0.1, 0.5, 1]), g.pick([0, 1, -0.5]), g.pick([2, 3])] },
});

/** What a regressor and a classifier of so many support vectors have alike. */
const supports = (g: Builder, vectors: number, features: number) => ({
  ...kernel(g),
  coefficients: floats(g, vectors),
  support_vectors: floats(g, vectors * features),
  rho: floats(g, 1),
});

const svmRegressor: Emit = (g, x) => {
  const [rows, features] = x.shape;
  const vectors = g.integer(1, 3);
  const attributes = {
    ...supports(g, vectors, features),
    n_supports: vectors,
    one_class: g.chance(0.15) ? 1 : undefined,
  };
  return g.add("SVMRegressor", [x], attributes, [rows, 1], "float", domain);
};

const svmClassifier: Emit = (g, x) => {
  const [rows, features] = x.shape;
  const counts = [g.integer(1, 2), g.integer(1, 2)];
  const vectors = counts[0] + counts[1];
  const attributes = {
    ...supports(g, vectors, features),
    vectors_per_class: counts,
    classlabels_ints: g.pick([
      [0, 1],
      [3, 7],
    ]),
    post_transform: g.pick(["NONE", undefined]),
  };
  const shapes = [[rows], [rows, 2]];
  return g.addMany("SVMClassifier", [x], attributes, shapes, { kinds: ["int64"], domain })[1];
};

const extractor: Emit = (g, x) => {
  const n = x.shape[x.shape.length - 1];
  const places = Array.from({ length: g.integer(1, 3) }, () => g.integer(0, n - 1));
  const shape = [...x.shape.slice(0, -1), places.length];
  return g.add(
    "ArrayFeatureExtractor",
    [x, g.constant("int64", [1, places.length], places)],
    {},
    shape,
    "float",
    domain,
  );
};

const encoder: Emit = (g, x) => {
  const keys = g.pick([
    [0, 1],
    [2, -1, 3],
  ]);
  const attributes = {
    keys_int64s: keys,
    values_floats: floats(g, keys.length),
    default_float: g.chance(0.5) ? { float: g.pick([1, -2]) } : undefined,
  };
  return g.add("LabelEncoder", [x], attributes, x.shape, "float", domain);
};

const rows = { since: 9, ranks: [2, 2], kinds: ["float"] } as const;

export const learners: Readonly<Record<string, Drawn>> = {
  Scaler: { ...rows, emit: scaler },
  Normalizer: { ...rows, emit: normalizer },
  LinearClassifier: { ...rows, emit: classifier },
  LinearRegressor: { ...rows, emit: regressor },
  SVMRegressor: { ...rows, emit: svmRegressor },
  SVMClassifier: { ...rows, emit: svmClassifier },
  ArrayFeatureExtractor: { since: 9, ranks: [2, 3], kinds: ["float"], emit: extractor },
  LabelEncoder: { since: 9, ranks: [1, 3], kinds: ["int64"], emit: encoder },
};
