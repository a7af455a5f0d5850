import { isDeepStrictEqual } from "node:util";
import { deserialize, serialize } from "node:v8";
import { describe, expect, it } from "vitest";
import { iris } from "../data/iris.ts";
import { nodeEngine } from "../engine/node.ts";
import type { Measured, Stage } from "./measure.ts";
import type { RunRecord } from "./record.ts";
import { run } from "./run.ts";
import { defaultsFor } from "./spec.ts";

const engine = nodeEngine();
const spec = {
  ...defaultsFor("plain"),
  data: "iris",
  model: { kind: "mlp", widths: [6] },
  epochs: 2,
  batch: 20,
} as const;

/** The record, all that was measured on the way, and the stages that did any work. */
async function carriedOut(measured?: Measured) {
  const stages = new Set<Stage>();
  const kept: Measured[] = [];
  let record: RunRecord | undefined;
  const onMeasure = (stage: Stage) => stages.add(stage);
  const options = { engine, data: await iris(), onMeasure };
  for await (const event of run(spec, measured ? { ...options, measured } : options)) {
    if (event.kind === "measured") kept.push(event.measured);
    if (event.kind === "done") record = event.record;
  }
  const numbers = JSON.stringify(record, (key, value) => (key === "seconds" ? undefined : value));
  return { numbers, kept, stages: [...stages] };
}

describe("run()", () => {
  it("goes on from what was measured, as it is kept in a file, and ends in the same record", async () => {
    const whole = await carriedOut();
    expect(whole.stages).toEqual(["bound", "certify", "attack", "curvature"]);
    expect(whole.kept.map((k) => Object.keys(k).length)).toEqual([2, 3, 4]);
    const rest = [["certify", "attack", "curvature"], ["attack", "curvature"], ["curvature"]];
    for (const [k, kept] of whole.kept.entries()) {
      const read = deserialize(serialize(kept)) as Measured;
      expect(isDeepStrictEqual(read, kept)).toBe(true);
      const again = await carriedOut(read);
      expect(again.stages).toEqual(rest[k]);
      expect(again.numbers).toBe(whole.numbers);
    }
    const other = await carriedOut({ ...whole.kept[2], sha256: "another" });
    expect(other.stages).toEqual(whole.stages);
    expect(other.numbers).toBe(whole.numbers);
  });
});
