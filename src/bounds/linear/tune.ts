/**
 * @file Better lines by gradient: the slope of every line (alpha-CROWN) and, in l2, a multiplier for the ball around what every nonlinearity reads as a
 * whole (SDP-CROWN). Every step is a bound; a counted number of steps is made, and rows that are proved make room for others.
 */
import type { Engine } from "../../engine/engine.ts";
import { vjp } from "../../graph/gradient.ts";
import type { Node } from "../../graph/graph.ts";
import { filledLike, input } from "../../graph/leaf.ts";
import { gamma, up } from "../../linalg/rounding.ts";
import { add, div, greater, maximum, minimum, mul, stopGradient, sub, where } from "../../ops/arith.ts";
import { sum } from "../../ops/broadcast.ts";
import { exp, sqrt } from "../../ops/pointwise.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { type Tensor, tensor } from "../../tensor/tensor.ts";
import type { Budget } from "../budget.ts";
import { type NonlinearityRule, pullBack, rowLength } from "./back.ts";
import type { SetKind } from "./ball.ts";
import type { Pieces } from "./lines.ts";
import type { Plan, Pointwise } from "./plan.ts";
import { askedOf, type Batch, type Form, fed, type LowerLines, lineNames, lineOutputs, unbounded } from "./program.ts";
import { type Known, type LineTables, lineTables, type Table, tablesOf, usualRules } from "./rules.ts";
import type { Sizes } from "./sizes.ts";

/** The l2 ball in which what a nonlinearity reads stays, at every sample. */
export interface Ball {
  /** [samples, size] */
  readonly middle: Float64Array;
  /** [samples, 1] */
  readonly radius: Float64Array;
}

/** What tuning needs besides, by number of the nonlinearity. */
export interface KnownPieces extends Known {
  readonly pieces: ReadonlyMap<number, Pieces>;
  readonly balls: ReadonlyMap<number, Ball>;
}

/** The parameters of one row, by name. */
export type RowState = Readonly<Record<string, Float64Array>>;

/** What branching needs to know of the best bound of a form. */
export interface Relaxed {
  /** The parameters that gave it, to go on from. */
  readonly state: RowState;
  /** Of every pointwise nonlinearity by number: how much each neuron's relaxation takes off the bound, [size]. */
  readonly lost: ReadonlyMap<number, Float64Array>;
  /** The covector at the input, [size]. */
  readonly g: Float64Array;
}

export interface Tuned extends LowerLines {
  /** Steps of rows. */
  readonly made: number;
  /** Of every form that has a bound, where multipliers of ranges were asked for. */
  readonly relaxed: readonly (Relaxed | undefined)[];
}

export interface Tuner {
  /** Improve the lower bounds of forms for so many steps, and give the best of each; a form that is above 0 is left alone. A form may go on from a state. */
  tune(
    batch: Batch,
    known: KnownPieces,
    sizes: readonly Sizes[],
    forms: readonly Form[],
    steps: number,
    starts?: readonly (RowState | undefined)[],
    clock?: Pick<Budget, "pause" | "expired">,
  ): Promise<Tuned>;
  dispose(): Promise<void>;
}

/**
 * Compile the tuning of forms at the node `from`. `balls` says for which nonlinearities there are balls; `branching` adds a multiplier to the range of every
 * neuron (beta-CROWN, Wang et al. 2021), which pays once ranges are smaller than what is proved of them elsewhere: where they were split.
 */
