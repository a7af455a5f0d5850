/**
 * @file Compositions that are a known function: x sigmoid(x) as models are exported, a PReLU of four ops, a MaxMin of slices. They stay what
 * they compute; a bound sees one node that says of itself what no part of it can say.
 */
import { type Flow, flowOf } from "../../graph/behaviour.ts";
import { vjp } from "../../graph/gradient.ts";
import { apply, type Behaviour, type Elementary, type Node, type Op, topological } from "../../graph/graph.ts";
import { input } from "../../graph/leaf.ts";
import { copyOrigin } from "../../graph/origin.ts";
import { substitute } from "../../graph/rewrite.ts";
import type { Type } from "../../tensor/tensor.ts";
import { asFunction, type Fixed, fixedValues } from "../fixed.ts";
import type { Composition } from "./composition.ts";
import { gateBehaviour } from "./gates.ts";
import { kinkedBehaviour } from "./kinked.ts";
import { lengthOf } from "./lengths.ts";
import { normalisationOf } from "./normalisations.ts";
import { isMove, type Pair, pairsOf } from "./sorts.ts";

export interface Fusing {
  /**
   * Shall a normalisation be one node? It then has a constant everywhere, and one over the least deviation where its input keeps to ranges. Default false: whoever follows lines or differences goes
   * through its parts.
   */
  readonly normalisations?: boolean;
  /**
   * Shall what loses digits when it is computed part by part be one node, too? Its slopes are known, its values are not what a machine makes of its parts: for constants
   * that rest on no value. Default false.
   */
  readonly unsteady?: boolean;
}

/** The flow between two nodes with every composition that is recognised in it as one node. */
export function fusedFlow(x: Node, y: Node, { normalisations = false, unsteady = false }: Fusing = {}): Flow {
  const fixed = fixedValues();
  const made = new Map<Node, Node>();
  const place = new Map<Node, number>();
  const varies = flowOf(x, y).varies;
  const order = topological([y]);
  order.forEach((node, i) => {
    place.set(node, i);
  });
  // Decided on the graph as it is, then rebuilt once: a composition may hold another.
  const found = new Map<Node, { readonly x: Node; readonly stated: Stated }>();
  for (const node of order) {
    if (!varies.has(node) || node === x) continue;
    const composition = compositionOf(node, x, varies, place, fixed);
    const stated = composition && statedOf(composition);
    if (composition && stated && (unsteady || stated.steady !== false)) found.set(node, { x: composition.x, stated });
    const length = lengthOf(node, varies, fixed);
    if (length)
      found.set(node, {
        x: length.x,
        stated: { name: "Length", behaviour: length.behaviour, pairs: null, apart: true },
      });
    const normalised = normalisations ? normalisationOf(node, varies, fixed) : null;
    if (normalised) {
      const { x: of, behaviour } = normalised;
      found.set(node, { x: of, stated: { name: "Normalisation", behaviour, pairs: null, apart: true } });
    }
  }
  if (found.size === 0) return flowOf(x, y);
  for (const node of order) {
    const known = found.get(node);
    const inputs = node.inputs.map((i) => made.get(i) as Node);
    let rebuilt = inputs.every((i, k) => i === node.inputs[k]) ? node : apply(node.op, inputs, node.attrs);
    if (known) rebuilt = apply(opOf(known.stated), [made.get(known.x) as Node], attrsOf(node, known));
    if (rebuilt !== node) copyOrigin(node, rebuilt);
    made.set(node, rebuilt);
  }
  return flowOf(x, made.get(y) as Node);
}

/** The pairs that a node sorts, if it is a MaxMin that was recognised. */
export function sortedPairs(node: Node): readonly Pair[] | null {
  return ops.has(node.op as Op<StatedAttrs>) ? (node as Node<StatedAttrs>).attrs.pairs : null;
}

// --- internal ---

interface Stated {
  readonly name: string;
  readonly behaviour: Behaviour;
  readonly pairs: readonly Pair[] | null;
  /** Has it simpler parts for whoever has no rule for the whole? Default: where it sorts pairs. */
  readonly apart?: boolean;
  /** Do its parts, computed one by one, give it to a few roundings of x and of itself? Default true. */
  readonly steady?: boolean;
}

interface StatedAttrs {
  readonly type: Type;
  readonly behaviour: Behaviour;
  readonly pairs: readonly Pair[] | null;
  /** The composition of another x. */
  rebuild(x: Node): Node;
  evaluate(x: Float64Array): Float64Array;
}

