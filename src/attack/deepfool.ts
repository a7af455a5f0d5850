/** @file The smallest perturbation, by steps onto the nearest linearised boundary. Every step needs the gradients to all rivals, so it costs as many backward passes. */
import type { Program } from "../engine/engine.ts";
import { usedFeeds } from "../engine/feeds.ts";
import { vjp } from "../graph/gradient.ts";
import type { Node } from "../graph/graph.ts";
import { input } from "../graph/leaf.ts";
import {
  add,
  and,
  cast,
  div,
  greater,
  greaterOrEqual,
  less,
  lessOrEqual,
  maximum,
  minimum,
  mul,
  neg,
  stopGradient,
  sub,
  where,
} from "../ops/arith.ts";
import { sum } from "../ops/broadcast.ts";
import { abs, clip, sign } from "../ops/pointwise.ts";
import { reduceMax } from "../ops/reduce.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import type { AttackNorm, Range } from "./ball.ts";
import { marginOf } from "./loss.ts";
import type { Deepfool } from "./protocol.ts";
import { lengths } from "./step.ts";
import type { Target } from "./target.ts";

export interface DeepfoolRows {
  /** [count, size]. */
  readonly center: Float32Array;
  readonly own: Int32Array;
  /** Outputs on the samples, [count, classes]: they choose the rivals. */
  readonly outputs: Float64Array;
}

export interface BoundarySearch {
  /** For each row the nearest point with another decision, or where the search ended without one: [count, size]. */
  run(rows: DeepfoolRows, signal?: AbortSignal, onProgress?: (fraction: number) => void): Promise<Float32Array>;
  dispose(): Promise<void>;
}

/**
 * Compile the search. With f_k = z_k - z_y and w_k its gradient at x, q dual to p, and l the rival with the smallest |f_k| / ||w_k||_q,
 *
 *     x <- (1 - a)(x + h t u) + a (x0 + h t0 u),   t = |f_l| / ||w_l||_q,   t0 = max(0, -f_l - w_l . (x0 - x)) / ||w_l||_q
 *
 * u = w_l / ||w_l|| (l2) or sign w_l (l-inf), h the overshoot; a = min(pull, t / (t + t0)) once the decision has changed somewhere,
 * 0 before. Where it has changed, the step is x <- x0 + 0.9 (x - x0) instead. Coordinates of w_k that point out of the range at an
 * end of it count as 0. A sample whose gradients are all 0 stays.
 */
export async function boundarySearch(
  target: Target,
  spec: Deepfool,
  norm: AttackNorm,
  range: Range | null,
): Promise<BoundarySearch> {
  const rivals = Math.min(spec.rivals, target.classes - 1);
  const program = await target.engine.compile(boundaryGraph(target, spec, rivals, norm, range));
  return {
    async run(rows, signal, onProgress) {
      const { size, rows: width } = target;
      const all = rows.own.length;
      const found = Float32Array.from(rows.center);
      for (let from = 0; from < all; from += width) {
        const count = Math.min(width, all - from);
        const ends = await walk(program, target, spec.steps, rivals, rows, from, count, (part) => {
          signal?.throwIfAborted();
          onProgress?.((from + part * count) / all);
        });
        found.set(ends.subarray(0, count * size), from * size);
      }
      return found;
    },
    dispose: () => program.dispose(),
  };
}

// --- internal ---

const tiny = 1e-30;

/** Where the decision has changed, how much of the perturbation is kept to go on. */
const backward = 0.9;

