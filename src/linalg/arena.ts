/** @file Memories in which kernels of WebAssembly work on complex Hermitian matrices. The kernels' source is assembly/hermitian.ts; they are compiled here at the first use. */
import { UsageError } from "../tensor/errors.ts";
import { pack } from "./kernelsPack.ts";

/** Numbers that the kernels may work on: views of one memory, zero and of even length at first. */
export interface Arena {
  float64(length: number): Float64Array;
  float32(length: number): Float32Array;
  readonly kernels: Kernels;
}

/** What assembly/hermitian.ts exports and describes. Addresses and distances are in bytes, lengths too. */
export interface Kernels {
  combine(y: number, a: number, b: number, length: number, c: number, s: number): void;
  multiply(h: number, gapOfH: number, n: number, x: number, y: number): void;
  gram(f: number, pitch: number, gap: number, length: number, i: number, h: number, gapOfH: number): void;
  eliminate64(l: number, pitch: number, gap: number, i: number, h: number, gapOfH: number, sums: number): void;
  eliminate32(l: number, pitch: number, gap: number, i: number, h: number, gapOfH: number, sums: number): void;
  readonly blockVectors: { readonly value: number };
}

/** Bytes of an arena that numbers take. */
export const bytesOf = (length: number, size: 4 | 8): number => 16 * Math.ceil((length * size) / 16);

/** Run `use` on a memory of at least so many bytes. It must not keep what it was given. */
export function withArena<T>(bytes: number, use: (arena: Arena) => T): T {
  const pages = Math.ceil(bytes / page) + 1;
  if (pages > largest) {
    throw new UsageError(
      `withArena: a memory must have less than 4 GiB, got ${bytes} bytes; bound a smaller convolution`,
    );
  }
  const own = idle && idle.memory.buffer.byteLength >= pages * page ? idle : instantiate(pages);
  idle = undefined;
  let used = 16;
  const place = (length: number, size: 4 | 8): number => {
    const at = used;
    used += bytesOf(length, size);
    return at;
  };
  const { buffer } = own.memory;
  try {
    return use({
      float64: (length) => new Float64Array(buffer, place(length, 8), 2 * Math.ceil(length / 2)).fill(0),
      float32: (length) => new Float32Array(buffer, place(length, 4), 4 * Math.ceil(length / 4)).fill(0),
      kernels: own.kernels,
    });
  } finally {
    if (buffer.byteLength <= kept) idle = own;
  }
}

// --- internal ---

const page = 65536;

/** Pages of the largest memory that 32 bits can address. */
const largest = 65536;

/** The largest memory that waits for the next user. */
const kept = 2 ** 25;

interface Instance {
  readonly memory: WebAssembly.Memory;
  readonly kernels: Kernels;
}

let idle: Instance | undefined;
let compiled: WebAssembly.Module | undefined;

function instantiate(pages: number): Instance {
  compiled ??= new WebAssembly.Module(Uint8Array.from(atob(pack), (c) => c.charCodeAt(0)));
  const memory = new WebAssembly.Memory({ initial: pages });
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory } });
  return { memory, kernels: exports as unknown as Kernels };
}
