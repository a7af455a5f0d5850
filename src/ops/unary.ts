/** @file How a function of one number becomes an op on every element: one rule says its value, derivative, slopes and ONNX form. */
import type { Behaviour, Node, OnnxAttributes, Op } from "../graph/graph.ts";
import { ShapeError } from "../tensor/errors.ts";
import { isFloat } from "../tensor/tensor.ts";

/** The ONNX operator of a function, and for which graphs ONNX Runtime has it. */
export interface Native<A> {
  readonly operator: string;
  /** First opset with the operator in this form; 6 stands for "6 or before". */
  readonly since: number;
  /** Is there a float64 kernel? */
  readonly float64: boolean;
  attributes?(attrs: A): OnnxAttributes;
}

/** What is known of a function of one number. It has a native form, a composite, or both. */
export type Rule<A> = Facts<A> & (Written<A> | Composed<A>);

interface Facts<A> extends Pick<Op<A>, "name" | "computes" | "order" | "notNegative"> {
  /** The value, in float64. */
  compute(x: number, attrs: A): number;
  /** f'(x) dy as graph, smooth where f is, so that it can be differentiated again; null where f' is 0. */
  pull(y: Node<A>, dy: Node): Node | null;
  behaviour(attrs: A): Behaviour;
  /** Takes integers too. */
  readonly integers?: boolean;
}

interface Written<A> {
  readonly native: Native<A>;
  /** The same function of other ops: written where the native form does not exist. */
  composite?(x: Node, attrs: A): Node;
}

interface Composed<A> {
  readonly native?: undefined;
  composite(x: Node, attrs: A): Node;
}

/** The op of a rule. */
export function unary<A>(rule: Rule<A>): Op<A> {
  return {
    name: rule.name,
    ...(rule.computes && { computes: rule.computes }),
    ...(rule.order && { order: rule.order }),
    ...(rule.notNegative && { notNegative: rule.notNegative }),
    infer([x]) {
      if (!isFloat(x.dtype) && !rule.integers) {
        throw new ShapeError(`${rule.name}: needs float32 or float64, got ${x.dtype}; cast it first`);
      }
      return { dtype: x.dtype, shape: x.shape };
    },
    vjp: (y, dy) => [rule.pull(y, dy)],
    behaviour: (y) => rule.behaviour(y.attrs),
    evaluate: (y, [x]) => x.map((v) => rule.compute(v, y.attrs)),
    onnx(y, build) {
      const [x] = y.inputs;
      if (!rule.native) return build.value(rule.composite(x, y.attrs));
      const { native, composite } = rule;
      const exists = build.opset >= native.since && (y.dtype !== "float64" || native.float64);
      return composite && !exists
        ? build.value(composite(x, y.attrs))
        : build.node(native.operator, [build.input(0)], native.attributes?.(y.attrs));
    },
  };
}
