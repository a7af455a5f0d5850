/** @file Randomness as a value: seeded, passed in, split by name. The same path of names always gives the same numbers, so that nothing has to be saved to resume. */
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { UsageError } from "./errors.ts";
import { type Shape, sizeOf } from "./shape.ts";
import { type Tensor, tensor } from "./tensor.ts";

export interface Random {
  /** An independent stream: a function of this stream's seed and the name only, never of what was drawn. */
  fork(name: string | number): Random;
  /** Uniform in [0, 1). */
  uniform(): number;
  /** Standard normal (Box-Muller). */
  normal(): number;
  /** Uniform integer in 0..n-1. */
  integer(n: number): number;
  /** 0..n-1 in random order. */
  permutation(n: number): Uint32Array;
}

/** A stream from a seed (a non-negative integer below 2^53). */
export function random(seed: number): Random {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new UsageError(`random: seed must be a whole number from 0 to 2^53 - 1, got ${seed}`);
  }
  return stream(hash(String(seed), 0x811c9dc5));
}

/** A tensor of uniform numbers in [low, high). */
export function uniformTensor(r: Random, shape: Shape, low = 0, high = 1): Tensor {
  return filled(shape, () => low + (high - low) * r.uniform());
}

/** A tensor of normal numbers with mean 0. */
export function normalTensor(r: Random, shape: Shape, deviation = 1): Tensor {
  return filled(shape, () => deviation * r.normal());
}

// --- internal ---

/** A plain loop: Float32Array.from with a function takes several times as long, and dropout draws in every training step. */
function filled(shape: Shape, draw: () => number): Tensor {
  const data = new Float32Array(sizeOf(shape));
  for (let i = 0; i < data.length; i++) data[i] = draw();
  return tensor(data, shape);
}

function stream(seed: number): Random {
  const generator = xoroshiro128plus(seed);
  let spare: number | undefined;
  const uniform = () => uniformFloat64(generator);
  return {
    fork: (name) => stream(hash(`/${name}`, seed)),
    uniform,
    normal() {
      if (spare !== undefined) {
        const value = spare;
        spare = undefined;
        return value;
      }
      const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
      const angle = 2 * Math.PI * uniform();
      spare = radius * Math.sin(angle);
      return radius * Math.cos(angle);
    },
    integer: (n) => uniformInt(generator, 0, n - 1),
    permutation(n) {
      const order = Uint32Array.from({ length: n }, (_, i) => i);
      for (let i = n - 1; i > 0; i--) {
        const j = uniformInt(generator, 0, i);
        const kept = order[i];
        order[i] = order[j];
        order[j] = kept;
      }
      return order;
    },
  };
}

/** FNV-1a over UTF-16 units with a final avalanche: 32 bits, enough to tell streams apart. */
function hash(text: string, start: number): number {
  let h = start | 0;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) | 0;
}
