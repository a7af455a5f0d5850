/** @file Which initialisers of a model to multiply so that its output is multiplied, and everything else stays as it is. */
import { UsageError } from "../tensor/errors.ts";
import { isFloat } from "../tensor/tensor.ts";
import type { Reading } from "./read.ts";
import type { Step } from "./steps.ts";
import { shown } from "./wording.ts";

export interface Scaling {
  /** "chain": every affine layer takes a root of the factor; "last": the last one takes all of it. */
  readonly kind: "chain" | "last";
  /** Affine layers that share the factor. */
  readonly layers: number;
  /** The initialisers to multiply by factor^(exponent / layers), by their names. */
  readonly exponents: ReadonlyMap<string, number>;
}

/**
 * Spread a factor evenly over the affine layers of a chain whose other operators are positively homogeneous, g(a x) = a g(x) for a > 0 (ReLU, leaky
 * ReLU, pooling, moves): a weight takes one root of it, a bias as many as there are layers up to it. Any other network takes all of it in its last affine layer;
 * what follows there (a softmax, say) sees its input multiplied, and has to keep the order of numbers. Throws UsageError where no such layer is found.
 */
export function scalingOf(reading: Reading): Scaling {
  const chain = chainOf(reading);
  if (chain) return { kind: "chain", ...chain };
  return { kind: "last", layers: 1, exponents: new Map(lastOf(reading).map((name) => [name, 1])) };
}

// --- internal ---

/** Which input is the weight, and which the bias. */
const products: Readonly<Record<string, { readonly weight: readonly number[]; readonly bias: number }>> = {
  MatMul: { weight: [0, 1], bias: -1 },
  Gemm: { weight: [0, 1], bias: 2 },
  Conv: { weight: [1], bias: 2 },
  ConvTranspose: { weight: [1], bias: 2 },
};

/** Positively homogeneous in their first input, whatever the others are. */
const homogeneous = new Set(
  `Relu LeakyRelu PRelu Abs Neg Identity Dropout MaxPool AveragePool GlobalMaxPool GlobalAveragePool ReduceSum ReduceMean ReduceMax ReduceMin
  Reshape Flatten Squeeze Unsqueeze Transpose Slice Gather Tile Expand DepthToSpace SpaceToDepth`.split(/\s+/),
);

/** Behind the last layer: they keep the order of the numbers of a sample, however its input is scaled, and numbers that are equal were equal before. */
const order = new Set(["Softmax", "LogSoftmax", "Sigmoid", "Tanh", "ArgMax", "Cast", "ZipMap", "Softplus", "Softsign"]);

/** In all their inputs together. */
const sums = new Set(["Add", "Sub", "Sum", "Concat", "Max", "Min"]);

/** A Pad by zeros is a move. */
function isHomogeneous(step: Step): boolean {
  if (step.operator !== "Pad") return homogeneous.has(step.operator);
  const attributes = step.attributes();
  return step.inputs.length < 3 && attributes.float("value", 0) === 0;
}

interface Known {
  readonly varies: ReadonlySet<string>;
  /** The floating-point initialiser that a value is, moved or not; null for any other. */
  parameter(name: string): string | null;
}

function knownOf({ network, steps, tensors }: Reading): Known {
  const varies = new Set(network.inputs.map((p) => p.name));
  for (const step of steps)
    if (step.inputs.some((name) => varies.has(name))) for (const name of step.outputs) varies.add(name);
  const makers = makersOf(steps);
  const parameter = (name: string): string | null => {
    const tensor = tensors.get(name);
    if (tensor) return isFloat(tensor.dtype) ? name : null;
    const step = makers.get(name);
    return step && !varies.has(name) && moves.has(step.operator) ? parameter(step.inputs[0]) : null;
  };
  return { varies, parameter };
}

const makersOf = (steps: readonly Step[]): ReadonlyMap<string, Step> =>
  new Map(steps.flatMap((step) => step.outputs.map((name) => [name, step] as const)));

const moves = new Set(["Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose"]);

