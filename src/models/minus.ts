/** @file What two networks differ by, as one network: the same input goes into both. */
import type { Node } from "../graph/graph.ts";
import type { Network, Port } from "../graph/network.ts";
import { sub } from "../ops/arith.ts";
import { concat, reshape } from "../ops/movement.ts";
import { UsageError } from "../tensor/errors.ts";
import { sizeOf } from "../tensor/shape.ts";
import { isFloat } from "../tensor/tensor.ts";

/**
 * The network x -> first(x) - second(x), for all outputs side by side: [batch, inputs] -> [batch, outputs]. The batch is free where it is in both. Throws UsageError where they do not have
 * one floating-point input each, of as many numbers, and as many numbers of outputs.
 */
export function minus(first: Network, second: Network): Network {
  const [a, b] = [first, second].map(portOf);
  const [n, m] = [a, b].map(({ shape }) => sizeOf(shape.slice(1).map(Number)));
  if (n !== m)
    throw new UsageError(`minus: ${first.name} and ${second.name} must take the same input, got ${n} and ${m} numbers`);
  const free = [a, b].every(({ shape }) => typeof shape[0] === "string");
  const rows = free ? "batch" : 1;
  return {
    name: `${first.name} - ${second.name}`,
    inputs: [{ name: a.name, shape: [rows, n], dtype: a.dtype }],
    outputs: ["difference"],
    metadata: {},
    build: ([x]) => {
      const [y, z] = [first, second].map((network) => outputsOf(network, x));
      if (y.shape[1] !== z.shape[1]) {
        const got = `${y.shape[1]} and ${z.shape[1]}`;
        throw new UsageError(`minus: ${first.name} and ${second.name} must give as many numbers, got ${got}`);
      }
      return [sub(y, z)];
    },
  };
}

// --- internal ---

function portOf({ name, inputs }: Network): Port {
  const [port] = inputs;
  if (inputs.length !== 1 || !isFloat(port.dtype))
    throw new UsageError(`minus: ${name} must have one floating-point input, got ${inputs.length}`);
  const [rows, ...sample] = port.shape;
  if (sample.some((d) => typeof d === "string"))
    throw new UsageError(`minus: ${name} must say the size of its input, got [${port.shape.join(",")}]`);
  if (typeof rows === "number" && rows !== 1)
    throw new UsageError(`minus: ${name} must take one sample or any number of them, got ${rows}`);
  return port;
}

/** [batch, inputs] -> [batch, outputs]. */
function outputsOf({ inputs: [port], build }: Network, x: Node): Node {
  const rows = x.shape[0];
  const fed = reshape(x, [rows, ...port.shape.slice(1).map(Number)]);
  const floats = build([fed]).filter((y) => isFloat(y.dtype));
  return concat(
    floats.map((y) => reshape(y, [rows, sizeOf(y.shape) / rows])),
    1,
  );
}
