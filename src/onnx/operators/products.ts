/** @file ONNX operators that are matrix products once axes are put in order: Einsum of one or two tensors, CumSum. */
import type { Node } from "../../graph/graph.ts";
import { constant } from "../../graph/leaf.ts";
import { sum } from "../../ops/broadcast.ts";
import { matmul } from "../../ops/matmul.ts";
import { reshape, transpose } from "../../ops/movement.ts";
import { ReadError } from "../../tensor/errors.ts";
import { checkAxis } from "../../tensor/shape.ts";
import { isFloat, tensor } from "../../tensor/tensor.ts";
import { type Operator, Refusal } from "../call.ts";

/** Sums of products over the labels that the output does not have. No ellipsis, no label twice in one tensor, at most two tensors. */
export const Einsum: Operator = (c) => {
  const equation = c.attributes.string("equation", "").replaceAll(" ", "");
  const terms = c.inputs();
  const { inputs, output } = labelsOf(equation, terms);
  if (!terms.every((x) => isFloat(x.dtype))) throw new Refusal("only an Einsum of floating-point numbers is read");
  if (terms.length > 2) throw new Refusal("an Einsum of more than two tensors is not read");
  // What one tensor alone has, and the output has not, is added up first.
  const operands = terms.map((x, i): Labelled => {
    const others = output + inputs.filter((_, k) => k !== i).join("");
    const gone = [...inputs[i]].flatMap((label, axis) => (others.includes(label) ? [] : [axis]));
    const labels = [...inputs[i]].filter((label) => others.includes(label)).join("");
    return { x: gone.length > 0 ? sum(x, gone, false) : x, labels };
  });
  const [a, b] = operands;
  return [inOrder(b ? product(a, b, output) : a, output)];
};

/** Running sums along an axis: the product with a triangle of ones. */
export const CumSum: Operator = (c) => {
  const x = c.input(0);
  if (!isFloat(x.dtype)) throw new Refusal("only running sums of floating-point numbers are read");
  const [along] = c.numbers(1) ?? [0];
  const axis = checkAxis("CumSum", along, x.shape.length);
  const n = x.shape[axis];
  if (n > runAtMost) throw new Refusal(`a running sum of ${n} numbers is not read`);
  const exclusive = c.attributes.int("exclusive", 0) !== 0;
  const reverse = c.attributes.int("reverse", 0) !== 0;
  const ones = Float64Array.from({ length: n * n }, (_, k) => {
    const [from, to] = [Math.floor(k / n), k % n];
    const ahead = reverse ? from - to : to - from;
    return ahead > 0 || (ahead === 0 && !exclusive) ? 1 : 0;
  });
  const last = x.shape.length - 1;
  const swapped = x.shape.map((_, i) => (i === axis ? last : i === last ? axis : i));
  const moved = axis === last ? x : transpose(x, swapped);
  const summed = matmul(moved, constant(tensor(ones, [n, n], x.dtype)));
  return [axis === last ? summed : transpose(summed, swapped)];
};

// --- internal ---

const runAtMost = 4096;

/** A tensor with a letter for each axis. */
interface Labelled {
  readonly x: Node;
  readonly labels: string;
}

function labelsOf(
  equation: string,
  terms: readonly Node[],
): { readonly inputs: readonly string[]; readonly output: string } {
  if (equation.includes(".")) throw new Refusal(`the ellipsis of Einsum "${equation}" is not read`);
  const [left, right, more] = equation.split("->");
  const inputs = left.split(",");
  if (more !== undefined || inputs.length !== terms.length || !/^[A-Za-z,]*$/.test(left)) {
    throw new ReadError(`equation "${equation}" does not fit ${terms.length} inputs`);
  }
  const sizes = new Map<string, number>();
  inputs.forEach((labels, i) => {
    const { shape } = terms[i];
    if (labels.length !== shape.length) {
      throw new ReadError(
        `equation "${equation}" has ${labels.length} labels for input ${i}, which has ${shape.length} axes`,
      );
    }
    if (new Set(labels).size !== labels.length) throw new Refusal(`the diagonal of Einsum "${equation}" is not read`);
    [...labels].forEach((label, axis) => {
      const known = sizes.get(label) ?? shape[axis];
      if (known !== shape[axis]) {
        throw new Refusal(`Einsum "${equation}" gives "${label}" the sizes ${known} and ${shape[axis]}`);
      }
      sizes.set(label, known);
    });
  });
  // Without an arrow: what stands there once, in the order of the alphabet.
  const all = inputs.join("");
  const once = [...sizes.keys()].filter((label) => all.indexOf(label) === all.lastIndexOf(label)).sort();
  const output = right ?? once.join("");
  if ([...output].some((label) => !sizes.has(label)) || new Set(output).size !== output.length) {
    throw new ReadError(`equation "${equation}" has an output with labels that no input has, or one twice`);
  }
  return { inputs, output };
}

function inOrder({ x, labels }: Labelled, output: string): Node {
  return labels === output
    ? x
    : transpose(
        x,
        [...output].map((label) => labels.indexOf(label)),
      );
}

/** [batch, free of a, shared] times [batch, shared, free of b]; labels that are alone stay axes, so that a free batch stays free. */
function product(a: Labelled, b: Labelled, output: string): Labelled {
  const both = [...a.labels].filter((label) => b.labels.includes(label));
  const batch = both.filter((label) => output.includes(label));
  const shared = both.filter((label) => !output.includes(label));
  const [freeA, freeB] = [a, b].map(({ labels }) => [...labels].filter((label) => !both.includes(label)));
  const arranged = ({ x, labels }: Labelled, ...groups: readonly (readonly string[])[]) => {
    const moved = inOrder({ x, labels }, [...batch, ...groups.flat()].join(""));
    if (groups.every((group) => group.length === 1)) return moved;
    const size = (label: string) => x.shape[labels.indexOf(label)];
    const sizes = groups.map((group) => group.reduce((n, label) => n * size(label), 1));
    return reshape(moved, [...batch.map(size), ...sizes]);
  };
  const y = matmul(arranged(a, freeA, shared), arranged(b, shared, freeB));
  const labels = [...batch, ...freeA, ...freeB];
  if (freeA.length === 1 && freeB.length === 1) return { x: y, labels: labels.join("") };
  const size = (label: string) =>
    a.labels.includes(label) ? a.x.shape[a.labels.indexOf(label)] : b.x.shape[b.labels.indexOf(label)];
  return { x: reshape(y, labels.map(size)), labels: labels.join("") };
}
