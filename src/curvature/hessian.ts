/**
 * @file Gradients and Hessian-vector products of one number per sample, many samples side by side in one program.
 * The Hessian is never formed: H v is the gradient pulled back once more, and what one sample does is no other sample's business.
 */
import { checkSample, type Subject } from "../bounds/subject.ts";
import type { Engine, Program } from "../engine/engine.ts";
import { vjp } from "../graph/gradient.ts";
import type { Node } from "../graph/graph.ts";
import { filledLike, input } from "../graph/leaf.ts";
import { mul, neg, sub } from "../ops/arith.ts";
import { sum } from "../ops/broadcast.ts";
import { reshape } from "../ops/movement.ts";
import { logSoftmax } from "../ops/softmax.ts";
import { UsageError } from "../tensor/errors.ts";
import type { Named } from "../tensor/named.ts";
import { type Shape, showShape, sizeOf } from "../tensor/shape.ts";
import { cast, type DType, tensor } from "../tensor/tensor.ts";

/** A number per sample, from its outputs and a row u: -u . log softmax(outputs), |outputs - u|^2 / 2, or u . outputs. */
export type Form = "cross-entropy" | "squared-error" | "linear";

/** How the samples of one program lie in the runs of a subject. */
export interface Layout {
  readonly runs: number;
  /** Samples in one run: more than one only where a network has a fixed batch. */
  readonly perRun: number;
  readonly samples: number;
  /** Numbers in a sample. */
  readonly size: number;
  /** Outputs of a sample. */
  readonly width: number;
}

/** The graph of a form: x [runs, ...sample], u [samples, width], v like x; a null where the derivative is 0 everywhere. */
export interface HessianGraph {
  readonly x: Node;
  readonly u: Node;
  readonly v: Node;
  readonly outputs: Node;
  /** [samples]. */
  readonly value: Node;
  readonly gradient: Node | null;
  readonly product: Node | null;
}

/** All vectors flat, sample after sample. */
export interface Hessians {
  readonly layout: Layout;
  outputs(x: Float64Array): Promise<Float64Array>;
  gradient(x: Float64Array, u: Float64Array): Promise<Float64Array>;
  product(x: Float64Array, u: Float64Array, v: Float64Array): Promise<Float64Array>;
  dispose(): Promise<void>;
}

/** How samples of a shape are laid out for a subject, at most `most` at once. Throws UsageError where they do not fit. */
export function layoutOf(subject: Subject, sample: Shape, most: number): Layout {
  checkSample(subject, sample);
  const size = sizeOf(sample);
  const perRun = subject.size / size;
  if (!Number.isInteger(subject.outputs / perRun)) {
    const what = `${perRun} samples ${showShape(sample)} in a run must share its outputs`;
    throw new UsageError(`${subject.name}: ${what}, got ${subject.outputs}`);
  }
  // As many as a cache holds: more gain nothing.
  const fitting = Math.floor(2 ** 19 / (subject.size + subject.outputs));
  const runs = subject.batch === "free" ? Math.max(1, Math.min(most, 64, fitting)) : 1;
  return { runs, perRun, samples: runs * perRun, size, width: subject.outputs / perRun };
}

/** Build value, gradient and H v = d <gradient, v> / dx. */
export function hessianGraph(subject: Subject, form: Form, layout: Layout, dtype: DType): HessianGraph {
  const { runs, samples, width } = layout;
  const { x, y } = subject.at(runs, dtype, "x");
  const outputs = reshape(y, [samples, width]);
  const u = input("u", outputs.shape, dtype);
  const v = input("v", x.shape, dtype);
  const value = scalarOf(form, outputs, u);
  const [gradient] = vjp([value], [filledLike(value, 1)], [x]);
  const [product] = gradient ? vjp([gradient], [v], [x]) : [null];
  return { x, u, v, outputs, value, gradient, product };
}

/** The programs of a form on an engine. A derivative that is 0 everywhere costs no run. */
export async function hessians(
  engine: Engine,
  subject: Subject,
  form: Form,
  layout: Layout,
  dtype: DType,
): Promise<Hessians> {
  const graph = hessianGraph(subject, form, layout, dtype);
  const shapes: Named<Shape> = { x: graph.x.shape, u: graph.u.shape, v: graph.v.shape };
  const programs: Program[] = [];
  const compiled = (node: Node | null) => {
    let program: Program | undefined;
    return async (fed: Named<Float64Array>) => {
      if (!node) return new Float64Array(layout.samples * layout.size);
      if (!program) {
        program = await engine.compile({ result: node });
        programs.push(program);
      }
      // A linear function's gradient does not ask where it is taken.
      const feeds = Object.keys(program.inputs).map(
        (name) => [name, cast(tensor(fed[name], shapes[name], "float64"), dtype)] as const,
      );
      const { result } = await program.run(Object.fromEntries(feeds));
      return Float64Array.from(result.data as Float64Array);
    };
  };
  const [outputs, gradient, product] = [graph.outputs, graph.gradient, graph.product].map(compiled);
  return {
    layout,
    outputs: (x) => outputs({ x }),
    gradient: (x, u) => gradient({ x, u }),
    product: (x, u, v) => product({ x, u, v }),
    async dispose() {
      for (const program of programs) await program.dispose();
    },
  };
}

// --- internal ---

function scalarOf(form: Form, outputs: Node, u: Node): Node {
  switch (form) {
    case "cross-entropy":
      return neg(sum(mul(logSoftmax(outputs, 1), u), [1]));
    case "squared-error": {
      const error = sub(outputs, u);
      return mul(sum(mul(error, error), [1]), 0.5);
    }
    case "linear":
      return sum(mul(outputs, u), [1]);
    default:
      return form satisfies never;
  }
}