export async function tunerOf(
  engine: Engine,
  plan: Plan,
  kind: SetKind,
  from: number,
  { samples, rows, branching }: { readonly samples: number; readonly rows: number; readonly branching: boolean },
  balls: ReadonlySet<number>,
): Promise<Tuner> {
  const asked = askedOf(plan, kind, from, samples, rows);
  const { table, feeds: tables } = tablesOf<KnownPieces>(samples, asked.who);
  const usual = usualRules(plan, table);
  const params: Param[] = [];
  const extra: Node[] = [];
  const lost = new Map<number, Node>();
  const whole = sqrt(sum(mul(asked.c, asked.c), [1], true));
  const rule: NonlinearityRule = (k, c, node) => {
    const nonlinearity = plan.nonlinearities[k];
    if (nonlinearity.kind !== "pointwise") return usual(k, c, node);
    const made = tunedNonlinearity(k, nonlinearity, c, table, {
      ball: balls.has(k),
      branching: branching ? whole : null,
    });
    params.push(...made.params);
    extra.push(...made.losses);
    lost.set(k, made.lost);
    return made;
  };
  const pulled = pullBack(plan, rows, from, asked.c, { rule, losses: asked.losses, sizes: asked.sizes });
  const loss = extra.reduce((a, b) => add(a, b), pulled.loss);
  const line = lineOutputs(plan, kind, { ...pulled, loss }, asked);
  const stepped = descent(line.lower, params, rows);
  const told: Record<string, Node> = {};
  if (branching) {
    for (const [k, node] of lost) told[`lost ${k}`] = node;
    const g = pulled.covectors.get(0);
    if (g) told.g = g;
  }
  const program = await engine.compile({ ...line, ...stepped, ...told });
  const state0 = (): Record<string, Tensor> =>
    Object.fromEntries(
      Object.entries(stepped).map(([name, { shape }]) => [
        name.slice(next.length),
        tensor(new Float64Array(sizeOf(shape)), shape, "float64"),
      ]),
    );
  const isLevel = (name: string) => params.some((p) => p.name === name && p.level);
  const first = params.some((p) => p.level) ? levels.length : 0;

  return {
    async tune(batch, known, sizes, forms, steps, starts = [], clock) {
      const n = forms.length;
      const best = unbounded(n);
      const relaxed = new Array<Relaxed | undefined>(n).fill(undefined);
      const still = { ...asked.batch(batch, sizes), ...tables(known) };
      // Every row is a form on its way.
      const place = new Array<number>(rows).fill(-1);
      const made = new Array<number>(rows).fill(0);
      const tried = place.map(() => ({ level: levels[0], lower: Number.NEGATIVE_INFINITY }));
      let started = 0;
      let total = 0;
      let state = state0();
      const numbers = (of: (t: number) => number) =>
        tensor(
          Float64Array.from(made, (t) => of(Math.max(1, t + 1 - first))),
          [rows, 1],
          "float64",
        );
      for (;;) {
        for (let k = 0; k < rows; k++) {
          if (place[k] >= 0 && made[k] < steps && !(best.lower[place[k]] > 0)) continue;
          place[k] = started < n ? started++ : -1;
          made[k] = 0;
          tried[k] = { level: levels[0], lower: Number.NEGATIVE_INFINITY };
          const from = starts[place[k]];
          if (!from) continue;
          made[k] = first + 1;
          for (const [name, { data }] of Object.entries(state)) {
            const size = data.length / rows;
            const own = from[name];
            if (own) (data as Float64Array).set(own, k * size);
            else (data as Float64Array).fill(0, k * size, (k + 1) * size);
          }
        }
        for (let k = 0; k < rows; k++) {
          // First the same slopes with some multipliers, then from the best of them on.
          if (made[k] > first) continue;
          const level = made[k] < first ? levels[made[k]] : tried[k].level;
          for (const [name, { data }] of Object.entries(state)) {
            const size = data.length / rows;
            (data as Float64Array).fill(isLevel(name) ? level : 0, k * size, (k + 1) * size);
          }
        }
        await clock?.pause();
        if (place.every((f) => f < 0) || clock?.expired) return { ...best, made: total, relaxed };
        const result = await program.run(
          fed(program, {
            ...still,
            ...state,
            ...asked.forms(forms, place),
            step: numbers((t) => rateAt(t, steps)),
            "correct m": numbers((t) => 1 - decay.m ** t),
            "correct v": numbers((t) => 1 - decay.v ** t),
          }),
        );
        place.forEach((f, k) => {
          const lower = (result.lower.data as Float64Array)[k];
          if (made[k] < first && lower > tried[k].lower) tried[k] = { level: levels[made[k]], lower };
          made[k]++;
          if (f >= 0) total++;
          // Not Math.max: what is not a number is no bound.
          if (f < 0 || !(lower > best.lower[f])) return;
          for (const name of lineNames) best[name][f] = (result[name].data as Float64Array)[k];
          if (!branching) return;
          relaxed[f] = {
            state: Object.fromEntries(params.map(({ name }) => [name, rowOf(state[name], k)])),
            lost: new Map([...lost.keys()].map((b) => [b, rowOf(result[`lost ${b}`], k)])),
            g: "g" in result ? rowOf(result.g, k) : new Float64Array(plan.subject.size),
          };
        });
        state = Object.fromEntries(Object.keys(state).map((name) => [name, result[next + name]]));
      }
    },
    dispose: () => program.dispose(),
  };
}

