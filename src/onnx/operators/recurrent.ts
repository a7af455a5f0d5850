/** @file Recurrent layers of a known length, step by step: what is left is products, sums and activations. */
import type { Node } from "../../graph/graph.ts";
import { constant, filledLike } from "../../graph/leaf.ts";
import { add, greater, mul, sub, where } from "../../ops/arith.ts";
import { broadcastTo } from "../../ops/broadcast.ts";
import { matmul } from "../../ops/matmul.ts";
import { concat, reshape, sliceAxis, transpose } from "../../ops/movement.ts";
import * as pointwise from "../../ops/pointwise.ts";
import { ReadError } from "../../tensor/errors.ts";
import { type Shape, sameShape, showShape } from "../../tensor/shape.ts";
import { tensor } from "../../tensor/tensor.ts";
import { type Call, type Operator, Refusal } from "../call.ts";

/** h = f(x W + h R + b). */
export const RNN: Operator = (c) =>
  recurrent(c, { gates: 1, activations: ["Tanh"], cell: false }, ({ f: [f], limited, own, times }, h) => {
    const [from] = own;
    return { h: f(limited(add(from, times(h, 0)))), cell: null };
  });

/** z = f(..), r = f(..), h = (1 - z) g(..) + z h; the reset r stands before or behind the product with R. */
export const GRU: Operator = (c) => {
  const behind = c.attributes.int("linear_before_reset", 0) !== 0;
  const form: Form = { gates: 3, activations: ["Sigmoid", "Tanh"], cell: false, ...(behind && { apart: 2 }) };
  return recurrent(c, form, ({ f: [f, g], limited, own, times, shift }, h) => {
    const [z, r] = [0, 1].map((k) => f(limited(add(own[k], times(h, k)))));
    const product = behind ? times(h, 2) : times(mul(r, h), 2);
    const reset = behind ? mul(r, shift ? add(product, shift) : product) : product;
    const next = g(limited(add(own[2], reset)));
    return { h: add(mul(sub(1, z), next), mul(z, h)), cell: null };
  });
};

/** Gates i, o, f and the candidate g: C = f C + i g, h = o tanh(C). Peepholes let the gates see the cell. */
export const LSTM: Operator = (c) => {
  const coupled = c.attributes.int("input_forget", 0) !== 0;
  return recurrent(
    c,
    { gates: 4, activations: ["Sigmoid", "Tanh", "Tanh"], cell: true },
    ({ f: [f, g, last], limited, own, times, peep }, h, cell) => {
      const gate = (k: number, hole: number, seen: Node) => {
        const sum = add(own[k], times(h, k));
        return f(limited(peep ? add(sum, mul(peep(hole), seen)) : sum));
      };
      const before = cell as Node;
      const i = gate(0, 0, before);
      const forget = coupled ? sub(1, i) : gate(2, 2, before);
      const now = add(mul(forget, before), mul(i, g(limited(add(own[3], times(h, 3))))));
      return { h: mul(gate(1, 1, now), last(now)), cell: now };
    },
  );
};

// --- internal ---

interface Form {
  readonly gates: number;
  /** Names of the activations where none are told. */
  readonly activations: readonly string[];
  readonly cell: boolean;
  /** The gate whose second shift stays apart. */
  readonly apart?: number;
}

type Function1 = (x: Node) => Node;

interface Step {
  readonly f: readonly Function1[];
  /** Cut off as `clip` says. */
  limited(x: Node): Node;
  /** What each gate gets from the input, shifts included: [batch, hidden]. */
  readonly own: readonly Node[];
  /** A state by the recurrent matrix of a gate. */
  times(state: Node, gate: number): Node;
  /** The second shift of the gate that keeps it apart. */
  readonly shift: Node | null;
  readonly peep: ((gate: number) => Node) | null;
}

interface State {
  readonly h: Node;
  readonly cell: Node | null;
}

type Rule = (step: Step, h: Node, cell: Node | null) => State;

const stepsAtMost = 1024;

