/** @file What a graph is given: its inputs, and the tensors that are stored with it. */
import type { Port } from "../graph/network.ts";
import { ReadError } from "../tensor/errors.ts";
import { type DType, type Tensor, tensor, toFloat64 } from "../tensor/tensor.ts";
import { readsOf } from "./naming.ts";
import type { GraphProto, NodeProto, ValueInfoProto } from "./proto.ts";
import { dtypeOf, type External, firstNotFinite, readTensor } from "./tensors.ts";
import { shown, within } from "./wording.ts";

/** Names of values that only say where to clip, or what a maximum or minimum is taken with. */
export function boundsOf(order: readonly NodeProto[], outputs: readonly string[]): Set<string> {
  const others = new Set([
    ...outputs,
    ...order.flatMap((n) => (n.opType === "Clip" ? n.input.slice(0, 1) : isExtremum(n) ? [] : readsOf(n))),
  ]);
  const clips = order.flatMap((n) => (n.opType === "Clip" ? n.input.slice(1) : isExtremum(n) ? n.input : []));
  return new Set(clips.filter((name) => !others.has(name)));
}

/** Names of values that only Where chooses: infinite ones are masks, which a softmax makes 0 of. */
export function masksOf(order: readonly NodeProto[], outputs: readonly string[]): Set<string> {
  const chosen = (n: NodeProto) => (n.opType === "Where" ? n.input.slice(1) : []);
  const others = new Set([
    ...outputs,
    ...order.flatMap((n) => (n.opType === "Where" ? n.input.slice(0, 1) : readsOf(n))),
  ]);
  return new Set(order.flatMap(chosen).filter((name) => !others.has(name)));
}

/** Infinite numbers as the largest float32: e to the power of less is 0 in every type. Null where there are none. */
export function masked(t: Tensor): Tensor | null {
  if (t.dtype !== "float32" && t.dtype !== "float64") return null;
  const data = toFloat64(t);
  if (data.every((v) => Number.isFinite(v) || Number.isNaN(v))) return null;
  const largest = 3.4028234663852886e38;
  return tensor(
    data.map((v) => (Number.isFinite(v) || Number.isNaN(v) ? v : Math.sign(v) * largest)),
    t.shape,
    t.dtype,
  );
}

const isExtremum = ({ opType }: NodeProto): boolean => opType === "Max" || opType === "Min";

/** The stored tensors that someone wants. */
export function tensorsOf(
  graph: GraphProto,
  wanted: ReadonlySet<string>,
  bounds: ReadonlySet<string>,
  external?: External,
  masks: ReadonlySet<string> = new Set(),
): Map<string, Tensor> {
  const sparse = graph.sparseInitializer.map((t) => t.values?.name ?? "").filter((name) => wanted.has(name));
  if (sparse.length > 0)
    throw new ReadError(`initialiser "${shown(sparse[0])}" is sparse, which is not read; store it dense`);
  const tensors = new Map<string, Tensor>();
  for (const proto of graph.initializer) {
    if (!wanted.has(proto.name)) continue;
    const who = `initialiser "${shown(proto.name)}"`;
    if (tensors.has(proto.name)) throw new ReadError(`${who} is there twice`);
    const stored = within(who, () => readTensor(proto, external));
    const value = (masks.has(proto.name) && masked(stored)) || stored;
    const at = bounds.has(proto.name) ? -1 : firstNotFinite(value);
    if (at >= 0)
      throw new ReadError(`${who} must be finite, got ${value.data[at]} at position ${at}; repair the model`);
    tensors.set(proto.name, value);
  }
  return tensors;
}

/** An input of the graph. */
export function portOf(info: ValueInfoProto): Port {
  const who = `input "${shown(info.name)}"`;
  const type = info.type?.value;
  if (type?.case !== "tensorType") throw new ReadError(`${who} must be a tensor, got ${type?.case ?? "no type"}`);
  const { elemType, shape } = type.value;
  const dtype: DType | null = dtypeOf(elemType);
  if (!dtype) throw new ReadError(`${who} has ONNX element type ${elemType}, which is not read`);
  if (!shape) throw new ReadError(`${who} has no shape; run onnx.shape_inference or set it`);
  const dims = shape.dim.map(({ value }, i) => {
    if (value.case !== "dimValue") return value.value || `${info.name}:${i}`;
    const d = Number(value.value);
    if (!Number.isSafeInteger(d) || d < 0) throw new ReadError(`${who} has a dimension of ${d}`);
    return d;
  });
  return { name: info.name, shape: dims, dtype };
}

/** No two inputs have one name. */
export function checkPorts(ports: readonly Port[]): void {
  const seen = new Set<string>();
  for (const { name } of ports) {
    if (seen.has(name)) throw new ReadError(`duplicate input "${shown(name)}"`);
    seen.add(name);
  }
}
