/** @file The operators of the domain ai.onnx.ml that are read, as scikit-learn exports them. The exported names are the table. */
import type { Node } from "../graph/graph.ts";
import { constant } from "../graph/leaf.ts";
import { add, cast, div, equal, maximum, minimum, mul, neg, pow, sub, where } from "../ops/arith.ts";
import { broadcastTo, sum } from "../ops/broadcast.ts";
import { gather } from "../ops/gather.ts";
import { argMax } from "../ops/index.ts";
import { matmul } from "../ops/matmul.ts";
import { concat, reshape } from "../ops/movement.ts";
import { abs, exp, sigmoid, sign, sqrt, tanh } from "../ops/pointwise.ts";
import { reduceMax } from "../ops/reduce.ts";
import { softmax } from "../ops/softmax.ts";
import { ReadError } from "../tensor/errors.ts";
import { showShape } from "../tensor/shape.ts";
import { isFloat, tensor } from "../tensor/tensor.ts";
import { type Call, type Operator, Refusal } from "./call.ts";

/** (x - offset) scale, feature by feature. */
export const Scaler: Operator = (c) => {
  const x = features(c);
  const [offset, scale] = ["offset", "scale"].map((name) => perFeature(c, name, x));
  return [mul(sub(x, offset), scale)];
};

/** Rows over their largest number, their sum of sizes or their length; a row of zeros stays. */
export const Normalizer: Operator = (c) => {
  const x = features(c);
  const kind = c.attributes.string("norm", "MAX");
  const last = [x.shape.length - 1];
  // The least positive float32 is above no norm but 0.
  const least = 2 ** -149;
  switch (kind) {
    case "L1":
      // What a softmax gives adds up to 1.
      if (x.op.computes === "softmax" && (x.attrs as { readonly axis: number }).axis === last[0]) return [x];
      return [div(x, maximum(sum(abs(x), last, true), least))];
    case "L2":
      return [div(x, maximum(sqrt(sum(mul(x, x), last, true)), least))];
    case "MAX": {
      // The largest, not the largest in size: as ONNX has it.
      const top = reduceMax(x, last, true);
      return [div(x, where(equal(top, 0), 1, top))];
    }
    default:
      throw new Refusal(`the norm "${kind}" is not read`);
  }
};

/** x W^T + b; its first output are the labels of the largest. */
export const LinearClassifier: Operator = (c) => {
  const x = features(c);
  c.attributes.ignore("multi_class");
  const b = numbersOf(c, "intercepts");
  const W = numbersOf(c, "coefficients");
  const rows = W.length / x.shape[1];
  const scores = withShift(matmul(x, matrix(W, rows, x, "coefficients")), b, rows);
  return labelled(c, scores);
};

export const LinearRegressor: Operator = (c) => {
  const x = features(c);
  const targets = c.attributes.int("targets", 1);
  const W = numbersOf(c, "coefficients");
  const scores = withShift(matmul(x, matrix(W, targets, x, "coefficients")), numbersOf(c, "intercepts"), targets);
  return [transformed(c, scores)];
};

/** sum_j a_j K(x, s_j) + b; of one class its sign. */
export const SVMRegressor: Operator = (c) => {
  const x = features(c);
  c.attributes.ignore("n_targets");
  const vectors = c.attributes.int("n_supports", 0);
  const one = c.attributes.int("one_class", 0) !== 0;
  const weights = numbersOf(c, "coefficients");
  const scores = add(kernelSum(c, x, weights, vectors), numbersOf(c, "rho")[0] ?? 0);
  return [transformed(c, one ? sign(scores) : scores)];
};

/**
 * Of two classes: -s and s, s(x) = sum_j a_j K(x, s_j) + b. The label is the first class where s is above 0: the scores of ONNX Runtime have the signs the other way
 * round. More classes are decided by votes.
 */
