/**
 * @file Compositions x g(x) with a gate g that has limits: SiLU, both GELUs, Mish, hard-swish, as models are exported. As products of two
 * varying branches they have no constant; as the function that they are, they have. Every constant in them is read and counted.
 */
import type { Behaviour, Node, Slopes } from "../../graph/graph.ts";
import { input } from "../../graph/leaf.ts";
import { gelu, silu } from "../../ops/pointwise.ts";
import { betweenTurns } from "../../ops/slopes.ts";
import type { Composition } from "./composition.ts";

/** The slopes of a composition of the form x g(x); null where it is none that is known. */
export function gateBehaviour(
  composition: Composition,
): { readonly name: string; readonly behaviour: Behaviour } | null {
  const { x, y, inner } = composition;
  if (y.op.name !== "Mul" || inner.some((node) => node.shape.join() !== x.shape.join())) return null;
  for (const [factor, gate] of [y.inputs, [...y.inputs].reverse()]) {
    const line = polynomialOf(composition, factor);
    if (line?.length !== 2 || line[0] !== 0) continue;
    const known = gated(composition, line[1], gate);
    if (known) return known;
  }
  return null;
}

// --- internal ---

/** f(x) = size h(rate x) / rate, where h has these slopes and this curvature: the slopes of f are size times those of h at rate x. */
interface Shape {
  readonly name: string;
  readonly slope: readonly [number, number];
  readonly slopeOn: Slopes;
  readonly curvature: number;
}

const rootTwoOverPi = Math.sqrt(2 / Math.PI);

/** alpha x times the gate. */
function gated(composition: Composition, alpha: number, gate: Node) {
  const { scale, offset, core } = peeled(composition, gate);
  const factor = alpha * scale;
  const even = scale === offset;
  const [u] = core.inputs;
  if (!u || !Number.isFinite(factor)) return null;
  if (!composition.inner.includes(core)) return null;
  const ramp = rampOf(composition, core);
  if (ramp) return rampBehaviour(ramp, alpha, scale, offset);
  if (core.op.name === "Tanh" && u.op.name === "Softplus" && offset === 0) {
    const rate = rateOf(composition, u.inputs[0]);
    return rate && stretched(mish, factor, rate);
  }
  const argument = polynomialOf(composition, u);
  if (argument?.[0] !== 0) return null;
  if (core.op.name === "Sigmoid" && offset === 0 && argument.length === 2) {
    return stretched(shapeOf(silu), factor, argument[1]);
  }
  if (core.op.name === "Erf" && even && argument.length === 2) {
    return stretched(
      shapeOf((v) => gelu(v, "none")),
      2 * factor,
      Math.SQRT2 * argument[1],
    );
  }
  if (core.op.name !== "Tanh" || !even) return null;
  // (1 + tanh v) / 2 = sigmoid(2 v).
  if (argument.length === 2) return stretched(shapeOf(silu), 2 * factor, 2 * argument[1]);
  if (argument.length !== 4 || argument[2] !== 0) return null;
  const rate = argument[1] / rootTwoOverPi;
  const off = Math.abs(argument[3] / argument[1] / rate ** 2 / 0.044715 - 1);
  if (!(off < 1e-5)) return null;
  // With f = x sigmoid(v), v = k1 x + k3 x^3: |d f' / d ln k3| <= |v s'| + 3 |v^2 s''| + 3 |v s'| <= 4 0.224 + 3 0.4 < 2.2.
  return stretched(
    shapeOf((v) => gelu(v, "tanh")),
    2 * factor,
    rate,
    3 * off + 2 ** -40,
  );
}

/** A gate as scale t + offset with t the value of a node that is no longer affine. */
function peeled(composition: Composition, node: Node): { scale: number; offset: number; core: Node } {
  let [scale, offset, core] = [1, 0, node];
  for (;;) {
    const step = affineStep(composition, core);
    if (!step) return { scale, offset, core };
    offset += scale * step.offset;
    scale *= step.scale;
    core = step.of;
  }
}

