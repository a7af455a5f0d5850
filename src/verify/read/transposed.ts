/** @file Transposed convolutions over one or two axes: the adjoint of a convolution, with a bias. */
import { largestTensor, sparse } from "../algebra/sparse.ts";
import { affine, check, type Operators } from "./arguments.ts";

export const transposedConvolutions: Operators = {
  ConvTranspose: {
    attributes: ["kernel_shape", "strides", "pads", "dilations", "group", "auto_pad", "output_padding"],
    inputs: [2, 3],
    read(a) {
      const [x, K] = [a.varying(0), a.constant(1)];
      const n = x.shape.length - 2;
      check(a, (n === 1 || n === 2) && x.shape[0] === 1, "it must be in one or two dimensions");
      check(a, K.shape.length === n + 2, "its kernel must have as many axes as its input");
      const kernel = a.list("kernel_shape") ?? K.shape.slice(2);
      check(a, K.shape.slice(2).join() === kernel.join(), "kernel_shape must be that of its kernel");
      const groups = a.number("group", 1);
      const [channels, each] = K.shape;
      check(
        a,
        Number.isInteger(groups) && groups >= 1 && channels === x.shape[1] && channels % groups === 0,
        "its channels must fit",
      );
      const auto = a.word("auto_pad", "NOTSET");
      // What SAME takes off on which side, the standard and its runtimes do not agree about.
      check(a, auto === "NOTSET" || auto === "" || auto === "VALID", `auto_pad ${auto} is not known`);
      const list = (key: string, length: number, otherwise: number, least: number) => {
        const given = a.list(key) ?? new Array<number>(length).fill(otherwise);
        const fits = given.length === length && given.every((v) => Number.isInteger(v) && v >= least);
        check(a, fits, `${key} must be ${length} whole numbers from ${least} on`);
        return given;
      };
      const [strides, dilations] = [list("strides", n, 1, 1), list("dilations", n, 1, 1)];
      const [said, extra] = [list("pads", 2 * n, 0, 0), list("output_padding", n, 0, 0)];
      check(a, auto !== "VALID" || said.every((p) => p === 0), "it must not have pads beside auto_pad");
      check(
        a,
        extra.every((p, i) => p < strides[i]),
        "output_padding must be less than a stride",
      );
      const axes = kernel.map((taps, i) => {
        const [size, stride, dilation, begin] = [x.shape[2 + i], strides[i], dilations[i], said[i]];
        const out = stride * (size - 1) + extra[i] + dilation * (taps - 1) + 1 - begin - said[n + i];
        return { size, taps, stride, dilation, begin, out };
      });
      const outs = axes.reduce((product, { out }) => product * out, 1);
      const fits = axes.every(({ out, taps }) => out >= 1 && taps >= 1);
      check(a, fits && outs * each * groups <= largestTensor, "its result must not be empty, or that large");
      /** Number of the place that a tap reads for a place of the result; -1 where there is none. */
      const readAt = (i: number, place: number, tap: number) => {
        const { size, stride, dilation, begin } = axes[i];
        const from = place + begin - tap * dilation;
        return from >= 0 && from % stride === 0 && from / stride < size ? from / stride : -1;
      };
      const one = { size: 1, taps: 1, out: 1 };
      const [first, last] = n === 2 ? axes : [one, axes[0]];
      const places = first.size * last.size;
      const perGroup = channels / groups;
      const taps = first.taps * last.taps;
      const matrix = sparse(groups * each * outs, channels * places, (row, put) => {
        const channel = Math.floor(row / outs);
        const [group, o] = [Math.floor(channel / each), channel % each];
        const [p, q] = [Math.floor((row % outs) / last.out), row % last.out];
        for (let s = 0; s < first.taps; s++) {
          const i = n === 2 ? readAt(0, p, s) : 0;
          if (i < 0) continue;
          for (let t = 0; t < last.taps; t++) {
            const j = readAt(n - 1, q, t);
            if (j < 0) continue;
            for (let c = group * perGroup; c < (group + 1) * perGroup; c++) {
              put(c * places + i * last.size + j, K.data[(c * each + o) * taps + s * last.taps + t]);
            }
          }
        }
      });
      const bias = new Float64Array(groups * each * outs);
      if (a.has(2)) {
        const { data } = a.constant(2);
        check(a, data.length === groups * each, "it must have a bias per channel");
        for (let i = 0; i < bias.length; i++) bias[i] = data[Math.floor(i / outs)];
      }
      return affine(a, [1, groups * each, ...axes.map(({ out }) => out)], x.tensor, matrix, bias, 0);
    },
  },
};
