/** @file How an operator asks for what its node has: operands and attributes by their kind, refused where they are of another. */

import { plus } from "../algebra/compose.ts";
import type { Sparse } from "../algebra/sparse.ts";
import { must } from "../refusal.ts";
import type { Bits, Constant } from "./constant.ts";
import type { Attribute, OnnxNode } from "./onnx.ts";
import { type Affine, linear, type Step, type Varying } from "./step.ts";

/** What a node reads: nothing where the input is left out. */
export type Operand = Varying | Constant | undefined;

/** What a node makes of its operands: a step after others that only it needs, a constant, or one of its operands as it is. */
export type Made = (Step & { readonly before?: readonly Step[] }) | Constant | Varying;

/** Of the model that a node is in. */
export interface Model {
  readonly opset: number;
  /** Of all floating-point numbers that it calculates with. */
  readonly bits: Bits;
  /** Does the node give what decides, so that what only keeps the order of its numbers is left out? */
  readonly ends: boolean;
}

export interface Reading extends Model {
  readonly node: OnnxNode;
  /** Which of its outputs is asked for. */
  readonly output: number;
  readonly operands: readonly Operand[];
  stepOf(tensor: string): Step | undefined;
}

export interface Operator {
  readonly attributes: readonly string[];
  /** Fewest and most. */
  readonly inputs: readonly [number, number];
  /** Most outputs, default 1. */
  readonly outputs?: number;
  /** What it makes for the output that is asked for; null where nothing may read that. */
  read(a: Arguments): Made | null;
}

/** The operands and attributes of a node, asked for with their kind. */
export class Arguments {
  readonly node: OnnxNode;
  readonly operands: readonly Operand[];
  /** The step that makes a tensor; undefined for the sample. */
  readonly stepOf: (tensor: string) => Step | undefined;
  readonly output: number;
  readonly model: Model;
  constructor({ node, output, operands, stepOf, ...model }: Reading) {
    this.node = node;
    this.output = output;
    this.operands = operands;
    this.stepOf = stepOf;
    this.model = model;
  }
  get out(): string {
    return this.node.outputs[this.output];
  }
  varying(i: number): Varying {
    const operand = this.operands[i];
    must(isVarying(operand), () => `${naming(this.node)}: input ${i} must depend on the data`);
    return operand;
  }
  /** A constant of floating-point numbers. */
  constant(i: number): Constant {
    return this.#constant(i, "float");
  }
  /** A constant of whole numbers, as a list. */
  whole(i: number): readonly number[] {
    return Array.from(this.#constant(i, "int").data);
  }
  /** The same with its shape. */
  wholeTensor(i: number): Constant {
    return this.#constant(i, "int");
  }
  /** What is only moved: anything but nothing. */
  any(i: number): Varying | Constant {
    const operand = this.operands[i];
    must(operand !== undefined, () => `${naming(this.node)}: input ${i} is left out`);
    return operand;
  }
  has(i: number): boolean {
    return this.operands[i] !== undefined;
  }
  number(key: string, otherwise: number): number {
    const value = this.node.attributes.get(key) ?? otherwise;
    must(typeof value === "number" && Number.isFinite(value), () => `${naming(this.node)}: ${key} must be a number`);
    return value;
  }
  list(key: string): readonly number[] | undefined {
    const value = this.node.attributes.get(key);
    must(
      value === undefined || (Array.isArray(value) && value.every((v) => typeof v === "number")),
      () => `${naming(this.node)}: ${key} must be a list of numbers`,
    );
    return value as readonly number[] | undefined;
  }
  word(key: string, otherwise: string): string {
    const value = this.node.attributes.get(key) ?? otherwise;
    must(typeof value === "string", () => `${naming(this.node)}: ${key} must be a word`);
    return value;
  }
  flag(key: string, otherwise: 0 | 1): boolean {
    const value = this.number(key, otherwise);
    must(value === 0 || value === 1, () => `${naming(this.node)}: ${key} must be 0 or 1, got ${value}`);
    return value === 1;
  }
  only(key: string, allowed: Attribute): void {
    const value = this.node.attributes.get(key) ?? allowed;
    must(value === allowed, () => `${naming(this.node)}: ${key} must be ${allowed}, got ${String(value)}`);
  }
  #constant(i: number, type: Constant["type"]): Constant {
    const operand = this.operands[i];
    must(
      operand !== undefined && !isVarying(operand) && operand.type === type,
      () =>
        `${naming(this.node)}: input ${i} must be a constant of ${type === "float" ? "floating-point numbers" : "type int64"}`,
    );
    return operand;
  }
}

/** Operators by their names. */
export type Operators = Readonly<Record<string, Operator>>;

export const isVarying = (operand: Operand | Made): operand is Varying => operand !== undefined && "tensor" in operand;

export const naming = (node: OnnxNode): string => `node "${node.name}" (${node.operator})`;

export function check(a: Arguments, holds: boolean, rule: string): asserts holds {
  must(holds, () => `${naming(a.node)}: ${rule}`);
}

/** matrix x + bias. */
export function affine(
  a: Arguments,
  shape: readonly number[],
  from: string,
  matrix: Sparse,
  bias: Float64Array,
  roundings: number,
): Affine & Varying {
  const step = linear(a.out, shape, from, matrix);
  return { ...step, bias, biasSize: bias.map(Math.abs), roundings: Math.max(roundings, matrix.roundings) };
}

export function axisOf(a: Arguments, axis: number, rank: number): number {
  check(a, Number.isInteger(axis) && axis >= -rank && axis < rank, `the axis ${axis} is not there`);
  return axis < 0 ? axis + rank : axis;
}

/** The axes of a node, as an attribute or as its second input. */
export function axesOf(a: Arguments, rank: number): readonly number[] | undefined {
  const given = a.list("axes") ?? (a.has(1) ? a.whole(1) : undefined);
  const axes = given?.map((axis) => axisOf(a, axis, rank));
  check(a, axes === undefined || new Set(axes).size === axes.length, "an axis is there twice");
  return axes;
}

/** What a reduction reads, its axes, and whether they stay as axes of length 1. Where none is named it reduces all, or, if it is told so, nothing. */
export function reductionOf(a: Arguments): {
  readonly x: Varying;
  readonly axes: readonly number[];
  readonly keep: boolean;
} {
  const x = a.varying(0);
  const axes = axesOf(a, x.shape.length);
  const keep = a.flag("keepdims", 1);
  if (axes !== undefined && axes.length > 0) return { x, axes, keep };
  check(a, !a.flag("noop_with_empty_axes", 0), "it must name its axes, or reduce all");
  return { x, axes: x.shape.map((_, axis) => axis), keep };
}

/** Parts that read the same tensor as one. */
export function joined(parts: Affine["parts"]): Affine["parts"] {
  const by = new Map<string, Sparse>();
  for (const { from, matrix } of parts) {
    const other = by.get(from);
    by.set(from, other ? plus(other, matrix) : matrix);
  }
  return [...by].map(([from, matrix]) => ({ from, matrix }));
}
