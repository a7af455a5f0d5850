/** @file The inner loops of complex Hermitian matrices, two or four numbers at a time, in a memory of their own. WebAssembly has no fused products and fixes every rounding: results are the same on every machine. */
import { UsageError } from "../tensor/errors.ts";
import {
  all,
  assemble,
  type Code,
  count,
  f32,
  f32x4,
  f64,
  f64x2,
  i32,
  type Local,
  routine,
  type Variables,
  v128,
  when,
} from "./wasm.ts";

/** Numbers that the routines may work on: views of one memory, zero and of even length at first. */
export interface Arena {
  float64(length: number): Float64Array;
  float32(length: number): Float32Array;
  readonly routines: Routines;
}

/** Addresses and distances are in bytes, lengths too. */
export interface Routines {
  /** y += c a + s b. */
  combine(y: number, a: number, b: number, length: number, c: number, s: number): void;
  /** y += H x of a packed triangle of side n, of vectors [re, im]. */
  multiply(h: number, gapOfH: number, n: number, x: number, y: number): void;
  /** Rows i and i + 1 of F F^H, i even: entries up to the diagonal, h where row i begins in the packed triangle. */
  gram(f: number, pitch: number, gap: number, length: number, i: number, h: number, gapOfH: number): void;
  /**
   * Rows i and i + 1 of the Cholesky factor of a matrix with -H beside the diagonal, i even: entries before column i; into `sums`
   * what goes off the 2 x 2 block that is left, as (i, i), two numbers that mean nothing, (i + 1, i) and (i + 1, i + 1).
   */
  eliminate64(l: number, pitch: number, gap: number, i: number, h: number, gapOfH: number, sums: number): void;
  /** The same with a factor of 32 bits: products are summed in 32 bits, 32 of them at a time, all else in 64. */
  eliminate32(l: number, pitch: number, gap: number, i: number, h: number, gapOfH: number, sums: number): void;
}

/** Bytes of an arena that numbers take. */
export const bytesOf = (length: number, size: 4 | 8): number => 16 * Math.ceil((length * size) / 16);

/** How many vectors `eliminate32` adds up before it goes over to 64 bits. */
export const blockVectors = 8;

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
      routines: own.routines,
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
  readonly routines: Routines;
}

let idle: Instance | undefined;
let compiled: WebAssembly.Module | undefined;

function instantiate(pages: number): Instance {
  compiled ??= assemble([combine, multiply, gram, eliminate("eliminate64", 8), eliminate("eliminate32", 4)]);
  const memory = new WebAssembly.Memory({ initial: pages });
  const { exports } = new WebAssembly.Instance(compiled, { memory: { memory } });
  return { memory, routines: exports as unknown as Routines };
}

const combine = routine("combine", ["i32", "i32", "i32", "i32", "f64", "f64"], (vars, y, a, b, length, c, s) => {
  const k = vars.local("i32");
  const [cc, ss] = [vars.local("v128"), vars.local("v128")];
  const at = (base: Local) => i32.add(base.get, k.get);
  const sum = f64x2.add(f64x2.mul(cc.get, v128.load(at(a))), f64x2.mul(ss.get, v128.load(at(b))));
  return all(
    cc.set(f64x2.splat(c.get)),
    ss.set(f64x2.splat(s.get)),
    count(k, length, 16, v128.store(at(y), f64x2.add(v128.load(at(y)), sum))),
  );
});

