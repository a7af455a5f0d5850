/** @file Where the time of a program goes, operator by operator, from ONNX Runtime's own profile. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { writeModel } from "../src/onnx/write.ts";
import { mapNamed } from "../src/tensor/named.ts";
import type { StepProgram } from "./step.ts";

export interface Share {
  readonly operator: string;
  readonly nodes: number;
  readonly milliseconds: number;
}

interface TraceEvent {
  readonly cat: string;
  readonly name: string;
  readonly dur: number;
  readonly args?: { readonly op_name?: string };
}

/** Milliseconds per run of each operator, the largest first: the sum over its nodes of the median over runs. */
export async function profile({ outputs, feeds }: StepProgram, runs = 30): Promise<Share[]> {
  const folder = mkdtempSync(join(tmpdir(), "lipschitz-bench-"));
  try {
    const session = await ort.InferenceSession.create(writeModel(outputs, { opset: 21 }), {
      enableProfiling: true,
      profileFilePrefix: join(folder, "profile"),
      logSeverityLevel: 3,
    });
    const fed = mapNamed(feeds, (t) => new ort.Tensor(t.dtype, t.data as Float32Array, t.shape));
    for (let i = 0; i < runs; i++) await session.run(fed);
    session.endProfiling();
    await session.release();
    const file = readdirSync(folder)[0];
    return summary(JSON.parse(readFileSync(join(folder, file), "utf8")) as readonly TraceEvent[]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

// --- internal ---

function summary(events: readonly TraceEvent[]): Share[] {
  const nodes = new Map<string, { readonly operator: string; readonly times: number[] }>();
  for (const { cat, name, dur, args } of events) {
    if (cat !== "Node" || !name.endsWith("_kernel_time")) continue;
    const entry = nodes.get(name) ?? { operator: args?.op_name ?? "", times: [] };
    entry.times.push(dur);
    nodes.set(name, entry);
  }
  const shares = new Map<string, Share>();
  for (const { operator, times } of nodes.values()) {
    const median = times.sort((a, b) => a - b)[times.length >> 1] / 1000;
    const have = shares.get(operator) ?? { operator, nodes: 0, milliseconds: 0 };
    shares.set(operator, { operator, nodes: have.nodes + 1, milliseconds: have.milliseconds + median });
  }
  return [...shares.values()].sort((a, b) => b.milliseconds - a.milliseconds);
}
