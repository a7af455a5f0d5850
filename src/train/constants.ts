/**
 * @file The walk of AutoLip as graph: constants of the nodes of a map, differentiable in its weights. The norms that it is made of are
 * estimates or float32, so that nothing here is proved; it is what training presses on.
 */
import { type Flow, type Region, regionEnds, regionOf } from "../graph/behaviour.ts";
import type { Behaviour, LinearForm, Node } from "../graph/graph.ts";
import { constant } from "../graph/leaf.ts";
import { originOf } from "../graph/origin.ts";
import { add, minimum, mul } from "../ops/arith.ts";
import { sqrt } from "../ops/pointwise.ts";
import { UsageError } from "../tensor/errors.ts";

/** Where the l2 norms of affine maps come from. */
export type Norms =
  /** Maximal affine regions as one map each, from some of their sources taken as one vector; equal graphs ask by equal names. */
  | { readonly by: "region"; norm(region: Region, sources: readonly Node[], name: string): Node }
  /** One op at a time: the norm of `node` in its input `i`, which is of this form. */
  | { readonly by: "node"; norm(node: Node, i: number, of: LinearForm): Node };

/**
 * The constants, scalar nodes, of the nodes of a flow; each is built when it is asked for.
 *
 *     L_input = 1,  L_k = min( sum over the varying inputs i of  c_ki L_i,  c_k ||(L_i)_i|| )
 *
 * with c_ki the constant of node k in its input i, and c_k, where the op knows one, in all of them together. By region, k stands for a
 * whole affine region, i for its sources, and c_k is asked for where two branches meet in less than a sum (a concatenation).
 * Throws UsageError where a node has no constant.
 * Reference: Virmaux and Scaman 2018, algorithm 2; Tsuzuku, Sato and Sugiyama 2018, section 4.
 */
export function constantsOf(flow: Flow, norms: Norms): (node: Node) => Node {
  const known = new Map<Node, Node>();
  const places = new Map([...regionEnds(flow)].map((node, i) => [node, i]));
  const of = (node: Node): Node => {
    const have = known.get(node);
    if (have) return have;
    const place = norms.by === "region" ? places.get(node) : undefined;
    const made =
      node === flow.input
        ? constant(1, node.dtype)
        : !flow.varies.has(node)
          ? constant(0, node.dtype)
          : norms.by === "region" && place !== undefined
            ? regionConstant(node, String(place), norms)
            : nodeConstant(node);
    known.set(node, made);
    return made;
  };

  const regionConstant = (node: Node, name: string, { norm }: Norms & { readonly by: "region" }): Node => {
    const region = regionOf(node, flow);
    const { sources } = region;
    const parts = sources.map((s, i) => mul(norm(region, [s], sources.length > 1 ? `${name}/${i}` : name), of(s)));
    const total = parts.reduce((a, b) => add(a, b));
    if (sources.length === 1 || !region.nodes.some(meetsInLess)) return total;
    return minimum(total, mul(norm(region, sources, `${name}/joint`), lengthOf(sources.map(of))));
  };

  /** Is the constant in all varying inputs less than that of their sum, sqrt(how many)? */
  const meetsInLess = (node: Node): boolean => {
    const count = node.inputs.filter((x) => flow.varies.has(x)).length;
    const joint = count > 1 ? statedJoint(behaviourIn(node, flow)) : null;
    return joint !== null && joint < Math.sqrt(count) * (1 - 1e-9);
  };

  const nodeConstant = (node: Node): Node => {
    const whole = behaviourIn(node, flow);
    if (whole.kind === "unbounded") throw new UsageError(`${nameOf(node)} has no Lipschitz constant: ${whole.why}`);
    const inputs = node.inputs.flatMap((x, i) => (flow.varies.has(x) ? [{ x, i }] : []));
    const parts = inputs.map(({ x, i }) => mul(of(x), partial(node, i, norms)));
    const total = parts.reduce((a, b) => add(a, b));
    const joint = inputs.length > 1 ? statedJoint(whole) : null;
    return joint === null ? total : minimum(total, mul(lengthOf(inputs.map(({ x }) => of(x))), joint));
  };
  return of;
}

/** What every isometry, factor and stated norm between a source and the end of a region leaves: the factors on the way, null where paths meet. */
export function factorsBetween(
  region: Region,
  source: Node,
): { readonly node: Node; readonly i: number; readonly of: LinearForm }[] | null {
  const reached = new Set<Node>([source]);
  const factors: { readonly node: Node; readonly i: number; readonly of: LinearForm }[] = [];
  for (const node of region.nodes) {
    const met = node.inputs.flatMap((x, i) => (reached.has(x) ? [i] : []));
    if (met.length === 0) continue;
    if (met.length > 1) return null;
    const behaviour = behaviourOf(node, met[0]);
    if (behaviour.kind === "linear") factors.push({ node, i: met[0], of: behaviour.of });
    else if (behaviour.kind !== "isometry") return null;
    reached.add(node);
  }
  return factors;
}

/** The length of a vector of positive scalars. */
export const lengthOf = (parts: readonly Node[]): Node => sqrt(parts.map((p) => mul(p, p)).reduce((a, b) => add(a, b)));

/** What users know a node by. */
export const nameOf = (node: Node): string => originOf(node)?.name ?? node.op.name;

// --- internal ---

const behaviourIn = (node: Node, { varies }: Flow): Behaviour =>
  node.op.behaviour(
    node,
    node.inputs.map((x) => varies.has(x)),
  );

const behaviourOf = (node: Node, i: number): Behaviour =>
  node.op.behaviour(
    node,
    node.inputs.map((_, k) => k === i),
  );

/** The l2 constant in all varying inputs as one vector, where the op states it. */
function statedJoint(behaviour: Behaviour): number | null {
  switch (behaviour.kind) {
    case "isometry":
      return 1;
    case "smooth":
      return behaviour.lipschitz[2];
    case "linear":
      return behaviour.of.form === "bounded" ? behaviour.of.norm[2] : null;
    case "pointwise":
    case "unbounded":
      return null;
    default:
      return behaviour satisfies never;
  }
}

/** The l2 constant in one input. */
function partial(node: Node, i: number, norms: Norms): Node | number {
  const behaviour = behaviourOf(node, i);
  switch (behaviour.kind) {
    case "isometry":
      return 1;
    case "pointwise":
      return Math.max(Math.abs(behaviour.slope[0]), Math.abs(behaviour.slope[1]));
    case "smooth":
      return behaviour.lipschitz[2];
    case "linear":
      if (behaviour.of.form === "bounded") return behaviour.of.norm[2];
      if (norms.by === "node") return norms.norm(node, i, behaviour.of);
      throw new UsageError(`${nameOf(node)} is linear in one input alone: no region holds it`);
    case "unbounded":
      throw new UsageError(`${nameOf(node)} has no Lipschitz constant: ${behaviour.why}`);
    default:
      return behaviour satisfies never;
  }
}
