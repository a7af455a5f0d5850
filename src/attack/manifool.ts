/** @file The program of a walk over transformations: what a network says to transformed images, how its margins change with the parameters, and how long a step is in the image. */
import type { Program } from "../engine/engine.ts";
import { vjp } from "../graph/gradient.ts";
import type { Node } from "../graph/graph.ts";
import { constant, input } from "../graph/leaf.ts";
import { jvp } from "../graph/tangent.ts";
import { add, cast, div, mul, sub } from "../ops/arith.ts";
import { bilinear } from "../ops/bilinear.ts";
import { broadcastTo, sum } from "../ops/broadcast.ts";
import { concat, reshape, sliceAxis } from "../ops/movement.ts";
import { cos, sin } from "../ops/pointwise.ts";
import type { DType } from "../tensor/tensor.ts";
import { tensor } from "../tensor/tensor.ts";
import type { Target } from "./target.ts";
import { type Arithmetic, reachOf, samplingMatrix, type Transforms } from "./transforms.ts";

/** Images [n, channels, height, width] transformed by values [n, parameters], as graph; gradients reach the values. */
export function transformed(x: Node, values: Node, transforms: Transforms): Node {
  const [n, channels, height, width] = x.shape;
  const columns = transforms.parameters.map((_, k) => sliceAxis(values, 1, k, k + 1));
  const m = samplingMatrix(transforms, columns, nodes(x.dtype), reachOf(height, width));
  const [cy, cx] = [(height - 1) / 2, (width - 1) / 2];
  const row = (at: (u: number) => number) =>
    constant(
      tensor(
        Array.from({ length: height * width }, (_, u) => at(u)),
        [1, height * width],
        x.dtype,
      ),
    );
  const X = row((u) => (u % width) - cx);
  const Y = row((u) => Math.trunc(u / width) - cy);
  const line = (k: number): Node => add(add(mul(m[k], X), mul(m[k + 1], Y)), m[k + 2]);
  const flat = !transforms.names.includes("projective");
  const depth = flat ? null : line(6);
  const place = (k: number, middle: number): Node => {
    const own = depth ? div(line(k), depth) : line(k);
    return broadcastTo(add(own, middle), [n, height * width]);
  };
  return reshape(bilinear(x, place(3, cy), place(0, cx)), [n, channels, height, width]);
}

/** What is seen at some transformations of a batch of images. */
export interface View {
  /** [rows, classes]. */
  readonly scores: Float32Array;
  /** Of the score of each rival less that of the decision: [rows, parameters] each. */
  readonly gradients: readonly Float32Array[];
  /** J^T J, J the derivative of the image: [rows, parameters, parameters]. */
  readonly gram: Float32Array;
}

export interface Walker {
  /** Images [rows, size] at values [rows, parameters]; the decision of each row, and its rivals. */
  look(images: Float32Array, values: Float32Array, own: Int32Array, rivals: readonly Int32Array[]): Promise<View>;
  /** Scores alone. */
  scores(images: Float32Array, values: Float32Array): Promise<Float32Array>;
  dispose(): Promise<void>;
}

