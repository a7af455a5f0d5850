/**
 * @file Compositions (a + b x) g(x) with a gate g that has limits: SiLU, both GELUs, Mish, hard-swish, as models are exported. As products
 * of two varying branches they have no constant; as the function that they are, they have. Every constant in them is read and enclosed:
 * none is asked to be 0, since two that cancel in doubles need not cancel in truth.
 */
import type { Behaviour, Elementary, Node, Slopes } from "../../graph/graph.ts";
import { input } from "../../graph/leaf.ts";
import { operatorOf } from "../../graph/origin.ts";
import { up } from "../../linalg/rounding.ts";
import { gelu, silu } from "../../ops/pointwise.ts";
import { betweenTurns } from "../../ops/slopes.ts";
import type { Composition } from "./composition.ts";
import {
  type Enclosure,
  exactly,
  isBounded,
  isExactly,
  isNonZero,
  minus,
  over,
  plus,
  sizeOf,
  times,
} from "./enclosure.ts";
import { affineStep, isLeftOf, type Polynomial, type Polynomials, polynomials } from "./polynomial.ts";
import { type Gate, rampBehaviour, rampOf } from "./ramps.ts";

/** The slopes of a composition of the form (a + b x) g(x), and whether computing it part by part gives it; null where it is none that is known. */
export function gateBehaviour(
  composition: Composition,
): { readonly name: string; readonly behaviour: Behaviour; readonly steady: boolean } | null {
  const { x, y, inner } = composition;
  if (y.op.computes !== "product" || inner.some((node) => node.shape.join() !== x.shape.join())) return null;
  const read = polynomials(composition);
  for (const [factor, gate] of [y.inputs, [...y.inputs].reverse()]) {
    const line = read.of(factor);
    if (line?.length !== 2) continue;
    const known = gated(composition, read, line, gate);
    if (known) return { ...known, steady: known.steady && read.isSteady(factor) };
  }
  return null;
}

// --- internal ---

/** h(z) = z s(z) of a gate s: its slopes are `times` those of one of our own functions at `inputScale` z, less `less`. */
interface Core {
  readonly name: string;
  readonly slope: readonly [number, number];
  readonly slopeOn: Slopes;
  readonly curvature: number;
  readonly inputScale: number;
  readonly times: number;
  readonly less: number;
  /** Of the gate itself: its slopes are between 0 and `steepness`, theirs at most `gateCurvature`. */
  readonly steepness: number;
  readonly gateCurvature: number;
}

const rootTwoOverPi = Math.sqrt(2 / Math.PI);

/** The product of a line with a gate. */
function gated(composition: Composition, read: Polynomials, [start, rise]: Polynomial, node: Node) {
  const { scale, offset, met, core } = peeled(composition, node);
  const [u] = core.inputs;
  if (!u || !composition.inner.includes(core) || ![start, rise, scale, offset].every(isBounded)) return null;
  const gate: Gate = { start, rise, scale, offset };
  const ramp = rampOf(composition, read, core);
  if (ramp) {
    const found = rampBehaviour(ramp, gate);
    const top = Math.max(sizeOf(ramp.low), sizeOf(ramp.high));
    return found && { ...found, steady: ramp.steady && isSteadyGate(gate, met, top) };
  }
  const { computes } = core.op;
  const mishes = computes === "tanh" && u.op.computes === "softplus";
  const argument = mishes ? u.inputs[0] : u;
  const found = onArgument(mishes ? mish : cores.get(computes), gate, read.of(argument), computes === "tanh");
  return found && { ...found, steady: read.isSteady(argument) && isSteadyGate(gate, met, 1) };
}

function onArgument(core: Core | undefined, gate: Gate, argument: Polynomial | null, cubic: boolean) {
  if (!core) return null;
  return onLine(core, gate, argument) ?? (cubic && core !== mish ? onCubic(gate, argument) : null);
}

/**
 * Does scale t + offset, |t| <= top, computed from numbers that are `met` in size, times the line, err by little beside x and the product? Where nothing is added, relative to
 * the product; else by a few units of |x|, for which the line has to go through 0 and the gate to be of the size of 1.
 */
function isSteadyGate({ start, rise, scale, offset }: Gate, met: number, top: number): boolean {
  if (met === 0) return true;
  const size = sizeOf(scale) * top;
  const cancels = !isLeftOf(offset, met) && met > 4 * size;
  return !cancels && isExactly(start, 0) && sizeOf(rise) * (size + met) <= 16;
}

/**
 * f(x) = (a + b x) (c s(z) + d) with z = r x + t. Of the slopes h' of z s(z),
 *
 *     f' = b c h'(z) + b d + c (a r - b t) s'(z).
 */
