/** @file A network as a function of one input: inputs that stay the same fixed, and several that vary side by side in one vector. */
import type { Node } from "../graph/graph.ts";
import { constant } from "../graph/leaf.ts";
import type { Network, Port } from "../graph/network.ts";
import { broadcastTo } from "../ops/broadcast.ts";
import { reshape, split } from "../ops/movement.ts";
import { UsageError } from "../tensor/errors.ts";
import { showShape, sizeOf } from "../tensor/shape.ts";
import { cast, full, isFloat, type Tensor } from "../tensor/tensor.ts";

/**
 * Fix inputs, by name, to a number or to values of their shape (without the batch, or with a batch of 1, where the batch is free): the
 * network of the others. Throws UsageError where a value does not fit, or nothing is left.
 */
export function withFixed(network: Network, values: Readonly<Record<string, number | Tensor>>): Network {
  checkNames(network, Object.keys(values));
  const isFixed = (port: Port) => Object.hasOwn(values, port.name);
  const left = network.inputs.filter((port) => !isFixed(port));
  if (left.length === network.inputs.length) return network;
  if (left.length === 0) throw new UsageError(`${whoOf(network)}: at least one input must vary, got all fixed`);
  for (const port of network.inputs.filter(isFixed)) fixedTo(network, port, values[port.name], 1);
  return {
    ...network,
    inputs: left,
    build(given) {
      const count = given[0]?.shape[0] ?? 1;
      const float = given.find((x) => isFloat(x.dtype))?.dtype;
      const rest = [...given];
      return network.build(
        network.inputs.map((port) => {
          if (!isFixed(port)) return rest.shift() as Node;
          // Everything floating-point has the dtype of what is fed.
          const dtype = isFloat(port.dtype) && float ? float : port.dtype;
          return fixedTo(network, { ...port, dtype }, values[port.name], count);
        }),
      );
    },
  };
}

/**
 * Several floating-point inputs as one: the vector of all their numbers, in their order. The network itself where it has one input. Throws
 * UsageError where an input is no floating-point one, a size is free, or only some have a free batch.
 */
export function asOneInput(network: Network): Network {
  const { inputs } = network;
  if (inputs.length === 1) return network;
  const who = whoOf(network);
  for (const { name, dtype, shape } of inputs) {
    if (!isFloat(dtype)) {
      throw new UsageError(
        `${who}: the input "${name}" is ${dtype} and cannot vary; fix it (--fix ${name}=FILE or a number)`,
      );
    }
    checkSizes(who, name, shape.slice(1));
  }
  const free = inputs.map(({ shape }) => typeof shape[0] === "string");
  if (new Set(free).size > 1) {
    const got = inputs.map(({ name, shape }) => `${name}: ${showShape(shape)}`).join(", ");
    throw new UsageError(`${who}: all inputs must have a free batch or none, got ${got}; say the shapes, or fix some`);
  }
  const own = inputs.map(({ shape }) => shape.slice(free[0] ? 1 : 0).map(Number));
  const sizes = own.map(sizeOf);
  const all = sizes.reduce((a, b) => a + b, 0);
  const [{ dtype, shape }] = inputs;
  return {
    ...network,
    inputs: [{ name: "inputs", dtype, shape: free[0] ? [shape[0], all] : [all] }],
    build([x]) {
      const rows = free[0] ? [x.shape[0]] : [];
      return network.build(split(x, rows.length, sizes).map((part, i) => reshape(part, [...rows, ...own[i]])));
    },
  };
}

/** Throw UsageError where a size of an input is free. */
export function checkSizes(who: string, name: string, sizes: readonly (number | string)[]): void {
  const free = sizes.find((d) => typeof d === "string");
  if (free === undefined) return;
  const rule = `the size "${free}" of the input "${name}" is free`;
  throw new UsageError(
    `${who}: ${rule}: say it (--shape ${name}=${["1", ...sizes.map((d) => (typeof d === "string" ? "N" : d))].join(",")})`,
  );
}

// --- internal ---

const whoOf = ({ name }: Network): string => name || "network";

function checkNames(network: Network, names: readonly string[]): void {
  const known = network.inputs.map((port) => port.name);
  const strange = names.find((name) => !known.includes(name));
  if (strange !== undefined) {
    throw new UsageError(`${whoOf(network)}: its inputs are ${known.join(", ")}, got "${strange}"`);
  }
}

/** A fixed input for `count` samples. */
function fixedTo(network: Network, port: Port, value: number | Tensor, count: number): Node {
  const free = typeof port.shape[0] === "string";
  const rest = port.shape.slice(1);
  checkSizes(whoOf(network), port.name, rest);
  const shape = free ? [count, ...rest.map(Number)] : port.shape.map(Number);
  if (typeof value === "number") return constant(full(shape, value, port.dtype));
  const bare = free ? rest.map(Number) : shape;
  if (sizeOf(value.shape) !== sizeOf(bare)) {
    const rule = `the value of "${port.name}" must be ${showShape(port.shape)}`;
    throw new UsageError(`${whoOf(network)}: ${rule}, got ${showShape(value.shape)}`);
  }
  const own = reshape(constant(cast(value, port.dtype)), free ? [1, ...bare] : bare);
  return broadcastTo(own, shape);
}
