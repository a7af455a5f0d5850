/**
 * @file Does a property hold? Branch and bound: the linear walk bounds every condition on a box of inputs, and a box where that is not enough is cut
 * in two, or with many inputs its neurons are (`neurons.ts`); meanwhile a search in the boxes looks for an input that violates it, which the runtime confirms.
 */

import { type Budget, budget, type Clock } from "../../bounds/budget.ts";
import { constantsOf } from "../../bounds/linear/constants.ts";
import { planOf } from "../../bounds/linear/plan.ts";
import type { Form } from "../../bounds/linear/program.ts";
import type { Range } from "../../bounds/linear/rules.ts";
import { walkerOf } from "../../bounds/linear/walker.ts";
import { compileWork, runWork } from "../../bounds/lowerBounds/slopes.ts";
import { exactly, plus, times } from "../../bounds/patterns/enclosure.ts";
import { subjectOf } from "../../bounds/subject.ts";
import type { Engine, Program } from "../../engine/engine.ts";
import { vjp } from "../../graph/gradient.ts";
import type { Node } from "../../graph/graph.ts";
import { constant, filledLike, input } from "../../graph/leaf.ts";
import type { Network } from "../../graph/network.ts";
import { up } from "../../linalg/rounding.ts";
import { add, mul } from "../../ops/arith.ts";
import { matmul } from "../../ops/matmul.ts";
import { concat, reshape } from "../../ops/movement.ts";
import { UsageError } from "../../tensor/errors.ts";
import { random } from "../../tensor/random.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { tensor } from "../../tensor/tensor.ts";
import { decideCases } from "./neurons.ts";
import type { Case, Condition, Property } from "./vnnlib.ts";

export interface CheckOptions {
  readonly engine: Engine;
  /** Float64 operations, roughly, after which what is open stays open; the same on every machine. Default 2e11. */
  readonly work?: number;
  /** After so long too. Default: no limit. */
  readonly seconds?: number;
  /** What `seconds` are measured by. Default: the machine's clock. */
  readonly clock?: Clock;
  readonly seed?: number;
  readonly signal?: AbortSignal;
  /** The part of the boxes' volume that is done, from 0 to 1. */
  onProgress?(fraction: number): void;
}

/** What was found of a property. */
export type Checked =
  /** No input violates it: proved, rounding included, for the network in exact arithmetic. `boxes` are those of inputs, and parts of them that neurons cut. */
  | { readonly status: "holds"; readonly boxes: number }
  /** The network, run in float32, violates it at this input. */
  | {
      readonly status: "violated";
      readonly boxes: number;
      readonly point: readonly number[];
      readonly outputs: readonly number[];
    }
  /** Neither, in the work that was given. */
  | { readonly status: "unknown"; readonly boxes: number; readonly open: number };