// --- internal ---

const next = "next ";

function rowOf({ data, shape }: Tensor, row: number): Float64Array {
  const size = data.length / shape[0];
  return (data as Float64Array).slice(row * size, (row + 1) * size);
}

/** Levels of multipliers to begin with: from none to much. */
const levels = [-12, -4, -2, -0.5];

const decay = { m: 0.8, v: 0.98 };

/** The step of Adam: long at first, then shrinking. */
const rateAt = (t: number, steps: number): number => 0.1 * 0.05 ** (t / steps);

/** A parameter of every row, [rows, size]. */
interface Param {
  readonly name: string;
  readonly node: Node;
  /** Is it the level of a multiplier? Else it starts at 0. */
  readonly level: boolean;
  /** Step length beside that of others. */
  readonly rate: number;
  /** Where it may be. */
  project(moved: Node): Node;
}

/**
 * One nonlinearity with a slope g_i = c_i sigma_i of every line, sigma_i free within the slopes of the range, and in l2 a multiplier lambda >= 0 of the ball
 * |z - z0| <= rho. With l the lines of the two pieces of the range (left and right of the cut), below where c_i > 0 and above where c_i < 0,
 *
 *     c . s(z) >= g . z + sum_i min over both pieces of min over z_i in the piece of ( c_i l(z_i) - g_i z_i + lambda/2 (z_i - z0_i)^2 ) - lambda/2 rho^2
 *
 * for every z in the ranges and the ball: the minimum of a Lagrangian, which falls apart into neurons. On all of the line it is the bound of
 * SDP-CROWN (Chiu et al. 2025), with lambda = 0 that of alpha-CROWN (Xu et al. 2021). It holds for any g: with `branching` a multiplier of the
 * range is added to each, g_i = c_i sigma_i - beta_i (beta-CROWN, Wang et al. 2021).
 */
