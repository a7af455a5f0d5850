/** @file The bytes of a model with other numbers in some of its initialisers: every node, name and type in it stays as it is. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { roundedTo } from "../ops/rounding.ts";
import { ReadError, UsageError } from "../tensor/errors.ts";
import type { Named } from "../tensor/named.ts";
import { sameShape, showShape } from "../tensor/shape.ts";
import { type Tensor, toFloat64 } from "../tensor/tensor.ts";
import { takeIn } from "./expose.ts";
import {
  type ModelProto,
  ModelProtoSchema,
  StringStringEntryProtoSchema,
  TensorProto_DataType as T,
  type TensorProto,
  TensorProto_DataLocation,
} from "./proto.ts";
import { dtypeOf, type External } from "./tensors.ts";
import { shown } from "./wording.ts";

export interface RenumberOptions {
  /** Gives the bytes of a file beside the model: numbers stored there are taken into it. */
  readonly external?: External;
  /** Key-value pairs to add to metadata_props; those of the same keys go, and one that is null only goes. */
  readonly metadata?: Named<string | null>;
  /** What else is done to the model, in place, before it is written. */
  alter?(model: ModelProto): void;
}

/**
 * Put numbers into initialisers, by their names, each rounded to the type that it has in the file. Throws UsageError where a name or a shape is not
 * one of the file's, or a number does not fit its type; ReadError where the bytes are no model.
 */
export function renumbered(
  bytes: Uint8Array,
  numbers: ReadonlyMap<string, Tensor>,
  options: RenumberOptions = {},
): Uint8Array {
  const model = fromBinary(ModelProtoSchema, bytes);
  const { graph } = model;
  if (!graph) throw new ReadError("there is no graph in it; is it an ONNX model?");
  const stored = new Map(graph.initializer.map((t) => [t.name, t]));
  for (const [name, value] of numbers) {
    const proto = stored.get(name);
    if (!proto) throw new UsageError(`renumbered: there is no initialiser "${shown(name)}"`);
    put(proto, value);
  }
  for (const proto of graph.initializer) {
    if (proto.dataLocation === TensorProto_DataLocation.EXTERNAL) takeIn(proto, options.external);
  }
  const entries = Object.entries(options.metadata ?? {});
  const said = new Set(entries.map(([key]) => key));
  model.metadataProps = [
    ...model.metadataProps.filter(({ key }) => !said.has(key)),
    ...entries.flatMap(([key, value]) =>
      value === null ? [] : [create(StringStringEntryProtoSchema, { key, value })],
    ),
  ];
  options.alter?.(model);
  return toBinary(ModelProtoSchema, model);
}

// --- internal ---

function put(proto: TensorProto, value: Tensor): void {
  const shape = proto.dims.map(Number);
  if (!sameShape(shape, value.shape)) {
    const rule = `initialiser "${shown(proto.name)}" must keep its shape ${showShape(shape)}`;
    throw new UsageError(`renumbered: ${rule}, got ${showShape(value.shape)}`);
  }
  proto.rawData = bytesOf(proto, toFloat64(value));
  proto.floatData = [];
  proto.doubleData = [];
  proto.int32Data = [];
  proto.externalData = [];
  if (proto.dataLocation !== TensorProto_DataLocation.DEFAULT) proto.dataLocation = TensorProto_DataLocation.DEFAULT;
}

function bytesOf({ name, dataType }: TensorProto, numbers: Float64Array): Uint8Array {
  const kind = kinds[dataType];
  if (!kind) {
    const type = dtypeOf(dataType) === null ? `data type ${dataType}` : T[dataType];
    throw new UsageError(`renumbered: initialiser "${shown(name)}" must be floating-point, got ${type}`);
  }
  const wrong = numbers.findIndex((v) => !Number.isFinite(kind.rounded(v)));
  if (wrong >= 0) {
    throw new UsageError(
      `renumbered: initialiser "${shown(name)}" must hold finite numbers of its type ${T[dataType]}, got ${numbers[wrong]} at ${wrong}`,
    );
  }
  const { buffer, byteOffset, byteLength } = kind.stored(numbers);
  return new Uint8Array(buffer, byteOffset, byteLength);
}

interface Kind {
  rounded(v: number): number;
  stored(numbers: Float64Array): ArrayBufferView<ArrayBuffer>;
}

const word = new DataView(new ArrayBuffer(4));

/** The bits of a number as a float32. */
function bitsOf(v: number): number {
  word.setFloat32(0, v);
  return word.getUint32(0);
}

/** The bits of a float16, of a number that is one. */
function halfBits(v: number): number {
  const bits = bitsOf(v);
  const sign = (bits >>> 16) & 0x8000;
  const exponent = ((bits >>> 23) & 255) - 127;
  if (exponent < -14) return sign | (Math.abs(v) * 2 ** 24);
  return sign | ((exponent + 15) << 10) | ((bits >>> 13) & 1023);
}

/** In the file's own type; ONNX is little-endian, as every machine that runs this is. */
const kinds: Readonly<Record<number, Kind>> = {
  [T.FLOAT]: { rounded: Math.fround, stored: (numbers) => Float32Array.from(numbers) },
  [T.DOUBLE]: { rounded: (v) => v, stored: (numbers) => Float64Array.from(numbers) },
  [T.FLOAT16]: {
    rounded: (v) => roundedTo("float16", v),
    stored: (numbers) => Uint16Array.from(numbers, (v) => halfBits(roundedTo("float16", v))),
  },
  [T.BFLOAT16]: {
    rounded: (v) => roundedTo("bfloat16", v),
    stored: (numbers) => Uint16Array.from(numbers, (v) => bitsOf(roundedTo("bfloat16", v)) >>> 16),
  },
};
