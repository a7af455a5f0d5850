/** @file Operators with windows: convolutions, means and maxima over one or two axes. */

import { largestTensor, sparse } from "../algebra/sparse.ts";
import { type Arguments, affine, check, type Operators } from "./arguments.ts";
import { count, linear, type Step, type Varying } from "./step.ts";
import { convolutionMatrix, geometry, meanMatrix, windowsOf } from "./windows.ts";

export const windowed: Operators = {
  Conv: {
    attributes: ["kernel_shape", "strides", "pads", "dilations", "group", "auto_pad"],
    inputs: [2, 3],
    read(a) {
      const [x, K] = [a.varying(0), a.constant(1)];
      const space = x.shape.length - 2;
      check(a, (space === 1 || space === 2) && x.shape[0] === 1, "it must be in one or two dimensions");
      const kernel = a.list("kernel_shape") ?? K.shape.slice(2);
      check(a, K.shape.slice(2).join() === kernel.join(), "kernel_shape must be that of its kernel");
      const groups = a.number("group", 1);
      check(
        a,
        Number.isInteger(groups) && groups >= 1 && K.shape[1] * groups === x.shape[1] && K.shape[0] % groups === 0,
        "its channels must fit",
      );
      const windows = windowGeometry(a, x, kernel);
      const { matrix, shape } = convolutionMatrix(windows, K, x.shape, groups);
      const bias = new Float64Array(count(shape));
      if (a.has(2)) {
        const { data } = a.constant(2);
        check(a, data.length === K.shape[0], "it must have a bias per channel");
        for (let i = 0; i < bias.length; i++) bias[i] = data[Math.floor((i * data.length) / bias.length)];
      }
      const kernelOfPart = {
        taps: K.data,
        outChannels: K.shape[0],
        inChannels: x.shape[1],
        groups,
        geometry: windows,
        roundings: 0,
      };
      return {
        ...affine(a, shape, x.tensor, matrix, bias, 0),
        parts: [{ from: x.tensor, matrix, kernel: kernelOfPart }],
      };
    },
  },
  AveragePool: {
    attributes: ["kernel_shape", "strides", "pads", "dilations", "auto_pad", "ceil_mode", "count_include_pad"],
    inputs: [1, 1],
    read(a) {
      const x = a.varying(0);
      const kernel = kernelOf(a, x);
      const [ceil, pads] = [a.flag("ceil_mode", 0), a.flag("count_include_pad", 0)];
      // How much of a window that reaches past the end is counted, runtimes do not agree about.
      check(a, !(ceil && pads), "ceil_mode with count_include_pad is not known");
      const { matrix, shape } = meanMatrix(windowGeometry(a, x, kernel, ceil), x.shape, pads);
      return linear(a.out, shape, x.tensor, matrix);
    },
  },
  GlobalAveragePool: {
    attributes: [],
    inputs: [1, 1],
    read(a) {
      const x = a.varying(0);
      const inner = count(x.shape.slice(2));
      return mean(a, x, inner, [...x.shape.slice(0, 2), ...x.shape.slice(2).map(() => 1)]);
    },
  },
  MaxPool: {
    attributes: ["kernel_shape", "strides", "pads", "dilations", "auto_pad", "ceil_mode", "storage_order"],
    inputs: [1, 1],
    read(a) {
      a.only("storage_order", 0);
      const x = a.varying(0);
      const kernel = kernelOf(a, x);
      const windows = windowGeometry(a, x, kernel, a.flag("ceil_mode", 0));
      const read = [x.shape[0], x.shape[1], ...windows.out, ...kernel].reduce((n, d) => n * d, 1);
      check(a, read <= largestTensor, "its windows must not read that much");
      const { start, members, most, shape } = windowsOf(windows, x.shape);
      return { kind: "largest", tensor: a.out, shape, from: x.tensor, start, members, most };
    },
  },
};

// --- internal ---

function mean(a: Arguments, x: Varying, inner: number, shape: readonly number[]): Step {
  const size = count(x.shape);
  return linear(
    a.out,
    shape,
    x.tensor,
    sparse(
      size / inner,
      size,
      (i, put) => {
        for (let k = 0; k < inner; k++) put(i * inner + k, 1 / inner);
      },
      2,
    ),
  );
}

/** The window of a pool, in one or two dimensions. */
function kernelOf(a: Arguments, x: Varying): readonly number[] {
  const kernel = a.list("kernel_shape");
  const fits = kernel !== undefined && kernel.length === x.shape.length - 2 && kernel.length <= 2;
  check(a, fits, "it must be in one or two dimensions");
  const same = String(a.node.attributes.get("auto_pad") ?? "").startsWith("SAME");
  const spread = a.list("dilations")?.some((d) => d !== 1) === true;
  check(a, !(same && spread), "auto_pad SAME with dilations means one thing in the standard and another in runtimes");
  const strides = a.list("strides") ?? [];
  const unread = kernel.some((k, i) => {
    const [d, stride] = [x.shape[2 + i], strides[i] ?? 1];
    return (Math.ceil(d / stride) - 1) * stride + k < d;
  });
  check(a, !(same && unread), "auto_pad SAME with strides that leave the end unread is another thing in runtimes");
  return kernel;
}

function windowGeometry(a: Arguments, x: Varying, kernel: readonly number[], ceil = false) {
  const pad = a.node.attributes.get("auto_pad") ?? "NOTSET";
  const space = x.shape.slice(2);
  check(
    a,
    ["NOTSET", "", "VALID", "SAME_UPPER", "SAME_LOWER"].includes(String(pad)),
    `auto_pad ${String(pad)} is not known`,
  );
  const [strides, dilations] = [a.list("strides"), a.list("dilations")];
  const same = pad === "SAME_UPPER" || pad === "SAME_LOWER";
  check(
    a,
    !same || !dilations?.some((d) => d !== 1),
    `auto_pad ${pad} with dilations: the standard and its runtimes differ in what that is`,
  );
  // What asks for its padding to be found must not name one too.
  check(a, !(same && a.list("pads")?.some((p) => p !== 0)), "it must not have pads beside auto_pad");
  // Of more than one number runtimes take half away at the beginning.
  const unread = kernel.some((k, i) => {
    const [size, stride] = [space[i], strides?.[i] ?? 1];
    return (Math.ceil(size / stride) - 1) * stride + k < size - 1;
  });
  check(a, !(same && unread), "auto_pad SAME with strides that leave the end unread is another thing in runtimes");
  const pads = same
    ? samePads(space, kernel, strides, dilations, pad === "SAME_UPPER")
    : pad === "VALID"
      ? undefined
      : a.list("pads");
  check(a, !(ceil && pad !== "NOTSET" && pad !== ""), "ceil_mode beside auto_pad is not known");
  const made = geometry(space, kernel, strides, pads, dilations, ceil);
  check(a, made !== null, "its strides, pads or dilations do not fit");
  return made;
}

/** Zeros for ceil(size / stride) windows, half of them on each side; the odd one at the end or at the beginning. */
function samePads(
  space: readonly number[],
  kernel: readonly number[],
  strides: readonly number[] = [],
  dilations: readonly number[] = [],
  atEnd: boolean,
): readonly number[] {
  const all = space.map((size, i) => {
    const stride = strides[i] ?? 1;
    const extent = (dilations[i] ?? 1) * ((kernel[i] ?? 1) - 1) + 1;
    return Math.max(0, (Math.ceil(size / stride) - 1) * stride + extent - size);
  });
  const begin = all.map((n) => (atEnd ? Math.floor(n / 2) : Math.ceil(n / 2)));
  return [...begin, ...all.map((n, i) => n - begin[i])];
}
