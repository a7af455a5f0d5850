/** @file Products of a tensor with a gate of itself, x g(b x): the forms in which SiLU and GELU are written. They are recognised, or refused. */
import { type Arguments, check, type Made } from "./arguments.ts";
import { gates, type Scalar } from "./pointwise.ts";
import type { Step, Varying } from "./step.ts";

/**
 * x y, where y is c sigmoid(b x) or c (1 + erf(b x)), c a power of two up to 1, b > 0 by at most three factors; tanh(softplus(x)); or c clip(alpha x + beta, 0, 1). Between the function and
 * the product nothing may grow or cancel: what is inside a gate is not looked at again, and its rounding must be that of the function.
 */
export function gated(a: Arguments, x: Varying, y: Varying): Made {
  const found = gateOf(a, x, y) ?? gateOf(a, y, x);
  check(
    a,
    found !== null,
    "it must multiply with a constant, or a tensor with a sigmoid or a normal distribution of it",
  );
  const { from, scalar } = found;
  return { kind: "pointwise", tensor: a.out, shape: from.shape, from: from.tensor, scalar };
}

// --- internal ---

interface Gate {
  readonly from: Varying;
  readonly scalar: Scalar;
}

/** factor x + shift, the same for every number. */
interface Scaling {
  readonly from: string;
  readonly factor: number;
  readonly shift: number;
  /** Nothing is added: no shift, and none that was made of numbers that cancel. */
  readonly still: boolean;
  readonly exact: boolean;
}

function gateOf(a: Arguments, x: Varying, y: Varying): Gate | null {
  if (x.shape.join() !== y.shape.join()) return null;
  const outer = scalings(a, y.tensor);
  const step = a.stepOf(outer.from);
  // It must be what the operator alone would be, not a gate that was recognised.
  if (step?.kind !== "pointwise" || step.scalar.name === undefined) return null;
  const outside = whole(outer.steps);
  if (outside === null) return null;
  const { factor: c, shift } = outside;
  const { name, ramp } = step.scalar;
  // Forms that are known without a factor inside.
  if (ramp !== undefined)
    return step.from === x.tensor && shift === 0 ? { from: x, scalar: gates.ramp(...ramp, c) } : null;
  if (name === "Tanh") {
    const soft = a.stepOf(step.from);
    const own = soft?.kind === "pointwise" && soft.scalar.name === "Softplus" && soft.from === x.tensor;
    return own && c === 1 && shift === 0 ? { from: x, scalar: gates.mish } : null;
  }
  if (name !== "Sigmoid" && name !== "Erf") return null;
  const inner = scalings(a, step.from, x.tensor);
  if (inner.from !== x.tensor || inner.steps.length > 3) return null;
  // A shift that comes out as 0 of numbers that are not 0 may be one of them in truth.
  if (!inner.steps.every(({ factor, still }) => still && factor >= 2 ** -10 && factor <= 2 ** 10)) return null;
  const b = inner.steps.reduce((product, { factor }) => product * factor, 1);
  if (name === "Sigmoid") return shift === 0 ? { from: x, scalar: gates.silu(b, c) } : null;
  return shift === c ? { from: x, scalar: gates.gelu(b, c) } : null;
}

/** What follows the function, as one: at most one factor, a power of two, and one shift, in either order. */
function whole(steps: readonly Scaling[]): { readonly factor: number; readonly shift: number } | null {
  if (steps.length > 2 || steps.filter((s) => s.shift !== 0).length > 1) return null;
  let [factor, shift] = [1, 0];
  // The last is the first behind the function.
  for (const step of [...steps].reverse()) {
    if (!step.exact || ![1, 0.5, 0.25].includes(step.factor)) return null;
    factor *= step.factor;
    shift = shift * step.factor + step.shift;
  }
  return { factor, shift };
}

/** The scalings that a tensor is made by, last first, as far back as they go or to `end`. */
function scalings(a: Arguments, tensor: string, end?: string): { readonly from: string; readonly steps: Scaling[] } {
  const steps: Scaling[] = [];
  let from = tensor;
  for (;;) {
    const step = from === end ? undefined : a.stepOf(from);
    const own = step && scaling(step);
    if (!own) return { from, steps };
    steps.push(own);
    from = own.from;
  }
}

function scaling(step: Step): Scaling | null {
  if (step.kind !== "affine" || step.parts.length !== 1) return null;
  const [{ from, matrix }] = step.parts;
  const { rows, cols, start, index, value } = matrix;
  if (rows !== cols || index.length !== rows) return null;
  const [factor, shift] = [value[0], step.bias[0]];
  for (let i = 0; i < rows; i++) {
    if (start[i + 1] !== i + 1 || index[i] !== i || value[i] !== factor || step.bias[i] !== shift) return null;
  }
  const still = step.biasSize.every((b) => b === 0);
  return { from, factor, shift, still, exact: step.roundings === 0 };
}
