/** @file What the studies of LCNN train and measure: one network under one method; accuracy, curvature, gradient stability and attacks on it. */
import { attack } from "../../src/attack/attack.ts";
import { pgd } from "../../src/attack/protocol.ts";
import { curvature } from "../../src/curvature/measure.ts";
import { gradientStability } from "../../src/curvature/stability.ts";
import { type Split, take } from "../../src/data/dataset.ts";
import type { Engine } from "../../src/engine/engine.ts";
import type { Network } from "../../src/graph/network.ts";
import { softplusFamily } from "../../src/layers/lowCurvature.ts";
import { toFloat64 } from "../../src/tensor/tensor.ts";
import { adversarialTraining } from "../../src/train/adversarial.ts";
import { lcnn } from "../../src/train/lcnn.ts";
import { type TrainOptions, train } from "../../src/train/loop.ts";
import type { Method } from "../../src/train/method.ts";
import { cure, gradReg, softplusDecay } from "../../src/train/penalty.ts";
import { plain } from "../../src/train/plain.ts";

export const radii = [0.05, 0.1, 0.2, 0.3, 0.5] as const;
const noises = [0.05, 0.1, 0.2, 0.5] as const;

/** Weights of the penalties that a study chooses. */
export interface Weights {
  readonly beta: number;
  readonly gamma: number;
  readonly gradient: number;
  readonly curvature: number;
  readonly decay: number;
}

/** The rows of Table 1 of Srinivas et al. 2022; all but LCNN on the standard network, whose activation is a softplus with beta 1000. */
export function methods(w: Weights): Readonly<Record<string, Method>> {
  const family = softplusFamily(1000);
  const low = { betaWeight: w.beta, gammaWeight: w.gamma };
  return {
    Standard: { ...plain(), family },
    LCNN: lcnn(low),
    GradReg: { ...gradReg({ gradientWeight: w.gradient }), family },
    "LCNN + GradReg": lcnn({ ...low, gradientWeight: w.gradient }),
    CURE: { ...cure({ curvatureWeight: w.curvature }), family },
    "Softplus + Wt. Decay": softplusDecay({ beta: 10, decay: w.decay }),
    "Adversarial Training": { ...adversarialTraining(), family },
  };
}

/** What is found of one network. */
export interface Found {
  readonly seed: number;
  readonly accuracy: number;
  /** Means over the samples: norm of the loss's gradient and Hessian in the input, and the normalised curvature. */
  readonly gradient: number;
  readonly hessian: number;
  readonly curvature: number;
  readonly medianCurvature: number;
  /** Accuracy under l2 PGD, at `radii`. */
  readonly attacked: readonly number[];
  /** Mean relative change of the gradient under noise and under a search, at 0.05, 0.1, 0.2, 0.5. */
  readonly noise: readonly number[];
  readonly searched: readonly number[];
  /** Learned betas and gammas, where there are any. */
  readonly betas: readonly number[];
  readonly gammas: readonly number[];
  /** Seconds of training. */
  readonly seconds: number;
}

export interface StudyOptions {
  readonly engine: Engine;
  readonly data: Split;
  readonly samples: number;
  /** In which curvature is measured. Default: float64, which takes long for convolutions. */
  readonly dtype?: "float32" | "float64";
}

/** Train a network and measure it on the first samples of the test part; its accuracy is on all of that. */
export async function study(
  { engine, data, samples, dtype = "float64" }: StudyOptions,
  options: Omit<TrainOptions, "engine" | "data"> & { readonly seed: number },
): Promise<Found & { readonly network: Network }> {
  let network: Network | undefined;
  let accuracy = 0;
  let seconds = 0;
  const betas: number[] = [];
  const gammas: number[] = [];
  for await (const event of train({ engine, data, ...options })) {
    if (event.kind === "epoch") {
      accuracy = event.testAccuracy ?? 0;
      seconds += event.seconds;
    }
    if (event.kind !== "end") continue;
    network = event.network;
    for (const [name, value] of Object.entries(event.variables.params)) {
      const [v] = toFloat64(value).map(Math.exp);
      if (name.endsWith("logBeta")) betas.push(v + 1e-3);
      if (name.endsWith("logGamma")) gammas.push(v);
    }
  }
  if (!network) throw new Error("study: training ended without a network");
  const few = take(data.test, Math.min(samples, data.test.count));
  const bend = await curvature(network, { engine, data: few, dtype, tolerance: dtype === "float64" ? 1e-4 : 1e-3 });
  const stability = await gradientStability(network, { engine, data: few, dtype, samples: 100, radii: noises });
  const attacked = await attack(network, { engine, data: few, norm: 2, radii, attacks: [pgd()] });
  return {
    seed: options.seed,
    accuracy,
    gradient: bend.gradient.mean,
    hessian: bend.hessian.mean,
    curvature: bend.curvature.mean,
    medianCurvature: bend.curvature.median,
    attacked: attacked.robust.map((r) => r.accuracy),
    noise: stability.map((s) => s.random.mean),
    searched: stability.map((s) => s.adversarial.mean),
    betas,
    gammas,
    seconds,
    network,
  };
}

/** Mean over runs of a number of each. */
export const mean = (runs: readonly Found[], of: (f: Found) => number): number =>
  runs.reduce((sum, f) => sum + of(f), 0) / runs.length;

/** A table of means over the seeds in Markdown. */
export function table(results: Readonly<Record<string, readonly Found[]>>): string {
  const head = ["method", "accuracy", "grad norm", "Hessian norm", "C", ...radii.map((r) => `PGD ${r}`), "noise 0.2"];
  const rows = Object.entries(results).map(([name, runs]) => [
    name,
    percent(mean(runs, (f) => f.accuracy)),
    mean(runs, (f) => f.gradient).toFixed(2),
    mean(runs, (f) => f.hessian).toFixed(2),
    mean(runs, (f) => f.curvature).toFixed(2),
    ...radii.map((_, k) => percent(mean(runs, (f) => f.attacked[k]))),
    mean(runs, (f) => f.noise[2]).toFixed(3),
  ]);
  return [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

const percent = (part: number): string => (100 * part).toFixed(1);
