/** @file Small models that broke what was called proved, each with what ONNX Runtime computes of it: their bounds are above every quotient it shows, or they are refused with the right reason. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Norm } from "../../src/bounds/bound.ts";
import { lipschitz } from "../../src/bounds/index.ts";
import { lengthOf } from "../../src/bounds/length.ts";
import { nodeEngine } from "../../src/engine/node.ts";
import { evaluate } from "../../src/engine/reference.ts";
import { input } from "../../src/graph/leaf.ts";
import type { Network } from "../../src/graph/network.ts";
import { parseOnnx } from "../../src/onnx/read.ts";
import { sizeOf } from "../../src/tensor/shape.ts";
import { tensor, toFloat64 } from "../../src/tensor/tensor.ts";
import { programOf } from "../../src/verify/read/network.ts";
import { readOnnx as strictly } from "../../src/verify/read/onnx.ts";
import { hasShared, sharedData } from "../shared.ts";

const folder = `${sharedData}reports/`;
const there = hasShared("reports");
const engine = nodeEngine({ threads: 1 });
const norms: readonly Norm[] = [1, 2, "inf"];

interface Case {
  /** The least that may be proved, and the most that is expected, in l2. */
  readonly between?: readonly [number, number];
  /** Why there is no constant. */
  readonly why?: RegExp;
  /** Numbers so large that float32 keeps nothing of the input: only a float32 run says what ONNX Runtime says. */
  readonly rounds?: true;
  /** What outputs may differ by, relatively. */
  readonly off?: number;
}

const cases: Readonly<Record<string, Case>> = {
  "soundness/A_int64_sub": { between: [1, 1 + 1e-9] },
  "soundness/B_celu_neg": { why: /the slope of exp grows without bound/ },
  "soundness/C_cast_half_const": { between: [0.590087890625, 0.5900878906251] },
  "soundness/D_cast_half_x": { why: /a cast to float16 rounds: it is a step function/ },
  "soundness/F2_resize_sum": { between: [2.6457513, 2.6457514] },
  "soundness/G_batch_scale": {},
  "soundness/H_maxpool_same": { between: [0.25, 1.3] },
  "soundness/I_spike_1e-09": { between: [5, 10.1] },
  "soundness/J_bias": { between: [1, 1 + 1e-9], rounds: true },
  "soundness/J_biasbig": { between: [1, 1 + 1e-9], rounds: true },
  "soundness/K_max_tie": { between: [1, 8.1] },
  "soundness/K_maxpool": { between: [Math.sqrt(3), 3.1] },
  // x (s(x) + p) a b - t: of the constants 51 is left, which doubles lose.
  "soundness/L1_gate_offset_60": { between: [50, 1e6], rounds: true },
  "soundness/L2_factor_offset_60": { between: [12, 1e6], rounds: true },
  "soundness/L3_argument_offset_54": { between: [1, 1e6], rounds: true },
  euclid_dist: { between: [2, Math.sqrt(5) * (1 + 1e-9)] },
  k_avg_dil_ok1: { between: [1, 1 + 1e-6] },
  k_function: {},
  k_if_const: {},
  // Its optimiser computes this product with activations in few bits; without it the outputs agree to 1e-7.
  k_qweights: { off: 1e-2 },
  k_unused_extra_in: {},
  "rs_1.2_10": { between: [Math.SQRT2, 1.42] },
  "rs_1.3_10": { between: [Math.SQRT2, 1.42] },
  l2pool: { between: [1, 1 + 1e-9] },
  l2pool_eps: { between: [1, 1 + 1e-9] },
  t_free: {},
  t_one_logit: {},
  two_maxpools: {},
};

const open = (name: string) => new Uint8Array(readFileSync(`${folder}${name}.onnx`));