/** y = scale x + offset by one op with one number, of x the varying input. */
function affineStep({ inner, x, fixed }: Composition, node: Node) {
  const varies = (n: Node) => n === x || inner.includes(n);
  const which = node.inputs.filter(varies);
  if (node === x || which.length !== 1) return null;
  const [of] = which;
  const first = node.inputs[0] === of;
  const name = node.op.name;
  if (name === "Neg") return { scale: -1, offset: 0, of };
  if (name === "Cast" && node.dtype.startsWith("float") && of.dtype.startsWith("float"))
    return { scale: 1, offset: 0, of };
  if (!["Add", "Sub", "Mul", "Div"].includes(name)) return null;
  const { data } = fixed(node.inputs[first ? 1 : 0]);
  const [c] = data;
  if (data.some((v) => v !== c) || !Number.isFinite(c)) return null;
  if (name === "Add") return { scale: 1, offset: c, of };
  if (name === "Sub") return first ? { scale: 1, offset: -c, of } : { scale: -1, offset: c, of };
  if (name === "Mul") return { scale: c, offset: 0, of };
  return first && c !== 0 ? { scale: 1 / c, offset: 0, of } : null;
}

/** The coefficients of a polynomial in x of degree 3 at most, from the constant on; null for anything else. */
function polynomialOf(composition: Composition, node: Node): readonly number[] | null {
  const { x, inner, fixed } = composition;
  if (node === x) return [0, 1];
  const step = affineStep(composition, node);
  if (step) {
    const inside = polynomialOf(composition, step.of);
    return inside && trimmed(inside.map((c, k) => c * step.scale + (k === 0 ? step.offset : 0)));
  }
  if (!inner.includes(node)) return null;
  const name = node.op.name;
  if (name === "Pow") {
    const { data } = fixed(node.inputs[1]);
    const base = polynomialOf(composition, node.inputs[0]);
    const [power] = data;
    if (!base || data.some((v) => v !== power) || (power !== 2 && power !== 3)) return null;
    return product(base, power === 2 ? base : product(base, base));
  }
  const parts = node.inputs.map((i) => polynomialOf(composition, i));
  const [a, b] = parts;
  if (!a || !b) return null;
  if (name === "Mul") return product(a, b);
  const sign = name === "Add" ? 1 : name === "Sub" ? -1 : 0;
  if (sign === 0) return null;
  return trimmed(Array.from({ length: Math.max(a.length, b.length) }, (_, k) => (a[k] ?? 0) + sign * (b[k] ?? 0)));
}

function product(a: readonly number[], b: readonly number[] | null): readonly number[] | null {
  if (!b || a.length + b.length - 1 > 4) return null;
  const c = new Array<number>(a.length + b.length - 1).fill(0);
  a.forEach((v, i) => {
    b.forEach((w, j) => {
      c[i + j] += v * w;
    });
  });
  return trimmed(c);
}

function trimmed(c: readonly number[]): readonly number[] | null {
  let n = c.length;
  while (n > 1 && c[n - 1] === 0) n--;
  return c.every(Number.isFinite) ? c.slice(0, n) : null;
}

function rateOf(composition: Composition, node: Node): number | null {
  const line = polynomialOf(composition, node);
  return line?.length === 2 && line[0] === 0 ? line[1] : null;
}

/** What one of our own ops says of itself. */
function shapeOf(op: (x: Node) => Node): Shape {
  const node = op(input("x", [1]));
  const behaviour = node.op.behaviour(node, [true]);
  if (behaviour.kind !== "pointwise") throw new TypeError(`${node.op.name} must be pointwise`);
  return { name: node.op.name, ...behaviour };
}

const sigmoidNumber = (x: number): number => {
  const e = Math.exp(-Math.abs(x));
  return (x < 0 ? e : 1) / (1 + e);
};

/** x tanh(softplus(x)): its slope turns at -2.25637642 and 1.49057117. */
const mish: Shape = {
  name: "Mish",
  slope: [-0.1125261224, 1.0884981613],
  slopeOn: betweenTurns(
    (x) => {
      const t = Math.tanh(Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))));
      return t + x * (1 - t * t) * sigmoidNumber(x);
    },
    [
      { at: -2.25637642, value: -0.1125261224 },
      { at: 1.49057117, value: 1.0884981613 },
    ],
    2,
  ),
  curvature: 0.6442046367,
};

