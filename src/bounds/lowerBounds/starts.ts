/** @file Where searches from below begin, and how far they move each number at a time: in the units of the data, of the domain, or of the first layer. */
import type { Samples } from "../../data/dataset.ts";
import type { Engine, Program } from "../../engine/engine.ts";
import { flowOf, regionEnds, regionOf } from "../../graph/behaviour.ts";
import { vjp } from "../../graph/gradient.ts";
import type { Node } from "../../graph/graph.ts";
import { input } from "../../graph/leaf.ts";
import type { Random } from "../../tensor/random.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { type Type, tensor, toFloat64 } from "../../tensor/tensor.ts";
import { type Domain, extentOf, inside, pointIn } from "../domain.ts";
import { asFunction } from "../fixed.ts";
import { lengthOf } from "../length.ts";
import { checkSample, type Subject } from "../subject.ts";
import { workOf } from "../work.ts";
import { engineSpeed } from "./slopes.ts";

/** A point, and how far a search moves each of its numbers at a time. */
export interface Start {
  readonly x: Float64Array;
  readonly unit: Float64Array;
}

/**
 * The points that a search starts from: samples where there are any, points of the domain, else half of them uniform in [0, 1] and normal
 * of several scales, half in the units of the first layer (`headOf`): a preprocessing or features of unlike sizes are in its weights.
 */
export async function startsOf(
  subject: Subject,
  data: Samples | undefined,
  domain: Domain,
  points: number,
  looking: HeadOptions,
): Promise<Start[]> {
  const { source } = looking;
  const { size } = subject;
  const around = (x: Float64Array): Start => ({ x, unit: unitAt(x, domain) });
  if (data) {
    checkSample(subject, data.shape);
    const runs = Math.floor(data.x.length / size);
    const order = source.fork("samples").permutation(runs);
    const unit = domain.kind === "global" ? deviationsOf(data.x, size) : null;
    return Array.from(order.subarray(0, points), (k, i) => {
      // A sample far outside tells little of the domain.
      if (domain.kind !== "global" && i % 2 === 1) return around(pointIn(domain, source.fork(i)));
      const x = inside(domain, Float64Array.from(data.x.subarray(k * size, (k + 1) * size)));
      return unit && i % 2 === 1 ? { x, unit } : around(x);
    });
  }
  if (domain.kind !== "global") {
    return Array.from({ length: points }, (_, k) => around(pointIn(domain, source.fork(k))));
  }
  const head = await headOf(subject, { ...looking, source: source.fork("head") });
  return Array.from({ length: points }, (_, k) => {
    const own = source.fork(k);
    const scale = [0.3, 1, 3, 10][(k >> 2) % 4];
    if (head && k % 4 >= 2) {
      const unit = head.unit.map((u) => scale * u);
      return { x: unit.map((u, i) => head.center[i] + u * own.normal()), unit };
    }
    return around(Float64Array.from({ length: size }, () => (k % 2 === 0 ? own.uniform() : scale * own.normal())));
  });
}

/** By the size of the coordinates, and no further than the domain: in a box each number by its own side. */
export function unitAt(x: Float64Array, domain: Domain): Float64Array {
  if (domain.kind === "box") return x.map((_, k) => (domain.high[k] - domain.low[k]) / 2);
  const spread = Math.min(Math.max(0.1, lengthOf(x, 2) / Math.sqrt(x.length)), extentOf(domain));
  return new Float64Array(x.length).fill(spread);
}

/** What the first layer is looked at with. */
export interface HeadOptions {
  readonly source: Random;
  /** Runs what is too large for plain loops. */
  readonly engine: Engine;
  /** Is there time for so many operations, at the nominal speed? */
  affords(operations: number): boolean;
}

/**
 * The units of the first layer z = W x + b: with x = center + unit times a normal vector, z is around 0, where its kinks are, and of size 1.
 *
 *     unit_j = sqrt(rows / columns) / ||W e_j||,   center: least squares of ||W x + b||, by 20 steps of CGLS in these units
 *
 * Null where nothing affine stands before the first node that is not, or where there is no time for it.
 */
export async function headOf(
  subject: Subject,
  { source, engine, affords }: HeadOptions,
): Promise<{ readonly center: Float64Array; readonly unit: Float64Array } | null> {
  const { x, y } = subject.at(1, "float64", "x");
  const flow = flowOf(x, y);
  const regions = [...regionEnds(flow)]
    .map((node) => regionOf(node, flow))
    .filter(({ output, sources }) => output !== y && sources.length === 1 && sources[0] === x);
  const inside = new Set(regions.flatMap(({ nodes }) => nodes));
  const work = [...inside].reduce((sum, node) => sum + workOf(node, flow.varies), 0);
  const plain = work < plainWork;
  if (!affords((2 * (probes + 2 * steps + 2) * work) / (plain ? 1 : engineSpeed))) return null;
  const heads: Head[] = [];
  for (const { output } of regions) {
    const u = input("u", output.shape, "float64");
    const [back] = vjp([output], [u], [x]);
    if (!back) continue;
    const rows = sizeOf(output.shape);
    if (!plain) {
      heads.push({ ...(await onEngine(engine, output, back)), rows });
      continue;
    }
    // A leaky ReLU with slope 1 is affine, and its derivative is written with x all the same: anywhere it is the same.
    const value = asFunction(output, x);
    const pull = asFunction(back, u, x);
    const zero = new Float64Array(subject.size);
    heads.push({ rows, value: async (v) => value(v), pull: async (v) => pull(v, zero), dispose: async () => {} });
  }
  try {
    return await measured(heads, subject.size, source);
  } finally {
    for (const head of heads) await head.dispose();
  }
}