function tunedNonlinearity(
  k: number,
  nonlinearity: Pointwise,
  c: Node,
  table: Table<KnownPieces>,
  { ball, branching }: { readonly ball: boolean; readonly branching: Node | null },
) {
  const { size } = nonlinearity;
  const rows = c.shape[0];
  const of = (name: string, read: (p: Pieces) => Float64Array) =>
    table(`${name} ${k}`, size, ({ pieces }) => read(pieces.get(k) as Pieces));
  const positive = greater(c, 0);
  const whole = lineTables(k, size, table);
  const usual = where(positive, whole.belowSlope, whole.aboveSlope);
  const least = of("least", (p) => p.least);
  const most = of("most", (p) => p.most);
  const inside = (slope: Node) => minimum(maximum(slope, least), most);
  const shift = input(`slope ${k}`, [rows, size], "float64");
  const straight = mul(c, inside(add(usual, shift)));
  // Of the size of what comes in, so that steps of Adam are steps of slopes here too; and not 0 where nothing comes in, because the range may be empty.
  const length = sqrt(sum(mul(c, c), [1], true));
  const beta = input(`beta ${k}`, [rows, size], "float64");
  const g = branching
    ? sub(straight, mul(beta, stopGradient(mul(add(length, branching), 1 / Math.sqrt(size)))))
    : straight;
  const losses: Node[] = [];
  const params: Param[] = [
    {
      name: `slope ${k}`,
      node: shift,
      level: false,
      rate: 1,
      project: (moved) => sub(inside(add(usual, moved)), usual),
    },
  ];
  if (branching) {
    params.push({ name: `beta ${k}`, node: beta, level: false, rate: 1, project: (moved) => moved });
    // What is counted along the walk allows for |g_i| <= |c_i sigma_i|.
    const rounding = table(`rounding ${k}`, 1, ({ pieces }) =>
      (pieces.get(k) as Pieces).extent.map((z) => up(8 * gamma(size + 64) * up(z))),
    );
    losses.push(mul(rowLength(g), rounding));
  }
  const read = (name: string, own: (b: Ball) => Float64Array, width: number) =>
    table(`${name} ${k}`, width, ({ balls }) => own(balls.get(k) as Ball));
  const level = input(`level ${k}`, [rows, 1], "float64");
  const rho = ball ? read("radius", (b) => b.radius, 1) : null;
  if (rho) {
    params.push({
      name: `level ${k}`,
      node: level,
      level: true,
      rate: 3,
      project: (moved) => minimum(maximum(moved, -12), 6),
    });
  }
  // Of the size that it has where the ball is what counts; never 0, for it divides.
  const lambda = rho ? mul(stopGradient(add(div(length, rho), 1e-30)), exp(level)) : null;
  const z0 = lambda ? read("middle", (b) => b.middle, size) : null;
  const least1 = (lines: LineTables, from: Node, to: Node): Node => {
    const d = sub(mul(c, where(positive, lines.belowSlope, lines.aboveSlope)), g);
    const offset = mul(c, where(positive, lines.belowOffset, lines.aboveOffset));
    if (!lambda || !z0) return add(offset, minimum(mul(d, from), mul(d, to)));
    const z = minimum(maximum(sub(z0, div(d, lambda)), from), to);
    const move = sub(z, z0);
    return add(offset, add(mul(d, z), mul(mul(mul(move, move), lambda), 0.5)));
  };
  const side = (which: "left" | "right") =>
    lineTables(k, size, table, which, ({ pieces }) => (pieces.get(k) as Pieces)[which]);
  const cut = of("cut", (p) => p.cut);
  const left = least1(
    side("left"),
    of("piece low", (p) => p.low),
    cut,
  );
  const right = least1(
    side("right"),
    cut,
    of("piece high", (p) => p.high),
  );
  const least2 = minimum(left, right);
  const number = sum(least2, [1], true);
  const lost = mul(least2, -1);
  if (!lambda || !rho) return { g: [g], number, params, losses, lost };
  const squares = table(`squares ${k}`, 1, ({ pieces, balls }) =>
    (balls.get(k) as Ball).radius.map((r, s) => squareLoss(size, (pieces.get(k) as Pieces).extent[s], r)),
  );
  return {
    g: [g],
    number: sub(number, mul(mul(lambda, mul(rho, rho)), 0.5)),
    params,
    losses: [...losses, mul(lambda, squares)],
    lost,
  };
}

/**
 * What the squares may be off by, for lambda = 1: their sum of n terms, each at most (2 extent)^2, and rho^2. A point that is the lowest but for its
 * own rounding, a few units of 4 extent, costs the square of that and is within the same.
 */
const squareLoss = (n: number, extent: number, rho: number): number =>
  up((n + 64) * 2 ** -50 * up(n * 4 * extent * extent + rho * rho));

/** One step of Adam uphill for every row by itself: what a program must give for the next step. */
function descent(lower: Node, params: readonly Param[], rows: number): Record<string, Node> {
  const gradients = vjp(
    [lower],
    [filledLike(lower, 1)],
    params.map((p) => p.node),
  );
  const step = input("step", [rows, 1], "float64");
  const correct = { m: input("correct m", [rows, 1], "float64"), v: input("correct v", [rows, 1], "float64") };
  const outputs: Record<string, Node> = {};
  params.forEach(({ name, node, rate, project }, i) => {
    const gradient = gradients[i] ?? filledLike(node, 0);
    const old = { m: input(`${name} m`, node.shape, "float64"), v: input(`${name} v`, node.shape, "float64") };
    const m = add(mul(old.m, decay.m), mul(gradient, 1 - decay.m));
    const v = add(mul(old.v, decay.v), mul(mul(gradient, gradient), 1 - decay.v));
    const way = div(div(m, correct.m), add(sqrt(div(v, correct.v)), 1e-12));
    outputs[`${next}${name} m`] = m;
    outputs[`${next}${name} v`] = v;
    outputs[`${next}${name}`] = project(add(node, mul(mul(way, step), rate)));
  });
  return outputs;
}
