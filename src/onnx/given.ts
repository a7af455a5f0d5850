/** @file What a graph is given: its inputs, and the tensors that are stored with it. */
import type { Port } from "../graph/network.ts";
import { ReadError } from "../tensor/errors.ts";
import type { DType, Tensor } from "../tensor/tensor.ts";
import { readsOf } from "./naming.ts";
import type { GraphProto, NodeProto, ValueInfoProto } from "./proto.ts";
import { dtypeOf, type External, firstNotFinite, readTensor } from "./tensors.ts";
import { shown, within } from "./wording.ts";

/** Names of values that only say where to clip. */
export function boundsOf(order: readonly NodeProto[], outputs: readonly string[]): Set<string> {
  const others = new Set([
    ...outputs,
    ...order.flatMap((n) => (n.opType === "Clip" ? n.input.slice(0, 1) : readsOf(n))),
  ]);
  const clips = order.filter((n) => n.opType === "Clip").flatMap((n) => n.input.slice(1));
  return new Set(clips.filter((name) => !others.has(name)));
}

/** The stored tensors that someone wants. */
export function tensorsOf(
  graph: GraphProto,
  wanted: ReadonlySet<string>,
  bounds: ReadonlySet<string>,
  external?: External,
): Map<string, Tensor> {
  const sparse = graph.sparseInitializer.map((t) => t.values?.name ?? "").filter((name) => wanted.has(name));
  if (sparse.length > 0)
    throw new ReadError(`initialiser "${shown(sparse[0])}" is sparse, which is not read; store it dense`);
  const tensors = new Map<string, Tensor>();
  for (const proto of graph.initializer) {
    if (!wanted.has(proto.name)) continue;
    const who = `initialiser "${shown(proto.name)}"`;
    if (tensors.has(proto.name)) throw new ReadError(`${who} is there twice`);
    const value = within(who, () => readTensor(proto, external));
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
