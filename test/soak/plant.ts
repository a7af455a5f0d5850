/** @file Errors as a reader, an op or a bound could have them, planted in what is checked: the runtime runs the model, the library is handed another one. */
import { lipschitz } from "../../src/bounds/index.ts";
import { lengthOf } from "../../src/bounds/length.ts";
import { subjectOf } from "../../src/bounds/subject.ts";
import { evaluate } from "../../src/engine/reference.ts";
import { type Node, topological } from "../../src/graph/graph.ts";
import { input } from "../../src/graph/leaf.ts";
import type { Network } from "../../src/graph/network.ts";
import { substitute } from "../../src/graph/rewrite.ts";
import { jvp } from "../../src/graph/tangent.ts";
import { parseOnnx } from "../../src/onnx/read.ts";
import { tensor, toFloat64 } from "../../src/tensor/tensor.ts";
import { slopesOf, withSlopes } from "../functions.ts";
import { type ModelOf, modelOf, type NodeOf } from "../model.ts";
import type { CheckOptions } from "./check.ts";

/** An error: what a model is checked with, or null where the model has no place for it. */
export type Plant = (model: ModelOf) => Pick<CheckOptions, "read" | "bound"> | null;

/** The library reads another model than the runtime runs. */
const misread =
  (change: (model: ModelOf) => ModelOf | null): Plant =>
  (model) => {
    const other = change(model);
    return other && { read: () => parseOnnx(modelOf(other)) };
  };

/** One node that fits, changed. */
const onNode =
  (fits: (node: NodeOf) => boolean, change: (node: NodeOf) => NodeOf) =>
  (model: ModelOf): ModelOf | null => {
    const at = model.nodes.findLastIndex(fits);
    return at < 0 ? null : { ...model, nodes: model.nodes.map((n, i) => (i === at ? change(n) : n)) };
  };

const withAttribute = (node: NodeOf, name: string, value: (old: unknown) => unknown): NodeOf => {
  const old = node.attributes ?? {};
  return { ...node, attributes: { ...old, [name]: value(old[name]) as never } };
};

const has = (node: NodeOf, name: string): boolean => node.attributes?.[name] !== undefined;
const listOf = (node: NodeOf, name: string): readonly number[] => (node.attributes?.[name] ?? []) as readonly number[];

/** The graph that was read, with one kind of node replaced. */
const regraphed =
  (names: readonly string[], change: (node: Node) => Node): Plant =>
  (model) => {
    let network: Network;
    try {
      network = parseOnnx(modelOf(model));
    } catch {
      return null;
    }
    const nodesOf = (outputs: readonly Node[]) =>
      topological(outputs).filter((n) => names.includes(n.op.name) && n.op.behaviour(n, [true]).kind === "pointwise");
    const build: Network["build"] = (inputs) => {
      const outputs = network.build(inputs);
      return substitute(outputs, new Map(nodesOf(outputs).map((node) => [node, change(node)])));
    };
    const [port] = network.inputs;
    const probe = network.build([
      input(
        port.name,
        port.shape.map((d) => (typeof d === "number" ? d : 1)),
      ),
    ]);
    return nodesOf(probe).length === 0 ? null : { read: () => ({ ...network, build }) };
  };

/** A number of int64 as a double holds it. */
const asDouble = (v: bigint): bigint => BigInt(Number(v));

export const plants: Readonly<Record<string, Plant>> = {
  "a slope 2 % small": regraphed(["Relu", "LeakyRelu", "Tanh", "Abs", "Sigmoid", "Softplus", "Elu"], (node) => {
    const [low, high] = slopesOf(node);
    return withSlopes(node, [0.98 * low, 0.98 * high]);
  }),
  "a dropped node": misread((model) => {
    const dropped = ["Relu", "Abs", "Neg", "Tanh", "Sigmoid", "Floor", "Softplus", "Erf", "Cos"];
    return onNode(
      (n) => dropped.includes(n.op),
      (n) => ({ ...n, op: "Identity", attributes: {} }),
    )(model);
  }),
  "a wrong pad": misread(
    onNode(
      (n) => ["Conv", "MaxPool", "AveragePool"].includes(n.op) && new Set(listOf(n, "pads")).size > 1,
      (n) => withAttribute(n, "pads", () => [...listOf(n, "pads")].reverse()),
    ),
  ),
  "a wrong alpha": misread(
    onNode(
      (n) => ["LeakyRelu", "Elu", "Selu", "ThresholdedRelu", "HardSigmoid"].includes(n.op) && has(n, "alpha"),
      (n) => withAttribute(n, "alpha", (old) => ({ float: 1.01 * (old as { readonly float: number }).float + 0.001 })),
    ),
  ),
  "a resize off by one": misread(
    onNode(
      (n) => n.op === "Resize" && has(n, "nearest_mode"),
      (n) =>
        withAttribute(n, "nearest_mode", (old) => (old === "floor" || old === "round_prefer_floor" ? "ceil" : "floor")),
    ),
  ),
  "SAME_UPPER for SAME_LOWER": misread(
    onNode(
      (n) => n.attributes?.auto_pad === "SAME_LOWER",
      (n) => withAttribute(n, "auto_pad", () => "SAME_UPPER"),
    ),
  ),
  "an axis that is not the last": misread(
    onNode(
      (n) => ["Softmax", "LogSoftmax", "LpNormalization"].includes(n.op) && n.attributes?.axis === -1,
      (n) => withAttribute(n, "axis", () => -2),
    ),
  ),
  "integers of 64 bits as doubles": misread((model) => {
    const big = Object.entries(model.tensors ?? {}).filter(
      ([, t]) =>
        "dtype" in t && t.dtype === "int64" && Array.from(t.data as BigInt64Array).some((v) => v !== asDouble(v)),
    );
    if (big.length === 0) return null;
    const rounded = big.map(([name, t]) => [
      name,
      "dtype" in t ? tensor(BigInt64Array.from(t.data as BigInt64Array, asDouble), t.shape, "int64") : t,
    ]);
    return { ...model, tensors: { ...model.tensors, ...Object.fromEntries(rounded) } };
  }),
  "a lower bound from a derivative": () => ({ bound: derived }),
};

// --- internal ---

/** Lower bounds as the steepest derivative at either end of the witness says, along it: no two points need show that. */
const derived: typeof lipschitz = async (network, options) => {
  const bracket = await lipschitz(network, options);
  const subject = subjectOf(network);
  const { x, y } = subject.at(1, "float64");
  const v = input("v", x.shape, "float64");
  const [slope] = jvp([y], [x], [v]);
  const norm = bracket.norm === "1" ? 1 : bracket.norm === "2" ? 2 : "inf";
  const bounds = bracket.bounds.map((bound) => {
    if (bound.side !== "lower" || !bound.witness || !slope) return bound;
    const { x: from, y: to } = bound.witness;
    const way = to.map((c, i) => c - from[i]);
    const at = (point: readonly number[]) => {
      const feeds = { [subject.input]: tensor(point, x.shape, "float64"), v: tensor(way, x.shape, "float64") };
      const names = new Set(
        topological([slope])
          .filter((n) => n.inputs.length === 0 && n.op.name === "Input")
          .map((n) => (n.attrs as { readonly name: string }).name),
      );
      const used = Object.fromEntries(Object.entries(feeds).filter(([name]) => names.has(name)));
      return lengthOf(toFloat64(evaluate({ slope }, used).slope), norm) / lengthOf(Float64Array.from(way), norm);
    };
    return { ...bound, value: Math.max(at(from), at(to)) };
  });
  return { ...bracket, bounds };
};