export const SVMClassifier: Operator = (c) => {
  const { attributes: a } = c;
  const x = features(c);
  const labels = labelsOf(c);
  if (labels.size > 2)
    throw new Refusal("more than two classes are decided by votes of pairs, which jump: it has no constant");
  if (a.floats("prob_a")?.length)
    throw new Refusal("probabilities of an SVM are not read; export its decision function");
  if (a.string("post_transform", "NONE") === "SOFTMAX")
    throw new Refusal(
      "SOFTMAX of the two scores of an SVM is not read: runtimes give something else; export it without",
    );
  a.ignore("prob_b", "vectors_per_class");
  const vectors = (numbersOf(c, "support_vectors").length / x.shape[1]) | 0;
  if (vectors === 0) throw new Refusal("an SVM without support vectors is not read");
  const s = add(kernelSum(c, x, numbersOf(c, "coefficients"), vectors), numbersOf(c, "rho")[0] ?? 0);
  const scores = concat([neg(s), s], 1);
  return [labelOf(c, concat([s, neg(s)], 1)), transformed(c, scores)];
};

/** Places along the last axis. */
export const ArrayFeatureExtractor: Operator = (c) => {
  const x = c.input(0);
  const axis = x.shape.length - 1;
  const places = c.input(1);
  const chosen = gather(x, reshape(places, [-1]), axis);
  return [axis === 0 ? reshape(chosen, [1, chosen.shape[0]]) : chosen];
};

/** Numbers for numbers, one by one: a step function of what varies. */
export const LabelEncoder: Operator = (c) => {
  const x = c.input(0);
  const { attributes: a } = c;
  const pick = (what: string) => a.wholes(`${what}_int64s`) ?? a.floats(`${what}_floats`);
  const [keys, values] = [pick("keys"), pick("values")];
  if (!keys || !values) throw new Refusal("labels that are words are not read");
  if (keys.length !== values.length) throw new ReadError(`${keys.length} keys have ${values.length} values`);
  if (keys.length > keysAtMost) throw new Refusal(`more than ${keysAtMost} keys are not read`);
  const whole = a.wholes("values_int64s") !== null;
  const other = whole ? a.int("default_int64", -1) : a.float("default_float", 0);
  a.ignore("default_string");
  const dtype = whole ? "int64" : c.dtype;
  const start: Node = broadcastTo(constant(tensor([other], [], dtype)), x.shape);
  const value = (v: bigint | number) => constant(tensor([Number(v)], [], dtype));
  return [keys.reduceRight<Node>((rest, key, i) => where(equal(x, Number(key)), value(values[i]), rest), start)];
};

/** Rows as maps from labels to numbers: the numbers. */
export const ZipMap: Operator = (c) => {
  c.attributes.ignore("classlabels_strings", "classlabels_int64s");
  return [c.input(0)];
};

// --- internal ---

const keysAtMost = 1024;

/** The input as rows of floating-point numbers. */
function features(c: Call): Node {
  const given = c.input(0);
  const x = isFloat(given.dtype) ? given : cast(given, c.dtype);
  if (x.shape.length === 1) return reshape(x, [1, x.shape[0]]);
  if (x.shape.length !== 2) throw new ReadError(`its input must be rows of features, got ${showShape(x.shape)}`);
  return x;
}

const numbersOf = (c: Call, name: string): readonly number[] => c.attributes.floats(name) ?? [];

const vector = (values: readonly number[], x: Node): Node => constant(tensor(values, [values.length], x.dtype));

/** One number for all features, or one for each. */
function perFeature(c: Call, name: string, x: Node): Node {
  const values = numbersOf(c, name);
  if (values.length !== 1 && values.length !== x.shape[1])
    throw new ReadError(`${name} must be 1 or ${x.shape[1]} numbers, got ${values.length}`);
  return vector(values, x);
}

/** Rows of weights, to be multiplied from the right: [features, rows]. */
function matrix(values: readonly number[], rows: number, x: Node, name: string): Node {
  const n = x.shape[1];
  if (!Number.isInteger(rows) || rows < 1 || values.length !== rows * n)
    throw new ReadError(`${name} must be rows of ${n} numbers, got ${values.length}`);
  const turned = Array.from({ length: n * rows }, (_, k) => values[(k % rows) * n + Math.floor(k / rows)]);
  return constant(tensor(turned, [n, rows], x.dtype));
}

