/** @file Whether a network has second derivatives to measure, by what its ops say of themselves: kinks bend a function at points that no derivative sees. */
import type { Subject } from "../bounds/subject.ts";
import { flowOf, isAffine } from "../graph/behaviour.ts";
import type { Node } from "../graph/graph.ts";
import { input } from "../graph/leaf.ts";
import { operatorOf } from "../graph/origin.ts";
import { isFloat } from "../tensor/tensor.ts";
import { hessianGraph, layoutOf } from "./hessian.ts";

export interface Smoothness {
  /**
   * `affine`: second derivative 0. `piecewise linear`: 0 wherever it exists, and all curvature is in kinks, which derivatives do not see.
   * `kinked`: it exists almost everywhere, kinks come on top. `smooth`: it exists everywhere.
   */
  readonly kind: "affine" | "piecewise linear" | "kinked" | "smooth";
  /** The operators with kinks, each once. */
  readonly kinks: readonly string[];
  /** The operators that jump: no derivative says anything of them. */
  readonly jumps: readonly string[];
}

/** Find out what the second derivatives of a network's outputs can say. */
export function smoothnessOf(subject: Subject): Smoothness {
  const { x, y } = subject.at(1, "float32");
  const { varying, varies } = flowOf(x, y);
  const kinks = new Set<string>();
  const jumps = new Set<string>();
  let affine = true;
  for (const node of varying) {
    if (node === x || isAffine(node, varies)) continue;
    affine = false;
    const behaviour = node.op.behaviour(
      node,
      node.inputs.map((i) => varies.has(i)),
    );
    const smoothly = behaviour.kind === "pointwise" || behaviour.kind === "smooth";
    if (smoothly && behaviour.curvature === Number.POSITIVE_INFINITY) kinks.add(operatorOf(node));
    else if (behaviour.kind === "unbounded" && !hasDerivative(node, varies)) jumps.add(operatorOf(node));
  }
  const named = { kinks: [...kinks], jumps: [...jumps] };
  if (affine) return { kind: "affine", ...named };
  if (kinks.size + jumps.size === 0) return { kind: "smooth", ...named };
  const { product } = hessianGraph(subject, "linear", layoutOf(subject, subject.sample, 1), "float32");
  return { kind: product ? "kinked" : "piecewise linear", ...named };
}

// --- internal ---

/** Does a cotangent flow back to any number that varies? Of a comparison or a rounding it does not. */
function hasDerivative(node: Node, varies: ReadonlySet<Node>): boolean {
  if (!isFloat(node.dtype)) return false;
  const pulled = node.op.vjp(node, input("cotangent", node.shape, node.dtype));
  return node.inputs.some((x, i) => varies.has(x) && isFloat(x.dtype) && pulled[i] !== null);
}