/** Check a property. Throws UsageError where it does not fit the network, or where the network has something that the walk does not know. */
export async function checkProperty(network: Network, property: Property, options: CheckOptions): Promise<Checked> {
  const { engine, work = 2e11, seconds, clock: passing, signal, seed = 1, onProgress } = options;
  const whole = subjectOf(network);
  if (property.inputs !== whole.size || property.outputs !== whole.outputs) {
    throw new UsageError(
      `${whole.name}: the property speaks of ${property.inputs} inputs and ${property.outputs} outputs, the network has ${whole.size} and ${whole.outputs}`,
    );
  }
  const { cases } = property;
  const rows = cases.flatMap((c) => c.conditions);
  const starts = cases.map((_, i) => cases.slice(0, i).reduce((n, c) => n + c.conditions.length, 0));
  const confirm = await confirmer(engine, network);
  const clock = budget({ seconds, clock: passing, signal });
  // A case without conditions is violated by any input; that there is none in float32 proves nothing.
  if (rows.length === 0) {
    try {
      for (const own of cases) {
        const found = await confirm.at(own, own.low);
        if (found) return { status: "violated", boxes: 0, ...found };
      }
    } finally {
      await confirm.dispose();
    }
    return cases.length === 0 ? { status: "holds", boxes: 0 } : { status: "unknown", boxes: 0, open: cases.length };
  }
  // What reads the graph runs its nodes in plain loops; the search and the walk are each a graph to compile.
  if (!clock.fits(6 * runWork(whole) + 4 * compileWork(whole))) {
    await confirm.dispose();
    return { status: "unknown", boxes: 0, open: cases.length };
  }
  const subject = subjectOf(withConditions(network, rows));
  const plan = planOf(subject);
  const samples = Math.max(
    1,
    Math.min(64, Math.floor(1e6 / plan.nonlinearities.reduce((n, b) => n + b.size, subject.size))),
  );
  const constantOf = await constantsOf(plan, "inf", clock);
  const walker = await walkerOf({
    engine,
    plan,
    kind: "box",
    samples,
    constantOf,
    clock,
  });
  const descent = await descender(engine, plan.rows(plan.many ? samples : 1), subject.outputs);
  const source = random(seed);
  let boxes = 0;
  let done = 0;
  try {
    const open: Box[] = cases.map(({ low, high }, of) => ({ of, low, high, share: 1 / cases.length, depth: 0 }));
    // What is neither proved nor violated, and has no number between its ends: no time decides it.
    let points = 0;
    while (open.length > 0) {
      if (subject.size > mostCut && boxes >= cases.length) {
        const rest = [...new Set(open.map((box) => box.of))];
        const decided = await decideCases({
          ...{ engine, plan, cases, starts, of: rest, constantOf, clock, work: work - walker.spent() },
          confirm: (of, point) => confirm.at(cases[of], point),
          onProgress: (part) => onProgress?.(done + (1 - done) * part),
        });
        if ("point" in decided) return { status: "violated", boxes: boxes + decided.parts, ...decided };
        const all = boxes + decided.parts;
        const undecided = decided.open + points;
        return undecided === 0 ? { status: "holds", boxes: all } : { status: "unknown", boxes: all, open: undecided };
      }
      await clock.pause();
      if (clock.expired || walker.spent() > work) return { status: "unknown", boxes, open: open.length + points };
      const batch = open.splice(Math.max(0, open.length - samples));
      boxes += batch.length;
      const center = new Float64Array(samples * subject.size);
      const radii = new Float64Array(samples * subject.size);
      batch.forEach(({ low, high }, s) => {
        for (let i = 0; i < subject.size; i++) {
          const middle = low[i] / 2 + high[i] / 2;
          center[s * subject.size + i] = middle;
          radii[s * subject.size + i] = up(Math.max(high[i] - middle, middle - low[i]));
        }
      });
      // Somebody who violates it is sought first: then nothing need be proved.
      const weights = (values: Float64Array) => worst(batch, cases, starts, values, subject.outputs);
      const steps = batch.some((b) => b.depth === 0) ? 40 : 6;
      const moved = await descent.run(batch, center, weights, { samples, steps, source: source.fork(boxes), clock });
      for (const [s, box] of batch.entries()) {
        const own = cases[box.of];
        if (!met(own, starts[box.of], moved.values, s * subject.outputs)) continue;
        const found = await confirm.at(own, moved.points.subarray(s * subject.size, (s + 1) * subject.size));
        if (found) return { status: "violated", boxes, ...found };
      }
      const live = Array.from({ length: samples }, (_, s) => s < batch.length);
      // What held on a whole holds on its half.
      const narrow = (at: number, range: Range) => {
        batch.forEach(({ ranges }, s) => {
          const known = ranges?.get(at);
          if (!known) return;
          const from = s * known.low.length;
          known.low.forEach((v, j) => {
            range.low[from + j] = Math.max(range.low[from + j], v);
            range.high[from + j] = Math.min(range.high[from + j], known.high[j]);
          });
        });
      };
      const on = await walker.onSets(await walker.centers(center), radii, live, true, narrow);
      const forms: Form[] = batch.flatMap(({ of }, s) =>
        cases[of].conditions.map((_, k) => ({ who: s, plus: starts[of] + k, minus: -1 })),
      );
      const { lower } = await walker.lower(on, forms);
      const proved = new Set(forms.filter((_, k) => lower[k] > 0).map((f) => f.who));
      batch.forEach((box, s) => {
        if (proved.has(s)) {
          done += box.share;
          return;
        }
        const parts = halves(
          { ...box, ranges: sampleOf(on.ranges, s, samples) },
          moved.steepness.subarray(s * subject.size, (s + 1) * subject.size),
        );
        open.push(...parts);
        if (parts.length === 0) points++;
      });
      onProgress?.(done);
    }
    return points === 0 ? { status: "holds", boxes } : { status: "unknown", boxes, open: points };
  } finally {
    await walker.dispose();
    await descent.dispose();
    await confirm.dispose();
  }
}

