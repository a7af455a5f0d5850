/** @file The margins of samples and how far they last: by the constants of differences, by gradient and curvature, or by a linear walk where those are no proof. */

import { down } from "../algebra/rounding.ts";
import type { SampleClaim } from "../certificate.ts";
import type { Program } from "../read/network.ts";
import { must } from "../refusal.ts";
import type { Task } from "../task.ts";
import { hessianBounds } from "./hessian.ts";
import { type LinearWalks, linearWalks } from "./linear.ts";
import { certifiedRadius, lossWithin } from "./radius.ts";
import type { Run } from "./run.ts";
import { type Slopes, slopesOf } from "./slope.ts";
import type { Walk } from "./walk.ts";

/** What is known of the margins at samples. */
export interface Margins {
  /** Of a sample: its class less another one, less what float64 here and float32 anywhere within the radii may round. */
  left(index: number, y: number, j: number): number;
  /** Is less than `left` lost within a radius? In no more than two passes over the network. */
  lasts(index: number, y: number, j: number, radius: number): boolean;
  /** A radius for which it lasts, near the largest; `most` where that is enough. */
  radius(index: number, y: number, j: number, most: number): number;
}

/** The margins of the samples of a run; `rounding` is what differences of two outputs may err by. */
export function marginsLeft(
  program: Program,
  walk: Walk,
  { outputs, largest }: Run,
  x: Float32Array,
  rounding: { readonly float64: number; readonly float32: number },
): Margins {
  const n = program.outputs;
  const hessian = hessianBounds(program, walk);
  let gradients: ((x: Float32Array) => Slopes) | undefined;
  let at: { readonly index: number; readonly slopes: Slopes } | undefined;
  const slope = (index: number, y: number, j: number): number => {
    gradients ??= slopesOf(program, walk, largest);
    if (at?.index !== index) {
      at = { index, slopes: gradients(x.subarray(index * program.size, (index + 1) * program.size)) };
    }
    return at.slopes.length(y, j);
  };
  let walks: ((x: Float32Array) => LinearWalks) | undefined;
  let around: { readonly index: number; readonly walks: LinearWalks } | undefined;
  /** What f_y - f_j is not below within a radius, less what float32 may round there. */
  const lower = (index: number, y: number, j: number, radius: number): number => {
    walks ??= linearWalks(program, walk, largest);
    if (around?.index !== index) {
      around = { index, walks: walks(x.subarray(index * program.size, (index + 1) * program.size)) };
    }
    return down(around.walks.lower(y, j, radius) - rounding.float32);
  };
  const left = (index: number, y: number, j: number) =>
    down(down(down(outputs[index * n + y] - outputs[index * n + j]) - rounding.float64) - rounding.float32);
  /** Can curvature add a thousandth to what the constant says? Only then is a gradient worth its time. */
  const curvatureHelps = (margin: number, C: number, K: number) => C * margin < 500 * K * K;
  return {
    left,
    lasts(index, y, j, radius) {
      const margin = left(index, y, j);
      const K = walk.pair(y, j);
      if (!(margin > 0)) return false;
      if (lossWithin(radius, K, Number.POSITIVE_INFINITY, K) < margin) return true;
      const C = hessian(y, j);
      if (curvatureHelps(margin, C, K) && lossWithin(radius, slope(index, y, j), C, K) < margin) return true;
      return lower(index, y, j, radius) > 0;
    },
    radius(index, y, j, most) {
      const margin = left(index, y, j);
      const K = walk.pair(y, j);
      const straight = certifiedRadius(margin, K, Number.POSITIVE_INFINITY, K);
      if (straight >= most) return most;
      if (!(margin > 0)) return straight;
      const C = hessian(y, j);
      // Another machine may compute another gradient, by less than this.
      const curved = curvatureHelps(margin, C, K)
        ? certifiedRadius(margin, slope(index, y, j), C, K) * (1 - 2 ** -30)
        : 0;
      let radius = Math.max(straight, curved);
      if (radius >= most) return most;
      if (lower(index, y, j, most) > 0) return most;
      let high = Math.min(most, 64 * radius + 1);
      for (let k = 0; k < halvings && high > radius * (1 + 2 ** -8); k++) {
        const middle = radius / 2 + high / 2;
        if (lower(index, y, j, middle) > 0) radius = middle;
        else high = middle;
      }
      return radius;
    },
  };
}

/** Radii that are tried between what another proof gives and what is asked for. */
const halvings = 10;

/** Check margins, classes and radii against what is left of the margins. */
export function* checkSamples(
  { samples }: { readonly samples: readonly SampleClaim[] },
  margins: Margins,
  outputs: Float64Array,
  error: number,
  onProgress: (fraction: number) => void,
): Task<readonly [null, string]> {
  const n = outputs.length / samples.length;
  for (const [i, { predicted, margin, radius }] of samples.entries()) {
    onProgress(i / samples.length);
    const row = outputs.subarray(i * n, (i + 1) * n);
    let least = Number.POSITIVE_INFINITY;
    for (let j = 0; j < n; j++) {
      if (j === predicted) continue;
      yield;
      least = Math.min(least, row[predicted] - row[j]);
      must(
        radius === 0 || margins.lasts(i, predicted, j, radius),
        () =>
          `sample ${i}: ${radius} is too far for class ${predicted} against ${j}: ${margins.left(i, predicted, j)} is left`,
      );
    }
    // Both runs err by at most that.
    must(Math.abs(least - margin) <= 2 * error, () => `sample ${i}: its margin is ${least}, claimed ${margin}`);
    must(least >= -2 * error, () => `sample ${i}: its class is not ${predicted}`);
  }
  return [null, `${samples.length} margins, classes and radii`];
}
