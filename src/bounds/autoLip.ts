/** @file AutoLip: an upper bound by one walk over the graph. For a chain of layers it is the product of their norms; where affine nodes meet, the norm of the whole affine map is used if it is smaller. */
import { type Flow, regionEnds, regionOf } from "../graph/behaviour.ts";
import { dependents, type Node, topological } from "../graph/graph.ts";
import { operatorOf, originOf } from "../graph/origin.ts";
import { sqrtUp, up } from "../linalg/rounding.ts";
import type { LayerBound, NoBound, Norm, Status, UpperBound } from "./bound.ts";
import { type Budget, budget, type Clock } from "./budget.ts";
import type { Domain, Range } from "./domain.ts";
import { type Effort, type NodeNorms, type NormStore, nodeNorms } from "./norm/node.ts";
import { periodicNorm, wrappedConvolution } from "./norm/periodic.ts";
import { addUp, sourceCost, sourceNorm, timesUp } from "./norm/region.ts";
import { residualBlock } from "./norm/residual.ts";
import { fusedFlow } from "./patterns/fuse.ts";
import type { Subject } from "./subject.ts";

/** Constants of the nodes of a flow, from the input on. */
export interface Propagation {
  readonly flow: Flow;
  readonly norms: NodeNorms;
  /** Of every varying node; Infinity where nothing is proved. */
  constantOf(node: Node): number;
  readonly layers: readonly LayerBound[];
  /** On a ball or box: between what the numbers of a node lie there. */
  rangeOf?(node: Node): Range;
  /** The end of the last residual block whose proof as a whole counted. */
  readonly lastBlock?: Node;
  readonly status: Status;
  /** Where the status is "stopped": how many norms are crude, in words. */
  readonly late?: string;
  /** Why there is no bound: the first node without a constant. */
  readonly missing?: NoBound;
}

export interface AutoLipOptions {
  /** Where the constant is to hold. Default: everywhere. */
  readonly domain?: Domain;
  /** By the clock. Norms for which there is no time left are bounded quickly instead of tightly: the costly ones, wherever they are. */
  readonly seconds?: number;
  readonly clock?: Clock;
  readonly signal?: AbortSignal;
  /** From 0 to 1. */
  onProgress?(fraction: number): void;
}

/**
 * Bound the Lipschitz constant from above.
 *
 *     L_input = 1,  L_k = sum over the varying inputs i of node k of  sup ||d g_k / d theta_i||_p  L_i,
 *
 * or, where node k knows its constant J in all its inputs together, J ||(L_i)_i||_p if that is less; at the end of an affine
 * region sum over its sources s of ||A_s||_p L_s if that is less; in l2 what is
 * proved of residual blocks h + V s(W h + b) (`residualBlock`) and of convolutions that wrap around (`periodicNorm`) as a whole. Every step is rounded up. On a ball or box the suprema are over the
 * ranges of the inputs there, which products, quotients and powers need to have one at all.
 *
 * Reference: Virmaux and Scaman 2018, algorithm 2.
 */
export async function autoLip(
  subject: Subject,
  norm: Norm,
  options: AutoLipOptions = {},
): Promise<{ readonly bound: UpperBound; readonly propagation: Propagation }> {
  const clock = budget(options);
  const { x, y } = subject.at(1, "float64");
  const { onProgress, domain } = options;
  const global = (domain?.kind ?? "global") === "global";
  const fused = fusedFlow(x, y, { normalisations: true, unsteady: global });
  const propagation = await propagate(fused, norm, clock, onProgress, domain, subject.norms);
  const { status, missing, flow } = propagation;
  const value = propagation.constantOf(flow.output);
  const bound: UpperBound = {
    method: "autolip",
    side: "upper",
    proved: Number.isFinite(value),
    value,
    seconds: clock.elapsed(),
    status,
    ...(missing ? { why: `${missing.node}: ${missing.why}` } : propagation.late ? { why: propagation.late } : {}),
  };
  return { bound, propagation };
}