function withShift(scores: Node, shift: readonly number[], rows: number): Node {
  if (shift.length === 0) return scores;
  if (shift.length !== rows) throw new ReadError(`intercepts must be ${rows} numbers, got ${shift.length}`);
  return add(scores, vector(shift, scores));
}

function labelsOf(c: Call): { readonly size: number; readonly whole: readonly bigint[] | null } {
  const whole = c.attributes.wholes("classlabels_int64s") ?? c.attributes.wholes("classlabels_ints");
  const words = c.attributes.strings("classlabels_strings");
  // Words of data are numbered in this order; a model that has them in another would be taken to decide for others.
  const unsorted = words?.find((word, i) => i > 0 && words[i - 1] >= word);
  if (unsorted !== undefined)
    throw new Refusal(
      `labels that are words must be in the order of the alphabet, got "${words?.join('", "')}"; export it with whole numbers`,
    );
  return { size: whole?.length || words?.length || 0, whole: whole?.length ? whole : null };
}

/** The label of the largest score, where labels are numbers, and the scores as they are shown. */
const labelled = (c: Call, scores: Node): readonly Node[] => [labelOf(c, scores), transformed(c, scores)];

/** The label of the largest score; its place where labels are words. */
function labelOf(c: Call, scores: Node): Node {
  const { size, whole } = labelsOf(c);
  if (scores.shape[1] !== size) throw new Refusal(`${scores.shape[1]} scores for ${size} classes are not read`);
  // That it is a place among the classes is not known of every ArgMax.
  const best = minimum(maximum(argMax(scores, 1), 0), size - 1);
  const named = (whole ?? []).map((v, i) => ({ v, i })).filter(({ v, i }) => v !== BigInt(i));
  if (named.length > keysAtMost) throw new Refusal(`more than ${keysAtMost} labels are not read`);
  return named.reduce<Node>(
    (rest, { v, i }) => where(equal(best, i), constant(tensor(BigInt64Array.of(v), [], "int64")), rest),
    best,
  );
}

/** ONNX Runtime leaves a single number as it is but under PROBIT. */
function transformed(c: Call, scores: Node): Node {
  const how = c.attributes.string("post_transform", "NONE");
  if (scores.shape[1] === 1 && (how === "LOGISTIC" || how === "SOFTMAX")) return scores;
  switch (how) {
    case "NONE":
      return scores;
    case "LOGISTIC":
      return sigmoid(scores);
    case "SOFTMAX":
      return softmax(scores, 1);
    default:
      throw new Refusal(`the transform "${how}" is not read`);
  }
}

/** sum_j a_j K(x, s_j), [rows, 1]; without support vectors a . x. */
function kernelSum(c: Call, x: Node, weights: readonly number[], vectors: number): Node {
  const kernel = c.attributes.string("kernel_type", "LINEAR");
  const [gamma = 0, offset = 0, degree = 1] = c.attributes.floats("kernel_params") ?? [];
  const support = numbersOf(c, "support_vectors");
  if (vectors === 0) {
    if (kernel !== "LINEAR") throw new Refusal(`the kernel ${kernel} without support vectors is not read`);
    return matmul(x, matrix(weights, 1, x, "coefficients"));
  }
  if (weights.length !== vectors) throw new ReadError(`${vectors} support vectors have ${weights.length} coefficients`);
  const S = matrix(support, vectors, x, "support_vectors");
  const a = constant(tensor(weights, [vectors, 1], x.dtype));
  const products = () => matmul(x, S);
  switch (kernel) {
    case "LINEAR":
      return matmul(products(), a);
    case "RBF": {
      const rows = reshape(constant(tensor(support, [vectors, x.shape[1]], x.dtype)), [1, vectors, x.shape[1]]);
      const apart = sub(reshape(x, [x.shape[0], 1, x.shape[1]]), rows);
      return matmul(exp(mul(sum(mul(apart, apart), [2], false), -gamma)), a);
    }
    case "POLY":
      return matmul(pow(add(mul(products(), gamma), offset), degree), a);
    case "SIGMOID":
      return matmul(tanh(add(mul(products(), gamma), offset)), a);
    default:
      throw new Refusal(`the kernel "${kernel}" is not read`);
  }
}
