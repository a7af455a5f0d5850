/** @file A small assembler for WebAssembly: modules of functions that loop over an imported memory. Code is a list of bytes, an expression leaves its value on the stack; what is not valid does not compile, at the first use. */

export type Code = readonly number[];

export type Type = "i32" | "f64" | "v128";

/** A parameter or a local variable of one function. */
export interface Local {
  readonly get: Code;
  set(value: Code): Code;
}

export interface Variables {
  local(type: Type): Local;
}

export interface Routine {
  readonly name: string;
  readonly parameters: readonly Type[];
  readonly code: Code;
}

/** A function without a result: `body` gets its parameters and makes its code. */
export function routine(
  name: string,
  parameters: readonly Type[],
  body: (vars: Variables, ...given: Local[]) => Code,
): Routine {
  const types: Type[] = [];
  const at = (index: number): Local => ({
    get: [0x20, ...unsigned(index)],
    set: (value) => [...value, 0x21, ...unsigned(index)],
  });
  const local = (type: Type) => at(parameters.length + types.push(type) - 1);
  const code = body({ local }, ...parameters.map((_, i) => at(i)));
  const locals = list(types.map((type) => [1, typeBytes[type]]));
  return { name, parameters, code: [...locals, ...code, end] };
}

/** The module of routines on the memory that it imports as `memory.memory`. */
export function assemble(routines: readonly Routine[]): WebAssembly.Module {
  const signatures = list(
    routines.map(({ parameters }) => [0x60, ...list(parameters.map((type) => [typeBytes[type]])), 0]),
  );
  const imports = list([[...text("memory"), ...text("memory"), 2, 0, 1]]);
  const exports = list(routines.map(({ name }, i) => [...text(name), 0, ...unsigned(i)]));
  const bodies = list(routines.map(({ code }) => sized(code)));
  const sections: readonly (readonly [number, Code])[] = [
    [1, signatures],
    [2, imports],
    [3, list(routines.map((_, i) => unsigned(i)))],
    [7, exports],
    [10, bodies],
  ];
  const magic = [0, ...Array.from("asm", (c) => c.charCodeAt(0)), 1, 0, 0, 0];
  return new WebAssembly.Module(
    Uint8Array.from([...magic, ...sections.flatMap(([id, content]) => [id, ...sized(content)])]),
  );
}

/** Statements or operands one after the other. */
export const all = (...parts: readonly Code[]): Code => parts.flat();

/** Repeat `body` with `index` going up by `step` from where it is while it is below `limit`. */
export function count(index: Local, limit: Local, step: number, body: Code): Code {
  const below = i32.below(index.get, limit.get);
  const next = index.set(i32.add(index.get, i32.of(step)));
  return [...below, 0x04, 0x40, 0x03, 0x40, ...body, ...next, ...below, 0x0d, 0, end, end];
}

/** Run `body` if a number is not 0. */
export const when = (condition: Code, body: Code): Code => [...condition, 0x04, 0x40, ...body, end];

const binary =
  (...op: number[]) =>
  (a: Code, b: Code): Code => [...a, ...b, ...op];
const unary =
  (...op: number[]) =>
  (a: Code): Code => [...a, ...op];
/** Access to memory at a number of bytes; the alignment that is promised is that of bytes. */
const load =
  (...op: number[]) =>
  (at: Code, offset = 0): Code => [...at, ...op, 0, ...unsigned(offset)];
const store =
  (...op: number[]) =>
  (at: Code, value: Code, offset = 0): Code => [...at, ...value, ...op, 0, ...unsigned(offset)];

export const i32 = {
  of: (value: number): Code => [0x41, ...signed(value)],
  add: binary(0x6a),
  sub: binary(0x6b),
  mul: binary(0x6c),
  and: binary(0x71),
  below: binary(0x49),
};

export const f64 = {
  of: (value: number): Code => [0x44, ...new Uint8Array(Float64Array.of(value).buffer)],
  add: binary(0xa0),
  sub: binary(0xa1),
  mul: binary(0xa2),
  div: binary(0xa3),
  neg: unary(0x9a),
  from: unary(0xb7),
  load: load(0x2b),
  store: store(0x39),
};

/** Numbers of 32 bits in memory, of 64 on the stack. */
export const f32 = {
  load: (at: Code, offset = 0): Code => [...load(0x2a)(at, offset), 0xbb],
  store: (at: Code, value: Code, offset = 0): Code => store(0x38)(at, [...value, 0xb6], offset),
};

const lanes = (add: number, sub: number, mul: number) => ({
  add: binary(0xfd, add, 1),
  sub: binary(0xfd, sub, 1),
  mul: binary(0xfd, mul, 1),
});

export const f64x2 = {
  ...lanes(0xf0, 0xf1, 0xf2),
  splat: unary(0xfd, 0x14),
  lane: (value: Code, index: 0 | 1): Code => [...value, 0xfd, 0x21, index],
  /** The lower two of four numbers of 32 bits. */
  promote: unary(0xfd, 0x5f),
};

export const f32x4 = lanes(0xe4, 0xe5, 0xe6);

export const v128 = {
  load: load(0xfd, 0),
  store: store(0xfd, 11),
  zero: [0xfd, 12, ...Array.from({ length: 16 }, () => 0)] as Code,
  /** The upper half in the place of the lower one. */
  upper: (value: Local): Code => [
    ...value.get,
    ...value.get,
    0xfd,
    13,
    ...Array.from({ length: 16 }, (_, i) => (i + 8) % 16),
  ],
};

// --- internal ---

const end = 0x0b;

const typeBytes: Readonly<Record<Type, number>> = { i32: 0x7f, f64: 0x7c, v128: 0x7b };

function unsigned(value: number): Code {
  return value < 128 ? [value] : [(value % 128) + 128, ...unsigned(Math.floor(value / 128))];
}

function signed(value: number): Code {
  const low = value & 127;
  const rest = value >> 7;
  return (rest === 0 && low < 64) || (rest === -1 && low >= 64) ? [low] : [low + 128, ...signed(rest)];
}

const sized = (bytes: Code): Code => [...unsigned(bytes.length), ...bytes];

const list = (items: readonly Code[]): Code => [...unsigned(items.length), ...items.flat()];

const text = (word: string): Code => list(Array.from(word, (c) => [c.charCodeAt(0)]));
