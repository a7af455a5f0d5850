/**
 * @file Constants are computed while a graph is built, so that shapes are known and weights are plain numbers. Costly ones stay in the
 * graph; a broadcast stays too, for whoever reads it broadcasts by itself.
 */
import { onlyCopies } from "../graph/copy.ts";
import { apply, type Node } from "../graph/graph.ts";
import { computed, constant, isComputed, isConstant, isInput } from "../graph/leaf.ts";
import { copyOrigin } from "../graph/origin.ts";
import { isBroadcast } from "../ops/broadcast.ts";
import { ReadError } from "../tensor/errors.ts";
import { sizeOf } from "../tensor/shape.ts";
import { cast, isFloat, type Tensor, toFloat64 } from "../tensor/tensor.ts";
import { firstNotFinite } from "./tensors.ts";
import { computeWhole, isWhole } from "./whole.ts";

export interface Folder {
  /** The same value, every part of it that is constant and cheap computed. */
  fold(node: Node): Node;
  /** The value of a folded node, or null where it is not known. */
  value(node: Node): Tensor | null;
  /** Is a folded node a constant, as it is or stretched? */
  isKnown(node: Node): boolean;
  /** A folded node with every number in it that is constant put as another; what is stretched stays so. */
  replaced(node: Node, value: (t: Tensor) => Tensor | null): Node;
}

/** A folder for one build: it remembers what it has seen and how much it has computed, in no more than so many bytes. */
export function folder(memory = Number.POSITIVE_INFINITY): Folder {
  const done = new Map<Node, Node>();
  let budget = Math.min(totalWork, memory / 8);

  const reduce = (node: Node): Node => {
    const inputs = node.inputs.map((x) => done.get(x) as Node);
    const same = inputs.every((x, i) => x === node.inputs[i]);
    const next = same ? node : apply(node.op, inputs, node.attrs);
    copyOrigin(node, next);
    if (isConstant(next) || isInput(next) || isBroadcast(next) || !next.inputs.every(isStill)) return next;
    const work = workOf(next);
    if (work > Math.min(budget, workAtOnce)) return next;
    budget -= work;
    return (isExact(next) ? constant : computed)(compute(next));
  };

  return {
    fold(node) {
      // Iterative, and only through what is new: a chain of ten thousand nodes is folded as it is read.
      const stack = [node];
      while (stack.length > 0) {
        const top = stack[stack.length - 1];
        const waiting = done.has(top) ? [] : top.inputs.filter((x) => !done.has(x));
        if (waiting.length > 0) {
          stack.push(...waiting);
          continue;
        }
        stack.pop();
        if (!done.has(top)) {
          const reduced = reduce(top);
          done.set(top, reduced);
          done.set(reduced, reduced);
        }
      }
      return done.get(node) as Node;
    },
    isKnown: isStill,
    replaced(node, value) {
      const bare = isBroadcast(node) ? node.inputs[0] : node;
      const found = isConstant(bare) ? value(bare.attrs) : null;
      if (!found) return node;
      const other = (isComputed(bare) ? computed : constant)(found);
      const made = bare === node ? other : apply(node.op, [other], node.attrs);
      copyOrigin(node, made);
      return made;
    },
    value(node) {
      if (isConstant(node)) return node.attrs;
      return isStill(node) && sizeOf(node.shape) <= stretchAtMost ? compute(node) : null;
    },
  };
}

// --- internal ---

/** Elements that one node, and one build, may cost. 2^24 take about a tenth of a second. */
const workAtOnce = 2 ** 24;
const totalWork = 2 ** 26;
/** Elements of a stretched constant that is asked for as a value: shapes, axes, scales are small. */
const stretchAtMost = 2 ** 16;

/** Ops whose cost is a product of sizes, not a sum. */
const products: ReadonlySet<string> = new Set(["MatMul", "Conv", "ConvTranspose", "MaxPool", "AveragePool", "Inverse"]);

const isStill = (node: Node): boolean => isConstant(node) || (isBroadcast(node) && isConstant(node.inputs[0]));

/** Is nothing rounded where a node of constants is computed? */
function isExact(node: Node): boolean {
  if (!isFloat(node.dtype)) return true;
  return node.inputs.every((x) => !isComputed(isBroadcast(x) ? x.inputs[0] : x)) && onlyCopies(node);
}

function workOf(node: Node): number {
  const sizes = node.inputs.map((x) => sizeOf(x.shape));
  const size = sizeOf(node.shape);
  return products.has(node.op.name) ? size * Math.max(1, ...sizes) : Math.max(size, ...sizes);
}

function compute(node: Node): Tensor {
  const inputs = node.inputs.map((x) => (isConstant(x) ? x.attrs : compute(x)));
  if (isWhole(node)) return computeWhole(node, inputs);
  const value: Tensor = { dtype: "float64", shape: node.shape, data: node.op.evaluate(node, inputs.map(toFloat64)) };
  const result = cast(value, node.dtype);
  if (firstNotFinite(result) >= 0) throw new ReadError("its value is constant and is not finite");
  return result;
}
