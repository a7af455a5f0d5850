/** @file A search for points of sets where forms of the outputs are lowest: from given points downhill in the network itself, and back into the set. */
import type { Engine } from "../../engine/engine.ts";
import { vjp } from "../../graph/gradient.ts";
import { filledLike, input } from "../../graph/leaf.ts";
import { mul } from "../../ops/arith.ts";
import { reshape } from "../../ops/movement.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { tensor } from "../../tensor/tensor.ts";
import type { Budget } from "../budget.ts";
import type { SetKind } from "./ball.ts";
import type { Plan } from "./plan.ts";
import { fed } from "./program.ts";

/** A set of inputs and a form of the outputs: output `plus` less output `minus`; -1 stands for none. */
export interface FormOnSet {
  /** [size] */
  readonly center: Float64Array;
  /** [1] for balls, [size] for boxes. */
  readonly radii: Float64Array;
  readonly plus: number;
  readonly minus: number;
}

/** The lowest that was found, in float64, and where: [size], in the set but for rounding. */
export interface Lowest {
  readonly point: Float64Array;
  readonly value: number;
}

export interface Refuter {
  /** Go downhill from one point of each set for so many steps; a form that is not above 0 is left alone. */
  search(
    forms: readonly FormOnSet[],
    starts: readonly Float64Array[],
    steps: number,
    clock?: Pick<Budget, "pause" | "expired">,
  ): Promise<readonly Lowest[]>;
  dispose(): Promise<void>;
}

/** Compile the search for `samples` forms at a time. */
export async function refuterOf(engine: Engine, plan: Plan, kind: SetKind, samples: number): Promise<Refuter> {
  const rows = plan.many ? samples : 1;
  const graph = plan.rows(rows);
  const [x] = graph;
  const y = graph[graph.length - 1];
  const weights = input("weights", y.shape, "float64");
  const [gradient] = vjp([y], [mul(weights, 1)], [x]);
  const program = await engine.compile({ y: reshape(y, [sizeOf(y.shape)]), gradient: gradient ?? filledLike(x, 0) });
  const { size, outputs, input: name } = plan.subject;

  /** Values and gradients of `rows` forms. */
  const look = async (forms: readonly FormOnSet[], points: readonly Float64Array[]) => {
    const at = new Float64Array(rows * size);
    const picked = new Float64Array(rows * outputs);
    points.forEach((p, k) => {
      at.set(p, k * size);
      if (forms[k].plus >= 0) picked[k * outputs + forms[k].plus] += 1;
      if (forms[k].minus >= 0) picked[k * outputs + forms[k].minus] -= 1;
    });
    const found = await program.run(
      fed(program, { [name]: tensor(at, x.shape, "float64"), weights: tensor(picked, y.shape, "float64") }),
    );
    const values = found.y.data as Float64Array;
    const gradients = found.gradient.data as Float64Array;
    return forms.map(({ plus, minus }, k) => ({
      value: (plus < 0 ? 0 : values[k * outputs + plus]) - (minus < 0 ? 0 : values[k * outputs + minus]),
      gradient: gradients.subarray(k * size, (k + 1) * size),
    }));
  };

  return {
    async search(forms, starts, steps, clock) {
      const best = starts.map((point): Lowest => ({ point, value: Number.POSITIVE_INFINITY }));
      for (let from = 0; from < forms.length; from += rows) {
        const own = forms.slice(from, from + rows);
        const points = starts.slice(from, from + rows);
        for (let t = 0; t <= steps; t++) {
          await clock?.pause();
          if (clock?.expired) return best;
          const found = await look(own, points);
          found.forEach(({ value, gradient: g }, k) => {
            if (value < best[from + k].value) best[from + k] = { point: points[k], value };
            // Half of the set at first, then less.
            points[k] = downhill(kind, own[k], points[k], g, 0.5 * 0.8 ** t);
          });
          if (own.every((_, k) => best[from + k].value <= 0)) break;
        }
      }
      return best;
    },
    dispose: () => program.dispose(),
  };
}

/** The point of a set where g . x is lowest. */
export function lowestOn(kind: SetKind, { center, radii }: Pick<FormOnSet, "center" | "radii">, g: Float64Array) {
  const largest = g.reduce((top, v) => Math.max(top, Math.abs(v)), 0);
  if (!(largest > 0)) return center;
  switch (kind) {
    case "box":
    case "inf":
      return center.map((v, i) => v - Math.sign(g[i]) * (kind === "box" ? radii[i] : radii[0]));
    case 2: {
      const scale = (radii[0] * inside) / lengthOf(g, largest);
      return center.map((v, i) => v - g[i] * scale);
    }
    case 1: {
      const at = g.findIndex((v) => Math.abs(v) === largest);
      return center.map((v, i) => (i === at ? v - Math.sign(g[i]) * radii[0] * inside : v));
    }
    default:
      return kind satisfies never;
  }
}

// --- internal ---

/** A little inside, so that rounding does not leave the ball. */
const inside = 1 - 2 ** -40;

const lengthOf = (v: Float64Array, largest: number): number =>
  largest * Math.sqrt(v.reduce((sum, c) => sum + (c / largest) ** 2, 0));

/** A step from a point of a set that is a part of its size, and back into the set. */
function downhill(kind: SetKind, set: FormOnSet, point: Float64Array, g: Float64Array, part: number): Float64Array {
  const { center, radii } = set;
  // A mean of two points of a convex set is in it.
  if (kind === 1) {
    const end = lowestOn(kind, set, g);
    return point.map((v, i) => v + part * (end[i] - v));
  }
  if (kind !== 2) {
    return point.map((v, i) => {
      const r = kind === "box" ? radii[i] : radii[0];
      return Math.min(center[i] + r, Math.max(center[i] - r, v - Math.sign(g[i]) * part * 2 * r));
    });
  }
  const largest = g.reduce((top, v) => Math.max(top, Math.abs(v)), 0);
  if (!(largest > 0)) return point;
  const scale = (2 * part * radii[0]) / lengthOf(g, largest);
  const moved = point.map((v, i) => v - g[i] * scale - center[i]);
  const away = Math.hypot(...moved);
  const back = Math.min(1, (radii[0] * inside) / Math.max(away, 1e-300));
  return moved.map((v, i) => center[i] + v * back);
}
