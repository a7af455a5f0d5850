/** @file How fast every number before a nonlinearity can move: one constant per neuron, from the affine map before it and the constants of what that reads. The same for all samples and radii. */
import type { Engine, Program } from "../../engine/engine.ts";
import { regionOf } from "../../graph/behaviour.ts";
import type { Node } from "../../graph/graph.ts";
import { constant, input } from "../../graph/leaf.ts";
import { sqrtUp, sumUp, tiny, up } from "../../linalg/rounding.ts";
import { mul } from "../../ops/arith.ts";
import { sum } from "../../ops/broadcast.ts";
import { oneHot } from "../../ops/gather.ts";
import { abs } from "../../ops/pointwise.ts";
import { reduceMax } from "../../ops/reduce.ts";
import { mapNamed } from "../../tensor/named.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { tensor, toFloat64 } from "../../tensor/tensor.ts";
import type { Norm } from "../bound.ts";
import type { Budget } from "../budget.ts";
import { asFunction } from "../fixed.ts";
import { engineSpeed } from "../lowerBounds/slopes.ts";
import { addUp, timesUp, writingError } from "../norm/region.ts";
import { workOf } from "../work.ts";
import { pullBack } from "./back.ts";
import type { Plan } from "./plan.ts";

/** K_i with |z_i(x) - z_i(x')| <= K_i ||x - x'||_p, for the numbers z of the node at `at`; the constant of the whole node where there is no time for each. */
export async function gainsOf(
  engine: Engine,
  plan: Plan,
  constantOf: (node: Node) => number,
  norm: Norm,
  at: number,
  clock?: Budget,
): Promise<Float64Array> {
  const node = plan.varying[at];
  const width = sizeOf(node.shape);
  const whole = constantOf(node);
  const gains = new Float64Array(width).fill(whole);
  const region = regionOf(node, plan.flow);
  if (region.nodes.length === 0) return gains;
  const place = new Map(plan.varying.map((n, i) => [n, i]));
  const stops = region.sources.map((s) => place.get(s) as number);
  const rows = plan.many ? Math.min(width, rowsFor(plan)) : 1;
  const unit = input("unit", [rows], "int64");
  // Losses are counted below, once for the matrix.
  const none = constant(tensor(new Float64Array(plan.varying.length), [1, plan.varying.length], "float64"));
  const pulled = pullBack(plan, rows, at, oneHot(unit, width, "float64"), {
    rule: () => {
      throw new Error("gains: a region has no nonlinearities");
    },
    stops: new Set(stops),
    losses: none,
    sizes: none,
  });
  const lengths = Object.fromEntries(
    [...pulled.covectors].map(([k, c]) => [
      `source ${k}`,
      norm === 2 ? sum(mul(c, c), [1]) : norm === "inf" ? sum(abs(c), [1]) : reduceMax(abs(c), [1]),
    ]),
  );
  const cost = region.nodes.reduce((n, own) => n + workOf(own, plan.flow.varies), 0);
  // What is known of the node as a whole holds of every number.
  if (clock && !clock.fits((width * cost) / engineSpeed)) return gains;
  // Where the matrix is small, compiling takes longer than plain loops.
  const program = width * cost < smallWork ? plainly(lengths, unit) : await engine.compile(lengths);
  const sources = region.sources.map((s, k) => ({
    name: `source ${stops[k]}`,
    terms: sizeOf(s.shape) + 2,
    constant: constantOf(s),
    error: writingError(plan.norms, region, s, norm),
  }));
  try {
    for (let from = 0; from < width; from += rows) {
      await clock?.pause();
      if (clock?.expired) break;
      const words = BigInt64Array.from({ length: rows }, (_, k) => BigInt(Math.min(width - 1, from + k)));
      const found = await program.run({ unit: tensor(words, [rows], "int64") });
      for (let k = 0; k < rows && from + k < width; k++) {
        let K = 0;
        for (const { name, terms, constant: L, error } of sources) {
          const v = found[name] ? (found[name].data as Float64Array)[k] : 0;
          const length = norm === 2 ? sqrtUp(up(sumUp(v, terms) + tiny)) : norm === "inf" ? sumUp(v, terms) : v;
          K = addUp(K, timesUp(L, addUp(length, error)));
        }
        // Not Math.min: what is not a number is no constant.
        if (K < gains[from + k]) gains[from + k] = K;
      }
    }
  } finally {
    await program.dispose();
  }
  return gains;
}

/** Rows in one run, so that no tensor of the walk holds more than a few million numbers. */
export function rowsFor(plan: Plan, most = 2048): number {
  const widest = plan.varying.reduce((top, node) => Math.max(top, sizeOf(node.shape)), 1);
  return Math.max(1, Math.min(most, Math.floor(3e6 / widest)));
}

// --- internal ---

const smallWork = 1e7;

/** The reference rules as a program of one input. */
function plainly(outputs: Readonly<Record<string, Node>>, unit: Node): Pick<Program, "run" | "dispose"> {
  const run = mapNamed(outputs, (node) => asFunction(node, unit));
  return {
    run: async (feeds) => {
      const fed = toFloat64(feeds.unit);
      return mapNamed(run, (f, name) => tensor(f(fed), outputs[name].shape, "float64"));
    },
    dispose: async () => {},
  };
}
