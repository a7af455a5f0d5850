/** @file What is said of a box of inputs, held against points of it: partial slopes (`gains`) and whether a property holds (`checkProperty`). */
import type { InferenceSession } from "onnxruntime-node";
import { gains } from "../../src/bounds/gain/gains.ts";
import { type Subject, subjectOf } from "../../src/bounds/subject.ts";
import { checkProperty } from "../../src/certify/property/check.ts";
import type { Condition, Property } from "../../src/certify/property/vnnlib.ts";
import type { Node } from "../../src/graph/graph.ts";
import type { Network } from "../../src/graph/network.ts";
import { UsageError } from "../../src/tensor/errors.ts";
import type { Random } from "../../src/tensor/random.ts";
import { plainEngine } from "../plainEngine.ts";
import { runModel } from "./agree.ts";
import { type Enclosed, enclose, float32, float64 } from "./rounding.ts";

export interface OnBox {
  /** Partial slopes that were bounded. */
  readonly slopes: number;
  /** Properties that were proved, and that were violated. */
  readonly held: number;
  readonly violated: number;
  readonly breach?: string;
}

interface Box {
  readonly low: Float64Array;
  readonly high: Float64Array;
}

/** Ask for slopes on a box, or for a property, of one model in eight each; of small ones only. */
export async function onBox(session: InferenceSession, network: Network, r: Random): Promise<OnBox> {
  const none: OnBox = { slopes: 0, held: 0, violated: 0 };
  const what = r.integer(8);
  if (what > 1) return none;
  try {
    const subject = subjectOf(network);
    if (subject.size > most || subject.outputs > most) return none;
    const box = boxFor(r, subject.size);
    return what === 0 ? await slopesOn(network, subject, box, r) : await propertyOn(session, network, subject, box, r);
  } catch (cause) {
    if (cause instanceof UsageError) return none;
    throw cause;
  }
}

// --- internal ---

/** Inputs, and outputs. */
const most = 16;

function boxFor(r: Random, size: number): Box {
  const radius = [0.01, 0.3, 2][r.integer(3)];
  const center = Float64Array.from({ length: size }, () => r.normal());
  // One side in eight is flat.
  const sides = center.map(() => (r.integer(8) === 0 ? 0 : radius * r.uniform()));
  // Numbers of float32, so that the runtime can stand in every corner.
  return {
    low: center.map((c, i) => Math.fround(c - sides[i])),
    high: center.map((c, i) => Math.fround(c + sides[i])),
  };
}

const pointIn = ({ low, high }: Box, r: Random): Float64Array =>
  low.map((l, i) => {
    const t = r.integer(3) === 0 ? r.integer(2) : r.uniform();
    return t === 1 ? high[i] : Math.min(high[i], l + t * (high[i] - l));
  });

const at = (y: Node, x: Node, point: Float64Array): Enclosed => enclose([y], new Map([[x, point]]), float64)[0];

async function slopesOn(network: Network, subject: Subject, box: Box, r: Random): Promise<OnBox> {
  const found = await gains(network, {
    engine: plainEngine,
    domain: { kind: "box", low: Array.from(box.low), high: Array.from(box.high) },
    pieces: 3,
    seed: 1,
  });
  const { x, y } = subject.at(1, "float64");
  const free = Array.from(box.low.keys()).filter((i) => box.low[i] < box.high[i]);
  const counted = { held: 0, violated: 0, slopes: found.slopes.length };
  for (let k = 0; k < 24 && free.length > 0; k++) {
    const i = free[r.integer(free.length)];
    const from = pointIn(box, r);
    const to = from.slice();
    const step = k % 2 === 0 ? 1 : 2 ** -8;
    to[i] = Math.min(box.high[i], Math.max(box.low[i], from[i] + step * (pointIn(box, r)[i] - from[i])));
    const run = to[i] - from[i];
    if (run === 0) continue;
    const [a, b] = [at(y, x, from), at(y, x, to)];
    for (let o = 0; o < subject.outputs; o++) {
      const slope = found.slopes.find((s) => s.output === `y${o}` && s.input === `x${i}`);
      if (!slope) return { ...counted, breach: `gains: no slope of output ${o} by input ${i}` };
      const slack = (a.error[o] + b.error[o]) / Math.abs(run) + 1e-12 * Math.abs(b.value[o] / run) + 1e-12;
      const shown = (b.value[o] - a.value[o]) / run;
      if (!Number.isFinite(shown) || !Number.isFinite(slack)) continue;
      const [low, high] = slope.range;
      if (shown + slack >= low && shown - slack <= high) continue;
      return {
        ...counted,
        breach: `gains: the slope of output ${o} by input ${i} is said to be in [${low}, ${high}], and ${shown} from ${from} to ${to[i]}`,
      };
    }
  }
  return counted;
}

