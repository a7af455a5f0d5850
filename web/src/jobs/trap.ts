/** @file The traps: each computes the number that is often reported and the one that holds, by the library, on networks small enough to follow. */
import {
  BatchError,
  cast,
  certify,
  constant,
  type Dataset,
  lipschitz,
  type Network,
  type Node,
  random,
  type Tensor,
  tensor,
  withPreprocessing,
} from "lipschitz";
import { add, matmul, maxPool, mean, sub } from "lipschitz/ops";
import { showAtLeast, showAtMost, showNumber } from "lipschitz/report";
import type { Desk } from "../desk.ts";
import type { TrapName } from "../protocol.ts";
import type { JobOf } from "../worker.ts";

export const trapJob: JobOf<"trap"> = async ({ engine }, { name, seed }) => ({
  words: await traps[name](engine, seed),
});

// --- internal ---

type Engine = Desk["engine"];

const traps: { readonly [name in TrapName]: (engine: Engine, seed: number) => Promise<string> } = {
  async power(engine, seed) {
    const size = 100;
    const source = random(seed);
    // As a file would have them.
    const weights = Float64Array.from({ length: size * size }, () => Math.fround(source.normal() / Math.sqrt(size)));
    const said = powerIteration(weights, size, 10, source.normal);
    const linear = networkOf([size], (x) => matmul(x, constant(cast(transposed(weights, size), x.dtype))));
    const { lower, upper } = await lipschitz(linear, { engine, methods: ["autolip", "jacobian"] });
    if (!lower || !upper) throw new Error("the matrix has no bracket");
    return `A random matrix of ${size} by ${size}: ten steps say ${showNumber(said)}; two points show ${showAtLeast(lower.value)}, and at most ${showAtMost(upper.value)} is proved. What the ten steps say is ${said < lower.value ? `${((100 * (lower.value - said)) / lower.value).toFixed(1)} % too small: as an upper bound it is false` : "within the bracket this time"}. Over ten such layers the product is off by the factor ${showNumber((lower.value / said) ** 10)}.`;
  },
  async pool(engine) {
    const pool = networkOf([1, 1, 5], (x) => maxPool(x, { kernel: [1, 3], strides: [1, 1] }));
    const { lower, upper } = await lipschitz(pool, { engine });
    if (!lower || !upper) throw new Error("the pool has no bracket");
    return `Windows of 3 over 5 numbers, stride 1: two inputs show ${showAtLeast(lower.value)}, and at most ${showAtMost(upper.value)} is proved: the root of 3, since the number in the middle is in three windows. 1 would be false.`;
  },
  async units(engine) {
    const weights = tensor([2, 0, 0, 2], [2, 2], "float64");
    const network = networkOf([2], (x) => matmul(x, constant(cast(weights, x.dtype))));
    const std = [0.3081];
    const [raw, scaled] = [network, withPreprocessing(network, { mean: [0.1307], std })];
    const data = onePoint([1, 0.2]);
    const radius = async (of: Network) => {
      const { samples } = await certify(of, { engine, data, radii: [] });
      return samples[0].radius;
    };
    const constantOf = async (of: Network) =>
      (await lipschitz(of, { engine, methods: ["autolip"] })).upper?.value ?? Number.NaN;
    const inPixels = await radius(scaled);
    return `The network alone has the constant ${showAtMost(await constantOf(raw))}; behind (x - 0.1307) / ${std[0]}, as it runs on pixels, ${showAtMost(await constantOf(scaled))}. The same point has the radius ${showNumber(inPixels / std[0])} in normalised units and ${showNumber(inPixels)} in pixels: a claim of the first in pixels would be ${showNumber(1 / std[0])} times too large.`;
  },
  async batch(engine) {
    const centred = networkOf([2], (x) => sub(x, mean(x, [0], true)));
    const own = networkOf([2], (x) => add(x, x));
    const { upper } = await lipschitz(own, { engine });
    try {
      await certify(centred, { engine, data: onePoint([1, 0.2]), radii: [] });
    } catch (error) {
      if (!(error instanceof BatchError)) throw error;
      return `A network of single samples has a constant of its own (2 x: ${showAtMost(upper?.value ?? Number.NaN)}). Of x minus the mean of its batch the library says: ${error.message}`;
    }
    throw new Error("a network that mixes its batch was certified");
  },
};

/** Of samples of a shape, in any batch. */
const networkOf = (shape: readonly number[], f: (x: Node) => Node): Network => ({
  name: "trap",
  inputs: [{ name: "x", shape: ["batch", ...shape], dtype: "float32" }],
  outputs: ["y"],
  metadata: {},
  build: ([x]) => [f(x)],
});

const onePoint = (x: readonly number[]): Dataset => ({
  name: "one point",
  task: "classification",
  x: Float32Array.from(x),
  shape: [x.length],
  count: 1,
  labels: Int32Array.of(0),
  targets: new Float32Array(0),
  classes: 2,
});

/** What steps of power iteration on W^T W from a random start say of ||W||, as training libraries have it. */
function powerIteration(weights: Float64Array, size: number, steps: number, draw: () => number): number {
  let v = Float64Array.from({ length: size }, draw);
  let said = 0;
  for (let step = 0; step < steps; step++) {
    const w = times(weights, v, size, false);
    said = Math.hypot(...w) / Math.hypot(...v);
    v = times(weights, w, size, true);
  }
  return said;
}

function times(weights: Float64Array, v: Float64Array, size: number, across: boolean): Float64Array<ArrayBuffer> {
  const sum = new Float64Array(size);
  for (let i = 0; i < size; i++)
    for (let j = 0; j < size; j++) {
      if (across) sum[j] += weights[i * size + j] * v[i];
      else sum[i] += weights[i * size + j] * v[j];
    }
  return sum;
}

/** Rows of samples are multiplied from the right. */
function transposed(weights: Float64Array, size: number): Tensor {
  const values = Array.from({ length: size * size }, (_, k) => weights[(k % size) * size + Math.trunc(k / size)]);
  return tensor(values, [size, size], "float64");
}