function onLine(core: Core, { start, rise, scale, offset }: Gate, argument: Polynomial | null) {
  if (argument?.length !== 2) return null;
  const [shift, rate] = argument;
  if (!isNonZero(rate)) return null;
  const size = times(rise, scale);
  const constant = minus(times(rise, offset), times(size, exactly(core.less)));
  const moved = times(scale, minus(times(start, rate), times(rise, shift)));
  const rest = plus(constant, times(moved, [0, core.steepness]));
  const steep = times(size, exactly(core.times));
  const slopesFrom = (own: Enclosure) => plus(times(steep, own), rest);
  const whole = slopesFrom(core.slope);
  if (!isBounded(whole)) return null;
  const slopeOn: Slopes = (low, high) => {
    const [from, to] = times(plus(times([low, high], rate), shift), exactly(core.inputScale));
    const [least, most] = core.slopeOn(from, to);
    return slopesFrom([Math.max(least, core.slope[0]), Math.min(most, core.slope[1])]);
  };
  const total = up(up(sizeOf(steep) * up(core.inputScale * core.curvature)) + up(sizeOf(moved) * core.gateCurvature));
  const curvature = up(sizeOf(rate) * total);
  return { name: core.name, behaviour: { kind: "pointwise", slope: whole, slopeOn, curvature } as const };
}

/** b x (c tanh(k1 x + k3 x^3) + d) where that is the other GELU, k3 to k1^3 as it has them. */
function onCubic({ start, rise, scale, offset }: Gate, argument: Polynomial | null) {
  if (argument?.length !== 4 || !isExactly(start, 0)) return null;
  const [shift, first, square, third] = argument;
  if (!isExactly(shift, 0) || !isExactly(square, 0) || !isNonZero(first)) return null;
  const rate = over(first, [rootTwoOverPi * (1 - 2 ** -51), rootTwoOverPi * (1 + 2 ** -51)]);
  const one = over(third, times(times(first, times(rate, rate)), exactly(0.044715)));
  const off = sizeOf(minus(one, exactly(1)));
  if (!(off < 1e-5)) return null;
  // With f = x sigmoid(v), v = k1 x + k3 x^3: |d f' / d ln k3| <= |v s'| + 3 |v^2 s''| + 3 |v s'| <= 4 0.224 + 3 0.4 < 2.2.
  const slack = 3 * off + 2 ** -40;
  const own = shapeOf((v) => gelu(v, "tanh"));
  // (1 + tanh v) / 2 = sigmoid(2 v).
  const size = times(times(rise, scale), exactly(2));
  const rest = times(rise, minus(offset, scale));
  const slopesFrom = ([low, high]: readonly [number, number]) => plus(times(size, [low - slack, high + slack]), rest);
  const whole = slopesFrom(own.slope);
  if (!isBounded(whole)) return null;
  const slopeOn: Slopes = (low, high) => {
    const [from, to] = times([low, high], rate);
    const [least, most] = own.slopeOn(from, to);
    return slopesFrom([Math.max(least, own.slope[0]), Math.min(most, own.slope[1])]);
  };
  const curvature = up(sizeOf(size) * up(sizeOf(rate) * own.curvature * (1 + 1e-3)));
  return { name: own.name, behaviour: { kind: "pointwise", slope: whole, slopeOn, curvature } as const };
}

/** A gate as scale t + offset with t the value of a node that is no longer affine; `met` is the size of all that was added. */
function peeled(composition: Composition, node: Node) {
  let [scale, offset, met, core] = [exactly(1), exactly(0), 0, node];
  for (;;) {
    const step = affineStep(composition, core);
    if (!step) return { scale, offset, met, core };
    offset = plus(offset, times(scale, step.offset));
    met += sizeOf(times(scale, step.offset));
    scale = times(scale, step.scale);
    core = step.of;
  }
}

/** What one of our own ops says of itself. */
function shapeOf(op: (x: Node) => Node) {
  const node = op(input("x", [1]));
  const behaviour = node.op.behaviour(node, [true]);
  if (behaviour.kind !== "pointwise") throw new TypeError(`${operatorOf(node)} must be pointwise`);
  return { name: operatorOf(node), ...behaviour };
}

const sigmoidNumber = (x: number): number => {
  const e = Math.exp(-Math.abs(x));
  return (x < 0 ? e : 1) / (1 + e);
};

const sigmoidCore: Core = {
  ...shapeOf(silu),
  inputScale: 1,
  times: 1,
  less: 0,
  steepness: 0.25,
  gateCurvature: 0.0962250449,
};

/** tanh z = 2 sigmoid(2 z) - 1. */
const tanhCore: Core = { ...shapeOf(silu), inputScale: 2, times: 2, less: 1, steepness: 1, gateCurvature: 0.769800359 };

/** erf z = 2 Phi(sqrt(2) z) - 1; the slopes of GELU are known to 1e-6 around their turns. */
const erfCore: Core = {
  ...shapeOf((v) => gelu(v, "none")),
  inputScale: Math.SQRT2,
  times: 2,
  less: 1,
  steepness: 1.1283791671,
  gateCurvature: 0.9678828981,
};

/** x tanh(softplus(x)): its slope turns at -2.25637642 and 1.49057117. Of the gate, both slopes are products of slopes up to 1. */
const mish: Core = {
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
  inputScale: 1,
  times: 1,
  less: 0,
  steepness: 1,
  gateCurvature: 1.1,
};

/** Gates of an argument, by what they compute. */
const cores: ReadonlyMap<Elementary | undefined, Core> = new Map<Elementary, Core>([
  ["sigmoid", sigmoidCore],
  ["erf", erfCore],
  ["tanh", tanhCore],
]);
