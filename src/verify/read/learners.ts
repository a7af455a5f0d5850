/** @file Operators of ai.onnx.ml, as scikit-learn exports them: scalers and linear maps, whose weights are attributes. */
import { sparse } from "../algebra/sparse.ts";
import { type Arguments, affine, axisOf, check, type Operators } from "./arguments.ts";
import { moved } from "./places.ts";
import type { Step, Varying } from "./step.ts";

export const learners: Operators = {
  // (x - offset) scale
  "ai.onnx.ml.Scaler": {
    attributes: ["offset", "scale"],
    inputs: [1, 1],
    read(a) {
      const x = row(a);
      const n = x.shape[1];
      const [offset, scale] = ["offset", "scale"].map((key) => {
        const list = a.list(key) ?? [];
        check(a, list.length === n || list.length === 1, `${key} must be 1 or ${n} numbers, got ${list.length}`);
        return (i: number) => list[list.length === 1 ? 0 : i];
      });
      const matrix = sparse(n, n, (i, put) => put(i, scale(i)));
      const bias = Float64Array.from({ length: n }, (_, i) => -offset(i) * scale(i));
      return affine(a, x.shape, x.tensor, matrix, bias, 2);
    },
  },
  // Its first output are the labels of the largest, which nothing else may read.
  "ai.onnx.ml.LinearClassifier": {
    attributes: [
      "coefficients",
      "intercepts",
      "multi_class",
      "post_transform",
      "classlabels_ints",
      "classlabels_strings",
    ],
    inputs: [1, 1],
    outputs: 2,
    read(a) {
      if (a.output === 0) return null;
      const labels = ["classlabels_ints", "classlabels_strings"].map((key) => a.node.attributes.get(key));
      const classes = labels.reduce<number>((n, list) => n + (Array.isArray(list) ? list.length : 0), 0);
      // Of two classes with one score runtimes make another one.
      check(a, classes >= 2, "it must have two classes or more");
      // Words of data are numbered in this order.
      const words = Array.isArray(labels[1]) ? labels[1].map(String) : [];
      const sorted = words.every((word, i) => i === 0 || words[i - 1] < word);
      check(a, sorted, "its labels that are words must be in the order of the alphabet");
      return linearMap(a, classes);
    },
  },
  "ai.onnx.ml.LinearRegressor": {
    attributes: ["coefficients", "intercepts", "targets", "post_transform"],
    inputs: [1, 1],
    read: (a) => linearMap(a, a.number("targets", 1)),
  },
  // Places along the last axis.
  "ai.onnx.ml.ArrayFeatureExtractor": {
    attributes: [],
    inputs: [2, 2],
    read(a) {
      const x = a.varying(0);
      const last = x.shape.length - 1;
      check(a, last >= 1, "it must read rows");
      const places = a.whole(1).map((place) => axisOf(a, place, x.shape[last]));
      check(a, a.whole(1).every((place) => place >= 0) && places.length > 0, "its places must be there");
      const shape = [...x.shape.slice(0, last), places.length];
      return moved(a, x, shape, (place) => place.map((p, axis) => (axis === last ? places[p] : p)));
    },
  },
};

// --- internal ---

/** One row of features. */
function row(a: Arguments): Varying {
  const x = a.varying(0);
  check(a, x.shape.length === 2 && x.shape[0] === 1 && a.model.bits === 32, "it must read one row of float32 numbers");
  return x;
}

/** x W^T + b; what keeps the order of the scores may follow within the node where the model ends in it. */
function linearMap(a: Arguments, rows: number): Step {
  const x = row(a);
  const n = x.shape[1];
  const [W, b] = [a.list("coefficients") ?? [], a.list("intercepts") ?? []];
  check(
    a,
    Number.isInteger(rows) && rows >= 1 && W.length === rows * n,
    `it must have ${n} coefficients for each score`,
  );
  check(a, b.length === 0 || b.length === rows, `it must have ${rows} intercepts, or none`);
  const how = a.word("post_transform", "NONE");
  const ends = a.model.ends && rows > 1 && ["SOFTMAX", "LOGISTIC"].includes(how);
  check(a, how === "NONE" || ends, `post_transform ${how} is not known where it does not end the model`);
  const matrix = sparse(rows, n, (i, put) => {
    for (let j = 0; j < n; j++) put(j, W[i * n + j]);
  });
  const bias = Float64Array.from({ length: rows }, (_, i) => b[i] ?? 0);
  return affine(a, [1, rows], x.tensor, matrix, bias, 0);
}
