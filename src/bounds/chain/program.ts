/**
 * @file The value of a chain's multipliers and its gradient as one program on the engine: three to five times as fast as plain loops
 * on two cores at widths of 128 to 1,024 (`bench/lipsdp.ts`). It inverts where the plain form factors, which says nothing of feasibility: the
 * matrices that it inverts come back with the result and are factored here.
 */
import type { Engine } from "../../engine/engine.ts";
import type { Node } from "../../graph/graph.ts";
import { constant, input } from "../../graph/leaf.ts";
import { cholesky } from "../../linalg/cholesky.ts";
import { identity, type Matrix } from "../../linalg/matrix.ts";
import { add, div, log, mul, sub } from "../../ops/arith.ts";
import { sum } from "../../ops/broadcast.ts";
import { inverse } from "../../ops/inverse.ts";
import { matmul } from "../../ops/matmul.ts";
import { reshape, transpose } from "../../ops/movement.ts";
import { exp, sqrt } from "../../ops/pointwise.ts";
import { reduceMax } from "../../ops/reduce.ts";
import { type Tensor, toFloat64 } from "../../tensor/tensor.ts";
import type { ChainForm } from "./form.ts";
import type { ChainValue, Outputs } from "./gradient.ts";
import { isIdentity, type Multipliers } from "./matrix.ts";

export interface ChainProgram {
  /** As `chainValue`, or as `weighedValue` with the weights before the multipliers; nothing where the point is infeasible. */
  value(parts: Multipliers): Promise<ChainValue | undefined>;
  dispose(): Promise<void>;
}

/** Whether all inputs count alike, or each has a weight q_j, the sum of which is a factor: |x|^2 is the sum of q_j x_j^2. */
export type Inputs = "alike" | "weighed";

export interface ChainProgramOptions {
  /** Default "together". */
  readonly outputs?: Outputs;
  /** Default "alike". */
  readonly inputs?: Inputs;
}

/** Compile `chainValue` or `weighedValue` for one form and one power. */
export async function chainProgram(
  engine: Engine,
  form: ChainForm,
  doublings: number,
  options: ChainProgramOptions = {},
): Promise<ChainProgram> {
  const program = await engine.compile(chainGraph(form, doublings, options));
  return {
    async value(parts) {
      const feeds = parts.map((data, i) => [`given${i}`, { dtype: "float64", shape: [data.length], data }] as const);
      const results = await program.run(Object.fromEntries(feeds));
      const value = toFloat64(results.value)[0];
      if (!Number.isFinite(value)) return undefined;
      for (let i = 0; i < form.weights.length; i++) {
        const pivot = results[`pivot${i}`];
        // An indefinite matrix has an inverse too, and nothing in the value or the gradient would tell.
        if (pivot && cholesky(matrixOf(pivot)) === undefined) return undefined;
      }
      return { value, gradient: parts.map((_, i) => toFloat64(results[`gradient${i}`])) };
    },
    dispose: () => program.dispose(),
  };
}

// --- internal ---

