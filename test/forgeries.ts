/** @file Certificates, models and data changed so that every hash fits again: what is wrong has to be found by the check itself. */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { expect } from "vitest";
import type { Dataset } from "../src/data/dataset.ts";
import { mlp } from "../src/models/mlp.ts";
import { type ModelProto, ModelProtoSchema } from "../src/onnx/proto.ts";
import { modelHash } from "../src/onnx/read.ts";
import { type Certificate, digestOf } from "../src/verify/certificate.ts";
import { verify } from "../src/verify/verify.ts";
import { bytesOf, certificateOf, points } from "./certificates.ts";

/** What is handed to the checker. */
export interface Case {
  readonly text: string;
  readonly bytes: Uint8Array;
  readonly data: Dataset;
}

export interface Original extends Case {
  readonly certificate: Certificate;
}

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Another certificate with a digest of its own. */
export async function redigested(original: Case, edit: (rest: Json) => Json): Promise<Case> {
  const { digest: _, ...rest } = JSON.parse(original.text) as { [key: string]: Json };
  const made = edit(structuredClone(rest)) as { [key: string]: Json };
  return { ...original, text: JSON.stringify({ ...made, digest: await digestOf(made) }) };
}

/** Another model under a certificate that says so. */
export async function rehashed(original: Case, bytes: Uint8Array): Promise<Case> {
  const sha256 = await modelHash(bytes);
  return { ...(await redigested(original, (json) => ({ ...(json as { [key: string]: Json }), sha256 }))), bytes };
}

/** The model, changed as a message. */
export function edited(original: Case, edit: (model: ModelProto) => void): Promise<Case> {
  const model = fromBinary(ModelProtoSchema, original.bytes.slice());
  edit(model);
  return rehashed(original, toBinary(ModelProtoSchema, model));
}

/** A small network with its certificate, of which some samples are decided right and some wrong, at a distance. */
export async function honest(): Promise<Original> {
  const data = points([5], 12, 3);
  const bytes = await bytesOf(mlp([5, 7, 6, 3]), [5]);
  const { text, certificate } = await certificateOf(bytes, data, { local: "on" });
  return { text, bytes, data, certificate };
}

/** What can be changed. */
export type Draft<T> = T extends object ? { -readonly [K in keyof T]: Draft<T[K]> } : T;

/** The claims, changed and with a digest that fits. */
export function claimed(original: Case, forge: (c: Draft<Certificate>) => void): Promise<Case> {
  return redigested(original, (json) => {
    forge(json as unknown as Draft<Certificate>);
    return json as Json;
  });
}

/** What is counted, as the samples are. */
export function recount(c: Draft<Certificate>): void {
  const right = c.samples.filter((s) => s.label === s.predicted);
  const n = c.samples.length;
  c.accuracy = right.length / n;
  for (const claim of c.certified) {
    claim.accuracy = right.filter((s) => s.radius === null || s.radius >= claim.radius).length / n;
  }
  c.averageRadius = right.reduce((sum, s) => sum + s.radius, 0) / n;
}

/** Expect that a check refuses a forgery, in one line. */
export async function refused(forgery: Case, check: string, why: RegExp): Promise<void> {
  const { holds, checks } = await verify(forgery.text, forgery.bytes, { data: forgery.data });
  expect(holds).toBe(false);
  const last = checks[checks.length - 1];
  expect({ check: last.what, holds: last.holds }).toEqual({ check, holds: false });
  expect(last.detail).toMatch(why);
  expect(last.detail).not.toMatch(/\n|could not be checked/);
  expect(last.detail.length).toBeLessThan(300);
}
