/** @file The proved bound of a network's second derivative: what no sample and no search can exceed. */
import { type Propagation, propagate } from "../bounds/autoLip.ts";
import type { NoConstant } from "../bounds/bound.ts";
import { budget } from "../bounds/budget.ts";
import { chainSuffix } from "../bounds/chain/question.ts";
import { suffixOf } from "../bounds/chain/written.ts";
import { checkDomain, type Domain, printDomain } from "../bounds/domain.ts";
import { marginsOf } from "../bounds/margin.ts";
import { addUp, timesUp } from "../bounds/norm/region.ts";
import { fusedFlow } from "../bounds/patterns/fuse.ts";
import { subjectOf } from "../bounds/subject.ts";
import type { Network } from "../graph/network.ts";
import { up } from "../linalg/rounding.ts";
import { sizeOf } from "../tensor/shape.ts";
import { type ChainHessianBounds, type CurvedChain, chainHessianBounds } from "./chainHessian.ts";
import { type NodeCurvatures, nodeCurvatures } from "./walk.ts";

export interface CurvatureBoundOptions {
  /** Where the bound is to hold. Default: everywhere. Ranges of slopes make it smaller where the network is a chain of dense layers. */
  readonly domain?: Domain;
  readonly signal?: AbortSignal;
}

/** Upper bounds of second derivatives in l2; Infinity where nothing is proved, which JSON shows as null. */
export interface CurvatureBound {
  /** Where it holds: "global", or the domain that was asked for if its ranges were used. */
  readonly domain: string;
  /** ||D2 f(x)[u, v]|| <= value ||u|| ||v||, f all outputs as one vector; for a single output its Hessian's norm. */
  readonly value: number;
  /** Of the Hessian of the cross-entropy of the outputs' softmax, whatever the label; of a single output f that of (0, f), which it decides by the sign of. */
  readonly loss: number;
  /** Of the Hessian of f_y - f_j, for up to 100 outputs. */
  readonly pairs?: readonly (readonly number[])[];
  readonly proved: boolean;
  /** "walk": node by node, by products of norms; "chain": where that is less, layer by layer as matrices. */
  readonly method: "chain" | "walk";
  /** The first node without a bound: a kink, or an op whose slope grows without limit. */
  readonly missing?: NoConstant;
  readonly seconds: number;
}

/** What a certificate asks of the bound. */
export interface PairHessianBounds {
  readonly value: number;
  readonly method: "chain" | "walk";
  readonly domain: Domain;
  readonly missing?: NoConstant;
  /** The norm of the Hessian of f_y - f_j is at most this. */
  pair(y: number, j: number): number;
}

/**
 * Bound the second derivatives of a network from above, rounding included.
 *
 *     chain: sum over hidden layers of ||J_l^T diag(g_l act''(z_l)) J_l||   (`chainHessianBounds`);   any graph: C_k = c_k L^2 + N C   (`nodeCurvatures`)
 *     loss:  max_yj C_yj + max_yj K_yj^2 / 4,   C_yj and K_yj the bounds of the Hessian and the slope of f_y - f_j
 *
 * (for the softmax p, H = sum_i p_i (H_i - H_y) + J^T (diag p - p p^T) J, and a variance is at most a quarter of the squared range).
 * The smaller of both ways is taken. Throws UsageError where a domain does not fit the network.
 */
export async function curvatureBound(network: Network, options: CurvatureBoundOptions = {}): Promise<CurvatureBound> {
  const { domain = { kind: "global" }, signal } = options;
  const subject = subjectOf(network);
  checkDomain(domain, subject.size);
  const clock = budget({ signal });
  const { x, y } = subject.at(1, "float64");
  const propagation = await propagate(fusedFlow(x, y), 2, clock);
  const hessians = await pairHessianBounds(propagation, domain);
  const outputs = subject.outputs;
  const { missing, method } = hessians;
  const pairs =
    outputs <= 100
      ? Array.from({ length: outputs }, (_, a) => Array.from({ length: outputs }, (__, b) => hessians.pair(a, b)))
      : null;
  return {
    domain: printDomain(hessians.domain),
    value: hessians.value,
    loss: lossBound(hessians, propagation, outputs),
    ...(pairs ? { pairs } : {}),
    proved: Number.isFinite(hessians.value),
    method,
    ...(missing ? { missing } : {}),
    seconds: clock.elapsed(),
  };
}

