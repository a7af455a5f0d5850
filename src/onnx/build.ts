/** @file A plan becomes a graph: step by step, what is constant computed on the way in the types of the file. */
import type { Node } from "../graph/graph.ts";
import { constant, isConstant } from "../graph/leaf.ts";
import type { Port } from "../graph/network.ts";
import { setOrigin } from "../graph/origin.ts";
import { cast } from "../ops/arith.ts";
import { ReadError, ShapeError, type UnsupportedNode, UnsupportedOperatorError } from "../tensor/errors.ts";
import { type Shape, showShape, sizeOf } from "../tensor/shape.ts";
import { cast as castTensor, type DType, isFloat, type Tensor } from "../tensor/tensor.ts";
import { callOf, Refusal } from "./call.ts";
import { type Folder, folder } from "./fold.ts";
import { masked } from "./given.ts";
import { type Account, account } from "./memory.ts";
import type { Plan } from "./plan.ts";
import type { Step } from "./steps.ts";
import { firstNotFinite } from "./tensors.ts";
import { asStored, type ElementType, isSmallInteger, resultType } from "./types.ts";
import { shown, within } from "./wording.ts";

/**
 * The outputs of a plan on these inputs; messages start with `name`. A ReadError where they need more than `memory` bytes. Nodes of `given` stand
 * for stored tensors, by their names, and count as what varies.
 */
export function build(
  plan: Plan,
  inputs: readonly Node[],
  name: string,
  memory = Number.POSITIVE_INFINITY,
  given: ReadonlyMap<string, Node> = new Map(),
): readonly Node[] {
  const who = name === "" ? "" : `${name}: `;
  const dtype: DType = inputs.some((x) => x.dtype === "float64") ? "float64" : "float32";
  const scope = opened(plan, dtype, memory);
  const { values, varying } = scope;
  checkInputs(plan.ports, inputs, who);
  plan.ports.forEach((port, i) => {
    within(`${who}input "${shown(port.name)}"`, () => scope.memory.add(inputs[i]));
  });
  plan.ports.forEach((port, i) => {
    values.set(port.name, isFloat(port.dtype) ? cast(inputs[i], dtype) : inputs[i]);
    varying.add(port.name);
  });
  for (const [value, tensor] of plan.tensors) {
    const own = given.get(value);
    values.set(value, own ?? constant(tensor));
    if (own) varying.add(value);
  }
  const refused: UnsupportedNode[] = [];
  runAll(plan.steps, scope, refused, who);
  if (refused.length > 0) throw new UnsupportedOperatorError(refused);
  return plan.outputs.map((value) => inDtype(values.get(value) as Node, scope));
}

export interface Stepwise {
  /** Does a value vary with the network's inputs? */
  varies(value: string): boolean;
  /** What one node makes of values, by their names, as far as someone reads it. */
  apply(step: Step, values: ReadonlyMap<string, Node>): readonly Made[];
}

export interface Made {
  readonly name: string;
  /** As the operator says it, nothing computed. */
  readonly node: Node;
  /** As it stands in the graph: what is constant computed, and rounded to its type in the file. */
  readonly folded: Node;
}

/** Take the steps of a plan one by one, in their order, each on values that somebody else computed. */
export function stepwise(plan: Plan, dtype: DType): Stepwise {
  const { types, varying } = opened(plan, dtype);
  for (const port of plan.ports) varying.add(port.name);
  return {
    varies: (value) => varying.has(value),
    apply(step, given) {
      const values = new Map(given);
      const scope: Scope = { ...opened(plan, dtype), values, types, varying };
      const results: readonly (Node | undefined)[] = step.branches ? [] : called(step, scope);
      const refused: UnsupportedNode[] = [];
      if (step.branches) runBranch(step, step.branches, scope, refused, "");
      else name(step, results, scope);
      if (refused.length > 0) throw new UnsupportedOperatorError(refused);
      return step.outputs.flatMap((value, i): Made[] => {
        const folded = values.get(value);
        const made = value !== "" && plan.wanted.has(value) && folded;
        return made ? [{ name: value, node: results[i] ?? folded, folded }] : [];
      });
    },
  };
}