/** A condition that is met at some points of the box and not at others, or hardly so. */
async function propertyOn(
  session: InferenceSession,
  network: Network,
  subject: Subject,
  box: Box,
  r: Random,
): Promise<OnBox> {
  const none: OnBox = { slopes: 0, held: 0, violated: 0 };
  const { x, y } = subject.at(1, "float64");
  const row = Float64Array.from({ length: subject.outputs }, () => r.integer(3) - 1);
  const valueAt = (point: Float64Array) => {
    const { value, error } = at(y, x, point);
    return {
      value: row.reduce((sum, c, j) => sum + c * value[j], 0),
      error: row.reduce((sum, c, j) => sum + Math.abs(c) * (error[j] + 1e-14 * Math.abs(value[j])), 1e-14),
    };
  };
  const drawn = Array.from({ length: 24 }, () => valueAt(pointIn(box, r))).filter(({ value }) =>
    Number.isFinite(value),
  );
  if (drawn.length === 0) return none;
  const values = drawn.map(({ value }) => value).sort((a, b) => a - b);
  const spread = values[values.length - 1] - values[0];
  // Below the least of the values nothing meets it, as far as one has seen.
  const level = values[0] - [0.5, 0.05, -0.1][r.integer(3)] * spread;
  const condition: Condition = { row, offset: -level };
  const property: Property = {
    inputs: subject.size,
    outputs: subject.outputs,
    cases: [{ ...box, within: box, conditions: [condition] }],
  };
  const found = await checkProperty(network, property, { engine: plainEngine, work: 1e5 });
  if (found.status === "unknown") return none;
  if (found.status === "holds") {
    for (let k = 0; k < 48; k++) {
      const point = pointIn(box, r);
      const { value, error } = valueAt(point);
      if (value + error <= level - 1e-13 * Math.abs(level)) {
        return { ...none, held: 1, breach: `a property is said to hold, and ${value} <= ${level} at ${point}` };
      }
    }
    return { ...none, held: 1 };
  }
  const point = Float64Array.from(found.point);
  if (point.some((v, i) => v < box.low[i] || v > box.high[i])) {
    return { ...none, violated: 1, breach: `a property is said to be violated at ${point}, which is not in the box` };
  }
  const single = subject.at(1, "float32");
  const outputs = (await runModel(session, Float32Array.from(point), single.x.shape)).flatMap((o) => [...o]);
  const [{ error }] = enclose([single.y], new Map([[single.x, point]]), float32);
  const value = row.reduce((sum, c, j) => sum + c * outputs[j], 0);
  // Several runs of the same network round differently.
  const granted = row.reduce((sum, c, j) => sum + Math.abs(c) * (2 * error[j] + 1e-14 * Math.abs(outputs[j])), 1e-14);
  return !(value - granted > level + 1e-13 * Math.abs(level))
    ? { ...none, violated: 1 }
    : {
        ...none,
        violated: 1,
        breach: `a property is said to be violated at ${point}, and the runtime gives ${value} > ${level}`,
      };
}
