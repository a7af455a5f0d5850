/**
 * @file A network as a program of the quadratic walk, tensors as vectors of numbers. Only what nodes say of themselves is asked: what is moved
 * or scaled is carried along and costs nothing, other affine nodes append rows, activations become slopes in [0, 1].
 */

import type { Flow } from "../../graph/behaviour.ts";
import { isAffine } from "../../graph/behaviour.ts";
import type { Node } from "../../graph/graph.ts";
import { operatorOf } from "../../graph/origin.ts";
import { up } from "../../linalg/rounding.ts";
import { sizeOf } from "../../tensor/shape.ts";
import type { Range } from "../domain.ts";
import type { NodeNorms } from "../norm/node.ts";
import { sortedPairs } from "../patterns/fuse.ts";
import type { Pair } from "../patterns/sorts.ts";
import { nodeMap } from "./nodeMap.ts";
import { poolsFirst } from "./pools.ts";
import {
  type Action,
  after,
  identityPlaces,
  type Linear,
  type Places,
  type Program,
  programOf,
  scaled,
  type Term,
  type Variable,
} from "./program.ts";
import { unfolded } from "./unfold.ts";

/**
 * What is known on a domain of the slopes of a node in one of its inputs, number by number; of a node that sorts pairs the slopes of relu(a - b), pair by pair.
 * Null for what is known everywhere.
 */
export type SlopesOf = (node: Node, input: number) => Range | null;

/** The program of a flow; a string says which node stands in the way. */
export function denseCuts(given: Flow, norms: NodeNorms, slopesOf?: SlopesOf): Program | string {
  if (given.varying.length === 0) return "the output does not depend on the input";
  // What is known of the slopes in a domain is known of a function where it stands.
  const flow = unfolded(slopesOf ? given : poolsFirst(given), (node) => sortedPairs(node) === null);
  const build = new Builder();
  const values = new Map<Node, Value>();
  const start = build.variable(sizeOf(flow.input.shape), "input");
  values.set(flow.input, { variable: start, map: identityPlaces(start.channels) });
  for (const node of flow.varying) {
    if (node === flow.input) continue;
    const made = denseValue(build, flow, norms, node, values, slopesOf);
    if (typeof made === "string") return made;
    values.set(node, made);
  }
  const output = build.materialise(values.get(flow.output) as Value, "output");
  return programOf([], start, output, build.actions);
}

/** A node as a value, from those of what it reads; a string says why there is none. */
export function denseValue(
  build: Builder,
  flow: Flow,
  norms: NodeNorms,
  node: Node,
  values: ReadonlyMap<Node, Value>,
  slopesOf: SlopesOf = () => null,
): Value | string {
  return isAffine(node, flow.varies)
    ? affineValue(build, flow, norms, node, values)
    : activationValue(build, flow, node, values, slopesOf);
}

/** Numbers of a variable, moved and scaled. */
export interface Value {
  readonly variable: Variable;
  readonly map: Places;
}

/** Actions as they come, and names for what they make. */
export class Builder {
  readonly actions: Action[] = [];
  multipliers = 0;

  variable(channels: number, name: string): Variable {
    return { channels, name };
  }

  /** A variable that is a sum of linear maps of values. */
  affine(name: string, rows: number, terms: readonly { readonly value: Value; readonly map: Linear }[]): Variable {
    const own = terms.map((term) => this.term(term, name));
    const to = this.variable(rows, name);
    this.actions.push({ kind: "affine", to, terms: own });
    return to;
  }

  /** A linear map of a value as one of its variable. */
  term({ value, map }: { readonly value: Value; readonly map: Linear }, name: string): Term {
    const composed = after(map, value.map);
    if (composed) return { from: value.variable, map: composed };
    return { from: this.materialise(value, name), map };
  }

  /** A value as a variable of its own. */
  materialise({ variable, map }: Value, name: string): Variable {
    if (isIdentity(map)) return variable;
    const to = this.variable(map.rows, name);
    this.actions.push({ kind: "affine", to, terms: [{ from: variable, map }] });
    return to;
  }

  /** z with slopes in [0, 1] of v, a multiplier for each channel. */
  sector(from: Variable, name: string, slopes?: Range): Variable {
    const to = this.variable(from.channels, name);
    const first = this.multipliers;
    this.multipliers += from.channels;
    const share = Int32Array.from({ length: from.channels }, (_, i) => first + i);
    this.actions.push({ kind: "sector", from, to, share, ...(slopes && { slopes }) });
    return to;
  }

  /** s(v) of slopes in [low, high]: low v + (high - low) z. Numbers whose slope is known have no z. */
  pointwise(v: Variable, low: Float64Array, high: Float64Array, name: string): Value {
    const n = v.channels;
    // From above, so that the slopes that it stands for hold all that are meant.
    const widths = low.map((a, i) => (a === 0 ? high[i] : high[i] > a ? up(high[i] - a) : 0));
    const open = Int32Array.from(widths.keys()).filter((i) => widths[i] > 0);
    const linear: Places = { ...identityPlaces(n), factors: low };
    if (open.length === 0) return { variable: v, map: linear };
    const read: Places = { ...identityPlaces(open.length), cols: n, from: open };
    const slopes = { low: Float64Array.from(open, (i) => low[i]), high: Float64Array.from(open, (i) => high[i]) };
    const plain = slopes.low.every((a) => a === 0) && slopes.high.every((b) => b === 1);
    const z = this.sector(this.materialise({ variable: v, map: read }, name), name, plain ? undefined : slopes);
    const from = new Int32Array(n).fill(-1);
    open.forEach((i, k) => {
      from[i] = k;
    });
    const width: Places = { ...identityPlaces(n), cols: open.length, from, factors: widths };
    if (low.every((a) => a === 0)) return { variable: z, map: width };
    const y = this.affine(name, n, [
      { value: whole(v), map: linear },
      { value: whole(z), map: width },
    ]);
    return whole(y);
  }