// --- internal ---

function runAll(steps: readonly Step[], scope: Scope, refused: UnsupportedNode[], who: string): void {
  for (const step of steps) {
    // What reads the result of a refused node is passed over, to find the others that are refused.
    if (step.inputs.some((value) => value !== "" && !scope.values.has(value))) continue;
    try {
      if (step.branches) runBranch(step, step.branches, scope, refused, who);
      else run(step, scope);
    } catch (cause) {
      if (cause instanceof UnsupportedOperatorError) refused.push(...cause.nodes);
      else if (cause instanceof Refusal) {
        refused.push({ node: step.name, operator: step.operator, opset: step.opset, why: cause.message });
      } else {
        const place = `${who}node "${step.name}" (${step.operator}): ${messageOf(cause)}`;
        throw cause instanceof ReadError ? new ReadError(place, { cause }) : new ShapeError(place, { cause });
      }
    }
  }
}

/** An If whose condition is known is the branch that it takes. */
function runBranch(
  step: Step,
  branches: NonNullable<Step["branches"]>,
  scope: Scope,
  refused: UnsupportedNode[],
  who: string,
): void {
  const { values, types, varying, folding } = scope;
  const condition = folding.value(values.get(step.inputs[0]) as Node);
  if (condition?.data.length !== 1) throw new Refusal("control flow: its condition depends on the network's input");
  const block = branches[Number(condition.data[0]) !== 0 ? 0 : 1];
  if (block.unsupported.length > 0) throw new UnsupportedOperatorError(block.unsupported);
  for (const [value, tensor] of block.tensors) values.set(value, constant(tensor));
  for (const [value, type] of block.types) types.set(value, type);
  runAll(block.steps, scope, refused, who);
  step.outputs.forEach((value, i) => {
    const own = block.outputs[i];
    const node = own === undefined ? undefined : values.get(own);
    if (value === "" || own === undefined || !node) return;
    values.set(value, node);
    types.set(value, types.get(own) ?? 0);
    if (varying.has(own)) varying.add(value);
  });
}

const opened = (plan: Plan, dtype: DType, memory = Number.POSITIVE_INFINITY): Scope => ({
  plan,
  dtype,
  // Constants that are computed are a small part of what there is.
  folding: folder(memory / 8),
  memory: account(memory),
  values: new Map(),
  types: new Map(plan.types),
  varying: new Set(),
  narrowed: new Map(),
});

/** What is known while a graph is built. */
interface Scope {
  readonly plan: Plan;
  /** The dtype of everything floating-point that varies. */
  readonly dtype: DType;
  readonly folding: Folder;
  readonly memory: Account;
  /** What does not vary is held as its own type has it. */
  readonly values: Map<string, Node>;
  readonly types: Map<string, ElementType>;
  readonly varying: Set<string>;
  /** Constants in the dtype of the build: one node for each, however often it is read. */
  readonly narrowed: Map<Node, Node>;
}

/** A value in the dtype of what varies. */
function inDtype(node: Node, { dtype, folding, narrowed }: Scope): Node {
  if (!isFloat(node.dtype) || node.dtype === dtype) return node;
  const made = narrowed.get(node) ?? folding.fold(withDtype(node, dtype, folding));
  narrowed.set(node, made);
  return made;
}

/** A constant in another floating-point dtype; a cast where it was too costly to compute. */
function withDtype(node: Node, dtype: DType, folding: Folder): Node {
  if (!isFloat(node.dtype) || node.dtype === dtype) return node;
  const made = folding.replaced(node, (t) => castOnce(t, dtype));
  return made === node ? cast(node, dtype) : made;
}

const casts = new WeakMap<Tensor, Map<DType, Tensor>>();

/** A constant in another dtype, made once: a network is built again for every way to look at it. */
function castOnce(t: Tensor, dtype: DType): Tensor {
  const known = casts.get(t) ?? new Map<DType, Tensor>();
  casts.set(t, known);
  const made = known.get(dtype) ?? castTensor(t, dtype);
  known.set(dtype, made);
  return made;
}

