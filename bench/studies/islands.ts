/** @file The samples of CLIP's regression (Bungert et al. 2021): 100 noisy points on three islands. */
import type { Dataset } from "../../src/data/dataset.ts";
import { random } from "../../src/tensor/random.ts";

/** What the samples are of. */
export const truth = (x: number): number => Math.max(Math.abs(x) - 3, 0) / 2;

/** Each point so many times, with noise of a standard deviation on its target. */
export function islands(seed: number, noise: number, copies = 1): Dataset {
  const r = random(seed);
  const parts = [
    [-4, -3],
    [-0.3, 0.3],
    [3, 4],
  ];
  const x = Float32Array.from({ length: 100 }, (_, i) => {
    const [low, high] = parts[i % 3];
    return low + (high - low) * r.uniform();
  });
  const targets = x.map((v) => truth(v) + noise * r.normal());
  const repeated = (values: Float32Array) => Float32Array.from({ length: copies * 100 }, (_, k) => values[k % 100]);
  return {
    name: "islands",
    task: "regression",
    x: repeated(x),
    shape: [1],
    count: copies * 100,
    labels: new Int32Array(),
    targets: repeated(targets),
    classes: 1,
  };
}
