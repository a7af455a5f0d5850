/**
 * @file A network as the linear walk sees it: which nodes are affine, which nonlinear, and where ranges are needed. Facts are read from the graph of
 * one sample; graphs of many rows have the same nodes in the same order, and only they are compiled.
 */

import type { Flow } from "../../graph/behaviour.ts";
import { onlyCopies } from "../../graph/copy.ts";
import type { Behaviour, Node, Slopes } from "../../graph/graph.ts";
import { operatorOf } from "../../graph/origin.ts";
import { UsageError } from "../../tensor/errors.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { isFloat } from "../../tensor/tensor.ts";
import { type NodeNorms, nodeNorms } from "../norm/node.ts";
import { fusedFlow } from "../patterns/fuse.ts";
import type { Subject } from "../subject.ts";
import { simplerFlow } from "./simpler.ts";
import { agreesWith, stacked } from "./stack.ts";

/** Element by element: between lines on a range. */
export interface Pointwise {
  readonly kind: "pointwise";
  /** Position in `varying`, and that of what is read. */
  readonly at: number;
  readonly reads: readonly [number];
  /** Numbers of one sample. */
  readonly size: number;
  readonly slopeOn: Slopes;
  /** The values at the numbers of one sample, in float64. */
  apply(z: Float64Array): Float64Array;
}

/** Sums of products of one number of each of two inputs: between planes on two ranges. */
export interface Product {
  readonly kind: "product";
  readonly at: number;
  readonly reads: readonly [number, number];
  readonly size: number;
  /** Products in one sum, at most. */
  readonly terms: number;
}

/** A node that is not affine. */
export type Nonlinearity = Pointwise | Product;

/** An affine node: out = sum of A_i in_i + bias. */
export interface AffineFacts {
  /** Null where it is 0. */
  readonly bias: Float64Array | null;
  readonly biasSize: number;
  /** Numbers that meet in one sum, at most, here or in the adjoint. */
  readonly terms: number;
  /** Of each varying input: its position, and || |A_i| ||_inf. */
  readonly parts: readonly { readonly from: number; readonly norm: number }[];
  /** Relative error of the weights. */
  readonly relative: number;
  /** Are numbers only moved? */
  readonly exact: boolean;
}

export interface Plan {
  readonly subject: Subject;
  /** Of one sample, every node affine or a nonlinearity. */
  readonly flow: Flow;
  /** The flow that it was made of, and which node of that a node computes. */
  readonly given: Flow;
  originalOf(node: Node): Node | undefined;
  /** The nodes of one sample that vary, inputs before readers; the first is the input, the last the output. */
  readonly varying: readonly Node[];
  /** By position; null for the input and for nonlinearities. */
  readonly affine: readonly (AffineFacts | null)[];
  /** In the order of the flow. */
  readonly nonlinearities: readonly Nonlinearity[];
  /** The nonlinearity at a position, if it is one. */
  nonlinearityAt(at: number): number | undefined;
  /** Positions whose ranges are needed, in the order of the flow. */
  readonly needs: readonly number[];
  readonly norms: NodeNorms;
  /** Can there be more than one row in a graph? */
  readonly many: boolean;
  /** The nodes of a graph of `rows` samples, in the order of `varying`. */
  rows(rows: number): readonly Node[];
  /** Which nonlinearities the node at a position depends on, in order. */
  nonlinearitiesBefore(at: number): readonly number[];
}

/** Read a network; `given` is its flow of one sample, where that is known (`fusedFlow`). Throws UsageError where a node is none of: affine, element by element, a product, or made of such (`Op.parts`). */
export function planOf(subject: Subject, given?: Flow): Plan {
  const own = given ?? fusedFlow(...endsOf(subject));
  const { flow, of } = simplerFlow(own);
  const { varying, varies, input } = flow;
  if (varying.length === 0) throw new UsageError(`${subject.name}: its outputs do not depend on its input`);
  const norms = nodeNorms(flow);
  const place = new Map(varying.map((node, i) => [node, i]));
  const nonlinearities: Nonlinearity[] = [];
  const affine = varying.map((node, at): AffineFacts | null => {
    if (node === input) return null;
    const mask = node.inputs.map((i) => varies.has(i));
    const behaviour = node.op.behaviour(node, mask);
    const nonlinearity = nonlinearityOf(node, at, mask, behaviour, place, norms);
    if (nonlinearity) {
      nonlinearities.push(nonlinearity);
      return null;
    }
    if (behaviour.kind !== "isometry" && behaviour.kind !== "linear") {
      const why = behaviour.kind === "unbounded" ? behaviour.why : "it is no function of single numbers";
      throw new UsageError(`${subject.name}: the linear walk has no lines for ${operatorOf(node)}: ${why}`);
    }
    return affineOf(node, mask, place, norms);
  });
  const needs = [...new Set(nonlinearities.flatMap((b) => [...b.reads]))].sort((a, b) => a - b);
  const graphs = new Map<number, readonly Node[] | null>([[1, varying]]);
  const made = (rows: number) => {
    const known = graphs.get(rows);
    const own = known === undefined ? (builtFor(subject, varying, rows) ?? stacked(flow, subject.input, rows)) : known;
    graphs.set(rows, own);
    return own;
  };
  const before = dependencies(varying, nonlinearities);
  const at = new Map(nonlinearities.map((b, k) => [b.at, k]));
  return {
    subject,
    flow,
    given: own,
    originalOf: (node) => of.get(node),
    varying,
    affine,
    nonlinearities,
    nonlinearityAt: (position) => at.get(position),
    needs,
    norms,
    many: made(2) !== null && agreesWith(flow, norms, made(2) as readonly Node[], 2),
    rows(rows) {
      const own = made(rows);
      if (!own) throw new UsageError(`${subject.name}: its graph for one row has none for ${rows}`);
      return own;
    },
    nonlinearitiesBefore: (position) => before[position],
  };
}

