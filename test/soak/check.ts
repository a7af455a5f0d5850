/** @file All that is asked of one model: it is opened, read, compared, bounded and, where it decides, certified, verified and attacked. */
import * as ort from "onnxruntime-node";
import type { lipschitz } from "../../src/bounds/index.ts";
import type { Network } from "../../src/graph/network.ts";
import { parseOnnx } from "../../src/onnx/read.ts";
import { ReadError, UnsupportedOperatorError } from "../../src/tensor/errors.ts";
import { type Random, random } from "../../src/tensor/random.ts";
import { type ModelOf, modelOf } from "../model.ts";
import { agreement, openSession } from "./agree.ts";
import { bounded } from "./bounds.ts";
import { onBox } from "./boxed.ts";
import { certified } from "./certified.ts";

/** What became of one model. */
export interface Outcome {
  /** `illegal`: the runtime does not open it; `fails`: it opens it and cannot run it; `refused`: the library does not read it. */
  readonly fate: "illegal" | "fails" | "refused" | "checked";
  /** The words of who refused. */
  readonly why?: string;
  readonly compared: number;
  readonly open: number;
  readonly finite: number;
  readonly lowers: number;
  readonly nearest: number;
  /** Why there is no constant. */
  readonly noConstant?: string;
  readonly certificates: number;
  /** Was a certificate of it witnessed and accepted? */
  readonly verified: boolean;
  /** On a box: partial slopes, and properties that were proved and violated. */
  readonly slopes: number;
  readonly held: number;
  readonly violated: number;
  /** What must not be, and of which kind. */
  readonly breach?: Breach;
}

export interface Breach {
  readonly kind: "differs" | "bound" | "box" | "certificate" | "throws";
  readonly what: string;
}

export interface CheckOptions {
  /** One sample and a row of outputs: certify it too. */
  readonly classifier: boolean;
  /** How the bytes are read; for errors that are planted. */
  readonly read?: (bytes: Uint8Array) => Network;
  /** Who bounds; for errors that are planted. */
  readonly bound?: typeof lipschitz;
}

/** Check a model. The same model, seed and options give the same outcome. */
export async function check(model: ModelOf, seed: number, options: CheckOptions): Promise<Outcome> {
  ort.env.logLevel = "fatal";
  const { read = parseOnnx } = options;
  const nothing = {
    compared: 0,
    open: 0,
    finite: 0,
    lowers: 0,
    nearest: 0,
    certificates: 0,
    verified: false,
    slopes: 0,
    held: 0,
    violated: 0,
  };
  const bytes = modelOf(model);
  let session: ort.InferenceSession;
  try {
    session = await openSession(bytes);
  } catch (cause) {
    return { ...nothing, fate: "illegal", why: wordsOf(cause) };
  }
  try {
    let network: Network;
    try {
      network = read(bytes);
    } catch (cause) {
      if (!(cause instanceof ReadError || cause instanceof UnsupportedOperatorError)) throw cause;
      return { ...nothing, fate: "refused", why: wordsOf(cause) };
    }
    const r = random(seed);
    const agreed = await agreement(session, network, r.fork("inputs"));
    const counts = { ...nothing, compared: agreed.compared, open: agreed.open };
    if (agreed.fails !== undefined) return { ...counts, fate: "fails", why: agreed.fails };
    if (agreed.differs !== undefined && (await unlikeItself(bytes, network, r.fork("inputs")))) {
      return { ...counts, fate: "fails", why: "the runtime's optimiser makes another network of it" };
    }
    if (agreed.differs !== undefined) {
      return { ...counts, fate: "checked", breach: { kind: "differs", what: agreed.differs } };
    }
    const bound = await bounded(session, network, r.fork("bounds"), options.bound);
    const { finite, lowers, nearest } = bound;
    const { breach: wrong, ...boxed } = await onBox(session, network, r.fork("box"));
    const more = {
      ...counts,
      ...boxed,
      finite,
      lowers,
      nearest,
      ...(bound.refused === undefined ? {} : { noConstant: bound.refused }),
    };
    if (bound.breach !== undefined) return { ...more, fate: "checked", breach: { kind: "bound", what: bound.breach } };
    if (wrong !== undefined) return { ...more, fate: "checked", breach: { kind: "box", what: wrong } };
    if (!options.classifier) return { ...more, fate: "checked" };
    const decided = await certified(session, network, bytes, r.fork("certify"));
    const { certificates, verified } = decided;
    const rest = { ...more, certificates, verified, fate: "checked" } as const;
    return decided.breach === undefined ? rest : { ...rest, breach: { kind: "certificate", what: decided.breach } };
  } catch (cause) {
    // Of another batch than the first, a constant may not be finite.
    if (cause instanceof ReadError || cause instanceof UnsupportedOperatorError) {
      return { ...nothing, fate: "refused", why: wordsOf(cause) };
    }
    const stack = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    return { ...nothing, fate: "checked", breach: { kind: "throws", what: stack.split("\n").slice(0, 4).join(" | ") } };
  } finally {
    await session.release();
  }
}

// --- internal ---

/** Does the runtime compute what was read once it leaves the graph as it is? Then it has two answers, and the standard's is ours. */
async function unlikeItself(bytes: Uint8Array, network: Network, r: Random): Promise<boolean> {
  const session = await openSession(bytes, false);
  try {
    const { differs, fails } = await agreement(session, network, r);
    return differs === undefined && fails === undefined;
  } finally {
    await session.release();
  }
}

/** On one line, without the names and numbers of this model. */
function wordsOf(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  const [first, second = ""] = message.split("\n");
  const words = /nodes? cannot be read/.test(first) && second !== "" ? second : first;
  return words
    .replaceAll(/"[^"]*"/g, '""')
    .replaceAll(/-?\d+(\.\d+)?/g, "#")
    .trim()
    .slice(0, 160);
}
