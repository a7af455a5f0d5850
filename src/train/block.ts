/** @file Training steps by the block: so many batches are fed at once and gone through in one run of the engine. What a step computes does not depend on how many there are. */
import { gatherBatch, type Room } from "../data/batches.ts";
import type { Dataset } from "../data/dataset.ts";
import { type Node, topological } from "../graph/graph.ts";
import { operationsOf } from "../ops/work.ts";
import { mapNamed, type Named } from "../tensor/named.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import { reshaped, type Tensor, tensor } from "../tensor/tensor.ts";

/** What a step is fed beside its samples and the state. */
export interface Pace {
  readonly rate: number;
  /** From 1, through all epochs. */
  readonly step: number;
  /** Epochs done. */
  readonly epoch: number;
}

/** Names of a step's inputs that every step has anew, beside its noise. */
export const stepInputs = ["x", "y", "slopes", "rate", "step", "epoch"] as const;

/** So many steps that a block is a quarter of a second of arithmetic at most even in a browser, and its feeds are small; at least 1. */
export function blockLength(outputs: Named<Node>, fed: Named<{ readonly shape: Shape }>): number {
  const work = topological(Object.values(outputs)).reduce((sum, node) => sum + operationsOf(node), 1);
  const numbers = Object.values(fed).reduce((sum, { shape }) => sum + sizeOf(shape), 1);
  return Math.max(1, Math.floor(Math.min(workOfBlock / work, numbersOfBlock / numbers)));
}

/** The feeds of a block with the steps in front: samples by their indices, in `room`, and noise of these shapes, by name and number of the step. */
export function blockFeeds(
  data: Dataset,
  indices: Uint32Array,
  paces: readonly Pace[],
  noise: { readonly shapes: Named<Shape>; at(name: string, step: number): Tensor },
  room: Room,
): Named<Tensor> {
  const steps = paces.length;
  const byStep = (t: Tensor) => reshaped(t, [steps, indices.length / steps, ...t.shape.slice(1)]);
  const { x, y, slopes } = gatherBatch(data, indices, room);
  return {
    ...mapNamed({ x, y, ...(slopes && { slopes }) }, byStep),
    rate: tensor(paces.map((p) => p.rate)),
    step: tensor(paces.map((p) => p.step)),
    epoch: tensor(paces.map((p) => p.epoch)),
    ...mapNamed(noise.shapes, (shape, name) => {
      const all = new Float32Array(steps * sizeOf(shape));
      for (const [k, { step }] of paces.entries())
        all.set(noise.at(name, step).data as Float32Array, k * sizeOf(shape));
      return tensor(all, [steps, ...shape]);
    }),
  };
}

// --- internal ---

/** In multiply-adds: a few hundredths of a second on two cores, up to a quarter of a second in a browser. */
const workOfBlock = 2 ** 31;
/** 16 MB of float32. */
const numbersOfBlock = 2 ** 22;