function statedOf(composition: Composition): Stated | null {
  const pairs = pairsOf(composition);
  if (pairs) {
    // Each pair is sorted and the rest moved: max and min of a pair move by no more than the pair, in every p-norm.
    const behaviour: Behaviour = {
      kind: "smooth",
      lipschitz: { 1: 1, 2: 1, inf: 1 },
      curvature: Number.POSITIVE_INFINITY,
    };
    return { name: "MaxMin", behaviour, pairs };
  }
  const kinked = kinkedBehaviour(composition);
  if (kinked) return { name: "PRelu", ...kinked, pairs: null };
  const gate = gateBehaviour(composition);
  return gate && { ...gate, pairs: null };
}

function attrsOf(y: Node, { x, stated }: { readonly x: Node; readonly stated: Stated }): StatedAttrs {
  const placeholder = input("composition", x.shape, x.dtype);
  const rebuild = (other: Node) => substitute([y], new Map([[x, other]]))[0];
  let compute: ((v: Float64Array) => Float64Array) | undefined;
  return {
    type: { dtype: y.dtype, shape: y.shape },
    behaviour: stated.behaviour,
    pairs: stated.pairs,
    rebuild,
    evaluate(v) {
      compute ??= asFunction(rebuild(placeholder), placeholder);
      return compute(v);
    },
  };
}

const byName = new Map<string, Op<StatedAttrs>>();
const ops = new Set<Op<StatedAttrs>>();

function opOf({ name, pairs, apart = pairs !== null }: Stated): Op<StatedAttrs> {
  const known = byName.get(name);
  if (known) return known;
  const op: Op<StatedAttrs> = {
    name,
    infer: (_, { type }) => type,
    vjp: (y, dy) => vjp([y.attrs.rebuild(y.inputs[0])], [dy], [y.inputs[0]]),
    behaviour: (y) => y.attrs.behaviour,
    composed: (y, [x]) => y.attrs.rebuild(x),
    ...(pairs && { order: "rises" as const }),
    ...(apart && { parts: (y: Node<StatedAttrs>) => y.attrs.rebuild(y.inputs[0]) }),
    evaluate: (y, [x]) => y.attrs.evaluate(x),
    onnx: (y, build) => build.value(y.attrs.rebuild(y.inputs[0])),
  };
  byName.set(name, op);
  ops.add(op);
  return op;
}

/** Nodes of one composition at most. */
const longest = 40;

/** Does a node act element by element, or compare and choose? */
const isElementwise = ({ op: { computes } }: Node): boolean => computes !== undefined && !ofSeveral.has(computes);

const ofSeveral: ReadonlySet<Elementary> = new Set(["root", "largest", "smallest", "window mean", "softmax"]);

/** The nearest node that everything in `y` comes from; null where there is none, or `y` has one varying input and nothing to gain. */
function compositionOf(
  y: Node,
  source: Node,
  varies: ReadonlySet<Node>,
  place: ReadonlyMap<Node, number>,
  fixed: (node: Node) => Fixed,
): Composition | null {
  const branches = new Set(y.inputs.filter((i) => varies.has(i)));
  if (y.inputs.filter((i) => varies.has(i)).length < 2) return null;
  const sorting = isMove(y);
  const allowed = (node: Node) =>
    sorting ? isMove(node) || isExtremum(node) : isElementwise(node) && node.shape.length === y.shape.length;
  if (!sorting && !isElementwise(y)) return null;
  const inner = new Set([y]);
  const frontier = branches;
  while (frontier.size > 1) {
    let last: Node | undefined;
    for (const node of frontier) if (!last || (place.get(node) as number) > (place.get(last) as number)) last = node;
    if (!last || last === source || !allowed(last) || inner.size >= longest) return null;
    frontier.delete(last);
    inner.add(last);
    for (const i of last.inputs) if (varies.has(i)) frontier.add(i);
  }
  const [x] = frontier;
  return { y, x, inner: [...inner].sort((a, b) => (place.get(a) as number) - (place.get(b) as number)), fixed };
}

const isExtremum = ({ op: { computes } }: Node): boolean => computes !== undefined && extrema.has(computes);

const extrema: ReadonlySet<Elementary> = new Set(["larger", "smaller", "largest", "smallest"]);