function checkInputs(ports: readonly Port[], inputs: readonly Node[], who: string): void {
  if (inputs.length !== ports.length) {
    throw new ShapeError(
      `${who}it has ${ports.length} inputs (${ports.map((p) => shown(p.name)).join(", ")}), got ${inputs.length}`,
    );
  }
  ports.forEach((port, i) => {
    const { dtype, shape } = inputs[i];
    const fits =
      (isFloat(port.dtype) ? isFloat(dtype) : dtype === port.dtype) &&
      shape.length === port.shape.length &&
      port.shape.every((d, k) => typeof d === "string" || d === shape[k]);
    if (!fits) {
      const want = `${isFloat(port.dtype) ? "floating-point" : port.dtype} ${showShape(port.shape)}`;
      throw new ShapeError(`${who}input "${shown(port.name)}" must be ${want}, got ${dtype} ${showShape(shape)}`);
    }
    checkSize(shape);
  });
}

/**
 * Apply one step's operator and name its results, as far as someone wants them. What is constant is computed in float64 and then rounded
 * to its type in the file, step by step; what varies is not rounded.
 */
function run(step: Step, scope: Scope): void {
  name(step, called(step, scope), scope);
}

const typesRead = (step: Step, { types }: Scope): ElementType[] => step.inputs.map((value) => types.get(value) ?? 0);

const varies = (step: Step, { varying }: Scope): boolean => step.inputs.some((value) => varying.has(value));

function called(step: Step, scope: Scope): readonly Node[] {
  const { folding, values } = scope;
  const attributes = step.attributes();
  const moving = varies(step, scope);
  const inputs = step.inputs.map((value) => {
    if (value === "") return null;
    const node = values.get(value) as Node;
    return moving ? inDtype(node, scope) : withDtype(node, "float64", folding);
  });
  const { opset, outputs } = step;
  const named = outputs.findLastIndex((value) => value !== "") + 1;
  const types = typesRead(step, scope);
  const dtype = moving ? scope.dtype : "float64";
  const call = callOf(inputs, folding.value, { opset, dtype, attributes, outputs: named, types });
  const results = step.apply(call);
  setOrigin(
    results,
    inputs.filter((node) => node !== null),
    { name: step.name, operator: step.operator },
  );
  const unread = attributes.unread();
  if (unread.length > 0) throw new Refusal(`attribute "${shown(unread[0])}" is not known here`);
  return results;
}

function name(step: Step, results: readonly (Node | undefined)[], scope: Scope): void {
  const { plan, folding, values, types, varying } = scope;
  const [read, moving] = [typesRead(step, scope), varies(step, scope)];
  step.outputs.forEach((value, i) => {
    if (value === "" || !plan.wanted.has(value)) return;
    const result = results[i];
    if (!result) throw new Refusal(`its output ${i} is not given`);
    checkSize(result.shape);
    scope.memory.add(result);
    const type = resultType(step.operator, i, read, step.said);
    let node = folding.fold(result);
    const still = !moving || folding.isKnown(node);
    if (still) {
      node = folding.replaced(node, (t) => asStored(t, type));
      if (plan.masks.has(value)) node = folding.replaced(node, masked);
    } else {
      if (isSmallInteger(type) && wraps.has(step.operator))
        throw new Refusal("it calculates with integers of fewer than 32 bits, or without a sign, which wrap");
      varying.add(value);
    }
    checkFinite(node, plan.bounds.has(value));
    values.set(value, node);
    types.set(value, type);
  });
}

/** Operators whose results may lie outside the range of what they read. */
const wraps = new Set(
  "Add Sub Mul Div Neg Abs Pow Sum Mean MatMul Gemm ReduceSum ReduceProd ReduceMean Mod CumSum".split(" "),
);

/** A corrupt file can ask for anything; no engine holds more than this in one tensor. */
function checkSize(shape: Shape): void {
  if (!(sizeOf(shape) < 2 ** 31)) throw new ReadError(`a tensor of shape ${showShape(shape)} is too large`);
}

function checkFinite(node: Node, bound: boolean): void {
  if (isConstant(node) && !bound && firstNotFinite(node.attrs) >= 0) throw new ReadError("its value is not finite");
}

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
