/** @file Greedy SeqLip as published: an estimate. It under-estimates a maximum that an upper bound would have to over-estimate, and drops the small singular values. */
import { scale } from "../../linalg/rounding.ts";
import { random } from "../../tensor/random.ts";
import type { Estimate } from "../bound.ts";
import { budget, type Clock } from "../budget.ts";
import type { Chain } from "../chain.ts";
import { type ChainForm, chainForm } from "./form.ts";
import { leadingTriplets, type Triplets } from "./triplets.ts";

export interface GreedySeqLipOptions {
  /** Singular triplets of each layer, default 200. */
  readonly k?: number;
  /** Most sweeps over the neurons of a layer, default 10. */
  readonly sweeps?: number;
  readonly seconds?: number;
  /** Default: the machine's. */
  readonly clock?: Clock;
  readonly signal?: AbortSignal;
}

/**
 * Estimate the constant of a chain in l2.
 *
 *     prod_i  max over slopes D_i of  || S~_{i+1} V_{i+1}^T D_i U_i S~_i ||,   W_i = U_i S_i V_i^T,   S~ = S at the ends, S^(1/2) between
 *
 * Every maximum is sought over the ends of the slope ranges: from the upper ones on, neuron after neuron is flipped where that
 * raises the norm at once, until a sweep changes nothing.
 *
 * Reference: Virmaux and Scaman 2018, section 6, and `optim_nn_pca_greedy` of their code.
 */
export async function greedySeqLip(chain: Chain, options: GreedySeqLipOptions = {}): Promise<Estimate> {
  const { k = 200, sweeps = 10 } = options;
  const clock = budget(options);
  const form = chainForm(chain);
  const stated = { method: "greedy-seqlip", side: "estimate", proved: false } as const;
  if (form === null) return { ...stated, value: 0, seconds: clock.elapsed(), status: "done" };
  const triplets: Triplets[] = [];
  for (const W of form.weights) {
    await clock.pause();
    triplets.push(leadingTriplets(W, k));
  }
  let value = form.sectors.length === 0 ? triplets[0].values[0] : 1;
  let ended = true;
  for (let i = 0; i < form.sectors.length; i++) {
    const factor = flips(form, triplets, i);
    for (let sweep = 0; sweep < sweeps; sweep++) {
      await clock.pause();
      ended &&= !clock.expired;
      clock.spend(factor.cost);
      if (clock.expired || !factor.sweep()) break;
    }
    value *= factor.norm();
  }
  const end = ended
    ? { status: "done" as const }
    : { status: "stopped" as const, why: "out of time: more flips may raise it" };
  return { ...stated, value: scale(value, form.exponent), seconds: clock.elapsed(), ...end };
}

// --- internal ---

/** One factor: M = sum over neurons of d_j l_j r_j^T, l_j and r_j of at most k numbers. */
function flips({ weights, sectors }: ChainForm, triplets: readonly Triplets[], i: number) {
  const sector = sectors[i];
  const n = sector.mu.length;
  const [before, after] = [triplets[i], triplets[i + 1]];
  const right = halves(before.left, before.values, i === 0);
  const left = halves(after.right, after.values, i + 1 === weights.length - 1);
  const [p, q] = [left.length / n, right.length / n];
  const high = sector.mu.map((m, j) => m + sector.rho[j]);
  const low = sector.mu.map((m, j) => m - sector.rho[j]);
  const d = high.map((h, j) => (Math.abs(h) >= Math.abs(low[j]) ? h : low[j]));
  const M = new Float64Array(p * q);
  for (let j = 0; j < n; j++) addOuter(M, left, right, j, p, q, d[j]);
  const source = random(0);
  let top = leading(
    M,
    p,
    q,
    Float64Array.from({ length: q }, () => source.normal()),
    100,
  );
  return {
    /** Multiply-adds of a sweep, roughly. */
    cost: 15 * n * p * q,
    norm: () => leading(M, p, q, top.v, 200).value,
    /** Try every neuron once; did any flip? */
    sweep(): boolean {
      let flipped = false;
      for (let j = 0; j < n; j++) {
        const other = d[j] === high[j] ? low[j] : high[j];
        const change = other - d[j];
        addOuter(M, left, right, j, p, q, change);
        // What u and v see of the change comes first; a few iterations see what it makes possible.
        const next = leading(M, p, q, top.v, 6);
        if (next.value > top.value * (1 + 1e-9)) {
          top = next;
          d[j] = other;
          flipped = true;
        } else addOuter(M, left, right, j, p, q, -change);
      }
      top = leading(M, p, q, top.v, 50);
      return flipped;
    },
  };
}

/** A neuron per row: its entries in the singular directions, times the singular values or their roots. */
function halves(directions: Triplets["left"], values: Float64Array, whole: boolean): Float64Array {
  const { rows: k, cols: n, data } = directions;
  const result = new Float64Array(n * k);
  for (let r = 0; r < k; r++) {
    const s = whole ? values[r] : Math.sqrt(values[r]);
    for (let j = 0; j < n; j++) result[j * k + r] = s * data[r * n + j];
  }
  return result;
}

function addOuter(
  M: Float64Array,
  left: Float64Array,
  right: Float64Array,
  j: number,
  p: number,
  q: number,
  by: number,
) {
  for (let a = 0; a < p; a++) {
    const x = by * left[j * p + a];
    for (let b = 0; b < q; b++) M[a * q + b] += x * right[j * q + b];
  }
}

/** Power iteration from v. */
function leading(M: Float64Array, p: number, q: number, v: Float64Array, iterations: number) {
  let right = unit(v);
  let value = 0;
  for (let t = 0; t < iterations; t++) {
    const y = new Float64Array(p);
    for (let a = 0; a < p; a++) {
      let sum = 0;
      for (let b = 0; b < q; b++) sum += M[a * q + b] * right[b];
      y[a] = sum;
    }
    const x = new Float64Array(q);
    for (let a = 0; a < p; a++) {
      for (let b = 0; b < q; b++) x[b] += M[a * q + b] * y[a];
    }
    const size = Math.sqrt(y.reduce((sum, z) => sum + z * z, 0));
    const gain = size - value;
    value = size;
    // Nothing is seen from here; another matrix may see more.
    if (size === 0) break;
    right = unit(x);
    if (t > 2 && gain <= 1e-12 * size) break;
  }
  return { value, v: right };
}

function unit(v: Float64Array): Float64Array {
  const size = Math.sqrt(v.reduce((sum, z) => sum + z * z, 0));
  return size === 0 ? v : v.map((z) => z / size);
}
