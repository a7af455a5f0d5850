/** @file Which output of a model decides: its scores, where labels beside them say no more than the largest of them, and the numbers of a list of maps. */
import { must } from "../refusal.ts";
import type { Constant } from "./constant.ts";
import { endOf, type ValueInfo, valueInfoOf } from "./valueInfo.ts";

/** An output; the shape of one that is given as maps is not declared. Where there are labels, they are of a row of scores, [1, classes]. */
export type Output = Pick<ValueInfo, "name" | "bits"> & {
  readonly shape: ValueInfo["shape"] | null;
  readonly labelled?: boolean;
};

interface Node {
  readonly operator: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, unknown>;
}

/**
 * The outputs without labels beside scores, the nodes that lead to them, and those that only lead to labels. A label must be looked up by the place of the
 * largest score, in their order: what may decide otherwise than the scores is refused. A node that leads to nothing at all is kept, and found out later.
 */
export function decisive<N extends Node>(
  nodes: readonly N[],
  ends: readonly Uint8Array[],
  constant: (name: string) => Constant | "words" | undefined,
): { readonly kept: readonly N[]; readonly left: readonly N[]; readonly outputs: readonly Output[] } {
  const maps = new Map(nodes.filter((n) => n.operator === "ai.onnx.ml.ZipMap").map((n) => [n.outputs[0], n]));
  const scores: Output[] = [];
  const labels: string[] = [];
  const zips: N[] = [];
  const makers = new Map(nodes.flatMap((node) => node.outputs.map((out) => [out, node] as const)));
  for (const bytes of ends) {
    const { name, kind } = endOf(bytes);
    const map = kind === "other" ? maps.get(name) : undefined;
    if (map) {
      zips.push(map);
      scores.push({ name: map.inputs[0], shape: null });
    } else if (kind === "labels") labels.push(name);
    else {
      const port = valueInfoOf(bytes);
      must(port.type === "float", () => `the output "${name}": it must be of floating-point numbers`);
      scores.push(port);
    }
  }
  // A label alone is that of the scores that it is looked up by.
  if (scores.length === 0 && labels.length === 1)
    scores.push({ name: scoresOf(labels[0], makers, constant), shape: null });
  else if (scores.length === 1) {
    const ordered = orderedAs(scores[0].name, makers);
    for (const label of labels) {
      const own = scoresOf(label, makers, constant);
      must(
        ordered.has(own),
        () =>
          `the output "${label}": it must be the label of the largest of "${scores[0].name}", and is that of "${own}"`,
      );
    }
  }
  const names = scores.map(({ name }) => name);
  const [toScores, toLabels] = [leadingTo(names, makers), leadingTo(labels, makers)];
  const left = nodes.filter((n) => zips.includes(n) || (toLabels.has(n) && !toScores.has(n)));
  const kept = nodes.filter((n) => !left.includes(n));
  const own = new Set(kept.flatMap((n) => n.outputs));
  for (const name of left.flatMap((n) => n.outputs))
    must(!own.has(name), () => `the model: the tensor "${name}" is there already`);
  return { kept, left, outputs: scores.map((port) => (labels.length > 0 ? { ...port, labelled: true } : port)) };
}

// --- internal ---

type Makers = ReadonlyMap<string, Node>;

/** What keeps the order of scores, each of one input. */
const KEEPS = ["Softmax", "LogSoftmax", "Sigmoid", "ai.onnx.ml.Normalizer"];
/** What leaves a label as it is. */
const VIEWS = ["Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze"];
/** float32, int32, int64 and float64, in which labels are whole. */
const WHOLE = [1, 6, 7, 11];

/** The tensors whose numbers have the order of some scores: those, and what they are made of by what keeps it. */
function orderedAs(scores: string, makers: Makers): ReadonlySet<string> {
  const ordered = new Set([scores]);
  let node = makers.get(scores);
  for (; node !== undefined && KEEPS.includes(node.operator); node = makers.get(node.inputs[0]))
    ordered.add(node.inputs[0]);
  return ordered;
}

/** The scores that a label is that of the largest of, the first for the first; refused where it may be anything else. */
function scoresOf(label: string, makers: Makers, constant: (name: string) => Constant | "words" | undefined): string {
  const rule = (holds: boolean, what: string) =>
    must(holds, () => `the output "${label}": it must be the label of the largest score, and ${what}`);
  let looked = false;
  for (let name = label; ; ) {
    const own = makers.get(name);
    const { operator = "nothing" } = own ?? {};
    const cast = operator === "Cast" && WHOLE.includes(Number(own?.attributes.get("to")));
    if (own && (VIEWS.includes(operator) || cast)) name = own.inputs[0];
    else if (own && operator === "ai.onnx.ml.ArrayFeatureExtractor" && !looked) {
      const classes = constant(own.inputs[0]);
      rule(classes === "words" || classes?.type === "int", `is looked up in "${own.inputs[0]}"`);
      if (classes && classes !== "words") rule(inPlace(Array.from(classes.data)), "is one in another order");
      looked = true;
      name = own.inputs[1];
    } else if (own && operator === "ai.onnx.ml.LinearClassifier" && own.outputs[0] === name) {
      const classes = own.attributes.get("classlabels_ints");
      rule(!looked && own.outputs.length === 2, "is looked up otherwise");
      rule(!Array.isArray(classes) || inPlace(classes), "is one in another order");
      return own.outputs[1];
    } else {
      const axis = own?.attributes.get("axis");
      rule(own !== undefined && operator === "ArgMax" && (axis === 1 || axis === -1), `is made by ${operator}`);
      return own?.inputs[0] ?? "";
    }
  }
}

/** Are labels in the order of their scores? Where they are not the places of the scores at all, they are names, and in any order. */
const inPlace = (labels: readonly number[]): boolean =>
  labels.every((v, i) => v === i) ||
  labels.some((v) => !(v >= 0 && v < labels.length)) ||
  new Set(labels).size < labels.length;

/** The nodes that tensors are made by. */
function leadingTo(tensors: readonly string[], makers: Makers): ReadonlySet<Node> {
  const found = new Set<Node>();
  const stack = [...tensors];
  for (let name = stack.pop(); name !== undefined; name = stack.pop()) {
    const node = makers.get(name);
    if (!node || found.has(node)) continue;
    found.add(node);
    stack.push(...node.inputs);
  }
  return found;
}
