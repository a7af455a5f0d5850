/** @file How names of a file stand in messages, and what a message is about. */
import { ReadError } from "../tensor/errors.ts";
import { printable } from "../tensor/printable.ts";
import type { NodeProto } from "./proto.ts";

/** A node by its name, or by what it makes if it has none. */
export const nameOf = (node: NodeProto): string =>
  shown(node.name || `${node.opType} that makes ${node.output[0] ?? "nothing"}`);

/** A name as it may stand in a message: on one line, and not too long, whatever a corrupt file holds. */
export function shown(name: string): string {
  const line = printable(name);
  return line.length > 80 ? `${line.slice(0, 77)}...` : line;
}

/** Say in the message of a ReadError what it is about. */
export function within<T>(who: string, f: () => T): T {
  try {
    return f();
  } catch (cause) {
    if (cause instanceof ReadError) throw new ReadError(`${who}: ${cause.message}`, { cause });
    throw cause;
  }
}
