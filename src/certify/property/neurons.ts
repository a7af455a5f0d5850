/** @file Cases of a property whose boxes have many inputs, decided by branch and bound over neurons: a case cannot be violated once one of its conditions is proved not to be met. */
import type { Budget } from "../../bounds/budget.ts";
import { decide } from "../../bounds/linear/branch.ts";
import type { Plan } from "../../bounds/linear/plan.ts";
import type { Engine } from "../../engine/engine.ts";
import type { Node } from "../../graph/graph.ts";
import { up } from "../../linalg/rounding.ts";
import type { Case } from "./vnnlib.ts";

export interface NeuronQuestion<P> {
  readonly engine: Engine;
  /** Of the network whose outputs are the conditions of all cases. */
  readonly plan: Plan;
  readonly cases: readonly Case[];
  /** The first output of each case. */
  readonly starts: readonly number[];
  /** Which cases are asked. */
  readonly of: readonly number[];
  /** Of every varying node, in l-inf. */
  constantOf(node: Node): number;
  readonly clock: Budget;
  /** Float64 operations, roughly. */
  readonly work: number;
  /** Whether the network itself violates the property by this case near a point. */
  confirm(of: number, point: Float64Array): Promise<P | null>;
  /** From 0 to 1. */
  onProgress?(fraction: number): void;
}

/** Decide cases; `open` is how many are not, `parts` how many parts of boxes were bounded. */
export async function decideCases<P extends object>(
  question: NeuronQuestion<P>,
): Promise<(P & { readonly parts: number }) | { readonly open: number; readonly parts: number }> {
  const { engine, plan, cases, starts, of, constantOf, clock, work, confirm, onProgress } = question;
  const asked = of.flatMap((at) => cases[at].conditions.map((_, c) => ({ at, output: starts[at] + c })));
  const found = await decide({
    ...{ engine, plan, kind: "box" as const, constantOf, clock, work },
    goals: asked.map(({ at, output }, group) => {
      const { low, high } = cases[at];
      const center = low.map((l, i) => l / 2 + high[i] / 2);
      const radii = low.map((l, i) => up(Math.max(high[i] - center[i], center[i] - l)));
      return { group, center, radii, plus: output, minus: -1 };
    }),
    steps: { whole: 40, part: 12 },
    parts: Number.POSITIVE_INFINITY,
    ...(onProgress ? { onProgress } : {}),
  });
  const parts = found.reduce((n, answer) => n + answer.parts, 0);
  const held = new Set<number>();
  for (const [k, answer] of found.entries()) {
    const { at } = asked[k];
    if (answer.status === "holds") held.add(at);
    if (answer.status !== "refuted") continue;
    // What meets one condition may not meet the others.
    const point = await confirm(at, answer.point);
    if (point) return { ...point, parts };
  }
  return { open: of.filter((at) => !held.has(at)).length, parts };
}