// --- internal ---

/** With more inputs than that cutting boxes leads nowhere. */
const mostCut = 16;

interface Box {
  /** Which case it is of. */
  readonly of: number;
  readonly low: Float64Array;
  readonly high: Float64Array;
  /** Of all volume. */
  readonly share: number;
  readonly depth: number;
  /** Where the nodes that nonlinearities read are known to lie on it. */
  readonly ranges?: ReadonlyMap<number, Range>;
}

const sampleOf = (ranges: ReadonlyMap<number, Range>, s: number, samples: number): ReadonlyMap<number, Range> =>
  new Map(
    [...ranges].map(([at, { low, high }]) => {
      const n = low.length / samples;
      return [at, { low: low.slice(s * n, (s + 1) * n), high: high.slice(s * n, (s + 1) * n) }];
    }),
  );

/** The network whose outputs are row . y + offset. */
function withConditions(network: Network, conditions: readonly Condition[]): Network {
  const n = conditions[0].row.length;
  const matrix = new Float64Array(n * conditions.length);
  conditions.forEach(({ row }, k) => {
    row.forEach((v, j) => {
      matrix[j * conditions.length + k] = v;
    });
  });
  const offsets = Float64Array.from(conditions, (c) => c.offset);
  return {
    ...network,
    outputs: ["conditions"],
    build(inputs) {
      const outputs = network.build(inputs);
      const rows = outputs.reduce((sum, o) => sum + sizeOf(o.shape), 0) / n;
      // The conditions are doubles; in float32 they are not asked for.
      const like = (values: Float64Array, shape: readonly number[]) =>
        constant(tensor(values, shape, outputs[0].dtype));
      const y = concat(
        outputs.map((o) => reshape(o, [rows, sizeOf(o.shape) / rows])),
        1,
      );
      return [add(matmul(y, like(matrix, [n, conditions.length])), like(offsets, [conditions.length]))];
    },
  };
}

const met = ({ conditions }: Case, start: number, values: Float64Array, from: number): boolean =>
  conditions.every((_, k) => values[from + start + k] <= 0);

/** Weights that pick of every box the condition that is furthest from holding. */
function worst(
  batch: readonly Box[],
  cases: readonly Case[],
  starts: readonly number[],
  values: Float64Array,
  outputs: number,
): Float64Array {
  const weights = new Float64Array(values.length);
  batch.forEach(({ of }, s) => {
    let at = starts[of];
    for (let k = 0; k < cases[of].conditions.length; k++) {
      if (values[s * outputs + starts[of] + k] > values[s * outputs + at]) at = starts[of] + k;
    }
    weights[s * outputs + at] = 1;
  });
  return weights;
}

/** Cut a box where its longest side is, each side as long as the conditions are steep along it; no parts where no side has a number between its ends. */
function halves(box: Box, steepness: Float64Array): Box[] {
  const { low, high } = box;
  const middle = low.map((l, i) => l / 2 + high[i] / 2);
  let at = -1;
  let longest = -1;
  for (let i = 0; i < low.length; i++) {
    const side = (high[i] - low[i]) * (steepness[i] + 1e-9);
    if (!(low[i] < middle[i] && middle[i] < high[i]) || (at >= 0 && !(side > longest))) continue;
    [at, longest] = [i, side];
  }
  if (at < 0) return [];
  const common = { ...box, share: box.share / 2, depth: box.depth + 1 };
  return [
    { ...common, low, high: high.map((v, i) => (i === at ? middle[i] : v)) },
    { ...common, low: low.map((v, i) => (i === at ? middle[i] : v)), high },
  ];
}

interface Descent {
  run(
    batch: readonly Box[],
    center: Float64Array,
    weights: (values: Float64Array) => Float64Array,
    how: {
      readonly samples: number;
      readonly steps: number;
      readonly source: ReturnType<typeof random>;
      readonly clock: Budget;
    },
  ): Promise<{ readonly points: Float64Array; readonly values: Float64Array; readonly steepness: Float64Array }>;
  dispose(): Promise<void>;
}

