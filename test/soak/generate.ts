/** @file From a seed to a model: an input, one operator that is its turn, a few others before and after it, and its outputs. */
import { type Random, random } from "../../src/tensor/random.ts";
import type { ModelOf } from "../model.ts";
import { type Draft, type Drawn, draft, product, type Value } from "./builder.ts";
import { arithmetic } from "./operators/arithmetic.ts";
import { constants } from "./operators/constants.ts";
import { learners } from "./operators/learners.ts";
import { linear } from "./operators/linear.ts";
import { movement } from "./operators/movement.ts";
import { places } from "./operators/places.ts";
import { pointwise } from "./operators/pointwise.ts";
import { sequence } from "./operators/sequence.ts";
import { windows } from "./operators/windows.ts";

/** All ways to draw an operator, by name; what stands behind a space tells two ways of one operator apart. */
export const drawn: Readonly<Record<string, Drawn>> = {
  ...arithmetic,
  ...pointwise,
  ...linear,
  ...windows,
  ...movement,
  ...constants,
  ...places,
  ...sequence,
  ...learners,
};

export interface Generated {
  readonly model: ModelOf;
  /** The way whose turn it was. */
  readonly featured: string;
  /** Was it there in the end? */
  readonly placed: boolean;
  /** One sample and a row of outputs for it. */
  readonly classifier: boolean;
}

/** Names of all ways, in the order of their turns. */
export const ways = Object.keys(drawn);

/** Draw the model of a seed. The same seed gives the same model. */
export function generate(seed: number): Generated {
  const r = random(seed).fork("model");
  const featured = ways[seed % ways.length];
  for (let attempt = 0; ; attempt++) {
    const made = attemptOf(r.fork(attempt), featured);
    if (made.placed || attempt === 20) return made;
  }
}

// --- internal ---

/** What gives chains that methods know, and what is in every network. */
const common = ["MatMul", "Gemm", "Relu", "Add", "Mul", "LeakyRelu", "Tanh", "Conv", "Flatten", "Sub", "Max", "Clip"];

function attemptOf(r: Random, featured: string): Generated {
  const pick = <T>(items: readonly T[]): T => items[r.integer(items.length)];
  const first = drawn[featured];
  const opset = Math.max(
    first.since ?? 7,
    featured === "Upsample" ? 7 + r.integer(3) : r.uniform() < 0.08 ? 6 : 7 + r.integer(20),
  );
  const rank = rankOf(r, first);
  const free = rank > 1 && r.uniform() < 0.5;
  const shape = shapeOf(r, rank, free);
  const g = draft(r, opset, shape, free, r.uniform() < 0.12);
  const classifier = rank > 1 && r.uniform() < 0.3;
  const size = 1 + r.integer(5);
  const turn = r.integer(size + 1);
  let x: Value = g.values[0];
  let placed = false;
  for (let k = 0; k <= size; k++) {
    if (k === turn) {
      const y = offered(g, fitting(g, x, first), featured) ?? offered(g, fitting(g, g.values[0], first), featured);
      placed = y !== null;
      x = y ?? x;
      continue;
    }
    const from = r.uniform() < 0.75 ? x : pick(g.values.filter((v) => v.varies));
    for (let trial = 0; trial < 4; trial++) {
      const name = r.uniform() < 0.4 ? pick(common) : pick(ways);
      const back = from.kind !== "float" && r.uniform() < 0.5;
      const y = offered(g, back ? fitting(g, from, drawn[name]) : from, name);
      if (!y) continue;
      x = y;
      break;
    }
  }
  if (x.kind !== "float") x = g.add("Cast", [x], { to: 1 }, x.shape);
  if (classifier) x = head(g, x);
  if (!x.varies) placed = false;
  const more = g.values.filter((v) => v.varies && v.kind === "float" && v !== x && v.name !== "x");
  const outputs = !classifier && more.length > 0 && r.uniform() < 0.12 ? [x, pick(more)] : [x];
  return { model: g.model(outputs), featured, placed, classifier };
}

/** The value, or another type of it where the operator wants one. */
function fitting(g: Draft, x: Value, { kinds }: Drawn): Value {
  if (!kinds || kinds.includes(x.kind)) return x;
  const kind = kinds[g.r.integer(kinds.length)];
  if (kind === "bool" && x.kind === "float" && g.opset >= 7) {
    const c = g.constant("float", [1], [g.r.integer(2)]);
    return g.add(g.chance(0.5) ? "Greater" : "Less", [x, c], {}, x.shape, "bool");
  }
  return g.add("Cast", [x], { to: { float: 1, int32: 6, int64: 7, bool: 9 }[kind] }, x.shape, kind);
}

function offered(g: Draft, x: Value, name: string): Value | null {
  const { since = 1, ranks = [1, 5], kinds, emit } = drawn[name];
  const rank = x.shape.length;
  if (g.opset < since || rank < ranks[0] || rank > ranks[1]) return null;
  if (kinds && !kinds.includes(x.kind)) return null;
  const y = emit(g, x);
  return y && product(y.shape) <= 160 && product(y.shape) > 0 ? y : null;
}

/** A row of 2 to 4 outputs. */
function head(g: Draft, x: Value): Value {
  if (x.shape.length === 0) return x;
  const flat =
    x.shape.length === 2 ? x : g.add("Flatten", [x], { axis: 1 }, [x.shape[0] ?? 1, product(x.shape.slice(1))]);
  const width = flat.shape[1];
  if (width >= 2 && width <= 4) return flat;
  const classes = 2 + g.r.integer(3);
  return g.add("MatMul", [flat, g.weights([width, classes])], {}, [flat.shape[0], classes]);
}

function rankOf(r: Random, { ranks = [1, 5] }: Drawn): number {
  const usual = [2, 2, 2, 3, 4, 4, 1, 5].filter((n) => n >= ranks[0] && n <= ranks[1]);
  return usual.length > 0 ? usual[r.integer(usual.length)] : ranks[0];
}

/** At most 30 numbers. */
function shapeOf(r: Random, rank: number, free: boolean): number[] {
  for (;;) {
    const first = free ? 1 : [1, 1, 2, 3][r.integer(4)];
    const shape = Array.from({ length: rank }, (_, i) =>
      i === 0 && rank > 1
        ? first
        : i === 1 && rank > 2
          ? [1, 2, 4, 3][r.integer(4)]
          : 1 + r.integer(rank === 2 ? 6 : rank > 3 ? 4 : 5),
    );
    if (product(shape) <= 30) return shape;
  }
}
