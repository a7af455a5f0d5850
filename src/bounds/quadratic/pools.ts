/** @file Max pools, and non-decreasing functions that may as well come after them. */
import { type Flow, flowOf } from "../../graph/behaviour.ts";
import { apply, type Node, topological, type Windows } from "../../graph/graph.ts";
import { copyOrigin } from "../../graph/origin.ts";
import { sameShape } from "../../tensor/shape.ts";

/** The windows of which a node gives the largest number. */
export function windowsOf(node: Node): Windows | null {
  if (node.inputs.length !== 1) return null;
  const behaviour = node.op.behaviour(node, [true]);
  return behaviour.kind === "smooth" ? (behaviour.largestIn ?? null) : null;
}

/**
 * The same flow where max(s(x_1), s(x_2), ...) is s(max(x_1, x_2, ...)), s not decreasing and read by the pool alone. The walk then knows more: differences of what
 * s has cut off are smaller than what it is told of them, and s is asked once for a window.
 */
export function poolsFirst(flow: Flow): Flow {
  const { input, output, varies, varying } = flow;
  const readers = new Map<Node, number>();
  for (const node of varying) for (const x of new Set(node.inputs)) readers.set(x, (readers.get(x) ?? 0) + 1);
  const made = new Map<Node, Node>();
  let changed = false;
  for (const node of topological([output])) {
    const inputs = node.inputs.map((i) => made.get(i) as Node);
    const passed = varies.has(node) && node !== input && passing(node, flow, readers, inputs[0]);
    const kept = inputs.every((x, i) => x === node.inputs[i]) ? node : apply(node.op, inputs, node.attrs);
    const own = passed || kept;
    if (passed) changed = true;
    if (own !== node) copyOrigin(node, own);
    made.set(node, own);
  }
  // Another function may stand before the one that passed.
  return changed ? poolsFirst(flowOf(input, made.get(output) as Node)) : flow;
}

/**
 * The same flow with every pool as pools one axis after the other, and windows side by side of m n places as such of m, then of n: the walk has far fewer tensors alive
 * then, and the same multiplier for all pairs of a stage.
 */
export function stagedPools(flow: Flow): Flow {
  const { input, output, varies } = flow;
  const made = new Map<Node, Node>();
  for (const node of topological([output])) {
    const inputs = node.inputs.map((i) => made.get(i) as Node);
    const windows = varies.has(node) && node !== input ? windowsOf(node) : null;
    const own = windows
      ? stagesOf(windows).reduce((x, stage) => apply(node.op, [x], stage), inputs[0])
      : inputs.every((x, i) => x === node.inputs[i])
        ? node
        : apply(node.op, inputs, node.attrs);
    if (own !== node) copyOrigin(node, own);
    made.set(node, own);
  }
  return flowOf(input, made.get(output) as Node);
}

// --- internal ---

/** Windows one axis after the other, and in factors where they are side by side. */
function stagesOf({ kernel, strides, pads, dilations }: Windows): readonly Windows[] {
  const n = kernel.length;
  const stages = kernel.flatMap((k, a) => {
    const [begin, end] = [pads[a], pads[n + a]];
    const apart = strides[a] === k && dilations[a] === 1 && begin === 0 && end === 0;
    const factors = apart ? primesOf(k) : [k];
    return factors.map((f): Windows => {
      const only = (value: number, other: number) => kernel.map((_, b) => (b === a ? value : other));
      return {
        kernel: only(f, 1),
        strides: only(apart ? f : strides[a], 1),
        pads: [...only(begin, 0), ...only(end, 0)],
        dilations: only(dilations[a], 1),
      };
    });
  });
  return stages.filter(({ kernel: own, strides: by }) => own.some((k) => k > 1) || by.some((k) => k > 1));
}

function primesOf(n: number): readonly number[] {
  for (let p = 2; p * p <= n; p++) if (n % p === 0) return [p, ...primesOf(n / p)];
  return [n];
}

/** A pool of s(x) as s of a pool, s(x) rebuilt; null where it is none. */
function passing(pool: Node, flow: Flow, readers: ReadonlyMap<Node, number>, s: Node | undefined): Node | null {
  const [before] = pool.inputs;
  if (!s || !flow.varies.has(before) || before === flow.input || before === flow.output) return null;
  if (windowsOf(pool) === null || readers.get(before) !== 1) return null;
  const varies = before.inputs.map((x) => flow.varies.has(x));
  const at = varies.indexOf(true);
  if (at < 0 || varies.lastIndexOf(true) !== at || !sameShape(before.inputs[at].shape, before.shape)) return null;
  const behaviour = before.op.behaviour(before, varies);
  if (behaviour.kind !== "pointwise" || !(behaviour.slope[0] >= 0)) return null;
  if (before.inputs.some((x, i) => i !== at && !alikeInSpace(x.shape, before.shape.length))) return null;
  const pooled = apply(pool.op, [s.inputs[at]], pool.attrs);
  copyOrigin(pool, pooled);
  const own = apply(
    before.op,
    s.inputs.map((x, i) => (i === at ? pooled : x)),
    before.attrs,
  );
  copyOrigin(before, own);
  // What is written for one shape is not for another.
  return sameShape(own.shape, pool.shape) ? own : null;
}

/** Is a constant the same at all places of an image [batch, channels, ...space] of that rank? */
const alikeInSpace = (shape: readonly number[], rank: number): boolean => {
  const space = shape.slice(Math.max(0, shape.length - (rank - 2)));
  return space.every((n) => n === 1);
};
