/** @file ONNX operators with a window: convolutions and pools. Padding may be asked for by its effect (`auto_pad`, `output_shape`) and is computed here. */
import type { Node } from "../../graph/graph.ts";
import { add, mul } from "../../ops/arith.ts";
import { sum } from "../../ops/broadcast.ts";
import * as convolution from "../../ops/conv.ts";
import { reshape } from "../../ops/movement.ts";
import { abs, sqrt } from "../../ops/pointwise.ts";
import * as pools from "../../ops/pool.ts";
import { ReadError } from "../../tensor/errors.ts";
import { type Shape, sameShape, showShape, sizeOf } from "../../tensor/shape.ts";
import { type Call, type Operator, Refusal } from "../call.ts";

export const Conv: Operator = (c) => {
  const [x, w] = [c.input(0), c.input(1)];
  const window = { ...steps(c, kernelOf(c, w)), groups: c.attributes.int("group", 1) };
  if (autoPadOf(c).startsWith("SAME") && window.dilations.some((d) => d !== 1))
    throw new Refusal("SAME with dilations is not read: runtimes differ in it; export with pads");
  const pads = padsOf(c, x.shape.slice(2), window);
  return [withBias(convolution.conv(x, w, { ...window, pads }), c.optional(2))];
};

export const ConvTranspose: Operator = (c) => {
  const [x, w] = [c.input(0), c.input(1)];
  const space = x.shape.slice(2);
  const window = { ...steps(c, kernelOf(c, w)), groups: c.attributes.int("group", 1) };
  const outputPads = [...(c.attributes.ints("output_padding") ?? space.map(() => 0))];
  const none = [...space, ...space].map(() => 0);
  const auto = autoPadOf(c);
  const asked =
    c.attributes.ints("output_shape") ?? (auto.startsWith("SAME") ? space.map((d, i) => d * window.strides[i]) : null);
  const said = c.attributes.ints("pads") ?? none;
  const pads = asked ? croppedTo(c, asked, space, window, outputPads) : auto === "VALID" ? none : said;
  if (outputPads.some((p, i) => p >= window.strides[i]))
    throw new Refusal("an output that is padded by a stride or more is not read");
  return [withBias(convolution.convTranspose(x, w, { ...window, pads, outputPads }), c.optional(2))];
};

export const MaxPool: Operator = (c) => {
  c.attributes.ignore("storage_order"); // says only how positions are counted, which are not given
  const x = c.input(0);
  const window = steps(c, kernelOf(c, null));
  const pads = poolPadsOf(c, x.shape.slice(2), window);
  checkPool(x.shape.slice(2), window, pads);
  return [pools.maxPool(x, { ...window, pads, ceil: c.attributes.int("ceil_mode", 0) !== 0 })];
};

export const AveragePool: Operator = (c) => {
  const x = c.input(0);
  const window = steps(c, kernelOf(c, null));
  const pads = poolPadsOf(c, x.shape.slice(2), window);
  checkPool(x.shape.slice(2), window, pads);
  const countPads = c.attributes.int("count_include_pad", 0) !== 0;
  return [pools.averagePool(x, { ...window, pads, countPads, ceil: c.attributes.int("ceil_mode", 0) !== 0 })];
};

export const GlobalAveragePool: Operator = (c) => [pools.globalAveragePool(checkTaps(c.input(0)))];
export const GlobalMaxPool: Operator = (c) => [pools.globalMaxPool(checkTaps(c.input(0)))];

/** The l1 or l2 norm of each window; what is outside the image is 0. */
export const LpPool: Operator = (c) => {
  const x = c.input(0);
  const window = steps(c, kernelOf(c, null));
  if (autoPadOf(c) !== "NOTSET" && autoPadOf(c) !== "VALID") throw new Refusal("SAME is not read: export with pads");
  if (c.attributes.int("ceil_mode", 0) !== 0) throw new Refusal("ceil_mode is not read");
  const pads = poolPadsOf(c, x.shape.slice(2), window);
  checkPool(x.shape.slice(2), window, pads);
  const taps = sizeOf(window.kernel);
  return [inPower(c, x, (v) => mul(pools.averagePool(v, { ...window, pads, countPads: true, ceil: false }), taps))];
};

export const GlobalLpPool: Operator = (c) => {
  const x = checkTaps(c.input(0));
  return [
    inPower(c, x, (v) =>
      sum(
        v,
        v.shape.slice(2).map((_, i) => i + 2),
        true,
      ),
    ),
  ];
};

// --- internal ---

/** Sums of |x|, or the root of sums of squares. */
function inPower(c: Call, x: Node, summed: (v: Node) => Node): Node {
  const p = c.attributes.int("p", 2);
  if (p === 1) return summed(abs(x));
  if (p !== 2) throw new Refusal(`only p = 1 and p = 2 are read, got ${p}`);
  return sqrt(summed(mul(x, x)));
}