/** Bound the Hessians of all differences of outputs from what AutoLip knows in l2. */
export async function pairHessianBounds(
  propagation: Propagation,
  domain: Domain = { kind: "global" },
): Promise<PairHessianBounds> {
  const { flow } = propagation;
  const walked = nodeCurvatures(propagation);
  // The same sums over the last affine map as for constants, of curvatures.
  const walk = marginsOf({ ...propagation, constantOf: walked.curvatureOf }, 2);
  const byWalk: PairHessianBounds = {
    value: walk.constant,
    method: "walk",
    domain: { kind: "global" },
    pair: walk.pair,
    ...(walked.missing ? { missing: walked.missing } : {}),
  };
  // Where the walk finds no bound, the chain has the same kink.
  if (!(walk.constant > 0 && walk.constant < Number.POSITIVE_INFINITY)) return byWalk;
  const chain = await curvedChain(propagation, walked, domain);
  if (!chain) return byWalk;
  const { hessians, before, curvatureBefore } = chain;
  const square = timesUp(before, before);
  const whole = ({ slope, curvature }: ChainHessianBounds["vector"]) =>
    addUp(timesUp(curvature, square), timesUp(slope, curvatureBefore));
  const vector = whole(hessians.vector);
  const pairs = hessians.pairs.map(whole);
  const outputs = sizeOf(flow.output.shape);
  const value = Math.min(vector, walk.constant);
  const apart = timesUp(up(Math.SQRT2), value);
  return {
    value,
    method: "chain",
    domain: chain.domain,
    pair(y, j) {
      if (y === j) return 0;
      const [a, b] = y > j ? [y, j] : [j, y];
      const own = pairs.length > 0 && a < outputs ? pairs[(a * (a - 1)) / 2 + b] : Number.POSITIVE_INFINITY;
      return Math.min(own, apart, walk.pair(y, j));
    },
  };
}

// --- internal ---

/** The chain at the end with the slopes of the domain, or of everywhere; null where there is none. */
async function curvedChain(propagation: Propagation, walked: NodeCurvatures, domain: Domain) {
  const { flow, norms, constantOf } = propagation;
  const local = domain.kind === "global" ? null : chainSuffix(flow, propagation, domain);
  const known = local !== null && typeof local !== "string";
  const tail = known ? local : suffixOf(flow, norms);
  if (typeof tail === "string") return null;
  const curved: CurvedChain = {
    chain: tail.chain,
    curvatures: tail.curvatures,
    slopes: known ? local.slopes : tail.chain.activations.map(({ low, high }) => ({ low, high })),
    errors: tail.chain.affine.map((_, l) => tail.error(l, 2)),
  };
  return {
    hessians: await chainHessianBounds(curved),
    before: constantOf(tail.from),
    curvatureBefore: walked.curvatureOf(tail.from),
    domain: known ? domain : ({ kind: "global" } as const),
  };
}

function lossBound(hessians: PairHessianBounds, propagation: Propagation, outputs: number): number {
  if (outputs === 1) {
    const L = propagation.constantOf(propagation.flow.output);
    return addUp(hessians.value, timesUp(0.25, timesUp(L, L)));
  }
  if (outputs > 100) {
    const L = propagation.constantOf(propagation.flow.output);
    return addUp(timesUp(up(Math.SQRT2), hessians.value), timesUp(0.5, timesUp(L, L)));
  }
  const slopes = marginsOf(propagation, 2);
  let [curvature, slope] = [0, 0];
  for (let y = 0; y < outputs; y++) {
    for (let j = 0; j < y; j++) {
      curvature = Math.max(curvature, hessians.pair(y, j));
      slope = Math.max(slope, slopes.pair(y, j));
    }
  }
  return addUp(curvature, timesUp(0.25, timesUp(slope, slope)));
}
