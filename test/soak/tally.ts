/** @file What became of many models: counts of fates, of operators, of reasons, and every breach with the seed that gives it again. */
import type { ModelOf } from "../model.ts";
import { type CheckOptions, check } from "./check.ts";
import { generate } from "./generate.ts";
import { printModel, shrink } from "./shrink.ts";

/** Of the models that hold an operator. */
export interface OperatorCount {
  models: number;
  /** Read, and run by the runtime. */
  checked: number;
  /** With a finite upper bound in the norm and the domain that were asked. */
  bounded: number;
}

/** Plain data: it is stored, and two are added. */
export interface Tally {
  models: number;
  illegal: number;
  fails: number;
  refused: number;
  checked: number;
  /** Numbers of outputs that were compared, and those of which nothing is known. */
  compared: number;
  open: number;
  bounded: number;
  upperBounds: number;
  lowerBounds: number;
  radii: number;
  /** Models of which a certificate was accepted by the checker. */
  verified: number;
  slopes: number;
  held: number;
  violated: number;
  operators: Record<string, OperatorCount>;
  refusals: Record<string, number>;
  noConstant: Record<string, number>;
  breaches: { seed: number; kind: string; what: string }[];
}

export const emptyTally = (): Tally => ({
  models: 0,
  illegal: 0,
  fails: 0,
  refused: 0,
  checked: 0,
  compared: 0,
  open: 0,
  bounded: 0,
  upperBounds: 0,
  lowerBounds: 0,
  radii: 0,
  verified: 0,
  slopes: 0,
  held: 0,
  violated: 0,
  operators: {},
  refusals: {},
  noConstant: {},
  breaches: [],
});

/** Check the model of one seed and count it. */
export async function count(tally: Tally, seed: number): Promise<void> {
  const { model, classifier } = generate(seed);
  const outcome = await check(model, seed, { classifier });
  tally.models++;
  tally[outcome.fate]++;
  tally.compared += outcome.compared;
  tally.open += outcome.open;
  tally.upperBounds += outcome.finite;
  tally.lowerBounds += outcome.lowers;
  tally.radii += outcome.certificates;
  tally.verified += outcome.verified ? 1 : 0;
  tally.slopes += outcome.slopes;
  tally.held += outcome.held;
  tally.violated += outcome.violated;
  if (outcome.finite > 0) tally.bounded++;
  for (const op of operatorsOf(model)) {
    tally.operators[op] ??= { models: 0, checked: 0, bounded: 0 };
    const own = tally.operators[op];
    own.models++;
    if (outcome.fate === "checked") own.checked++;
    if (outcome.finite > 0) own.bounded++;
  }
  if (outcome.why !== undefined) add(tally.refusals, `${outcome.fate}: ${outcome.why}`);
  if (outcome.noConstant !== undefined) add(tally.noConstant, reasonOf(outcome.noConstant));
  if (outcome.breach) tally.breaches.push({ seed, ...outcome.breach });
}

/** Both counts together. */
export function together(a: Tally, b: Tally): Tally {
  const sum = emptyTally();
  for (const part of [a, b]) {
    for (const key of numbers) sum[key] += part[key];
    for (const [op, { models, checked, bounded }] of Object.entries(part.operators)) {
      const own = sum.operators[op] ?? { models: 0, checked: 0, bounded: 0 };
      sum.operators[op] = {
        models: own.models + models,
        checked: own.checked + checked,
        bounded: own.bounded + bounded,
      };
    }
    for (const key of ["refusals", "noConstant"] as const) {
      for (const [why, n] of Object.entries(part[key])) sum[key][why] = (sum[key][why] ?? 0) + n;
    }
    sum.breaches.push(...part.breaches);
  }
  return sum;
}

/** The model of a seed, made small as long as it has a breach of the same kind; null where it has none. */
export async function minimal(seed: number, options: Partial<CheckOptions> = {}): Promise<string | null> {
  const { model, classifier } = generate(seed);
  const kindOf = async (m: ModelOf) => (await check(m, seed, { classifier, ...options })).breach?.kind;
  const kind = await kindOf(model);
  if (kind === undefined) return null;
  const small = await shrink(model, async (m) => (await kindOf(m)) === kind);
  const { breach } = await check(small, seed, { classifier, ...options });
  return `seed ${seed}: ${kind}: ${breach?.what}\n${printModel(small)}`;
}

// --- internal ---

const numbers = [
  "models",
  "illegal",
  "fails",
  "refused",
  "checked",
  "compared",
  "open",
  "bounded",
  "upperBounds",
  "lowerBounds",
  "radii",
  "verified",
  "slopes",
  "held",
  "violated",
] as const;

/** Each once; those of ONNX Runtime with their domain. */
const operatorsOf = ({ nodes }: ModelOf): Set<string> =>
  new Set(nodes.map((n) => (n.domain ? `${n.domain}.${n.op}` : n.op)));

/** Without the node's name and the numbers. */
const reasonOf = (why: string): string =>
  why
    .replace(/^[^:]*: /, "")
    .replaceAll(/-?\d+(\.\d+)?(e-?\d+)?/g, "#")
    .slice(0, 120);

function add(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1;
}
