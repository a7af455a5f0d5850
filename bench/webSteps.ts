/** @file What is measured in a browser and in Node alike: training steps, brackets with counted work, and rounds of load and dispose. Bundled for the browser by `web.ts`. */

import { lipschitz } from "../src/bounds/index.ts";
import type { Engine } from "../src/engine/engine.ts";
import { mlp } from "../src/models/mlp.ts";
import { parseOnnx } from "../src/onnx/read.ts";
import { normalTensor, random } from "../src/tensor/random.ts";
import { train } from "../src/train/loop.ts";

export interface Measured {
  /** Milliseconds, the fastest epoch's. */
  readonly steps: Readonly<Record<string, number>>;
  readonly brackets: Readonly<Record<string, readonly [lower: number, upper: number]>>;
}

const networks = { "784-64-10": [784, 64, 10], "784-256-256-10": [784, 256, 256, 10] } as const;

export async function measured(engine: Engine, models: Readonly<Record<string, Uint8Array>>): Promise<Measured> {
  const steps: Record<string, number> = {};
  for (const [name, widths] of Object.entries(networks)) steps[name] = await stepOf(engine, widths);
  const brackets: Record<string, readonly [number, number]> = {};
  for (const [name, bytes] of Object.entries(models)) {
    const { lower, upper } = await lipschitz(parseOnnx(bytes), {
      engine,
      methods: ["autolip", "lipsdp", "jacobian", "pairs"],
    });
    brackets[name] = [lower?.value ?? Number.NaN, upper?.value ?? Number.NaN];
  }
  return { steps, brackets };
}

/** Load a model, run it and dispose of it, so many times. */
export async function rounds(engine: Engine, model: Uint8Array, count: number): Promise<void> {
  for (let k = 0; k < count; k++) {
    const program = await engine.load(model);
    await program.run({ state: normalTensor(random(k), [64, 3]) });
    await program.dispose();
  }
}

// --- internal ---

const [batch, count] = [128, 3840];

async function stepOf(engine: Engine, widths: readonly number[]): Promise<number> {
  const part = (samples: number) => ({
    name: "noise",
    task: "classification" as const,
    x: normalTensor(random(1), [samples, 784]).data as Float32Array,
    shape: [784],
    count: samples,
    labels: Int32Array.from({ length: samples }, (_, i) => i % 10),
    targets: new Float32Array(0),
    classes: 10,
  });
  const data = { train: part(count), test: part(batch) };
  let best = Number.POSITIVE_INFINITY;
  for await (const event of train({ engine, data, model: mlp(widths), batch, epochs: 20, seed: 1 })) {
    if (event.kind === "epoch") best = Math.min(best, event.seconds);
  }
  return (1000 * best * batch) / count;
}
