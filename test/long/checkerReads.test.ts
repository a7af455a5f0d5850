/** @file Random models of every operator: what the checker reads of a file computes what ONNX Runtime computes of the same bytes, and it refuses the rest in a line of its own. */
import * as ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { random } from "../../src/tensor/random.ts";
import { runOn } from "../../src/verify/proof/run.ts";
import type { Program } from "../../src/verify/read/network.ts";
import { Refusal } from "../../src/verify/refusal.ts";
import { runAtOnce } from "../../src/verify/task.ts";
import { readProgram } from "../../src/verify/verify.ts";
import { declaredAs, type ModelOf, modelOf } from "../model.ts";
import { inputsFor, openSession } from "../soak/agree.ts";
import { product } from "../soak/builder.ts";
import { generate } from "../soak/generate.ts";

const stretch = 250;
const stretches = 8;
const compared = new Map<string, number>();

describe("the checker's reading of random models", () => {
  it.each(Array.from({ length: stretches }, (_, k) => k * stretch))("is the runtime's: from seed %i", async (from) => {
    for (let seed = from; seed < from + stretch; seed++) expect(await differs(seed), `seed ${seed}`).toBeNull();
  });

  it("is of many operators", () => {
    expect([...compared.values()].reduce((n, k) => n + k, 0)).toBeGreaterThan(400);
    const often = [...compared].filter(([, n]) => n >= 3).map(([name]) => name);
    for (const name of ["ConvTranspose", "Expand", "Gemm", "MaxPool", "Mean", "Pad", "ReduceMean", "Scaler", "Split"])
      expect(often).toContain(name);
    expect(often.length).toBeGreaterThan(40);
  });
});

// --- internal ---

/** What is different between the checker and the runtime; null where nothing is, or one of them does not read the model. */
async function differs(seed: number): Promise<string | null> {
  const { model } = generate(seed);
  const bytes = modelOf({ ...model, outputs: [(model.outputs ?? ["y"])[0]] });
  const session = await openSession(bytes).catch(() => null);
  if (session === null) return null;
  try {
    const [dims] = Object.values(model.inputs);
    const shape = dims.map((d) => (typeof d === "number" ? d : 1));
    const points = inputsFor(random(seed).fork("inputs"), product(shape));
    const run = (x: Float32Array) =>
      session.run({ x: new ort.Tensor("float32", x, shape) }).then(
        (made) => made[session.outputNames[0]],
        () => null,
      );
    const first = await run(points[0]);
    if (first?.type !== "float32") return null;
    const program = readOr(() =>
      readProgram(
        declaredAs(
          bytes,
          first.dims.map((_, i) => `d${i}`),
        ),
        {},
        shape.length > 1 && shape[0] === 1 ? shape.slice(1) : shape,
      ),
    );
    if (program === null) return null;
    for (const x of [points[0], points[1], points[2], points[3], points[5], points[6]]) {
      const theirs = await run(x);
      if (theirs === null) continue;
      const what = comparedAt(program, x, Array.from(theirs.data as Float32Array), endsInOrder(model));
      if (what !== null) return `${what}: ${model.nodes.map(({ op }) => op).join(" ")}`;
    }
    for (const op of new Set(model.nodes.map(({ op }) => op))) compared.set(op, (compared.get(op) ?? 0) + 1);
    return null;
  } finally {
    await session.release();
  }
}

/** Nothing but a Refusal may come of what is not read. */
function readOr(read: () => Program): Program | null {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof Refusal) return null;
    throw cause;
  }
}

/** Numbers to 1e-4 of the largest on the way; behind a softmax or its like their order. */
function comparedAt(program: Program, x: Float32Array, theirs: number[], order: boolean): string | null {
  const { outputs, largest } = runAtOnce(runOn(program, x));
  const top = [...largest.values()].reduce((m, values) => values.reduce((n, v) => Math.max(n, v), m), 1);
  // One number f is read as (0, f), which a sigmoid sees as a half.
  const all = theirs.length === 1 ? [order ? 0.5 : 0, ...theirs] : theirs;
  if (all.length !== outputs.length) return `${outputs.length} outputs, the runtime has ${all.length}`;
  for (const [i, v] of all.entries()) {
    if (!order && !(Math.abs(v - outputs[i]) <= 1e-4 * top))
      return `output ${i} is ${outputs[i]}, the runtime has ${v}`;
    if (!order) continue;
    const j = all.findIndex((w, j) => outputs[i] - outputs[j] > 1e-3 * top && v < w);
    if (j >= 0) return `output ${i} is above ${j} by ${outputs[i] - outputs[j]}, the runtime's by ${v - all[j]}`;
  }
  return null;
}

/** Does the model end in what only keeps the order of its numbers, under whatever shape? */
function endsInOrder({ nodes }: ModelOf): boolean {
  const views = ["Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze"];
  const last = [...nodes].reverse().find(({ op }) => !views.includes(op));
  const after = last?.attributes?.post_transform;
  const keeps = ["Softmax", "LogSoftmax", "Sigmoid", "Normalizer"].includes(last?.op ?? "");
  return keeps || (after !== undefined && after !== "NONE");
}