// --- internal ---

/** Multiply-adds of the first layer up to which it is left to the reference rules. */
const plainWork = 2 ** 19;

/** Random signs by which the lengths of columns are measured. */
const probes = 8;

/** Of CGLS. */
const steps = 20;

interface Head {
  readonly rows: number;
  value(x: Float64Array): Promise<Float64Array>;
  pull(u: Float64Array): Promise<Float64Array>;
  dispose(): Promise<void>;
}

async function onEngine(engine: Engine, output: Node, back: Node): Promise<Omit<Head, "rows">> {
  const forward = await engine.compile({ result: output });
  const backward = await engine.compile({ result: back });
  const run = async (program: Program, name: string, v: Float64Array) => {
    const fed = Object.entries(program.inputs).map(([own, type]) => {
      const { shape } = type as Type;
      return [own, tensor(own === name ? v : new Float64Array(sizeOf(shape)), shape, "float64")] as const;
    });
    return toFloat64((await program.run(Object.fromEntries(fed))).result);
  };
  return {
    value: (v) => run(forward, "x", v),
    pull: (v) => run(backward, "u", v),
    async dispose() {
      await forward.dispose();
      await backward.dispose();
    },
  };
}

async function measured(heads: readonly Head[], n: number, source: Random) {
  const rows = heads.reduce((sum, h) => sum + h.rows, 0);
  if (rows === 0) return null;
  const squares = new Float64Array(n);
  for (let trial = 0; trial < probes; trial++) {
    for (const { pull, rows: m } of heads) {
      const back = await pull(Float64Array.from({ length: m }, () => (source.uniform() < 0.5 ? -1 : 1)));
      for (let j = 0; j < n; j++) squares[j] += back[j] * back[j];
    }
  }
  const columns = squares.map((s) => Math.sqrt(s / probes));
  const top = columns.reduce((t, c) => Math.max(t, c), 0);
  if (!(top > 0 && top < Number.POSITIVE_INFINITY)) return null;
  const unit = columns.map((c) => (c > 1e-12 * top ? Math.sqrt(rows / n) / c : 0));
  return { center: await centerOf(heads, unit), unit };
}

async function centerOf(heads: readonly Head[], unit: Float64Array): Promise<Float64Array> {
  const zero = new Float64Array(unit.length);
  const values = (x: Float64Array) => Promise.all(heads.map((h) => h.value(x)));
  const offset = await values(zero);
  const dot = (a: readonly Float64Array[], b: readonly Float64Array[]) =>
    a.reduce((sum, v, i) => sum + v.reduce((s, c, k) => s + c * b[i][k], 0), 0);
  const back = async (r: readonly Float64Array[]) => {
    const g = new Float64Array(unit.length);
    for (const [i, h] of heads.entries()) {
      (await h.pull(r[i])).forEach((c, j) => {
        g[j] += c * unit[j];
      });
    }
    return g;
  };
  let t = zero;
  let r = offset.map((v) => v.map((c) => -c));
  let g = await back(r);
  let p = g;
  let gamma = dot([g], [g]);
  const enough = 1e-20 * gamma;
  for (let step = 0; step < steps && gamma > enough; step++) {
    const moved = p.map((c, j) => c * unit[j]);
    const q = (await values(moved)).map((v, i) => v.map((c, k) => c - offset[i][k]));
    const alpha = gamma / dot(q, q);
    if (!Number.isFinite(alpha)) break;
    t = t.map((c, j) => c + alpha * p[j]);
    r = r.map((v, i) => v.map((c, k) => c - alpha * q[i][k]));
    g = await back(r);
    const next = dot([g], [g]);
    p = g.map((c, j) => c + (next / gamma) * p[j]);
    gamma = next;
  }
  const center = t.map((c, j) => c * unit[j]);
  return center.every((c) => Number.isFinite(c)) ? center : zero;
}

/** The deviation of every number of a sample over the first thousand samples; null where none varies. */
function deviationsOf(x: ArrayLike<number>, size: number): Float64Array | null {
  const count = Math.min(1000, Math.floor(x.length / size));
  const mean = new Float64Array(size);
  const square = new Float64Array(size);
  for (let i = 0; i < count; i++) for (let j = 0; j < size; j++) mean[j] += x[i * size + j] / count;
  for (let i = 0; i < count; i++) for (let j = 0; j < size; j++) square[j] += (x[i * size + j] - mean[j]) ** 2 / count;
  const found = square.map(Math.sqrt);
  const sorted = found.filter((d) => d > 0).sort();
  if (sorted.length === 0) return null;
  const usual = sorted[sorted.length >> 1];
  // What never varies (the border of an image) is moved a little all the same.
  return found.map((d) => (d > 0 ? d : 0.1 * usual));
}
