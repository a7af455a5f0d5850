/** @file One node of a file held against the runtime: what it makes of the runtime's own values of its inputs is, up to rounding, the runtime's value of its result. */
import type { Range } from "../bounds/domain.ts";
import type { Node } from "../graph/graph.ts";
import { constant, input, isConstant } from "../graph/leaf.ts";
import type { Stepwise } from "../onnx/build.ts";
import type { Reading } from "../onnx/read.ts";
import type { Step } from "../onnx/steps.ts";
import { sameShape, showShape } from "../tensor/shape.ts";
import { cast, type DType, isFloat, type Tensor, toFloat64 } from "../tensor/tensor.ts";
import { explained, type Rounding, workOf } from "./explained.ts";

/** What is known of the values of a model while its nodes are walked. */
export interface Walked {
  readonly reading: Reading;
  readonly stepwise: Stepwise;
  /** Of everything floating-point that varies. */
  readonly dtype: DType;
  /** Is there time for so much work? */
  affords(work: number): boolean;
  /** What the runtime gave. */
  readonly values: ReadonlyMap<string, Tensor>;
}

/** A difference in words, null where there is none; or that rounding explains anything here. */
export type StepCheck =
  | { readonly kind: "agrees" }
  | { readonly kind: "open"; readonly why: string }
  | { readonly kind: "differs"; readonly how: string };

/** Hold one node to the runtime. */
export async function checkStep(step: Step, walked: Walked, rounding: Rounding): Promise<StepCheck> {
  const { reading, stepwise, dtype, values } = walked;
  const nodes = new Map<string, Node>();
  const given = new Map<Node, Float64Array>();
  for (const name of step.inputs) {
    if (name === "" || nodes.has(name)) continue;
    const varies = stepwise.varies(name);
    const found = reading.tensors.get(name) ?? values.get(name);
    const value = found && varies && isFloat(found.dtype) ? cast(found, dtype) : found;
    if (!value) return { kind: "open", why: `the runtime does not give "${name}"` };
    const node = varies ? input(name, value.shape, value.dtype) : constant(value);
    nodes.set(name, node);
    if (varies) given.set(node, toFloat64(value));
  }
  const results = stepwise.apply(step, nodes);
  if (!walked.affords(workOf(results.map(({ node }) => node)))) return { kind: "open", why: "there was no time" };
  if ([...given.values()].some((v) => !v.every(Number.isFinite))) {
    return { kind: "open", why: "a number that it reads is not finite" };
  }
  const ranges = await explained(
    results.map(({ node }) => node),
    given,
    rounding,
  );
  let open: StepCheck = { kind: "agrees" };
  for (const [k, { name, node, folded }] of results.entries()) {
    const got = values.get(name);
    if (!got) {
      open = { kind: "open", why: `the runtime does not give "${name}"` };
      continue;
    }
    if (!sameShape(got.shape, node.shape)) {
      return {
        kind: "differs",
        how: `"${name}" has the shape ${showShape(got.shape)}, read as ${showShape(node.shape)}`,
      };
    }
    const differs = differenceOf(name, got, folded, ranges[k]);
    if (differs) return { kind: "differs", how: differs };
    if (ranges[k].low.some((v) => v === Number.NEGATIVE_INFINITY))
      open = { kind: "open", why: "rounding is not bounded" };
  }
  return open;
}

// --- internal ---

/** What was computed when the model was read is what stands in the graph, and is held to the same range. Integers are compared as they are, beyond what a double holds. */
function differenceOf(name: string, got: Tensor, folded: Node, range: Range): string | null {
  if (!isConstant(folded) || folded.dtype !== got.dtype) return outside(name, got, range);
  const own = folded.attrs;
  const at = Array.from(got.data as ArrayLike<number | bigint>).findIndex((v, i) => v !== own.data[i]);
  if (at < 0) return null;
  if (!isFloat(got.dtype)) return `number ${at} of "${name}" is ${got.data[at]}, read as ${own.data[at]}`;
  return outside(name, got, range) ?? outside(name, own, range);
}

/** The largest float32, as far as rounding can tell. */
const largest = 3.4e38;

/** A copy may have been rounded to float32; everything else has its rounding in the range. */
const copied = 2 ** -23;

function outside(name: string, got: Tensor, { low, high }: Range): string | null {
  const values = toFloat64(got);
  const at = values.findIndex((v, i) => {
    // Of a mask that is written as -Infinity the reading has the largest float32.
    if (Math.abs(v) < largest) {
      const slack = copied * Math.abs(v);
      return !(v >= low[i] - slack && v <= high[i] + slack);
    }
    return low[i] > -largest && high[i] < largest;
  });
  if (at < 0) return null;
  const read = low[at] === high[at] ? `${low[at]}` : `between ${low[at]} and ${high[at]}`;
  return `number ${at} of "${name}" is ${values[at]}, read as ${read}`;
}