/** Points and what ONNX Runtime gives: those that are stored, and what it makes of drawn ones here. */
async function runsOf(name: string, bytes: Uint8Array, network: Network) {
  const shape = network.inputs[0].shape.map((d) => (typeof d === "number" ? d : 1));
  const stored: { x: number[]; y: number[] }[] = name.startsWith("soundness/")
    ? JSON.parse(readFileSync(`${folder}${name}.json`, "utf8")).runs
    : [];
  const program = await engine.load(bytes);
  const fed = (x: readonly number[]) => ({
    ...Object.fromEntries(Object.keys(program.inputs).map((key) => [key, tensor(x, shape)])),
    [network.inputs[0].name]: tensor(x, shape),
  });
  const runs = [...stored];
  for (let k = 0; k < 4; k++) {
    const x = Array.from({ length: sizeOf(shape) }, (_, i) => Math.fround(1.5 * Math.sin(0.37 * (i + 1) + k)));
    runs.push({ x, y: [...toFloat64((await program.run(fed(x)))[network.outputs[0]])] });
  }
  await program.dispose();
  return { runs, shape };
}

describe.skipIf(!there)("models that broke a bound", () => {
  it("are all here", () => {
    const found = ["", "soundness/"].flatMap((sub) =>
      readdirSync(folder + sub)
        .filter((f) => f.endsWith(".onnx"))
        .map((f) => sub + f.slice(0, -5)),
    );
    // Boxes, tails and sizes are other tests' matter.
    const others = /box_fixed|t_softmax|t_logsoftmax|t_resize_cert|input_big|outer|pad$/;
    expect(found.filter((f) => !others.test(f)).sort()).toEqual(Object.keys(cases).sort());
  });

  it.each(Object.entries(cases))("%s", async (name, { between, why, rounds, off = 2e-6 }) => {
    const bytes = open(name);
    const network = parseOnnx(bytes);
    const { runs, shape } = await runsOf(name, bytes, network);
    // What is read computes what the file computes.
    for (const dtype of ["float32", "float64"] as const) {
      const x = input(network.inputs[0].name, shape, dtype);
      const [y] = network.build([x]);
      const compiled = await engine.compile({ y });
      for (const run of runs) {
        const fed = { [network.inputs[0].name]: tensor(run.x, shape, dtype) };
        if (rounds && dtype === "float64") continue;
        const results = [toFloat64((await compiled.run(fed)).y)];
        if (!rounds) results.push(toFloat64(evaluate({ y }, fed).y));
        for (const got of results) {
          expect(got.length).toBe(run.y.length);
          got.forEach((v, i) => {
            expect(Math.abs(v - run.y[i])).toBeLessThanOrEqual(off * (1 + Math.abs(run.y[i])));
          });
        }
      }
      await compiled.dispose();
    }
    for (const norm of norms) {
      const { upper, noConstant } = await lipschitz(network, { engine, norm, methods: ["autolip"] });
      if (why) {
        expect(upper?.value ?? Number.POSITIVE_INFINITY).toBe(Number.POSITIVE_INFINITY);
        expect(noConstant?.why).toMatch(why);
        continue;
      }
      expect(upper?.proved).toBe(true);
      const value = upper?.value as number;
      for (const a of runs) {
        for (const b of runs) {
          const moved = lengthOf(
            a.x.map((v, i) => v - b.x[i]),
            norm,
          );
          const change = lengthOf(
            a.y.map((v, i) => v - b.y[i]),
            norm,
          );
          // The outputs are float32.
          if (moved > 0) expect(value * moved * (1 + 1e-6) + 1e-5).toBeGreaterThanOrEqual(change);
        }
      }
      if (between && norm === 2) {
        expect(value).toBeGreaterThanOrEqual(between[0]);
        expect(value).toBeLessThanOrEqual(between[1]);
      }
    }
  });

  it("verify does not know what the standard and its runtimes read differently", () => {
    for (const [name, reason] of [
      [
        "soundness/H_maxpool_same",
        /auto_pad SAME with dilations means one thing in the standard and another in runtimes/,
      ],
      ["soundness/F2_resize_sum", /Resize/],
      ["soundness/D_cast_half_x", /Cast/],
    ] as const) {
      const network = parseOnnx(open(name));
      const sample = network.inputs[0].shape.slice(1).map(Number);
      expect(() => programOf(strictly(open(name)), {}, sample)).toThrow(reason);
    }
  });
});
