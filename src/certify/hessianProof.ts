/** @file What a bound of explanations rests on: Hessians of margins and logits, and the rounding of gradients. */
import { propagate } from "../bounds/autoLip.ts";
import type { NoConstant } from "../bounds/bound.ts";
import { budget } from "../bounds/budget.ts";
import { fusedFlow } from "../bounds/patterns/fuse.ts";
import type { Subject } from "../bounds/subject.ts";
import { pairHessianBounds } from "../curvature/bound.ts";
import { flowOf } from "../graph/behaviour.ts";
import { up } from "../linalg/rounding.ts";
import { gradientError } from "./gradientError.ts";

/** What bounds of this network rest on. */
export interface HessianProof {
  /** Of all numbers that can be explained, everywhere. */
  readonly most: number;
  readonly missing?: NoConstant;
  /** What a gradient may err by. */
  readonly error: number;
  /** Of u . f, everywhere. */
  curvature(u: Float64Array): number;
}

/** Prove what is needed to bound how margins, or logits, bend: of inputs with ||x||_inf <= `far`. */
export async function hessianProof(
  subject: Subject,
  of: "margin" | "logit",
  far: number,
  signal?: AbortSignal,
): Promise<HessianProof> {
  const clock = budget({ signal });
  const { x, y } = subject.at(1, "float64");
  const flow = fusedFlow(x, y);
  const propagation = await propagate(flow, 2, clock);
  const hessians = await pairHessianBounds(propagation);
  // Gradients are taken op by op, and a composition that was recognised is no op of the network.
  const plain = flow.output === y ? propagation : await propagate(flowOf(x, y), 2, clock);
  const sizes = await propagate(plain.flow, "inf", clock);
  const error = Number.isFinite(hessians.value)
    ? gradientError(plain, sizes, far, of === "margin" ? up(Math.SQRT2) : 1)
    : Number.POSITIVE_INFINITY;
  const width = subject.outputs;
  const most =
    of === "logit" || width > 100
      ? hessians.value * (of === "logit" ? 1 : up(Math.SQRT2))
      : Math.max(...Array.from({ length: width * width }, (_, k) => hessians.pair(Math.trunc(k / width), k % width)));
  return {
    most: Number.isFinite(error) ? most : Number.POSITIVE_INFINITY,
    ...(hessians.missing && { missing: hessians.missing }),
    error: Number.isFinite(error) ? error : 0,
    curvature(u) {
      // Where the error of gradients is not known, nothing that is computed of them proves anything.
      if (!Number.isFinite(error)) return Number.POSITIVE_INFINITY;
      const [label, rival] = [u.indexOf(1), u.indexOf(-1)];
      return rival < 0 ? hessians.value : hessians.pair(label, rival);
    },
  };
}
