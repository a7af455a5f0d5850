/** @file The nodes of a graph in the order in which they run, as far as its outputs need them. */
import { ReadError } from "../tensor/errors.ts";
import { readsOf } from "./naming.ts";
import type { GraphProto, NodeProto } from "./proto.ts";
import { nameOf, shown } from "./wording.ts";

/** Which node makes each value. */
export function producers(graph: GraphProto): Map<string, NodeProto> {
  const made = new Map<string, NodeProto>();
  for (const node of graph.node) {
    for (const output of node.output) {
      if (output === "") continue;
      if (made.has(output)) throw new ReadError(`value "${shown(output)}" is made twice`);
      made.set(output, node);
    }
  }
  return made;
}

/** The nodes that the outputs need, each after those it reads. Iterative: models may be deeper than the call stack. */
export function needed(outputs: readonly string[], made: ReadonlyMap<string, NodeProto>): NodeProto[] {
  const order: NodeProto[] = [];
  const state = new Map<NodeProto, "open" | "done">();
  const stack: { readonly node: NodeProto; readonly reads: readonly string[]; next: number }[] = [];
  const visit = (name: string) => {
    const node = made.get(name);
    if (!node || state.get(node) === "done") return;
    if (state.get(node) === "open") throw new ReadError(`value "${shown(name)}" depends on itself`);
    state.set(node, "open");
    stack.push({ node, reads: readsOf(node), next: 0 });
  };
  for (const output of outputs) {
    visit(output);
    while (stack.length > 0) {
      const top = stack[stack.length - 1];
      if (top.next < top.reads.length) visit(top.reads[top.next++]);
      else {
        state.set(top.node, "done");
        order.push(top.node);
        stack.pop();
      }
    }
  }
  return order;
}

/** Every value that is read must be there. */
export function checkNames(order: readonly NodeProto[], outputs: readonly string[], there: ReadonlySet<string>): void {
  for (const node of order) {
    const missing = readsOf(node).find((name) => name !== "" && !there.has(name));
    if (missing !== undefined)
      throw new ReadError(`node "${nameOf(node)}" reads "${shown(missing)}", which nothing makes`);
  }
  const missing = outputs.find((name) => !there.has(name));
  if (missing !== undefined) throw new ReadError(`nothing makes the output "${shown(missing)}"`);
}