function recurrent(c: Call, form: Form, rule: Rule): readonly Node[] {
  const { attributes: a } = c;
  const x = c.input(0);
  if (x.shape.length !== 3)
    throw new ReadError(`its input must be [length, batch, numbers], got ${showShape(x.shape)}`);
  if (a.int("layout", 0) !== 0) throw new Refusal("layout 1 is not read: ONNX Runtime does not run it");
  a.ignore("output_sequence");
  const [length, batch] = x.shape;
  if (length > stepsAtMost) throw new Refusal(`a sequence of more than ${stepsAtMost} steps is not read`);
  if (length === 0) throw new Refusal("a sequence of no steps is not read");
  const hidden = a.int("hidden_size", c.input(2).shape.at(-1) ?? 0);
  const direction = a.string("direction", "forward");
  const ways = waysOf[direction];
  if (!ways) throw new ReadError(`direction must be ${Object.keys(waysOf).join(", ")}, got "${direction}"`);
  const limit = a.float("clip", 0);
  const functions = activationsOf(c, form.activations, ways.length);
  const lengths = lengthsOf(c, length, batch);
  const zeros = () => broadcastTo(constant(0, x.dtype), [batch, hidden]);
  const results = ways.map((backwards, way) => {
    const part = (i: number, shape: Shape): Node | null => {
      const whole = c.optional(i);
      if (!whole) return null;
      if (!sameShape(whole.shape, [ways.length, ...shape]))
        throw new ReadError(`input ${i} must be ${showShape([ways.length, ...shape])}, got ${showShape(whole.shape)}`);
      return reshape(sliceAxis(whole, 0, way, way + 1), shape);
    };
    const rows = form.gates * hidden;
    const gatesOf = (m: Node) =>
      Array.from({ length: form.gates }, (_, k) => sliceAxis(m, 0, k * hidden, (k + 1) * hidden));
    const W = part(1, [rows, x.shape[2]]);
    const R = part(2, [rows, hidden]);
    if (!W || !R) throw new ReadError("a matrix is missing");
    const R_ = gatesOf(R).map((m) => transpose(m));
    const shifts = part(3, [2 * rows]);
    const [first, second] = [0, 1].map((k) => shifts && gatesOf(sliceAxis(shifts, 0, k * rows, (k + 1) * rows)));
    const holes = form.cell ? part(7, [3 * hidden]) : null;
    const start = part(5, [batch, hidden]) ?? zeros();
    const cellAtStart = form.cell ? (part(6, [batch, hidden]) ?? zeros()) : null;
    // The products with the input are one for all steps, gate by gate.
    const given = gatesOf(W).map((m, k) => {
      const product = reshape(matmul(reshape(x, [length * batch, x.shape[2]]), transpose(m)), [length, batch, hidden]);
      const known = [first?.[k], k === form.apart ? null : second?.[k]].filter((s) => s !== null && s !== undefined);
      return known.reduce<Node>(add, product);
    });
    const step = (t: number): Step => ({
      f: functions.slice(way * form.activations.length),
      limited: (v) => (limit > 0 ? pointwise.clip(v, -limit, limit) : v),
      own: given.map((m) => reshape(sliceAxis(m, 0, t, t + 1), [batch, hidden])),
      times: (state, gate) => matmul(state, R_[gate]),
      shift: form.apart === undefined ? null : (second?.[form.apart] ?? null),
      peep: holes && ((k) => sliceAxis(holes, 0, k * hidden, (k + 1) * hidden)),
    });
    let state: State = { h: start, cell: cellAtStart };
    const seen: Node[] = [];
    for (let s = 0; s < length; s++) {
      const t = backwards ? length - 1 - s : s;
      const next = rule(step(t), state.h, state.cell);
      const runs = lengths?.some((n) => t >= n) ? lengths.map((n) => t < n) : null;
      // Where a sequence has ended, or, backwards, has not begun, the state stays; its output there is 0.
      state = runs
        ? { h: chosen(runs, next.h, state.h), cell: next.cell && chosen(runs, next.cell, state.cell as Node) }
        : next;
      seen[t] = runs ? chosen(runs, next.h, filledLike(next.h, 0)) : next.h;
    }
    return { seen, state };
  });
  const along = (nodes: readonly Node[], shape: Shape, axis: number) =>
    concat(
      nodes.map((n) => reshape(n, shape)),
      axis,
    );
  const y = along(
    results.map(({ seen }) => along(seen, [1, batch, hidden], 0)),
    [length, 1, batch, hidden],
    1,
  );
  const last = (of: (state: State) => Node | null) =>
    along(
      results.map(({ state }) => of(state) as Node),
      [1, batch, hidden],
      0,
    );
  return [y, last((s) => s.h), ...(form.cell ? [last((s) => s.cell)] : [])];
}