/** Walk over a flow; `autoLip` without the wrapping, for those who need the constants inside. */
export async function propagate(
  flow: Flow,
  norm: Norm,
  clock: Budget = budget(),
  onProgress: (fraction: number) => void = () => {},
  domain: Domain = { kind: "global" },
  store: NormStore = new Map(),
): Promise<Propagation> {
  const norms = nodeNorms(flow, store);
  // Ranges are loaded where a ball, a box or an op asks for them.
  const local =
    domain.kind === "global" && !asksForRanges(flow)
      ? null
      : (await import("./local/localNorm.ts")).localNorms(flow, norms, domain, norm);
  const own = local ?? norms;
  const constants = new Map<Node, number>();
  const ends = regionEnds(flow);
  const entries: Omit<LayerBound, "shareOfLog">[] = [];
  const name = namer();
  /** A norm that there is time for, or that is known, is tight. What one took does not make the next crude. */
  const effortOf = (node: Node, i: number): Effort => {
    if (clock.fits(norms.cost(node, i, norm))) return "tight";
    status = "stopped";
    return "quick";
  };
  let [weights, crude] = [0, 0];
  let lastBlock: Node | undefined;
  let status: Status = "done";
  let failure: (Omit<NoBound, "local"> & { readonly status: Status }) | undefined;

  await takeNorms(flow, norms, norm, clock, (part) => onProgress(0.8 * part));
  for (const [at, node] of flow.varying.entries()) {
    if (node === flow.input) {
      constants.set(node, 1);
      continue;
    }
    await clock.pause();
    onProgress(0.8 + (0.2 * at) / flow.varying.length);
    // Ranges on a domain, and what counts as one map, are for when there is time.
    const hurry = clock.expired;
    if (hurry) status = "stopped";
    const label = name(node);
    const varying = node.inputs.flatMap((x, i) =>
      flow.varies.has(x) ? [{ x, i, L: constants.get(x) as number }] : [],
    );
    const joint = varying.length > 1 ? own.joint(node, norm) : null;
    const parts = varying.map(({ i }) =>
      joint?.status === "unbounded" ? joint : own.partial(node, i, norm, effortOf(node, i)),
    );
    let value = 0;
    let failed: typeof failure;
    parts.forEach((part, k) => {
      value = addUp(value, timesUp(part.upper, varying[k].L));
      // What an earlier node left without a constant is that node's fault, and what nothing reaches is nobody's.
      if (part.status !== "done" && varying[k].L > 0) {
        failed ??= { node: label, why: part.why ?? part.status, status: part.status };
      }
    });
    if (joint) {
      value = Math.min(
        value,
        timesUp(
          joint.upper,
          lengthUp(
            varying.map((v) => v.L),
            norm,
          ),
        ),
      );
    }
    if (ends.has(node) && value > 0) {
      const region = regionOf(node, flow);
      let whole = 0;
      for (const source of region.sources) {
        await clock.pause();
        const effort = clock.fits(sourceCost(norms, region, source, norm)) ? "tight" : "quick";
        if (effort === "quick") status = "stopped";
        whole = addUp(
          whole,
          timesUp(sourceNorm(flow, norms, region, source, norm, effort), constants.get(source) as number),
        );
      }
      value = Math.min(value, whole);
    }
    const wrapped = norm === 2 && !hurry && value > 0 ? wrappedConvolution(flow, node, norms) : null;
    if (wrapped) {
      value = Math.min(value, timesUp(periodicNorm(wrapped.stage), constants.get(wrapped.source) as number));
    }
    const block = norm === 2 && value > 0 ? residualBlock(flow, norms, node, clock) : null;
    const whole = block ? timesUp(block.constant, constants.get(block.from) as number) : value;
    if (whole < value) {
      value = whole;
      lastBlock = node;
    }
    if (local) value = local.note(node, value, hurry);
    constants.set(node, value);
    // A region may have a bound as a whole, and a condition may not change on the domain.
    if (value === Number.POSITIVE_INFINITY) failure ??= failed;
    for (const part of parts) {
      if (part.weight !== null) weights++;
      if (part.crude) crude++;
      if (part.weight === null && part.upper === 1) continue;
      entries.push({
        node: label,
        op: operatorOf(node),
        shape: part.weight ?? node.shape,
        upper: part.upper,
        lower: part.lower,
        ...(part.crude && { crude: part.crude }),
      });
    }
  }
  onProgress(1);
  const inGraph = new Set(topological([flow.output]));
  const constantOf = (node: Node) => {
    // A node of another graph does not depend on this input either: it would be proved to have a constant of 0.
    if (!inGraph.has(node))
      throw new Error(`constantOf: ${operatorOf(node)} must be a node of the graph that was walked`);
    return (
      constants.get(node) ?? (dependents(topological([node]), [flow.input]).has(node) ? Number.POSITIVE_INFINITY : 0)
    );
  };
  const late = crude === 0 ? "time ran out" : `time ran out: ${crude} of ${weights} layers have crude norms`;
  const common = {
    flow,
    norms,
    constantOf,
    layers: withShares(entries),
    ...(lastBlock && { lastBlock }),
    ...(local && domain.kind !== "global" && { rangeOf: local.rangeOf }),
  };
  // A region may have been bounded as a whole although one of its nodes was not.
  if (!failure || constantOf(flow.output) < Number.POSITIVE_INFINITY) {
    return { ...common, status, ...(status === "stopped" && { late }) };
  }
  const { node, why } = failure;
  return { ...common, status: failure.status, missing: { node, why, local: boundedNearby(flow) } };
}

