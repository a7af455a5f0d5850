/** @file Certify, verify, attack: no point within a certified radius is decided otherwise, and the checker accepts what the library wrote. */
import type { InferenceSession } from "onnxruntime-node";
import { attack } from "../../src/attack/attack.ts";
import { deepfool, pgd } from "../../src/attack/protocol.ts";
import { lengthOf } from "../../src/bounds/length.ts";
import { type Subject, subjectOf } from "../../src/bounds/subject.ts";
import { makeCertificate } from "../../src/certify/certificate.ts";
import type { Dataset } from "../../src/data/dataset.ts";
import { nodeEngine } from "../../src/engine/node.ts";
import type { Network } from "../../src/graph/network.ts";
import { BatchError, UsageError } from "../../src/tensor/errors.ts";
import type { Random } from "../../src/tensor/random.ts";
import { verify } from "../../src/verify/verify.ts";
import { declaredAs } from "../model.ts";
import { plainEngine } from "../plainEngine.ts";
import { runModel } from "./agree.ts";
import { enclose, float32 } from "./rounding.ts";

export interface Decided {
  /** Samples with a certified radius above 0. */
  readonly certificates: number;
  readonly verified: boolean;
  readonly breach?: string;
}

const runtime = nodeEngine({ threads: 1 });

/** Certify a model on a few samples, and try to refute it. */
export async function certified(
  session: InferenceSession,
  network: Network,
  bytes: Uint8Array,
  r: Random,
): Promise<Decided> {
  const none: Decided = { certificates: 0, verified: false };
  const norm = ([2, "inf", 1] as const)[r.integer(3)];
  // On networks so small a session takes longer than all runs, but for the linear walk, which is a program for every layer.
  const whole = r.integer(4) === 0;
  const complete = whole && r.fork("complete").integer(2) === 0;
  const engine = whole ? runtime : plainEngine;
  try {
    const subject = subjectOf(network);
    const sample = subject.batch === "fixed" && subject.sample[0] > 1 ? subject.sample.slice(1) : subject.sample;
    const samplesPerRun = subject.batch === "fixed" && subject.sample[0] > 1 ? subject.sample[0] : 1;
    const classes = subject.outputs / samplesPerRun;
    if (!Number.isInteger(classes) || classes < 2) return none;
    const data = await dataFor(session, subject, sample, samplesPerRun, classes, r);
    if (!data) return none;
    // The checker wants to be told what an output is; models here do not say it.
    const declared = declaredAs(
      bytes,
      subject.at(1, "float32").y.shape.map((_, i) => `d${i}`),
    );
    const made = await makeCertificate(network, {
      engine,
      data,
      bytes: declared,
      norm,
      radii: [0.01, 0.1, 1],
      seconds: 0.002,
      limit: 0.1,
      local: whole ? { steps: 2, ...(complete && { parts: 4 }) } : "off",
      tool: { name: "soak", version: "0" },
    });
    const { certificate, certification } = made;
    let verified = false;
    if (certificate.witness !== null) {
      const text = JSON.stringify(certificate);
      const verdict = await verify(text, declared, { data });
      const last = verdict.checks.find((line) => !line.holds);
      if (!verdict.holds)
        return { certificates: 0, verified, breach: `verify does not accept: ${last?.what}: ${last?.detail}` };
      verified = true;
    }
    const samples = certification.samples;
    const radius = (i: number) => samples[i].radius;
    for (const { index, refuted } of samples) {
      if (refuted && refuted.radius <= radius(index)) {
        const breach = `l${norm}: sample ${index} is refuted at ${refuted.radius} and certified to ${radius(index)}`;
        return { certificates: 0, verified, breach };
      }
    }
    const breach = await refute(session, network, data, radius, norm, r, samplesPerRun);
    const certificates = samples.filter((s) => s.radius > 0).length;
    if (breach) return { certificates, verified, breach };
    if (norm !== 1 && samplesPerRun === 1 && r.integer(3) === 0) {
      const found = await attack(network, {
        engine,
        data,
        norm,
        radii: [0.1],
        attacks: [r.integer(2) === 0 ? pgd({ steps: 4 }) : deepfool({ steps: 3 })],
        clip: "none",
      });
      for (const { index, confirmed } of found.samples) {
        if (confirmed !== null && confirmed < radius(index)) {
          return {
            certificates,
            verified,
            breach: `l${norm}: attacked at ${confirmed} within the certified ${radius(index)}`,
          };
        }
      }
    }
    return { certificates, verified };
  } catch (cause) {
    if (cause instanceof UsageError || cause instanceof BatchError) return none;
    throw cause;
  }
}

