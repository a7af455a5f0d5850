/** @file The idea of an op and of a node: two halves of one recursive type. A graph is nothing but the nodes reachable from its outputs. */
import { ShapeError } from "../tensor/errors.ts";
import type { Shape } from "../tensor/shape.ts";
import type { Tensor, Type } from "../tensor/tensor.ts";

/** What a linear op is made of, for a bound that wants its norm. `bounded` states proved norms; the others say where the entries are. */
export type LinearForm =
  /** x -> x times the matrix `weight` on one side: `right` is x @ W, `left` is W @ x (W is then [rows, cols]). */
  | { readonly form: "matrix"; readonly weight: Node; readonly side: "left" | "right" }
  /** A convolution of an input with spatial size `input` by a kernel [out, in / groups, ...kernel], or its adjoint. */
  | {
      readonly form: "convolution";
      readonly direction: "forward" | "adjoint";
      readonly kernel: Node;
      readonly strides: readonly number[];
      readonly dilations: readonly number[];
      /** Begins of all axes, then ends of all axes. */
      readonly pads: readonly number[];
      readonly groups: number;
      /** Spatial size of the convolution's input (of the adjoint's output). */
      readonly input: readonly number[];
    }
  /** x -> x times (or, with `inverse`, divided by) `factors`, element by element. */
  | { readonly form: "diagonal"; readonly factors: Node; readonly inverse: boolean }
  /** Norms that are known in closed form; each is a proved upper bound as a float64, rounded up. `sums`: windows of a channel added up. */
  | {
      readonly form: "bounded";
      readonly norm: { readonly 1: number; readonly 2: number; readonly inf: number };
      readonly sums?: WindowSums;
    }
  /** Nothing beyond linearity: its vjp is its adjoint. */
  | { readonly form: "other" };

/** Windows that move over the spatial axes of [batch, channels, ...space], each channel by itself. */
export interface Windows {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  /** Begins of all axes, then ends. */
  readonly pads: readonly number[];
  readonly dilations: readonly number[];
}

/** Every number is the sum of its window times a factor in [low, high], which includes its rounding. */
export interface WindowSums extends Windows {
  readonly low: number;
  readonly high: number;
}

/** A range that holds every difference quotient of a function of one number between points of [low, high], which may be infinite. */
export type Slopes = (low: number, high: number) => readonly [number, number];

/** How an op bends space: facts for `bounds/` to use, never an algorithm. */
export type Behaviour =
  /** Preserves the distance of every two inputs, in every p-norm. */
  | { readonly kind: "isometry" }
  /** Affine in the inputs that vary. */
  | { readonly kind: "linear"; readonly of: LinearForm }
  /**
   * Element by element, every difference quotient within `slope`, and within `slopeOn(low, high)` between points of [low, high];
   * |second derivative| <= `curvature` (Infinity where it has kinks). The second derivative on [low, high] lies within `curvatureOn(low, high)`, where that is known.
   */
  | {
      readonly kind: "pointwise";
      readonly slope: readonly [number, number];
      readonly slopeOn: Slopes;
      readonly curvature: number;
      readonly curvatureOn?: Slopes;
    }
  /** Not element by element, but with a constant per norm; `curvature` bounds the l2 norm of the second derivative. */
  | {
      readonly kind: "smooth";
      readonly lipschitz: { readonly 1: number; readonly 2: number; readonly inf: number };
      readonly curvature: number;
      /** The constants where the input lies between two points, if they are less than everywhere. */
      readonly on?: (
        low: Float64Array,
        high: Float64Array,
      ) => { readonly 1: number; readonly 2: number; readonly inf: number };
      /** All numbers of the result lie between these, whatever goes in. */
      readonly within?: readonly [number, number];
      /** The largest number of each window is what it gives. */
      readonly largestIn?: Windows;
    }
  | { readonly kind: "unbounded"; readonly why: string; readonly local?: Local };

/** What is known of an op without a constant while its inputs stay in ranges. */
export type Local =
  /** Element by element in its one varying input, every difference quotient on a range; infinite where that holds a pole. */
  | { readonly kind: "slopes"; readonly slopeOn: Slopes }
  /** Sums of products of one number of each input, so that |g(a, b)| <= g(|a|, |b|). */
  | { readonly kind: "product"; readonly of: "elements" | "matrices" | "windows" }
  /** a / b, element by element. */
  | { readonly kind: "quotient" };

export type OnnxAttribute = number | string | readonly number[] | Tensor;
/** Attributes of an ONNX node. A number that must be written as a float is `{float}`. */
export type OnnxAttributes = Readonly<Record<string, OnnxAttribute | { readonly float: number }>>;

