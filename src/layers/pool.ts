/** @file Pooling layers, and the flattening that stands between space and dense layers. */
import { reshape } from "../ops/movement.ts";
import {
  averagePool as averagePoolOp,
  globalAveragePool as globalAveragePoolOp,
  maxPool as maxPoolOp,
} from "../ops/pool.ts";
import { ShapeError, UsageError } from "../tensor/errors.ts";
import { type Shape, showShape, sizeOf } from "../tensor/shape.ts";
import { checkCount, fixed, type Layer } from "./layer.ts";

export interface PoolOptions {
  /** Distance between windows. Default: the kernel's side, so that they do not overlap. */
  readonly stride?: number;
}

/** The largest value of every kernel x kernel window; windows that would leave the image are left out. */
export function maxPool(kernel: number, options: PoolOptions = {}): Layer {
  return windowed("maxPool", kernel, options, maxPoolOp);
}

/** The mean of every kernel x kernel window; windows that would leave the image are left out. */
export function averagePool(kernel: number, options: PoolOptions = {}): Layer {
  return windowed("averagePool", kernel, options, averagePoolOp);
}

/** The mean of every channel: [channels, ...space] -> [channels]. */
export function globalAveragePool(): Layer {
  return fixed("globalAveragePool", {
    shape([channels, ...space]) {
      checkSpace("globalAveragePool", [channels, ...space]);
      return [channels];
    },
    forward: (x) => reshape(globalAveragePoolOp(x), [x.shape[0], x.shape[1]]),
  });
}

/** One vector per sample; with `size`, samples must have that many numbers. */
export function flatten(size?: number): Layer {
  return fixed("flatten", {
    shape(input) {
      if (size !== undefined && sizeOf(input) !== size) {
        throw new UsageError(
          `flatten: the model takes ${size} numbers a sample, the data have ${sizeOf(input)}: ${showShape(input)}`,
        );
      }
      return [sizeOf(input)];
    },
    forward: (x) => reshape(x, [x.shape[0], sizeOf(x.shape.slice(1))]),
  });
}

// --- internal ---

function windowed(name: string, kernel: number, { stride = kernel }: PoolOptions, op: typeof maxPoolOp): Layer {
  checkCount(name, "kernel", kernel);
  checkCount(name, "stride", stride);
  return fixed(name, {
    shape(input) {
      checkSpace(name, input);
      const [channels, ...space] = input;
      const out = space.map((d) => Math.floor((d - kernel) / stride) + 1);
      if (out.some((d) => d < 1))
        throw new ShapeError(`${name}: a window of ${kernel} does not fit into ${showShape(input)}`);
      return [channels, ...out];
    },
    forward(x) {
      const space = x.shape.slice(2);
      return op(x, { kernel: space.map(() => kernel), strides: space.map(() => stride) });
    },
  });
}

function checkSpace(who: string, input: Shape): void {
  if (input.length < 2) throw new ShapeError(`${who}: a sample must be [channels, ...space], got ${showShape(input)}`);
}