const multiply = routine("multiply", ["i32", "i32", "i32", "i32", "i32"], (vars, h, gapOfH, n, x, y) => {
  const [i, j, gap, length, own] = locals(vars, 5);
  const [z, entry, v, sum] = [0, 1, 2, 3].map(() => pairOf(vars, "v128"));
  const diagonal = vars.local("f64");
  const { add, sub, mul } = f64x2;
  const other = (at: Code) => i32.add(at, gap.get);
  const [from, to] = [i32.add(x.get, j.get), i32.add(y.get, j.get)];
  const beside = all(
    entry.re.set(v128.load(i32.add(h.get, j.get))),
    entry.im.set(v128.load(i32.add(i32.add(h.get, j.get), gapOfH.get))),
    v.re.set(v128.load(from)),
    v.im.set(v128.load(other(from))),
    sum.re.set(add(sum.re.get, sub(mul(entry.re.get, v.re.get), mul(entry.im.get, v.im.get)))),
    sum.im.set(add(sum.im.get, add(mul(entry.re.get, v.im.get), mul(entry.im.get, v.re.get)))),
    v128.store(to, add(v128.load(to), add(mul(entry.re.get, z.re.get), mul(entry.im.get, z.im.get)))),
    v128.store(other(to), add(v128.load(other(to)), sub(mul(entry.re.get, z.im.get), mul(entry.im.get, z.re.get)))),
  );
  const at = (base: Local) => i32.add(base.get, own.get);
  /** y_i += sum + diagonal x_i of one coordinate. */
  const close = (total: Local, place: (base: Local) => Code) => {
    const lanes = f64.add(f64x2.lane(total.get, 0), f64x2.lane(total.get, 1));
    const value = f64.add(lanes, f64.mul(diagonal.get, f64.load(place(x))));
    return f64.store(place(y), f64.add(f64.load(place(y)), value));
  };
  const row = all(
    own.set(i32.mul(i.get, i32.of(8))),
    z.re.set(f64x2.splat(f64.load(at(x)))),
    z.im.set(f64x2.splat(f64.load(other(at(x))))),
    sum.re.set(v128.zero),
    sum.im.set(v128.zero),
    // Whole pairs: in an odd row the diagonal is one of them, and comes once too often.
    length.set(i32.add(own.get, i32.mul(i32.and(i.get, i32.of(1)), i32.of(8)))),
    j.set(i32.of(0)),
    count(j, length, 16, beside),
    diagonal.set(f64.mul(f64.load(at(h)), f64.from(i32.sub(i32.of(1), i32.mul(i32.of(2), i32.and(i.get, i32.of(1))))))),
    close(sum.re, at),
    close(sum.im, (base) => other(at(base))),
    h.set(i32.add(at(h), i32.of(8))),
  );
  return all(gap.set(i32.mul(n.get, i32.of(8))), i.set(i32.of(0)), count(i, n, 1, row));
});

/** A complex number, or a pair of vectors of their coordinates. */
interface Pair {
  readonly re: Local;
  readonly im: Local;
}

/** The products <row, column> of two rows and two columns: (0, 0), (0, 1), (1, 0), (1, 1). */
type Tile = readonly [Pair, Pair, Pair, Pair];

function pairOf(vars: Variables, type: "f64" | "v128"): Pair {
  return { re: vars.local(type), im: vars.local(type) };
}

const tileOf = (vars: Variables, type: "f64" | "v128"): Tile => [
  pairOf(vars, type),
  pairOf(vars, type),
  pairOf(vars, type),
  pairOf(vars, type),
];

const each = (tile: Tile): readonly Local[] => tile.flatMap(({ re, im }) => [re, im]);

/** Add to vectors of sums x conj(y) of two rows and two columns, from byte `k` to `length`. */
function products(
  vars: Variables,
  lanes: typeof f64x2 | typeof f32x4,
  sums: Tile,
  rows: readonly Local[],
  gap: Local,
  k: Local,
  length: Local,
): Code {
  const [a, b, c, d] = rows;
  const [x, y, p] = [pairOf(vars, "v128"), pairOf(vars, "v128"), pairOf(vars, "v128")];
  const load = ({ re, im }: Pair, row: Local) =>
    all(re.set(v128.load(i32.add(row.get, k.get))), im.set(v128.load(i32.add(i32.add(row.get, k.get), gap.get))));
  const add = ({ re, im }: Pair, u: Pair, v: Pair) =>
    all(
      re.set(lanes.add(re.get, lanes.add(lanes.mul(u.re.get, v.re.get), lanes.mul(u.im.get, v.im.get)))),
      im.set(lanes.add(im.get, lanes.sub(lanes.mul(u.im.get, v.re.get), lanes.mul(u.re.get, v.im.get)))),
    );
  return count(
    k,
    length,
    16,
    all(
      load(x, a),
      load(y, b),
      load(p, c),
      add(sums[0], x, p),
      add(sums[2], y, p),
      load(p, d),
      add(sums[1], x, p),
      add(sums[3], y, p),
    ),
  );
}

