/** @file The inputs and outputs that a model declares. */

import { must } from "../refusal.ts";
import { type Constant, typeOf } from "./constant.ts";
import { bytesOf, type Field, fieldsOf, numberOf, textOf, unknown } from "./wire.ts";

export interface Port {
  readonly name: string;
  /** A free dimension is a word, or null where it has no name. */
  readonly shape: readonly (number | string | null)[];
  readonly type: Constant["type"];
}

/** Read a port. */
export function portOf(bytes: Uint8Array): Port {
  let name = "";
  let made: Pick<Port, "shape" | "type"> | undefined;
  for (const field of fieldsOf(bytes, [4])) {
    if (field.number === 1) name = textOf(field);
    else if (field.number === 2) made = tensorType(name, bytesOf(field));
    else if (field.number !== 3 && field.number !== 4) unknown(`the port "${name}"`, field);
  }
  must(made !== undefined, () => `the port "${name}": it has no shape`);
  return { name, ...made };
}

// --- internal ---

function tensorType(name: string, bytes: Uint8Array): Pick<Port, "shape" | "type"> {
  const only = (fields: readonly Field[], number: number): Uint8Array | undefined => {
    for (const field of fields) if (field.number !== number) unknown(`the port "${name}"`, field);
    return fields.length === 1 ? bytesOf(fields[0]) : undefined;
  };
  const tensor = only(
    fieldsOf(bytes).filter((f) => f.number !== 6),
    1,
  );
  must(tensor !== undefined, () => `the port "${name}": it must be a tensor`);
  let shape: Port["shape"] | undefined;
  let type: Port["type"] | undefined;
  for (const field of fieldsOf(tensor)) {
    if (field.number === 1) type = typeOf(`the port "${name}"`, numberOf(field));
    else if (field.number === 2) {
      shape = fieldsOf(bytesOf(field), [1]).map((dimension) => {
        if (dimension.number !== 1) unknown(`the port "${name}"`, dimension);
        return dimensionOf(name, bytesOf(dimension));
      });
    } else unknown(`the port "${name}"`, field);
  }
  must(shape !== undefined && type !== undefined, () => `the port "${name}": it has no shape or no type`);
  return { shape, type };
}

function dimensionOf(name: string, bytes: Uint8Array): number | string | null {
  let value: number | string | null = null;
  for (const field of fieldsOf(bytes)) {
    if (field.number === 1) value = numberOf(field);
    else if (field.number === 2) value = textOf(field);
    else if (field.number !== 3) unknown(`the port "${name}"`, field);
  }
  return value;
}