/** Compile the walk on a target, `rivals` other classes at a time. */
export async function walkerOf(
  target: Target,
  shape: readonly [number, number, number],
  transforms: Transforms,
  rivals: number,
): Promise<Walker> {
  const { engine, rows, size, classes } = target;
  const count = transforms.parameters.length;
  const values = input("values", [rows, count]);
  const images = input("images", [rows, ...shape]);
  const moved = reshape(transformed(images, values, transforms), [rows, size]);
  const scores = target.scores(moved);
  const own = input("own", [rows, classes], "bool");
  const named: Record<string, Node> = { scores };
  for (let k = 0; k < rivals; k++) {
    const rival = input(`rival${k}`, [rows, classes], "bool");
    const [gradient] = vjp([scores], [sub(cast(rival, "float32"), cast(own, "float32"))], [values]);
    if (gradient) named[`gradient${k}`] = gradient;
  }
  const tangents = transforms.parameters.flatMap((_, k) => {
    const unit = new Float32Array(rows * count);
    for (let r = 0; r < rows; r++) unit[r * count + k] = 1;
    const [tangent] = jvp([moved], [values], [constant(tensor(unit, [rows, count]))]);
    return tangent ? [tangent] : [];
  });
  if (tangents.length === count) {
    named.gram = concat(
      tangents.flatMap((a) => tangents.map((b) => sum(mul(a, b), [1], true))),
      1,
    );
  }
  const whole = await engine.compile(named);
  const alone = await engine.compile({ scores });
  const run = async (program: Program, feeds: Readonly<Record<string, Float32Array | Int32Array>>) => {
    const given = Object.keys(program.inputs).map((name) => {
      const fed = feeds[name];
      if (name === "images") return [name, tensor(fed, [rows, ...shape])] as const;
      if (name === "values") return [name, tensor(fed, [rows, count])] as const;
      const mask = new Uint8Array(rows * classes);
      fed.forEach((c, r) => {
        mask[r * classes + c] = 1;
      });
      return [name, { dtype: "bool", shape: [rows, classes], data: mask }] as const;
    });
    return program.run(Object.fromEntries(given));
  };
  return {
    async look(images, values, own, others) {
      const feeds = Object.fromEntries(others.map((rival, k) => [`rival${k}`, rival]));
      const found = await run(whole, { images, values, own, ...feeds });
      const data = (name: string, length: number): Float32Array =>
        (found[name]?.data as Float32Array | undefined) ?? new Float32Array(length);
      return {
        scores: data("scores", rows * classes),
        gradients: others.map((_, k) => data(`gradient${k}`, rows * count)),
        gram: data("gram", rows * count * count),
      };
    },
    async scores(images, values) {
      return (await run(alone, { images, values })).scores.data as Float32Array;
    },
    async dispose() {
      await whole.dispose();
      await alone.dispose();
    },
  };
}

/**
 * The step in the parameters that closes a gap along a gradient at the least length in the image: gap G^-1 g / (g^T G^-1 g), G = J^T J, and that length; null
 * where the gradient is 0. Some parameters may stand still. Reference: Kanbak, Moosavi-Dezfooli and Frossard 2018, section 3 (the pseudo-inverse of J).
 */
export function tangentStep(
  gap: number,
  gradient: readonly number[],
  gram: readonly number[],
  free: readonly boolean[],
): { readonly step: readonly number[]; readonly length: number } | null {
  const n = gradient.length;
  const scale = Math.max(...gradient.map((_, k) => gram[k * n + k]));
  if (!(scale > 0)) return null;
  // A little of each parameter's own length is added, so that two that do the same to an image share a step.
  const A = Array.from({ length: n }, (_, i) =>
    Array.from({ length: n }, (__, j) => (i === j ? gram[i * n + j] * 1.001 + 1e-9 * scale : gram[i * n + j])),
  );
  const g = gradient.map((v, k) => (free[k] ? v : 0));
  for (let k = 0; k < n; k++) if (!free[k]) A[k] = A[k].map((_, j) => (j === k ? 1 : 0));
  for (let k = 0; k < n; k++) if (!free[k]) for (let i = 0; i < n; i++) if (i !== k) A[i][k] = 0;
  const direction = solved(A, g);
  const gain = g.reduce((total, v, k) => total + v * direction[k], 0);
  if (!(gain > 0)) return null;
  return { step: direction.map((v) => (v * gap) / gain), length: gap / Math.sqrt(gain) };
}

// --- internal ---

const nodes = (dtype: DType): Arithmetic<Node> => {
  const radians = (degrees: Node): Node => mul(degrees, Math.PI / 180);
  return {
    of: (value) => constant(value, dtype),
    add,
    sub,
    mul,
    div,
    sin: (degrees) => sin(radians(degrees)),
    cos: (degrees) => cos(radians(degrees)),
  };
};

/** A x = b of a small symmetric positive definite A, by elimination. */
function solved(A: readonly (readonly number[])[], b: readonly number[]): number[] {
  const n = b.length;
  const rows = A.map((row, i) => [...row, b[i]]);
  for (let k = 0; k < n; k++) {
    for (let i = k + 1; i < n; i++) {
      const part = rows[i][k] / rows[k][k];
      for (let j = k; j <= n; j++) rows[i][j] -= part * rows[k][j];
    }
  }
  const x = new Array<number>(n).fill(0);
  for (let k = n - 1; k >= 0; k--) {
    let rest = rows[k][n];
    for (let j = k + 1; j < n; j++) rest -= rows[k][j] * x[j];
    x[k] = rest / rows[k][k];
  }
  return x;
}