  /** |y| <= constant |v| in l2, whatever else. */
  gain(from: Variable, channels: number, constant: number, name: string): Variable {
    const to = this.variable(channels, name);
    this.actions.push({ kind: "gain", from, to, constant, multiplier: this.multipliers++ });
    return to;
  }

  /** Pairs sorted: max(a, b) = b + relu(a - b), min(a, b) = a - relu(a - b). */
  sort(value: Value, pairs: readonly Pair[], name: string, slopes: Range | null = null): Value {
    const sorted = pairs.filter(({ a, b }) => a !== b);
    const n = value.map.rows;
    const pick = (which: (p: Pair) => number, factor: number): Places => ({
      kind: "places",
      rows: sorted.length,
      cols: n,
      from: Int32Array.from(sorted, which),
      factors: new Float64Array(sorted.length).fill(factor),
      error: 0,
    });
    const v = this.affine(name, sorted.length, [
      { value, map: pick((p) => p.a, 1) },
      { value, map: pick((p) => p.b, -1) },
    ]);
    const z = slopes ? this.pointwise(v, slopes.low, slopes.high, name) : whole(this.sector(v, name));
    const own = { ...scaled(n, 1), from: new Int32Array(n) };
    const gates: Places = { ...scaled(n, 0), cols: sorted.length, from: new Int32Array(n).fill(-1) };
    for (const { a, b, max, min } of pairs) {
      own.from[max] = b;
      own.from[min] = a;
    }
    sorted.forEach(({ max, min }, k) => {
      gates.from[max] = k;
      gates.factors[max] = 1;
      gates.from[min] = k;
      gates.factors[min] = -1;
    });
    return whole(
      this.affine(name, n, [
        { value, map: own },
        { value: z, map: gates },
      ]),
    );
  }
}

/** A variable as a value. */
export const whole = (variable: Variable): Value => ({ variable, map: identityPlaces(variable.channels) });

/** Numbers where they were, and as large. */
export const isIdentity = ({ rows, cols, from, factors, shift }: Places): boolean =>
  rows === cols && !shift?.some((s) => s !== 0) && from.every((f, i) => f === i) && factors.every((f) => f === 1);

// --- internal ---

function affineValue(
  build: Builder,
  flow: Flow,
  norms: NodeNorms,
  node: Node,
  values: ReadonlyMap<Node, Value>,
): Value | string {
  const terms: { readonly value: Value; readonly map: Linear }[] = [];
  for (const [i, x] of node.inputs.entries()) {
    if (!flow.varies.has(x)) continue;
    const map = nodeMap(flow, norms, node, i);
    if (!map) return `${operatorOf(node)} is too large to be written out as a matrix`;
    terms.push({ value: values.get(x) as Value, map });
  }
  if (terms.length === 1 && terms[0].map.kind === "places") {
    const { value, map } = terms[0];
    return { variable: value.variable, map: after(map, value.map) as Places };
  }
  return whole(build.affine(operatorOf(node), sizeOf(node.shape), terms));
}

function activationValue(
  build: Builder,
  flow: Flow,
  node: Node,
  values: ReadonlyMap<Node, Value>,
  slopesOf: SlopesOf,
): Value | string {
  const varies = node.inputs.map((x) => flow.varies.has(x));
  const at = varies.indexOf(true);
  if (varies.lastIndexOf(true) !== at) return productValue(build, node, values, slopesOf);
  const value = values.get(node.inputs[at]) as Value;
  const pairs = sortedPairs(node);
  const known = slopesOf(node, at);
  if (pairs) return build.sort(value, pairs, operatorOf(node), known);
  const behaviour = node.op.behaviour(node, varies);
  if (behaviour.kind === "smooth" && !known) {
    const v = build.materialise(value, operatorOf(node));
    return whole(build.gain(v, sizeOf(node.shape), behaviour.lipschitz[2], operatorOf(node)));
  }
  const slopes =
    known ??
    (behaviour.kind === "pointwise"
      ? {
          low: new Float64Array(sizeOf(node.shape)).fill(behaviour.slope[0]),
          high: new Float64Array(sizeOf(node.shape)).fill(behaviour.slope[1]),
        }
      : null);
  if (!slopes || !areFinite(slopes)) return `${operatorOf(node)} has no constant`;
  const v = build.materialise(value, operatorOf(node));
  return build.pointwise(v, slopes.low, slopes.high, operatorOf(node));
}

/** A function of one number of each of several inputs, by its slopes in each. */
function productValue(
  build: Builder,
  node: Node,
  values: ReadonlyMap<Node, Value>,
  slopesOf: SlopesOf,
): Value | string {
  const name = operatorOf(node);
  const terms: { readonly value: Value; readonly map: Linear }[] = [];
  for (const [i, x] of node.inputs.entries()) {
    const value = values.get(x);
    if (!value) continue;
    const slopes = slopesOf(node, i);
    if (!slopes || !areFinite(slopes)) return `${name} of several varying inputs`;
    const own = build.pointwise(build.materialise(value, name), slopes.low, slopes.high, name);
    terms.push({ value: own, map: identityPlaces(slopes.low.length) });
  }
  return whole(build.affine(name, sizeOf(node.shape), terms));
}

const areFinite = ({ low, high }: Range): boolean => low.every(Number.isFinite) && high.every(Number.isFinite);