function stretched(shape: Shape, size: number, rate: number, slack = 2 ** -44) {
  if (!(Number.isFinite(rate) && rate !== 0 && size !== 0)) return null;
  // The slack is that of a slope of size 1, for the rounding of the rate and the size too.
  const times = ([low, high]: readonly [number, number]): readonly [number, number] => {
    const [a, b] = [size * (low - slack), size * (high + slack)].sort((p, q) => p - q);
    return [a - Math.abs(a) * 2 ** -50, b + Math.abs(b) * 2 ** -50];
  };
  const slopeOn: Slopes = (low, high) => {
    const ends = [low * rate, high * rate].sort((p, q) => p - q);
    const [least, most] = shape.slopeOn(ends[0], ends[1]);
    return times([Math.max(least, shape.slope[0]), Math.min(most, shape.slope[1])]);
  };
  const curvature = Math.abs(size * rate) * shape.curvature * (1 + 1e-3);
  return { name: shape.name, behaviour: { kind: "pointwise", slope: times(shape.slope), slopeOn, curvature } as const };
}

/** clip(rate x + shift, low, high). */
interface Ramp {
  readonly rate: number;
  readonly shift: number;
  readonly low: number;
  readonly high: number;
}

function rampOf(composition: Composition, node: Node): Ramp | null {
  const limits = limitsOf(composition, node);
  if (!limits) return null;
  const deeper = rampOf(composition, limits.of);
  const clamp = (v: number) => Math.min(limits.high, Math.max(limits.low, v));
  if (deeper && limits.rate === 1 && limits.shift === 0)
    return { ...deeper, low: clamp(deeper.low), high: clamp(deeper.high) };
  const line = polynomialOf(composition, limits.of);
  if (line?.length !== 2) return null;
  return {
    rate: line[1] * limits.rate,
    shift: line[0] * limits.rate + limits.shift,
    low: limits.low,
    high: limits.high,
  };
}

/** One op as clip(rate of + shift, low, high); either limit may be infinite. */
function limitsOf({ x, inner, fixed }: Composition, node: Node) {
  const bare = { rate: 1, shift: 0, low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };
  const name = node.op.name;
  const attrs = node.attrs as Readonly<Record<string, number>> | null;
  if (name === "Clip" && attrs) return { ...bare, low: attrs.low, high: attrs.high, of: node.inputs[0] };
  if (name === "Relu") return { ...bare, low: 0, of: node.inputs[0] };
  if (name === "HardSigmoid" && attrs) {
    return { rate: attrs.alpha, shift: attrs.beta, low: 0, high: 1, of: node.inputs[0] };
  }
  if (name !== "Max" && name !== "Min") return null;
  const varying = node.inputs.filter((i) => i === x || inner.includes(i));
  const still = node.inputs.filter((i) => !varying.includes(i));
  if (varying.length !== 1 || still.length !== 1) return null;
  const { data } = fixed(still[0]);
  const [c] = data;
  if (data.some((v) => v !== c)) return null;
  return { ...bare, ...(name === "Max" ? { low: c } : { high: c }), of: varying[0] };
}

/** alpha x (scale clip(rate x + shift, low, high) + offset): two half-lines and a parabola between. */
function rampBehaviour({ rate, shift, low, high }: Ramp, alpha: number, scale: number, offset: number) {
  const all = [rate, shift, low, high, alpha, scale, offset];
  if (!all.every(Number.isFinite) || rate === 0 || !(low < high)) return null;
  const flat = (limit: number) => alpha * (scale * limit + offset);
  const bowed = (v: number) => alpha * (scale * (2 * v - shift) + offset);
  const size =
    Math.abs(alpha) *
    (Math.abs(scale) * (2 * Math.max(Math.abs(low), Math.abs(high)) + Math.abs(shift)) + Math.abs(offset));
  const slack = size * 2 ** -44;
  const hull = (values: readonly number[]): readonly [number, number] => [
    Math.min(...values) - slack,
    Math.max(...values) + slack,
  ];
  const whole = hull([flat(low), flat(high), bowed(low), bowed(high)]);
  const slopeOn: Slopes = (from, to) => {
    const [a, b] = [from * rate + shift, to * rate + shift].sort((p, q) => p - q);
    // Where the argument is within its own rounding of a kink, both sides count.
    const near = 2 ** -46 * (Math.abs(shift) + Math.abs(low) + Math.abs(high));
    const found: number[] = [];
    if (a < low + near) found.push(flat(low));
    if (b > high - near) found.push(flat(high));
    if (b > low - near && a < high + near) {
      for (const v of [a, b]) found.push(bowed(Math.min(high, Math.max(low, v))));
    }
    return found.length > 0 && found.every(Number.isFinite) ? hull(found) : whole;
  };
  const behaviour = { kind: "pointwise", slope: whole, slopeOn, curvature: Number.POSITIVE_INFINITY } as const;
  return { name: "HardSwish", behaviour };
}
