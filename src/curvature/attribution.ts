/** @file Explanations of one number per sample by its inputs: saliency, gradient times input, integrated gradients, SmoothGrad. All are gradients, at the sample or around it. */
import { lengthOf } from "../bounds/length.ts";
import type { Hessians } from "./hessian.ts";

export const attributionNames = ["saliency", "gradient-input", "integrated", "smoothgrad"] as const;

export type AttributionName = (typeof attributionNames)[number];

/** What explanations are made with, the same for every sample. */
export interface AttributionSettings {
  /** Of integrated gradients: what every input is without information. */
  readonly baseline: number;
  /** Of integrated gradients: points between baseline and sample. */
  readonly steps: number;
  /** Of SmoothGrad: what is added to a sample, each of the size of one sample; drawn once, so that the explanation is a function. */
  readonly noise: readonly Float64Array[];
}

/** An explanation of a batch. */
export interface Attribution {
  /** [samples, size], flat. */
  readonly values: Float64Array;
  /** The gradient that it is made of, or the mean of the gradients. */
  readonly gradient: Float64Array;
  /** Of each sample the largest length in l2 of a gradient in it. */
  readonly longest: Float64Array;
}

/**
 * Explain s_u(x) = u . f(x) of a batch of samples, g = ds_u/dx:
 *
 *     saliency         g(x)                                                    Simonyan et al. 2014, with signs
 *     gradient-input   x g(x)                                                  Shrikumar et al. 2017
 *     integrated       (x - b) 1/m sum_k g(b + (k - 1/2)/m (x - b))            Sundararajan et al. 2017, equation 3, midpoints
 *     smoothgrad       1/n sum_i g(x + e_i)                                    Smilkov et al. 2017
 *
 * products element by element. Samples side by side, as the programs take them.
 */
export async function attributionOf(
  name: AttributionName,
  { gradient, layout: { samples, size } }: Hessians,
  x: Float64Array,
  u: Float64Array,
  { baseline, steps, noise }: AttributionSettings,
): Promise<Attribution> {
  switch (name) {
    case "saliency":
    case "gradient-input": {
      const g = await gradient(x, u);
      const values = name === "saliency" ? g : g.map((v, i) => v * x[i]);
      return { values, gradient: g, longest: lengthsOf(g, samples, size) };
    }
    case "integrated": {
      const found = await meanOf(steps, (k) => x.map((v) => baseline + ((k + 0.5) / steps) * (v - baseline)));
      return { ...found, values: found.values.map((v, i) => v * (x[i] - baseline)) };
    }
    case "smoothgrad":
      return meanOf(noise.length, (k) => x.map((v, i) => v + noise[k][i % size]));
    default:
      return name satisfies never;
  }

  async function meanOf(count: number, at: (k: number) => Float64Array): Promise<Attribution> {
    const values = new Float64Array(x.length);
    let longest = new Float64Array(samples);
    for (let k = 0; k < count; k++) {
      const g = await gradient(at(k), u);
      const own = lengthsOf(g, samples, size);
      longest = longest.map((v, s) => Math.max(v, own[s]));
      for (let i = 0; i < values.length; i++) values[i] += g[i];
    }
    const mean = values.map((v) => v / count);
    return { values: mean, gradient: mean, longest };
  }
}

// --- internal ---

const lengthsOf = (g: Float64Array, samples: number, size: number): Float64Array =>
  Float64Array.from({ length: samples }, (_, s) => lengthOf(g.subarray(s * size, (s + 1) * size), 2));
