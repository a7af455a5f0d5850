/**
 * @file Where to start an ascent, as the linear walk sees the ball: the point at which its lower bound of the margin to another class is lowest. On networks with masked gradients, and where the walk
 * leaves little open, that is nearer to a change of decision than a random point.
 */
import type { Budget } from "../bounds/budget.ts";
import { constantsOf } from "../bounds/linear/constants.ts";
import { planOf } from "../bounds/linear/plan.ts";
import { lowestOn } from "../bounds/linear/refute.ts";
import { walkerOf } from "../bounds/linear/walker.ts";
import { checkSample, subjectOf } from "../bounds/subject.ts";
import type { Dataset } from "../data/dataset.ts";
import type { Engine } from "../engine/engine.ts";
import type { Network } from "../graph/network.ts";
import { decidingNetwork } from "../models/decision.ts";
import { UsageError } from "../tensor/errors.ts";
import { sizeOf } from "../tensor/shape.ts";
import type { AttackNorm } from "./ball.ts";

/** A ball around a sample, and the decisions between which the margin is. */
export interface Start {
  readonly center: Float32Array;
  readonly own: number;
  readonly other: number;
}

export interface RelaxedStarts {
  /** A point of each ball. */
  at(starts: readonly Start[], radius: number): Promise<readonly Float64Array[]>;
  dispose(): Promise<void>;
}

/** Prepare the walk. Throws UsageError where the network has something that the walk does not know. */
export async function relaxedStarts(
  network: Network,
  engine: Engine,
  data: Dataset,
  norm: AttackNorm,
  clock: Budget,
): Promise<RelaxedStarts> {
  const subject = subjectOf(decidingNetwork(network, data.shape));
  checkSample(subject, data.shape);
  if (subject.size !== sizeOf(data.shape)) {
    throw new UsageError(
      `${subject.name}: starts from the linear walk need a model that takes samples one by one, got several in one run; start at random points`,
    );
  }
  const plan = planOf(subject);
  const { size } = subject;
  const numbers = plan.nonlinearities.reduce((n, b) => n + b.size, size);
  const samples = Math.max(1, Math.min(data.count, 64, Math.floor(1e6 / numbers)));
  const walker = await walkerOf({
    ...{ engine, plan, kind: norm, samples, clock },
    constantOf: await constantsOf(plan, norm, clock),
  });
  return {
    async at(starts, radius) {
      const found: Float64Array[] = [];
      for (let from = 0; from < starts.length; from += samples) {
        await clock.pause();
        const own = starts.slice(from, from + samples);
        const x = new Float64Array(samples * size);
        for (let s = 0; s < samples; s++) x.set((own[s] ?? own[0]).center, s * size);
        const live = Array.from({ length: samples }, (_, s) => s < own.length);
        const centers = await walker.centers(x);
        const on = await walker.onSets(centers, new Float64Array(samples).fill(radius), live, false);
        const forms = own.map(({ own: plus, other: minus }, who) => ({ who, plus, minus }));
        const { relaxed } = await walker.branched(on, centers, forms, walkSteps, []);
        own.forEach(({ center }, k) => {
          const set = { center: Float64Array.from(center), radii: Float64Array.of(radius) };
          found.push(lowestOn(norm, set, relaxed[k]?.g ?? new Float64Array(size)));
        });
      }
      return found;
    },
    dispose: () => walker.dispose(),
  };
}

// --- internal ---

/** Of tuning; a start need not be the best. */
const walkSteps = 4;
