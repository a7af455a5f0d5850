/** @file Does a sample give the same alone, in two and among all? What the rule on the graph says (`batch.ts`), seen in the runtime. */
import type { Engine } from "../engine/engine.ts";
import { BatchError } from "../tensor/errors.ts";
import { tensor, toFloat64 } from "../tensor/tensor.ts";
import { runWork } from "./lowerBounds/slopes.ts";
import type { Subject } from "./subject.ts";

/** Samples in the largest batch that is run. */
const most = 256;

/** What float64 may round differently in batches of other sizes where nothing is proved of it, with room for sums that cancel. */
export const likely = (output: number): number => 2 ** -20 * Math.max(1, Math.abs(output));

/**
 * Run the first samples of `x` in batches of one, two and up to 256, in float64, and throw BatchError where an output of the first two differs by more than `allowed` of
 * it, which rounding explains. Nothing is run where there is no free batch.
 */
export async function checkBatches(
  subject: Subject,
  engine: Engine,
  x: ArrayLike<number>,
  allowed: (output: number) => number,
): Promise<void> {
  // Of a large network not so many that a run takes long.
  const many = Math.max(2, Math.min(most, Math.floor(2 ** 31 / runWork(subject))));
  const count = Math.min(many, Math.floor(x.length / subject.size));
  if (subject.batch !== "free" || count < 2) return;
  const batches = [...new Set([1, 2, count])];
  const found = new Map<number, Float64Array>();
  for (const batch of batches) {
    const { x: fed, y } = subject.at(batch, "float64");
    const program = await engine.compile({ y });
    try {
      const rows = new Float64Array(2 * subject.outputs);
      for (let at = 0; at < 2; at += batch) {
        const part = Float64Array.from({ length: batch * subject.size }, (_, i) => x[at * subject.size + i]);
        const feeds = subject.input in program.inputs ? { [subject.input]: tensor(part, fed.shape, "float64") } : {};
        const values = toFloat64((await program.run(feeds)).y);
        rows.set(values.subarray(0, rows.length - at * subject.outputs), at * subject.outputs);
      }
      found.set(batch, rows);
    } finally {
      await program.dispose();
    }
  }
  const alone = found.get(1) as Float64Array;
  for (const [batch, rows] of found) {
    const at = rows.findIndex((v, i) => Math.abs(v - alone[i]) > allowed(alone[i]));
    if (at < 0) continue;
    const what = `output ${at % subject.outputs} of sample ${Math.floor(at / subject.outputs)} is ${alone[at]} alone and ${rows[at]} in a batch of ${batch}`;
    throw new BatchError(`${subject.name}: a decision on a sample must not depend on the batch around it: ${what}`);
  }
}
