/** @file What a trained network is measured by in the studies of margins: certified accuracy by three constants, and attacks that must stay outside of every certified radius. */
import { attack } from "../../src/attack/attack.ts";
import { propagate } from "../../src/bounds/autoLip.ts";
import { classPairs } from "../../src/bounds/quadratic/pairs.ts";
import { subjectOf } from "../../src/bounds/subject.ts";
import { type Certification, certify, logitsOf } from "../../src/certify/evaluate.ts";
import { type Dataset, take } from "../../src/data/dataset.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { flowOf } from "../../src/graph/behaviour.ts";
import type { Network } from "../../src/graph/network.ts";

export interface Measured {
  readonly accuracy: number;
  /** Proved upper bounds of the constant of all outputs. */
  readonly product: number;
  readonly lipsdp: number | null;
  /** Certified accuracy by radius: constants of pairs by the product of norms, of lipsdp's constant of all outputs where that is less, and of lipsdp's of pairs where they are. */
  readonly certified: readonly {
    readonly radius: number;
    readonly product: number;
    readonly lipsdp: number | null;
    readonly lipsdpPairs: number | null;
  }[];
  readonly medianRadius: { readonly product: number; readonly lipsdpPairs: number | null };
  readonly attacked: {
    readonly samples: number;
    readonly robust: readonly { readonly radius: number; readonly accuracy: number }[];
    /** Samples whose decision changes, in float64, within the largest certified radius of the three. Must be 0. */
    readonly violations: number;
    /** Over the samples that were changed: the smallest of (perturbation found / certified radius). At least 1. */
    readonly closest: number | null;
  };
  readonly seconds: { readonly lipsdp: number; readonly attack: number };
}

export interface MeasureOptions {
  readonly engine: Engine;
  readonly data: Dataset;
  readonly radii: readonly number[];
  /** For lipsdp; null leaves it out. */
  readonly seconds: number | null;
  /** Samples that are attacked. */
  readonly attacked: number;
}

export async function measure(network: Network, options: MeasureOptions): Promise<Measured> {
  const { engine, data, radii, seconds, attacked } = options;
  const byProduct = await certify(network, { engine, data, radii });
  const chain = seconds === null ? null : await chainConstants(network, engine, seconds);
  const byChain = chain
    ? await certify(network, {
        engine,
        data,
        radii,
        upper: { method: "lipsdp", side: "upper", proved: true, value: chain.value, seconds: 0, status: "done" },
      })
    : null;
  const { pairs } = byProduct.constant;
  const both = (i: number, j: number) => Math.min(chain?.pair(i, j) ?? Infinity, pairs?.[i][j] ?? Infinity);
  const ofPairs = chain ? await pairRadii(network, engine, data, both, byProduct.allowance) : null;
  const right = byProduct.samples.map((s) => s.predicted === s.label);
  const part = (radius: number, found: ArrayLike<number>) =>
    right.filter((ok, i) => ok && found[i] >= radius).length / data.count;
  const own = (c: Certification) => c.samples.map((s) => s.radius);

  const started = performance.now();
  const few = take(data, Math.min(attacked, data.count));
  const found = await attack(network, { engine, data: few, radii, clip: "none" });
  const best = byProduct.samples.map((s, i) =>
    Math.max(s.radius, byChain?.samples[i].radius ?? 0, ofPairs ? ofPairs[i] : 0),
  );
  // A sample that float32 decides otherwise than float64 already lies on the boundary: no certificate speaks of it.
  const changed = found.samples.flatMap((s, i) =>
    s.confirmed === null || s.predicted !== byProduct.samples[i].predicted ? [] : [s.confirmed / best[i]],
  );
  return {
    accuracy: byProduct.accuracy,
    product: byProduct.constant.value,
    lipsdp: chain?.value ?? null,
    certified: radii.map((radius, k) => ({
      radius,
      product: byProduct.certified[k].accuracy,
      lipsdp: byChain ? byChain.certified[k].accuracy : null,
      lipsdpPairs: ofPairs ? part(radius, ofPairs) : null,
    })),
    medianRadius: {
      product: median(own(byProduct).map((v, i) => (right[i] ? v : 0))),
      lipsdpPairs: ofPairs ? median(Array.from(ofPairs, (v, i) => (right[i] ? v : 0))) : null,
    },
    attacked: {
      samples: few.count,
      robust: found.robust,
      violations: changed.filter((ratio) => ratio < 1).length,
      closest: changed.length > 0 ? Math.min(...changed) : null,
    },
    seconds: { lipsdp: chain?.seconds ?? 0, attack: (performance.now() - started) / 1000 },
  };
}

export const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/** Mean and, of several, the largest distance from it, in per cent. */
export function percent(values: readonly number[]): string {
  const m = 100 * mean(values);
  const spread = Math.max(...values.map((v) => Math.abs(100 * v - m)));
  return values.length > 1 ? `${m.toFixed(1)} ± ${spread.toFixed(1)}` : m.toFixed(1);
}

// --- internal ---

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

/** lipsdp of the whole network: its constant, and those of differences of outputs from the same multipliers. */
async function chainConstants(network: Network, engine: Engine, seconds: number) {
  const started = performance.now();
  const { x, y } = subjectOf(network).at(1, "float64");
  const found = await classPairs(await propagate(flowOf(x, y), 2), { engine, seconds });
  return found && { value: found.bound.value, pair: found.pair, seconds: (performance.now() - started) / 1000 };
}

/** The radius of each sample from constants of pairs, with the rounding of the logits taken off. */
async function pairRadii(
  network: Network,
  engine: Engine,
  data: Dataset,
  pair: (i: number, j: number) => number,
  allowance: number,
): Promise<Float64Array> {
  const { data: logits, classes } = await logitsOf(network, engine, data, { dtype: "float64" });
  return Float64Array.from({ length: data.count }, (_, i) => {
    const row = logits.subarray(i * classes, (i + 1) * classes);
    const top = row.indexOf(Math.max(...row));
    let least = Number.POSITIVE_INFINITY;
    row.forEach((v, j) => {
      if (j !== top) least = Math.min(least, (row[top] - v - 2.001 * allowance) / pair(top, j));
    });
    return Math.max(0, least * (1 - 1e-12));
  });
}
