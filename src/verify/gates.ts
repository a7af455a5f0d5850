/** @file Products of a tensor with a gate of itself, x g(b x): the forms in which SiLU and GELU are written. They are recognised, or refused. */
import { type Arguments, check, type Made } from "./arguments.ts";
import { gates } from "./pointwise.ts";
import type { Step, Varying } from "./step.ts";

/** x y, where y is sigmoid(b x) or (1 + erf(b x)) / 2. */
export function gated(a: Arguments, x: Varying, y: Varying): Made {
  const found = gateOf(a, x, y) ?? gateOf(a, y, x);
  check(
    a,
    found !== null,
    "it must multiply with a constant, or a tensor with a sigmoid or a normal distribution of it",
  );
  const { from, name, b } = found;
  return { kind: "pointwise", tensor: a.out, shape: from.shape, from: from.tensor, scalar: gates[name](b) };
}

// --- internal ---

interface Gate {
  readonly from: Varying;
  readonly name: keyof typeof gates;
  readonly b: number;
}

function gateOf(a: Arguments, x: Varying, y: Varying): Gate | null {
  if (x.shape.join() !== y.shape.join()) return null;
  const outer = uniform(a, y.tensor);
  const step = a.stepOf(outer.from);
  if (step?.kind !== "pointwise") return null;
  // It must be what the operator alone would be, not a gate that was recognised.
  const name = step.scalar.name;
  const inner = uniform(a, step.from, x.tensor);
  if (inner.from !== x.tensor || inner.shift !== 0 || !(inner.factor > 0)) return null;
  const is = (factor: number, shift: number) => outer.factor === factor && outer.shift === shift && outer.exact;
  if (name === "Sigmoid" && is(1, 0)) return { from: x, name: "silu", b: inner.factor };
  if (name === "Erf" && is(0.5, 0.5)) return { from: x, name: "gelu", b: inner.factor };
  return null;
}

/** A tensor as factor x + shift of another, the same for every number, as far back as that goes or to `end`. */
function uniform(a: Arguments, tensor: string, end?: string) {
  let [from, factor, shift, exact] = [tensor, 1, 0, true];
  for (;;) {
    const step = from === end ? undefined : a.stepOf(from);
    const own = step && scaling(step);
    if (!own) return { from, factor, shift, exact };
    shift += factor * own.shift;
    factor *= own.factor;
    exact &&= own.exact;
    from = own.from;
  }
}

function scaling(step: Step) {
  if (step.kind !== "affine" || step.parts.length !== 1) return null;
  const [{ from, matrix }] = step.parts;
  const { rows, cols, start, index, value } = matrix;
  if (rows !== cols || index.length !== rows) return null;
  const [factor, shift] = [value[0], step.bias[0]];
  for (let i = 0; i < rows; i++) {
    if (start[i + 1] !== i + 1 || index[i] !== i || value[i] !== factor || step.bias[i] !== shift) return null;
  }
  return { from, factor, shift, exact: step.roundings === 0 };
}
