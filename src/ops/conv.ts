/**
 * @file Convolution, its adjoint in the input and its adjoint in the kernel: three faces of one trilinear form
 * <z, conv(x, w)>, so that each is the gradient of the others and gradients of gradients need nothing more.
 */
import { apply, type Behaviour, type Node, type Op, shapesOf } from "../graph/graph.ts";
import { ShapeError } from "../tensor/errors.ts";
import { type Shape, sameShape, showShape } from "../tensor/shape.ts";
import type { Type } from "../tensor/tensor.ts";
import { adjointForm, convForm } from "./convForms.ts";
import { convolved, kernelOf, transposed } from "./convLoops.ts";
import { otherLinear, product } from "./facts.ts";
import { kernelForm } from "./kernelForm.ts";
import { pad } from "./movement.ts";
import { type ConvAttrs, windowOf, windowsAlong } from "./windows.ts";

export interface ConvOptions {
  /** Step of the kernel per spatial axis. Default: 1. */
  readonly strides?: readonly number[];
  /** Zeros around the input: begins of all axes, then ends. Default: 0. */
  readonly pads?: readonly number[];
  /** Distance of neighbouring taps. Default: 1. */
  readonly dilations?: readonly number[];
  /** Channels are cut into so many groups that do not see each other. Default: 1. */
  readonly groups?: number;
}

/**
 * Convolve: y[n, o, p] = sum over c, k of x[n, c, p * stride + k * dilation - pad] w[o, c, k].
 * x [batch, channels, ...space], w [out, channels / groups, ...kernel] -> [batch, out, ...windows].
 */
export function conv(x: Node, w: Node, options: ConvOptions = {}): Node {
  checkRanks("conv", x, w);
  return apply(convOp, [x, w], attrsOf("conv", w, x.shape.slice(2), options));
}

/**
 * Convolve transposed: the adjoint of `conv` in its input, as ONNX's ConvTranspose.
 * x [batch, channels, ...space], w [channels, out / groups, ...kernel] -> [batch, out, ...]; an axis of the result has
 * stride * (space - 1) + outputPad + dilation * (kernel - 1) + 1 - pads elements.
 */
export function convTranspose(
  x: Node,
  w: Node,
  options: ConvOptions & {
    /** Elements added at the end of each axis, which a convolution with a stride would have skipped. Default: 0. */
    readonly outputPads?: readonly number[];
  } = {},
): Node {
  checkRanks("convTranspose", x, w);
  const space = x.shape.slice(2);
  const { outputPads = space.map(() => 0) } = options;
  const { strides, pads, dilations, kernel, groups } = attrsOf("convTranspose", w, [], options);
  if (outputPads.length !== space.length || outputPads.some((p) => !Number.isSafeInteger(p) || p < 0)) {
    throw new ShapeError(
      `convTranspose: outputPads must be ${space.length} whole numbers from 0, got [${outputPads.join(",")}]`,
    );
  }
  const input = space.map((size, i) => {
    const full = strides[i] * (size - 1) + outputPads[i] + dilations[i] * (kernel[i] - 1) + 1;
    return full - pads[i] - pads[i + space.length];
  });
  if (input.some((d) => d < 1)) {
    throw new ShapeError(`convTranspose: the pads must leave something of the result, got size ${showShape(input)}`);
  }
  const attrs: ConvAttrs = { strides, pads, dilations, kernel, groups, input };
  // Output padding of a stride or more makes room for windows that read nothing: zeros.
  const windows = windowsAlong("convTranspose", input, attrs);
  const missing = windows.map((d, i) => d - space[i]);
  return apply(adjointOp, [pad(x, [0, 0, ...space.map(() => 0)], [0, 0, ...missing]), w], attrs);
}

