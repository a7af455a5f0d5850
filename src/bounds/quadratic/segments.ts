/**
 * @file A network in segments, where a walk through all of it would be too large: at the nodes between them, through which everything passes, one number stands for the
 * matrix, and the constants of the segments multiply. A segment without a program keeps its product of norms.
 */
import { type Flow, flowOf } from "../../graph/behaviour.ts";
import { dominators } from "../../graph/dominators.ts";
import type { Node } from "../../graph/graph.ts";
import { labelOf } from "../../graph/origin.ts";
import type { NodeNorms } from "../norm/node.ts";
import { denseCuts } from "./cuts.ts";
import { gridCuts } from "./gridCuts.ts";
import { windowsOf } from "./pools.ts";
import type { Program } from "./program.ts";
import { workOf } from "./work.ts";

export interface Segment {
  readonly from: Node;
  readonly to: Node;
  /** Null where none covers it, or it would be too large. */
  readonly program: Program | null;
  /** Multiply-adds of the walk. */
  readonly work: number;
}

/**
 * Cut a flow into as few segments as have programs of so many multiply-adds together: first around the largest numbers of windows, whose tournaments
 * are wide, then wherever it costs most, in the middle. None where little of it would be walked.
 */
export function segmentsOf(flow: Flow, norms: NodeNorms, allowance: number): readonly Segment[] {
  const segment = (from: Node, to: Node): Segment => {
    const program = programBetween(from, to, norms);
    return { from, to, program, work: program ? workOf(program) : 0 };
  };
  const whole = segment(flow.input, flow.output);
  if (whole.program && whole.work <= allowance) return [whole];
  if (whole.work > hopeless * allowance) return [];
  const gates = [...dominators(flow), flow.output];
  const pools = gates.filter((node) => node !== flow.input && windowsOf(node) && gates.includes(node.inputs[0]));
  const cuts = [flow.input, ...pools.flatMap((pool) => [pool.inputs[0], pool]), flow.output];
  let segments = cuts.slice(1).flatMap((to, i): readonly Segment[] => {
    const from = cuts[i];
    if (to === from) return [];
    return pools.includes(to) ? [{ from, to, program: null, work: 0 }] : [segment(from, to)];
  });
  // What has no program as it is may have one in halves.
  const tried = new Set<Segment>();
  for (;;) {
    const total = segments.reduce((sum, { work }) => sum + work, 0);
    const open = segments.filter((s) => !tried.has(s) && !pools.includes(s.to));
    const next =
      open.find(({ program }) => program === null) ??
      (total > allowance
        ? open.reduce<Segment | undefined>((a, b) => (a && a.work >= b.work ? a : b), undefined)
        : undefined);
    if (!next) return segments;
    const middle = middleOf(next, gates);
    const halves: readonly Segment[] = middle
      ? [segment(next.from, middle), segment(middle, next.to)]
      : [{ ...next, program: null, work: 0 }];
    if (!middle) tried.add(halves[0]);
    segments = segments.flatMap((s) => (s === next ? halves : [s]));
  }
}

/** Nodes between segments, by the names that the model gives them. */
export const namesBetween = (segments: readonly Segment[]): readonly string[] =>
  segments.slice(0, -1).map(({ to }) => labelOf(to));

// --- internal ---

/** Where the whole is so many times too large, parts that are not would gain next to nothing, and finding them takes its own time. */
const hopeless = 100;

function programBetween(from: Node, to: Node, norms: NodeNorms): Program | null {
  const flow = flowOf(from, to);
  const program = from.shape.length < 3 ? denseCuts(flow, norms) : gridCuts(flow, norms);
  return typeof program === "string" ? null : program;
}

/** The gate in the middle of a segment. */
function middleOf({ from, to }: Segment, gates: readonly Node[]): Node | undefined {
  const inside = gates.slice(gates.indexOf(from) + 1, gates.indexOf(to));
  return inside[Math.floor(inside.length / 2)];
}
