/** @file How much memory a model may need: added up from shapes while it is built, before anything of that size is made. A file of a hundred bytes can ask for all there is. */
import type { Node } from "../graph/graph.ts";
import { ReadError } from "../tensor/errors.ts";
import { sizeOf } from "../tensor/shape.ts";

/** Bytes that a number of a network takes while it is bounded, roughly: its value, its derivative and its sensitivity in double precision. */
export const bytesPerNumber = 24;

/** Adds up what the nodes of a graph need; throws ReadError where that is more than the limit. */
export interface Account {
  /** A node, with everything before it that is not counted yet. Called before any of it is computed. */
  add(node: Node): void;
}

/** Open an account for one sample of a network. */
export function account(limit: number): Account {
  const counted = new Set<Node>();
  let total = 0;
  return {
    add(node) {
      const stack = [node];
      for (let top = stack.pop(); top; top = stack.pop()) {
        if (counted.has(top)) continue;
        counted.add(top);
        const own = bytesPerNumber * sizeOf(top.shape);
        total += own;
        if (!(total <= limit)) {
          throw new ReadError(
            `to here the network needs ${showBytes(total)} of memory, ${showBytes(own)} for this alone, and may use ${showBytes(limit)}; a larger limit (--memory, or memory in bytes) would read it`,
          );
        }
        stack.push(...top.inputs);
      }
    },
  };
}

/** The limit where the machine's memory is not known. */
export const defaultMemory = 4e9;

/** "1.5 GB". */
export function showBytes(bytes: number): string {
  const [unit, name] = bytes >= 1e9 ? [1e9, "GB"] : bytes >= 1e6 ? [1e6, "MB"] : [1e3, "kB"];
  return `${Number((bytes / unit).toPrecision(3))} ${name}`;
}
