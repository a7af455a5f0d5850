/** @file Do two nodes compute the same, written the same way? To recognise what was written as several operators when it is read back. */
import type { Node } from "./graph.ts";
import { isConstant } from "./leaf.ts";

/** Same ops, attributes and constants all the way down to nodes that both share. Recursive: for small patterns, whose leaves are shared. */
export function isSame(a: Node, b: Node): boolean {
  if (a === b) return true;
  if (isConstant(a) && isConstant(b)) {
    const [p, q] = [a.attrs, b.attrs];
    return p.dtype === q.dtype && String(p.shape) === String(q.shape) && p.data.every((v, i) => v === q.data[i]);
  }
  return (
    a.op === b.op &&
    a.inputs.length > 0 &&
    a.inputs.length === b.inputs.length &&
    JSON.stringify(a.attrs) === JSON.stringify(b.attrs) &&
    a.inputs.every((x, i) => isSame(x, b.inputs[i]))
  );
}
