/** @file Two toy problems one can draw: a square wave (regression) and two moons (classification). Both are functions of a seed. */
import { UsageError } from "../tensor/errors.ts";
import { type Random, random } from "../tensor/random.ts";
import { type Dataset, type Split, splitDataset } from "./dataset.ts";

/**
 * The square wave `y = 1` on [-2,-1] and (0,1], else 0: 300 training x uniform in [-2,2], 200 test x on a grid from -2 to 2. Shape `[1]`.
 *
 * Reference: Wang and Manchester 2023, "Direct parameterization of Lipschitz-bounded deep networks", section 5.1.
 */
export function squareWave(seed: number): Split {
  const r = random(seed).fork("square-wave");
  return {
    train: wave(Float32Array.from({ length: 300 }, () => 4 * r.uniform() - 2)),
    test: wave(Float32Array.from({ length: 200 }, (_, i) => -2 + (4 * i) / 199)),
  };
}

export interface MoonsOptions {
  /** Of both classes and both parts together; default 1000, of which four fifths are for training. */
  readonly samples?: number;
  /** Standard deviation added to both coordinates; default 0.1. */
  readonly noise?: number;
}

/** Two interleaving half circles of radius 1: `(cos t, sin t)` is class 0, `(1 - cos t, 1/2 - sin t)` class 1, t in [0, pi]. Shape `[2]`. */
export function twoMoons(seed: number, { samples = 1000, noise = 0.1 }: MoonsOptions = {}): Split {
  if (!Number.isInteger(samples) || samples < 4) {
    throw new UsageError(`twoMoons: samples must be a whole number of at least 4, got ${samples}`);
  }
  if (!Number.isFinite(noise) || noise < 0) throw new UsageError(`twoMoons: noise must not be negative, got ${noise}`);
  const r = random(seed).fork("two-moons");
  return splitDataset(moons(samples, noise, r), 0.8, r.fork("split"));
}

// --- internal ---

function wave(x: Float32Array): Dataset {
  return {
    name: "square-wave",
    task: "regression",
    x,
    shape: [1],
    count: x.length,
    labels: new Int32Array(0),
    targets: x.map((v) => (v <= -1 || (v > 0 && v <= 1) ? 1 : 0)),
    classes: 1,
    range: [-2, 2],
  };
}

/** The classes alternate, so that any first n samples are balanced. */
function moons(count: number, noise: number, r: Random): Dataset {
  const x = new Float32Array(2 * count);
  const labels = Int32Array.from({ length: count }, (_, i) => i % 2);
  const last = Math.ceil(count / 2) - 1;
  for (let i = 0; i < count; i++) {
    const t = (Math.PI * Math.floor(i / 2)) / last;
    const inner = labels[i] === 1;
    x[2 * i] = (inner ? 1 - Math.cos(t) : Math.cos(t)) + noise * r.normal();
    x[2 * i + 1] = (inner ? 0.5 - Math.sin(t) : Math.sin(t)) + noise * r.normal();
  }
  return {
    name: "two-moons",
    task: "classification",
    x,
    shape: [2],
    count,
    labels,
    targets: new Float32Array(0),
    classes: 2,
  };
}
