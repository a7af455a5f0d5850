/** @file Complete answers at given radii: what constant, curvature and the linear walk leave open is decided by branch and bound, sample by sample: robust, refuted by a point, or open when the work ends. */
import type { Norm } from "../bounds/bound.ts";
import type { Budget } from "../bounds/budget.ts";
import { decide } from "../bounds/linear/branch.ts";
import type { Plan } from "../bounds/linear/plan.ts";
import type { Subject } from "../bounds/subject.ts";
import type { Engine } from "../engine/engine.ts";
import type { Node } from "../graph/graph.ts";
import { tensor } from "../tensor/tensor.ts";

export interface CompleteQuestion {
  readonly subject: Subject;
  readonly engine: Engine;
  readonly plan: Plan;
  readonly norm: Norm;
  /** Of every varying node, in the norm (`constantsOf`). */
  constantOf(node: Node): number;
  /** [count, size] */
  readonly x: Float32Array;
  readonly predicted: readonly number[];
  /** What is proved already. */
  readonly proved: ArrayLike<number>;
  /** A radius within which the class of a sample is known to stay above another one. */
  known(index: number, other: number): number;
  readonly radii: readonly number[];
  /** Parts of one pair of classes that are bounded at most. */
  readonly parts: number;
  /** Float64 operations, roughly, for each radius. */
  readonly work: number;
  readonly clock: Budget;
  /** From 0 to 1. */
  onProgress?(fraction: number): void;
}

/** A point in float32, at most so far from the sample, where the network run in float32 decides otherwise. */
export interface Refutation {
  readonly radius: number;
  readonly predicted: number;
  readonly point: readonly number[];
}

export interface Completed {
  /** Of each sample the largest of the radii that branching proved, 0 where it proved none. */
  readonly radii: Float64Array;
  readonly refuted: ReadonlyMap<number, Refutation>;
}

/** Decide every sample at every radius, the smallest first; a sample that is refuted or stays open is not asked at a larger one. */
export async function complete(question: CompleteQuestion): Promise<Completed> {
  const { subject, plan, norm, x, predicted, proved, known, parts, clock, onProgress } = question;
  const { size, outputs } = subject;
  const radii = new Float64Array(predicted.length);
  const refuted = new Map<number, Refutation>();
  const asked = [...new Set(question.radii.filter((r) => r > 0))].sort((a, b) => a - b);
  let open = Array.from(predicted.keys());
  const confirm = await confirmer(subject, question.engine);
  try {
    for (const [k, radius] of asked.entries()) {
      const wanted = open.filter((i) => !(proved[i] >= radius));
      const goals = wanted.flatMap((i) =>
        Array.from({ length: outputs }, (_, j) => j)
          .filter((j) => j !== predicted[i] && !(known(i, j) >= radius))
          .map((j) => ({
            group: i,
            center: Float64Array.from(x.subarray(i * size, (i + 1) * size)),
            radii: Float64Array.of(radius),
            plus: predicted[i],
            minus: j,
          })),
      );
      const found = await decide({
        ...{ engine: question.engine, plan, kind: norm, constantOf: question.constantOf },
        ...{ goals, steps: { whole: 40, part: 12 }, parts, work: question.work, clock },
        onProgress: (part) => onProgress?.((k + part) / asked.length),
      });
      const undecided = new Set<number>();
      for (const [g, answer] of found.entries()) {
        const { group } = goals[g];
        if (answer.status === "holds") continue;
        undecided.add(group);
        if (answer.status !== "refuted" || refuted.has(group)) continue;
        const center = x.subarray(group * size, (group + 1) * size);
        const confirmed = await confirm.at(pointWithin(norm, center, answer.point, radius), predicted[group]);
        if (confirmed) refuted.set(group, { radius, ...confirmed });
      }
      for (const i of wanted) if (!undecided.has(i)) radii[i] = radius;
      open = open.filter((i) => !undecided.has(i));
    }
    return { radii, refuted };
  } finally {
    await confirm.dispose();
  }
}

// --- internal ---

/** The float32 point nearest to one, as far towards the center as its distance needs to be within the radius. */
function pointWithin(norm: Norm, center: Float32Array, point: Float64Array, radius: number): Float32Array {
  for (let back = 0; ; back = back === 0 ? 2 ** -24 : 2 * back) {
    const own = center.map((c, i) => c + (point[i] - c) * (1 - Math.min(1, back)));
    if (back >= 1 || distance(norm, own, center) <= radius * (1 - 2 ** -45)) return own;
  }
}

function distance(norm: Norm, a: Float32Array, b: Float32Array): number {
  let [sum, squares, top] = [0, 0, 0];
  a.forEach((v, i) => {
    const d = Math.abs(v - b[i]);
    sum += d;
    squares += d * d;
    top = Math.max(top, d);
  });
  return norm === 1 ? sum : norm === 2 ? Math.sqrt(squares) : top;
}

/** Runs the network in float32. */
async function confirmer(subject: Subject, engine: Engine) {
  const { x, y } = subject.at(1, "float32");
  const program = await engine.compile({ y });
  return {
    async at(point: Float32Array, predicted: number) {
      const feeds = subject.input in program.inputs ? { [subject.input]: tensor(point, x.shape) } : {};
      const logits = Array.from((await program.run(feeds)).y.data as Float32Array);
      const other = logits.reduce((best, v, j) => (v > logits[best] ? j : best), 0);
      return other === predicted ? null : { predicted: other, point: Array.from(point) };
    },
    dispose: () => program.dispose(),
  };
}
