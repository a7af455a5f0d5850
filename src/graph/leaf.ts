/** @file Nodes without inputs: what a program is fed (`input`) and what is known when the graph is built (`constant`). */
import { ShapeError, UsageError } from "../tensor/errors.ts";
import type { Shape } from "../tensor/shape.ts";
import { cast, type DType, full, scalar, type Tensor, type Type, toFloat64 } from "../tensor/tensor.ts";
import { apply, type Behaviour, type Node, type Op } from "./graph.ts";

const still: Behaviour = { kind: "isometry" };

interface InputAttrs {
  readonly name: string;
  readonly type: Type;
}

const inputOp: Op<InputAttrs> = {
  name: "Input",
  infer: (_, attrs) => attrs.type,
  vjp: () => [],
  behaviour: () => still,
  evaluate: (y) => {
    throw new UsageError(`evaluate: input "${y.attrs.name}" was not fed`);
  },
  onnx: (y) => y.attrs.name,
};

const constantOp: Op<Tensor> = {
  name: "Constant",
  infer: (_, value) => ({ dtype: value.dtype, shape: value.shape }),
  vjp: () => [],
  behaviour: () => still,
  evaluate: (y) => toFloat64(y.attrs),
  onnx: (y, build) => build.constant(y.attrs),
};

/** A value that a program is fed by name. Parameters and optimiser state are inputs like any other. */
export const input = (name: string, shape: Shape, dtype: DType = "float32"): Node =>
  apply(inputOp, [], { name, type: { dtype, shape } });

/** A value known now. A plain number is a scalar of `dtype`. */
export function constant(value: Tensor | number, dtype: DType = "float32"): Node {
  return apply(constantOp, [], typeof value === "number" ? scalar(value, dtype) : value);
}

/** Constants that `computed` made. Kept beside the graph, because no computation may depend on it: only what a bound grants does. */
const rounded = new WeakSet<Node>();

/** A value that was computed from constants when the graph was built, and rounded on the way. */
export function computed(value: Tensor): Node {
  const node = constant(value);
  rounded.add(node);
  return node;
}

/** A constant as another dtype. */
export const recast = (node: Node<Tensor>, to: DType): Node =>
  (isComputed(node) ? computed : constant)(cast(node.attrs, to));

/** A constant filled with one number, of the type of another node. */
export const filledLike = (node: Type, value: number): Node => constant(full(node.shape, value, node.dtype));

export const isInput = (node: Node): node is Node<InputAttrs> => node.op === (inputOp as Op);
export const isConstant = (node: Node): node is Node<Tensor> => node.op === (constantOp as Op);

/** Is the node a constant with numbers that were rounded when the graph was built? */
export const isComputed = (node: Node): boolean => rounded.has(node);

/** Is the node a constant whose every element equals `value`? */
export function isFilledWith(node: Node, value: number): boolean {
  return isConstant(node) && node.attrs.data.every((v: number | bigint) => Number(v) === value);
}

/** The inputs that the outputs need, by name; a name used twice with different nodes is an error. */
export function inputsOf(order: readonly Node[]): Map<string, Node> {
  const found = new Map<string, Node>();
  for (const node of order) {
    if (!isInput(node)) continue;
    const { name } = node.attrs;
    const other = found.get(name);
    if (other && other !== node) throw new ShapeError(`duplicate input name "${name}": use one node for one input`);
    found.set(name, node);
  }
  return found;
}
