/** @file The inputs and outputs that a model declares, each a ValueInfoProto. */

import { must } from "../refusal.ts";
import { type Bits, type Constant, typeOf } from "./constant.ts";
import { bytesOf, type Field, fieldsOf, numberOf, textOf, unknown } from "./protobuf.ts";

export interface ValueInfo {
  readonly name: string;
  /** A free dimension is a word, or null where it has no name. */
  readonly shape: readonly (number | string | null)[];
  readonly type: Constant["type"];
  readonly bits?: Bits;
}

/** What an output is called and what it is: numbers, labels, or something else, of which nothing more is said. */
export function endOf(bytes: Uint8Array): { readonly name: string; readonly kind: "numbers" | "labels" | "other" } {
  let name = "";
  let kind: "numbers" | "labels" | "other" = "other";
  for (const field of fieldsOf(bytes, [4])) {
    if (field.number === 1) name = textOf(field);
    if (field.number !== 2) continue;
    const tensor = fieldsOf(bytesOf(field), [1, 4, 5, 6, 8, 9]).find((f) => f.number === 1);
    const code = tensor && fieldsOf(bytesOf(tensor), [1, 2]).find((f) => f.number === 1);
    if (tensor) kind = code !== undefined && labelCodes.includes(numberOf(code)) ? "labels" : "numbers";
  }
  return { name, kind };
}

/** Read a ValueInfoProto. */
export function valueInfoOf(bytes: Uint8Array): ValueInfo {
  let name = "";
  let made: Made | undefined;
  for (const field of fieldsOf(bytes, [4])) {
    if (field.number === 1) name = textOf(field);
    else if (field.number === 2) made = tensorType(name, bytesOf(field));
    else if (field.number !== 3 && field.number !== 4) unknown(`the input or output "${name}"`, field);
  }
  must(made !== undefined, () => `the input or output "${name}": it has no shape`);
  return { name, ...made };
}

// --- internal ---

/** Whole numbers of 32 and 64 bits, and words. */
const labelCodes = [6, 7, 8];

type Made = Pick<ValueInfo, "shape" | "type" | "bits">;

function tensorType(name: string, bytes: Uint8Array): Made {
  const only = (fields: readonly Field[], number: number): Uint8Array | undefined => {
    for (const field of fields) if (field.number !== number) unknown(`the input or output "${name}"`, field);
    return fields.length === 1 ? bytesOf(fields[0]) : undefined;
  };
  const tensor = only(
    fieldsOf(bytes).filter((f) => f.number !== 6),
    1,
  );
  must(tensor !== undefined, () => `the input or output "${name}": it must be a tensor`);
  let shape: ValueInfo["shape"] | undefined;
  let type: Pick<ValueInfo, "type" | "bits"> | undefined;
  for (const field of fieldsOf(tensor)) {
    if (field.number === 1) type = typeOf(`the input or output "${name}"`, numberOf(field));
    else if (field.number === 2) {
      shape = fieldsOf(bytesOf(field), [1]).map((dimension) => {
        if (dimension.number !== 1) unknown(`the input or output "${name}"`, dimension);
        return dimensionOf(name, bytesOf(dimension));
      });
    } else unknown(`the input or output "${name}"`, field);
  }
  must(shape !== undefined && type !== undefined, () => `the input or output "${name}": it has no shape or no type`);
  return { shape, ...type };
}

function dimensionOf(name: string, bytes: Uint8Array): number | string | null {
  let value: number | string | null = null;
  for (const field of fieldsOf(bytes)) {
    if (field.number === 1) value = numberOf(field);
    else if (field.number === 2) value = textOf(field);
    else if (field.number !== 3) unknown(`the input or output "${name}"`, field);
  }
  return value;
}
