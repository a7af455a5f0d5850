/** @file The walk from one node, compiled: rows of linear forms of samples in, a proved lower bound of each out, as a line from the center to the edge of its set. */
import type { Engine, Program } from "../../engine/engine.ts";
import type { Node } from "../../graph/graph.ts";
import { constant, input } from "../../graph/leaf.ts";
import { gamma, up } from "../../linalg/rounding.ts";
import { joined } from "../../linalg/vector.ts";
import { add, mul, sub } from "../../ops/arith.ts";
import { gather, oneHot } from "../../ops/gather.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { type Tensor, tensor } from "../../tensor/tensor.ts";
import type { Budget } from "../budget.ts";
import { type Pulled, pullBack, rowLength } from "./back.ts";
import { atCenter, fallOn, type SetKind } from "./ball.ts";
import type { Plan } from "./plan.ts";
import { type Known, tablesOf, usualRules } from "./rules.ts";
import type { Sizes } from "./sizes.ts";

/** Row k is output `plus` less output `minus` of the node, of sample `who`; -1 stands for none. */
export interface Form {
  readonly who: number;
  readonly plus: number;
  readonly minus: number;
}

/** What a batch of samples is. */
export interface Batch {
  readonly samples: number;
  /** [samples, size] */
  readonly center: Float64Array;
  /** [samples, 1] for balls, [samples, size] for boxes; not negative. */
  readonly radii: Float64Array;
}

/** Lower bounds of forms as lines; NaN stands for no bound, and so does a lower bound of minus infinity. */
export interface LowerLines {
  /** On the whole set. */
  readonly lower: Float64Array;
  /** At the center, and how much is lost from there to the edge of the set: on the set shrunk by t the bound is center - t fall. */
  readonly center: Float64Array;
  readonly fall: Float64Array;
}

export const lineNames = ["lower", "center", "fall"] as const;

/** What every program of the walk is fed beside its rules. */
export interface Asked {
  readonly rows: number;
  readonly who: Node;
  /** The forms as covectors, [rows, width]. */
  readonly c: Node;
  /** Of every row, [rows, nodes]. */
  readonly losses: Node;
  readonly sizes: Node;
  readonly center: Node;
  readonly radii: Node;
  readonly last: Node;
  /** Of a batch. */
  batch(batch: Batch, sizes: readonly Sizes[]): Record<string, Tensor>;
  /** Of rows, by number of the form; a row that has none is any. */
  forms(forms: readonly Form[], place: readonly number[]): Record<string, Tensor>;
}

export interface WalkProgram {
  /** Lower bounds of forms, each on the set of its sample, none of those that the clock leaves no time for. `sizes` has those of every sample. */
  lower(
    batch: Batch,
    known: Known,
    sizes: readonly Sizes[],
    forms: readonly Form[],
    clock?: Pick<Budget, "pause" | "expired">,
  ): Promise<LowerLines>;
  dispose(): Promise<void>;
}

/** Compile the walk from the node at `from` for batches of `samples`, `rows` forms at a time. */
export async function walkProgram(
  engine: Engine,
  plan: Plan,
  kind: SetKind,
  from: number,
  { samples, rows }: { readonly samples: number; readonly rows: number },
): Promise<WalkProgram> {
  const asked = askedOf(plan, kind, from, samples, rows);
  const { table, feeds: tables } = tablesOf<Known>(samples, asked.who);
  const rule = usualRules(plan, table);
  const pulled = pullBack(plan, rows, from, asked.c, { rule, losses: asked.losses, sizes: asked.sizes });
  const program = await engine.compile(lineOutputs(plan, kind, pulled, asked));
  return {
    async lower(batch, known, sizes, forms, clock) {
      const feeds = { ...asked.batch(batch, sizes), ...tables(known) };
      const n = forms.length;
      const found = unbounded(n);
      for (let at = 0; at < n; at += rows) {
        await clock?.pause();
        if (clock?.expired) break;
        const place = Array.from({ length: rows }, (_, k) => Math.min(at + k, n - 1));
        const result = await program.run(fed(program, { ...feeds, ...asked.forms(forms, place) }));
        for (const name of lineNames) {
          found[name].set((result[name].data as Float64Array).subarray(0, Math.min(rows, n - at)), at);
        }
      }
      return found;
    },
    dispose: () => program.dispose(),
  };
}

/** Nothing proved of so many forms. */
export const unbounded = (forms: number): LowerLines => ({
  lower: new Float64Array(forms).fill(Number.NEGATIVE_INFINITY),
  center: new Float64Array(forms).fill(Number.NaN),
  fall: new Float64Array(forms).fill(Number.NaN),
});

/** The inputs that every program of the walk from a node has. */
export function askedOf(plan: Plan, kind: SetKind, from: number, samples: number, rows: number): Asked {
  const width = sizeOf(plan.varying[from].shape);
  const inner = plan.subject.size;
  const nodes = plan.varying.length;
  const who = input("who", [rows], "int64");
  const plus = input("plus", [rows], "int64");
  const minus = input("minus", [rows], "int64");
  const center = input("x0", [samples, inner], "float64");
  const radii = input("radii", [samples, kind === "box" ? inner : 1], "float64");
  const losses = input("losses", [samples, nodes], "float64");
  const sizes = input("sizes", [samples, nodes], "float64");
  const last = input("last", [samples, 1], "float64");
  return {
    rows,
    who,
    c: sub(oneHot(plus, width, "float64"), oneHot(minus, width, "float64")),
    losses: gather(losses, who, 0),
    sizes: gather(sizes, who, 0),
    center,
    radii,
    last: gather(last, who, 0),
    batch: (batch, own) => ({
      x0: tensor(batch.center, center.shape, "float64"),
      radii: tensor(batch.radii, radii.shape, "float64"),
      losses: tensor(joined(own.map((s) => s.loss)), losses.shape, "float64"),
      sizes: tensor(joined(own.map((s) => s.size)), sizes.shape, "float64"),
      last: tensor(
        own.map((s) => lastLoss(s.size[0], inner)),
        last.shape,
        "float64",
      ),
    }),
    forms(forms, place) {
      const words = (of: (f: Form) => number) =>
        tensor(
          BigInt64Array.from(place, (f) => BigInt(of(forms[Math.max(f, 0)]))),
          [rows],
          "int64",
        );
      return { who: words((f) => f.who), plus: words((f) => f.plus), minus: words((f) => f.minus) };
    },
  };
}

/** What is to be compiled of a walk that came to the input. */
export function lineOutputs(
  plan: Plan,
  kind: SetKind,
  { covectors, number, loss }: Pulled,
  { rows, center: x0, radii, who, last }: Asked,
): { readonly lower: Node; readonly center: Node; readonly fall: Node } {
  const inner = plan.subject.size;
  const g = covectors.get(0) ?? constant(tensor(new Float64Array(rows * inner), [rows, inner], "float64"));
  const rounded = add(mul(loss, 2), mul(rowLength(g), last));
  const center = sub(add(number, atCenter(g, x0, who)), rounded);
  const fall = fallOn(kind, g, radii, who);
  return { lower: sub(center, fall), center, fall };
}

/** Of all that is known what a program asks for. */
export const fed = (program: Program, known: Readonly<Record<string, Tensor>>): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(known).filter(([name]) => name in program.inputs));

// --- internal ---

/** What g . x0 and r |g| may be off by, for |g|_1 = 1 and |x| <= `size`; and an allowance for underflow. */
const lastLoss = (size: number, numbers: number): number => up(up(4 * gamma(numbers + 128)) * up(2 * size)) + 2 ** -900;
