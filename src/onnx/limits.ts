/** @file What is refused before a graph is built: operators that have no place here, with the reason, and attribute values that are not read. */
import type { NodeProto } from "./proto.ts";
import { AttributeProto_AttributeType as Kind } from "./proto.ts";

/** Why a node cannot be read, as far as the node alone says; null if nothing speaks against it. */
export function whyNot(node: NodeProto, known: boolean): string | null {
  if (node.attribute.some((a) => a.g || a.graphs.length > 0)) return "control flow: it runs graphs of its own";
  if (!known) return reasonOf(node);
  if (node.attribute.some((a) => a.refAttrName !== "")) return "an attribute refers to a function's";
  const sparse = node.attribute.some((a) => a.sparseTensor || a.sparseTensors.length > 0);
  if (sparse) return "sparse tensors are not read";
  for (const a of node.attribute) {
    const allowed = values[node.opType]?.[a.name];
    if (!allowed) continue;
    const value = a.type === Kind.STRING || a.s.length > 0 ? new TextDecoder().decode(a.s) : Number(a.i);
    if (!allowed.includes(value)) return `${a.name} ${JSON.stringify(value)} is not read, only ${allowed.join(", ")}`;
  }
  return null;
}

// --- internal ---

const padding = ["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID", ""];

/** The values that are read of attributes with a choice. */
const values: Readonly<Record<string, Readonly<Record<string, readonly (string | number)[]>>>> = {
  ArgMax: { select_last_index: [0] },
  ArgMin: { select_last_index: [0] },
  AveragePool: { auto_pad: padding },
  BatchNormalization: { training_mode: [0] },
  Conv: { auto_pad: padding },
  ConvTranspose: { auto_pad: padding },
  DepthToSpace: { mode: ["DCR", "CRD"] },
  Gelu: { approximate: ["none", "tanh"] },
  LpNormalization: { p: [1, 2] },
  MaxPool: { auto_pad: padding },
  Pad: { mode: ["constant", "edge", "reflect", "wrap"] },
  Resize: {
    mode: ["nearest", "linear", "cubic"],
    coordinate_transformation_mode: [
      "half_pixel",
      "half_pixel_symmetric",
      "pytorch_half_pixel",
      "tf_half_pixel_for_nn",
      "align_corners",
      "asymmetric",
    ],
    nearest_mode: ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"],
    keep_aspect_ratio_policy: ["stretch", "not_larger", "not_smaller"],
  },
  Upsample: { mode: ["nearest", "linear"] },
};

/** Of the domain ai.onnx.ml. */
const learners: readonly (readonly [RegExp, string])[] = [
  [
    /^TreeEnsemble/,
    "a tree is a step function: it has no Lipschitz constant, and no radius follows from one; nothing of it can be said here",
  ],
  [/^(DictVectorizer|CategoryMapper|OneHotEncoder)$/, "categories are not read"],
];

const reasons: readonly (readonly [RegExp, string])[] = [
  [/^(If|Loop|Scan|SequenceMap)$/, "control flow: it runs graphs of its own"],
  [
    /Quantize|^QLinear|Integer$|^Dyn.*Quant|^QGemm|^QAttention/,
    "quantised arithmetic is not read: it rounds to a grid, a step function; use the float model",
  ],
  [/^(Random|Bernoulli|Multinomial)/, "its output is random"],
  [/^(NonZero|Unique|Compress|NonMaxSuppression)$/, "the shape or order of its output depends on values"],
  [/^(Sequence|Optional|SplitToSequence|ConcatFromSequence)/, "sequences and optional values are not read"],
  [/^(String|Regex|Tfidf|LabelEncoder)/, "text is not read"],
  [/^(Gradient|Momentum|Adam|Adagrad)$/, "training is not read"],
];

function reasonOf(node: NodeProto): string {
  if (node.domain === "ai.onnx.ml")
    return learners.find(([pattern]) => pattern.test(node.opType))?.[1] ?? "this library has no such operator";
  if (node.domain !== "" && node.domain !== "ai.onnx" && node.domain !== "com.microsoft") {
    return `the domain ${JSON.stringify(node.domain)} is not read; if it is a function of the model, inline it`;
  }
  return reasons.find(([pattern]) => pattern.test(node.opType))?.[1] ?? "this library has no such operator";
}