/** Steps of signs downhill in boxes, on the engine. */
async function descender(engine: Engine, graph: readonly Node[], outputs: number): Promise<Descent> {
  const [x] = graph;
  const y = graph[graph.length - 1];
  const weights = input("weights", y.shape, "float64");
  const [gradient] = vjp([y], [mul(weights, 1)], [x]);
  const program: Program = await engine.compile({ values: y, gradient: gradient ?? filledLike(x, 0) });
  const name = Object.keys(program.inputs).find((own) => own !== "weights") ?? "x";
  const all = async (points: Float64Array, given: Float64Array) => {
    const values = new Float64Array(given.length);
    const gradients = new Float64Array(points.length);
    const [p, g] = [sizeOf(x.shape), sizeOf(y.shape)];
    for (let k = 0; k * p < points.length; k++) {
      const feeds = {
        [name]: tensor(points.slice(k * p, (k + 1) * p), x.shape, "float64"),
        weights: tensor(given.slice(k * g, (k + 1) * g), y.shape, "float64"),
      };
      const result = await program.run(
        Object.fromEntries(Object.entries(feeds).filter(([key]) => key in program.inputs)),
      );
      values.set(result.values.data as Float64Array, k * g);
      gradients.set(result.gradient.data as Float64Array, k * p);
    }
    return { values, gradients };
  };
  return {
    async run(batch, center, weigh, { samples, steps, source, clock }) {
      const size = center.length / samples;
      const points = center.slice();
      let first: Float64Array | undefined;
      let values = new Float64Array(samples * outputs).fill(Number.POSITIVE_INFINITY);
      const best = { points: center.slice(), values, worst: new Float64Array(samples).fill(Number.POSITIVE_INFINITY) };
      for (let t = 0; t <= steps; t++) {
        await clock.pause();
        if (clock.expired) break;
        let found = await all(points, weigh(values));
        const picked = weigh(found.values);
        // What is furthest from holding is known only now.
        found = await all(points, picked);
        values = found.values;
        first ??= found.gradients.map(Math.abs);
        batch.forEach(({ low, high }, s) => {
          let top = 0;
          for (let k = 0; k < outputs; k++) top += picked[s * outputs + k] * values[s * outputs + k];
          if (top < best.worst[s]) {
            best.worst[s] = top;
            best.points.set(points.subarray(s * size, (s + 1) * size), s * size);
            best.values = best.values.slice();
            best.values.set(values.subarray(s * outputs, (s + 1) * outputs), s * outputs);
          }
          for (let i = 0; i < size; i++) {
            const at = s * size + i;
            const step = (high[i] - low[i]) * (0.5 * 0.9 ** t + (t % 8 === 7 ? 0.2 * source.uniform() : 0));
            const way = t % 8 === 7 ? source.uniform() - 0.5 : -found.gradients[at];
            points[at] = Math.min(high[i], Math.max(low[i], points[at] + Math.sign(way) * step));
          }
        });
      }
      return { points: best.points, values: best.values, steepness: first ?? new Float64Array(points.length) };
    },
    dispose: () => program.dispose(),
  };
}

/** Runs the network itself, in float32, at a point of a box. */
async function confirmer(engine: Engine, network: Network) {
  const subject = subjectOf(network);
  const { x, y } = subject.at(1, "float32");
  const program = await engine.compile({ y });
  return {
    async at({ within: { low, high }, conditions }: Case, point: Float64Array) {
      const fed = Float32Array.from(point, (v, i) => inside(v, low[i], high[i]));
      if (fed.some((v, i) => !(v >= low[i] && v <= high[i]))) return null;
      const feeds = subject.input in program.inputs ? { [subject.input]: tensor(fed, x.shape) } : {};
      const outputs = Float64Array.from((await program.run(feeds)).y.data as Float32Array);
      // Whatever order they are added in.
      const holds = conditions.every(({ row, offset }) => {
        const terms = Array.from(row, (v, j) => times(exactly(v), exactly(outputs[j])));
        return terms.reduce(plus, exactly(offset))[1] <= 0;
      });
      return holds ? { point: Array.from(fed), outputs: Array.from(outputs) } : null;
    },
    dispose: () => program.dispose(),
  };
}

/** The float32 number nearest to v that is between two others, where there is one. */
function inside(v: number, low: number, high: number): number {
  const near = Math.fround(v);
  if (near >= low && near <= high) return near;
  const spacing = Math.max(Math.abs(near) * 2 ** -23, 2 ** -149);
  return Math.fround(near < low ? near + spacing : near - spacing);
}