function boundaryGraph(
  target: Target,
  { overshoot, pull }: Deepfool,
  rivals: number,
  norm: AttackNorm,
  range: Range | null,
): Record<string, Node> {
  const { rows, size, classes } = target;
  const [center, x, best] = ["center", "x", "best"].map((name) => input(name, [rows, size]));
  const own = input("own", [rows, classes], "bool");
  const shortest = input("shortest", [rows, 1]);
  const raw = target.scores(x);
  const scores = div(raw, stopGradient(maximum(reduceMax(abs(raw), [1], true), tiny)));
  const perturbation = sub(x, center);
  const length = norm === 2 ? lengths(perturbation) : reduceMax(abs(perturbation), [1], true);
  const changed = less(marginOf(raw, own), 0);
  const better = and(changed, less(length, shortest));

  let nearest: { readonly f: Node; readonly w: Node; readonly dual: Node; readonly far: Node } | null = null;
  for (let k = 0; k < rivals; k++) {
    const rival = input(`rival${k}`, [rows, classes], "bool");
    const difference = sub(cast(rival, "float32"), cast(own, "float32"));
    const [gradient] = vjp([scores], [difference], [x]);
    if (!gradient) break;
    const w = free(gradient);
    const f = sum(mul(scores, difference), [1], true);
    const dual = norm === 2 ? lengths(w) : sum(abs(w), [1], true);
    const far = div(abs(f), maximum(dual, tiny));
    if (nearest) {
      const closer = less(far, nearest.far);
      const choose = (a: Node, b: Node) => where(closer, a, b);
      nearest = {
        f: choose(f, nearest.f),
        w: choose(w, nearest.w),
        dual: choose(dual, nearest.dual),
        far: choose(far, nearest.far),
      };
    } else nearest = { f, w, dual, far };
  }
  const next = nearest ? linearStep(nearest) : x;
  return {
    "next/x": clipped(where(changed, add(center, mul(perturbation, backward)), next)),
    "next/best": where(better, x, best),
    "next/shortest": where(better, length, shortest),
  };

  function linearStep({ f, w, dual, far }: NonNullable<typeof nearest>): Node {
    const some = greater(dual, 0);
    const safe = where(some, dual, 1);
    const t = where(some, far, 0);
    const back = neg(perturbation);
    const t0 = div(maximum(neg(add(f, sum(mul(w, back), [1], true))), 0), safe);
    // On the way to the first change a pull could hold a sample where it is.
    const mixed = minimum(div(t, maximum(add(t, t0), tiny)), pull);
    const weight = where(less(shortest, Number.POSITIVE_INFINITY), mixed, 0);
    const reach = mul(add(mul(sub(1, weight), t), mul(weight, t0)), overshoot);
    const along = norm === 2 ? mul(w, div(reach, safe)) : mul(sign(w), reach);
    return where(some, add(add(x, mul(back, weight)), along), x);
  }

  /** The gradient without the coordinates that stand at an end of the range and would be clipped. */
  function free(w: Node): Node {
    if (!range) return w;
    const inside = where(lessOrEqual(x, range[0]), maximum(w, 0), w);
    return where(greaterOrEqual(x, range[1]), minimum(inside, 0), inside);
  }

  function clipped(node: Node): Node {
    return range ? clip(node, range[0], range[1]) : node;
  }
}

async function walk(
  program: Program,
  { rows: width, size, classes }: Target,
  steps: number,
  rivals: number,
  rows: DeepfoolRows,
  from: number,
  count: number,
  onStep: (part: number) => void,
): Promise<Float32Array> {
  // What is left of the last batch repeats its first row.
  const at = (row: number) => from + (row < count ? row : 0);
  const center = new Float32Array(width * size);
  for (let r = 0; r < width; r++) center.set(rows.center.subarray(at(r) * size, (at(r) + 1) * size), r * size);
  const mask = (chosen: (row: number) => number): Tensor => {
    const data = new Uint8Array(width * classes);
    for (let r = 0; r < width; r++) data[r * classes + chosen(at(r))] = 1;
    return { dtype: "bool", shape: [width, classes], data };
  };
  const order = Array.from({ length: width }, (_, r) => {
    const row = rows.outputs.subarray(at(r) * classes, (at(r) + 1) * classes);
    return Array.from(row, (_, k) => k)
      .filter((k) => k !== rows.own[at(r)])
      .sort((a, b) => row[b] - row[a]);
  });
  const feeds: Record<string, Tensor> = {
    center: tensor(center, [width, size]),
    x: tensor(center, [width, size]),
    best: tensor(center, [width, size]),
    own: mask((row) => rows.own[row]),
    shortest: tensor(new Float32Array(width).fill(Number.POSITIVE_INFINITY), [width, 1]),
  };
  for (let k = 0; k < rivals; k++) feeds[`rival${k}`] = mask((row) => order[row - from][k]);
  for (let step = 0; step <= steps; step++) {
    onStep(step / (steps + 1));
    const results = await program.run(usedFeeds(program.inputs, feeds));
    for (const name in results) feeds[name.slice(5)] = results[name];
  }
  const found = Float32Array.from(feeds.best.data as Float32Array);
  const shortest = feeds.shortest.data as Float32Array;
  const last = feeds.x.data as Float32Array;
  for (let r = 0; r < width; r++) {
    if (!Number.isFinite(shortest[r])) found.set(last.subarray(r * size, (r + 1) * size), r * size);
  }
  return found;
}