/** Does it go backwards? For each direction. */
const waysOf: Readonly<Record<string, readonly boolean[]>> = {
  forward: [false],
  reverse: [true],
  bidirectional: [false, true],
};

function chosen(runs: readonly boolean[], yes: Node, no: Node): Node {
  const mask = constant(tensor(runs.map(Number), [runs.length, 1], "bool"));
  return where(mask, yes, no);
}

/** Lengths that are not all the longest; null where they are. */
function lengthsOf(c: Call, length: number, batch: number): readonly number[] | null {
  const lengths = c.numbers(4);
  if (!lengths) return null;
  if (lengths.length !== batch) throw new ReadError(`it needs ${batch} lengths, got ${lengths.length}`);
  const wrong = lengths.find((n) => !(n >= 1 && n <= length));
  if (wrong !== undefined) throw new Refusal(`a length of ${wrong} in a sequence of ${length} is not read`);
  return lengths.every((n) => n === length) ? null : lengths;
}

/** What an activation is told: numbers from the lists, as far as it takes one, else its default. */
interface Settings {
  alpha(otherwise?: number): number;
  beta(otherwise?: number): number;
}

/** Without Softplus, which ONNX Runtime computes here so that it overflows from 89 on. */
const activations: Readonly<Record<string, (s: Settings) => Function1>> = {
  affine(s) {
    const [alpha, beta] = [s.alpha(), s.beta()];
    return (x) => add(mul(x, alpha), beta);
  },
  elu(s) {
    const alpha = s.alpha(1);
    return (x) => pointwise.elu(x, alpha);
  },
  hardsigmoid(s) {
    const [alpha, beta] = [s.alpha(0.2), s.beta(0.5)];
    return (x) => pointwise.hardSigmoid(x, alpha, beta);
  },
  leakyrelu(s) {
    const alpha = s.alpha(0.01);
    return (x) => pointwise.leakyRelu(x, alpha);
  },
  relu: () => pointwise.relu,
  scaledtanh(s) {
    const [alpha, beta] = [s.alpha(), s.beta()];
    return (x) => mul(pointwise.tanh(mul(x, beta)), alpha);
  },
  sigmoid: () => pointwise.sigmoid,
  softsign: () => pointwise.softsign,
  tanh: () => pointwise.tanh,
  thresholdedrelu(s) {
    const alpha = s.alpha(1);
    return (x) => where(greater(x, alpha), x, 0);
  },
};

function activationsOf(c: Call, usual: readonly string[], ways: number): readonly Function1[] {
  const names = c.attributes.strings("activations") ?? Array.from({ length: ways }, () => usual).flat();
  if (names.length !== usual.length * ways)
    throw new ReadError(`it needs ${usual.length * ways} activations, got ${names.length}`);
  const [alphas, betas] = ["activation_alpha", "activation_beta"].map((name) => [...(c.attributes.floats(name) ?? [])]);
  const next = (left: number[], name: string, otherwise?: number): number => {
    const value = left.shift() ?? (otherwise === undefined ? undefined : Math.fround(otherwise));
    if (value === undefined) throw new Refusal(`the activation ${name} without its numbers is not read`);
    return value;
  };
  return names.map((name) => {
    const make = activations[name.toLowerCase()];
    if (!make) throw new Refusal(`the activation "${name}" is not read`);
    return make({ alpha: (v) => next(alphas, name, v), beta: (v) => next(betas, name, v) });
  });
}