// --- internal ---

/** The nodes for several samples as the network builds them, where its batch is free. */
function builtFor(subject: Subject, varying: readonly Node[], rows: number): readonly Node[] | null {
  if (subject.batch !== "free") return null;
  const { x, y } = subject.at(rows, "float64");
  const { varying: made } = simplerFlow(fusedFlow(x, y)).flow;
  const alike =
    made.length === varying.length &&
    made.every((node, i) => node.op === varying[i].op && sizeOf(node.shape) === rows * sizeOf(varying[i].shape));
  return alike ? made : null;
}

function endsOf(subject: Subject): [Node, Node] {
  const { x, y } = subject.at(1, "float64");
  return [x, y];
}

function nonlinearityOf(
  node: Node,
  at: number,
  mask: readonly boolean[],
  behaviour: Behaviour,
  place: ReadonlyMap<Node, number>,
  norms: NodeNorms,
): Nonlinearity | null {
  const size = sizeOf(node.shape);
  const slopeOn = slopesOf(behaviour);
  if (slopeOn) {
    const which = mask.indexOf(true);
    const held = node.inputs.map((x, i) => (i === which ? null : norms.fixed(x).data));
    const apply = (z: Float64Array) =>
      node.op.evaluate(
        node,
        held.map((h) => h ?? z),
      );
    return { kind: "pointwise", at, reads: [place.get(node.inputs[which]) as number], size, slopeOn, apply };
  }
  if (behaviour.kind !== "unbounded" || behaviour.local?.kind !== "product" || node.inputs.length !== 2) return null;
  const ones = node.inputs.map((x) => new Float64Array(sizeOf(x.shape)).fill(1));
  const terms = node.op.evaluate(node, ones).reduce((top, v) => Math.max(top, v), 0);
  const [a, b] = node.inputs.map((x) => place.get(x) as number);
  return { kind: "product", at, reads: [a, b], size, terms };
}

/** The slopes of a function of one number; null for anything else. */
const slopesOf = (behaviour: Behaviour): Slopes | null =>
  behaviour.kind === "pointwise"
    ? behaviour.slopeOn
    : behaviour.kind === "unbounded" && behaviour.local?.kind === "slopes"
      ? behaviour.local.slopeOn
      : null;

function affineOf(
  node: Node,
  mask: readonly boolean[],
  place: ReadonlyMap<Node, number>,
  norms: NodeNorms,
): AffineFacts {
  // What an affine node makes of zeros.
  const value = node.op.evaluate(
    node,
    node.inputs.map((x, i) => (mask[i] ? new Float64Array(sizeOf(x.shape)) : norms.fixed(x).data)),
  );
  const biasSize = value.reduce((top, v) => Math.max(top, Math.abs(v)), 0);
  const fixed = node.inputs.filter((x, i) => !mask[i] && isFloat(x.dtype));
  return {
    bias: biasSize > 0 ? value : null,
    biasSize,
    terms: node.inputs.reduce((n, x, i) => n + (mask[i] ? sizeOf(x.shape) : 0), sizeOf(node.shape)),
    parts: node.inputs.flatMap((x, i) =>
      mask[i] ? [{ from: place.get(x) as number, norm: norms.partial(node, i, "inf").upper }] : [],
    ),
    relative: fixed.reduce((top, x) => Math.max(top, norms.fixed(x).error), 0),
    exact: biasSize === 0 && node.inputs.length === 1 && onlyCopies(node),
  };
}

/** For every node the nonlinearities that it depends on. */
function dependencies(
  varying: readonly Node[],
  nonlinearities: readonly Nonlinearity[],
): readonly (readonly number[])[] {
  const nonlinearityAt = new Map(nonlinearities.map((b, k) => [b.at, k]));
  const sets = new Map<Node, Set<number>>();
  return varying.map((node, at) => {
    const own = new Set<number>();
    for (const x of node.inputs) for (const k of sets.get(x) ?? []) own.add(k);
    const k = nonlinearityAt.get(at);
    if (k !== undefined) own.add(k);
    sets.set(node, own);
    return [...own].sort((a, b) => a - b);
  });
}