// --- internal ---

/**
 * Find the norms of weights, the cheap ones first, as long as there is time for the next: so that as many as can be are tight, and which
 * depends on what they cost and not on where they stand.
 */
async function takeNorms(
  flow: Flow,
  norms: NodeNorms,
  norm: Norm,
  clock: Budget,
  onProgress: (part: number) => void,
): Promise<void> {
  const all = flow.varying
    .filter((node) => node !== flow.input)
    .flatMap((node) => node.inputs.flatMap((x, i) => (flow.varies.has(x) ? [{ node, i }] : [])))
    .map(({ node, i }) => ({ node, i, cost: norms.cost(node, i, norm) }))
    .filter(({ cost }) => cost > 0)
    .sort((a, b) => a.cost - b.cost);
  const total = all.reduce((sum, { cost }) => sum + cost, 0);
  let done = 0;
  for (const { node, i, cost } of all) {
    await clock.pause();
    if (!clock.fits(cost)) return;
    clock.spend(cost);
    norms.partial(node, i, norm, "tight");
    done += cost;
    onProgress(done / total);
  }
}

/** Is there a node without a constant, but with one where its inputs keep to ranges? */
const asksForRanges = ({ input, varying, varies }: Flow): boolean =>
  varying.some((node) => {
    if (node === input) return false;
    const behaviour = node.op.behaviour(
      node,
      node.inputs.map((i) => varies.has(i)),
    );
    return behaviour.kind === "unbounded" && behaviour.local !== undefined;
  });

/** Does every node that has no constant say what it has on ranges? */
const boundedNearby = ({ input, varying, varies }: Flow): boolean =>
  varying.every((node) => {
    if (node === input) return true;
    const behaviour = node.op.behaviour(
      node,
      node.inputs.map((i) => varies.has(i)),
    );
    return behaviour.kind !== "unbounded" || behaviour.local !== undefined;
  });

/** An upper bound of the p-norm of a vector of constants. */
function lengthUp(values: readonly number[], norm: Norm): number {
  if (norm === "inf") return Math.max(...values);
  if (norm === 1) return values.reduce(addUp, 0);
  const top = Math.max(...values);
  if (top === 0 || top === Number.POSITIVE_INFINITY) return top;
  const parts = values.map((v) => (v === top || v === 0 ? v / top : up(v / top)));
  return timesUp(top, sqrtUp(parts.map((v) => timesUp(v, v)).reduce(addUp, 0)));
}

/** The name in the model where there is one, else "Conv 3": the operator and its place among its like. */
function namer(): (node: Node) => string {
  const counts = new Map<string, number>();
  return (node) => {
    const origin = originOf(node);
    if (origin) return origin.name;
    const operator = operatorOf(node);
    const count = (counts.get(operator) ?? 0) + 1;
    counts.set(operator, count);
    return `${operator} ${count}`;
  };
}

function withShares(entries: readonly Omit<LayerBound, "shareOfLog">[]): LayerBound[] {
  const logs = entries.map(({ upper }) => (upper > 0 && Number.isFinite(upper) ? Math.log(upper) : 0));
  const total = logs.reduce((sum, v) => sum + Math.abs(v), 0);
  return entries.map((entry, i) => ({ ...entry, shareOfLog: total === 0 ? 0 : logs[i] / total }));
}