/** What an op may ask of the writer while it is being written. Names are value names of the model. */
export interface OnnxBuilder {
  /** Operator set version of the default domain that is being written. */
  readonly opset: number;
  /** The graph was built at batch 1 and shall run at any: no literal may stand for the batch. */
  readonly freeBatch: boolean;
  /** Name of input `i`, in its full shape. */
  input(i: number): string;
  /** Name of any node that this op reaches past an input for, in its full shape. */
  value(node: Node): string;
  /** Names of all inputs, for an operator that broadcasts as NumPy does: broadcasts that it can do itself are left out. */
  operands(): readonly string[];
  /** Write a node with one output and return the output's name. */
  node(operator: string, inputs: readonly string[], attributes?: OnnxAttributes, domain?: string): string;
  /** Write an initialiser (equal ones are shared). */
  constant(value: Tensor): string;
}

/**
 * An operation: how it computes, how it differentiates, how far it stretches its input, how it is written.
 * `A` is the record of its static attributes. There is no forward-mode rule: `tangent.ts` pulls back twice.
 */
/** What an op computes number by number, or of a few numbers: the functions that compositions of several ops are made of. */
export type Elementary =
  | ("sum" | "difference" | "product" | "quotient" | "power" | "negative" | "larger" | "smaller" | "choice" | "cast")
  | ("relu" | "leaky relu" | "absolute" | "clip" | "sigmoid" | "hard sigmoid" | "tanh" | "softplus" | "erf" | "root")
  | ("less" | "at most" | "greater" | "at least" | "equal" | "and" | "or" | "not")
  | ("largest" | "smallest" | "window mean" | "softmax");

export interface Op<A = unknown> {
  /** The ONNX operator's own name where there is one: for people and files. What an op does is told by the facts below. */
  readonly name: string;
  /** Default: none of these. */
  readonly computes?: Elementary;
  /**
   * "moves": it only moves numbers; "rises": it never falls where an input rises, and rounds nothing; "adds": sums, with weights that are not negative.
   * Default: nothing of the kind is known.
   */
  readonly order?: "moves" | "rises" | "adds";
  /** Its values are never below 0, whatever rounding says. */
  readonly notNegative?: true;
  /** dtype and shape of the result; throws ShapeError. */
  infer(inputs: readonly Type[], attrs: A): Type;
  /** Pull a cotangent back to each input; null where none flows (integers, conditions). Must be linear in `dy`. */
  vjp(y: Node<A>, dy: Node): readonly (Node | null)[];
  /** What is known of y as a function of the inputs that vary, the others held fixed. At least one varies. */
  behaviour(y: Node<A>, varies: readonly boolean[]): Behaviour;
  /**
   * The same function of ops that are affine, act on single numbers or multiply, for bounds that follow lines; null where the op is such a one
   * itself, given the inputs that vary.
   */
  parts?(y: Node<A>, varies: readonly boolean[]): Node | null;
  /** The ops that stand behind a name which a bound gave to several of them, of other inputs: what they know of their values holds for y. */
  composed?(y: Node<A>, inputs: readonly Node[]): Node;
  /** The values in float64 by plain loops: the judge in tests, and the evaluator of constants. */
  evaluate(y: Node<A>, inputs: readonly Float64Array[]): Float64Array;
  /** Write the op and return the name of its result. */
  onnx(y: Node<A>, build: OnnxBuilder): string;
}

/** A value in a graph. Immutable; made only by `apply`. */
export interface Node<A = unknown> extends Type {
  readonly op: Op<A>;
  readonly inputs: readonly Node[];
  readonly attrs: A;
}

/** Apply an op to nodes. */
export function apply<A>(op: Op<A>, inputs: readonly Node[], attrs: A): Node<A> {
  const { dtype, shape } = op.infer(inputs, attrs);
  for (const d of shape) {
    if (!Number.isSafeInteger(d) || d < 0) {
      throw new ShapeError(`${op.name}: dimensions must be whole numbers, got [${shape.join(",")}]`);
    }
  }
  return { op, inputs, attrs, dtype, shape };
}

/** All nodes that the outputs need, each after its inputs. Iterative: graphs may be deeper than the call stack. */
export function topological(outputs: readonly Node[]): Node[] {
  const order: Node[] = [];
  const seen = new Set<Node>();
  const stack: { node: Node; next: number }[] = [];
  for (const output of outputs) {
    if (!seen.has(output)) {
      seen.add(output);
      stack.push({ node: output, next: 0 });
    }
    while (stack.length > 0) {
      const top = stack[stack.length - 1];
      if (top.next < top.node.inputs.length) {
        const input = top.node.inputs[top.next++];
        if (!seen.has(input)) {
          seen.add(input);
          stack.push({ node: input, next: 0 });
        }
      } else {
        order.push(top.node);
        stack.pop();
      }
    }
  }
  return order;
}

/** The nodes among `order` (inputs before readers) that depend on any of `sources`. */
export function dependents(order: readonly Node[], sources: readonly Node[]): Set<Node> {
  const found = new Set<Node>(sources);
  for (const node of order) if (node.inputs.some((i) => found.has(i))) found.add(node);
  return found;
}

/** Shape of a node, for messages. */
export const shapesOf = (nodes: readonly { readonly shape: Shape }[]): string =>
  nodes.map((n) => `[${n.shape.join(",")}]`).join(" and ");