const convOp: Op<ConvAttrs> = {
  name: "Conv",
  infer([x, w], attrs) {
    checkTypes("conv", x, w);
    const { groups, input } = attrs;
    if (x.shape[1] !== w.shape[1] * groups || w.shape[0] % groups !== 0) {
      throw new ShapeError(
        `conv: channels must be groups * the kernel's second axis and groups divide its first, got ${shapesOf([x, w])} and ${groups} groups`,
      );
    }
    return { dtype: x.dtype, shape: [x.shape[0], w.shape[0], ...windowsAlong("conv", input, attrs)] };
  },
  vjp({ inputs: [x, w], attrs }, dy) {
    return [apply(adjointOp, [dy, w], attrs), apply(kernelOp, [x, dy], attrs)];
  },
  behaviour: (y, varies) => convolution(y, varies, "forward"),
  evaluate(y, [x, w]) {
    return convolved(y.attrs, y.inputs[0].shape, y.inputs[1].shape, x, w);
  },
  onnx: convForm,
};

/** dx of conv from z = dy: the transposed convolution, with the input size that the strides forgot. */
const adjointOp: Op<ConvAttrs> = {
  name: "ConvTranspose",
  infer([z, w], attrs) {
    checkTypes("convTranspose", z, w);
    const { groups, input } = attrs;
    const windows = windowsAlong("convTranspose", input, attrs);
    if (z.shape[1] !== w.shape[0] || w.shape[0] % groups !== 0 || !sameShape(windows, z.shape.slice(2))) {
      throw new ShapeError(
        `convTranspose: channels must be the kernel's first axis and groups divide it, got ${shapesOf([z, w])} and ${groups} groups`,
      );
    }
    return { dtype: z.dtype, shape: [z.shape[0], w.shape[1] * groups, ...input] };
  },
  vjp({ inputs: [z, w], attrs }, dy) {
    return [apply(convOp, [dy, w], attrs), apply(kernelOp, [dy, z], attrs)];
  },
  behaviour: (y, varies) => convolution(y, varies, "adjoint"),
  evaluate(y, [z, w]) {
    return transposed(y.attrs, y.shape, y.inputs[1].shape, z, w);
  },
  onnx: adjointForm,
};

/** dw of conv from x and z = dy. */
const kernelOp: Op<ConvAttrs> = {
  name: "ConvKernel",
  infer([x, z], { groups, kernel }) {
    checkTypes("convKernel", x, z);
    return { dtype: x.dtype, shape: [z.shape[1], x.shape[1] / groups, ...kernel] };
  },
  vjp({ inputs: [x, z], attrs }, dy) {
    return [apply(adjointOp, [z, dy], attrs), apply(convOp, [x, dy], attrs)];
  },
  behaviour: (_, [x, z]) => (x && z ? product("windows") : otherLinear),
  evaluate(y, [x, z]) {
    return kernelOf(y.attrs, y.inputs[0].shape, y.shape, x, z);
  },
  onnx: kernelForm,
};

// --- internal ---

function attrsOf(who: string, w: Node, input: Shape, options: ConvOptions): ConvAttrs {
  const { groups = 1 } = options;
  if (!Number.isSafeInteger(groups) || groups < 1) {
    throw new ShapeError(`${who}: groups must be a whole number from 1, got ${groups}`);
  }
  return { ...windowOf(who, w.shape.slice(2), options), groups, input };
}

function checkRanks(who: string, x: Node, w: Node): void {
  if (x.shape.length < 3 || w.shape.length !== x.shape.length) {
    throw new ShapeError(
      `${who}: needs [batch, channels, ...space] and a kernel of as many axes, got ${shapesOf([x, w])}`,
    );
  }
}

function checkTypes(who: string, x: Type, w: Type): void {
  if (x.dtype !== w.dtype) throw new ShapeError(`${who}: dtypes must match, got ${x.dtype} and ${w.dtype}`);
}

/** As a function of x or z it is a convolution or its adjoint; as a function of the kernel it is some linear map. */
function convolution(y: Node<ConvAttrs>, [x, w]: readonly boolean[], direction: "forward" | "adjoint"): Behaviour {
  if (x && w) return product("windows");
  if (w) return otherLinear;
  const { strides, dilations, pads, groups, input } = y.attrs;
  const kernel = y.inputs[1];
  return {
    kind: "linear",
    of: { form: "convolution", direction, kernel, strides, dilations, pads, groups, input },
  };
}
