/** @file From a model with a fault to a small one with the same fault: an earlier output, fewer nodes, plainer attributes and numbers, as long as the fault stays. */
import { sizeOf } from "../../src/tensor/shape.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import type { ModelOf, NodeOf } from "../model.ts";

/** Make a model smaller while `fails` says that it still has its fault; at most `trials` models are tried. */
export async function shrink(
  model: ModelOf,
  fails: (model: ModelOf) => Promise<boolean>,
  trials = 200,
): Promise<ModelOf> {
  let best = alive(model);
  if (!(await fails(best))) return model;
  let left = trials;
  for (let again = true; again; ) {
    again = false;
    for (const candidate of smaller(best)) {
      if (left-- <= 0) return best;
      const trial = alive(candidate);
      if (weight(trial) >= weight(best) || !(await fails(trial))) continue;
      best = trial;
      again = true;
      break;
    }
  }
  return best;
}

/** A model on a few lines. */
export function printModel(model: ModelOf): string {
  const inputs = Object.entries(model.inputs).map(([name, dims]) => `${name}[${dims.join(",")}]`);
  const nodes = model.nodes.map(({ op, in: from, out = ["y"], attributes = {} }) => {
    const said = Object.entries(attributes).map(([name, value]) => `${name}=${printValue(value)}`);
    return `  ${out.join(", ")} = ${op}(${from.join(", ")})${said.length > 0 ? ` {${said.join(", ")}}` : ""}`;
  });
  const tensors = Object.entries(model.tensors ?? {}).map(([name, value]) => `  ${name} = ${printValue(value)}`);
  const outputs = (model.outputs ?? ["y"]).join(", ");
  return [`opset ${model.opset}, ${inputs.join(", ")} -> ${outputs}`, ...tensors, ...nodes].join("\n");
}

// --- internal ---

function printValue(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  if ("data" in value && "shape" in value) {
    const { dtype, shape, data } = value as Tensor;
    return `${dtype}[${shape.join(",")}](${Array.from(data as ArrayLike<number | bigint>).join(", ")})`;
  }
  if ("float" in value) return String(value.float);
  if ("floats" in value) return `[${value.floats}]`;
  return Array.isArray(value) ? `[${value}]` : "...";
}

/** What counts as large: nodes first, then attributes, then numbers that are not plain. */
function weight({ nodes, tensors = {}, outputs = ["y"], inputs }: ModelOf): number {
  const attributes = nodes.reduce((n, node) => n + Object.keys(node.attributes ?? {}).length, 0);
  const odd = Object.values(tensors).reduce(
    (n, t) =>
      n + ("data" in t ? Array.from(t.data as ArrayLike<number | bigint>).filter((v) => !plain(Number(v))).length : 0),
    0,
  );
  const free = Object.values(inputs)
    .flat()
    .filter((d) => typeof d === "string").length;
  return 1000 * nodes.length + 100 * outputs.length + 10 * attributes + 5 * free + odd;
}

const plain = (v: number): boolean => Math.abs(v) <= 1 && Number.isInteger(v);

function* smaller(model: ModelOf): Generator<ModelOf> {
  const { nodes, tensors = {}, outputs = ["y"] } = model;
  // One of several outputs, or what was there before.
  for (const output of outputs) if (outputs.length > 1) yield { ...model, outputs: [output] };
  for (const { out = ["y"] } of nodes.slice(0, -1)) for (const name of out) yield { ...model, outputs: [name] };
  for (const [at, node] of nodes.entries()) {
    const [first] = node.out ?? ["y"];
    for (const other of node.in.filter((name) => name !== "")) yield without(model, at, first, other);
  }
  for (const [at, node] of nodes.entries()) {
    for (const name of Object.keys(node.attributes ?? {})) {
      const { [name]: _, ...rest } = node.attributes ?? {};
      yield { ...model, nodes: nodes.map((n, i): NodeOf => (i === at ? { ...n, attributes: rest } : n)) };
    }
  }
  for (const [name, value] of Object.entries(tensors)) {
    if (!("data" in value) || (value.dtype !== "float32" && value.dtype !== "float64")) continue;
    const size = sizeOf(value.shape);
    const filled = (v: (i: number) => number): ModelOf => ({
      ...model,
      tensors: {
        ...tensors,
        [name]: tensor(
          Array.from({ length: size }, (_, i) => v(i)),
          value.shape,
          value.dtype,
        ),
      },
    });
    yield filled(() => 1);
    yield filled(() => 0);
    yield filled((i) => Math.sign(Number(value.data[i])));
  }
  const bound = Object.fromEntries(
    Object.entries(model.inputs).map(([name, dims]) => [name, dims.map((d) => (typeof d === "string" ? 1 : d))]),
  );
  yield { ...model, inputs: bound };
}

/** The model with one value in place of another. */
function without(model: ModelOf, at: number, gone: string, other: string): ModelOf {
  const named = (name: string) => (name === gone ? other : name);
  return {
    ...model,
    nodes: model.nodes.filter((_, i) => i !== at).map((n) => ({ ...n, in: n.in.map(named) })),
    outputs: (model.outputs ?? ["y"]).map(named),
  };
}

/** The nodes and tensors that the outputs need. */
function alive(model: ModelOf): ModelOf {
  const needed = new Set(model.outputs ?? ["y"]);
  const nodes: NodeOf[] = [];
  for (const node of [...model.nodes].reverse()) {
    if (!(node.out ?? ["y"]).some((name) => needed.has(name))) continue;
    nodes.unshift(node);
    for (const name of node.in) needed.add(name);
  }
  const tensors = Object.fromEntries(Object.entries(model.tensors ?? {}).filter(([name]) => needed.has(name)));
  return { ...model, nodes, tensors };
}
