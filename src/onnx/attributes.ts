/** @file Attributes of an ONNX node by name and kind. They note what was asked for: an attribute that no one reads must not be passed over. */
import { ReadError } from "../tensor/errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type AttributeProto, AttributeProto_AttributeType as Kind } from "./proto.ts";
import { readTensor } from "./tensors.ts";

export interface Attributes {
  has(name: string): boolean;
  int(name: string, fallback: number): number;
  /** A float, which has 32 bits; so has the number that stands for one that is not there. */
  float(name: string, fallback: number): number;
  /** A float that may be infinite. */
  bound(name: string, fallback: number): number;
  string(name: string, fallback: string): string;
  /** Null where the attribute is not there. */
  ints(name: string): readonly number[] | null;
  /** Whole numbers with all their digits, one or several. */
  wholes(name: string): readonly bigint[] | null;
  floats(name: string): readonly number[] | null;
  strings(name: string): readonly string[] | null;
  tensor(name: string): Tensor | null;
  /** Attributes that change nothing here: seeds, hints, training. */
  ignore(...names: readonly string[]): void;
  /** Names that are there and that no one asked for. */
  unread(): string[];
}

/** The attributes of a node; throws ReadError when one is of another kind than it is asked for. */
export function attributesOf(protos: readonly AttributeProto[]): Attributes {
  const all = new Map(protos.map((a) => [a.name, a]));
  const asked = new Set<string>();
  const get = (name: string, kind: Kind): AttributeProto | undefined => {
    asked.add(name);
    const a = all.get(name);
    if (a && kindOf(a) !== kind) {
      throw new ReadError(`attribute "${name}" must be ${Kind[kind]}, got ${Kind[kindOf(a)] ?? "an unknown kind"}`);
    }
    return a;
  };
  return {
    has: (name) => all.has(name),
    int: (name, fallback) => Number(get(name, Kind.INT)?.i ?? fallback),
    float: (name, fallback) => finite(name, get(name, Kind.FLOAT)?.f ?? Math.fround(fallback)),
    bound(name, fallback) {
      const v = get(name, Kind.FLOAT)?.f ?? Math.fround(fallback);
      if (Number.isNaN(v)) throw new ReadError(`attribute "${name}" is not a number`);
      return v;
    },
    string(name, fallback) {
      const a = get(name, Kind.STRING);
      return a ? new TextDecoder().decode(a.s) : fallback;
    },
    ints: (name) => get(name, Kind.INTS)?.ints.map(Number) ?? null,
    wholes(name) {
      const a = all.get(name);
      asked.add(name);
      return a ? ((kindOf(a) === Kind.INT ? [a.i] : get(name, Kind.INTS)?.ints) ?? null) : null;
    },
    floats: (name) => get(name, Kind.FLOATS)?.floats.map((v) => finite(name, v)) ?? null,
    strings: (name) => get(name, Kind.STRINGS)?.strings.map((s) => new TextDecoder().decode(s)) ?? null,
    tensor(name) {
      const a = get(name, Kind.TENSOR);
      if (!a) return null;
      if (!a.t) throw new ReadError(`attribute "${name}" holds no tensor`);
      return readTensor(a.t);
    },
    ignore(...names) {
      for (const name of names) asked.add(name);
    },
    unread: () => [...all.keys()].filter((name) => !asked.has(name)),
  };
}

/** The kind of an attribute; models from before IR 3 do not say it. */
export function kindOf(a: AttributeProto): Kind {
  if (a.type !== Kind.UNDEFINED) return a.type;
  if (a.ints.length > 0) return Kind.INTS;
  if (a.floats.length > 0) return Kind.FLOATS;
  if (a.strings.length > 0) return Kind.STRINGS;
  if (a.t) return Kind.TENSOR;
  if (a.g) return Kind.GRAPH;
  if (a.s.length > 0) return Kind.STRING;
  return a.f !== 0 ? Kind.FLOAT : Kind.INT;
}

// --- internal ---

function finite(name: string, v: number): number {
  if (!Number.isFinite(v)) throw new ReadError(`attribute "${name}" must be finite, got ${v}`);
  return v;
}
