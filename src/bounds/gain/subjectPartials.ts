/** @file Which way the partial slopes of a network are enclosed. */
import { type Affords, always } from "../budget.ts";
import { suffixOf } from "../chain/written.ts";
import { nodeNorms } from "../norm/node.ts";
import { fusedFlow } from "../patterns/fuse.ts";
import type { Subject } from "../subject.ts";
import { partialsOfChain } from "./chain.ts";
import { partialsOfGraph } from "./graph.ts";
import type { Partials } from "./partials.ts";

/** The partial slopes of a network along the inputs that vary: as a chain where it is one and there is time to write it out, else node by node. */
export function partialsOf(subject: Subject, free: readonly number[], affords: Affords = always): Partials {
  const { x, y } = subject.at(1, "float64");
  const flow = fusedFlow(x, y);
  if (flow.varying.length === 0) {
    const zero = new Float64Array(subject.outputs * subject.size);
    return { work: 0, glance: 0, on: () => ({ low: zero, high: zero, turns: null, neurons: null }), at: () => zero };
  }
  const written = suffixOf(flow, nodeNorms(flow, subject.norms), flow.input, affords);
  if (typeof written === "string" || written.from !== flow.input) return partialsOfGraph(subject, flow, free);
  return partialsOfChain(written, free);
}