/** Pads that leave the asked size. What is too little is added at the end where `output_shape` asks for it; with SAME there is less. */
function croppedTo(
  c: Call,
  asked: readonly number[],
  space: Shape,
  { kernel, strides, dilations }: Steps,
  outputPads: number[],
): readonly number[] {
  const wanted = asked.slice(-space.length);
  const upper = autoPadOf(c) === "SAME_UPPER";
  const begins: number[] = [];
  const ends: number[] = [];
  space.forEach((d, i) => {
    const extent = dilations[i] * (kernel[i] - 1) + 1;
    const over = strides[i] * (d - 1) + outputPads[i] + extent - wanted[i];
    if (c.attributes.has("output_shape")) outputPads[i] += Math.max(0, -over);
    const total = Math.max(0, over);
    const small = Math.floor(total / 2);
    begins.push(upper ? small : total - small);
    ends.push(upper ? total - small : small);
  });
  return [...begins, ...ends];
}

/** How to pad, where that is said by its effect; then no pads may be named beside it. */
function autoPadOf(c: Call): string {
  const auto = c.attributes.string("auto_pad", "NOTSET") || "NOTSET";
  if (auto !== "NOTSET" && c.attributes.ints("pads")?.some((p) => p !== 0))
    throw new ReadError(`it has pads beside auto_pad ${auto}`);
  return auto;
}

interface Steps {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
}

/** The kernel's size, said or the weight's; where both are there they must agree. */
function kernelOf(c: Call, w: Node | null): readonly number[] {
  const said = c.attributes.ints("kernel_shape");
  const own = w?.shape.slice(2) ?? null;
  if (said && own && !sameShape(said, own)) {
    throw new ReadError(`kernel_shape is ${showShape(said)}, its weight has ${showShape(own)}`);
  }
  const kernel = said ?? own;
  if (!kernel) throw new ReadError("its kernel_shape is missing");
  return kernel;
}

function steps(c: Call, kernel: readonly number[]): Steps {
  const ones = kernel.map(() => 1);
  return {
    kernel,
    strides: c.attributes.ints("strides") ?? ones,
    dilations: c.attributes.ints("dilations") ?? ones,
  };
}

/**
 * SAME makes ceil(input / stride) windows; an odd pad goes to the end (UPPER) or to the begin (LOWER). Where strides leave more than one number at the end unread, ONNX Runtime
 * takes half of them away at the begin, which the standard does not.
 */
function padsOf(c: Call, space: Shape, { kernel, strides, dilations }: Steps): readonly number[] {
  const none = [...space, ...space].map(() => 0);
  const said = c.attributes.ints("pads") ?? none;
  const auto = autoPadOf(c);
  if (auto === "NOTSET") return said;
  if (auto === "VALID") return none;
  const totals = space.map((d, i) => {
    const extent = dilations[i] * (kernel[i] - 1) + 1;
    return (Math.ceil(d / strides[i]) - 1) * strides[i] + extent - d;
  });
  if (totals.some((t) => t < -1)) throw new Refusal(unreadEnd);
  const small = totals.map((t) => Math.floor(Math.max(0, t) / 2));
  const large = totals.map((t) => Math.ceil(Math.max(0, t) / 2));
  return auto === "SAME_UPPER" ? [...small, ...large] : [...large, ...small];
}

/**
 * ONNX Runtime finds the pads of a pool as if its window were not dilated, whatever the standard says. Where SAME would take numbers away, because strides leave some unread,
 * it does not run, or with dilations begins elsewhere than the standard.
 */
function poolPadsOf(c: Call, space: Shape, window: Steps): readonly number[] {
  const undilated = { ...window, dilations: window.dilations.map(() => 1) };
  const unread = space.some(
    (d, i) => (Math.ceil(d / window.strides[i]) - 1) * window.strides[i] + window.kernel[i] < d,
  );
  if (unread && autoPadOf(c).startsWith("SAME")) throw new Refusal(unreadEnd);
  return padsOf(c, space, undilated);
}

const unreadEnd = "SAME with strides that leave the end unread is not read: runtimes differ in it; export with pads";

/** Pools are laid out window by window when they are built: a corrupt size must not get that far. */
function checkPool(space: Shape, { kernel, strides, dilations }: Steps, pads: readonly number[]): void {
  let taps = 1;
  kernel.forEach((k, i) => {
    const extent = dilations[i] * (k - 1) + 1;
    const ends = pads[i + kernel.length];
    if (!(pads[i] < extent && ends < extent))
      throw new ReadError(`pads must be smaller than the window, got [${pads}]`);
    taps *= k * (Math.floor((space[i] + pads[i] + ends - extent) / strides[i]) + 2);
  });
  if (!(taps <= tapsAtMost)) throw new Refusal(`a pool that reads ${taps} numbers for each channel is not read`);
}

function checkTaps(x: Node): Node {
  const taps = sizeOf(x.shape.slice(2));
  if (!(taps <= tapsAtMost)) throw new Refusal(`a pool that reads ${taps} numbers for each channel is not read`);
  return x;
}

const tapsAtMost = 2 ** 24;

function withBias(y: Node, bias: Node | null): Node {
  return bias ? add(y, reshape(bias, [-1, ...y.shape.slice(2).map(() => 1)])) : y;
}