/** The sums of products of two rows and two columns in 64 bits. */
function dots64(vars: Variables, rows: readonly Local[], gap: Local, length: Local, into: Tile): Code {
  const k = vars.local("i32");
  const sums = tileOf(vars, "v128");
  const targets = each(into);
  return all(
    ...each(sums).map((sum) => sum.set(v128.zero)),
    k.set(i32.of(0)),
    products(vars, f64x2, sums, rows, gap, k, length),
    ...each(sums).map((sum, i) => targets[i].set(f64.add(f64x2.lane(sum.get, 0), f64x2.lane(sum.get, 1)))),
  );
}

/** The same of rows of 32 bits, which may be read as far as the next whole vector. */
function dots32(vars: Variables, rows: readonly Local[], gap: Local, length: Local, into: Tile): Code {
  const [k, block] = [vars.local("i32"), vars.local("i32")];
  const [sums, totals] = [tileOf(vars, "v128"), tileOf(vars, "v128")];
  const targets = each(into);
  const long = each(totals);
  const end = vars.local("i32");
  const bytes = 16 * blockVectors;
  const body = all(
    ...each(sums).map((sum) => sum.set(v128.zero)),
    k.set(block.get),
    end.set(i32.add(block.get, i32.of(bytes))),
    when(i32.below(length.get, end.get), end.set(length.get)),
    products(vars, f32x4, sums, rows, gap, k, end),
    ...each(sums).map((sum, i) =>
      long[i].set(f64x2.add(long[i].get, f64x2.add(f64x2.promote(sum.get), f64x2.promote(v128.upper(sum))))),
    ),
  );
  return all(
    ...long.map((total) => total.set(v128.zero)),
    block.set(i32.of(0)),
    count(block, length, bytes, body),
    ...long.map((total, i) => targets[i].set(f64.add(f64x2.lane(total.get, 0), f64x2.lane(total.get, 1)))),
  );
}

const gram = routine(
  "gram",
  ["i32", "i32", "i32", "i32", "i32", "i32", "i32"],
  (vars, f, pitch, gap, length, i, h, gapOfH) => {
    const [a, b, c, d, j, end, top, low] = locals(vars, 8);
    const sums = tileOf(vars, "f64");
    const store = (at: Code, { re, im }: Pair) =>
      all(f64.store(at, re.get), f64.store(i32.add(at, gapOfH.get), im.get));
    const body = all(
      d.set(i32.add(c.get, pitch.get)),
      dots64(vars, [a, b, c, d], gap, length, sums),
      store(top.get, sums[0]),
      // In row i the place after the diagonal is the first of row i + 1.
      when(i32.below(j.get, i.get), store(i32.add(top.get, i32.of(8)), sums[1])),
      store(low.get, sums[2]),
      store(i32.add(low.get, i32.of(8)), sums[3]),
      top.set(i32.add(top.get, i32.of(16))),
      low.set(i32.add(low.get, i32.of(16))),
      c.set(i32.add(d.get, pitch.get)),
    );
    return all(
      a.set(i32.add(f.get, i32.mul(i.get, pitch.get))),
      b.set(i32.add(a.get, pitch.get)),
      c.set(f.get),
      top.set(h.get),
      low.set(i32.add(h.get, i32.mul(i32.of(8), i32.add(i.get, i32.of(1))))),
      end.set(i32.add(i.get, i32.of(1))),
      j.set(i32.of(0)),
      count(j, end, 2, body),
    );
  },
);