// --- internal ---

/** A few samples with the decisions of the runtime; null where it has none. */
async function dataFor(
  session: InferenceSession,
  subject: Subject,
  shape: readonly number[],
  perRun: number,
  classes: number,
  r: Random,
): Promise<Dataset | null> {
  const runs = 3;
  const x = Float32Array.from({ length: runs * subject.size }, () => r.normal());
  const labels: number[] = [];
  for (let k = 0; k < runs; k++) {
    const rows = await runAt(
      session,
      x.slice(k * subject.size, (k + 1) * subject.size),
      subject.at(1, "float32").x.shape,
    );
    if (rows.length !== perRun * classes || rows.some((v) => !Number.isFinite(v))) return null;
    for (let j = 0; j < perRun; j++) labels.push(largest(rows.subarray(j * classes, (j + 1) * classes)));
  }
  const own = shape.length === 0 ? [1] : shape;
  return {
    name: "points",
    task: "classification",
    x,
    shape: own,
    count: runs * perRun,
    labels: Int32Array.from(labels),
    targets: new Float32Array(0),
    classes,
  };
}

async function runAt(session: InferenceSession, x: Float32Array, shape: readonly number[]): Promise<Float64Array> {
  return Float64Array.from((await runModel(session, x, shape)).flatMap((row) => [...row]));
}

const largest = (row: ArrayLike<number>): number => {
  let best = 0;
  for (let j = 1; j < row.length; j++) if (row[j] > row[best]) best = j;
  return best;
};

/** Points on and inside the sphere of the certified radius, decided by the runtime; what float32 rounds is granted. */
async function refute(
  session: InferenceSession,
  network: Network,
  data: Dataset,
  radius: (index: number) => number,
  norm: 1 | 2 | "inf",
  r: Random,
  perRun: number,
): Promise<string | null> {
  const subject = subjectOf(network);
  const { x: input, y } = subject.at(1, "float32");
  const each = subject.size / perRun;
  for (let i = 0; i < data.count; i++) {
    const R = Math.min(radius(i), 1e6);
    if (!(R > 0)) continue;
    const run = Math.floor(i / perRun);
    const place = i % perRun;
    const center = data.x.slice(run * subject.size, (run + 1) * subject.size);
    for (let k = 0; k < 8; k++) {
      const way = Float64Array.from({ length: each }, () =>
        k % 2 === 0 ? r.normal() : norm === 1 ? 0 : 2 * r.integer(2) - 1,
      );
      if (norm === 1 && k % 2 === 1) way[r.integer(each)] = 1 - 2 * (k % 4 === 1 ? 1 : 0);
      const length = lengthOf(way, norm) || 1;
      // Rounding the point to float32 moves it.
      const moved = center.slice();
      for (let j = 0; j < each; j++) moved[place * each + j] += (way[j] / length) * R * (1 - 1e-3);
      const gap = Float64Array.from(moved, (v, j) => v - center[j]);
      if (!(lengthOf(gap, norm) < R)) continue;
      const out = await runAt(session, moved, input.shape);
      const width = out.length / perRun;
      const row = out.subarray(place * width, (place + 1) * width);
      const decided = largest(row);
      if (decided === data.labels[i]) continue;
      const [{ error }] = enclose([y], new Map([[input, Float64Array.from(moved)]]), float32);
      const lead = row[decided] - row[data.labels[i]];
      const granted = 2 * (error[place * width + decided] + error[place * width + data.labels[i]]);
      if (lead > granted)
        return `l${norm}: sample ${i} is decided otherwise at ${lengthOf(gap, norm)} within the certified ${R} (lead ${lead})`;
    }
  }
  return null;
}
