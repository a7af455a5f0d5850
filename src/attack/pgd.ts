/** @file Projected gradient ascent over many samples. The engine takes several steps in one run; between runs, steps of samples that make no headway are halved. */
import type { IteratedProgram } from "../engine/engine.ts";
import { usedFeeds } from "../engine/feeds.ts";
import { vjp } from "../graph/gradient.ts";
import type { Node } from "../graph/graph.ts";
import { constant, input } from "../graph/leaf.ts";
import { add, div, less, maximum, mul, stopGradient, where } from "../ops/arith.ts";
import { broadcastTo, sum } from "../ops/broadcast.ts";
import { abs } from "../ops/pointwise.ts";
import { reduceMax } from "../ops/reduce.ts";
import { mapNamed, within } from "../tensor/named.ts";
import type { Random } from "../tensor/random.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { type AttackNorm, type Range, unitDirection } from "./ball.ts";
import { type AttackLoss, lossToRaise, marginOf } from "./loss.ts";
import { pgdStep } from "./step.ts";
import type { Target } from "./target.ts";

/** Samples to attack, side by side. */
export interface Rows {
  /** [count, size]: the middle of each ball, and where to start in it. */
  readonly center: Float32Array;
  readonly start: Float32Array;
  /** The decision that shall change. */
  readonly own: Int32Array;
  readonly radius: Float64Array;
}

export interface AscentOptions {
  readonly norm: AttackNorm;
  readonly range: Range | null;
  readonly loss: AttackLoss;
  readonly steps: number;
  /** As a part of the radius. */
  readonly step: number;
  readonly patience: number | null;
  readonly momentum: number;
}

export interface Ascender {
  /** Where the ascent ends for each row, [count, size]. A row stops where its decision has changed. */
  run(rows: Rows, random: Random, signal?: AbortSignal): Promise<Float32Array>;
  dispose(): Promise<void>;
}

/** Compile an ascent on a target. */
export async function ascender(target: Target, options: AscentOptions): Promise<Ascender> {
  const outputs = ascentGraph(target, options);
  const carried = mapNamed(within("next", outputs), (_, name) => `next/${name}`);
  const program = await target.engine.iterate({ outputs, carried, each: [] });
  return {
    async run(rows, random, signal) {
      const { size, rows: width } = target;
      const found = Float32Array.from(rows.start);
      for (let from = 0; from < rows.own.length; from += width) {
        const count = Math.min(width, rows.own.length - from);
        const ends = await climb(program, target, options, rows, from, count, random, signal);
        found.set(ends.subarray(0, count * size), from * size);
      }
      return found;
    },
    dispose: () => program.dispose(),
  };
}

/**
 * The graph of a step: inputs center, x, stuck [rows, size], own [rows, classes], radius and step [rows, 1], and with momentum its vector; outputs next/x (and
 * next/momentum) and the margin [rows, 1] that the step started from. Where all that depends on the input jumps there is no gradient, and x stays.
 */
export function ascentGraph(target: Target, options: AscentOptions): Record<string, Node> {
  const { rows, size, classes } = target;
  const { norm, range, loss, momentum } = options;
  const center = input("center", [rows, size]);
  const stuck = input("stuck", [rows, size]);
  const own = input("own", [rows, classes], "bool");
  const radius = input("radius", [rows, 1]);
  const step = input("step", [rows, 1]);
  const x = input("x", [rows, size]);
  const scores = target.scores(x);
  const margin = marginOf(scores, own);
  const risk = lossToRaise(loss, scores, own);
  // The direction is all that counts: small scores shall not make small gradients, whose squares are 0 in float32.
  const scale = maximum(reduceMax(abs(scores), [1], true), 1e-30);
  const [gradient] = vjp([risk], [div(broadcastTo(constant(1), risk.shape), stopGradient(scale))], [x]);
  if (!gradient) return { "next/x": x, margin };
  const length = where(less(margin, 0), 0, step);
  const ball = { norm, radius, step: length, range, stuck };
  if (momentum === 0) return { "next/x": pgdStep(x, center, gradient, ball), margin };
  const total = maximum(sum(abs(gradient), [1], true), 1e-30);
  const inertia = add(mul(input("momentum", [rows, size]), momentum), div(gradient, total));
  return { "next/x": pgdStep(x, center, inertia, ball), "next/momentum": inertia, margin };
}

// --- internal ---

/** Steps in one run: so many that runs cost little beside them, and so few that ascents of which nothing is left to climb end soon. */
const stepsARun = 10;

/** A radius just below, so that float32 rounding of the projection does not leave the ball. */
const inside = 1 - 2 ** -20;

async function climb(
  program: IteratedProgram,
  { rows: width, size, classes, varies }: Target,
  { steps, step, patience, momentum }: AscentOptions,
  rows: Rows,
  from: number,
  count: number,
  random: Random,
  signal?: AbortSignal,
): Promise<Float32Array> {
  // What is left of the last batch repeats its first row.
  const at = (row: number) => from + (row < count ? row : 0);
  const spread = (values: Float32Array) => {
    const data = new Float32Array(width * size);
    for (let r = 0; r < width; r++) data.set(values.subarray(at(r) * size, (at(r) + 1) * size), r * size);
    return tensor(data, [width, size]);
  };
  const column = (value: (row: number) => number) =>
    tensor(
      Float32Array.from({ length: width }, (_, r) => value(at(r))),
      [width, 1],
    );
  const own = new Uint8Array(width * classes);
  for (let r = 0; r < width; r++) own[r * classes + rows.own[at(r)]] = 1;
  const stuck = new Float32Array(width * size);
  for (let r = 0; r < width; r++) stuck.set(unitDirection(random, size), r * size);
  const lengths = column((row) => step * rows.radius[row]);
  const feeds: Record<string, Tensor> = {
    center: spread(rows.center),
    x: spread(rows.start),
    own: { dtype: "bool", shape: [width, classes], data: own },
    radius: column((row) => rows.radius[row] * inside),
    stuck: tensor(stuck, [width, size]),
    step: lengths,
    ...(momentum > 0 ? { momentum: tensor(new Float32Array(width * size), [width, size]) } : {}),
  };
  if (!varies) return feeds.x.data as Float32Array;
  const before = new Float32Array(width).fill(Number.POSITIVE_INFINITY);
  const lowest = new Float32Array(width).fill(Number.POSITIVE_INFINITY);
  for (let done = 0; done < steps; ) {
    signal?.throwIfAborted();
    // Patience ends with a run.
    const turns = Math.min(stepsARun, steps - done, patience === null ? steps : patience - (done % patience));
    const results = await program.run(usedFeeds(program.inputs, feeds), turns);
    done += turns;
    for (const name in results) if (name.startsWith("next/")) feeds[name.slice(5)] = results[name];
    const margins = lowestOf(results.margin.data as Float32Array, width);
    for (let r = 0; r < width; r++) lowest[r] = Math.min(lowest[r], margins[r]);
    if (margins.every((m) => m < 0)) break;
    if (patience !== null && done % patience === 0) {
      const step = lengths.data as Float32Array;
      for (let r = 0; r < width; r++) if (lowest[r] >= before[r]) step[r] /= 2;
      before.set(lowest);
    }
  }
  return feeds.x.data as Float32Array;
}

/** Of each row the lowest of several turns, [turns, rows] -> [rows]. */
function lowestOf(margins: Float32Array, width: number): Float32Array {
  const lowest = margins.slice(0, width);
  for (let i = width; i < margins.length; i++) lowest[i % width] = Math.min(lowest[i % width], margins[i]);
  return lowest;
}