/** The exponents of a chain; null where the network is none. */
function chainOf(reading: Reading): Omit<Scaling, "kind"> | null {
  const { varies, parameter } = knownOf(reading);
  const exponents = new Map<string, number>();
  /** How many roots of the factor a value is multiplied by. */
  const degrees = new Map<string, number>(reading.network.inputs.map((p) => [p.name, 0]));
  const takes = (value: string, exponent: number): boolean => {
    const name = parameter(value);
    if (name === null || (exponents.get(name) ?? exponent) !== exponent) return false;
    exponents.set(name, exponent);
    return true;
  };
  for (const step of reading.steps) {
    const inputs = step.inputs.filter((name) => name !== "");
    const moving = inputs.filter((name) => varies.has(name));
    if (moving.length === 0) continue;
    const own = moving.map((name) => degrees.get(name));
    const [degree] = own;
    if (degree === undefined || own.some((d) => d !== degree)) return null;
    const product = Object.hasOwn(products, step.operator) ? products[step.operator] : undefined;
    if (product && moving.length === 1) {
      const weights = product.weight.map((i) => step.inputs[i]).filter((name) => !varies.has(name));
      if (weights.length !== 1 || !takes(weights[0], 1)) return null;
      const bias = step.inputs[product.bias];
      if (bias && !takes(bias, degree + 1)) return null;
      degrees.set(step.outputs[0], degree + 1);
    } else if (sums.has(step.operator)) {
      if (!inputs.every((name) => varies.has(name) || takes(name, degree))) return null;
      degrees.set(step.outputs[0], degree);
    } else if (isHomogeneous(step) && varies.has(step.inputs[0]) && moving.length === 1) {
      degrees.set(step.outputs[0], degree);
    } else return null;
  }
  const all = reading.network.outputs.map((name) => degrees.get(name));
  const [layers] = all;
  if (layers === undefined || layers === 0 || all.some((d) => d !== layers)) return null;
  return { layers, exponents: new Map([...exponents].filter(([, exponent]) => exponent > 0)) };
}

/** The initialisers of the last affine layer. */
function lastOf(reading: Reading): readonly string[] {
  const { network, steps } = reading;
  const { varies, parameter } = knownOf(reading);
  const makers = makersOf(steps);
  const readers = new Map<string, number>();
  for (const { inputs } of steps) for (const name of inputs) readers.set(name, (readers.get(name) ?? 0) + 1);
  const found = new Set<string>();
  const take = (value: string, of: string) => {
    const name = parameter(value);
    if (name === null) throw refusal(network.name, `node "${of}" reads a value that is no initialiser`);
    const shared = [...new Set([value, name])].find((v) => (readers.get(v) ?? 0) > 1);
    if (shared !== undefined) throw refusal(network.name, `its initialiser "${shown(shared)}" is read more than once`);
    found.add(name);
  };
  const scale = (value: string, output: boolean): void => {
    const step = makers.get(value);
    if (!step || !varies.has(value))
      throw refusal(network.name, `nothing but its input stands before "${shown(value)}"`);
    if ((readers.get(value) ?? 0) > (output ? 0 : 1))
      throw refusal(network.name, `"${shown(value)}" is read by more than one node`);
    const { operator, inputs } = step;
    const moving = inputs.filter((name) => varies.has(name));
    const product = Object.hasOwn(products, operator) ? products[operator] : undefined;
    const weights = product?.weight.map((i) => inputs[i]).filter((name) => !varies.has(name)) ?? [];
    if (product && moving.length === 1 && weights.length === 1) {
      take(weights[0], step.name);
      const bias = inputs[product.bias];
      if (bias) take(bias, step.name);
    } else if (operator === "BatchNormalization") {
      take(inputs[1], step.name);
      take(inputs[2], step.name);
    } else if (operator === "Add" || operator === "Sub" || operator === "Sum" || operator === "Concat") {
      for (const name of inputs)
        if (varies.has(name)) scale(name, false);
        else take(name, step.name);
    } else if (moving.length === 1 && (isHomogeneous(step) || order.has(operator))) scale(moving[0], false);
    else if (moving.length === 1)
      throw refusal(network.name, `behind it "${step.name}" (${operator}) need not keep decisions when it is scaled`);
    else throw refusal(network.name, `node "${step.name}" (${operator}) reads several values that vary`);
  };
  for (const output of network.outputs) scale(output, true);
  return [...found];
}

const refusal = (who: string, why: string): UsageError =>
  new UsageError(`${who}: its last affine layer must be there to be rescaled, and is not found: ${why}`);
