/**
 * @file Lengths: sqrt(M (x x) + c) with M, c >= 0, as l2 pooling, ReduceL2 and distances are written. The square has no constant and neither
 * has the root; together they have one, at 0 too, where the root alone is infinitely steep.
 */
import type { Behaviour, Node } from "../../graph/graph.ts";
import { sqrtUp, up } from "../../linalg/rounding.ts";
import { mostReaders, type Window } from "../../ops/windows.ts";
import type { Fixed } from "../fixed.ts";
import { fixedAt, isExactly, numberOf } from "./enclosure.ts";

/**
 * The constant of a node that is a length of another; null for anything else.
 *
 *     |sum_i M_oi x_i v_i| / y_o <= sqrt(sum_i M_oi v_i^2),   so that   ||J||_2^2 <= ||M||_1,   ||J||_inf^2 <= ||M||_inf,
 *
 * by Cauchy and Schwarz; and |J_oi| <= sqrt(M_oi), so that ||J||_1^2 <= r ||M||_1 where a number is read by at most r lengths.
 */
export function lengthOf(
  y: Node,
  varies: ReadonlySet<Node>,
  fixed: (node: Node) => Fixed,
): { readonly x: Node; readonly behaviour: Behaviour } | null {
  if (y.op.computes !== "root") return null;
  let [node, columns, rows, readers] = [y.inputs[0], 1, 1, 1];
  for (let steps = 0; steps < longest; steps++) {
    const x = squared(node, fixed);
    if (x && varies.has(x)) {
      const lipschitz = { 1: sqrtUp(up(readers * columns)), 2: sqrtUp(columns), inf: sqrtUp(rows) };
      return { x, behaviour: { kind: "smooth", lipschitz, curvature: Number.POSITIVE_INFINITY } };
    }
    const step = positiveStep(node, varies, fixed);
    if (!step) return null;
    node = step.of;
    columns = up(columns * step.columns);
    rows = up(rows * step.rows);
    readers *= step.readers;
  }
  return null;
}

/** x of x x or x^2. */
export function squared({ op, inputs: [a, b] }: Node, fixed: (node: Node) => Fixed): Node | null {
  if (op.computes === "product") return a === b ? a : null;
  if (op.computes !== "power") return null;
  const power = numberOf(fixed(b));
  return power && isExactly(power, 2) ? a : null;
}

// --- internal ---

const longest = 20;

/** A map with entries >= 0 and a translation >= 0: its largest sums of a column and of a row, and how many of its results a number is in. */
function positiveStep(node: Node, varies: ReadonlySet<Node>, fixed: (node: Node) => Fixed) {
  const which = node.inputs.filter((i) => varies.has(i));
  if (which.length !== 1) return null;
  const [of] = which;
  const first = node.inputs[0] === of;
  const { computes, order } = node.op;
  const plain = { of, columns: 1, rows: 1, readers: 1 };
  const behaviour = node.op.behaviour(
    node,
    node.inputs.map((i) => i === of),
  );
  if (behaviour.kind === "isometry" && node.inputs.length === 1 && (order === "moves" || computes === "cast"))
    return plain;
  if (order === "adds" && node.inputs.length === 1) {
    if (behaviour.kind !== "linear" || behaviour.of.form !== "bounded") return null;
    const { norm } = behaviour.of;
    const readers = computes === "window mean" ? mostReaders(of.shape.slice(2), node.attrs as Window) : 1;
    return { of, columns: norm[1], rows: norm.inf, readers };
  }
  if (!(computes === "sum" || computes === "product" || (computes === "quotient" && first))) return null;
  if (node.shape.join() !== of.shape.join()) return null;
  const other = fixed(node.inputs[first ? 1 : 0]);
  const ends = Array.from(other.data, (_, k) => fixedAt(other, k));
  if (!ends.every(([low, high]) => low >= 0 && Number.isFinite(high))) return null;
  if (computes === "sum") return plain;
  const factor =
    computes === "product"
      ? ends.reduce((most, [, high]) => Math.max(most, high), 0)
      : ends.reduce((most, [low]) => Math.max(most, up(1 / low)), 0);
  return Number.isFinite(factor) ? { of, columns: factor, rows: factor, readers: 1 } : null;
}