function eliminate(name: "eliminate64" | "eliminate32", size: 8 | 4) {
  return routine(name, ["i32", "i32", "i32", "i32", "i32", "i32", "i32"], (vars, l, pitch, gap, i, h, gapOfH, out) => {
    const float = size === 8 ? f64 : f32;
    const [a, b, c, d, j, end, top, low, bytes] = locals(vars, 9);
    const sums = tileOf(vars, "f64");
    const [first, second] = [vars.local("f64"), vars.local("f64")];
    const beside = pairOf(vars, "f64");
    const imaginary = (at: Code) => i32.add(at, gap.get);
    const at = (row: Local, column: 0 | 1) => i32.add(i32.add(row.get, bytes.get), i32.of(column * size));
    /** (-h - sum - left conj(beside)) / diagonal, rounded to what is stored. */
    const finish = (sum: Pair, h: Code, place: Code, diagonal: Local, left: Pair | null) => {
      const value = {
        re: f64.sub(f64.neg(f64.load(h)), sum.re.get),
        im: f64.sub(f64.neg(f64.load(i32.add(h, gapOfH.get))), sum.im.get),
      };
      const { re, im } = left
        ? {
            re: f64.sub(value.re, f64.add(f64.mul(left.re.get, beside.re.get), f64.mul(left.im.get, beside.im.get))),
            im: f64.sub(value.im, f64.sub(f64.mul(left.im.get, beside.re.get), f64.mul(left.re.get, beside.im.get))),
          }
        : value;
      return all(
        float.store(place, f64.div(re, diagonal.get)),
        float.store(imaginary(place), f64.div(im, diagonal.get)),
        sum.re.set(float.load(place)),
        sum.im.set(float.load(imaginary(place))),
      );
    };
    const next = (x: Local) => i32.add(x.get, i32.of(8));
    const body = all(
      d.set(i32.add(c.get, pitch.get)),
      ...(size === 8
        ? [bytes.set(i32.mul(j.get, i32.of(8))), dots64(vars, [a, b, c, d], gap, bytes, sums)]
        : [
            // The last vector may reach two numbers too far: zeros in the rows to come stand against them.
            bytes.set(i32.mul(j.get, i32.of(4))),
            ...[a, b].flatMap((row) => [f64.store(at(row, 0), f64.of(0)), f64.store(imaginary(at(row, 0)), f64.of(0))]),
            dots32(vars, [a, b, c, d], gap, bytes, sums),
          ]),
      when(
        i32.below(j.get, i.get),
        all(
          first.set(float.load(at(c, 0))),
          second.set(float.load(at(d, 1))),
          beside.re.set(float.load(at(d, 0))),
          beside.im.set(float.load(imaginary(at(d, 0)))),
          finish(sums[0], top.get, at(a, 0), first, null),
          finish(sums[2], low.get, at(b, 0), first, null),
          finish(sums[1], next(top), at(a, 1), second, sums[0]),
          finish(sums[3], next(low), at(b, 1), second, sums[2]),
        ),
      ),
      top.set(i32.add(top.get, i32.of(16))),
      low.set(i32.add(low.get, i32.of(16))),
      c.set(i32.add(d.get, pitch.get)),
    );
    return all(
      a.set(i32.add(l.get, i32.mul(i.get, pitch.get))),
      b.set(i32.add(a.get, pitch.get)),
      c.set(l.get),
      top.set(h.get),
      low.set(i32.add(h.get, i32.mul(i32.of(8), i32.add(i.get, i32.of(1))))),
      end.set(i32.add(i.get, i32.of(1))),
      j.set(i32.of(0)),
      count(j, end, 2, body),
      ...each(sums).map((sum, k) => f64.store(out.get, sum.get, 8 * k)),
    );
  });
}

function locals(vars: Variables, length: number): readonly Local[] {
  return Array.from({ length }, () => vars.local("i32"));
}