/** The formulas of `chainValue`, with D^-1 in the place of factors, and Q in the place of the first identity where inputs have weights. */
function chainGraph(
  { weights, sectors }: ChainForm,
  doublings: number,
  { outputs: of = "together", inputs = "alike" }: ChainProgramOptions,
): Record<string, Node> {
  const W = weights.map(constantOf);
  const sizes = [...(inputs === "weighed" ? [weights[0].cols] : []), ...sectors.map(({ mu }) => mu.length)];
  const given = sizes.map((n, i) => input(`given${i}`, [n], "float64"));
  const [q, lambda] = inputs === "weighed" ? [given[0], given.slice(1)] : [undefined, given];
  const scaledMu = sectors.map(({ mu }, i) => mul(lambda[i], vector(mu)));
  // through[i] = W_{i+1} D_i^-1.
  const through: Node[] = [];
  const outputs: Record<string, Node> = {};
  for (let i = 0; i < weights.length; i++) {
    const n = weights[i].cols;
    const weight = isIdentity(sectors[i]) ? undefined : mul(lambda[i], vector(sectors[i].pi));
    if (i === 0 && q && (!weight || n > weights[0].rows)) {
      const own = div(W[0], reshape(q, [1, n]));
      const made = weight && throughInputs(own, W[0], weight);
      if (made && sectors[0].pi.some((p) => p < 0)) outputs.pivot0 = made.pivot;
      through.push(made ? made.through : own);
      continue;
    }
    const eye = constantOf(identity(n));
    let D = i === 0 && q ? mul(eye, reshape(q, [1, n])) : eye;
    if (i > 0) {
      const [row, column] = [reshape(scaledMu[i - 1], [1, n]), reshape(scaledMu[i - 1], [n, 1])];
      const N = matmul(through[i - 1], transpose(W[i - 1]));
      D = sub(mul(eye, reshape(lambda[i - 1], [1, n])), mul(mul(N, row), column));
    }
    if (weight) D = add(D, matmul(mul(transpose(W[i]), reshape(weight, [1, weights[i].rows])), W[i]));
    if (D === eye) {
      through.push(W[i]);
      continue;
    }
    outputs[`pivot${i}`] = D;
    through.push(matmul(W[i], inverse(D)));
  }
  const last = weights.length - 1;
  const { value, directions } = (of === "together" ? together : each)(through[last], W[last], doublings);
  outputs.value = value;
  let y = directions;
  const ofMultipliers: Node[] = [];
  for (let i = last - 1; i >= 0; i--) {
    const before = matmul(mul(y, scaledMu[i]), through[i]);
    const q = matmul(before, transpose(W[i]));
    const { mu, pi } = sectors[i];
    const form = add(sub(mul(y, y), mul(mul(y, q), vector(mu.map((m) => 2 * m)))), mul(mul(q, q), vector(pi)));
    ofMultipliers[i] = mul(mul(lambda[i], sum(form, [0])), -1);
    y = before;
  }
  let gradient = ofMultipliers;
  if (q) {
    const total = sum(q);
    outputs.value = add(value, log(total));
    gradient = [mul(q, sub(div(1, total), sum(mul(y, y), [0]))), ...ofMultipliers];
  }
  gradient.forEach((g, i) => {
    outputs[`gradient${i}`] = g;
  });
  return outputs;
}

/**
 * W (Q + W^T P W)^-1 = (I + N P)^-1 W Q^-1,  N = W Q^-1 W^T: the smaller inverse where there are more inputs than neurons. N + N P N is definite
 * exactly where Q + W^T P W is, if W has full rank; where it has not, nothing is taken as feasible.
 */
function throughInputs(own: Node, W: Node, weight: Node): { readonly through: Node; readonly pivot: Node } {
  const n = W.shape[0];
  const N = matmul(own, transpose(W));
  const NP = mul(N, reshape(weight, [1, n]));
  return {
    through: matmul(inverse(add(constantOf(identity(n)), NP)), own),
    pivot: add(N, matmul(NP, N)),
  };
}

/** ln r, and the rows of weight times W_L D^-1. */
interface Outcome {
  readonly value: Node;
  readonly directions: Node;
}

function together(through: Node, W: Node, doublings: number): Outcome {
  const { value, weight } = softTopGraph(matmul(through, transpose(W)), doublings);
  return { value, directions: matmul(weight, through) };
}

/** `softLargest`: the diagonal alone, each row of W_L D^-1 with its own weight. */
function each(through: Node, W: Node, doublings: number): Outcome {
  const power = 2 ** doublings + 1;
  const logs = log(sum(mul(through, W), [1]));
  const top = reduceMax(logs, [0]);
  const below = sub(logs, top);
  const total = sum(exp(mul(below, power)));
  const shares = div(exp(mul(below, power - 1)), mul(total, exp(top)));
  return {
    value: add(top, div(log(total), power)),
    directions: mul(reshape(sqrt(shares), [W.shape[0], 1]), through),
  };
}

/** `softTop` by repeated squaring. */
export function softTopGraph(R: Node, doublings: number): { readonly value: Node; readonly weight: Node } {
  let H = R;
  let scale: Node | undefined;
  for (let k = 0; k < doublings; k++) {
    if (k > 0) H = matmul(H, H);
    const size = sqrt(sum(mul(H, H)));
    H = div(H, size);
    scale = scale === undefined ? log(size) : add(mul(scale, 2), log(size));
  }
  const total = sum(mul(matmul(R, H), H));
  return {
    value: div(add(log(total), mul(scale as Node, 2)), 2 ** doublings + 1),
    weight: div(H, sqrt(total)),
  };
}

function matrixOf(t: Tensor): Matrix {
  const [rows, cols] = t.shape;
  return { rows, cols, data: toFloat64(t) };
}

const constantOf = ({ rows, cols, data }: Matrix): Node => constant({ dtype: "float64", shape: [rows, cols], data });

const vector = (data: Float64Array): Node => constant({ dtype: "float64", shape: [data.length], data });
